// Kind HALF_WG, H = 128: a state that never leaves its registers, for Hopper.
//
// 8 warps, each with 16 rows, that is two slots: the rows l / 4 of its lanes l and the rows l / 4 + 8. wgmma takes h
// from registers (A) and W_hh from shared memory (B), and its sums lie where their cells are computed, whose h lies
// where the next product takes it (persistent_index.h). So warps exchange nothing; only the tensor cores they share
// makes them take turns, warpgroup by warpgroup:
//
//   warpgroup 0   product | cells ...| product | cells ...          a chunk: 128 columns, 32 units; 4 chunks a step
//   warpgroup 1           | product  | cells . | product | ..
//
// Inputs of a word come through a ring of two steps by bulk copies, 2 KiB a slot and step.
#include "persistent_launch.cuh"
#include "persistent_stream.cuh"
#include "persistent_weights.h"

#ifndef BKI_PING_PONG
#define BKI_PING_PONG 1  // 0: warpgroups do not take turns, to see what that is worth
#endif

namespace {

enum {
  H = 128,
  THREADS = 256,
  WARPS = 8,
  SLOTS = 2 * WARPS,
  CHUNKS = 4,
  CHUNK_BLOCKS = 4,  // blocks of 8 units in a chunk
  BLOCKS = CHUNKS * CHUNK_BLOCKS,
  CHECK_STEPS = 16,  // after so many steps the block looks whether there is work
  INPUT_BYTES = 4 * H * 4,
};

template <bool BASE>
struct shared {
  uint4 weights[4 * H * H * 2 / 16];       // first: aligned to 1024
  float x[BASE ? 1 : WARPS][2][2][4 * H];  // of a warp, a step, a slot
  bki_stream streams[SLOTS];
  uint32_t far[SLOTS * BKI_K_ITEM_ROWS];  // largest distance so far in the step that a row ends in
  uint64_t arrived[WARPS][2];             // inputs of a step, for both slots of the warp
  int32_t idle;                           // slots that have run out of work
};

// What a lane has of its two rows: half, e as in persistent_index.h.
struct state {
  uint32_t h[2 * BLOCKS];  // [block][half]: two halves e
  float c[4 * BLOCKS];     // [block][half][e]
};

BKI_DEVICE int warp_number() {
  return (int)(threadIdx.x / 32);
}
BKI_DEVICE int lane_number() {
  return (int)(threadIdx.x % 32);
}

template <bool BASE>
BKI_DEVICE bki_slot *slot_of_warp(shared<BASE> *m, int half) {
  bki_stream *s = &m->streams[2 * warp_number() + half];
  return &s->work[s->now];
}

// A warpgroup waits for its turn at the tensor cores, and passes it on.
BKI_DEVICE void take_turn() {
#if BKI_PING_PONG
  if (threadIdx.x < THREADS / 2) {
    bki_ptx_named_wait<1>(THREADS);
  } else {
    bki_ptx_named_wait<2>(THREADS);
  }
#endif
}
BKI_DEVICE void pass_turn() {
#if BKI_PING_PONG
  if (threadIdx.x < THREADS / 2) {
    bki_ptx_named_arrive<2>(THREADS);
  } else {
    bki_ptx_named_arrive<1>(THREADS);
  }
#endif
}

BKI_DEVICE void multiply(float (&sums)[16 * CHUNK_BLOCKS], uint32_t (&h)[2 * BLOCKS], uint32_t weights, int chunk) {
  bki_ptx_wgmma_fence(h);
#pragma unroll
  for (int slice = 0; slice < H / 16; slice++) {
    bki_ptx_wgmma(sums, h[4 * slice], h[4 * slice + 1], h[4 * slice + 2], h[4 * slice + 3],
                  bki_k_half_wg_descriptor(weights, H, chunk, slice), slice > 0);
  }
  bki_ptx_wgmma_wait(sums, h);
}

// Where the inputs of this step are, for the lane's row of each slot.
template <bool BASE>
BKI_DEVICE void find_inputs(const float *(&x)[2], shared<BASE> *m, const bki_k_direction &d, const int32_t *ids,
                            int t) {
  for (int half = 0; half < 2; half++) {
    x[half] = BASE ? d.table + (int64_t)bki_slot_word<BASE>(*slot_of_warp(m, half), lane_number() / 4, d, ids) * 4 * H
                   : m->x[BASE ? 0 : warp_number()][t % 2][half];
  }
}

// The largest distance of the lane's row of a slot.
template <bool BASE>
BKI_DEVICE void put_far(shared<BASE> *m, int half, uint32_t far) {
  if (far != 0) {
    atomicMax(&m->far[(2 * warp_number() + half) * BKI_K_ITEM_ROWS + lane_number() / 4], far);
  }
}

// The cells of a chunk: h of a lane's rows, in fp32 for what they may leave, and in halves for the next step.
template <bool BASE>
BKI_DEVICE void end_chunk(float (&h)[2 * CHUNK_BLOCKS][2], uint32_t (&next)[2 * BLOCKS], state *s, int chunk,
                          const float (&sums)[16 * CHUNK_BLOCKS], const float *const (&x)[2], const bool (&hold)[2]) {
#pragma unroll
  for (int i = 0; i < 2 * CHUNK_BLOCKS; i++) {
    const int block = chunk * CHUNK_BLOCKS + i / 2;
    const int half = i % 2;
    const int u = bki_k_lane_unit(lane_number(), block, 0);
    const float4 low = *(const float4 *)(x[half] + bki_k_gate_column(u, 0));
    const float4 high = *(const float4 *)(x[half] + bki_k_gate_column(u, 2));
    const float input[2][4] = {{low.x, low.z, high.x, high.z}, {low.y, low.w, high.y, high.w}};
#pragma unroll
    for (int e = 0; e < 2; e++) {
      float z[4];
#pragma unroll
      for (int gate = 0; gate < 4; gate++) {
        z[gate] = sums[i / 2 * 16 + bki_k_lane_sum(gate, half, e)] + input[e][gate];
      }
      float *c = &s->c[4 * block + 2 * half + e];
      float after = *c;
      h[i][e] = bki_cell_fast(z[0], z[1], z[2], z[3], &after);
      *c = hold[half] ? *c : after;
    }
    const uint32_t pair = bki_ptx_pack_halves(h[i][0], h[i][1]);
    next[2 * block + half] = hold[half] ? s->h[2 * block + half] : pair;
  }
}

// What texts leave of a chunk. One that leaves something does not hold: its c is that of the step.
BKI_DEVICE void leave(shared<true> *m, const bki_k_work &w, int dir, int chunk, const float (&h)[2 * CHUNK_BLOCKS][2],
                      const state &s) {
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const bki_slot &work = *slot_of_warp(m, half);
    const int r = lane_number() / 4;
    if (!bki_text_leaves(work, r)) {
      continue;
    }
    uint32_t far = 0;
#pragma unroll
    for (int i = 0; i < 2 * CHUNK_BLOCKS; i++) {
      const int block = chunk * CHUNK_BLOCKS + i / 2;
      const int e = i % 2;
      const float c = s.c[4 * block + 2 * half + e];
      far = max(far, bki_text_output(w, dir, H, work, r, bki_k_lane_unit(lane_number(), block, e),
                                     h[i / 2 * 2 + half][e], c));
    }
    put_far(m, half, far);
  }
}

