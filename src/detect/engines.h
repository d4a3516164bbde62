/* Which engines a scorer may take. */
#ifndef BKI_DETECT_ENGINES_H
#define BKI_DETECT_ENGINES_H

#include "backend.h"

enum { BKI_MAX_ENGINES = 3 };

/* Whether the backend runs the engine that was asked for; AUTO is one. Errors: BKI_E_USAGE. */
bki_status bki_engines_check(const bki_backend_ops *ops, const bki_model_config *model, bki_engine wanted,
                             bki_error *err);

/* The engines to try for what passed the check, the fastest first; returns their number, at least 1. An engine that was
 * asked for is the only one, and so is the best of a CPU, which has no reason not to work. */
int bki_engines_list(bki_engine out[BKI_MAX_ENGINES], const bki_backend_ops *ops, const bki_model_config *model,
                     const bki_scorer_config *config);

#endif
