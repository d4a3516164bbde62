// Kinds HALF and SPLIT: W_hh in registers, as the B fragments of mma.sync; h in shared memory, where all warps read it.
//
// A block has 8 TILES rows of slots (2 slots to a tile of 16 rows) and H / 16 warps. A warp owns 16 units, that is two
// blocks of 8 units x 4 gates, for all rows: the sums of a tile and the cells that follow stay within a thread. After
// each step the warps meet, since the next product takes h of all units.
//
//             warp 0           warp 1        ..
//   tile 0  [ units 0 .. 15 ][ 16 .. 31 ][ .. ]   <- rows 0 .. 7: slot 0, rows 8 .. 15: slot 1
//   tile 1  [ ..                                  <- slots 2 and 3
//
// SPLIT: h = hi + lo, W = Hi + Lo, and the sum is hi Hi + (lo Hi + hi Lo); Lo is in shared memory.
#include "persistent_launch.cuh"
#include "persistent_stream.cuh"
#include "persistent_weights.h"

namespace {

template <int H_, bool SPLIT_>
struct shape {
  static constexpr int H = H_;
  static constexpr bool SPLIT = SPLIT_;
  static constexpr int PARTS = SPLIT ? 2 : 1;  // halves that h is the sum of
  static constexpr int GROUP = SPLIT ? 1 : 2;  // blocks of units that are summed at once
  static constexpr int TILES = SPLIT ? 2 : 4;
  static constexpr int SLOTS = 2 * TILES;
  static constexpr int ROWS = 16 * TILES;
  static constexpr int THREADS = 32 * (H / 16);
  static constexpr int SLICES = H / 16;  // of k
  static constexpr int LINE = H == 128 ? H : H + 8;
};

template <typename S, bool BASE>
struct shared {
  uint16_t h[2][S::PARTS][S::ROWS * S::LINE];
  float2 c[S::TILES][2][2][S::THREADS];           // [tile][block][half] a thread's own: of a row, two units
  float x[2][BASE ? 1 : S::SLOTS][4 * S::H];      // inputs of two steps
  uint2 low[S::SPLIT ? 4 * S::H * S::H / 4 : 1];  // fragments of Lo
  bki_stream streams[S::SLOTS];
  int32_t words[S::SLOTS];  // of the step after the next
  uint32_t far[S::ROWS];    // largest distance so far in the step that a row ends in
  int32_t idle;             // slots that have run out of work
  float back;               // what sums are multiplied by
  int32_t fresh;            // step that some slot begins new work with
};

// Fragments of the warp's 16 units.
template <typename S>
using fragments = uint32_t[2][4][S::SLICES][2];

template <typename S>
BKI_DEVICE int fragment_place(int block, int gate, int slice) {
  return ((block * 4 + gate) * S::SLICES + slice) * 32 + (int)(threadIdx.x % 32);
}

template <typename S>
BKI_DEVICE void load_weights(fragments<S> &b, const void *image) {
#pragma unroll
  for (int i = 0; i < 2 * 4 * S::SLICES; i++) {
    const int block = i / (4 * S::SLICES);
    const int gate = i / S::SLICES % 4;
    const int slice = i % S::SLICES;
    const uint2 pair = ((const uint2 *)image)[fragment_place<S>((int)(threadIdx.x / 32) * 2 + block, gate, slice)];
    b[block][gate][slice][0] = pair.x;
    b[block][gate][slice][1] = pair.y;
  }
}

// sums [block][4 gate + i]: of a tile, for GROUP blocks from `first`.
template <typename S, bool BASE>
BKI_DEVICE void multiply(float (&sums)[S::GROUP][16], const shared<S, BASE> *m, const fragments<S> &b, int now,
                         int tile, int first) {
  const int lane = (int)(threadIdx.x % 32);
  float rest[S::SPLIT ? 16 : 1] = {};
#pragma unroll
  for (int slice = 0; slice < S::SLICES; slice++) {
    uint32_t a[S::PARTS][4];
#pragma unroll
    for (int part = 0; part < S::PARTS; part++) {
      const int at = bki_k_half_h_place(S::H, 16 * tile + lane % 16, 16 * slice + lane / 16 * 8);
      bki_ptx_load_matrices(a[part], m->h[now][part] + at);
    }
#pragma unroll
    for (int i = 0; i < 4 * S::GROUP; i++) {
      const int block = first + i / 4;
      const int gate = i % 4;
      bki_ptx_mma(sums[i / 4] + 4 * gate, a[0], b[block][gate][slice][0], b[block][gate][slice][1]);
      if (S::SPLIT) {
        const uint2 low = m->low[fragment_place<S>((int)(threadIdx.x / 32) * 2 + block, gate, slice)];
        bki_ptx_mma(rest + 4 * gate, a[S::PARTS - 1], b[block][gate][slice][0], b[block][gate][slice][1]);
        bki_ptx_mma(rest + 4 * gate, a[0], low.x, low.y);
      }
    }
  }
  if (S::SPLIT) {
#pragma unroll
    for (int i = 0; i < 16; i++) {
      sums[0][i] += rest[S::SPLIT ? i : 0];
    }
  }
}

// Two neighbouring units of h as they go into the product.
template <typename S>
BKI_DEVICE void put_h(uint32_t (&pairs)[S::PARTS], float h0, float h1) {
  pairs[0] = bki_ptx_pack_halves(h0, h1);
  if (S::SPLIT) {
    const float2 high = bki_ptx_unpack_halves(pairs[0]);
    pairs[S::PARTS - 1] = bki_ptx_pack_halves(h0 - high.x, h1 - high.y);
  }
}

// Inputs of the two units: gates i, f, g, o of both, side by side.
template <typename S, bool BASE>
BKI_DEVICE const float *find_inputs(const shared<S, BASE> *m, const bki_k_work &w, int dir, const bki_slot &work, int r,
                                    int now, int slot, int u) {
  const bki_k_direction &d = w.direction[dir];
  const float *word = BASE ? d.table + (int64_t)bki_slot_word<BASE>(work, r, d, w.ids) * 4 * S::H : m->x[now][slot];
  return word + bki_k_gate_column(u, 0);
}

// The slot of a tile's rows: of its first 8, or of the others.
template <typename S, bool BASE>
BKI_DEVICE const bki_slot &slot_of_tile(const shared<S, BASE> *m, int tile, int half) {
  const bki_stream &stream = m->streams[2 * tile + half];
  return stream.work[stream.now];
}

// The cells of one slot's row and two units.
template <typename S, bool BASE>
BKI_DEVICE void end_row(float (&h)[2], shared<S, BASE> *m, const bki_k_work &w, int dir, int now, int tile, int half,
                        int u, const float (&sums)[16], float2 *state) {
  const int lane = (int)(threadIdx.x % 32);
  const int r = lane / 4;
  const bki_slot &work = slot_of_tile(m, tile, half);
  const float4 *inputs = (const float4 *)find_inputs<S, BASE>(m, w, dir, work, r, now, 2 * tile + half, u);
  const float4 low = inputs[0];
  const float4 high = inputs[1];
  const float x[2][4] = {{low.x, low.z, high.x, high.z}, {low.y, low.w, high.y, high.w}};
  const bool hold = bki_holds<BASE>(work, r);
  float c[2] = {state->x, state->y};
#pragma unroll
  for (int e = 0; e < 2; e++) {
    float z[4];
#pragma unroll
    for (int gate = 0; gate < 4; gate++) {
      const float sum = sums[bki_k_lane_sum(gate, half, e)];
      z[gate] = S::SPLIT ? fmaf(sum, m->back, x[e][gate]) : sum + x[e][gate];
    }
    float next = c[e];
    h[e] = S::SPLIT ? bki_cell_accurate(z[0], z[1], z[2], z[3], &next) : bki_cell_fast(z[0], z[1], z[2], z[3], &next);
    c[e] = hold ? c[e] : next;
  }
  *state = make_float2(c[0], c[1]);
  uint32_t pairs[S::PARTS];
  put_h<S>(pairs, h[0], h[1]);
  const int at = bki_k_half_h_place(S::H, 16 * tile + bki_k_lane_row(lane, half), u);
#pragma unroll
  for (int part = 0; part < S::PARTS; part++) {
    const uint32_t old = *(const uint32_t *)(m->h[now][part] + at);
    *(uint32_t *)(m->h[now ^ 1][part] + at) = hold ? old : pairs[part];
  }
}

// What the rows of a tile leave: h of the units first + 8 b and the one beside is h[2 b + half]. Behind all cells, so
// that no branch is between those. A text that leaves something does not hold: its c is that of the step.
template <typename S, bool BASE>
BKI_DEVICE void leave(shared<S, BASE> *m, const bki_k_work &w, int dir, int tile, int block, int first,
                      const float (&h)[2 * S::GROUP][2]) {
  const int r = (int)(threadIdx.x % 32) / 4;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const bki_slot &work = slot_of_tile(m, tile, half);
    if (BASE ? !bki_text_leaves(work, r) : work.step + 1 != work.steps) {
      continue;
    }
    uint32_t far = BASE ? 0 : bki_item_units<S::GROUP>(w, dir, S::H, work, r, half, first, h);
#pragma unroll
    for (int b = 0; BASE && b < S::GROUP; b++) {
      const float2 c = m->c[tile][block + b][half][threadIdx.x];
      far = max(far, bki_text_output(w, dir, S::H, work, r, first + 8 * b, h[2 * b + half][0], c.x));
      far = max(far, bki_text_output(w, dir, S::H, work, r, first + 8 * b + 1, h[2 * b + half][1], c.y));
    }
    if (far != 0) {
      atomicMax(&m->far[8 * (2 * tile + half) + r], far);
    }
  }
}

