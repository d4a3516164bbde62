/* Engine `full` of the cpu backend: every variant from end to end, any depth.
 *
 * Texts run through the layers side by side, a row each: a text, its variants and prefixes, or the texts of a forward
 * pass. Letters: R rows, T steps of the longest, H hidden, W vector width. */
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "cpu.h"
#include "fail.h"

enum { MAX_ROWS = 32 };

/* One row: the words of a text but one. */
typedef struct row_text {
  const int32_t *ids;
  int32_t length;  /* words that are left */
  int32_t without; /* position of the deleted word; the length of the text where none is */
  int32_t steps;
} row_text;

typedef struct workspace {
  row_text text[MAX_ROWS];
  size_t n_rows;
  /* The rows that take part in a step: row, position in its text, projected input. */
  size_t n_active;
  uint32_t row[MAX_ROWS];
  int32_t position[MAX_ROWS];
  const float *input[MAX_ROWS];
  float *h[2];    /* [R, stride] states before and after a step */
  float *c;       /* [R, stride] */
  float *scratch; /* [R, stride] of the step kernel */
  float *x;       /* [R, 4 W blocks] projected inputs of a deeper layer */
  float *y[2];    /* [R, T, 2H] inputs and outputs of a layer; deep models only */
  double *sum;    /* [R, 2H] for the mean: thousands of equal terms in float would lose what a score is made of */
  float *readout; /* [R, 2H] */
  float *whole;   /* [2H] readout of the whole text */
  float *shorter; /* [2H] readout of the last prefix */
  float *hidden;  /* scratch of the head */
  float *logits;  /* [R, stride of the output layer] */
} workspace;

struct bki_cpu_full {
  size_t max_steps; /* T that y holds */
  int32_t n_workers;
  workspace workers[];
};

/* Work of one call. */
typedef struct batch {
  const bki_cpu *cpu;
  const bki_sequence *sequences;
  size_t n;
  bki_scores *scores;
  float *readout;
  float *logits;
} batch;

/* The projected input of a row of the first layer at position t: a word or a pad. */
static const float *first_input(const bki_cpu *cpu, size_t direction, const row_text *text, int32_t t) {
  const int32_t j = cpu->model->pad == BKI_PAD_PRE ? t - (text->steps - text->length) : t;
  if (j < 0 || j >= text->length) {
    return bki_cpu_pad_input(cpu, direction);
  }
  return bki_cpu_word_input(cpu, direction, text->ids[j + (j >= text->without)]);
}

/* Lists the rows that have a step s, with their inputs: projected ones for the first layer, else y_t. */
static void gather(const bki_cpu *cpu, workspace *ws, int32_t layer, size_t direction, int32_t s) {
  const size_t units = 2 * cpu->hidden;
  ws->n_active = 0;
  for (size_t r = 0; r < ws->n_rows; r++) {
    const row_text *text = &ws->text[r];
    if (s < text->steps) {
      const size_t i = ws->n_active++;
      const int32_t t = direction == 0 ? s : text->steps - 1 - s;
      ws->row[i] = (uint32_t)r;
      ws->position[i] = t;
      ws->input[i] =
          layer == 0 ? first_input(cpu, direction, text, t) : ws->y[0] + (r * cpu->full->max_steps + (size_t)t) * units;
    }
  }
}

/* x = W_ih y_t + b_ih + b_hh */
static void project(const bki_cpu *cpu, workspace *ws, const bki_cpu_weights *weights) {
  const size_t stride = cpu->x_size;
  const bki_cpu_product product = {.n_rows = ws->n_active,
                                   .in = ws->input,
                                   .depth = 2 * cpu->hidden,
                                   .blocks = cpu->blocks,
                                   .packed = weights->w_ih,
                                   .bias = weights->bias,
                                   .out = ws->x,
                                   .out_stride = stride};
  cpu->kernels->product(&product);
  for (size_t i = 0; i < ws->n_active; i++) {
    ws->input[i] = ws->x + i * stride;
  }
}

