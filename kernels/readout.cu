// What the engines do with readouts: distances and the head's small steps.
#include "index.h"
#include "launch.cuh"

enum { BLOCK = 256, WARP = 32 };

// A warp is a pair of readouts. The maximum of non-negative numbers does not depend on its order.
__global__ static void linf(float *out, const float *readout, const int32_t *left, const int32_t *right, int64_t n,
                            int32_t units) {
  const int64_t pair = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) / WARP;
  const int lane = threadIdx.x % WARP;
  if (pair >= n) {
    return;
  }
  const float *a = readout + (int64_t)left[pair] * units;
  const float *b = readout + (int64_t)right[pair] * units;
  float largest = 0;
  for (int32_t k = lane; k < units; k += WARP) {
    largest = fmaxf(largest, fabsf(a[k] - b[k]));
  }
  for (int offset = WARP / 2; offset > 0; offset /= 2) {
    largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, offset));
  }
  if (lane == 0) {
    out[pair] = largest;
  }
}

__global__ static void bias_activation(float *x, const float *bias, bki_k_activation activation, int64_t n,
                                       int64_t width) {
  const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (at < n * width) {
    const float z = x[at] + bias[at % width];
    x[at] = activation == BKI_K_RELU ? (z > 0 ? z : 0) : activation == BKI_K_TANH ? tanhf(z) : z;
  }
}

__global__ static void argmax(int32_t *out, const float *x, int64_t n, int32_t width) {
  const int64_t row = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (row < n) {
    int32_t best = 0;
    for (int32_t k = 1; k < width; k++) {
      best = x[row * width + k] > x[row * width + best] ? k : best;
    }
    out[row] = best;
  }
}

__global__ static void to_half(__half *out, const float *x, int64_t n) {
  const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (at < n) {
    out[at] = __float2half_rn(x[at]);
  }
}

extern "C" cudaError_t bki_k_linf(float *out, const float *readout, const int32_t *left, const int32_t *right,
                                  int64_t n, int32_t units, cudaStream_t stream) {
  if (n > 0) {
    BKI_LAUNCH(linf, (unsigned)bki_k_blocks(n * WARP, BLOCK), BLOCK, 0, stream, out, readout, left, right, n, units);
  }
  return cudaGetLastError();
}

extern "C" cudaError_t bki_k_bias_activation(float *x, const float *bias, bki_k_activation activation, int64_t n,
                                             int64_t width, cudaStream_t stream) {
  if (n > 0) {
    BKI_LAUNCH(bias_activation, (unsigned)bki_k_blocks(n * width, BLOCK), BLOCK, 0, stream, x, bias, activation, n,
               width);
  }
  return cudaGetLastError();
}

extern "C" cudaError_t bki_k_argmax(int32_t *out, const float *x, int64_t n, int32_t width, cudaStream_t stream) {
  if (n > 0) {
    BKI_LAUNCH(argmax, (unsigned)bki_k_blocks(n, BLOCK), BLOCK, 0, stream, out, x, n, width);
  }
  return cudaGetLastError();
}

extern "C" cudaError_t bki_k_to_half(void *out, const float *x, int64_t n, cudaStream_t stream) {
  if (n > 0) {
    BKI_LAUNCH(to_half, (unsigned)bki_k_blocks(n, BLOCK), BLOCK, 0, stream, (__half *)out, x, n);
  }
  return cudaGetLastError();
}
