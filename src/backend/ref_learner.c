/* The oracle of training: plain loops in double precision, a text at a time, one thread. */
#include "ref_learner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "fail.h"
#include "ref_tape.h"

typedef struct ref_learner {
  bki_learner base;
  bki_learner_config config;
  bki_ref_numbers parameters;
  bki_ref_numbers gradients;
  double *mean;     /* [count] m; frozen numbers have a place in these three, which stays zero */
  double *variance; /* [count] v */
  size_t first;     /* numbers before it are frozen */
  bki_ref_tape tape;
} ref_learner;

static void destroy(bki_learner *learner) {
  ref_learner *ref = (ref_learner *)learner;
  bki_ref_numbers_clear(&ref->parameters);
  bki_ref_numbers_clear(&ref->gradients);
  free(ref->mean);
  free(ref->variance);
  bki_ref_tape_clear(&ref->tape);
  free(ref);
}

static bki_status fill(ref_learner *ref, const bki_parameters *initial, bki_error *err) {
  const bki_model_config *m = ref->config.model;
  BKI_TRY(bki_ref_tape_init(&ref->tape, m, err));
  BKI_TRY(bki_ref_numbers_init(&ref->parameters, m, initial, err));
  BKI_TRY(bki_ref_numbers_init(&ref->gradients, m, initial, err));
  memset(ref->gradients.block, 0, ref->gradients.count * sizeof(double));
  ref->mean = bki_array_create(initial->count, sizeof *ref->mean);
  ref->variance = bki_array_create(initial->count, sizeof *ref->variance);
  return ref->mean != NULL && ref->variance != NULL ? BKI_OK : bki_fail_memory(err);
}

static bki_status create(bki_learner **out, const bki_learner_config *config, const bki_parameters *initial,
                         bki_error *err) {
  ref_learner *ref = bki_array_create(1, sizeof *ref);
  if (ref == NULL) {
    return bki_fail_memory(err);
  }
  const bki_model_config *m = config->model;
  *ref = (ref_learner){.base = {.ops = &bki_learner_ref},
                       .config = *config,
                       .first = config->train_embedding ? 0 : (size_t)m->vocabulary_size * (size_t)m->embedding_dim,
                       .tape = {.model = m}};
  const bki_status status = fill(ref, initial, err);
  if (status != BKI_OK) {
    destroy(&ref->base);
    return status;
  }
  *out = &ref->base;
  return BKI_OK;
}

typedef enum pass { USED, TRAINED, DIFFERENTIATED } pass;

/* All texts of a batch, forward: as the model is used or trained; and backward. */
static bki_status run_batch(ref_learner *ref, const bki_minibatch *batch, pass kind, bki_batch_loss *out,
                            bki_error *err) {
  int32_t steps = 0;
  for (size_t i = 0; i < batch->n; i++) {
    const int32_t n = bki_ref_steps(ref->config.model, batch->sequences[i].length);
    steps = n > steps ? n : steps;
  }
  BKI_TRY(bki_ref_tape_reserve(&ref->tape, (size_t)steps, err));
  *out = (bki_batch_loss){0};
  for (size_t i = 0; i < batch->n; i++) {
    const bki_ref_sample sample = {.text = batch->sequences[i],
                                   .label = batch->labels[i],
                                   .weight = 1 / (double)batch->n,
                                   .dropout = kind == USED ? 0 : ref->config.dropout,
                                   .seed = ref->config.seed,
                                   .step = batch->step,
                                   .row = (uint32_t)i};
    int32_t predicted;
    out->loss_sum += bki_ref_tape_forward(&ref->tape, &ref->parameters, &sample, &predicted);
    out->n_correct += predicted == sample.label;
    if (kind == DIFFERENTIATED) {
      bki_ref_tape_backward(&ref->tape, &ref->parameters, &sample, ref->config.train_embedding, &ref->gradients);
    }
  }
  return BKI_OK;
}

static bki_status gradients(bki_learner *learner, const bki_minibatch *batch, bki_batch_loss *out, bki_error *err) {
  ref_learner *ref = (ref_learner *)learner;
  memset(ref->gradients.block, 0, ref->gradients.count * sizeof(double));
  return run_batch(ref, batch, DIFFERENTIATED, out, err);
}

