// Steps of the optimizers, and the norm that clipping asks for.
#include "index.h"
#include "launch.cuh"
#include "reduce.cuh"
#include "train.h"

enum { BLOCK = 256, SLICE = 16384 };

// A block is a slice of g.
__global__ static void square_slices(double *parts, const float *g, int64_t n) {
  __shared__ double sums[BLOCK];
  const int64_t first = (int64_t)blockIdx.x * SLICE;
  const int64_t end = first + SLICE < n ? first + SLICE : n;
  double sum = 0;
  for (int64_t i = first + threadIdx.x; i < end; i += BLOCK) {
    sum += (double)g[i] * (double)g[i];
  }
  sum = bki_sum_block(sums, sum, BLOCK);
  if (threadIdx.x == 0) {
    parts[blockIdx.x] = sum;
  }
}

// One block.
__global__ static void finish_norm(bki_k_norm *out, const double *parts, int64_t n, double clip) {
  __shared__ double sums[BLOCK];
  double sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += BLOCK) {
    sum += parts[i];
  }
  sum = bki_sum_block(sums, sum, BLOCK);
  if (threadIdx.x == 0) {
    out->norm = sqrt(sum);
    out->factor = clip > 0 ? fmin(1.0, clip / (out->norm + 1e-6)) : 1.0;
  }
}

__global__ static void adam(float *w, float *m, float *v, const float *g, const bki_k_norm *norm, bki_k_optimizer o,
                            int64_t n) {
  const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    const float d = g[i] * (float)norm->factor;
    m[i] = o.beta1 * m[i] + o.rest1 * d;
    v[i] = o.beta2 * v[i] + o.rest2 * d * d;
    w[i] -= o.rate * m[i] / (sqrtf(v[i]) * o.root + o.epsilon);
  }
}

__global__ static void rmsprop(float *w, float *v, const float *g, const bki_k_norm *norm, bki_k_optimizer o,
                               int64_t n) {
  const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    const float d = g[i] * (float)norm->factor;
    v[i] = o.beta2 * v[i] + o.rest2 * d * d;
    w[i] -= o.rate * d / (sqrtf(v[i]) + o.epsilon);
  }
}

extern "C" int64_t bki_k_norm_parts(int64_t n) {
  return bki_k_blocks(n, SLICE);
}

extern "C" cudaError_t bki_k_measure(bki_k_norm *out, double *parts, const float *g, int64_t n, double clip,
                                     cudaStream_t stream) {
  const int64_t n_parts = bki_k_norm_parts(n);
  if (n > 0) {
    BKI_LAUNCH(square_slices, (unsigned)n_parts, BLOCK, 0, stream, parts, g, n);
    BKI_LAUNCH(finish_norm, 1, BLOCK, 0, stream, out, parts, n_parts, clip);
  }
  return cudaGetLastError();
}

extern "C" cudaError_t bki_k_adam(float *w, float *m, float *v, const float *g, const bki_k_norm *norm,
                                  const bki_k_optimizer *o, int64_t n, cudaStream_t stream) {
  if (n > 0) {
    BKI_LAUNCH(adam, (unsigned)bki_k_blocks(n, BLOCK), BLOCK, 0, stream, w, m, v, g, norm, *o, n);
  }
  return cudaGetLastError();
}

extern "C" cudaError_t bki_k_rmsprop(float *w, float *v, const float *g, const bki_k_norm *norm,
                                     const bki_k_optimizer *o, int64_t n, cudaStream_t stream) {
  if (n > 0) {
    BKI_LAUNCH(rmsprop, (unsigned)bki_k_blocks(n, BLOCK), BLOCK, 0, stream, w, v, g, norm, *o, n);
  }
  return cudaGetLastError();
}
