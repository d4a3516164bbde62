// Work of a slot whose words are known two steps ahead, so that their inputs can be on the way while others are
// computed.
//
//   steps of one item after the other    .. 5 6 7 | 0 1 2 ..
//   computed                                  ^
//   words fetched                                   ^
//
// A word that is fetched is at most of the third step that has not ended yet. Items have 2 steps or more, so those
// three belong to two items, and two records are enough.
#ifndef BKI_KERNELS_PERSISTENT_STREAM_CUH
#define BKI_KERNELS_PERSISTENT_STREAM_CUH

#include "persistent.cuh"

struct bki_stream {
  bki_slot work[2];
  int32_t now;    // record of the work that is computed
  int32_t ahead;  // record that the next word is of
  int32_t step;   // of the next word
};

// One thread looks after a stream, with the number of the work that comes next. It is taken long before it is used, and
// in a register, so that nobody waits for the queue.
template <bool BASE>
__device__ static void bki_stream_begin(bki_stream *s, const bki_k_work &w, int dir, uint32_t *next) {
  s->now = 0;
  s->ahead = 0;
  s->step = 0;
  bki_slot_fill<BASE>(&s->work[0], w, dir, bki_take_work(w, dir));
  *next = BASE ? 0 : bki_take_work(w, dir);
}

// Sends for what an item begins with, long before it does.
BKI_DEVICE void bki_slot_prefetch(const bki_slot &slot, const bki_k_direction &d, int64_t H) {
  const float *from = bki_slot_state<false>(slot, d, H);
  for (int64_t i = 0; from != nullptr && i < 2 * H; i += 128 / (int64_t)sizeof *from) {
    bki_ptx_prefetch(from + i);
  }
}

// The next word of an item; 0 when there is no work left.
__device__ static int32_t bki_stream_fetch(bki_stream *s, const bki_k_work &w, int dir, uint32_t *next) {
  if (s->work[s->ahead].steps > 0 && s->step == s->work[s->ahead].steps) {
    s->ahead ^= 1;
    s->step = 0;
    bki_slot_fill<false>(&s->work[s->ahead], w, dir, *next);
    bki_slot_prefetch(s->work[s->ahead], w.direction[dir], w.hidden);
    *next = bki_take_work(w, dir);
  } else if (s->step == 1 && *next < w.direction[dir].n_items) {
    bki_ptx_prefetch(&w.direction[dir].items[*next]);
  }
  const bki_slot &work = s->work[s->ahead];
  return work.steps == 0 ? 0 : w.ids[work.word[0] + (int64_t)w.direction[dir].sign * s->step++];
}

// Ends the step. True when other work is at hand, or none is left. Texts are not fetched ahead: others come here.
template <bool BASE>
__device__ static bool bki_stream_end_step(bki_stream *s, uint32_t *far, const bki_k_work &w, int dir) {
  if (!bki_slot_end_step<BASE>(&s->work[s->now], far, w, dir)) {
    return false;
  }
  if (BASE) {
    bki_slot_fill<BASE>(&s->work[s->now], w, dir, bki_take_work(w, dir));
  } else {
    s->now ^= 1;
  }
  return true;
}

#endif
