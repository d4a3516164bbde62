/* For tests: the numbers of the learner `ref` as it holds them, and its loss without rounding. */
#ifndef BKI_BACKEND_REF_LEARNER_H
#define BKI_BACKEND_REF_LEARNER_H

#include "learner.h"

/* A block in double precision, [count] or [count - first] as bki_block says. It may be written. */
double *bki_ref_learner_block(bki_learner *learner, bki_block block);

/* The forward pass of `gradients` alone: with dropout, no gradients. Errors: BKI_E_INTERNAL. */
bki_status bki_ref_learner_loss(bki_learner *learner, const bki_minibatch *batch, bki_batch_loss *out, bki_error *err);

#endif
