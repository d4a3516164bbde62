/* Writing to the caller's log. */
#ifndef BKI_BASE_LOG_H
#define BKI_BASE_LOG_H

#include <bki/log.h>

void bki_log(const bki_logger *logger, bki_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
