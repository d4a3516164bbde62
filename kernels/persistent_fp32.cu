// Kind FP32: the state of 8 SLOTS rows in shared memory (h) and registers (c), W_hh streamed through shared memory.
//
// A thread computes 8 rows (a slot) x 2 units x 4 gates: an 8 x 8 outer product for every k (where H is no multiple of
// 32: x 1 unit). A chunk of columns is what the 16 threads of a slot do at once; c of all chunks stays in registers:
//
//              columns of a chunk (units x gates)          a warp: 4 slots x 8 threads, so that for a k it reads
//   slot 0   [ thread 0 | thread 1 | .. | 15 ]             128 bytes of h and 256 of W_hh in 8 wavefronts for
//   slot 1   [ thread 0 | ..                                64 FFMA
//   ..
//
// A step takes what its rows take, however many of them are at work. Where work is so little, or so uneven, that a call
// waits for its longest, blocks are SPREAD: of few rows, with 16 threads a slot for every chunk, side by side. The sums
// are the same, and with them every bit.
#include "persistent.cuh"
#include "persistent_launch.cuh"
#include "persistent_weights.h"

namespace {

enum { STAGE_K = 16 };  // k of W_hh in a buffer of the stream

template <int H_, int SLOTS_, bool SPREAD = false>
struct shape {
  static constexpr int H = H_;
  static constexpr int SLOTS = SLOTS_;
  static constexpr int ROWS = 8 * SLOTS;
  static constexpr int WIDE = 16;                              // threads of a slot and group
  static constexpr int UNITS = H % 32 == 0 ? 2 : 1;            // of a thread in a chunk
  static constexpr int COLUMNS = 4 * UNITS * WIDE;             // of a chunk
  static constexpr int GROUPS = SPREAD ? 4 * H / COLUMNS : 1;  // of threads, that have different chunks at a time
  static constexpr int CHUNKS = 4 * H / COLUMNS / GROUPS;      // of a thread
  static constexpr int THREADS = GROUPS * WIDE * SLOTS;
  static constexpr int PART = STAGE_K * COLUMNS;  // of a stage, for a group; floats
  static constexpr int STAGE = GROUPS * PART;
  static constexpr int STAGES = CHUNKS * H / STAGE_K;
  static constexpr int LINE = ROWS + 4;  // of h: [H, LINE]; 4 banks on, so that units do not meet in one
};

template <typename S>
struct shared {
  float h[2][S::H * S::LINE];
  float weights[2][S::STAGE];
  bki_slot slots[S::SLOTS];
  int32_t words[S::ROWS];  // ids of this step; in the scan kernel the first of a slot's 8 is for all
  uint32_t far[S::ROWS];   // largest distance so far in the step that a row ends in
  int32_t idle;            // slots that have run out of work
};

// The stream of W_hh: chunk by chunk, k by k, step after step, one stage ahead of what is computed. Every thread copies
// as much; two at a time, since before sm_80 they pass through registers.
template <typename S>
BKI_DEVICE void fetch_stage(float *buffer, const float *weights, int stage) {
  const int chunk = stage / (S::H / STAGE_K) * S::GROUPS;
  const int k = stage % (S::H / STAGE_K) * STAGE_K;
  static_assert(S::STAGE % (4 * S::THREADS) == 0, "every thread copies as much");
#pragma unroll 2
  for (int i = 0; i < S::STAGE; i += 4 * S::THREADS) {
    const int at = i + 4 * (int)threadIdx.x;
    bki_ptx_copy16(buffer + at, weights + ((chunk + at / S::PART) * S::H + k) * S::COLUMNS + at % S::PART);
  }
}

// Four numbers that lie together.
BKI_DEVICE void load4(float *to, const float *from) {
  const float4 all = *(const float4 *)from;
  to[0] = all.x, to[1] = all.y, to[2] = all.z, to[3] = all.w;
}
BKI_DEVICE void store4(float *to, const float *from) {
  *(float4 *)to = make_float4(from[0], from[1], from[2], from[3]);
}

// sums[row][column] += sum_k h[k][row] w[k][column]; h and w are at this thread's rows and columns.
template <typename S>
BKI_DEVICE void multiply(float (&sums)[8][4 * S::UNITS], const float *h, const float *w) {
#pragma unroll 4
  for (int k = 0; k < STAGE_K; k++) {
    float rows[8];
    float columns[4 * S::UNITS];
    load4(rows, h + k * S::LINE);
    load4(rows + 4, h + k * S::LINE + 4);
#pragma unroll
    for (int e = 0; e < S::UNITS; e++) {
      load4(columns + 4 * e, w + k * S::COLUMNS + 4 * S::WIDE * e);
    }
#pragma unroll
    for (int r = 0; r < 8; r++) {
#pragma unroll
      for (int j = 0; j < 4 * S::UNITS; j++) {
        sums[r][j] = fmaf(rows[r], columns[j], sums[r][j]);
      }
    }
  }
}

// Inputs of a thread's units from the row of a word: two units lie together, one shares its place with a neighbour.
template <typename S>
BKI_DEVICE void load_inputs(float (&x)[4 * S::UNITS], const float *row, int u) {
  if constexpr (S::UNITS == 2) {
    load4(x, row + bki_k_gate_column(u, 0));
    load4(x + 4, row + bki_k_gate_column(u, 2));
  } else {
#pragma unroll
    for (int gate = 0; gate < 4; gate++) {
      x[gate] = row[bki_k_gate_column(u, gate)];
    }
  }
}

// Where a thread is.
struct place {
  int group;
  int slot;
  int wide;  // of the slot's threads in the group
};

template <typename S>
BKI_DEVICE place find_place() {
  const int in_group = (int)threadIdx.x % (S::WIDE * S::SLOTS);
  return {(int)threadIdx.x / (S::WIDE * S::SLOTS), bki_k_fp32_slot(in_group), bki_k_fp32_wide(in_group)};
}

// Inputs of a row for a thread's units of a chunk. In the scan kernel row 0 is for all.
template <typename S>
BKI_DEVICE void find_inputs(float (&x)[4 * S::UNITS], const shared<S> *m, const bki_k_direction &d, place at, int chunk,
                            int r) {
  load_inputs<S>(x, d.table + (int64_t)m->words[8 * at.slot + r] * 4 * S::H, (chunk * S::WIDE + at.wide) * S::UNITS);
}

// What the rows of a slot leave of a chunk: h, and c of a text. A text that leaves something does not hold.
template <typename S, bool BASE>
BKI_DEVICE void leave(shared<S> *m, const bki_k_work &w, int dir, place at, int u, const float (&h)[S::UNITS][8],
                      const float (&c)[8][S::UNITS]) {
  const bki_slot &slot = m->slots[at.slot];
#pragma unroll
  for (int r = 0; r < 8; r++) {
    if (BASE && !bki_text_leaves(slot, r)) {
      continue;
    }
    uint32_t far = 0;
#pragma unroll
    for (int e = 0; e < S::UNITS; e++) {
      far = max(far, BASE ? bki_text_output(w, dir, S::H, slot, r, u + e, h[e][r], c[r][e])
                          : bki_item_output(w, dir, S::H, slot, r, u + e, h[e][r]));
    }
    if (far != 0) {
      atomicMax(&m->far[8 * at.slot + r], far);
    }
  }
}

// The cells of a chunk: h of the step's end into the other buffer, c, and what the step leaves, behind all cells, so
// that no branch is between those.
template <typename S, bool BASE>
BKI_DEVICE void end_chunk(shared<S> *m, const bki_k_work &w, int dir, place at, int chunk, int now,
                          const float (&sums)[8][4 * S::UNITS], float (&x)[4 * S::UNITS], float (&c)[8][S::UNITS]) {
  const bki_slot &slot = m->slots[at.slot];
  const int u = (chunk * S::WIDE + at.wide) * S::UNITS;
  const int first = u * S::LINE + 8 * at.slot;
  float all[S::UNITS][8];  // h of all rows
#pragma unroll
  for (int r = 0; r < 8; r++) {
    if (BASE) {
      find_inputs<S>(x, m, w.direction[dir], at, chunk, r);
    }
    const bool hold = bki_holds<BASE>(slot, r);
#pragma unroll
    for (int e = 0; e < S::UNITS; e++) {
      float z[4];
      for (int gate = 0; gate < 4; gate++) {
        z[gate] = sums[r][gate * S::UNITS + e] + x[gate * S::UNITS + e];
      }
      float next = c[r][e];
      float h = bki_cell_accurate(z[0], z[1], z[2], z[3], &next);
      if (hold) {
        h = m->h[now][first + e * S::LINE + r];
      } else {
        c[r][e] = next;
      }
      all[e][r] = h;
    }
  }
#pragma unroll
  for (int e = 0; e < S::UNITS; e++) {
    store4(m->h[now ^ 1] + first + e * S::LINE, all[e]);
    store4(m->h[now ^ 1] + first + e * S::LINE + 4, all[e] + 4);
  }
  if (BASE || slot.step + 1 == slot.steps) {
    leave<S, BASE>(m, w, dir, at, u, all, c);
  }
}

// h and c that a slot's new work begins with.
template <typename S, bool BASE>
BKI_DEVICE void begin_work(shared<S> *m, const bki_k_direction &d, place at, int now,
                           float (&c)[S::CHUNKS][8][S::UNITS]) {
  const float *from = bki_slot_state<BASE>(m->slots[at.slot], d, S::H);
#pragma unroll
  for (int chunk = 0; chunk < S::CHUNKS; chunk++) {
#pragma unroll
    for (int e = 0; e < S::UNITS; e++) {
      const int u = ((chunk * S::GROUPS + at.group) * S::WIDE + at.wide) * S::UNITS + e;
      const float h = from == nullptr ? 0.0f : from[u];
      const float state = from == nullptr ? 0.0f : from[S::H + u];
#pragma unroll
      for (int r = 0; r < 8; r++) {
        c[chunk][r][e] = state;
        m->h[now][u * S::LINE + 8 * at.slot + r] = h;
      }
    }
  }
}

// Zeros everywhere, first work for all slots, and the first stage on its way.
template <typename S, bool BASE>
__device__ static void begin(shared<S> *m, const bki_k_work &w, int dir) {
  for (int i = (int)threadIdx.x; i < 2 * S::H * S::LINE; i += S::THREADS) {
    m->h[i / (S::H * S::LINE)][i % (S::H * S::LINE)] = 0;
  }
  for (int i = (int)threadIdx.x; i < S::ROWS; i += S::THREADS) {
    m->far[i] = 0;
  }
  m->idle = 0;
  __syncthreads();
  if (threadIdx.x < S::SLOTS) {
    bki_slot_fill<BASE>(&m->slots[threadIdx.x], w, dir, bki_take_work(w, dir));
    atomicAdd(&m->idle, m->slots[threadIdx.x].steps == 0 ? 1 : 0);
  }
  fetch_stage<S>(m->weights[0], (const float *)w.direction[dir].weights, 0);
  __syncthreads();
}

// A block is one direction; each turn of its loop is a step of all its slots.
template <typename S, bool BASE>
__global__ static void __launch_bounds__(S::THREADS, 1) persistent_fp32(const __grid_constant__ bki_k_work w) {
  BKI_DYNAMIC_SHARED(shared<S>, m);
  const int dir = (int)blockIdx.x % w.n_directions;
  const bki_k_direction &d = w.direction[dir];
  const place at = find_place<S>();
  float c[S::CHUNKS][8][S::UNITS] = {};
  begin<S, BASE>(m, w, dir);
  int buffer = 0;
  for (int now = 0; m->idle < S::SLOTS; now ^= 1) {
    const bki_slot &slot = m->slots[at.slot];
    if (slot.step == 0 && slot.steps > 0) {
      begin_work<S, BASE>(m, d, at, now, c);
    }
    for (int row = (int)threadIdx.x; row < S::ROWS; row += S::THREADS) {
      m->words[row] = bki_slot_word<BASE>(m->slots[row / 8], row % 8, d, w.ids);
    }
#pragma unroll
    for (int mine = 0; mine < S::CHUNKS; mine++) {
      const int chunk = mine * S::GROUPS + at.group;
      float sums[8][4 * S::UNITS] = {};
      float x[4 * S::UNITS];
      for (int k = 0; k < S::H; k += STAGE_K) {
        bki_ptx_copies_wait();
        __syncthreads();  // the stage is there for all, and its other buffer is no longer read
        const int next = (mine * (S::H / STAGE_K) + k / STAGE_K + 1) % S::STAGES;
        fetch_stage<S>(m->weights[buffer ^ 1], (const float *)d.weights, next);
        if (!BASE && k == 0) {
          find_inputs<S>(x, m, d, at, chunk, 0);  // there when the sums are
        }
        multiply<S>(sums, m->h[now] + k * S::LINE + 8 * at.slot, m->weights[buffer] + at.group * S::PART + 4 * at.wide);
        buffer ^= 1;
      }
      end_chunk<S, BASE>(m, w, dir, at, chunk, now, sums, x, c[mine]);
    }
    __syncthreads();
    if (threadIdx.x < S::SLOTS && bki_slot_end_step<BASE>(&m->slots[threadIdx.x], m->far + 8 * threadIdx.x, w, dir)) {
      bki_slot_fill<BASE>(&m->slots[threadIdx.x], w, dir, bki_take_work(w, dir));
      atomicAdd(&m->idle, m->slots[threadIdx.x].steps == 0 ? 1 : 0);
    }
    __syncthreads();
  }
  bki_ptx_copies_wait();
}

template <typename S>
cudaError_t start(bool base, const bki_k_work *work, const bki_k_gpu *gpu, cudaStream_t stream) {
  return bki_persistent_start(base ? persistent_fp32<S, true> : persistent_fp32<S, false>, base, work, gpu, S::THREADS,
                              S::SLOTS, sizeof(shared<S>), stream);
}

template <typename S>
bool fits(const bki_k_gpu *gpu) {
  return (int64_t)sizeof(shared<S>) <= gpu->shared_bytes;
}

}  // namespace