// What rows of items leave.
BKI_DEVICE void leave(shared<false> *m, const bki_k_work &w, int dir, int chunk, const float (&h)[2 * CHUNK_BLOCKS][2],
                      const state &) {
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const bki_slot &work = *slot_of_warp(m, half);
    if (work.step + 1 == work.steps) {
      const int first = bki_k_lane_unit(lane_number(), chunk * CHUNK_BLOCKS, 0);
      put_far(m, half, bki_item_units<CHUNK_BLOCKS>(w, dir, H, work, lane_number() / 4, half, first, h));
    }
  }
}

// h and c of a slot whose work begins: the same for its 8 rows.
template <bool BASE>
BKI_DEVICE void begin_work(shared<BASE> *m, const bki_k_direction &d, state *s) {
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const bki_slot &work = *slot_of_warp(m, half);
    if (work.step > 0 || work.steps == 0) {
      continue;
    }
    const float *from = bki_slot_state<BASE>(work, d, H);
    const float2 zero = make_float2(0, 0);
#pragma unroll
    for (int block = 0; block < BLOCKS; block++) {
      const int u = bki_k_lane_unit(lane_number(), block, 0);
      const float2 h = from == nullptr ? zero : *(const float2 *)(from + u);
      const float2 c = from == nullptr ? zero : *(const float2 *)(from + H + u);
      s->h[2 * block + half] = bki_ptx_pack_halves(h.x, h.y);
      s->c[4 * block + 2 * half] = c.x;
      s->c[4 * block + 2 * half + 1] = c.y;
    }
  }
}

