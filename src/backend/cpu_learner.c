/* The learner `cpu`: fp32, products of the steps in the scorer's kernels, all others in OpenBLAS, threads of the pool
 * over items whose number does not depend on the threads. */
#include "cpu_learner.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "fail.h"
#include "model.h"

bki_status bki_floats_reserve(bki_floats *floats, size_t rows, size_t columns, bki_error *err) {
  size_t count;
  if (!bki_size_mul(rows, columns, &count)) {
    return bki_fail_memory(err);
  }
  if (floats->at != NULL && count <= floats->capacity) {
    return BKI_OK;
  }
  free(floats->at);
  floats->capacity = count;
  floats->at = bki_array_create_aligned(count + 1, sizeof *floats->at);
  if (floats->at == NULL) {
    floats->capacity = 0;
    return bki_fail_memory(err);
  }
  return BKI_OK;
}

static void clear_direction(bki_learner_direction *d) {
  float *const all[] = {d->w_ih,     d->bias,    d->w_input,   d->w_step,   d->w_back,
                        d->d_words,  d->d_bias,  d->parts.at,  d->table.at, d->x.at,
                        d->gates.at, d->cell.at, d->hidden.at, d->last.at,  d->d_last.at};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    free(all[i]);
  }
}

static void destroy(bki_learner *learner) {
  bki_cpu_learner *l = (bki_cpu_learner *)learner;
  for (size_t i = 0; l->directions != NULL && i < 2 * l->n_layers; i++) {
    clear_direction(&l->directions[i]);
  }
  free(l->directions);
  for (size_t i = 0; l->workers != NULL && i < (size_t)bki_pool_threads(l->config.pool); i++) {
    free(l->workers[i].dh);
    free(l->workers[i].dc);
  }
  free(l->workers);
  float *const all[] = {l->moments, l->zeros, l->words.at, l->d_words.at, l->y.at, l->dy.at, l->head.at, l->d_head.at};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    free(all[i]);
  }
  free(l->norms);
  bki_learner_plan_clear(&l->plan);
  bki_parameters_clear(&l->parameters);
  free(l);
}

static bki_status create_direction(bki_cpu_learner *l, size_t i, bki_error *err) {
  bki_learner_direction *d = &l->directions[i];
  d->weights = &l->parameters.lstm[i];
  d->inputs = i < 2 ? (size_t)l->model->embedding_dim : 2 * l->width;
  d->part_rows = l->width + (i < 2 ? 0 : d->inputs);
  d->w_ih = bki_cpu_floats(l->n_gates, d->inputs);
  d->w_input = bki_cpu_floats(l->n_gates, d->inputs);
  d->w_step = bki_cpu_floats(l->n_gates, l->width);
  d->w_back = bki_cpu_floats(l->n_gates, l->dh_stride);
  d->bias = bki_cpu_floats(1, l->n_gates);
  d->d_bias = bki_cpu_floats(1, l->n_gates);
  d->d_words = bki_cpu_floats(i < 2 ? d->inputs : 0, l->stride);
  const bool complete = d->w_ih != NULL && d->w_input != NULL && d->w_step != NULL && d->w_back != NULL &&
                        d->bias != NULL && d->d_bias != NULL && d->d_words != NULL;
  return complete ? BKI_OK : bki_fail_memory(err);
}

static bki_status create_workers(bki_cpu_learner *l, bki_error *err) {
  const size_t n = (size_t)bki_pool_threads(l->config.pool);
  l->workers = bki_array_create(n, sizeof *l->workers);
  bool complete = l->workers != NULL;
  for (size_t i = 0; complete && i < n; i++) {
    l->workers[i].dh = bki_cpu_floats(BKI_LEARNER_ROWS, l->dh_stride);
    l->workers[i].dc = bki_cpu_floats(BKI_LEARNER_ROWS, l->width);
    complete = l->workers[i].dh != NULL && l->workers[i].dc != NULL;
  }
  return complete ? BKI_OK : bki_fail_memory(err);
}

static void measure(bki_cpu_learner *l) {
  const size_t W = l->kernels->width;
  l->blocks = ((size_t)l->model->hidden + W - 1) / W;
  l->width = l->blocks * W;
  l->n_gates = BKI_CPU_GATES * l->width;
  l->stride = l->n_gates + BKI_LEARNER_SKEW;
  l->back_blocks = (l->blocks + BKI_CPU_GATES - 1) / BKI_CPU_GATES;
  l->dh_stride = BKI_CPU_GATES * W * l->back_blocks;
  l->n_layers = (size_t)l->model->num_layers;
}

static bki_status fill(bki_cpu_learner *l, const bki_parameters *initial, bki_error *err) {
  const char *name;
  BKI_TRY(bki_cpu_choose(&l->kernels, &name, BKI_ISA_AUTO, BKI_PRECISION_FP32, err));
  measure(l);
  BKI_TRY(bki_learner_plan_init(&l->plan, l->model, err));
  BKI_TRY(bki_parameters_init(&l->parameters, l->model, err));
  memcpy(l->parameters.block, initial->block, initial->count * sizeof *initial->block);
  l->first = l->config.train_embedding ? 0 : (size_t)l->model->vocabulary_size * (size_t)l->model->embedding_dim;
  l->count = l->parameters.count - l->first;
  l->moments = bki_cpu_floats(3, l->count);
  l->zeros = bki_cpu_floats(1, l->dh_stride);
  l->norms = bki_array_create(bki_learner_slices(l->count), sizeof *l->norms);
  l->directions = bki_array_create(2 * l->n_layers, sizeof *l->directions);
  if (l->moments == NULL || l->zeros == NULL || l->norms == NULL || l->directions == NULL) {
    return bki_fail_memory(err);
  }
  for (size_t i = 0; i < 2 * l->n_layers; i++) {
    BKI_TRY(create_direction(l, i, err));
  }
  return create_workers(l, err);
}

