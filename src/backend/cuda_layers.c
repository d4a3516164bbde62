/* The layers of the learner `cuda`: each one a bidirectional layer of cuDNN, with our dropout between them. */
#include <stdlib.h>

#include "array.h"
#include "cuda_learner.h"

enum { GATES = 4, SPACE_ALIGNMENT = 64 /* floats */ };

/* Where count floats of the parameters, from `tensor` + at on, lie in a layer's weight space. */
static bki_k_part make_part(const bki_cuda_learner *l, const bki_cuda_layer *layer, const float *block,
                            const float *tensor, size_t at, const void *place, size_t count) {
  const float *space = (const float *)l->spaces.data + layer->space;
  return (bki_k_part){.block = tensor - block + (int64_t)at,
                      .space = (int64_t)layer->space + ((const float *)place - space),
                      .count = (int64_t)count};
}

/* Parts of both directions of a layer at `parts`; returns behind the last one. */
static bki_status find_parts(bki_cuda_learner *l, size_t i, const bki_parameters *p, bki_k_part **parts,
                             bki_error *err) {
  bki_cuda_layer *layer = &l->layers[i];
  float *space = (float *)l->spaces.data + layer->space;
  const size_t H = (size_t)layer->rnn->hidden;
  const size_t I = (size_t)layer->rnn->inputs;
  for (int direction = 0; direction < 2; direction++) {
    const bki_lstm_weights *w = &p->lstm[2 * i + (size_t)direction];
    for (int q = 0; q < GATES; q++) {
      const size_t at = (size_t)q * H;
      void *matrix;
      void *bias;
      BKI_TRY(bki_cuda_rnn_find(layer->rnn, space, direction, q, false, &matrix, &bias, err));
      *(*parts)++ = make_part(l, layer, p->block, w->w_ih, at * I, matrix, H * I);
      *(*parts)++ = make_part(l, layer, p->block, w->b_ih, at, bias, H);
      BKI_TRY(bki_cuda_rnn_find(layer->rnn, space, direction, q, true, &matrix, &bias, err));
      *(*parts)++ = make_part(l, layer, p->block, w->w_hh, at * H, matrix, H * H);
      *(*parts)++ = make_part(l, layer, p->block, w->b_hh, at, bias, H);
    }
  }
  return BKI_OK;
}

static bki_status make_parts(bki_cuda_learner *l, const bki_parameters *initial, bki_error *err) {
  const size_t n_layers = (size_t)l->model->num_layers;
  l->n_parts = n_layers * 2 * GATES * 4;
  bki_k_part *parts = bki_array_create(l->n_parts, sizeof *parts);
  bki_k_part *next = parts;
  bki_status status = parts == NULL ? bki_fail_memory(err) : BKI_OK;
  for (size_t i = 0; status == BKI_OK && i < n_layers; i++) {
    status = find_parts(l, i, initial, &next, err);
  }
  if (status == BKI_OK) {
    status = bki_cuda_reserve(&l->device, &l->parts, l->n_parts, sizeof *parts, err);
  }
  if (status == BKI_OK) {
    status = bki_cuda_upload(&l->device, l->parts.data, parts, l->n_parts * sizeof *parts, err);
  }
  free(parts);
  return status;
}

bki_status bki_cuda_layers_create(bki_cuda_learner *l, const bki_parameters *initial, bki_error *err) {
  const bki_model_config *m = l->model;
  bki_cuda_device *d = &l->device;
  const size_t n_layers = (size_t)m->num_layers;
  l->layers = bki_array_create(n_layers, sizeof *l->layers);
  if (l->layers == NULL) {
    return bki_fail_memory(err);
  }
  BKI_CUDA_DNN(d, err, cudnnCreate(&l->dnn));
  BKI_CUDA_DNN(d, err, cudnnSetStream(l->dnn, l->stream));
  BKI_TRY(bki_cuda_rnn_create(&l->rnns[0], d, l->dnn, m->embedding_dim, m->hidden, BKI_CUDA_FP32, err));
  if (n_layers > 1) {
    BKI_TRY(bki_cuda_rnn_create(&l->rnns[1], d, l->dnn, 2 * m->hidden, m->hidden, BKI_CUDA_FP32, err));
  }
  for (size_t i = 0; i < n_layers; i++) {
    l->layers[i].rnn = &l->rnns[i == 0 ? 0 : 1];
    l->layers[i].space = l->spaces_count;
    const size_t floats = l->layers[i].rnn->weight_bytes / sizeof(float);
    l->spaces_count += (floats + SPACE_ALIGNMENT - 1) / SPACE_ALIGNMENT * SPACE_ALIGNMENT;
  }
  BKI_TRY(bki_cuda_reserve(d, &l->spaces, l->spaces_count, sizeof(float), err));
  BKI_TRY(bki_cuda_reserve(d, &l->d_spaces, l->spaces_count, sizeof(float), err));
  return make_parts(l, initial, err);
}