static void step(const bki_cpu *cpu, workspace *ws, const bki_cpu_weights *weights) {
  const bki_cpu_step job = {.n_rows = ws->n_active,
                            .row = ws->row,
                            .x = ws->input,
                            .hidden = cpu->hidden,
                            .blocks = cpu->blocks,
                            .stride = cpu->stride,
                            .h_in = ws->h[0],
                            .h_out = ws->h[1],
                            .c = ws->c,
                            .packed = weights->w_hh,
                            .scratch = ws->scratch};
  cpu->step(&job);
  float *before = ws->h[0];
  ws->h[0] = ws->h[1];
  ws->h[1] = before;
}

/* Takes the state h of row r after step s of a direction, at position t, into its readout. */
static void read_out(const bki_cpu *cpu, workspace *ws, size_t direction, size_t r, int32_t s, int32_t t,
                     const float *h) {
  const size_t H = cpu->hidden;
  const int32_t steps = ws->text[r].steps;
  float *readout = ws->readout + (2 * r + direction) * H;
  double *sum = ws->sum + (2 * r + direction) * H;
  switch (cpu->model->readout) {
    case BKI_READOUT_FINAL:
    case BKI_READOUT_LAST:
      if (cpu->model->readout == BKI_READOUT_FINAL ? s == steps - 1 : t == steps - 1) {
        memcpy(readout, h, H * sizeof *h);
      }
      break;
    case BKI_READOUT_MEAN:
      for (size_t k = 0; k < H; k++) {
        sum[k] = (s == 0 ? 0 : sum[k]) + (double)h[k];
      }
      for (size_t k = 0; s == steps - 1 && k < H; k++) {
        readout[k] = (float)(sum[k] / steps);
      }
      break;
    case BKI_READOUT_MAX:
      for (size_t k = 0; k < H; k++) {
        readout[k] = s == 0 || h[k] > readout[k] ? h[k] : readout[k];
      }
      break;
  }
}

static void run_direction(const bki_cpu *cpu, workspace *ws, int32_t layer, size_t direction) {
  const size_t H = cpu->hidden;
  const bki_cpu_weights *weights = &cpu->weights[2 * (size_t)layer + direction];
  memset(ws->h[0], 0, ws->n_rows * cpu->stride * sizeof *ws->h[0]);
  memset(ws->c, 0, ws->n_rows * cpu->stride * sizeof *ws->c);
  for (int32_t s = 0;; s++) {
    gather(cpu, ws, layer, direction, s);
    if (ws->n_active == 0) {
      return;
    }
    if (layer > 0) {
      project(cpu, ws, weights);
    }
    step(cpu, ws, weights);
    for (size_t i = 0; i < ws->n_active; i++) {
      const size_t r = ws->row[i];
      const float *h = ws->h[0] + r * cpu->stride;
      if (layer + 1 == cpu->model->num_layers) {
        read_out(cpu, ws, direction, r, s, ws->position[i], h);
      } else {
        const size_t at = r * cpu->full->max_steps + (size_t)ws->position[i];
        memcpy(ws->y[1] + (2 * at + direction) * H, h, H * sizeof *h);
      }
    }
  }
}

/* Readouts and logits of the rows' texts. */
static void run_rows(const bki_cpu *cpu, workspace *ws) {
  memset(ws->readout, 0, ws->n_rows * 2 * cpu->hidden * sizeof *ws->readout); /* of no steps */
  for (int32_t layer = 0; layer < cpu->model->num_layers; layer++) {
    run_direction(cpu, ws, layer, 0);
    run_direction(cpu, ws, layer, 1);
    float *outputs = ws->y[1];
    ws->y[1] = ws->y[0];
    ws->y[0] = outputs;
  }
  const float *readout[MAX_ROWS];
  for (size_t r = 0; r < ws->n_rows; r++) {
    readout[r] = ws->readout + r * 2 * cpu->hidden;
  }
  bki_cpu_head(cpu, ws->n_rows, readout, ws->hidden, ws->logits);
}

static void set_row(const bki_cpu *cpu, row_text *row, const int32_t *ids, int32_t length, int32_t without) {
  const int32_t left = length - (without < length);
  *row = (row_text){ids, left, without, cpu->model->pad == BKI_PAD_NONE ? left : cpu->model->pad_length};
}

