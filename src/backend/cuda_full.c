/* Engine `full`: every variant from end to end through cuDNN, any depth, readout and padding. */
#include <stdlib.h>

#include "array.h"
#include "cuda_full.h"
#include "cuda_rnn.h"

enum { LANES = 2, BEST_SLOTS = 8192 };

/* cuDNN for a lane: what a handle and its descriptors stand for must not change while work is under way. */
typedef struct full_rnns {
  cudnnHandle_t handle; /* its stream is the lane's */
  bki_cuda_rnn first;   /* E inputs */
  bki_cuda_rnn deeper;  /* 2H inputs; not created for one layer */
} full_rnns;

typedef struct full_engine {
  full_rnns rnns[LANES];
  bki_cuda_buffer *layers; /* [num_layers] weight spaces, of all lanes */
} full_engine;

static bki_cuda_rnn *layer_rnn(full_rnns *rnns, int32_t layer) {
  return layer == 0 ? &rnns->first : &rnns->deeper;
}

static full_rnns *rnns_of(const bki_cuda_worker *w, const bki_cuda_lane *lane) {
  return &((full_engine *)w->engine)->rnns[lane - w->lanes];
}

/* n numbers of the parameters into a weight space, rounded where that is in half precision. */
static bki_status copy_part(bki_cuda_worker *w, const bki_cuda_rnn *rnn, void *to, const float *from, size_t n,
                            bki_error *err) {
  bki_cuda_device *d = &w->device;
  const float *source = bki_cuda_tensors_find(&w->tensors, from);
  if (rnn->type == CUDNN_DATA_HALF) {
    BKI_CUDA(d, err, bki_k_to_half(to, source, (int64_t)n, d->upload));
  } else {
    BKI_CUDA(d, err, cudaMemcpyAsync(to, source, n * sizeof *source, cudaMemcpyDeviceToDevice, d->upload));
  }
  return BKI_OK;
}

static bki_status fill_layer(bki_cuda_worker *w, int32_t layer, bki_error *err) {
  full_engine *e = w->engine;
  bki_cuda_rnn *rnn = layer_rnn(&e->rnns[0], layer); /* those of all lanes lay weights out alike */
  const size_t H = (size_t)rnn->hidden;
  const size_t I = (size_t)rnn->inputs;
  BKI_TRY(bki_cuda_reserve(&w->device, &e->layers[layer], 1, rnn->weight_bytes, err));
  for (int direction = 0; direction < 2; direction++) {
    const bki_lstm_weights *lstm = &w->parameters->lstm[2 * layer + direction];
    for (int q = 0; q < 4; q++) {
      void *matrix;
      void *bias;
      const size_t at = (size_t)q * H;
      BKI_TRY(bki_cuda_rnn_find(rnn, e->layers[layer].data, direction, q, false, &matrix, &bias, err));
      BKI_TRY(copy_part(w, rnn, matrix, lstm->w_ih + at * I, H * I, err));
      BKI_TRY(copy_part(w, rnn, bias, lstm->b_ih + at, H, err));
      BKI_TRY(bki_cuda_rnn_find(rnn, e->layers[layer].data, direction, q, true, &matrix, &bias, err));
      BKI_TRY(copy_part(w, rnn, matrix, lstm->w_hh + at * H, H * H, err));
      BKI_TRY(copy_part(w, rnn, bias, lstm->b_hh + at, H, err));
    }
  }
  return BKI_OK;
}

static bki_status create_rnns(bki_cuda_worker *w, full_rnns *rnns, cudaStream_t stream, bki_error *err) {
  const bki_model_config *m = w->model;
  bki_cuda_device *d = &w->device;
  BKI_CUDA_DNN(d, err, cudnnCreate(&rnns->handle));
  BKI_CUDA_DNN(d, err, cudnnSetStream(rnns->handle, stream));
  BKI_TRY(bki_cuda_rnn_create(&rnns->first, d, rnns->handle, m->embedding_dim, m->hidden, w->math, err));
  return m->num_layers == 1
             ? BKI_OK
             : bki_cuda_rnn_create(&rnns->deeper, d, rnns->handle, 2 * m->hidden, m->hidden, w->math, err);
}

static void destroy_rnns(full_rnns *rnns) {
  bki_cuda_rnn_destroy(&rnns->first);
  bki_cuda_rnn_destroy(&rnns->deeper);
  if (rnns->handle != NULL) {
    (void)cudnnDestroy(rnns->handle);
  }
}

