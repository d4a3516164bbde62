// Engine `incremental`: what a step does beside the product with W_hh.
#include "index.h"
#include "launch.cuh"

constexpr int64_t BLOCK = 256, WARP = 32;

// A block is some rows by some of their units, so that no thread divides: x units (whole warps of them) and y rows; the
// grid is what that leaves, rows by units.
struct layout {
  dim3 grid, block;
};
static layout layout_of(int64_t n, int64_t H) {
  const int64_t units = H < BLOCK ? bki_k_blocks(H, WARP) * WARP : BLOCK;
  const int64_t rows = BLOCK / units;
  return {dim3((unsigned)bki_k_blocks(n, rows), (unsigned)bki_k_blocks(H, units)),
          dim3((unsigned)units, (unsigned)rows)};
}

__device__ static int64_t row_of_thread() {
  return (int64_t)blockIdx.x * blockDim.y + threadIdx.y;
}
__device__ static int64_t unit_of_thread() {
  return (int64_t)blockIdx.y * blockDim.x + threadIdx.x;
}

__device__ static float sigma(float z) {
  return 1.0f / (1.0f + expf(-z));
}

// Readout of unit k of a run whose state is h.
__device__ static void read_out(const bki_k_states &s, const bki_k_run &run, int64_t k, float h) {
  if (run.slot >= 0) {
    s.readout[((int64_t)run.slot * 2 + s.half) * s.hidden + k] = h;
  }
}

__device__ static void put_h(const bki_k_states &s, int64_t at, float h) {
  s.h[at] = h;
  if (s.h16 != nullptr) {
    ((__half *)s.h16)[at] = __float2half_rn(h);
  }
}

// A thread is a unit of a run.
__global__ static void begin(bki_k_states s, int64_t n) {
  const int64_t r = row_of_thread();
  const int64_t k = unit_of_thread();
  if (r >= n || k >= s.hidden) {
    return;
  }
  const int64_t at = r * s.hidden + k;
  const bki_k_run &run = s.runs[r];
  const float *state = s.states + (int64_t)run.source * 2 * s.hidden;
  put_h(s, at, state[k]);
  s.c[at] = state[s.hidden + k];
  if (bki_k_run_steps(&run) == 0) {
    read_out(s, run, k, state[k]);
  }
}

__global__ static void step(bki_k_states s, const float *gates, int32_t left, int64_t n) {
  const int64_t H = s.hidden;
  const int64_t r = row_of_thread();
  const int64_t k = unit_of_thread();
  if (r >= n || k >= H) {
    return;
  }
  const int64_t at = r * H + k;
  const bki_k_run &run = s.runs[r];
  const int32_t t = run.end - left + 1;
  const int64_t word = bki_k_run_word(&run, t);
  const float *x = s.inputs + (word < 0 ? s.pad_row : (int64_t)s.ids[word]) * 4 * H + k;
  const float *a = gates + r * 4 * H + k;
  const float i = sigma(a[0] + x[0]);
  const float f = sigma(a[H] + x[H]);
  const float g = tanhf(a[2 * H] + x[2 * H]);
  const float o = sigma(a[3 * H] + x[3 * H]);
  const float c = f * s.c[at] + i * g;
  const float h = o * tanhf(c);
  s.c[at] = c;
  put_h(s, at, h);
  if (run.store >= 0) {
    float *state = s.states + ((int64_t)run.store + (t - run.first)) * 2 * H + k;
    state[0] = h;
    state[H] = c;
  }
  if (left == 1) {
    read_out(s, run, k, h);
  }
}

extern "C" cudaError_t bki_k_begin(const bki_k_states *s, int64_t n, cudaStream_t stream) {
  if (n > 0) {
    const layout l = layout_of(n, s->hidden);
    BKI_LAUNCH(begin, l.grid, l.block, 0, stream, *s, n);
  }
  return cudaGetLastError();
}

extern "C" cudaError_t bki_k_step(const bki_k_states *s, const float *gates, int32_t left, int64_t n,
                                  cudaStream_t stream) {
  if (n > 0) {
    const layout l = layout_of(n, s->hidden);
    BKI_LAUNCH(step, l.grid, l.block, 0, stream, *s, gates, left, n);
  }
  return cudaGetLastError();
}
