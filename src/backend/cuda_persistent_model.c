/* A model in the form of the persistent kernels: W_hh as an image, W_ih x + b as a table of the vocabulary. */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "array.h"
#include "cuda_persistent.h"
#include "persistent_weights.h"

static double largest(const float *x, size_t n) {
  double found = 0;
  for (size_t i = 0; i < n; i++) {
    if (!isfinite(x[i])) {
      return INFINITY;
    }
    found = fmax(found, fabs((double)x[i]));
  }
  return found;
}

/* An overflow would be a NaN in a text and in its variants, and look like a device that errs: |h| is at most 1, so that
 * no sum is beyond this bound. */
static bki_status check_range(const bki_model_config *m, const bki_parameters *p, bki_error *err) {
  const size_t H = (size_t)m->hidden;
  const size_t E = (size_t)m->embedding_dim;
  const double x = largest(p->embedding, (size_t)m->vocabulary_size * E);
  for (int half = 0; half < 2; half++) {
    const bki_lstm_weights *w = &p->lstm[half];
    const double inputs = x * largest(w->w_ih, 4 * H * E) * (double)E;
    const double biases = largest(w->b_ih, 4 * H) + largest(w->b_hh, 4 * H);
    if (!(inputs + biases + largest(w->w_hh, 4 * H * H) * (double)H < (double)FLT_MAX)) {
      return bki_fail(
          err, BKI_E_USAGE,
          "engine persistent: expected a model whose sums stay finite in fp32, found weights or vectors that "
          "are too large: use incremental");
    }
  }
  return BKI_OK;
}

static bki_k_kind find_kind(bki_precision precision, int32_t hidden, const bki_k_gpu *gpu) {
  switch (precision) {
    case BKI_PRECISION_FP16: return bki_k_kind_runs(BKI_K_HALF_WG, hidden, gpu) ? BKI_K_HALF_WG : BKI_K_HALF;
    case BKI_PRECISION_SPLIT: return BKI_K_SPLIT;
    default: return BKI_K_FP32;
  }
}

static bki_status choose_kind(bki_cuda_persistent_model *model, bki_cuda_worker *w, bki_error *err) {
  bki_cuda_device *d = &w->device;
  struct cudaDeviceProp p;
  BKI_CUDA(d, err, cudaGetDeviceProperties(&p, d->ordinal));
  model->gpu = (bki_k_gpu){.major = p.major,
                           .minor = p.minor,
                           .multiprocessors = p.multiProcessorCount,
                           .shared_bytes = (int32_t)p.sharedMemPerBlockOptin};
  model->kind = find_kind(w->precision, w->model->hidden, &model->gpu);
  if (!bki_k_kind_runs(model->kind, w->model->hidden, &model->gpu)) {
    return bki_fail(err, BKI_E_DEVICE,
                    "GPU %d (%s): engine persistent does not run there in %s with a hidden size of %d: use incremental",
                    d->ordinal, d->name, bki_precision_name(w->precision), w->model->hidden);
  }
  return BKI_OK;
}

/* The image of W_hh is made of numbers that the kind can hold. */
static bki_status check_weights(const bki_cuda_persistent_model *model, const bki_cuda_worker *w, bki_error *err) {
  for (int half = 0; half < 2; half++) {
    if (!bki_k_weights_fit(model->kind, w->parameters->lstm[half].w_hh, w->model->hidden)) {
      return bki_fail(
          err, BKI_E_USAGE,
          "engine persistent: precision %s is for recurrent weights up to 65504, found larger ones: use fp32",
          bki_precision_name(w->precision));
    }
  }
  return BKI_OK;
}

static bki_status make_image(bki_cuda_persistent_model *model, bki_cuda_worker *w, int half, bki_error *err) {
  const int32_t H = w->model->hidden;
  const size_t bytes = (size_t)bki_k_weights_bytes(model->kind, H);
  void *image = bki_array_create(1, bytes);
  if (image == NULL) {
    return bki_fail_memory(err);
  }
  bki_k_pack_weights(model->kind, image, w->parameters->lstm[half].w_hh, H);
  bki_status status = bki_cuda_reserve(&w->device, &model->half[half].weights, 1, bytes, err);
  if (status == BKI_OK) {
    status = bki_cuda_upload(&w->device, model->half[half].weights.data, image, bytes, err);
  }
  free(image);
  return status;
}