static bki_status create(bki_learner **out, const bki_learner_config *config, const bki_parameters *initial,
                         bki_error *err) {
  bki_cpu_learner *l = bki_array_create(1, sizeof *l);
  if (l == NULL) {
    return bki_fail_memory(err);
  }
  *l = (bki_cpu_learner){.base = {.ops = &bki_learner_cpu}, .config = *config, .model = config->model};
  openblas_set_num_threads(1); /* items run on the pool; a product within one is not cut again */
  const bki_status status = fill(l, initial, err);
  if (status != BKI_OK) {
    destroy(&l->base);
    return status;
  }
  *out = &l->base;
  return BKI_OK;
}

static bki_status reserve_direction(bki_cpu_learner *l, size_t i, bki_error *err) {
  bki_learner_direction *d = &l->directions[i];
  if (i < 2) {
    BKI_TRY(bki_floats_reserve(&d->table, l->plan.n_words, l->stride, err));
  } else {
    BKI_TRY(bki_floats_reserve(&d->x, l->plan.n_steps, d->inputs, err));
  }
  BKI_TRY(bki_floats_reserve(&d->gates, l->plan.n_steps, l->stride, err));
  BKI_TRY(bki_floats_reserve(&d->parts, l->plan.n_chunks, d->part_rows * l->stride, err));
  BKI_TRY(bki_floats_reserve(&d->cell, l->plan.n_steps, l->width, err));
  BKI_TRY(bki_floats_reserve(&d->hidden, l->plan.n_steps, l->width, err));
  BKI_TRY(bki_floats_reserve(&d->last, l->plan.n, l->width, err));
  if (l->model->readout == BKI_READOUT_FINAL && i + 2 >= 2 * l->n_layers) {
    BKI_TRY(bki_floats_reserve(&d->d_last, l->plan.n, l->width, err));
    memset(d->d_last.at, 0, l->plan.n * l->width * sizeof *d->d_last.at);
  }
  return BKI_OK;
}

static bki_status prepare(bki_cpu_learner *l, const bki_minibatch *batch, bki_error *err) {
  BKI_TRY(bki_learner_plan_make(&l->plan, l->model, batch, err));
  for (size_t i = 0; i < 2 * l->n_layers; i++) {
    BKI_TRY(reserve_direction(l, i, err));
  }
  const size_t E = (size_t)l->model->embedding_dim;
  BKI_TRY(bki_floats_reserve(&l->words, l->plan.n_words, E, err));
  if (l->config.train_embedding) {
    BKI_TRY(bki_floats_reserve(&l->d_words, l->plan.n_words, E, err));
  }
  if (l->model->readout != BKI_READOUT_FINAL) {
    BKI_TRY(bki_floats_reserve(&l->y, l->plan.n_steps, 2 * l->width, err));
  }
  if (l->model->readout != BKI_READOUT_FINAL || l->n_layers > 1) {
    BKI_TRY(bki_floats_reserve(&l->dy, l->plan.n_steps, 2 * l->width, err));
  }
  return bki_learner_head_reserve(l, err);
}

static bki_status gradients(bki_learner *learner, const bki_minibatch *batch, bki_batch_loss *out, bki_error *err) {
  bki_cpu_learner *l = (bki_cpu_learner *)learner;
  BKI_TRY(prepare(l, batch, err));
  const bki_learner_dropout dropout = {l->config.dropout, l->config.seed, batch->step};
  const bki_learner_dropout *used = l->config.dropout > 0 ? &dropout : NULL;
  bki_learner_forward(l, used);
  bki_learner_head(l, batch, used, true, out);
  bki_learner_backward(l, used);
  return BKI_OK;
}

static bki_status evaluate(bki_learner *learner, const bki_minibatch *batch, bki_batch_loss *out, bki_error *err) {
  bki_cpu_learner *l = (bki_cpu_learner *)learner;
  BKI_TRY(prepare(l, batch, err));
  bki_learner_forward(l, NULL);
  bki_learner_head(l, batch, NULL, false, out);
  return BKI_OK;
}

static bki_status step(bki_learner *learner, uint64_t number, double *norm, bki_error *err) {
  (void)err;
  bki_learner_update((bki_cpu_learner *)learner, number, norm);
  return BKI_OK;
}

static float *find_block(const bki_cpu_learner *l, bki_block block, size_t *count) {
  *count = block == BKI_BLOCK_PARAMETERS ? l->parameters.count : l->count;
  return block == BKI_BLOCK_PARAMETERS ? l->parameters.block
                                       : l->moments + l->count * (size_t)(block - BKI_BLOCK_GRADIENTS);
}

static bki_status read_block(bki_learner *learner, bki_block block, float *out, bki_error *err) {
  (void)err;
  size_t count;
  const float *from = find_block((bki_cpu_learner *)learner, block, &count);
  memcpy(out, from, count * sizeof *out);
  return BKI_OK;
}

static bki_status write_block(bki_learner *learner, bki_block block, const float *in, bki_error *err) {
  (void)err;
  size_t count;
  float *to = find_block((bki_cpu_learner *)learner, block, &count);
  memcpy(to, in, count * sizeof *in);
  return BKI_OK;
}

const bki_learner_ops bki_learner_cpu = {.name = "cpu",
                                         .create = create,
                                         .destroy = destroy,
                                         .gradients = gradients,
                                         .evaluate = evaluate,
                                         .update = step,
                                         .read = read_block,
                                         .write = write_block};