// Lanes 0 and 1 send for the inputs of `word`, for their slot and the step t. Nobody reads what is there any more.
BKI_DEVICE void send_for_inputs(shared<false> *m, const bki_k_direction &d, int t, int32_t word) {
  uint64_t *arrived = &m->arrived[warp_number()][t % 2];
  bki_ptx_barrier_arrive_expect(arrived, INPUT_BYTES);
  bki_ptx_bulk_copy(m->x[warp_number()][t % 2][lane_number()], d.table + (int64_t)word * 4 * H, INPUT_BYTES, arrived);
}
BKI_DEVICE void send_for_inputs(shared<true> *, const bki_k_direction &, int, int32_t) {}

// What lanes 0 and 1 know of their slot's future, in registers: nobody waits for it.
struct future {
  int32_t word;   // of the step after the next, before the end of a step
  uint32_t next;  // number of the next work
};

// Lanes 0 and 1 end the step t of their slot, send for the inputs of step t + 2, and read the word of step t + 3. Each
// lane has read inputs where the copy, which is no thread, writes: it fences, and only then does the warp meet.
template <bool BASE>
BKI_DEVICE void end_step(shared<BASE> *m, const bki_k_work &w, int dir, int t, future *f) {
  if (!BASE) {
    bki_ptx_fence_async();
  }
  __syncwarp();
  if (lane_number() < 2) {
    const int slot = 2 * warp_number() + lane_number();
    bki_stream *s = &m->streams[slot];
    if (bki_stream_end_step<BASE>(s, m->far + slot * BKI_K_ITEM_ROWS, w, dir)) {
      atomicAdd(&m->idle, s->work[s->now].steps == 0 ? 1 : 0);
    }
    if (!BASE) {
      send_for_inputs(m, w.direction[dir], t + 2, f->word);
      f->word = bki_stream_fetch(s, w, dir, &f->next);
    }
  }
  __syncwarp();
}

// W_hh, first work, and the inputs of the first two steps on their way.
template <bool BASE>
__device__ static future begin(shared<BASE> *m, const bki_k_work &w, int dir) {
  const uint4 *weights = (const uint4 *)w.direction[dir].weights;
  for (int i = (int)threadIdx.x; i < 4 * H * H * 2 / 16; i += THREADS) {
    m->weights[i] = weights[i];
  }
  bki_ptx_fence_async();
  for (int i = (int)threadIdx.x; i < SLOTS * BKI_K_ITEM_ROWS; i += THREADS) {
    m->far[i] = 0;
  }
  m->idle = 0;
  if (lane_number() == 0) {
    bki_ptx_barrier_init(&m->arrived[warp_number()][0], 2);
    bki_ptx_barrier_init(&m->arrived[warp_number()][1], 2);
    bki_ptx_barrier_init_fence();
  }
  __syncthreads();
  future f = {0, 0};
  if (lane_number() < 2) {
    bki_stream *s = &m->streams[2 * warp_number() + lane_number()];
    bki_stream_begin<BASE>(s, w, dir, &f.next);
    atomicAdd(&m->idle, s->work[0].steps == 0 ? 1 : 0);
    for (int t = 0; !BASE && t < 3; t++) {
      f.word = bki_stream_fetch(s, w, dir, &f.next);
      if (t < 2) {
        send_for_inputs(m, w.direction[dir], t, f.word);
      }
    }
  }
#if BKI_PING_PONG
  if (threadIdx.x >= THREADS / 2) {
    bki_ptx_named_arrive<1>(THREADS);  // warpgroup 0 begins
  }
#endif
  return f;
}

