// What the persistent kernels share: the cell, slots and the queue they take work from, outputs.
#ifndef BKI_KERNELS_PERSISTENT_CUH
#define BKI_KERNELS_PERSISTENT_CUH

#include "persistent_index.h"
#include "ptx.cuh"

#define BKI_DEVICE __device__ static __forceinline__

// The cell, from pre-activations that bki_k_gate_scale is in: z_i, z_f, z_o are halves. Products and sums are spelled
// out, so that no compiler fuses them one way in one kernel and another way in the next.

// One tanh.approx a gate: sigma(z) = tanh(z / 2) / 2 + 1 / 2.
BKI_DEVICE float bki_cell_fast(float i, float f, float g, float o, float *c) {
  const float input = fmaf(0.5f, bki_ptx_tanh(i), 0.5f);
  const float forget = fmaf(0.5f, bki_ptx_tanh(f), 0.5f);
  const float output = fmaf(0.5f, bki_ptx_tanh(o), 0.5f);
  *c = fmaf(forget, *c, __fmul_rn(input, bki_ptx_tanh(g)));
  return __fmul_rn(output, bki_ptx_tanh(*c));
}

// e^(-2 z), at most 2^40: three of these have a product, and what is cut off is below 2^-40. A NaN stays one.
BKI_DEVICE float bki_exp_minus_2(float z) {
  const float exponent = __fmul_rn(z, -2.885390082f);
  return bki_ptx_ex2(exponent > 40.0f ? 40.0f : exponent);
}

// To about 1e-7, in 5 ex2 and 2 reciprocals: with A = e^-i, F = e^-f, B = e^-2g, O = e^-o, D = e^-2c
//   c = (c (1 + A) (1 + B) + (1 + F) (1 - B)) / ((1 + F) (1 + A) (1 + B)),  h = (1 - D) / ((1 + O) (1 + D)).
BKI_DEVICE float bki_cell_accurate(float i, float f, float g, float o, float *c) {
  const float B = bki_exp_minus_2(g);
  const float input = __fmul_rn(1.0f + bki_exp_minus_2(i), 1.0f + B);
  const float forget = 1.0f + bki_exp_minus_2(f);
  const float sum = fmaf(*c, input, __fmul_rn(forget, 1.0f - B));
  *c = __fmul_rn(sum, bki_ptx_rcp(__fmul_rn(forget, input)));
  const float D = bki_exp_minus_2(*c);
  const float output = __fmul_rn(1.0f + bki_exp_minus_2(o), 1.0f + D);
  return __fmul_rn(1.0f - D, bki_ptx_rcp(output));
}

// Bits of |x - y|: as numbers they are ordered like the distances, and a NaN comes last.
BKI_DEVICE uint32_t bki_distance(float x, float y) {
  return __float_as_uint(fabsf(x - y));
}

// 8 rows that run together, in shared memory. In the scan kernel they are an item; in the base kernel 8 texts, whose
// steps are those of the first.
struct bki_slot {
  int64_t word[BKI_K_ITEM_ROWS];  // in ids: of the first step. An item has one for all rows
  int32_t mark[BKI_K_ITEM_ROWS];  // item: the step that a row holds in, or -1; texts: lengths, 0 where none is
  int32_t step;
  int32_t steps;   // 0: there is no work left
  int64_t number;  // item, or first of the texts
  int64_t state;   // row of states that an item begins with; -1: zeros
};

template <bool BASE>
BKI_DEVICE bool bki_holds(const bki_slot &slot, int r) {
  return BASE ? slot.step >= slot.mark[r] : slot.step == slot.mark[r];
}

// Number of the next work of a direction: an item, or 8 texts.
BKI_DEVICE uint32_t bki_take_work(const bki_k_work &w, int dir) {
  return bki_ptx_take(w.queue + dir);
}

// One thread gives the slot the work that it took.
template <bool BASE>
__device__ static void bki_slot_fill(bki_slot *slot, const bki_k_work &w, int dir, int64_t taken) {
  const bki_k_direction &d = w.direction[dir];
  const bool some = taken < (BASE ? bki_k_blocks(d.n_texts, BKI_K_ITEM_ROWS) : d.n_items);
  slot->number = BASE ? taken * BKI_K_ITEM_ROWS : taken;
  for (int r = 0; r < BKI_K_ITEM_ROWS; r++) {
    if (BASE) {
      const bool text = slot->number + r < d.n_texts;
      slot->mark[r] = text ? d.texts[slot->number + r].length : 0;
      slot->word[r] = text ? d.texts[slot->number + r].word : 0;
    } else {
      slot->mark[r] = some ? d.items[taken].skip[r] : -1;
      slot->word[r] = some ? d.items[taken].word : 0;
    }
  }
  slot->state = !BASE && some ? d.items[taken].state : -1;
  slot->step = 0;
  slot->steps = !some ? 0 : BASE ? slot->mark[0] : d.items[taken].steps;
}

// Puts the largest distance of a row's units where it belongs.
template <bool BASE>
BKI_DEVICE void bki_put_score(const bki_slot &slot, int r, uint32_t distance, const bki_k_work &w, int dir) {
  const bki_k_direction &d = w.direction[dir];
  if (BASE) {
    atomicMax(w.scores + d.texts[slot.number + r].score, distance);
  } else if (slot.mark[r] >= 0) {
    atomicMax(w.scores + d.items[slot.number].score + (int64_t)d.sign * slot.mark[r], distance);
  } else if (distance != 0) {
    atomicAdd(w.violations, 1u);
  }
}

