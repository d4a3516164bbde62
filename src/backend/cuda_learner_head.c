/* Readout, head and loss of the learner `cuda`, and the way back through them. */
#include "cuda_learner.h"

static const bki_k_readout readouts[] = {[BKI_READOUT_FINAL] = BKI_K_FINAL,
                                         [BKI_READOUT_LAST] = BKI_K_LAST,
                                         [BKI_READOUT_MEAN] = BKI_K_MEAN,
                                         [BKI_READOUT_MAX] = BKI_K_MAX};
static const bki_k_activation activations[] = {
    [BKI_ACTIVATION_RELU] = BKI_K_RELU, [BKI_ACTIVATION_TANH] = BKI_K_TANH, [BKI_ACTIVATION_NONE] = BKI_K_LINEAR};

bki_status bki_cuda_learner_head_create(bki_cuda_learner *l, const bki_parameters *initial, bki_error *err) {
  const bki_model_config *m = l->model;
  bki_cuda_learner_head *h = &l->head;
  const int64_t units = 2 * (int64_t)m->hidden;
  h->output_weight = (size_t)(initial->output_weight - initial->block);
  h->output_bias = (size_t)(initial->output_bias - initial->block);
  if (m->dense > 0) {
    h->dense_weight = (size_t)(initial->dense_weight - initial->block);
    h->dense_bias = (size_t)(initial->dense_bias - initial->block);
    BKI_TRY(bki_cuda_affine_create(&h->dense, &l->device, m->dense, units, err));
  }
  return bki_cuda_affine_create(&h->output, &l->device, m->n_classes, m->dense > 0 ? m->dense : units, err);
}

void bki_cuda_learner_head_destroy(bki_cuda_learner *l) {
  bki_cuda_learner_head *h = &l->head;
  bki_cuda_buffer *const buffers[] = {&h->readout, &h->source, &h->hidden, &h->logits, &h->d_readout, &h->d_hidden};
  for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
    bki_cuda_release(buffers[i]);
  }
  bki_cuda_affine_destroy(&h->dense);
  bki_cuda_affine_destroy(&h->output);
}

bki_status bki_cuda_learner_head_reserve(bki_cuda_learner *l, bool training, bki_error *err) {
  const bki_model_config *m = l->model;
  bki_cuda_learner_head *h = &l->head;
  bki_cuda_device *d = &l->device;
  const size_t n = l->batch.n;
  const size_t units_bytes = 2 * (size_t)m->hidden * sizeof(float);
  const size_t dense_bytes = (size_t)m->dense * sizeof(float);
  BKI_TRY(bki_cuda_reserve(d, &h->readout, n, units_bytes, err));
  BKI_TRY(bki_cuda_reserve(d, &h->source, l->batch.n_rows, 2 * (size_t)m->hidden * sizeof(int32_t), err));
  BKI_TRY(bki_cuda_reserve(d, &h->hidden, n, dense_bytes, err));
  BKI_TRY(bki_cuda_reserve(d, &h->logits, n, (size_t)m->n_classes * sizeof(float), err));
  if (training) {
    BKI_TRY(bki_cuda_reserve(d, &h->d_readout, n, units_bytes, err));
    BKI_TRY(bki_cuda_reserve(d, &h->d_hidden, n, dense_bytes, err));
  }
  return BKI_OK;
}

/* Readouts of texts without a step are zeros. */
static bki_status read_out(bki_cuda_learner *l, const bki_k_dropout_mask *mask, bki_error *err) {
  const bki_model_config *m = l->model;
  const bki_cuda_batch *b = &l->batch;
  bki_cuda_device *d = &l->device;
  const int64_t units = 2 * (int64_t)m->hidden;
  float *readout = l->head.readout.data;
  BKI_CUDA(d, err, cudaMemsetAsync(readout, 0, b->n * (size_t)units * sizeof *readout, l->stream));
  BKI_CUDA(d, err,
           bki_k_read_out_from(readout, l->head.source.data, l->layers[m->num_layers - 1].y.data, b->rows.device.data,
                               readouts[m->readout], (int64_t)b->n_rows, m->hidden, l->stream));
  if (mask->threshold > 0) {
    BKI_CUDA(d, err, bki_k_dropout_texts(readout, mask, (uint32_t)m->num_layers, (int64_t)b->n, units, l->stream));
  }
  return BKI_OK;
}

