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
  float *gates = d->gates.at + at * l->n_gates;
  l->kernels->train_back(&(bki_cpu_train_back){
      .n_rows = n,
      .blocks = l->blocks,
      .gates = gates,
      .c_before = t == 0 ? NULL : d->cell.at + chunk->offset[t - 1] * H,
      .c = d->cell.at + at * H,
      .dh = worker->dh,
      .dh_stride = l->dh_stride,
      .dc = worker->dc,
      .zeros = l->zeros,
  });
  const float *in[BKI_LEARNER_ROWS];
  for (size_t r = 0; r < n; r++) {
    in[r] = gates + r * l->n_gates;
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

/* Item: chunk i / 2, direction i % 2. */
static void run_chunk(void *context, size_t i, int32_t worker) {
  const pass *p = context;
  const bki_cpu_learner *l = p->l;
  const bki_learner_chunk *chunk = &l->plan.chunks[i / 2];
  size_t next = 0;
  for (size_t t = chunk->steps; t-- > 0;) {
    const size_t n = chunk->offset[t + 1] - chunk->offset[t];
    enter(p, chunk, i % 2, t, n, next, &l->workers[worker]);
    run_step(l, &l->directions[2 * p->layer + i % 2], chunk, t, n, &l->workers[worker]);
    next = n;
  }
}

static size_t gate_blocks(const bki_cpu_learner *l) {
  return (l->n_gates + BKI_LEARNER_GATE_BLOCK - 1) / BKI_LEARNER_GATE_BLOCK;
}

/* out [m, columns] = rows of gates^T: columns `first` .. of dgates [n, X] times x [n, columns] */
static void weight_gradient(const bki_cpu_learner *l, const float *gates, size_t first, size_t m, const float *x,
                            size_t columns, size_t n, float *out) {
  if (n == 0) {
    memset(out + first * columns, 0, m * columns * sizeof *out);
    return;
  }
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)m, (blasint)columns, (blasint)n, 1, gates + first,
              (blasint)l->n_gates, x, (blasint)columns, 0, out + first * columns, (blasint)columns);
}

/* Gradients of the projected inputs, columns first .. first + m: sums over the steps that read the same word. */
static void gather_words(const bki_cpu_learner *l, size_t direction, size_t first, size_t m) {
  bki_learner_direction *d = &l->directions[direction];
  const uint32_t *word = l->plan.word[direction];
  for (size_t w = 0; w < l->plan.n_words; w++) {
    memset(d->table.at + w * l->n_gates + first, 0, m * sizeof(float));
  }
  for (size_t s = 0; s < l->plan.n_steps; s++) {
    add(d->table.at + word[s] * l->n_gates + first, d->gates.at + s * l->n_gates + first, m);
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
  weight_gradient(l, d->gates.at, first, m, d->hidden.at, l->width, l->plan.n_steps, d->d_w_hh);
  const float *gates = d->gates.at;
  size_t n = l->plan.n_steps;
  const float *x = d->x.at;
  if (p->layer == 0) {
    gather_words(l, i % 2, first, m);
    gates = d->table.at;
    n = l->plan.n_words;
    x = l->words.at;
  }
  weight_gradient(l, gates, first, m, x, d->inputs, n, d->d_w_ih);
  memset(d->d_bias + first, 0, m * sizeof(float));
  for (size_t s = 0; s < n; s++) {
    add(d->d_bias + first, gates + s * l->n_gates + first, m);
  }
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
              d->gates.at + begin * l->n_gates, (blasint)l->n_gates, d->w_ih, (blasint)d->inputs, 0,
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
                l->directions[d].table.at + first * l->n_gates, (blasint)l->n_gates, l->directions[d].w_ih, (blasint)E,
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
