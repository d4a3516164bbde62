/* The runs of a group in one direction, as engine `incremental` does them on a GPU.
 *
 * Runs whose states others take over (level 0: a base run or two a text) go first and store their states; the others
 * follow (level 1). Within a level runs are sorted by their steps, most first, and aligned at their ends: when `left`
 * steps are to go, those with at least `left` are the first active[left - 1] of them. */
#ifndef BKI_BACKEND_CUDA_RUNS_H
#define BKI_BACKEND_CUDA_RUNS_H

#include "cuda.h"

enum { BKI_CUDA_LEVELS = 2 };

typedef struct bki_cuda_level {
  size_t first; /* its runs are first .. first + n */
  size_t n;
  int32_t most_steps;
  int64_t *active; /* [most_steps] */
  size_t active_capacity;
} bki_cuda_level;

/* Zero-initialise; make it again and again. */
typedef struct bki_cuda_runs {
  bki_k_run *runs; /* [n] */
  size_t n;
  size_t n_states; /* those after 0 .. n_pads - 1 pads, then those that runs store */
  bki_cuda_level levels[BKI_CUDA_LEVELS];
  /* Scratch. */
  bki_plan_row *rows;
  size_t rows_capacity;
  size_t runs_capacity;
  int32_t *store; /* [n] of each row, -1: nobody takes over */
  size_t store_capacity;
} bki_cuda_runs;

/* direction: 0 forward, 1 backward. The group's words are ids, text by text, in the order of the job. */
bki_status bki_cuda_runs_make(bki_cuda_runs *runs, const bki_model_config *model, const bki_cuda_job *job,
                              const bki_cuda_group *group, int direction, size_t n_pads, bki_error *err);
void bki_cuda_runs_clear(bki_cuda_runs *runs);

#endif
