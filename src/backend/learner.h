/* The seam between training and what computes it: one table of functions a backend, as backend.h for scoring.
 *
 * A learner holds the numbers of a training where it computes (memory of the CPU or of a device) in blocks laid out as
 * bki_parameters. A frozen embedding has neither gradients nor moments: these blocks then begin behind it. */
#ifndef BKI_BACKEND_LEARNER_H
#define BKI_BACKEND_LEARNER_H

#include <bki/model.h>
#include <bki/optimizer.h>
#include <bki/scorer.h>

#include "parameters.h"
#include "pool.h"

typedef enum bki_block {
  BKI_BLOCK_PARAMETERS = 0, /* [count] */
  BKI_BLOCK_GRADIENTS,      /* [count - first], of the last batch, before clipping */
  BKI_BLOCK_MEAN,           /* [count - first] m; RMSprop: zeros */
  BKI_BLOCK_VARIANCE,       /* [count - first] v */
} bki_block;

typedef struct bki_learner_config {
  const bki_model_config *model; /* borrowed, as is all below */
  bool train_embedding;
  /* Share of units that are zeroed, the others scaled by 1 / (1 - dropout): on the readout, and on the outputs between
   * layers (nn.LSTM(dropout=) and an nn.Dropout before the head). The mask is bki_dropout_keeps of learner_math.c: the
   * same in every backend. 0 to below 1. */
  double dropout;
  uint64_t seed;
  bki_optimizer_config optimizer;
  int32_t device; /* GPU; -1: the first */
  bki_pool *pool;
} bki_learner_config;

/* Texts of one step. */
typedef struct bki_minibatch {
  const bki_sequence *sequences; /* [n], any lengths, 0 too */
  const int32_t *labels;         /* [n] */
  size_t n;                      /* at least 1 */
  uint64_t step;                 /* 0-based number of the step in the whole training: it chooses the dropout mask */
} bki_minibatch;

typedef struct bki_batch_loss {
  double loss_sum;   /* sum of the cross-entropies (natural logarithm) of the n texts, with dropout as trained */
  int64_t n_correct; /* texts whose largest logit (the lowest of equal ones) is that of their label */
} bki_batch_loss;

typedef struct bki_learner_ops bki_learner_ops;
typedef struct bki_learner {
  const bki_learner_ops *ops; /* `create` fills it */
} bki_learner;

struct bki_learner_ops {
  const char *name;
  /* `initial` is copied. Errors: BKI_E_DEVICE, BKI_E_INTERNAL. */
  bki_status (*create)(bki_learner **out, const bki_learner_config *config, const bki_parameters *initial,
                       bki_error *err);
  void (*destroy)(bki_learner *learner); /* never called with NULL */
  /* Forward and backward: the gradient of the mean loss over the batch into the block of gradients. The result depends
   * on the batch and the parameters, not on the number of threads. */
  bki_status (*gradients)(bki_learner *learner, const bki_minibatch *batch, bki_batch_loss *out, bki_error *err);
  /* The loss of a batch as the model is used: no dropout, nothing is kept, the gradients stay. batch->step is not read.
   */
  bki_status (*evaluate)(bki_learner *learner, const bki_minibatch *batch, bki_batch_loss *out, bki_error *err);
  /* Clips the gradients and moves the parameters; *norm (may be NULL) is the Euclidean norm before clipping. `step` is
   * the 0-based number of the step. */
  bki_status (*update)(bki_learner *learner, uint64_t step, double *norm, bki_error *err);
  /* Copies a whole block out or in. */
  bki_status (*read)(bki_learner *learner, bki_block block, float *out, bki_error *err);
  bki_status (*write)(bki_learner *learner, bki_block block, const float *in, bki_error *err);
};

extern const bki_learner_ops bki_learner_cpu; /* fp32, GEMM library, threads */
extern const bki_learner_ops bki_learner_ref; /* the oracle: plain loops in double precision, one thread */

/* The learner of a name, without further wishes; see choose.h. Errors: BKI_E_USAGE, BKI_E_DEVICE. */
bki_status bki_learner_find(const bki_learner_ops **out, const char *name, bki_error *err);

/* Whether dropout keeps a unit. `site`: the layer whose output it is, num_layers for the readout. `row`: of the batch.
 * `unit`: t * 2H + k between layers (t: the step, pads are steps too), k for the readout. */
bool bki_dropout_keeps(double dropout, uint64_t seed, uint64_t step, uint32_t site, uint32_t row, uint64_t unit);

/* What gradients of this Euclidean norm are multiplied by: min(1, clip_norm / (norm + 1e-6)), as clip_grad_norm_ does;
 * 1 without clipping. */
double bki_clip_factor(double clip_norm, double norm);

#endif