static bki_status create(bki_cuda_worker *worker, bki_error *err) {
  const bki_model_config *m = worker->model;
  bki_cuda_device *d = &worker->device;
  full_engine *e = calloc(1, sizeof *e);
  worker->engine = e;
  if (e == NULL || (e->layers = bki_array_create((size_t)m->num_layers, sizeof *e->layers)) == NULL) {
    return bki_fail_memory(err);
  }
  for (size_t i = 0; i < LANES; i++) {
    BKI_TRY(create_rnns(worker, &e->rnns[i], worker->lanes[i].stream, err));
  }
  for (int32_t layer = 0; layer < m->num_layers; layer++) {
    BKI_TRY(fill_layer(worker, layer, err));
  }
  BKI_CUDA(d, err, cudaStreamSynchronize(d->upload));
  return BKI_OK;
}

static void destroy(bki_cuda_worker *worker) {
  full_engine *e = worker->engine;
  for (int32_t layer = 0; e->layers != NULL && layer < worker->model->num_layers; layer++) {
    bki_cuda_release(&e->layers[layer]);
  }
  free(e->layers);
  for (size_t i = 0; i < LANES; i++) {
    destroy_rnns(&e->rnns[i]);
  }
  free(e);
}

/* With room for a batch that is somewhat larger, where there is memory for that. The batch before may still be at work
 * in the buffer. */
static bki_status grow(bki_cuda_worker *w, const bki_cuda_lane *lane, bki_cuda_buffer *buffer, size_t count,
                       size_t element_bytes, bki_error *err) {
  bki_cuda_device *d = &w->device;
  if (count <= buffer->capacity_bytes / element_bytes) {
    return BKI_OK;
  }
  if (buffer->data != NULL) {
    BKI_CUDA(d, err, cudaStreamSynchronize(lane->stream));
  }
  const bki_status status = bki_cuda_reserve(d, buffer, count + count / 8, element_bytes, err);
  return status == BKI_E_DEVICE && d->out_of_memory ? bki_cuda_reserve(d, buffer, count, element_bytes, err) : status;
}

static bki_status reserve_batch(bki_cuda_worker *w, const bki_cuda_lane *lane, int T, size_t n, bki_error *err) {
  full_rnns *rnns = rnns_of(w, lane);
  bki_cuda_full_lane *l = lane->engine;
  const bki_model_config *m = w->model;
  const size_t element = w->math == BKI_CUDA_FP16 ? sizeof(uint16_t) : sizeof(float);
  const size_t cells = (size_t)T * n;
  BKI_TRY(grow(w, lane, &l->x, cells, (size_t)m->embedding_dim * element, err));
  for (int i = 0; i < (m->num_layers > 1 ? 2 : 1); i++) {
    BKI_TRY(grow(w, lane, &l->y[i], cells, 2 * (size_t)m->hidden * element, err));
  }
  for (int32_t layer = 0; layer < (m->num_layers > 1 ? 2 : 1); layer++) {
    size_t work_bytes;
    size_t reserve_bytes;
    BKI_TRY(bki_cuda_rnn_sizes(layer_rnn(rnns, layer), false, &work_bytes, &reserve_bytes, err));
    BKI_TRY(grow(w, lane, &l->work, work_bytes, 1, err));
  }
  return BKI_OK;
}

