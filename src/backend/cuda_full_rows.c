#include "cuda_full.h"

#include <stdlib.h>

#include "array.h"

/* cuDNN counts elements in 32 bits here and there: gates of both directions of all cells of a batch stay below. */
#define MAX_ELEMENTS INT32_MAX

/* Slots as plan.h numbers them: 0 the text, k without word k, l + 1 + j the first j words. */
static bki_k_row make_row(const bki_model_config *m, int64_t first_word, int32_t l, int32_t k, int32_t slot) {
  const int32_t length = k <= l ? l : k - l - 1;
  const int32_t without = k == 0 || k > l ? length : k - 1;
  const int32_t left = length - (without < length);
  return (bki_k_row){.first = first_word,
                     .length = length,
                     .without = without,
                     .lead = m->pad == BKI_PAD_PRE ? m->pad_length - left : 0,
                     .steps = m->pad == BKI_PAD_NONE ? left : m->pad_length,
                     .slot = slot};
}

static int compare_steps(const void *a, const void *b) {
  const bki_k_row *x = a;
  const bki_k_row *y = b;
  return x->steps != y->steps ? (x->steps > y->steps ? -1 : 1) : x->slot < y->slot ? -1 : x->slot > y->slot;
}

bki_status bki_cuda_full_list(const bki_cuda_worker *worker, bki_cuda_lane *lane, const bki_cuda_job *job,
                              bki_error *err) {
  const bki_cuda_group *g = lane->group;
  bki_cuda_full_lane *l = lane->engine;
  bki_k_row *rows = l->rows.host.data;
  int64_t word = 0;
  int32_t slot = 0;
  l->n_rows = 0;
  for (size_t i = g->first; i < g->first + g->n; i++) {
    const int32_t length = job->sequences[job->order[i]].length;
    const int32_t slots = (int32_t)bki_plan_slots(job->extent, length);
    for (int32_t k = 0; k < slots; k++) {
      const bki_k_row row = make_row(worker->model, word, length, k, slot++);
      if (row.steps > 0) {
        rows[l->n_rows++] = row;
      }
    }
    word += length;
  }
  l->rows.bytes = l->n_rows * sizeof *rows;
  qsort(rows, l->n_rows, sizeof *rows, compare_steps);
  BKI_TRY(bki_array_reserve(&l->lengths, &l->lengths_capacity, l->n_rows, sizeof *l->lengths, err));
  for (size_t i = 0; i < l->n_rows; i++) {
    l->lengths[i] = rows[i].steps;
  }
  return BKI_OK;
}

/* Bytes of x, y and cuDNN's workspace for a step of a row: gates of both directions, and as much again for what we do
 * not know of. */
static size_t cell_bytes(const bki_cuda_worker *w) {
  const bki_model_config *m = w->model;
  return sizeof(float) * ((size_t)m->embedding_dim + 4 * (size_t)m->hidden + 16 * (size_t)m->hidden);
}

/* Rows of T steps that a batch takes. */
static size_t batch_rows(const bki_cuda_worker *w, int32_t T) {
  const size_t by_memory = w->lane_bytes / 2 / ((size_t)T * cell_bytes(w));
  const size_t by_count = (size_t)(MAX_ELEMENTS / ((int64_t)T * 8 * w->model->hidden));
  const size_t n = by_memory < by_count ? by_memory : by_count;
  return n < 1 ? 1 : n;
}

size_t bki_cuda_full_cut(const bki_cuda_worker *worker, const bki_cuda_full_lane *lane, size_t first) {
  const size_t left = lane->n_rows - first;
  const size_t most = batch_rows(worker, lane->lengths[first]);
  size_t n_batches = 0;
  for (size_t at = first; at < lane->n_rows; at += batch_rows(worker, lane->lengths[at])) {
    n_batches++;
  }
  const size_t even = (left + n_batches - 1) / n_batches;
  return even < most ? even : most;
}