// Inputs of step t. Those that are on their way when the work is done have to arrive too, before the block gives its
// memory back.
template <bool BASE>
BKI_DEVICE void wait_for_inputs(shared<BASE> *m, int t) {
  if (!BASE) {
    bki_ptx_barrier_wait(&m->arrived[warp_number()][t % 2], (uint32_t)t / 2 % 2);
  }
}

// All threads come here every CHECK_STEPS steps; while they look nobody counts.
template <bool BASE>
BKI_DEVICE bool has_work(const shared<BASE> *m) {
  __syncthreads();
  const bool some = m->idle < SLOTS;
  __syncthreads();
  return some;
}

// A block is one direction; each turn of a warp's loop is a step of its two slots.
template <bool BASE>
__global__ static void __launch_bounds__(THREADS, 1) persistent_wgmma(const __grid_constant__ bki_k_work w) {
  BKI_DYNAMIC_SHARED(shared<BASE>, m);
  const int dir = (int)blockIdx.x % w.n_directions;
  const bki_k_direction &d = w.direction[dir];
  const uint32_t weights = bki_ptx_shared_address(m->weights);
  if (weights % 1024 != 0 && threadIdx.x == 0) {
    atomicAdd(w.violations, 1u);  // the swizzle is one of addresses
  }
  state s = {};
  future f = begin<BASE>(m, w, dir);
  int t = 0;
  for (; t % CHECK_STEPS != 0 || has_work(m); t++) {
    begin_work<BASE>(m, d, &s);
    wait_for_inputs(m, t);
    const float *x[2];
    find_inputs<BASE>(x, m, d, w.ids, t);
    const bki_slot &first = *slot_of_warp(m, 0);
    const bki_slot &second = *slot_of_warp(m, 1);
    const bool hold[2] = {bki_holds<BASE>(first, lane_number() / 4), bki_holds<BASE>(second, lane_number() / 4)};
    const bool last = BASE || first.step + 1 == first.steps || second.step + 1 == second.steps;
    uint32_t next[2 * BLOCKS];
#pragma unroll
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
      float sums[16 * CHUNK_BLOCKS];
      take_turn();
      multiply(sums, s.h, weights, chunk);
      pass_turn();
      float h[2 * CHUNK_BLOCKS][2];
      end_chunk<BASE>(h, next, &s, chunk, sums, x, hold);
      if (last) {
        leave(m, w, dir, chunk, h, s);
      }
    }
#pragma unroll
    for (int i = 0; i < 2 * BLOCKS; i++) {
      s.h[i] = next[i];
    }
    end_step<BASE>(m, w, dir, t, &f);
  }
  wait_for_inputs(m, t);
  wait_for_inputs(m, t + 1);
#if BKI_PING_PONG
  if (threadIdx.x < THREADS / 2) {
    take_turn();  // the last one that was passed on: no barrier is left half full
  }
#endif
}

}  // namespace

int bki_wgmma_runs(int32_t hidden, const bki_k_gpu *gpu) {
  return hidden == H && gpu->major == 9 && gpu->minor == 0 && (int)sizeof(shared<false>) <= gpu->shared_bytes;
}

cudaError_t bki_wgmma_start(bool base, const bki_k_work *work, const bki_k_gpu *gpu, cudaStream_t stream) {
  return base ? bki_persistent_start(persistent_wgmma<true>, base, work, gpu, THREADS, SLOTS, sizeof(shared<true>),
                                     stream)
              : bki_persistent_start(persistent_wgmma<false>, base, work, gpu, THREADS, SLOTS, sizeof(shared<false>),
                                     stream);
}
