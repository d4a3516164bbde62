/* The way forward: words to projected inputs, steps of every layer, outputs in order of the text. */
#include <string.h>

#include "cpu_learner.h"

typedef struct pass {
  bki_cpu_learner *l;
  const bki_learner_dropout *dropout;
  size_t layer;
} pass;

static void pack_one(void *context, size_t i, int32_t worker) {
  (void)worker;
  bki_cpu_learner *l = ((pass *)context)->l;
  bki_learner_pack(l, &l->directions[i]);
}

/* n rows of out [X] = bias + x [n, I'] W_ih^T */
static void project(const bki_cpu_learner *l, const bki_learner_direction *d, const float *x, size_t n, float *out) {
  const float *in[BKI_LEARNER_WORD_BLOCK];
  for (size_t first = 0; first < n; first += BKI_LEARNER_WORD_BLOCK) {
    const size_t m = n - first < BKI_LEARNER_WORD_BLOCK ? n - first : BKI_LEARNER_WORD_BLOCK;
    for (size_t r = 0; r < m; r++) {
      in[r] = x + (first + r) * d->inputs;
    }
    l->kernels->product(&(bki_cpu_product){.n_rows = m,
                                           .in = in,
                                           .depth = d->inputs,
                                           .blocks = l->blocks,
                                           .packed = d->w_input,
                                           .bias = d->bias,
                                           .out = out + first * l->stride,
                                           .out_stride = l->stride});
  }
}

static void project_words(void *context, size_t i, int32_t worker) {
  (void)worker;
  bki_cpu_learner *l = ((pass *)context)->l;
  const size_t E = (size_t)l->model->embedding_dim;
  const size_t first = i * BKI_LEARNER_WORD_BLOCK;
  const size_t rest = l->plan.n_words - first;
  const size_t n = rest < BKI_LEARNER_WORD_BLOCK ? rest : BKI_LEARNER_WORD_BLOCK;
  float *x = l->words.at + first * E;
  for (size_t w = 0; w < n; w++) {
    const int32_t id = l->plan.ids[first + w];
    if (id < 0) {
      memset(x + w * E, 0, E * sizeof *x);
    } else {
      memcpy(x + w * E, l->parameters.embedding + (size_t)id * E, E * sizeof *x);
    }
  }
  for (size_t d = 0; d < 2; d++) {
    bki_learner_direction *direction = &l->directions[d];
    project(l, direction, x, n, direction->table.at + first * l->stride);
  }
}

static size_t active(const bki_learner_chunk *chunk, size_t t) {
  return t < chunk->steps ? chunk->offset[t + 1] - chunk->offset[t] : 0;
}

static void run_step(const bki_cpu_learner *l, bki_learner_direction *d, const uint32_t *word,
                     const bki_learner_chunk *chunk, size_t t) {
  const size_t at = chunk->offset[t];
  const size_t n = active(chunk, t);
  const size_t next = active(chunk, t + 1);
  const size_t H = l->width;
  const size_t X = l->stride;
  const float *x[BKI_LEARNER_ROWS];
  const float *h_in[BKI_LEARNER_ROWS];
  float *h_out[BKI_LEARNER_ROWS];
  for (size_t r = 0; r < n; r++) {
    x[r] = word != NULL ? d->table.at + word[at + r] * X : d->gates.at + (at + r) * X;
    h_in[r] = d->hidden.at + (at + r) * H;
    h_out[r] = r < next ? d->hidden.at + (chunk->offset[t + 1] + r) * H : d->last.at + (chunk->first + r) * H;
  }
  l->kernels->train_step(&(bki_cpu_train_step){
      .n_rows = n,
      .blocks = l->blocks,
      .x = x,
      .h_in = h_in,
      .depth = t == 0 ? 0 : H,
      .packed = d->w_step,
      .gates = d->gates.at + at * X,
      .gates_stride = X,
      .c_before = t == 0 ? NULL : d->cell.at + chunk->offset[t - 1] * H,
      .c = d->cell.at + at * H,
      .h_out = h_out,
      .zeros = l->zeros,
  });
}

float *bki_learner_outputs(const bki_cpu_learner *l, size_t layer) {
  return layer + 1 < l->n_layers ? l->directions[2 * layer + 2].x.at : l->y.at;
}