// h and c of the slots whose work begins.
template <typename S, bool BASE>
BKI_DEVICE void begin_work(shared<S, BASE> *m, const bki_k_work &w, int dir, int now) {
  const int lane = (int)(threadIdx.x % 32);
  for (int i = 0; i < 4 * S::TILES; i++) {
    const int tile = i / 4;
    const int block = i / 2 % 2;
    const int half = i % 2;
    const bki_slot &work = slot_of_tile(m, tile, half);
    if (work.step > 0 || work.steps == 0) {
      continue;
    }
    const int u = bki_k_lane_unit(lane, (int)(threadIdx.x / 32) * 2 + block, 0);
    const float *from = bki_slot_state<BASE>(work, w.direction[dir], S::H);
    const float2 zero = make_float2(0, 0);
    const float2 h = from == nullptr ? zero : *(const float2 *)(from + u);
    m->c[tile][block][half][threadIdx.x] = from == nullptr ? zero : *(const float2 *)(from + S::H + u);
    uint32_t pairs[S::PARTS];
    put_h<S>(pairs, h.x, h.y);
    for (int part = 0; part < S::PARTS; part++) {
      const int at = bki_k_half_h_place(S::H, 16 * tile + bki_k_lane_row(lane, half), u);
      *(uint32_t *)(m->h[now][part] + at) = pairs[part];
    }
  }
}