/* out [n, width] = act(in . weight^T + bias) */
static bki_status run_affine(bki_cuda_learner *l, const bki_cuda_affine *affine, const float *in, size_t weight,
                             size_t bias, bki_k_activation activation, float *out, bki_error *err) {
  const int64_t n = (int64_t)l->batch.n;
  BKI_TRY(bki_cuda_affine_forward(affine, n, in, bki_cuda_learner_at(l, BKI_BLOCK_PARAMETERS, weight), out, l->stream,
                                  err));
  BKI_CUDA(&l->device, err,
           bki_k_bias_activation(out, bki_cuda_learner_at(l, BKI_BLOCK_PARAMETERS, bias), activation, n, affine->n,
                                 l->stream));
  return BKI_OK;
}

bki_status bki_cuda_learner_head_forward(bki_cuda_learner *l, const bki_k_dropout_mask *mask, bki_error *err) {
  const bki_model_config *m = l->model;
  bki_cuda_learner_head *h = &l->head;
  bki_cuda_batch *b = &l->batch;
  const float *in = h->readout.data;
  BKI_TRY(read_out(l, mask, err));
  if (m->dense > 0) {
    BKI_TRY(run_affine(l, &h->dense, in, h->dense_weight, h->dense_bias, activations[m->dense_activation],
                       h->hidden.data, err));
    in = h->hidden.data;
  }
  BKI_TRY(run_affine(l, &h->output, in, h->output_weight, h->output_bias, BKI_K_LINEAR, h->logits.data, err));
  BKI_CUDA(&l->device, err,
           bki_k_cross_entropy(b->losses.device.data, h->logits.data, b->labels.device.data, (int64_t)b->n,
                               m->n_classes, l->stream));
  return bki_cuda_mirror_pull(&l->device, &b->losses, l->stream, err);
}

/* d_out [n, width] to the gradients of weight and bias, and to d_in. */
static bki_status affine_back(bki_cuda_learner *l, const bki_cuda_affine *affine, const float *in, const float *d_out,
                              size_t weight, size_t bias, float *d_in, bki_error *err) {
  const int64_t n = (int64_t)l->batch.n;
  BKI_TRY(bki_cuda_affine_weight(affine, n, d_out, in, bki_cuda_learner_at(l, BKI_BLOCK_GRADIENTS, weight), l->stream,
                                 err));
  BKI_CUDA(&l->device, err,
           bki_k_column_sums(bki_cuda_learner_at(l, BKI_BLOCK_GRADIENTS, bias), d_out, n, affine->n, l->stream));
  return bki_cuda_affine_back(affine, n, d_out, bki_cuda_learner_at(l, BKI_BLOCK_PARAMETERS, weight), d_in, l->stream,
                              err);
}

bki_status bki_cuda_learner_head_back(bki_cuda_learner *l, const bki_k_dropout_mask *mask, bki_error *err) {
  const bki_model_config *m = l->model;
  const bki_cuda_learner_head *h = &l->head;
  const bki_cuda_batch *b = &l->batch;
  bki_cuda_device *d = &l->device;
  const int64_t units = 2 * (int64_t)m->hidden;
  float *d_readout = h->d_readout.data;
  if (m->dense > 0) {
    float *d_hidden = h->d_hidden.data;
    BKI_TRY(
        affine_back(l, &h->output, h->hidden.data, h->logits.data, h->output_weight, h->output_bias, d_hidden, err));
    BKI_CUDA(d, err,
             bki_k_activation_back(d_hidden, h->hidden.data, activations[m->dense_activation], (int64_t)b->n * m->dense,
                                   l->stream));
    BKI_TRY(affine_back(l, &h->dense, h->readout.data, d_hidden, h->dense_weight, h->dense_bias, d_readout, err));
  } else {
    BKI_TRY(
        affine_back(l, &h->output, h->readout.data, h->logits.data, h->output_weight, h->output_bias, d_readout, err));
  }
  if (mask->threshold > 0) {
    BKI_CUDA(d, err, bki_k_dropout_texts(d_readout, mask, (uint32_t)m->num_layers, (int64_t)b->n, units, l->stream));
  }
  BKI_CUDA(d, err,
           bki_k_read_out_back(l->dy.data, d_readout, h->source.data, b->rows.device.data, b->steps, (int64_t)b->n_rows,
                               m->hidden, l->stream));
  return BKI_OK;
}
