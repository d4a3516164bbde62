/* Telling in the log what computes. */
#ifndef BKI_RUN_LOG_BACKEND_H
#define BKI_RUN_LOG_BACKEND_H

#include <bki/log.h>
#include <bki/scorer.h>

/* What "auto" came to, and why; nothing when the reason is "". */
void bki_log_choice(const bki_logger *logger, const char *backend, const char *reason);

/* All that was chosen for a scorer, and a warning when it emulates its precision. */
void bki_log_scorer(const bki_logger *logger, const bki_scorer *scorer);

#endif