/* The gates of the table in the place of those of the model, times their scale: to and from [4H, width]. */
static void order_gates(float *to, const float *from, int32_t H, size_t width) {
  for (int32_t gate = 0; gate < 4; gate++) {
    for (int32_t u = 0; u < H; u++) {
      float *row = to + (size_t)bki_k_gate_column(u, gate) * width;
      const float *source = from + ((size_t)gate * (size_t)H + (size_t)u) * width;
      for (size_t i = 0; i < width; i++) {
        row[i] = bki_k_gate_scale(gate) * source[i];
      }
    }
  }
}

/* W_ih [4H, E], b_ih [4H] and b_hh [4H] in the order of the table, to the device. */
static bki_status upload_inputs(bki_cuda_worker *w, bki_cuda_buffer *out, int half, bki_error *err) {
  const bki_lstm_weights *lstm = &w->parameters->lstm[half];
  const int32_t H = w->model->hidden;
  const size_t gates = 4 * (size_t)H;
  const size_t E = (size_t)w->model->embedding_dim;
  float *host = bki_array_create(gates * (E + 2), sizeof *host);
  if (host == NULL) {
    return bki_fail_memory(err);
  }
  order_gates(host, lstm->w_ih, H, E);
  order_gates(host + gates * E, lstm->b_ih, H, 1);
  order_gates(host + gates * (E + 1), lstm->b_hh, H, 1);
  bki_status status = bki_cuda_reserve(&w->device, out, gates * (E + 2), sizeof *host, err);
  if (status == BKI_OK) {
    status = bki_cuda_upload(&w->device, out->data, host, gates * (E + 2) * sizeof *host, err);
  }
  free(host);
  return status;
}

/* table = scale (W_ih x + b_ih + b_hh) of every word. */
static bki_status fill_table(bki_cuda_worker *w, float *table, const float *inputs, bki_error *err) {
  bki_cuda_device *d = &w->device;
  const int64_t V = w->model->vocabulary_size;
  const int64_t E = w->model->embedding_dim;
  const int64_t gates = 4 * (int64_t)w->model->hidden;
  const float *embedding = bki_cuda_tensors_find(&w->tensors, w->parameters->embedding);
  bki_cuda_gemm gemm;
  BKI_TRY(bki_cuda_gemm_create(&gemm, d, 1 << 16, gates, E, BKI_CUDA_FP32, err));
  const bki_status status = bki_cuda_gemm_run(&gemm, V, embedding, inputs, table, d->upload, err);
  bki_cuda_gemm_destroy(&gemm);
  BKI_TRY(status);
  for (int64_t i = 0; i < 2; i++) {
    const float *bias = inputs + gates * (E + i);
    BKI_CUDA(d, err, bki_k_bias_activation(table, bias, BKI_K_LINEAR, V, gates, d->upload));
  }
  return bki_cuda_check(d, cudaStreamSynchronize(d->upload), "cudaStreamSynchronize", err);
}

static bki_status make_table(bki_cuda_persistent_model *model, bki_cuda_worker *w, int half, bki_error *err) {
  bki_cuda_buffer *table = &model->half[half].table;
  bki_cuda_buffer inputs = {0};
  BKI_TRY(bki_cuda_reserve(&w->device, table, (size_t)w->model->vocabulary_size,
                           4 * (size_t)w->model->hidden * sizeof(float), err));
  bki_status status = upload_inputs(w, &inputs, half, err);
  if (status == BKI_OK) {
    status = fill_table(w, table->data, inputs.data, err);
  }
  bki_cuda_release(&inputs);
  return status;
}

bki_status bki_cuda_persistent_model_choose(bki_cuda_persistent_model *model, bki_cuda_worker *worker, bki_error *err) {
  BKI_TRY(check_range(worker->model, worker->parameters, err));
  BKI_TRY(choose_kind(model, worker, err));
  return check_weights(model, worker, err);
}

bki_status bki_cuda_persistent_model_make(bki_cuda_persistent_model *model, bki_cuda_worker *worker, bki_error *err) {
  for (int half = 0; half < 2; half++) {
    BKI_TRY(make_image(model, worker, half, err));
    BKI_TRY(make_table(model, worker, half, err));
  }
  return BKI_OK;
}

void bki_cuda_persistent_model_clear(bki_cuda_persistent_model *model) {
  for (int half = 0; half < 2; half++) {
    bki_cuda_release(&model->half[half].weights);
    bki_cuda_release(&model->half[half].table);
  }
}
