/* Running the rows of a plan. */
#ifndef BKI_BACKEND_CPU_RUN_H
#define BKI_BACKEND_CPU_RUN_H

#include "cpu.h"
#include "plan.h"

/* States that do not depend on the text: after k = 0 .. T pads (0 without padding), [T + 1, stride] a direction. */
typedef struct bki_cpu_pad_states {
  float *h;
  float *c;
  double *pool; /* sum or maximum of h over the steps; NULL unless the readout pools */
} bki_cpu_pad_states;

/* A text of a batch. */
typedef struct bki_cpu_text {
  const int32_t *ids;
  int32_t length;
  size_t first_slot; /* its slots are rows first_slot .. of the readouts */
  const float *x;    /* the projected word of this time */
} bki_cpu_text;

/* The memory of a worker, for R rows, S slots and as many texts. */
typedef struct bki_cpu_workspace {
  size_t max_rows;
  size_t max_slots;
  bki_plan_row *rows; /* [R] */
  size_t n_rows;
  bki_cpu_text *texts; /* [S] */
  size_t n_texts;
  /* States after time t: h[t % 2] and c. */
  float *h[2];     /* [R, stride] */
  float *c;        /* [R, stride] */
  double *pool;    /* [R, stride] or NULL */
  float *scratch;  /* [R, stride] of the step kernel */
  uint32_t *row;   /* [R] rows at work */
  const float **x; /* [R] */
  float *readout;  /* [S, readout_stride] */
  size_t readout_stride;
  const float **readouts; /* [S] */
  float *hidden;          /* [BKI_CPU_HEAD_ROWS, dense.stride] */
  float *logits;          /* [S, output.stride] */
} bki_cpu_workspace;

bool bki_cpu_pools(const bki_cpu *cpu);

/* States after pads, computed. */
bki_status bki_cpu_pad_states_create(bki_cpu_pad_states *states, const bki_cpu *cpu, int direction, bki_error *err);
void bki_cpu_pad_states_clear(bki_cpu_pad_states *states);

/* Makes room; contents are lost. */
bki_status bki_cpu_workspace_reserve(bki_cpu_workspace *ws, const bki_cpu *cpu, size_t rows, size_t slots,
                                     bki_error *err);
void bki_cpu_workspace_clear(bki_cpu_workspace *ws);

/* Runs ws->rows of a direction and writes that half of the readouts of all slots. */
void bki_cpu_run(const bki_cpu *cpu, const bki_cpu_pad_states *pads, bki_cpu_workspace *ws, int direction);

#endif