/* A sequence of l words is scored from 2l + 1 texts at most: 0 is the whole, 1 .. l lack one word each, l+1 .. 2l are
 * the prefixes of 0 .. l-1 words. */
static void use_text(const batch *b, workspace *ws, size_t i, int32_t text, size_t row) {
  const bki_cpu *cpu = b->cpu;
  const int32_t l = b->sequences[i].length;
  bki_scores *scores = &b->scores[i];
  const float *readout = ws->readout + row * 2 * cpu->hidden;
  const int32_t class = bki_cpu_argmax(cpu, ws->logits + row * cpu->output.stride);
  const size_t bytes = 2 * cpu->hidden * sizeof *readout;
  if (text == 0) {
    memcpy(ws->whole, readout, bytes);
    scores->predicted = class;
  } else if (text <= l) {
    scores->score[text - 1] = bki_cpu_distance(cpu, ws->whole, readout);
    scores->flip[text - 1] = class != scores->predicted;
  } else {
    if (text > l + 1) {
      scores->increment[text - l - 2] = bki_cpu_distance(cpu, readout, ws->shorter);
    }
    memcpy(ws->shorter, readout, bytes);
    if (text == 2 * l) { /* the next longer prefix is the whole */
      scores->increment[l - 1] = bki_cpu_distance(cpu, ws->whole, readout);
    }
  }
}

static void score_one(void *context, size_t i, int32_t worker) {
  const batch *b = context;
  workspace *ws = &b->cpu->full->workers[worker];
  const bki_sequence *sequence = &b->sequences[i];
  const int32_t l = sequence->length;
  const int32_t end = (b->cpu->increments ? 2 * l : l) + 1;
  for (int32_t first = 0; first < end; first += MAX_ROWS) {
    ws->n_rows = 0;
    for (int32_t text = first; text < end && text < first + MAX_ROWS; text++) {
      const int32_t length = text <= l ? l : text - l - 1;
      set_row(b->cpu, &ws->text[ws->n_rows++], sequence->ids, length, text == 0 ? l : text - 1);
    }
    run_rows(b->cpu, ws);
    for (size_t r = 0; r < ws->n_rows; r++) {
      use_text(b, ws, i, first + (int32_t)r, r);
    }
  }
}

static void forward_some(void *context, size_t item, int32_t worker) {
  const batch *b = context;
  const bki_cpu *cpu = b->cpu;
  workspace *ws = &cpu->full->workers[worker];
  const size_t first = item * MAX_ROWS;
  ws->n_rows = b->n - first < MAX_ROWS ? b->n - first : MAX_ROWS;
  for (size_t r = 0; r < ws->n_rows; r++) {
    const bki_sequence *sequence = &b->sequences[first + r];
    set_row(cpu, &ws->text[r], sequence->ids, sequence->length, sequence->length);
  }
  run_rows(cpu, ws);
  const size_t units = 2 * cpu->hidden;
  if (b->readout != NULL) {
    memcpy(b->readout + first * units, ws->readout, ws->n_rows * units * sizeof *b->readout);
  }
  const size_t classes = (size_t)cpu->model->n_classes;
  for (size_t r = 0; b->logits != NULL && r < ws->n_rows; r++) {
    memcpy(b->logits + (first + r) * classes, ws->logits + r * cpu->output.stride, classes * sizeof *b->logits);
  }
}

static void free_worker(workspace *ws) {
  free(ws->h[0]);
  free(ws->h[1]);
  free(ws->c);
  free(ws->scratch);
  free(ws->x);
  free(ws->y[0]);
  free(ws->y[1]);
  free(ws->sum);
  free(ws->readout);
  free(ws->whole);
  free(ws->shorter);
  free(ws->hidden);
  free(ws->logits);
}

void bki_cpu_full_destroy(bki_cpu *cpu) {
  struct bki_cpu_full *full = cpu->full;
  for (int32_t i = 0; full != NULL && i < full->n_workers; i++) {
    free_worker(&full->workers[i]);
  }
  free(full);
  cpu->full = NULL;
}