/* One direction's half of the outputs of a chunk, in order of the text. */
static void write_outputs(const bki_cpu_learner *l, size_t direction, const bki_learner_direction *d,
                          const bki_learner_chunk *chunk, float *y) {
  const size_t H = l->width;
  for (size_t r = 0; r < chunk->n; r++) {
    const size_t steps = l->plan.steps[chunk->first + r];
    for (size_t t = 0; t < steps; t++) {
      const float *h =
          t + 1 < steps ? d->hidden.at + (chunk->offset[t + 1] + r) * H : d->last.at + (chunk->first + r) * H;
      const size_t position = direction == 0 ? t : steps - 1 - t;
      memcpy(y + (chunk->offset[position] + r) * 2 * H + direction * H, h, H * sizeof *y);
    }
  }
}

/* Item: chunk i / 2, direction i % 2. */
static void run_chunk(void *context, size_t i, int32_t worker) {
  (void)worker;
  const pass *p = context;
  const bki_cpu_learner *l = p->l;
  const bki_learner_chunk *chunk = &l->plan.chunks[i / 2];
  bki_learner_direction *d = &l->directions[2 * p->layer + i % 2];
  const size_t begin = chunk->offset[0];
  const size_t n = chunk->offset[chunk->steps] - begin;
  if (p->layer > 0) {
    project(l, d, d->x.at + begin * d->inputs, n, d->gates.at + begin * l->stride);
  }
  memset(d->hidden.at + begin * l->width, 0, active(chunk, 0) * l->width * sizeof(float)); /* h before the first step */
  for (size_t r = active(chunk, 0); r < chunk->n; r++) {
    memset(d->last.at + (chunk->first + r) * l->width, 0, l->width * sizeof(float));
  }
  for (size_t t = 0; t < chunk->steps; t++) {
    run_step(l, d, p->layer == 0 ? l->plan.word[i % 2] : NULL, chunk, t);
  }
  float *y = bki_learner_outputs(l, p->layer);
  if (y != NULL) {
    write_outputs(l, i % 2, d, chunk, y);
  }
}

void bki_learner_mask(const bki_cpu_learner *l, const bki_learner_dropout *dropout, size_t layer,
                      const bki_learner_chunk *chunk, float *values) {
  const size_t H = (size_t)l->model->hidden;
  const float scale = (float)(1 / (1 - dropout->share));
  for (size_t r = 0; r < chunk->n; r++) {
    const size_t steps = l->plan.steps[chunk->first + r];
    const uint32_t row = l->plan.row[chunk->first + r];
    for (size_t t = 0; t < steps; t++) {
      float *y = values + (chunk->offset[t] + r) * 2 * l->width;
      for (size_t k = 0; k < 2 * H; k++) {
        const bool kept = bki_dropout_keeps(dropout->share, dropout->seed, dropout->step, (uint32_t)layer, row,
                                            (uint64_t)t * 2 * H + k);
        y[k < H ? k : l->width + k - H] *= kept ? scale : 0;
      }
    }
  }
}

/* Inputs of a deeper layer: those of the forward direction stand there already, but for the mask; the others are the
 * same read from the end. */
static void prepare_inputs(void *context, size_t i, int32_t worker) {
  (void)worker;
  const pass *p = context;
  const bki_cpu_learner *l = p->l;
  const bki_learner_chunk *chunk = &l->plan.chunks[i];
  const bki_learner_direction *d = &l->directions[2 * p->layer];
  if (p->dropout != NULL) {
    bki_learner_mask(l, p->dropout, p->layer - 1, chunk, d[0].x.at);
  }
  for (size_t r = 0; r < chunk->n; r++) {
    const size_t steps = l->plan.steps[chunk->first + r];
    for (size_t t = 0; t < steps; t++) {
      memcpy(d[1].x.at + (chunk->offset[t] + r) * d->inputs, d[0].x.at + (chunk->offset[steps - 1 - t] + r) * d->inputs,
             d->inputs * sizeof(float));
    }
  }
}

void bki_learner_forward(bki_cpu_learner *l, const bki_learner_dropout *dropout) {
  pass p = {l, dropout, 0};
  bki_pool_for(l->config.pool, 2 * l->n_layers, pack_one, &p);
  bki_pool_for(l->config.pool, (l->plan.n_words + BKI_LEARNER_WORD_BLOCK - 1) / BKI_LEARNER_WORD_BLOCK, project_words,
               &p);
  for (; p.layer < l->n_layers; p.layer++) {
    if (p.layer > 0) {
      bki_pool_for(l->config.pool, l->plan.n_chunks, prepare_inputs, &p);
    }
    bki_pool_for(l->config.pool, 2 * l->plan.n_chunks, run_chunk, &p);
  }
}
