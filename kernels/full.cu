// Engine `full`: the inputs of cuDNN's RNN from the base texts, and the readouts from its outputs.
#include "index.h"
#include "launch.cuh"

enum { BLOCK = 256 };

__device__ static void put(float *x, int64_t at, float value) {
  x[at] = value;
}
__device__ static void put(__half *x, int64_t at, float value) {
  x[at] = __float2half_rn(value);
}
__device__ static float get(const float *x, int64_t at) {
  return x[at];
}
__device__ static float get(const __half *x, int64_t at) {
  return __half2float(x[at]);
}

// A block is a row at a step (in strides of the grid's y), its threads the numbers of the vector.
template <typename T>
__global__ static void expand(T *x, const bki_k_row *rows, const int32_t *ids, const float *embedding, int32_t pad_id,
                              int64_t steps, int64_t B, int64_t E) {
  const int64_t b = blockIdx.x;
  const bki_k_row row = rows[b];
  for (int64_t t = blockIdx.y; t < steps; t += gridDim.y) {
    const int32_t word = bki_k_row_word(&row, t);
    const int64_t id = word >= 0 ? ids[row.first + word] : t < row.steps ? pad_id : -1;
    for (int64_t e = threadIdx.x; e < E; e += blockDim.x) {
      put(x, (t * B + b) * E + e, id < 0 ? 0.0f : embedding[id * E + e]);
    }
  }
}

// A thread is a unit of a row: k below H forward, above backward.
template <typename T>
__global__ static void read_out(float *readout, const T *y, const bki_k_row *rows, bki_k_readout kind, int64_t B,
                                int64_t H) {
  const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  const int64_t units = 2 * H;
  if (at >= B * units) {
    return;
  }
  const int64_t b = at / units;
  const int64_t k = at % units;
  const bki_k_row &row = rows[b];
  const int64_t steps = row.steps;
  float value = 0;
  if (kind == BKI_K_FINAL || kind == BKI_K_LAST) {
    const int64_t t = kind == BKI_K_FINAL && k >= H ? 0 : steps - 1;
    value = get(y, (t * B + b) * units + k);
  } else if (kind == BKI_K_MEAN) {  // in double: thousands of equal terms would lose what a score is made of
    double sum = 0;
    for (int64_t t = 0; t < steps; t++) {
      sum += (double)get(y, (t * B + b) * units + k);
    }
    value = (float)(sum / (double)steps);
  } else {
    value = get(y, b * units + k);
    for (int64_t t = 1; t < steps; t++) {
      value = fmaxf(value, get(y, (t * B + b) * units + k));
    }
  }
  readout[(int64_t)row.slot * units + k] = value;
}

extern "C" cudaError_t bki_k_expand(void *x, int half_x, const bki_k_row *rows, const int32_t *ids,
                                    const float *embedding, int32_t pad_id, int64_t T, int64_t B, int64_t E,
                                    cudaStream_t stream) {
  if (T > 0 && B > 0) {
    const dim3 grid((unsigned)B, (unsigned)(T < 65535 ? T : 65535));
    if (half_x) {
      BKI_LAUNCH(expand<__half>, grid, 128, 0, stream, (__half *)x, rows, ids, embedding, pad_id, T, B, E);
    } else {
      BKI_LAUNCH(expand<float>, grid, 128, 0, stream, (float *)x, rows, ids, embedding, pad_id, T, B, E);
    }
  }
  return cudaGetLastError();
}

extern "C" cudaError_t bki_k_read_out(float *readout, const void *y, int half_y, const bki_k_row *rows,
                                      bki_k_readout kind, int64_t B, int64_t H, cudaStream_t stream) {
  if (B > 0) {
    const unsigned grid = (unsigned)bki_k_blocks(B * 2 * H, BLOCK);
    if (half_y) {
      BKI_LAUNCH(read_out<__half>, grid, BLOCK, 0, stream, readout, (const __half *)y, rows, kind, B, H);
    } else {
      BKI_LAUNCH(read_out<float>, grid, BLOCK, 0, stream, readout, (const float *)y, rows, kind, B, H);
    }
  }
  return cudaGetLastError();
}
