/* The way back: gradients of the steps, of the weights, of the inputs. */
#include <cblas.h>
#include <string.h>

#include "cpu_learner.h"

typedef struct pass {
  bki_cpu_learner *l;
  const bki_learner_dropout *dropout;
  size_t layer;
  const float *dy; /* [N, 2H'] gradient of the layer's outputs; NULL: only its last states have one */
} pass;

static void add(float *to, const float *from, size_t n) {
  for (size_t k = 0; k < n; k++) {
    to[k] += from[k];
  }
}

/* Gradients that enter at step t, from above and at a text's end. */
static void enter(const pass *p, const bki_learner_chunk *chunk, size_t direction, size_t t, size_t n, size_t next,
                  const bki_learner_worker *worker) {
  const bki_cpu_learner *l = p->l;
  const size_t H = l->width;
  for (size_t r = next; r < n; r++) {
    const float *d_last = l->directions[2 * p->layer + direction].d_last.at;
    memset(worker->dc + r * H, 0, H * sizeof(float));
    memcpy(worker->dh + r * l->dh_stride, p->dy != NULL ? l->zeros : d_last + (chunk->first + r) * H,
           H * sizeof(float));
  }
  for (size_t r = 0; p->dy != NULL && r < n; r++) {
    const size_t position = direction == 0 ? t : l->plan.steps[chunk->first + r] - 1 - t;
    add(worker->dh + r * l->dh_stride, p->dy + (chunk->offset[position] + r) * 2 * H + direction * H, H);
  }
}

static void run_step(const bki_cpu_learner *l, bki_learner_direction *d, const bki_learner_chunk *chunk, size_t t,
                     size_t n, const bki_learner_worker *worker) {
  const size_t at = chunk->offset[t];
  const size_t H = l->width;
  float *gates = d->gates.at + at * l->stride;
  l->kernels->train_back(&(bki_cpu_train_back){
      .n_rows = n,
      .blocks = l->blocks,
      .gates = gates,
      .gates_stride = l->stride,
      .c_before = t == 0 ? NULL : d->cell.at + chunk->offset[t - 1] * H,
      .c = d->cell.at + at * H,
      .dh = worker->dh,
      .dh_stride = l->dh_stride,
      .dc = worker->dc,
      .zeros = l->zeros,
  });
  const float *in[BKI_LEARNER_ROWS];
  for (size_t r = 0; r < n; r++) {
    in[r] = gates + r * l->stride;
  }
  if (t > 0) { /* dh_{t-1} = dgates_t W_hh */
    l->kernels->product(&(bki_cpu_product){.n_rows = n,
                                           .in = in,
                                           .depth = l->n_gates,
                                           .blocks = l->back_blocks,
                                           .packed = d->w_back,
                                           .bias = l->zeros,
                                           .out = worker->dh,
                                           .out_stride = l->dh_stride});
  }
}

/* Gradients of the weights of steps begin .. end, added to those of the chunk: dW^T += in^T dgates. */
static void multiply(const bki_cpu_learner *l, const bki_learner_direction *d, size_t begin, size_t end, float *part) {
  bki_cpu_train_outer job = {.depth = end - begin,
                             .n_rows = l->width,
                             .in = d->hidden.at + begin * l->width,
                             .in_stride = l->width,
                             .w = d->gates.at + begin * l->stride,
                             .w_stride = l->stride,
                             .blocks = l->blocks,
                             .out = part,
                             .out_stride = l->stride};
  l->kernels->train_outer(&job);
  if (d->part_rows > l->width) {
    job.n_rows = d->inputs;
    job.in = d->x.at + begin * d->inputs;
    job.in_stride = d->inputs;
    job.out = part + l->width * l->stride;
    l->kernels->train_outer(&job);
  }
}