// Sends for the inputs of the words of all slots: every thread for as much.
template <typename S, bool BASE>
BKI_DEVICE void fetch_inputs(shared<S, BASE> *m, const float *table, int buffer) {
  static_assert(S::SLOTS * S::H % S::THREADS == 0, "every thread copies as much");
#pragma unroll
  for (int i = 0; !BASE && i < S::SLOTS * S::H; i += S::THREADS) {
    const int slot = (i + (int)threadIdx.x) / S::H;
    const int at = (i + (int)threadIdx.x) % S::H * 4;
    bki_ptx_copy16(m->x[buffer][BASE ? 0 : slot] + at, table + (int64_t)m->words[slot] * 4 * S::H + at);
  }
  bki_ptx_copies_end_group();
}

// Words and inputs of the first two steps, and Lo. Gives the threads of slots the number of their next work.
template <typename S, bool BASE>
__device__ static uint32_t begin(shared<S, BASE> *m, const bki_k_work &w, int dir) {
  uint16_t *h = &m->h[0][0][0];
  for (int i = (int)threadIdx.x; i < 2 * S::PARTS * S::ROWS * S::LINE; i += S::THREADS) {
    h[i] = 0;
  }
  for (int i = 0; i < 4 * S::TILES; i++) {
    m->c[i / 4][i / 2 % 2][i % 2][threadIdx.x] = make_float2(0, 0);
  }
  for (int i = (int)threadIdx.x; S::SPLIT && i < S::H * S::H; i += S::THREADS) {
    m->low[S::SPLIT ? i : 0] = ((const uint2 *)w.direction[dir].weights)[S::H * S::H + i];
  }
  for (int i = (int)threadIdx.x; i < S::ROWS; i += S::THREADS) {
    m->far[i] = 0;
  }
  m->idle = 0;
  m->fresh = 0;
  m->back = S::SPLIT ? ((const float *)w.direction[dir].weights)[4 * S::H * S::H] : 1.0f;
  __syncthreads();
  uint32_t next = 0;
  if (threadIdx.x < S::SLOTS) {
    bki_stream_begin<BASE>(&m->streams[threadIdx.x], w, dir, &next);
    atomicAdd(&m->idle, m->streams[threadIdx.x].work[0].steps == 0 ? 1 : 0);
  }
  for (int step = 0; step < 2; step++) {
    if (!BASE && threadIdx.x < S::SLOTS) {
      m->words[threadIdx.x] = bki_stream_fetch(&m->streams[threadIdx.x], w, dir, &next);
    }
    __syncthreads();
    fetch_inputs<S, BASE>(m, w.direction[dir].table, step);
    __syncthreads();
  }
  bki_ptx_copies_wait_but_last();
  __syncthreads();
  return next;
}

