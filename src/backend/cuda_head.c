/* What follows the readouts: the head, the classes, the distances. */
#include "cuda.h"

bki_status bki_cuda_head_create(bki_cuda_worker *worker, bki_error *err) {
  const bki_model_config *m = worker->model;
  const int64_t rows = (int64_t)worker->ops->best_slots(worker); /* whatever the memory: the same bytes */
  bki_cuda_head_destroy(worker);
  if (m->dense > 0) {
    BKI_TRY(bki_cuda_gemm_create(&worker->dense, &worker->device, rows, m->dense, 2 * (int64_t)m->hidden, BKI_CUDA_FP32,
                                 err));
  }
  return bki_cuda_gemm_create(&worker->output, &worker->device, rows, m->n_classes,
                              m->dense > 0 ? m->dense : 2 * (int64_t)m->hidden, BKI_CUDA_FP32, err);
}

void bki_cuda_head_destroy(bki_cuda_worker *worker) {
  bki_cuda_gemm_destroy(&worker->dense);
  bki_cuda_gemm_destroy(&worker->output);
}

/* logits = output . act(dense . readout + b) + b */
static bki_status compute_logits(bki_cuda_worker *w, bki_cuda_lane *lane, int64_t n, bki_error *err) {
  static const bki_k_activation activations[] = {
      [BKI_ACTIVATION_RELU] = BKI_K_RELU, [BKI_ACTIVATION_TANH] = BKI_K_TANH, [BKI_ACTIVATION_NONE] = BKI_K_LINEAR};
  const bki_model_config *m = w->model;
  const bki_parameters *p = w->parameters;
  const float *in = lane->readout.device.data;
  float *logits = lane->logits.device.data;
  if (m->dense > 0) {
    float *dense = lane->dense.data;
    BKI_TRY(bki_cuda_gemm_run(&w->dense, n, in, bki_cuda_tensors_find(&w->tensors, p->dense_weight), dense,
                              lane->stream, err));
    BKI_CUDA(&w->device, err,
             bki_k_bias_activation(dense, bki_cuda_tensors_find(&w->tensors, p->dense_bias),
                                   activations[m->dense_activation], n, m->dense, lane->stream));
    in = dense;
  }
  BKI_TRY(bki_cuda_gemm_run(&w->output, n, in, bki_cuda_tensors_find(&w->tensors, p->output_weight), logits,
                            lane->stream, err));
  BKI_CUDA(&w->device, err,
           bki_k_bias_activation(logits, bki_cuda_tensors_find(&w->tensors, p->output_bias), BKI_K_LINEAR, n,
                                 m->n_classes, lane->stream));
  return BKI_OK;
}

bki_status bki_cuda_head_run(bki_cuda_worker *worker, bki_cuda_lane *lane, const bki_cuda_job *job, bki_error *err) {
  bki_cuda_device *d = &worker->device;
  const int64_t n = (int64_t)lane->group->n_slots;
  const int32_t units = 2 * worker->model->hidden;
  const float *readout = lane->readout.device.data;
  BKI_TRY(compute_logits(worker, lane, n, err));
  if (job->extent == BKI_EXTENT_WHOLE) {
    BKI_TRY(bki_cuda_mirror_pull(d, &lane->readout, lane->stream, err));
    return bki_cuda_mirror_pull(d, &lane->logits, lane->stream, err);
  }
  BKI_CUDA(
      d, err,
      bki_k_argmax(lane->classes.device.data, lane->logits.device.data, n, worker->model->n_classes, lane->stream));
  if (!worker->ops->makes_scores) {
    BKI_CUDA(d, err,
             bki_k_linf(lane->distances.device.data, readout, lane->left.device.data, lane->right.device.data,
                        (int64_t)(lane->distances.bytes / sizeof(float)), units, lane->stream));
  }
  BKI_TRY(bki_cuda_mirror_pull(d, &lane->classes, lane->stream, err));
  return bki_cuda_mirror_pull(d, &lane->distances, lane->stream, err);
}