int bki_fp32_runs(int32_t hidden, const bki_k_gpu *gpu) {
  return hidden > 0 && hidden % BKI_K_HIDDEN_STEP == 0 && hidden <= BKI_K_MAX_HIDDEN && fits<shape<128, 4>>(gpu);
}

// Where the 16 slots of each multiprocessor would wait for the longest piece of work.
int bki_fp32_spreads(int32_t hidden, const bki_k_load *load, const bki_k_gpu *gpu) {
  return hidden == 128 && fits<shape<128, 4, true>>(gpu) &&
         (int64_t)load->longest * shape<128, 16>::SLOTS * gpu->multiprocessors > load->steps;
}

// 128 rows where the shared memory holds them; below H = 128 blocks are small, and a multiprocessor has several.
cudaError_t bki_fp32_start(bool base, const bki_k_work *work, const bki_k_gpu *gpu, cudaStream_t stream) {
  return bki_with_hidden(work->hidden, cudaErrorInvalidValue, [=](auto H) {
    if constexpr (H() == 128) {
      if (bki_fp32_spreads(H(), base ? &work->base : &work->scan, gpu)) {
        return start<shape<H(), 4, true>>(base, work, gpu, stream);
      }
      if (fits<shape<H(), 16>>(gpu)) {
        return start<shape<H(), 16>>(base, work, gpu, stream);
      }
      if (fits<shape<H(), 8>>(gpu)) {
        return start<shape<H(), 8>>(base, work, gpu, stream);
      }
    }
    return start<shape<H(), 4>>(base, work, gpu, stream);
  });
}
