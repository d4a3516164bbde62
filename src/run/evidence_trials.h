/* What the trials of a phrase share. */
#ifndef BKI_RUN_EVIDENCE_TRIALS_H
#define BKI_RUN_EVIDENCE_TRIALS_H

#include "evidence_internal.h"
#include "evidence_texts.h"

/* Texts for the trials of one target. */
typedef struct bki_supply {
  int32_t target;
  bki_bottom_k bases;    /* of other classes, called other classes */
  bki_bottom_k controls; /* of the target's class: where control phrases come from */
  bki_texts base_texts;
} bki_supply;

/* Fills insertion, controls, wins and losses. */
bki_status bki_case_try_insertion(bki_case *c, bki_inquiry *inquiry, bki_supply *supply, bki_error *err);

/* Fills removal and removal_controls. */
bki_status bki_case_try_removal(bki_case *c, bki_inquiry *inquiry, bki_error *err);

/* How many of n are true. */
int64_t bki_trials_count(const bool *values, size_t n);

#endif
