#include "cuda_batch.h"

#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "index.h"

/* Cells that one block adds up: a pad may have as many as all words together. */
enum { SEGMENT = 64 };

bki_status bki_cuda_batch_init(bki_cuda_batch *batch, const bki_model_config *model, bki_error *err) {
  const size_t n = (size_t)model->vocabulary_size;
  batch->place = bki_array_create(n, sizeof *batch->place);
  if (batch->place == NULL) {
    return bki_fail_memory(err);
  }
  memset(batch->place, -1, n * sizeof *batch->place);
  return BKI_OK;
}

void bki_cuda_batch_clear(bki_cuda_batch *batch) {
  bki_cuda_mirror *const mirrors[] = {&batch->rows,       &batch->ids,        &batch->labels, &batch->losses,
                                      &batch->first_part, &batch->first_cell, &batch->words,  &batch->cells};
  for (size_t i = 0; i < sizeof mirrors / sizeof *mirrors; i++) {
    bki_cuda_mirror_release(mirrors[i]);
  }
  free(batch->lengths);
  free(batch->place);
  *batch = (bki_cuda_batch){0};
}

static int compare_rows(const void *a, const void *b) {
  const bki_k_row *x = a;
  const bki_k_row *y = b;
  return x->steps != y->steps ? (x->steps > y->steps ? -1 : 1) : x->slot < y->slot ? -1 : x->slot > y->slot;
}

static void list_rows(bki_cuda_batch *batch, const bki_model_config *m, const bki_minibatch *texts) {
  bki_k_row *rows = batch->rows.host.data;
  int32_t *ids = batch->ids.host.data;
  int64_t word = 0;
  for (size_t i = 0; i < texts->n; i++) {
    const bki_sequence *text = &texts->sequences[i];
    rows[i] = (bki_k_row){.first = word,
                          .length = text->length,
                          .without = text->length,
                          .lead = m->pad == BKI_PAD_PRE ? m->pad_length - text->length : 0,
                          .steps = m->pad == BKI_PAD_NONE ? text->length : m->pad_length,
                          .slot = (int32_t)i};
    if (text->length > 0) {
      memcpy(ids + word, text->ids, (size_t)text->length * sizeof *ids);
    }
    word += text->length;
  }
  qsort(rows, texts->n, sizeof *rows, compare_rows);
  batch->n_rows = 0;
  while (batch->n_rows < texts->n && rows[batch->n_rows].steps > 0) {
    batch->lengths[batch->n_rows] = rows[batch->n_rows].steps;
    batch->n_rows++;
  }
  batch->steps = batch->n_rows > 0 ? rows[0].steps : 0;
}

static bki_status make_rows(bki_cuda_batch *batch, bki_cuda_device *device, const bki_model_config *m,
                            const bki_minibatch *texts, cudaStream_t stream, bki_error *err) {
  size_t n_ids = 0;
  for (size_t i = 0; i < texts->n; i++) {
    n_ids += (size_t)texts->sequences[i].length;
  }
  batch->n = texts->n;
  BKI_TRY(bki_array_reserve(&batch->lengths, &batch->lengths_capacity, texts->n, sizeof *batch->lengths, err));
  BKI_TRY(bki_cuda_mirror_reserve(device, &batch->rows, texts->n, sizeof(bki_k_row), err));
  BKI_TRY(bki_cuda_mirror_reserve(device, &batch->ids, n_ids, sizeof(int32_t), err));
  BKI_TRY(bki_cuda_mirror_reserve(device, &batch->labels, texts->n, sizeof(int32_t), err));
  BKI_TRY(bki_cuda_mirror_reserve(device, &batch->losses, texts->n, sizeof(bki_k_loss), err));
  list_rows(batch, m, texts);
  memcpy(batch->labels.host.data, texts->labels, batch->labels.bytes);
  BKI_TRY(bki_cuda_mirror_push(device, &batch->rows, stream, err));
  BKI_TRY(bki_cuda_mirror_push(device, &batch->ids, stream, err));
  return bki_cuda_mirror_push(device, &batch->labels, stream, err);
}

/* The row of the embedding that a step reads; -1: none. */
static int32_t id_at(const bki_cuda_batch *batch, const bki_model_config *m, const bki_k_row *row, int32_t t) {
  const int32_t *ids = batch->ids.host.data;
  const int32_t word = bki_k_row_word(row, t);
  return word >= 0 ? ids[row->first + word] : m->pad_vector == BKI_PAD_VECTOR_ZERO ? -1 : m->pad_id;
}

/* Gives every word of the batch a place, in the order in which they come, and counts its cells: those of word w at
 * counts[w]. Returns the number of cells with a word. */
