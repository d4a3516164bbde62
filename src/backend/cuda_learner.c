/* The learner `cuda`: what it holds on the GPU, and a batch from end to end. */
#include "cuda_learner.h"

#include <math.h>
#include <stdlib.h>

#include "array.h"

float *bki_cuda_learner_at(const bki_cuda_learner *l, bki_block block, size_t at) {
  return (float *)l->blocks[block].data + (at - (block == BKI_BLOCK_PARAMETERS ? 0 : l->first));
}

static size_t count_block(const bki_cuda_learner *l, bki_block block) {
  return l->count - (block == BKI_BLOCK_PARAMETERS ? 0 : l->first);
}

static void destroy(bki_learner *learner) {
  bki_cuda_learner *l = (bki_cuda_learner *)learner;
  (void)cudaSetDevice(l->device.ordinal);
  if (l->stream != NULL) {
    (void)cudaStreamSynchronize(l->stream); /* its memory may still be at work */
  }
  bki_cuda_layers_destroy(l);
  bki_cuda_learner_head_destroy(l);
  bki_cuda_batch_clear(&l->batch);
  bki_cuda_mirror_release(&l->norm);
  bki_cuda_release(&l->norm_parts);
  for (size_t i = 0; i < BKI_CUDA_BLOCKS; i++) {
    bki_cuda_release(&l->blocks[i]);
  }
  if (l->told != NULL) {
    (void)cudaEventDestroy(l->told);
  }
  if (l->stream != NULL) {
    (void)cudaStreamDestroy(l->stream);
  }
  bki_cuda_device_close(&l->device);
  free(l);
}

static bki_status create_blocks(bki_cuda_learner *l, const bki_parameters *initial, bki_error *err) {
  bki_cuda_device *d = &l->device;
  for (int i = BKI_BLOCK_PARAMETERS; i < BKI_CUDA_BLOCKS; i++) {
    const size_t count = count_block(l, (bki_block)i);
    BKI_TRY(bki_cuda_reserve(d, &l->blocks[i], count, sizeof(float), err));
    if (i == BKI_BLOCK_PARAMETERS) {
      BKI_TRY(bki_cuda_upload(d, l->blocks[i].data, initial->block, count * sizeof(float), err));
    } else {
      BKI_CUDA(d, err, cudaMemsetAsync(l->blocks[i].data, 0, count * sizeof(float), l->stream));
    }
  }
  BKI_TRY(bki_cuda_mirror_reserve(d, &l->norm, 1, sizeof(bki_k_norm), err));
  return bki_cuda_reserve(d, &l->norm_parts, (size_t)bki_k_norm_parts((int64_t)(l->count - l->first)), sizeof(double),
                          err);
}

static bki_status fill(bki_cuda_learner *l, const bki_parameters *initial, bki_error *err) {
  const int32_t device = l->config.device;
  BKI_TRY(bki_cuda_device_open(&l->device, device < 0 ? 0 : device, 1, err));
  BKI_CUDA(&l->device, err, cudaStreamCreateWithFlags(&l->stream, cudaStreamNonBlocking));
  BKI_CUDA(&l->device, err, cudaEventCreateWithFlags(&l->told, cudaEventDisableTiming));
  BKI_TRY(create_blocks(l, initial, err));
  BKI_TRY(bki_cuda_batch_init(&l->batch, l->model, err));
  BKI_TRY(bki_cuda_layers_create(l, initial, err));
  return bki_cuda_learner_head_create(l, initial, err);
}

static bki_status create(bki_learner **out, const bki_learner_config *config, const bki_parameters *initial,
                         bki_error *err) {
  const bki_model_config *m = config->model;
  bki_cuda_learner *l = bki_array_create(1, sizeof *l);
  if (l == NULL) {
    return bki_fail_memory(err);
  }
  *l = (bki_cuda_learner){.base = {.ops = &bki_learner_cuda},
                          .config = *config,
                          .model = m,
                          .count = initial->count,
                          .first = config->train_embedding ? 0 : (size_t)m->vocabulary_size * (size_t)m->embedding_dim};
  const bki_status status = fill(l, initial, err);
  if (status != BKI_OK) {
    destroy(&l->base);
    return status;
  }
  *out = &l->base;
  return BKI_OK;
}

