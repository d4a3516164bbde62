// The loss, and the way back through the head but for its products.
#include "index.h"
#include "launch.cuh"
#include "reduce.cuh"
#include "train.h"

enum { BLOCK = 256 };

// A thread is a text; its logits become their gradients.
__global__ static void cross_entropy(bki_k_loss *out, float *logits, const int32_t *labels, int64_t n, int32_t C) {
  const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) {
    return;
  }
  float *z = logits + i * C;
  const int32_t label = labels[i];
  int32_t best = 0;
  for (int32_t c = 1; c < C; c++) {
    best = z[c] > z[best] ? c : best;
  }
  const double largest = (double)z[best];
  double sum = 0;
  for (int32_t c = 0; c < C; c++) {
    sum += exp((double)z[c] - largest);
  }
  out[i].loss = log(sum) + largest - (double)z[label];
  out[i].correct = best == label ? 1 : 0;
  for (int32_t c = 0; c < C; c++) {
    const double probability = exp((double)z[c] - largest) / sum;
    z[c] = (float)((probability - (c == label ? 1 : 0)) / (double)n);
  }
}

__global__ static void activation_back(float *d, const float *a, bki_k_activation activation, int64_t n) {
  const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (at < n) {
    if (activation == BKI_K_RELU) {
      d[at] = a[at] > 0 ? d[at] : 0.0f;
    } else if (activation == BKI_K_TANH) {
      d[at] *= 1 - a[at] * a[at];
    }
  }
}

// A block is a column, a thread every BLOCK-th row of it.
__global__ static void column_sums(float *out, const float *x, int64_t n, int64_t width) {
  __shared__ double sums[BLOCK];
  const int64_t column = blockIdx.x;
  double sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += BLOCK) {
    sum += (double)x[i * width + column];
  }
  sum = bki_sum_block(sums, sum, BLOCK);
  if (threadIdx.x == 0) {
    out[column] = (float)sum;
  }
}

extern "C" cudaError_t bki_k_cross_entropy(bki_k_loss *out, float *logits, const int32_t *labels, int64_t n, int32_t C,
                                           cudaStream_t stream) {
  if (n > 0) {
    BKI_LAUNCH(cross_entropy, (unsigned)bki_k_blocks(n, BLOCK), BLOCK, 0, stream, out, logits, labels, n, C);
  }
  return cudaGetLastError();
}

extern "C" cudaError_t bki_k_activation_back(float *d, const float *a, bki_k_activation activation, int64_t n,
                                             cudaStream_t stream) {
  if (n > 0) {
    BKI_LAUNCH(activation_back, (unsigned)bki_k_blocks(n, BLOCK), BLOCK, 0, stream, d, a, activation, n);
  }
  return cudaGetLastError();
}

extern "C" cudaError_t bki_k_column_sums(float *out, const float *x, int64_t n, int64_t width, cudaStream_t stream) {
  if (width > 0) {
    BKI_LAUNCH(column_sums, (unsigned)width, BLOCK, 0, stream, out, x, n, width);
  }
  return cudaGetLastError();
}
