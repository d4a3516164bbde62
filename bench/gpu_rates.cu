// Loops of one instruction. A loop is a type with what a thread has of it, and
//
//   begin(shared, work)          before the clock starts
//   step(shared, work, t)        iteration t: `instructions` of the table, of each warp
//   end(shared, n)               after n iterations: a number that all results went into
#include "gpu_rates.h"

#include "gpu_rates_ptx.cuh"
#include "persistent_weights.h"

#define BKI_MEMBER __device__ __forceinline__

namespace {

enum {
  H = 128,
  WARPS = 8,  // of a block, at most
  SLICES = H / 16,
  CHUNKS = 4,
  CHAINS = 8,  // results of a warp that do not wait for each other
  // Instructions of a warp in an iteration.
  SPECIALS = 8 * CHAINS,
  FFMAS = 4 * 64,
  MMAS = SLICES * CHAINS,
  WGMMAS = CHUNKS * SLICES,
  LOADS = 64,
  ROW_BYTES = BKI_RATE_ROW_BYTES,
};

__device__ int warp_number() {
  return (int)threadIdx.x / 32;
}
__device__ int lane_number() {
  return (int)threadIdx.x % 32;
}
__device__ float some_number(int i) {
  return 0x1p-6f * (float)(1 + ((int)threadIdx.x + 7 * i) % 64);
}

template <int N>
__device__ float sum_of(const float (&x)[N]) {
  float sum = 0;
#pragma unroll
  for (int i = 0; i < N; i++) {
    sum += x[i];
  }
  return sum;
}

// Special functions.
struct tanh_of {
  static BKI_MEMBER float of(float x) { return bki_ptx_tanh(x); }
};
struct ex2_of {
  static BKI_MEMBER float of(float x) { return bki_ptx_ex2(x); }
};
struct rcp_of {  // as in the cell: rcp of rcp would be left out
  static BKI_MEMBER float of(float x) { return bki_ptx_rcp(1.0f + x); }
};

template <typename F>
struct special_loop {
  float x[CHAINS];
  BKI_MEMBER void begin(void *, const bki_rate_work &) {
#pragma unroll
    for (int i = 0; i < CHAINS; i++) {
      x[i] = some_number(i);
    }
  }
  BKI_MEMBER void step(void *, const bki_rate_work &, int) {
#pragma unroll
    for (int i = 0; i < SPECIALS; i++) {
      x[i % CHAINS] = F::of(x[i % CHAINS]);
    }
  }
  BKI_MEMBER float end(void *, int) {
    return sum_of(x);
  }
};

// The outer product of kind FP32: 8 rows x 8 columns.
struct ffma_loop {
  float rows[8], columns[8], sums[64];
  BKI_MEMBER void begin(void *, const bki_rate_work &) {
#pragma unroll
    for (int i = 0; i < 64; i++) {
      rows[i % 8] = some_number(i % 8);
      columns[i % 8] = some_number(i % 8 + 8);
      sums[i] = 0;
    }
  }
  BKI_MEMBER void step(void *, const bki_rate_work &, int) {
#pragma unroll
    for (int i = 0; i < FFMAS; i++) {
      sums[i % 64] = fmaf(rows[i % 64 / 8], columns[i % 8], sums[i % 64]);
    }
  }
  BKI_MEMBER float end(void *, int) {
    return sum_of(sums);
  }
};

// The products of a tile of kind HALF: 8 sums for every slice of k.
struct mma_loop {
  uint32_t a[4], b[SLICES][2];
  float sums[CHAINS * 4];
  BKI_MEMBER void begin(void *, const bki_rate_work &) {
#pragma unroll
    for (int i = 0; i < CHAINS * 4; i++) {
      a[i % 4] = bki_ptx_pack_halves(some_number(i % 4), -some_number(i % 4));
      b[i % SLICES][i / SLICES % 2] = bki_ptx_pack_halves(some_number(i % SLICES), some_number(i % 3));
      sums[i] = 0;
    }
  }
  BKI_MEMBER void step(void *, const bki_rate_work &, int) {
#pragma unroll
    for (int slice = 0; slice < SLICES; slice++) {
#pragma unroll
      for (int i = 0; i < CHAINS; i++) {
        bki_ptx_mma(sums + 4 * i, a, b[slice][0], b[slice][1]);
      }
    }
  }
  BKI_MEMBER float end(void *, int) {
    return sum_of(sums);
  }
};

// The products of a step of kind HALF_WG: 4 chunks, each waited for. They are added up: those that another one takes
// the place of would be left out.
struct wgmma_loop {
  uint32_t h[4 * SLICES], weights;
  float sums[64];
  BKI_MEMBER void begin(void *shared, const bki_rate_work &) {
    uint32_t *pairs = (uint32_t *)shared;
    for (int i = (int)threadIdx.x; i < 4 * H * H / 2; i += (int)blockDim.x) {
      pairs[i] = bki_ptx_pack_halves(some_number(i % 7), -some_number(i % 5));
    }
    bki_ptx_fence_async();
    weights = bki_ptx_shared_address(shared);
#pragma unroll
    for (int i = 0; i < 64; i++) {
      sums[i] = 0;
    }
#pragma unroll
    for (int i = 0; i < 4 * SLICES; i++) {
      h[i] = bki_ptx_pack_halves(some_number(i), -some_number(i));
    }
  }
  BKI_MEMBER void step(void *, const bki_rate_work &, int) {
#pragma unroll
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
      bki_ptx_wgmma_fence(h);
#pragma unroll
      for (int slice = 0; slice < SLICES; slice++) {
        bki_ptx_wgmma(sums, h[4 * slice], h[4 * slice + 1], h[4 * slice + 2], h[4 * slice + 3],
                      bki_k_half_wg_descriptor(weights, H, chunk, slice), 1);
      }
      bki_ptx_wgmma_wait(sums, h);
    }
  }
  BKI_MEMBER float end(void *, int) {
    return sum_of(sums);
  }
};

