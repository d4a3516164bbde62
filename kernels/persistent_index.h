// Layouts and schedules of the persistent kernels, in functions of host and device: the tests try all of them.
// Letters: H hidden units of a direction, u a unit, gate 0 .. 3 for i, f, g, o, k the unit that a weight multiplies.
#ifndef BKI_KERNELS_PERSISTENT_INDEX_H
#define BKI_KERNELS_PERSISTENT_INDEX_H

#include <string.h>

#include "index.h"
#include "persistent.h"

// Place of a gate of unit u among the 4H numbers of a word in the table: a thread that owns the units 2v and 2v + 1
// finds i, f, g, o of both in 32 bytes.
BKI_HD int32_t bki_k_gate_column(int32_t u, int32_t gate) {
  return u / 2 * 8 + gate * 2 + u % 2;
}

// sigma(z) = (1 + tanh(z / 2)) / 2: the half goes into the weights and the table. It is exact.
BKI_HD float bki_k_gate_scale(int32_t gate) {
  return gate == 2 ? 1.0f : 0.5f;
}

// The tensor cores' kernels put the gates side by side every 8 columns: block b of 32 columns is i, f, g, o of the
// units 8b .. 8b + 7. Lane l of a warp then has, of 16 rows, the rows l / 4 + 8 half, half = 0, 1, and of a block the
// units 8b + 2 (l % 4) + e, e = 0, 1: number 4 gate + 2 half + e of the 16 sums that a block gives it. These are the
// places where the next product wants h: half, e of block b are register 2 (b % 2) + half, half-word e of slice b / 2
// of k.
BKI_HD int32_t bki_k_lane_row(int32_t lane, int32_t half) {
  return lane / 4 + 8 * half;
}
BKI_HD int32_t bki_k_lane_unit(int32_t lane, int32_t block, int32_t e) {
  return 8 * block + 2 * (lane % 4) + e;
}
BKI_HD int32_t bki_k_lane_sum(int32_t gate, int32_t half, int32_t e) {
  return 4 * gate + 2 * half + e;
}

// h of the mma kernels in shared memory: halves [rows, line], so that 8 rows at 16 bytes of k do not meet in a bank. A
// line of 128 has no room to spare: there the 16-byte parts of a row change places by the row.
BKI_HD int32_t bki_k_half_line(int32_t H) {
  return H == 128 ? 128 : H + 8;
}
BKI_HD int32_t bki_k_half_h_place(int32_t H, int32_t row, int32_t k) {
  const int32_t part = H == 128 ? (k / 8) ^ (row % 8) : k / 8;
  return row * bki_k_half_line(H) + part * 8 + k % 8;
}

// States that the base kernel stores of a text: those that items begin with, after 8, 16, .. words.
BKI_HD int32_t bki_k_text_states(int32_t length) {
  return length < 2 ? 0 : (length - 2) / BKI_K_ITEM_ROWS;
}

// Items that hold all variants of a text but that of the last word.
BKI_HD int32_t bki_k_text_items(int32_t length) {
  return length < 2 ? 0 : (length - 2) / BKI_K_ITEM_ROWS + 1;
}

// Text of `length` words whose words begin at ids[first] and whose scores at scores[score], both in the order of the
// text; sign -1 reads it backwards.
BKI_HD bki_k_text bki_k_make_text(int64_t first, int64_t score, int32_t length, int32_t number, int64_t state,
                                  int32_t sign) {
  bki_k_text t;
  t.word = sign > 0 ? first : first + length - 1;
  t.score = sign > 0 ? score + length - 1 : score;
  t.length = length;
  t.number = number;
  t.state = state;
  return t;
}

// The item of `text` for the n variants at skip[0] < skip[1] < .., counted in the order of reading from word 0:
// 1 <= n <= 8, all at most length - 2. It begins at the last stored state that is not behind skip[0].
BKI_HD bki_k_item bki_k_make_item(const bki_k_text *text, const int32_t *skip, int32_t n, int32_t sign) {
  const int32_t state = skip[0] / BKI_K_ITEM_ROWS;
  const int32_t begin = state * BKI_K_ITEM_ROWS;
  bki_k_item item;
  item.word = text->word + (int64_t)sign * begin;
  item.score = text->score - (int64_t)sign * (text->length - 1 - begin);
  item.state = state == 0 ? -1 : text->state + state - 1;
  item.steps = text->length - begin;
  item.text = text->number;
  for (int32_t r = 0; r < BKI_K_ITEM_ROWS; r++) {
    item.skip[r] = r < n ? skip[r] - begin : -1;
  }
  return item;
}

// Item i = 0 .. bki_k_text_items - 1: 8 consecutive variants, fewer in the last.
BKI_HD bki_k_item bki_k_scan_item(const bki_k_text *text, int32_t i, int32_t sign) {
  int32_t skip[BKI_K_ITEM_ROWS] = {0};
  int32_t n = 0;
  for (int32_t p = i * BKI_K_ITEM_ROWS; n < BKI_K_ITEM_ROWS && p <= text->length - 2; p++) {
    skip[n++] = p;
  }
  return bki_k_make_item(text, skip, n, sign);
}

#endif