/* A share of 0 keeps all. */
static bki_k_dropout_mask make_mask(double share, uint64_t seed, uint64_t step) {
  return (bki_k_dropout_mask){
      .seed = seed, .step = step, .threshold = (uint64_t)ceil(share * 0x1p32), .scale = (float)(1 / (1 - share))};
}

/* The batch before may still be at work in the memory of this one. */
static bki_status forward(bki_cuda_learner *l, const bki_minibatch *texts, bool training,
                          const bki_k_dropout_mask *mask, bki_error *err) {
  BKI_CUDA(&l->device, err, cudaStreamSynchronize(l->stream));
  BKI_TRY(bki_cuda_batch_push(&l->batch, &l->device, l->model, texts, training && l->config.train_embedding, l->stream,
                              err));
  BKI_TRY(bki_cuda_layers_reserve(l, training, err));
  BKI_TRY(bki_cuda_learner_head_reserve(l, training, err));
  BKI_TRY(bki_cuda_layers_forward(l, training, mask, err));
  BKI_TRY(bki_cuda_learner_head_forward(l, mask, err));
  BKI_CUDA(&l->device, err, cudaEventRecord(l->told, l->stream));
  return BKI_OK;
}

/* Waits for the losses and adds them up in the order of the texts. */
static bki_status tell(bki_cuda_learner *l, bki_batch_loss *out, bki_error *err) {
  const bki_k_loss *losses = l->batch.losses.host.data;
  BKI_CUDA(&l->device, err, cudaEventSynchronize(l->told));
  *out = (bki_batch_loss){0};
  for (size_t i = 0; i < l->batch.n; i++) {
    out->loss_sum += losses[i].loss;
    out->n_correct += losses[i].correct;
  }
  return BKI_OK;
}

static bki_status gradients(bki_learner *learner, const bki_minibatch *batch, bki_batch_loss *out, bki_error *err) {
  bki_cuda_learner *l = (bki_cuda_learner *)learner;
  const bki_k_dropout_mask mask = make_mask(l->config.dropout, l->config.seed, batch->step);
  BKI_TRY(bki_cuda_device_use(&l->device, err));
  BKI_TRY(forward(l, batch, true, &mask, err));
  BKI_TRY(bki_cuda_learner_head_back(l, &mask, err));
  BKI_TRY(bki_cuda_layers_back(l, &mask, err));
  return tell(l, out, err);
}

static bki_status evaluate(bki_learner *learner, const bki_minibatch *batch, bki_batch_loss *out, bki_error *err) {
  bki_cuda_learner *l = (bki_cuda_learner *)learner;
  const bki_k_dropout_mask none = make_mask(0, 0, 0);
  BKI_TRY(bki_cuda_device_use(&l->device, err));
  BKI_TRY(forward(l, batch, false, &none, err));
  return tell(l, out, err);
}

static bki_status update(bki_learner *learner, uint64_t step, double *norm, bki_error *err) {
  bki_cuda_learner *l = (bki_cuda_learner *)learner;
  BKI_TRY(bki_cuda_device_use(&l->device, err));
  return bki_cuda_learner_update(l, step, norm, err);
}

static bki_status read_block(bki_learner *learner, bki_block block, float *out, bki_error *err) {
  bki_cuda_learner *l = (bki_cuda_learner *)learner;
  BKI_TRY(bki_cuda_device_use(&l->device, err));
  BKI_CUDA(&l->device, err, cudaStreamSynchronize(l->stream));
  return bki_cuda_download(&l->device, out, l->blocks[block].data, count_block(l, block) * sizeof *out, err);
}

static bki_status write_block(bki_learner *learner, bki_block block, const float *in, bki_error *err) {
  bki_cuda_learner *l = (bki_cuda_learner *)learner;
  BKI_TRY(bki_cuda_device_use(&l->device, err));
  BKI_CUDA(&l->device, err, cudaStreamSynchronize(l->stream));
  l->packed = l->packed && block != BKI_BLOCK_PARAMETERS;
  return bki_cuda_upload(&l->device, l->blocks[block].data, in, count_block(l, block) * sizeof *in, err);
}

const bki_learner_ops bki_learner_cuda = {.name = "cuda",
                                          .create = create,
                                          .destroy = destroy,
                                          .gradients = gradients,
                                          .evaluate = evaluate,
                                          .update = update,
                                          .read = read_block,
                                          .write = write_block};