static bool reserve_worker(const bki_cpu *cpu, workspace *ws) {
  const size_t units = 2 * cpu->hidden;
  ws->h[0] = bki_cpu_floats(MAX_ROWS, cpu->stride);
  ws->h[1] = bki_cpu_floats(MAX_ROWS, cpu->stride);
  ws->c = bki_cpu_floats(MAX_ROWS, cpu->stride);
  ws->scratch = bki_cpu_floats(MAX_ROWS, cpu->stride);
  ws->x = bki_cpu_floats(MAX_ROWS, cpu->x_size);
  ws->sum = bki_array_create(MAX_ROWS * units, sizeof *ws->sum);
  ws->readout = bki_cpu_floats(MAX_ROWS, units);
  ws->whole = bki_cpu_floats(1, units);
  ws->shorter = bki_cpu_floats(1, units);
  ws->hidden = bki_cpu_floats(BKI_CPU_HEAD_ROWS, cpu->dense.stride);
  ws->logits = bki_cpu_floats(MAX_ROWS, cpu->output.stride);
  return ws->h[0] != NULL && ws->h[1] != NULL && ws->c != NULL && ws->scratch != NULL && ws->x != NULL &&
         ws->sum != NULL && ws->readout != NULL && ws->whole != NULL && ws->shorter != NULL && ws->hidden != NULL &&
         ws->logits != NULL;
}

bki_status bki_cpu_full_create(bki_cpu *cpu, bki_error *err) {
  const int32_t n_workers = bki_pool_threads(cpu->pool);
  struct bki_cpu_full *full = calloc(1, sizeof *full + (size_t)n_workers * sizeof full->workers[0]);
  if (full == NULL) {
    return bki_fail_memory(err);
  }
  cpu->full = full;
  full->n_workers = n_workers;
  for (int32_t i = 0; i < n_workers; i++) {
    if (!reserve_worker(cpu, &full->workers[i])) {
      return bki_fail_memory(err);
    }
  }
  return BKI_OK;
}

/* Room for the outputs of the longest sequence; a model of one layer keeps none. */
static bki_status reserve_steps(const bki_cpu *cpu, const bki_sequence *sequences, size_t n, bki_error *err) {
  struct bki_cpu_full *full = cpu->full;
  size_t steps = (size_t)cpu->model->pad_length;
  for (size_t i = 0; i < n; i++) {
    steps = (size_t)sequences[i].length > steps ? (size_t)sequences[i].length : steps;
  }
  if (cpu->model->num_layers == 1 || steps <= full->max_steps) {
    return BKI_OK;
  }
  full->max_steps = 0;
  const size_t row = MAX_ROWS * 2 * cpu->hidden;
  for (int32_t i = 0; i < full->n_workers; i++) {
    workspace *ws = &full->workers[i];
    for (int k = 0; k < 2; k++) {
      size_t count;
      free(ws->y[k]);
      ws->y[k] = bki_size_mul(steps, row, &count) ? bki_array_create_aligned(count, sizeof *ws->y[k]) : NULL;
      if (ws->y[k] == NULL) {
        return bki_fail_memory(err);
      }
    }
  }
  full->max_steps = steps;
  return BKI_OK;
}

bki_status bki_cpu_full_score(bki_cpu *cpu, const bki_sequence *sequences, size_t n, bki_scores *scores,
                              bki_error *err) {
  BKI_TRY(reserve_steps(cpu, sequences, n, err));
  bki_pool_for(cpu->pool, n, score_one, &(batch){.cpu = cpu, .sequences = sequences, .n = n, .scores = scores});
  return BKI_OK;
}

bki_status bki_cpu_full_forward(bki_cpu *cpu, const bki_sequence *sequences, size_t n, float *readout, float *logits,
                                bki_error *err) {
  BKI_TRY(reserve_steps(cpu, sequences, n, err));
  bki_pool_for(cpu->pool, n / MAX_ROWS + (n % MAX_ROWS != 0), forward_some,
               &(batch){.cpu = cpu, .sequences = sequences, .n = n, .readout = readout, .logits = logits});
  return BKI_OK;
}
