#include "cpu_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "fail.h"

bool bki_cpu_pools(const bki_cpu *cpu) {
  return cpu->model->readout == BKI_READOUT_MEAN || cpu->model->readout == BKI_READOUT_MAX;
}

/* Sums are kept in double: thousands of nearly equal terms in float would lose what a score is made of. */
static void pool_add(const bki_cpu *cpu, double *restrict pool, const float *restrict h) {
  if (cpu->model->readout == BKI_READOUT_MEAN) {
    for (size_t u = 0; u < cpu->stride; u++) {
      pool[u] += (double)h[u];
    }
  } else {
    for (size_t u = 0; u < cpu->stride; u++) {
      pool[u] = pool[u] > (double)h[u] ? pool[u] : (double)h[u];
    }
  }
}

/* One row from state k - 1 to state k. */
static void step_pad(const bki_cpu *cpu, bki_cpu_pad_states *states, int direction, size_t k, float *scratch) {
  const size_t stride = cpu->stride;
  const uint32_t row = 0;
  const float *x = bki_cpu_pad_input(cpu, (size_t)direction);
  float *h = states->h + k * stride;
  float *c = states->c + k * stride;
  memcpy(c, c - stride, stride * sizeof *c);
  cpu->step(&(bki_cpu_step){.n_rows = 1,
                            .row = &row,
                            .x = &x,
                            .hidden = cpu->hidden,
                            .blocks = cpu->blocks,
                            .stride = stride,
                            .h_in = h - stride,
                            .h_out = h,
                            .c = c,
                            .packed = cpu->weights[direction].w_hh,
                            .scratch = scratch});
  if (states->pool != NULL) {
    double *pool = states->pool + k * stride;
    memcpy(pool, pool - stride, stride * sizeof *pool);
    pool_add(cpu, pool, h);
  }
}

bki_status bki_cpu_pad_states_create(bki_cpu_pad_states *states, const bki_cpu *cpu, int direction, bki_error *err) {
  const size_t n = (cpu->model->pad == BKI_PAD_NONE ? 0 : (size_t)cpu->model->pad_length) + 1;
  const size_t stride = cpu->stride;
  float *scratch = bki_cpu_floats(BKI_CPU_SCRATCH_ROWS(1), stride);
  states->h = bki_cpu_floats(n, stride);
  states->c = bki_cpu_floats(n, stride);
  size_t count;
  states->pool = bki_cpu_pools(cpu) && bki_size_mul(n, stride, &count) ? bki_array_create(count, sizeof(double)) : NULL;
  if (scratch == NULL || states->h == NULL || states->c == NULL || (bki_cpu_pools(cpu) && states->pool == NULL)) {
    free(scratch);
    return bki_fail_memory(err);
  }
  for (size_t u = 0; cpu->model->readout == BKI_READOUT_MAX && u < stride; u++) {
    states->pool[u] = -INFINITY;
  }
  for (size_t k = 1; k < n; k++) {
    step_pad(cpu, states, direction, k, scratch);
  }
  free(scratch);
  return BKI_OK;
}

void bki_cpu_pad_states_clear(bki_cpu_pad_states *states) {
  free(states->h);
  free(states->c);
  free(states->pool);
}

void bki_cpu_workspace_clear(bki_cpu_workspace *ws) {
  free(ws->rows);
  free(ws->texts);
  free(ws->h[0]);
  free(ws->h[1]);
  free(ws->c);
  free(ws->pool);
  free(ws->scratch);
  free(ws->row);
  free(ws->x);
  free(ws->readout);
  free(ws->readouts);
  free(ws->hidden);
  free(ws->logits);
  *ws = (bki_cpu_workspace){0};
}

static bool allocate(bki_cpu_workspace *ws, const bki_cpu *cpu, size_t rows, size_t slots) {
  size_t states;
  if (!bki_size_mul(rows, cpu->stride, &states)) {
    return false;
  }
  ws->rows = bki_array_create(rows, sizeof *ws->rows);
  ws->texts = bki_array_create(slots, sizeof *ws->texts);
  ws->h[0] = bki_cpu_floats(1, states);
  ws->h[1] = bki_cpu_floats(1, states);
  ws->c = bki_cpu_floats(1, states);
  ws->pool = bki_cpu_pools(cpu) ? bki_array_create(states, sizeof *ws->pool) : NULL;
  ws->scratch = bki_cpu_floats(BKI_CPU_SCRATCH_ROWS(rows), cpu->stride);
  ws->row = bki_array_create(rows, sizeof *ws->row);
  ws->x = bki_array_create(rows, sizeof *ws->x);
  ws->readout_stride = (2 * cpu->hidden + 15) / 16 * 16;
  ws->readout = bki_cpu_floats(slots, ws->readout_stride);
  ws->readouts = bki_array_create(slots, sizeof *ws->readouts);
  ws->hidden = bki_cpu_floats(BKI_CPU_HEAD_ROWS, cpu->dense.stride);
  ws->logits = bki_cpu_floats(slots, cpu->output.stride);
  return ws->rows != NULL && ws->texts != NULL && ws->h[0] != NULL && ws->h[1] != NULL && ws->c != NULL &&
         (ws->pool != NULL || !bki_cpu_pools(cpu)) && ws->scratch != NULL && ws->row != NULL && ws->x != NULL &&
         ws->readout != NULL && ws->readouts != NULL && ws->hidden != NULL && ws->logits != NULL;
}