static int64_t count_words(bki_cuda_batch *batch, const bki_model_config *m, int64_t *counts) {
  const bki_k_row *rows = batch->rows.host.data;
  int64_t *words = batch->words.host.data;
  int64_t n_cells = 0;
  batch->n_words = 0;
  for (size_t b = 0; b < batch->n_rows; b++) {
    for (int32_t t = 0; t < rows[b].steps; t++) {
      const int32_t id = id_at(batch, m, &rows[b], t);
      if (id < 0) {
        continue;
      }
      if (batch->place[id] < 0) {
        batch->place[id] = (int32_t)batch->n_words;
        counts[batch->n_words] = 0;
        words[batch->n_words++] = id;
      }
      counts[batch->place[id]]++;
      n_cells++;
    }
  }
  return n_cells;
}

/* Cuts the cells of each word into segments; next[w] is where those of word w begin. */
static void cut_segments(bki_cuda_batch *batch, const int64_t *counts, int64_t *next) {
  int64_t *first_part = batch->first_part.host.data;
  int64_t *first_cell = batch->first_cell.host.data;
  int64_t cell = 0;
  batch->n_segments = 0;
  for (size_t w = 0; w < batch->n_words; w++) {
    const int64_t end = cell + counts[w];
    next[w] = cell;
    first_part[w] = (int64_t)batch->n_segments;
    for (; cell < end; cell = end - cell < SEGMENT ? end : cell + SEGMENT) {
      first_cell[batch->n_segments++] = cell;
    }
  }
  first_part[batch->n_words] = (int64_t)batch->n_segments;
  first_cell[batch->n_segments] = cell;
}

static void list_cells(bki_cuda_batch *batch, const bki_model_config *m, int64_t *next) {
  const bki_k_row *rows = batch->rows.host.data;
  int64_t *cells = batch->cells.host.data;
  for (size_t b = 0; b < batch->n_rows; b++) {
    for (int32_t t = 0; t < rows[b].steps; t++) {
      const int32_t id = id_at(batch, m, &rows[b], t);
      if (id >= 0) {
        cells[next[batch->place[id]]++] = (int64_t)t * (int64_t)batch->n_rows + (int64_t)b;
      }
    }
  }
  const int64_t *words = batch->words.host.data;
  for (size_t w = 0; w < batch->n_words; w++) {
    batch->place[words[w]] = -1;
  }
}

static bki_status push_words(bki_cuda_batch *batch, bki_cuda_device *device, cudaStream_t stream, bki_error *err) {
  batch->words.bytes = batch->n_words * sizeof(int64_t);
  batch->first_part.bytes = (batch->n_words + 1) * sizeof(int64_t);
  batch->first_cell.bytes = (batch->n_segments + 1) * sizeof(int64_t);
  BKI_TRY(bki_cuda_mirror_push(device, &batch->words, stream, err));
  BKI_TRY(bki_cuda_mirror_push(device, &batch->first_part, stream, err));
  BKI_TRY(bki_cuda_mirror_push(device, &batch->first_cell, stream, err));
  return bki_cuda_mirror_push(device, &batch->cells, stream, err);
}

static bki_status make_words(bki_cuda_batch *batch, bki_cuda_device *device, const bki_model_config *m,
                             cudaStream_t stream, bki_error *err) {
  size_t most_cells = 0;
  for (size_t b = 0; b < batch->n_rows; b++) {
    most_cells += (size_t)batch->lengths[b];
  }
  const size_t vocabulary = (size_t)m->vocabulary_size;
  const size_t most_words = most_cells < vocabulary ? most_cells : vocabulary;
  BKI_TRY(bki_cuda_mirror_reserve(device, &batch->words, most_words, sizeof(int64_t), err));
  BKI_TRY(bki_cuda_mirror_reserve(device, &batch->first_part, most_words + 1, sizeof(int64_t), err));
  BKI_TRY(
      bki_cuda_mirror_reserve(device, &batch->first_cell, most_words + most_cells / SEGMENT + 1, sizeof(int64_t), err));
  BKI_TRY(bki_cuda_mirror_reserve(device, &batch->cells, most_cells, sizeof(int64_t), err));
  int64_t *counts = bki_array_create(2 * most_words, sizeof *counts);
  if (counts == NULL) {
    return bki_fail_memory(err);
  }
  batch->cells.bytes = (size_t)count_words(batch, m, counts) * sizeof(int64_t);
  cut_segments(batch, counts, counts + most_words);
  list_cells(batch, m, counts + most_words);
  free(counts);
  return push_words(batch, device, stream, err);
}

bki_status bki_cuda_batch_push(bki_cuda_batch *batch, bki_cuda_device *device, const bki_model_config *model,
                               const bki_minibatch *texts, bool with_words, cudaStream_t stream, bki_error *err) {
  BKI_TRY(make_rows(batch, device, model, texts, stream, err));
  batch->n_words = 0;
  batch->n_segments = 0;
  return with_words ? make_words(batch, device, model, stream, err) : BKI_OK;
}
