/* Steps of the optimizers on the device: optimizer.h has the equations. */
#include <math.h>

#include "cuda_learner.h"

/* Of the 0-based step. */
static bki_k_optimizer make_step(const bki_optimizer_config *o, uint64_t step) {
  bki_k_optimizer s = {.beta1 = (float)o->beta1,
                       .beta2 = (float)o->beta2,
                       .rest1 = (float)(1 - o->beta1),
                       .rest2 = (float)(1 - o->beta2),
                       .rate = (float)o->learning_rate,
                       .root = 1,
                       .epsilon = (float)o->epsilon};
  if (o->type == BKI_OPTIMIZER_ADAM) {
    const double t = (double)step + 1;
    const double unbias_m = 1 / (1 - pow(o->beta1, t));
    const double unbias_root = 1 / sqrt(1 - pow(o->beta2, t)); /* of sqrt(v) */
    if (o->convention == BKI_CONVENTION_PYTORCH) {
      s.rate = (float)(o->learning_rate * unbias_m);
      s.root = (float)unbias_root;
    } else {
      s.rate = (float)(o->learning_rate * unbias_m / unbias_root);
    }
  }
  return s;
}

bki_status bki_cuda_learner_update(bki_cuda_learner *l, uint64_t step, double *norm, bki_error *err) {
  const bki_optimizer_config *o = &l->config.optimizer;
  bki_cuda_device *d = &l->device;
  const int64_t n = (int64_t)(l->count - l->first);
  const bki_k_optimizer s = make_step(o, step);
  float *w = bki_cuda_learner_at(l, BKI_BLOCK_PARAMETERS, l->first);
  const float *g = l->blocks[BKI_BLOCK_GRADIENTS].data;
  float *v = l->blocks[BKI_BLOCK_VARIANCE].data;
  BKI_CUDA(d, err, bki_k_measure(l->norm.device.data, l->norm_parts.data, g, n, o->clip_norm, l->stream));
  l->packed = false;
  if (o->type == BKI_OPTIMIZER_ADAM) {
    float *m = l->blocks[BKI_BLOCK_MEAN].data;
    BKI_CUDA(d, err, bki_k_adam(w, m, v, g, l->norm.device.data, &s, n, l->stream));
  } else {
    BKI_CUDA(d, err, bki_k_rmsprop(w, v, g, l->norm.device.data, &s, n, l->stream));
  }
  if (norm == NULL) {
    return BKI_OK;
  }
  BKI_TRY(bki_cuda_mirror_pull(d, &l->norm, l->stream, err));
  BKI_CUDA(d, err, cudaStreamSynchronize(l->stream));
  *norm = ((const bki_k_norm *)l->norm.host.data)->norm;
  return BKI_OK;
}