// A block is one direction; each turn of its loop is a step of all its slots.
template <typename S, bool BASE>
__global__ static void __launch_bounds__(S::THREADS, 1) persistent_mma(const __grid_constant__ bki_k_work w) {
  using memory = shared<S, BASE>;
  BKI_DYNAMIC_SHARED(memory, m);
  const int dir = (int)blockIdx.x % w.n_directions;
  const bki_k_direction &d = w.direction[dir];
  fragments<S> b;
  load_weights<S>(b, d.weights);
  uint32_t next = begin<S, BASE>(m, w, dir);
  for (int t = 0; m->idle < S::SLOTS; t++) {
    const int now = t & 1;
    if (m->fresh == t) {
      begin_work<S, BASE>(m, w, dir, now);
      __syncthreads();
    }
    int32_t word = 0;  // on its way while the tiles are computed
    if (!BASE && threadIdx.x < S::SLOTS) {
      word = bki_stream_fetch(&m->streams[threadIdx.x], w, dir, &next);
    }
#pragma unroll 1
    for (int tile = 0; tile < S::TILES; tile++) {
#pragma unroll
      for (int first = 0; first < 2; first += S::GROUP) {
        float sums[S::GROUP][16] = {};
        float h[2 * S::GROUP][2];
        multiply<S, BASE>(sums, m, b, now, tile, first);
        const int u = bki_k_lane_unit((int)(threadIdx.x % 32), (int)(threadIdx.x / 32) * 2 + first, 0);
#pragma unroll
        for (int i = 0; i < 2 * S::GROUP; i++) {
          float2 *c = &m->c[tile][first + i / 2][i % 2][threadIdx.x];
          end_row<S, BASE>(h[i], m, w, dir, now, tile, i % 2, u + i / 2 * 8, sums[i / 2], c);
        }
        leave<S, BASE>(m, w, dir, tile, first, u, h);
      }
    }
    if (!BASE && threadIdx.x < S::SLOTS) {
      m->words[threadIdx.x] = word;
    }
    __syncthreads();
    if (threadIdx.x < S::SLOTS &&
        bki_stream_end_step<BASE>(&m->streams[threadIdx.x], m->far + 8 * threadIdx.x, w, dir)) {
      const bki_stream &stream = m->streams[threadIdx.x];
      atomicAdd(&m->idle, stream.work[stream.now].steps == 0 ? 1 : 0);
      m->fresh = t + 1;
    }
    fetch_inputs<S, BASE>(m, d.table, now);
    bki_ptx_copies_wait_but_last();
    __syncthreads();
  }
  bki_ptx_copies_wait();
}

template <typename S>
cudaError_t start(bool base, const bki_k_work *work, const bki_k_gpu *gpu, cudaStream_t stream) {
  return base ? bki_persistent_start(persistent_mma<S, true>, base, work, gpu, S::THREADS, S::SLOTS,
                                     sizeof(shared<S, true>), stream)
              : bki_persistent_start(persistent_mma<S, false>, base, work, gpu, S::THREADS, S::SLOTS,
                                     sizeof(shared<S, false>), stream);
}

}  // namespace

int bki_mma_runs(bool split, int32_t hidden, const bki_k_gpu *gpu) {
  return gpu->major >= 8 && bki_with_hidden(hidden, false, [=](auto H) {
           return (split ? sizeof(shared<shape<H(), true>, false>) : sizeof(shared<shape<H(), false>, false>)) <=
                  (size_t)gpu->shared_bytes;
         });
}

cudaError_t bki_mma_start(bool split, bool base, const bki_k_work *work, const bki_k_gpu *gpu, cudaStream_t stream) {
  return bki_with_hidden(work->hidden, cudaErrorInvalidValue, [=](auto H) {
    return split ? start<shape<H(), true>>(base, work, gpu, stream) : start<shape<H(), false>>(base, work, gpu, stream);
  });
}