bki_status bki_cpu_workspace_reserve(bki_cpu_workspace *ws, const bki_cpu *cpu, size_t rows, size_t slots,
                                     bki_error *err) {
  if (rows <= ws->max_rows && slots <= ws->max_slots) {
    return BKI_OK;
  }
  rows = rows > ws->max_rows ? rows : ws->max_rows;
  slots = slots > ws->max_slots ? slots : ws->max_slots;
  bki_cpu_workspace_clear(ws);
  if (!allocate(ws, cpu, rows, slots)) {
    bki_cpu_workspace_clear(ws);
    return bki_fail_memory(err);
  }
  ws->max_rows = rows;
  ws->max_slots = slots;
  return BKI_OK;
}

/* The row takes over its state at time t = fork. */
static void start_row(const bki_cpu *cpu, const bki_cpu_pad_states *pads, bki_cpu_workspace *ws, size_t r) {
  const bki_plan_row *row = &ws->rows[r];
  const size_t stride = cpu->stride;
  const bool after_pads = row->source < 0;
  const size_t from = (after_pads ? (size_t)(-1 - row->source) : (size_t)row->source) * stride;
  const float *h = after_pads ? pads->h : ws->h[row->fork & 1];
  const float *c = after_pads ? pads->c : ws->c;
  const double *pool = after_pads ? pads->pool : ws->pool;
  memcpy(ws->h[(row->first - 1) & 1] + r * stride, h + from, stride * sizeof *h);
  memcpy(ws->c + r * stride, c + from, stride * sizeof *c);
  if (ws->pool != NULL) {
    memcpy(ws->pool + r * stride, pool + from, stride * sizeof *pool);
  }
}

/* The row's state after its last step, in h[buffer], into its slot. */
static void read_out(const bki_cpu *cpu, bki_cpu_workspace *ws, int direction, size_t r, int buffer) {
  const bki_plan_row *row = &ws->rows[r];
  if (row->slot == BKI_PLAN_NO_SLOT) {
    return;
  }
  float *readout = ws->readout + (ws->texts[row->text].first_slot + (size_t)row->slot) * ws->readout_stride +
                   (size_t)direction * cpu->hidden;
  const double *pool = ws->pool + (ws->pool == NULL ? 0 : r * cpu->stride);
  if (ws->pool == NULL || row->n_steps == 0) {
    memcpy(readout, ws->h[buffer] + r * cpu->stride, cpu->hidden * sizeof *readout);
  } else if (cpu->model->readout == BKI_READOUT_MEAN) {
    for (size_t u = 0; u < cpu->hidden; u++) {
      readout[u] = (float)(pool[u] / row->n_steps);
    }
  } else {
    for (size_t u = 0; u < cpu->hidden; u++) {
      readout[u] = (float)pool[u];
    }
  }
}

/* Starts the rows that fork at time t and lists those that step from t to t + 1. Returns whether a row has yet to step
 * later on. */
static bool gather(const bki_cpu *cpu, const bki_cpu_pad_states *pads, bki_cpu_workspace *ws, int direction, int32_t t,
                   size_t *n_active) {
  bool more = false;
  size_t n = 0;
  for (size_t r = 0; r < ws->n_rows; r++) {
    const bki_plan_row *row = &ws->rows[r];
    if (row->fork == t) {
      start_row(cpu, pads, ws, r);
      if (row->end < row->first) {
        read_out(cpu, ws, direction, r, (row->first - 1) & 1);
      }
    }
    if (row->first <= t + 1 && t + 1 <= row->end) {
      ws->row[n] = (uint32_t)r;
      ws->x[n++] = t < row->words_end ? ws->texts[row->text].x : bki_cpu_pad_input(cpu, (size_t)direction);
    }
    more = more || row->fork > t || row->end > t + 1;
  }
  *n_active = n;
  return more;
}

/* The projected words that are read from time t to t + 1. */
static void next_words(const bki_cpu *cpu, bki_cpu_workspace *ws, int direction, int32_t t) {
  for (size_t i = 0; i < ws->n_texts; i++) {
    bki_cpu_text *text = &ws->texts[i];
    if (t < text->length) {
      const int32_t position = direction == 0 ? t : text->length - 1 - t;
      text->x = bki_cpu_word_input(cpu, (size_t)direction, text->ids[position]);
    }
  }
}

void bki_cpu_run(const bki_cpu *cpu, const bki_cpu_pad_states *pads, bki_cpu_workspace *ws, int direction) {
  bool more = true;
  for (int32_t t = 0; more; t++) {
    size_t n_active;
    next_words(cpu, ws, direction, t);
    more = gather(cpu, pads, ws, direction, t, &n_active);
    const int after = (t + 1) & 1;
    cpu->step(&(bki_cpu_step){.n_rows = n_active,
                              .row = ws->row,
                              .x = ws->x,
                              .hidden = cpu->hidden,
                              .blocks = cpu->blocks,
                              .stride = cpu->stride,
                              .h_in = ws->h[t & 1],
                              .h_out = ws->h[after],
                              .c = ws->c,
                              .packed = cpu->weights[direction].w_hh,
                              .scratch = ws->scratch});
    for (size_t i = 0; i < n_active; i++) {
      const size_t r = ws->row[i];
      if (ws->pool != NULL) {
        pool_add(cpu, ws->pool + r * cpu->stride, ws->h[after] + r * cpu->stride);
      }
      if (ws->rows[r].end == t + 1) {
        read_out(cpu, ws, direction, r, after);
      }
    }
  }
}