// One thread ends the slot's step: scores of the rows that end with it. far [8]: their distances, 0 for the others.
// True when the work is done.
template <bool BASE>
__device__ static bool bki_slot_end_step(bki_slot *slot, uint32_t *far, const bki_k_work &w, int dir) {
  if (slot->steps == 0) {
    return false;
  }
  slot->step++;
  for (int r = 0; r < BKI_K_ITEM_ROWS; r++) {
    if (slot->step == (BASE ? slot->mark[r] : slot->steps)) {
      bki_put_score<BASE>(*slot, r, far[r], w, dir);
      far[r] = 0;
    }
  }
  return slot->step == slot->steps;
}

// Word that row r reads in this step. Rows that have ended, and slots without work, read one that is there.
template <bool BASE>
BKI_DEVICE int32_t bki_slot_word(const bki_slot &slot, int r, const bki_k_direction &d, const int32_t *ids) {
  const int32_t step = BASE && slot.step >= slot.mark[r] ? 0 : slot.step;
  return ids[slot.word[r] + (int64_t)d.sign * step];
}

// h [H] and c [H] that the slot's work begins with; NULL: zeros.
template <bool BASE>
BKI_DEVICE const float *bki_slot_state(const bki_slot &slot, const bki_k_direction &d, int64_t H) {
  return BASE || slot.state < 0 ? nullptr : d.states + slot.state * 2 * H;
}

// Whether text r leaves something after this step: a state, what its last word's variant is, itself.
BKI_DEVICE bool bki_text_leaves(const bki_slot &slot, int r) {
  const int32_t length = slot.mark[r];
  const int32_t read = slot.step + 1;
  return read <= length && (read >= length - 1 || read % BKI_K_ITEM_ROWS == 0);
}

// What unit u of a text leaves after a step of the base kernel. Returns the distance of the last word's variant in the
// text's last step, else 0: its state is the one a step earlier, which this thread stored.
BKI_DEVICE uint32_t bki_text_output(const bki_k_work &w, int dir, int64_t H, const bki_slot &slot, int r, int64_t u,
                                    float h, float c) {
  if (!bki_text_leaves(slot, r)) {
    return 0;
  }
  const int32_t length = slot.mark[r];
  const int32_t read = slot.step + 1;
  const bki_k_direction &d = w.direction[dir];
  const bki_k_text &text = d.texts[slot.number + r];
  const int32_t states = read / BKI_K_ITEM_ROWS;
  if (d.states != nullptr && read % BKI_K_ITEM_ROWS == 0 && states <= bki_k_text_states(length)) {
    float *state = d.states + (text.state + states - 1) * 2 * H + u;
    state[0] = h;
    state[H] = c;
  }
  float *final = d.finals + (int64_t)text.number * 2 * H + u;
  if (read == length - 1) {
    final[H] = h;
  }
  if (read < length) {
    return 0;
  }
  final[0] = h;
  if (length == 1) {
    final[H] = 0;
  }
  if (w.readouts != nullptr) {
    w.readouts[(text.score * w.n_directions + dir) * H + u] = final[H];
  }
  return bki_distance(h, final[H]);
}

// h [H] of the text of an item, which its rows are compared with.
BKI_DEVICE const float *bki_item_final(const bki_k_work &w, int dir, int64_t H, const bki_slot &slot) {
  const bki_k_direction &d = w.direction[dir];
  return d.finals + (int64_t)d.items[slot.number].text * 2 * H;
}

// Where h [H] of row r of an item goes; NULL: nowhere.
BKI_DEVICE float *bki_item_readout(const bki_k_work &w, int dir, int64_t H, const bki_slot &slot, int r) {
  if (w.readouts == nullptr || slot.mark[r] < 0) {
    return nullptr;
  }
  const bki_k_direction &d = w.direction[dir];
  const int64_t row = d.items[slot.number].score + (int64_t)d.sign * slot.mark[r];
  return w.readouts + (row * w.n_directions + dir) * H;
}

// What a lane of the tensor cores' kernels leaves of row r in the last step of an item: the units first + 8 b and the
// one beside, b = 0 .. BLOCKS - 1, whose h is h[2 b + half]. Returns the largest distance from the text. No branch is
// between the loads: they are on their way together.
template <int BLOCKS>
BKI_DEVICE uint32_t bki_item_units(const bki_k_work &w, int dir, int64_t H, const bki_slot &slot, int r, int half,
                                   int first, const float (&h)[2 * BLOCKS][2]) {
  const float *text = bki_item_final(w, dir, H, slot) + first;
  float *readout = bki_item_readout(w, dir, H, slot, r);
  uint32_t far = 0;
#pragma unroll
  for (int b = 0; b < BLOCKS; b++) {
    const float2 final = *(const float2 *)(text + 8 * b);
    const float *own = h[2 * b + half];
    far = max(far, max(bki_distance(own[0], final.x), bki_distance(own[1], final.y)));
    if (readout != nullptr) {
      *(float2 *)(readout + first + 8 * b) = make_float2(own[0], own[1]);
    }
  }
  return far;
}

// What unit u of row r leaves in the last step of an item. Returns the distance from the text.
BKI_DEVICE uint32_t bki_item_output(const bki_k_work &w, int dir, int64_t H, const bki_slot &slot, int r, int64_t u,
                                    float h) {
  float *readout = bki_item_readout(w, dir, H, slot, r);
  if (readout != nullptr) {
    readout[u] = h;
  }
  return bki_distance(h, bki_item_final(w, dir, H, slot)[u]);
}

#endif