static bki_status run_batch(bki_cuda_worker *w, bki_cuda_lane *lane, size_t first, size_t n, bki_error *err) {
  static const bki_k_readout kinds[] = {[BKI_READOUT_FINAL] = BKI_K_FINAL,
                                        [BKI_READOUT_LAST] = BKI_K_LAST,
                                        [BKI_READOUT_MEAN] = BKI_K_MEAN,
                                        [BKI_READOUT_MAX] = BKI_K_MAX};
  const full_engine *e = w->engine;
  full_rnns *rnns = rnns_of(w, lane);
  bki_cuda_full_lane *l = lane->engine;
  const bki_model_config *m = w->model;
  bki_cuda_device *d = &w->device;
  const int half = w->math == BKI_CUDA_FP16;
  const int T = l->lengths[first];
  const bki_k_row *rows = (const bki_k_row *)l->rows.device.data + first;
  for (int32_t layer = 0; layer < (m->num_layers > 1 ? 2 : 1); layer++) {
    BKI_TRY(bki_cuda_rnn_shape(layer_rnn(rnns, layer), T, (int)n, l->lengths + first, err));
  }
  BKI_TRY(reserve_batch(w, lane, T, n, err));
  BKI_CUDA(d, err,
           bki_k_expand(l->x.data, half, rows, lane->ids.device.data,
                        bki_cuda_tensors_find(&w->tensors, w->parameters->embedding),
                        m->pad_vector == BKI_PAD_VECTOR_ZERO ? -1 : m->pad_id, T, (int64_t)n, m->embedding_dim,
                        lane->stream));
  const void *in = l->x.data;
  for (int32_t layer = 0; layer < m->num_layers; layer++) {
    void *out = l->y[layer % 2].data;
    BKI_TRY(bki_cuda_rnn_forward(layer_rnn(rnns, layer), false, e->layers[layer].data, in, out, &l->work, NULL, err));
    in = out;
  }
  BKI_CUDA(d, err,
           bki_k_read_out(lane->readout.device.data, in, half, rows, kinds[m->readout], (int64_t)n, m->hidden,
                          lane->stream));
  return BKI_OK;
}

/* Halves a batch that the device has no memory for, or that cuDNN refuses, until it is one row. */
static bki_status run_rows(bki_cuda_worker *w, bki_cuda_lane *lane, size_t first, size_t n, bki_error *err) {
  const bki_status status = run_batch(w, lane, first, n, err);
  const bool smaller = status == BKI_E_DEVICE && (w->device.out_of_memory || w->device.refused);
  if (!smaller || n == 1) {
    return status;
  }
  BKI_CUDA(&w->device, err, cudaStreamSynchronize(lane->stream)); /* the memory is still in use */
  BKI_TRY(run_rows(w, lane, first, n / 2, err));
  return run_rows(w, lane, first + n / 2, n - n / 2, err);
}

static bki_status run(bki_cuda_worker *worker, bki_cuda_lane *lane, const bki_cuda_job *job, bki_error *err) {
  bki_cuda_device *d = &worker->device;
  if (lane->engine == NULL && (lane->engine = calloc(1, sizeof(bki_cuda_full_lane))) == NULL) {
    return bki_fail_memory(err);
  }
  bki_cuda_full_lane *l = lane->engine;
  BKI_TRY(bki_cuda_mirror_reserve(d, &l->rows, lane->group->n_slots, sizeof(bki_k_row), err));
  BKI_TRY(bki_cuda_full_list(worker, lane, job, err));
  BKI_TRY(bki_cuda_mirror_push(d, &l->rows, lane->stream, err));
  BKI_CUDA(d, err, cudaMemsetAsync(lane->readout.device.data, 0, lane->readout.bytes, lane->stream));
  for (size_t first = 0; first < l->n_rows;) {
    const size_t n = bki_cuda_full_cut(worker, l, first);
    BKI_TRY(run_rows(worker, lane, first, n, err));
    first += n;
  }
  return BKI_OK;
}

static void clear_lane(bki_cuda_lane *lane) {
  bki_cuda_full_lane *l = lane->engine;
  bki_cuda_mirror_release(&l->rows);
  free(l->lengths);
  bki_cuda_release(&l->x);
  bki_cuda_release(&l->y[0]);
  bki_cuda_release(&l->y[1]);
  bki_cuda_release(&l->work);
  free(l);
}

static size_t held_bytes(const bki_cuda_worker *worker) {
  const full_engine *e = worker->engine;
  size_t bytes = 0;
  for (int32_t layer = 0; layer < worker->model->num_layers; layer++) {
    bytes += e->layers[layer].capacity_bytes;
  }
  return bytes;
}

static size_t best_slots(const bki_cuda_worker *worker) {
  (void)worker;
  return BEST_SLOTS;
}

/* Batches are cut by memory on their own; this is the row's description. */
static size_t slot_bytes(const bki_cuda_worker *worker) {
  (void)worker;
  return sizeof(bki_k_row);
}

const bki_cuda_engine bki_cuda_full = {.n_lanes = LANES,
                                       .create = create,
                                       .destroy = destroy,
                                       .held_bytes = held_bytes,
                                       .best_slots = best_slots,
                                       .slot_bytes = slot_bytes,
                                       .run = run,
                                       .clear_lane = clear_lane};