/* Item: chunk i / 2, direction i % 2. */
static void run_chunk(void *context, size_t i, int32_t worker) {
  const pass *p = context;
  const bki_cpu_learner *l = p->l;
  const bki_learner_chunk *chunk = &l->plan.chunks[i / 2];
  bki_learner_direction *d = &l->directions[2 * p->layer + i % 2];
  float *part = d->parts.at + i / 2 * d->part_rows * l->stride;
  memset(part, 0, d->part_rows * l->stride * sizeof *part);
  size_t next = 0;
  size_t end = chunk->offset[chunk->steps]; /* from here on steps have been multiplied */
  for (size_t t = chunk->steps; t-- > 0;) {
    const size_t n = chunk->offset[t + 1] - chunk->offset[t];
    enter(p, chunk, i % 2, t, n, next, &l->workers[worker]);
    run_step(l, d, chunk, t, n, &l->workers[worker]);
    next = n;
    if (t == 0 || end - chunk->offset[t] >= BKI_LEARNER_DEPTH) {
      multiply(l, d, chunk->offset[t], end, part);
      end = chunk->offset[t];
    }
  }
}

static size_t gate_blocks(const bki_cpu_learner *l) {
  return (l->n_gates + BKI_LEARNER_GATE_BLOCK - 1) / BKI_LEARNER_GATE_BLOCK;
}

/* Gradients of the projected inputs, `blocks` of gates from `first`: sums over the steps that read the same word; of
 * the weights from them. */
static void weigh_words(const bki_cpu_learner *l, size_t direction, size_t first, size_t blocks) {
  const bki_learner_direction *d = &l->directions[direction];
  for (size_t w = 0; w < l->plan.n_words; w++) {
    const size_t *use = &l->plan.first_use[w];
    l->kernels->train_sum(&(bki_cpu_train_sum){.n_rows = use[1] - use[0],
                                               .index = l->plan.use[direction] + use[0],
                                               .from = d->gates.at + first,
                                               .stride = l->stride,
                                               .blocks = blocks,
                                               .out = d->table.at + w * l->stride + first});
  }
  for (size_t k = 0; k < d->inputs; k++) {
    memset(d->d_words + k * l->stride + first, 0, blocks * BKI_CPU_GATES * l->kernels->width * sizeof(float));
  }
  l->kernels->train_outer(&(bki_cpu_train_outer){.depth = l->plan.n_words,
                                                 .n_rows = d->inputs,
                                                 .in = l->words.at,
                                                 .in_stride = d->inputs,
                                                 .w = d->table.at + first,
                                                 .w_stride = l->stride,
                                                 .blocks = blocks,
                                                 .out = d->d_words + first,
                                                 .out_stride = l->stride});
}

/* The chunks' parts together into the first, in their order. */
static void add_parts(const bki_cpu_learner *l, const bki_learner_direction *d, size_t first, size_t m) {
  for (size_t c = 1; c < l->plan.n_chunks; c++) {
    for (size_t k = 0; k < d->part_rows; k++) {
      add(d->parts.at + k * l->stride + first, d->parts.at + (c * d->part_rows + k) * l->stride + first, m);
    }
  }
}

/* Item: direction i % 2, gates from i / 2 * BKI_LEARNER_GATE_BLOCK. */
static void weigh(void *context, size_t i, int32_t worker) {
  (void)worker;
  const pass *p = context;
  const bki_cpu_learner *l = p->l;
  bki_learner_direction *d = &l->directions[2 * p->layer + i % 2];
  const size_t first = i / 2 * BKI_LEARNER_GATE_BLOCK;
  const size_t rest = l->n_gates - first;
  const size_t m = rest < BKI_LEARNER_GATE_BLOCK ? rest : BKI_LEARNER_GATE_BLOCK;
  const size_t blocks = m / (BKI_CPU_GATES * l->kernels->width);
  add_parts(l, d, first, m);
  if (p->layer == 0) {
    weigh_words(l, i % 2, first, blocks);
  }
  l->kernels->train_sum(&(bki_cpu_train_sum){.n_rows = p->layer == 0 ? l->plan.n_words : l->plan.n_steps,
                                             .from = (p->layer == 0 ? d->table.at : d->gates.at) + first,
                                             .stride = l->stride,
                                             .blocks = blocks,
                                             .out = d->d_bias + first});
}