void bki_cuda_layers_destroy(bki_cuda_learner *l) {
  for (size_t i = 0; l->layers != NULL && i < (size_t)l->model->num_layers; i++) {
    bki_cuda_release(&l->layers[i].x);
    bki_cuda_release(&l->layers[i].y);
    bki_cuda_release(&l->layers[i].reserve);
  }
  free(l->layers);
  bki_cuda_buffer *const buffers[] = {&l->spaces, &l->d_spaces, &l->parts, &l->work, &l->dx, &l->dy, &l->segment_sums};
  for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
    bki_cuda_release(buffers[i]);
  }
  bki_cuda_rnn_destroy(&l->rnns[0]);
  bki_cuda_rnn_destroy(&l->rnns[1]);
  if (l->dnn != NULL) {
    (void)cudnnDestroy(l->dnn);
  }
}

static bool drops(const bki_cuda_learner *l, bool training) {
  return training && l->config.dropout > 0;
}

static bki_status reserve_layer(bki_cuda_learner *l, size_t i, bool training, bki_error *err) {
  bki_cuda_layer *layer = &l->layers[i];
  bki_cuda_device *d = &l->device;
  const size_t cells = (size_t)l->batch.steps * l->batch.n_rows;
  size_t work_bytes;
  size_t reserve_bytes;
  if (i == 0 || drops(l, training)) {
    BKI_TRY(bki_cuda_reserve(d, &layer->x, cells, (size_t)layer->rnn->inputs * sizeof(float), err));
  }
  BKI_TRY(bki_cuda_reserve(d, &layer->y, cells, 2 * (size_t)layer->rnn->hidden * sizeof(float), err));
  BKI_TRY(bki_cuda_rnn_sizes(layer->rnn, training, &work_bytes, &reserve_bytes, err));
  BKI_TRY(bki_cuda_reserve(d, &l->work, work_bytes, 1, err));
  return training ? bki_cuda_reserve(d, &layer->reserve, reserve_bytes, 1, err) : BKI_OK;
}

bki_status bki_cuda_layers_reserve(bki_cuda_learner *l, bool training, bki_error *err) {
  const bki_cuda_batch *b = &l->batch;
  const size_t n_layers = (size_t)l->model->num_layers;
  const size_t cells = (size_t)b->steps * b->n_rows;
  const size_t E = (size_t)l->model->embedding_dim;
  const size_t units = 2 * (size_t)l->model->hidden;
  if (b->n_rows == 0) {
    return BKI_OK;
  }
  for (size_t i = 0; i < 2 && i < n_layers; i++) {
    BKI_TRY(bki_cuda_rnn_shape(&l->rnns[i], b->steps, (int)b->n_rows, b->lengths, err));
  }
  for (size_t i = 0; i < n_layers; i++) {
    BKI_TRY(reserve_layer(l, i, training, err));
  }
  if (training) {
    const size_t inputs = n_layers > 1 && units > E ? units : E;
    BKI_TRY(bki_cuda_reserve(&l->device, &l->dx, cells, inputs * sizeof(float), err));
    BKI_TRY(bki_cuda_reserve(&l->device, &l->dy, cells, units * sizeof(float), err));
    BKI_TRY(bki_cuda_reserve(&l->device, &l->segment_sums, b->n_segments, E * sizeof(float), err));
  }
  return BKI_OK;
}

static bki_status embed(bki_cuda_learner *l, bki_error *err) {
  const bki_cuda_batch *b = &l->batch;
  const bki_model_config *m = l->model;
  BKI_CUDA(&l->device, err,
           bki_k_expand(l->layers[0].x.data, 0, b->rows.device.data, b->ids.device.data,
                        bki_cuda_learner_at(l, BKI_BLOCK_PARAMETERS, 0),
                        m->pad_vector == BKI_PAD_VECTOR_ZERO ? -1 : m->pad_id, b->steps, (int64_t)b->n_rows,
                        m->embedding_dim, l->stream));
  return BKI_OK;
}

