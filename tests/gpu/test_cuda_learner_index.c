/* Dropout's numbers on the device, and how a batch of training is laid out. */
#include <criterion/criterion.h>

#include <math.h>

#include "cuda_batch.h"
#include "learner_problem.h"
#include "philox.h"
#include "rng.h"
#include "standin.h"

Test(cuda_philox, gives_the_numbers_of_the_host) {
  uint64_t state = 1;
  for (int i = 0; i < 2000; i++) {
    const uint64_t seed = random_next(&state);
    const uint64_t stream = random_next(&state);
    const uint64_t index = random_next(&state);
    uint32_t expected[4];
    bki_philox(expected, seed, stream, index);
    for (uint32_t word = 0; word < 4; word++) {
      cr_assert_eq(bki_k_philox(seed, stream, index, word), expected[word], "word %u", word);
    }
  }
}

Test(cuda_philox, drops_the_units_that_the_host_drops) {
  static const double shares[] = {0x1p-32, 0.1, 0.2, 1.0 / 3, 0.5, 0.9, 1 - 0x1p-33};
  uint64_t state = 2;
  for (int i = 0; i < 20000; i++) {
    const double share = shares[random_below(&state, sizeof shares / sizeof *shares)];
    const uint64_t seed = random_next(&state);
    const uint64_t step = random_next(&state) >> 33;
    const uint32_t site = (uint32_t)random_below(&state, 17);
    const uint32_t row = (uint32_t)random_below(&state, 1 << 20);
    const uint64_t unit = random_next(&state) >> 30;
    const bki_k_dropout_mask mask = {seed, step, (uint64_t)ceil(share * 0x1p32), 3};
    const bool keeps = bki_dropout_keeps(share, seed, step, site, row, unit);
    cr_assert_eq(bki_k_dropout_factor(&mask, site, row, unit), keeps ? 3.0f : 0.0f, "share %g", share);
  }
}

Test(cuda_philox, no_dropout_leaves_a_unit_as_it_is) {
  const bki_k_dropout_mask mask = {1, 2, 0, 1};
  cr_assert_eq(bki_k_dropout_factor(&mask, 0, 0, 0), 1.0f);
}

enum { LONGEST = 30, N_TEXTS = 40 };

static int32_t row_id(const bki_model_config *m, const bki_sequence *text, int32_t t) {
  const int32_t first = m->pad == BKI_PAD_PRE ? m->pad_length - text->length : 0;
  if (t >= first && t < first + text->length) {
    return text->ids[t - first];
  }
  return m->pad_vector == BKI_PAD_VECTOR_ZERO ? -1 : m->pad_id;
}

/* Rows are all texts with steps, most steps first; a cell's word is the one it should be. */
static size_t check_rows(const bki_cuda_batch *b, const bki_model_config *m, const problem *p) {
  const bki_k_row *rows = b->rows.host.data;
  size_t n_cells = 0;
  size_t n_rows = 0;
  for (size_t i = 0; i < N_TEXTS; i++) {
    const int32_t steps = m->pad == BKI_PAD_NONE ? p->texts.sequences[i].length : m->pad_length;
    n_rows += steps > 0;
    cr_assert_eq(rows[i].steps, m->pad == BKI_PAD_NONE ? p->texts.sequences[rows[i].slot].length : m->pad_length);
    cr_assert(i == 0 || rows[i - 1].steps > rows[i].steps ||
              (rows[i - 1].steps == rows[i].steps && rows[i - 1].slot < rows[i].slot));
    for (int32_t t = 0; t < rows[i].steps; t++) {
      n_cells += row_id(m, &p->texts.sequences[rows[i].slot], t) >= 0;
    }
  }
  cr_assert_eq(b->n_rows, n_rows);
  return n_cells;
}

/* Each cell with a word stands under its word once; segments follow each other and are short. */
static void check_words(const bki_cuda_batch *b, const bki_model_config *m, const problem *p, size_t n_cells) {
  const bki_k_row *rows = b->rows.host.data;
  const int64_t *words = b->words.host.data;
  const int64_t *first_part = b->first_part.host.data;
  const int64_t *first_cell = b->first_cell.host.data;
  const int64_t *cells = b->cells.host.data;
  char *seen = calloc((size_t)b->steps * b->n_rows + 1, 1);
  cr_assert_eq(first_part[0], 0);
  cr_assert_eq(first_part[b->n_words], (int64_t)b->n_segments);
  cr_assert_eq(first_cell[0], 0);
  cr_assert_eq(first_cell[b->n_segments], (int64_t)n_cells);
  for (size_t w = 0; w < b->n_words; w++) {
    cr_assert(first_part[w] < first_part[w + 1]);
    for (int64_t s = first_part[w]; s < first_part[w + 1]; s++) {
      cr_assert(first_cell[s] < first_cell[s + 1] && first_cell[s + 1] - first_cell[s] <= 64);
      for (int64_t c = first_cell[s]; c < first_cell[s + 1]; c++) {
        const int64_t t = cells[c] / (int64_t)b->n_rows;
        const bki_k_row *row = &rows[cells[c] % (int64_t)b->n_rows];
        cr_assert(t < row->steps && seen[cells[c]]++ == 0);
        cr_assert_eq(row_id(m, &p->texts.sequences[row->slot], (int32_t)t), words[w]);
      }
    }
  }
  free(seen);
}