/* dx = dgates W_ih, in place of x, which is needed no more */
static void input_gradient(void *context, size_t i, int32_t worker) {
  (void)worker;
  const pass *p = context;
  const bki_cpu_learner *l = p->l;
  const bki_learner_chunk *chunk = &l->plan.chunks[i / 2];
  const bki_learner_direction *d = &l->directions[2 * p->layer + i % 2];
  const size_t begin = chunk->offset[0];
  const size_t n = chunk->offset[chunk->steps] - begin;
  if (n == 0) {
    return;
  }
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)n, (blasint)d->inputs, (blasint)l->n_gates, 1,
              d->gates.at + begin * l->stride, (blasint)l->stride, d->w_ih, (blasint)d->inputs, 0,
              d->x.at + begin * d->inputs, (blasint)d->inputs);
}

/* dy of the layer below: both directions' dx in order of the text, masked. */
static void output_gradient(void *context, size_t i, int32_t worker) {
  (void)worker;
  const pass *p = context;
  const bki_cpu_learner *l = p->l;
  const bki_learner_chunk *chunk = &l->plan.chunks[i];
  const bki_learner_direction *d = &l->directions[2 * p->layer];
  for (size_t r = 0; r < chunk->n; r++) {
    const size_t steps = l->plan.steps[chunk->first + r];
    for (size_t t = 0; t < steps; t++) {
      float *dy = l->dy.at + (chunk->offset[t] + r) * d->inputs;
      memcpy(dy, d[0].x.at + (chunk->offset[t] + r) * d->inputs, d->inputs * sizeof *dy);
      add(dy, d[1].x.at + (chunk->offset[steps - 1 - t] + r) * d->inputs, d->inputs);
    }
  }
  if (p->dropout != NULL) {
    bki_learner_mask(l, p->dropout, p->layer - 1, chunk, l->dy.at);
  }
}

/* dx of the distinct words into the rows of the embedding. */
static void embedding_gradient(void *context, size_t i, int32_t worker) {
  (void)worker;
  bki_cpu_learner *l = ((pass *)context)->l;
  const size_t E = (size_t)l->model->embedding_dim;
  const size_t first = i * BKI_LEARNER_WORD_BLOCK;
  const size_t rest = l->plan.n_words - first;
  const size_t n = rest < BKI_LEARNER_WORD_BLOCK ? rest : BKI_LEARNER_WORD_BLOCK;
  float *dx = l->d_words.at + first * E;
  for (size_t d = 0; d < 2; d++) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)n, (blasint)E, (blasint)l->n_gates, 1,
                l->directions[d].table.at + first * l->stride, (blasint)l->stride, l->directions[d].w_ih, (blasint)E,
                d == 0 ? 0 : 1, dx, (blasint)E);
  }
  float *out = bki_learner_gradient(l, l->parameters.embedding);
  for (size_t w = 0; w < n; w++) {
    const int32_t id = l->plan.ids[first + w];
    if (id >= 0) {
      memcpy(out + (size_t)id * E, dx + w * E, E * sizeof *out);
    }
  }
}

static void unpack_one(void *context, size_t i, int32_t worker) {
  (void)worker;
  const bki_cpu_learner *l = ((pass *)context)->l;
  bki_learner_unpack(l, &l->directions[i]);
}

void bki_learner_backward(bki_cpu_learner *l, const bki_learner_dropout *dropout) {
  bki_pool *pool = l->config.pool;
  pass p = {l, dropout, l->n_layers, l->model->readout == BKI_READOUT_FINAL ? NULL : l->dy.at};
  while (p.layer-- > 0) {
    bki_pool_for(pool, 2 * l->plan.n_chunks, run_chunk, &p);
    bki_pool_for(pool, 2 * gate_blocks(l), weigh, &p);
    if (p.layer > 0) {
      bki_pool_for(pool, 2 * l->plan.n_chunks, input_gradient, &p);
      bki_pool_for(pool, l->plan.n_chunks, output_gradient, &p);
      p.dy = l->dy.at;
    }
  }
  if (l->config.train_embedding) {
    memset(bki_learner_gradient(l, l->parameters.embedding), 0,
           (size_t)l->model->vocabulary_size * (size_t)l->model->embedding_dim * sizeof(float));
    bki_pool_for(pool, (l->plan.n_words + BKI_LEARNER_WORD_BLOCK - 1) / BKI_LEARNER_WORD_BLOCK, embedding_gradient, &p);
  }
  bki_pool_for(pool, 2 * l->n_layers, unpack_one, &p);
}