// Where a lane reads load i of the step t. Kind HALF_WG: the inputs of a warp's two slots, the same for all 8 rows.
struct input_loads {
  static BKI_MEMBER const float *place(const float *shared, int t, int i) {
    const int half = i / 2 % 2;
    const int unit = bki_k_lane_unit(lane_number(), i / 4, 0);
    return shared + ((warp_number() * 2 + t % 2) * 2 + half) * 4 * H + bki_k_gate_column(unit, i % 2 * 2);
  }
};
// Kind FP32: h of a slot's rows, the same for 8 lanes, and a thread's columns of W_hh; a stage of 16 k.
struct fp32_loads {
  static BKI_MEMBER const float *place(const float *shared, int t, int i) {
    enum { LINE = H + 4, STAGE_K = 16, COLUMNS = 128 };
    const int k = i / 4;
    const float *stage = shared + t % 2 * STAGE_K * (LINE + COLUMNS);
    return i % 4 < 2 ? stage + k * LINE + 8 * bki_k_fp32_slot((int)threadIdx.x) + 4 * (i % 2)
                     : stage + STAGE_K * LINE + k * COLUMNS + 4 * bki_k_fp32_wide((int)threadIdx.x) + 64 * (i % 2);
  }
};
// Every lane its own 16 bytes, side by side.
struct plain_loads {
  static BKI_MEMBER const float *place(const float *shared, int t, int i) {
    return shared + (t % 2 * LOADS + i) * 128 + 4 * lane_number();
  }
};

template <typename P>
struct load_loop {
  float sums[2];
  BKI_MEMBER void begin(void *shared, const bki_rate_work &) {
    for (int i = (int)threadIdx.x; i < 2 * LOADS * 128; i += (int)blockDim.x) {
      ((float *)shared)[i] = some_number(i % 3);
    }
    sums[0] = sums[1] = 0;
  }
  BKI_MEMBER void step(void *shared, const bki_rate_work &, int t) {
#pragma unroll
    for (int i = 0; i < LOADS; i++) {
      const float4 v = bki_ptx_load16(P::place((const float *)shared, t, i));
      sums[0] = fmaf(v.x, v.y, sums[0]);
      sums[1] = fmaf(v.z, v.w, sums[1]);
    }
  }
  BKI_MEMBER float end(void *, int) {
    return sum_of(sums);
  }
};

