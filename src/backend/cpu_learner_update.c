/* Steps of the optimizers: optimizer.h has the equations. Slices of the block go to the pool; what is summed over them
 * is summed in their order. */
#include <math.h>

#include "cpu_learner.h"

enum { SLICE = 16384 };

size_t bki_learner_slices(size_t count) {
  return (count + SLICE - 1) / SLICE;
}

typedef struct update {
  bki_cpu_learner *l;
  float scale;   /* of the gradients: clipping */
  float rate;    /* what multiplies m / (sqrt(v) root + epsilon) */
  float root;    /* what multiplies sqrt(v) */
  float epsilon; /* added to it */
} update;

static size_t slice_end(const bki_cpu_learner *l, size_t i) {
  return (i + 1) * SLICE < l->count ? (i + 1) * SLICE : l->count;
}

static void square(void *context, size_t i, int32_t worker) {
  (void)worker;
  const bki_cpu_learner *l = ((update *)context)->l;
  double sum = 0;
  for (size_t k = i * SLICE; k < slice_end(l, i); k++) {
    sum += (double)l->moments[k] * (double)l->moments[k];
  }
  l->norms[i] = sum;
}

static void adam(void *context, size_t i, int32_t worker) {
  (void)worker;
  const update *u = context;
  const bki_cpu_learner *l = u->l;
  const float b1 = (float)l->config.optimizer.beta1;
  const float b2 = (float)l->config.optimizer.beta2;
  const float c1 = (float)(1 - l->config.optimizer.beta1);
  const float c2 = (float)(1 - l->config.optimizer.beta2);
  const float scale = u->scale;
  const float rate = u->rate;
  const float root = u->root;
  const float epsilon = u->epsilon;
  const float *restrict gradient = l->moments;
  float *restrict m = l->moments + l->count;
  float *restrict v = l->moments + 2 * l->count;
  float *restrict w = l->parameters.block + l->first;
  for (size_t k = i * SLICE; k < slice_end(l, i); k++) {
    const float g = gradient[k] * scale;
    m[k] = b1 * m[k] + c1 * g;
    v[k] = b2 * v[k] + c2 * g * g;
    w[k] -= rate * m[k] / (sqrtf(v[k]) * root + epsilon);
  }
}

static void rmsprop(void *context, size_t i, int32_t worker) {
  (void)worker;
  const update *u = context;
  const bki_cpu_learner *l = u->l;
  const float b2 = (float)l->config.optimizer.beta2;
  const float c2 = (float)(1 - l->config.optimizer.beta2);
  const float scale = u->scale;
  const float rate = u->rate;
  const float epsilon = u->epsilon;
  const float *restrict gradient = l->moments;
  float *restrict v = l->moments + 2 * l->count;
  float *restrict w = l->parameters.block + l->first;
  for (size_t k = i * SLICE; k < slice_end(l, i); k++) {
    const float g = gradient[k] * scale;
    v[k] = b2 * v[k] + c2 * g * g;
    w[k] -= rate * g / (sqrtf(v[k]) + epsilon);
  }
}

void bki_learner_update(bki_cpu_learner *l, uint64_t step, double *norm) {
  const bki_optimizer_config *o = &l->config.optimizer;
  const size_t slices = bki_learner_slices(l->count);
  update u = {.l = l, .scale = 1, .rate = (float)o->learning_rate, .root = 1, .epsilon = (float)o->epsilon};
  if (norm != NULL || o->clip_norm > 0) {
    bki_pool_for(l->config.pool, slices, square, &u);
    double sum = 0;
    for (size_t i = 0; i < slices; i++) {
      sum += l->norms[i];
    }
    sum = sqrt(sum);
    if (norm != NULL) {
      *norm = sum;
    }
    u.scale = (float)bki_clip_factor(o->clip_norm, sum);
  }
  if (o->type == BKI_OPTIMIZER_ADAM) {
    const double t = (double)step + 1;
    const double unbias_m = 1 / (1 - pow(o->beta1, t));
    const double unbias_v = 1 / sqrt(1 - pow(o->beta2, t)); /* of sqrt(v) */
    if (o->convention == BKI_CONVENTION_PYTORCH) {
      u.rate = (float)(o->learning_rate * unbias_m);
      u.root = (float)unbias_v;
    } else {
      u.rate = (float)(o->learning_rate * unbias_m / unbias_v);
    }
  }
  bki_pool_for(l->config.pool, slices, o->type == BKI_OPTIMIZER_ADAM ? adam : rmsprop, &u);
}