static bki_status evaluate(bki_learner *learner, const bki_minibatch *batch, bki_batch_loss *out, bki_error *err) {
  return run_batch((ref_learner *)learner, batch, USED, out, err);
}

bki_status bki_ref_learner_loss(bki_learner *learner, const bki_minibatch *batch, bki_batch_loss *out, bki_error *err) {
  return run_batch((ref_learner *)learner, batch, TRAINED, out, err);
}

/* A step of one number w with the gradient g. correction1 = 1 - beta1^t, correction2 = 1 - beta2^t. */
static void move(const bki_optimizer_config *o, double correction1, double correction2, double g, double *m, double *v,
                 double *w) {
  *v = o->beta2 * *v + (1 - o->beta2) * g * g;
  if (o->type == BKI_OPTIMIZER_RMSPROP) { /* w -= lr g / (sqrt(v) + epsilon) */
    *w -= o->learning_rate * g / (sqrt(*v) + o->epsilon);
    return;
  }
  *m = o->beta1 * *m + (1 - o->beta1) * g;
  if (o->convention == BKI_CONVENTION_KERAS) { /* w -= lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon) */
    *w -= o->learning_rate * sqrt(correction2) / correction1 * *m / (sqrt(*v) + o->epsilon);
  } else { /* w -= lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + epsilon) */
    *w -= o->learning_rate / correction1 * *m / (sqrt(*v / correction2) + o->epsilon);
  }
}

static bki_status update(bki_learner *learner, uint64_t step, double *norm, bki_error *err) {
  (void)err;
  ref_learner *ref = (ref_learner *)learner;
  const bki_optimizer_config *o = &ref->config.optimizer;
  const double *g = ref->gradients.block;
  double squares = 0;
  for (size_t i = ref->first; i < ref->gradients.count; i++) {
    squares += g[i] * g[i];
  }
  const double length = sqrt(squares);
  const double clip = bki_clip_factor(o->clip_norm, length);
  const double t = (double)step + 1;
  const double correction1 = 1 - pow(o->beta1, t);
  const double correction2 = 1 - pow(o->beta2, t);
  for (size_t i = ref->first; i < ref->gradients.count; i++) {
    move(o, correction1, correction2, clip * g[i], &ref->mean[i], &ref->variance[i], &ref->parameters.block[i]);
  }
  if (norm != NULL) {
    *norm = length;
  }
  return BKI_OK;
}

double *bki_ref_learner_block(bki_learner *learner, bki_block block) {
  ref_learner *ref = (ref_learner *)learner;
  switch (block) {
    case BKI_BLOCK_PARAMETERS: break;
    case BKI_BLOCK_GRADIENTS: return ref->gradients.block + ref->first;
    case BKI_BLOCK_MEAN: return ref->mean + ref->first;
    case BKI_BLOCK_VARIANCE: return ref->variance + ref->first;
  }
  return ref->parameters.block;
}

static size_t count_block(const bki_learner *learner, bki_block block) {
  const ref_learner *ref = (const ref_learner *)learner;
  return ref->parameters.count - (block == BKI_BLOCK_PARAMETERS ? 0 : ref->first);
}

static bki_status read_block(bki_learner *learner, bki_block block, float *out, bki_error *err) {
  (void)err;
  const double *numbers = bki_ref_learner_block(learner, block);
  for (size_t i = 0; i < count_block(learner, block); i++) {
    out[i] = (float)numbers[i];
  }
  return BKI_OK;
}

static bki_status write_block(bki_learner *learner, bki_block block, const float *in, bki_error *err) {
  (void)err;
  double *numbers = bki_ref_learner_block(learner, block);
  for (size_t i = 0; i < count_block(learner, block); i++) {
    numbers[i] = (double)in[i];
  }
  return BKI_OK;
}

const bki_learner_ops bki_learner_ref = {.name = "ref",
                                         .create = create,
                                         .destroy = destroy,
                                         .gradients = gradients,
                                         .evaluate = evaluate,
                                         .update = update,
                                         .read = read_block,
                                         .write = write_block};