// Inputs by bulk copies, as kind HALF_WG sends for them: two steps ahead, two slots a warp, words in no order.
struct copy_loop {
  struct ring {
    float x[WARPS][2][2][4 * H];
    uint64_t arrived[WARPS][2];
  };
  uint32_t word;
  BKI_MEMBER void send(ring *r, const bki_rate_work &w, int t) {
    word = word * 1664525u + 1013904223u;
    const float *row = w.table + (int64_t)(word >> 8) % BKI_RATE_TABLE_ROWS * 4 * H;
    uint64_t *arrived = &r->arrived[warp_number()][t % 2];
    bki_ptx_barrier_arrive_expect(arrived, ROW_BYTES);
    bki_ptx_bulk_copy(r->x[warp_number()][t % 2][lane_number()], row, ROW_BYTES, arrived);
  }
  static BKI_MEMBER void wait(ring *r, int t) {
    bki_ptx_barrier_wait(&r->arrived[warp_number()][t % 2], (uint32_t)t / 2 % 2);
  }
  BKI_MEMBER void begin(void *shared, const bki_rate_work &) {
    ring *r = (ring *)shared;
    word = blockIdx.x * blockDim.x + threadIdx.x;
    if (lane_number() == 0) {
      bki_ptx_barrier_init(&r->arrived[warp_number()][0], 2);
      bki_ptx_barrier_init(&r->arrived[warp_number()][1], 2);
      bki_ptx_barrier_init_fence();
    }
  }
  BKI_MEMBER void step(void *shared, const bki_rate_work &w, int t) {
    if (t >= 2) {
      wait((ring *)shared, t - 2);
    }
    __syncwarp();
    if (lane_number() < 2) {
      send((ring *)shared, w, t);
    }
  }
  BKI_MEMBER float end(void *shared, int n) {
    wait((ring *)shared, n - 2);
    wait((ring *)shared, n - 1);
    return ((ring *)shared)->x[warp_number()][0][0][lane_number()];
  }
};

template <typename L>
__global__ static void __launch_bounds__(WARPS * 32, 1) run(bki_rate_work w) {
  BKI_DYNAMIC_SHARED(float4, shared);
  L loop;
  loop.begin(shared, w);
  __syncthreads();
  bki_rate_span begun = {};
  if (threadIdx.x == 0) {
    begun = bki_ptx_clocks();
  }
#pragma unroll 1
  for (int t = 0; t < w.iterations; t++) {
    loop.step(shared, w, t);
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    const bki_rate_span now = bki_ptx_clocks();
    w.spans[blockIdx.x] = {now.cycles - begun.cycles, now.ns - begun.ns};
  }
  w.sink[blockIdx.x * blockDim.x + threadIdx.x] = loop.end(shared, w.iterations);
}

}  // namespace

// Assumed: what the table in kernels/README.md is computed with. Units: a result or a sum for each lane; 2 x 16 x 8 x
// 16 FLOP of mma; a warp's quarter of 2 x 64 x 128 x 16 of wgmma; two lanes of a warp send for a copy.
extern "C" {
const bki_rate bki_rates[] = {
    {"tanh", "results", 16, 32, "tanh_of", "MUFU", SPECIALS, WARPS, {7, 99}, run<special_loop<tanh_of>>},
    {"ex2", "results", 16, 32, "ex2_of", "MUFU", SPECIALS, WARPS, {7, 99}, run<special_loop<ex2_of>>},
    {"rcp", "results", 16, 32, "rcp_of", "MUFU", SPECIALS, WARPS, {7, 99}, run<special_loop<rcp_of>>},
    {"ffma", "sums", 128, 32, "ffma_loop", "FFMA", FFMAS, WARPS, {7, 99}, run<ffma_loop>},
    {"mma", "FLOP", 2540, 4096, "8mma_loop", "HMMA", MMAS, WARPS, {8, 99}, run<mma_loop>},
    {"wgmma-1", "FLOP", 4096, 65536, "wgmma_loop", "HGMMA", WGMMAS, 4, {9, 9}, run<wgmma_loop>},
    {"wgmma-2", "FLOP", 4096, 65536, "wgmma_loop", "HGMMA", WGMMAS, 8, {9, 9}, run<wgmma_loop>},
    {"loads-input", "loads", 0.5, 1, "input_loads", "LDS.128", LOADS, WARPS, {7, 99}, run<load_loop<input_loads>>},
    {"loads-fp32", "loads", 0.5, 1, "fp32_loads", "LDS.128", LOADS, WARPS, {7, 99}, run<load_loop<fp32_loads>>},
    {"loads-plain", "loads", 0.25, 1, "plain_loads", "LDS.128", LOADS, WARPS, {7, 99}, run<load_loop<plain_loads>>},
    {"copies", "bytes", 25, 2 * ROW_BYTES, "copy_loop", "UBLKCP", 1, WARPS, {9, 99}, run<copy_loop>},
};
const int32_t bki_n_rates = sizeof bki_rates / sizeof bki_rates[0];

cudaError_t bki_rate_start(const bki_rate *rate, const bki_rate_work *work, int32_t blocks, int32_t shared_bytes,
                           cudaStream_t stream) {
  const cudaError_t status =
      cudaFuncSetAttribute((const void *)rate->kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes);
  if (status != cudaSuccess) {
    return status;
  }
  BKI_LAUNCH(rate->kernel, (unsigned)blocks, (unsigned)rate->warps * 32, (size_t)shared_bytes, stream, *work);
  return cudaGetLastError();
}
}
