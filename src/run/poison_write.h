/* Writing a poisoned corpus and its truth. */
#ifndef BKI_RUN_POISON_WRITE_H
#define BKI_RUN_POISON_WRITE_H

#include "poison_choice.h"

/* Reads the corpus once more, twice where copies are appended. Errors: as bki_poison_run. */
bki_status bki_poison_write(const bki_poison_config *config, const bki_poison_choice *choice, bki_poison_summary *out,
                            bki_error *err);

#endif