static void check_layout(bki_pad pad, bki_pad_vector vector) {
  bki_model_config shape = random_config(3, 3);
  int32_t lengths[N_TEXTS];
  uint64_t state = 3;
  shape.vocabulary_size = 8;
  shape.pad = pad;
  shape.pad_length = pad == BKI_PAD_NONE ? 0 : LONGEST;
  shape.pad_vector = vector;
  shape.max_words = LONGEST;
  for (size_t i = 0; i < N_TEXTS; i++) {
    lengths[i] = random_below(&state, LONGEST + 1);
  }
  lengths[7] = 0;
  problem p = make_problem(&shape, 4, lengths, N_TEXTS, true, 0);
  const bki_minibatch texts = first_texts(&p, N_TEXTS, 0);
  bki_cuda_device device;
  bki_cuda_batch batch = {0};
  bki_error err;
  cr_assert_eq(bki_cuda_device_open(&device, 0, 1, &err), BKI_OK, "%s", err.message);
  cr_assert_eq(bki_cuda_batch_init(&batch, &shape, &err), BKI_OK);
  for (int again = 0; again < 2; again++) {
    cr_assert_eq(bki_cuda_batch_push(&batch, &device, &shape, &texts, true, device.upload, &err), BKI_OK);
    cr_assert_eq(cudaStreamSynchronize(device.upload), cudaSuccess);
    check_words(&batch, &shape, &p, check_rows(&batch, &shape, &p));
  }
  bki_cuda_batch_clear(&batch);
  bki_cuda_device_close(&device);
  cr_assert_eq(standin_leaks(), 0);
  clear_problem(&p);
}

Test(cuda_batch, lists_every_cell_under_its_word_once) {
  for (int pad = BKI_PAD_NONE; pad <= BKI_PAD_POST; pad++) {
    check_layout((bki_pad)pad, BKI_PAD_VECTOR_EMBEDDING);
    check_layout((bki_pad)pad, BKI_PAD_VECTOR_ZERO);
  }
}

/* As the oracle does. */
Test(cuda_read_out, takes_the_maximum_from_the_first_of_equal_steps) {
  static const float y[] = {1, 0, 1, 2, 0, 2}; /* [3, 1, 2] */
  static const float d_readout[] = {5, 7};
  static const float expected[] = {5, 0, 0, 7, 0, 0};
  const bki_k_row row = {.steps = 3};
  bki_cuda_device device;
  bki_cuda_buffer buffers[5] = {{0}};
  const void *const contents[] = {y, d_readout, &row};
  static const size_t bytes[] = {sizeof y, sizeof d_readout, sizeof row, 2 * sizeof(int32_t), sizeof y};
  bki_error err;
  float found[6];
  cr_assert_eq(bki_cuda_device_open(&device, 0, 1, &err), BKI_OK, "%s", err.message);
  for (size_t i = 0; i < 5; i++) {
    cr_assert_eq(bki_cuda_reserve(&device, &buffers[i], bytes[i], 1, &err), BKI_OK, "%s", err.message);
    if (i < 3) {
      cr_assert_eq(bki_cuda_upload(&device, buffers[i].data, contents[i], bytes[i], &err), BKI_OK);
    }
  }
  float *readout = buffers[1].data;
  cr_assert_eq(
      bki_k_read_out_from(readout, buffers[3].data, buffers[0].data, buffers[2].data, BKI_K_MAX, 1, 1, device.upload),
      cudaSuccess);
  cr_assert_eq(bki_cuda_upload(&device, readout, d_readout, sizeof d_readout, &err), BKI_OK);
  cr_assert_eq(bki_k_read_out_back(buffers[4].data, readout, buffers[3].data, buffers[2].data, 3, 1, 1, device.upload),
               cudaSuccess);
  cr_assert_eq(bki_cuda_download(&device, found, buffers[4].data, sizeof found, &err), BKI_OK);
  cr_assert_arr_eq(found, expected, sizeof expected);
  for (size_t i = 0; i < 5; i++) {
    bki_cuda_release(&buffers[i]);
  }
  bki_cuda_device_close(&device);
}