/* What layer i reads. */
static float *input_of(const bki_cuda_learner *l, size_t i, bool training) {
  return i == 0 || drops(l, training) ? l->layers[i].x.data : l->layers[i - 1].y.data;
}

bki_status bki_cuda_layers_forward(bki_cuda_learner *l, bool training, const bki_k_dropout_mask *mask, bki_error *err) {
  const bki_cuda_batch *b = &l->batch;
  bki_cuda_device *d = &l->device;
  if (!l->packed) {
    BKI_CUDA(d, err,
             bki_k_pack(l->spaces.data, bki_cuda_learner_at(l, BKI_BLOCK_PARAMETERS, 0), l->parts.data,
                        (int64_t)l->n_parts, l->stream));
    l->packed = true;
  }
  if (b->n_rows == 0) {
    return BKI_OK;
  }
  BKI_TRY(embed(l, err));
  for (size_t i = 0; i < (size_t)l->model->num_layers; i++) {
    bki_cuda_layer *layer = &l->layers[i];
    if (i > 0 && drops(l, training)) {
      BKI_CUDA(d, err,
               bki_k_dropout(layer->x.data, l->layers[i - 1].y.data, b->rows.device.data, mask, (uint32_t)(i - 1),
                             b->steps, (int64_t)b->n_rows, 2 * (int64_t)l->model->hidden, l->stream));
    }
    BKI_TRY(bki_cuda_rnn_forward(layer->rnn, training, (float *)l->spaces.data + layer->space, input_of(l, i, training),
                                 layer->y.data, &l->work, &layer->reserve, err));
  }
  return BKI_OK;
}

/* Rows of the embedding that the batch has not are zero. */
static bki_status words_back(bki_cuda_learner *l, bki_error *err) {
  const bki_cuda_batch *b = &l->batch;
  bki_cuda_device *d = &l->device;
  const int64_t E = l->model->embedding_dim;
  float *gradients = bki_cuda_learner_at(l, BKI_BLOCK_GRADIENTS, 0);
  const size_t bytes = (size_t)l->model->vocabulary_size * (size_t)E * sizeof *gradients;
  BKI_CUDA(d, err, cudaMemsetAsync(gradients, 0, bytes, l->stream));
  BKI_CUDA(d, err,
           bki_k_sum_rows(l->segment_sums.data, NULL, l->dx.data, b->cells.device.data, b->first_cell.device.data,
                          (int64_t)b->n_segments, E, l->stream));
  BKI_CUDA(d, err,
           bki_k_sum_rows(gradients, b->words.device.data, l->segment_sums.data, NULL, b->first_part.device.data,
                          (int64_t)b->n_words, E, l->stream));
  return BKI_OK;
}

bki_status bki_cuda_layers_back(bki_cuda_learner *l, const bki_k_dropout_mask *mask, bki_error *err) {
  const bki_cuda_batch *b = &l->batch;
  bki_cuda_device *d = &l->device;
  BKI_CUDA(d, err, cudaMemsetAsync(l->d_spaces.data, 0, l->spaces_count * sizeof(float), l->stream));
  for (size_t i = b->n_rows > 0 ? (size_t)l->model->num_layers : 0; i-- > 0;) {
    bki_cuda_layer *layer = &l->layers[i];
    BKI_TRY(bki_cuda_rnn_backward(layer->rnn, (float *)l->spaces.data + layer->space,
                                  (float *)l->d_spaces.data + layer->space, input_of(l, i, true), l->dx.data,
                                  layer->y.data, l->dy.data, &l->work, &layer->reserve, err));
    if (i > 0) { /* without dropout too: behind the steps of a row dx may be anything */
      BKI_CUDA(d, err,
               bki_k_dropout(l->dy.data, l->dx.data, b->rows.device.data, mask, (uint32_t)(i - 1), b->steps,
                             (int64_t)b->n_rows, 2 * (int64_t)l->model->hidden, l->stream));
    }
  }
  BKI_CUDA(d, err,
           bki_k_unpack(l->blocks[BKI_BLOCK_GRADIENTS].data, (int64_t)l->first, l->d_spaces.data, l->parts.data,
                        (int64_t)l->n_parts, l->stream));
  return l->config.train_embedding ? words_back(l, err) : BKI_OK;
}
