// What training does with sequences: weights in cuDNN's form, dropout, readouts and the way back, sums of word vectors.
#include "index.h"
#include "launch.cuh"
#include "philox.h"
#include "train.h"

enum { BLOCK = 256, PART_BLOCKS = 16, ROW_BLOCK = 128 };

// The x of a block is a part, its y a share of the numbers.
__global__ static void pack(float *spaces, const float *block, const bki_k_part *parts) {
  const bki_k_part part = parts[blockIdx.x];
  const int64_t stride = (int64_t)gridDim.y * blockDim.x;
  for (int64_t i = (int64_t)blockIdx.y * blockDim.x + threadIdx.x; i < part.count; i += stride) {
    spaces[part.space + i] = block[part.block + i];
  }
}

__global__ static void unpack(float *block, int64_t first, const float *spaces, const bki_k_part *parts) {
  const bki_k_part part = parts[blockIdx.x];
  const int64_t stride = (int64_t)gridDim.y * blockDim.x;
  for (int64_t i = (int64_t)blockIdx.y * blockDim.x + threadIdx.x; i < part.count; i += stride) {
    block[part.block - first + i] = spaces[part.space + i];
  }
}

// A thread is a number of [T, B, units]. Units are counted through all steps of a row.
__global__ static void drop(float *out, const float *in, const bki_k_row *rows, bki_k_dropout_mask mask, uint32_t site,
                            int64_t T, int64_t B, int64_t units) {
  const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= T * B * units) {
    return;
  }
  const int64_t k = at % units;
  const int64_t t = at / units / B;
  const bki_k_row &row = rows[at / units % B];
  out[at] =
      t < row.steps ? in[at] * bki_k_dropout_factor(&mask, site, (uint32_t)row.slot, (uint64_t)(t * units + k)) : 0.0f;
}

__global__ static void drop_texts(float *x, bki_k_dropout_mask mask, uint32_t site, int64_t n, int64_t units) {
  const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (at < n * units) {
    x[at] *= bki_k_dropout_factor(&mask, site, (uint32_t)(at / units), (uint64_t)(at % units));
  }
}

// The step that unit k of [T, B, 2H] is read from, y pointing to its output at step 0.
__device__ static int64_t find_step(const float *y, bki_k_readout kind, int64_t k, int64_t steps, int64_t B,
                                    int64_t H) {
  if (kind != BKI_K_MAX) {
    return kind == BKI_K_FINAL && k >= H ? 0 : steps - 1;
  }
  const int64_t stride = B * 2 * H;
  int32_t best = 0;
  float largest = *y;
  for (int32_t t = 1; t < steps; t++) {
    y += stride;
    if (*y > largest) {
      best = t;
      largest = *y;
    }
  }
  return best;
}

// A thread is a unit of a row.
__global__ static void read_out_from(float *readout, int32_t *source, const float *y, const bki_k_row *rows,
                                     bki_k_readout kind, int64_t B, int64_t H) {
  const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  const int64_t units = 2 * H;
  if (at >= B * units) {
    return;
  }
  const bki_k_row &row = rows[at / units];
  const int64_t k = at % units;
  float *out = readout + (int64_t)row.slot * units + k;
  if (kind == BKI_K_MEAN) {
    double sum = 0;
    y += at;
    for (int32_t t = 0; t < row.steps; t++, y += B * units) {
      sum += (double)*y;
    }
    *out = (float)(sum / (double)row.steps);
    source[at] = -1;
  } else {
    const int64_t t = find_step(y + at, kind, k, row.steps, B, H);
    *out = y[t * B * units + at];
    source[at] = (int32_t)t;
  }
}

// A thread is a number of [T, B, 2H].
__global__ static void read_out_back(float *dy, const float *d_readout, const int32_t *source, const bki_k_row *rows,
                                     int64_t T, int64_t B, int64_t H) {
  const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  const int64_t units = 2 * H;
  if (at >= T * B * units) {
    return;
  }
  const int64_t t = at / units / B;
  const bki_k_row &row = rows[at / units % B];
  const float d = d_readout[(int64_t)row.slot * units + at % units];
  const int32_t from = source[at % (B * units)];
  dy[at] = t >= row.steps ? 0.0f : from < 0 ? d / (float)row.steps : from == t ? d : 0.0f;
}

// A block is a sum, its threads the numbers of the vectors.
__global__ static void sum_rows(float *out, const int64_t *targets, const float *in, const int64_t *index,
                                const int64_t *first, int64_t E) {
  const int64_t i = blockIdx.x;
  const int64_t target = targets == nullptr ? i : targets[i];
  for (int64_t e = threadIdx.x; e < E; e += blockDim.x) {
    float sum = 0;
    for (int64_t u = first[i]; u < first[i + 1]; u++) {
      sum += in[(index == nullptr ? u : index[u]) * E + e];
    }
    out[target * E + e] = sum;
  }
}

extern "C" cudaError_t bki_k_pack(float *spaces, const float *block, const bki_k_part *parts, int64_t n,
                                  cudaStream_t stream) {
  if (n > 0) {
    BKI_LAUNCH(pack, dim3((unsigned)n, PART_BLOCKS), BLOCK, 0, stream, spaces, block, parts);
  }
  return cudaGetLastError();
}

extern "C" cudaError_t bki_k_unpack(float *block, int64_t first, const float *spaces, const bki_k_part *parts,
                                    int64_t n, cudaStream_t stream) {
  if (n > 0) {
    BKI_LAUNCH(unpack, dim3((unsigned)n, PART_BLOCKS), BLOCK, 0, stream, block, first, spaces, parts);
  }
  return cudaGetLastError();
}

extern "C" cudaError_t bki_k_dropout(float *out, const float *in, const bki_k_row *rows, const bki_k_dropout_mask *mask,
                                     uint32_t site, int64_t T, int64_t B, int64_t units, cudaStream_t stream) {
  if (T > 0 && B > 0) {
    BKI_LAUNCH(drop, (unsigned)bki_k_blocks(T * B * units, BLOCK), BLOCK, 0, stream, out, in, rows, *mask, site, T, B,
               units);
  }
  return cudaGetLastError();
}

extern "C" cudaError_t bki_k_dropout_texts(float *x, const bki_k_dropout_mask *mask, uint32_t site, int64_t n,
                                           int64_t units, cudaStream_t stream) {
  if (n > 0) {
    BKI_LAUNCH(drop_texts, (unsigned)bki_k_blocks(n * units, BLOCK), BLOCK, 0, stream, x, *mask, site, n, units);
  }
  return cudaGetLastError();
}

extern "C" cudaError_t bki_k_read_out_from(float *readout, int32_t *source, const float *y, const bki_k_row *rows,
                                           bki_k_readout kind, int64_t B, int64_t H, cudaStream_t stream) {
  if (B > 0) {
    BKI_LAUNCH(read_out_from, (unsigned)bki_k_blocks(B * 2 * H, BLOCK), BLOCK, 0, stream, readout, source, y, rows,
               kind, B, H);
  }
  return cudaGetLastError();
}

extern "C" cudaError_t bki_k_read_out_back(float *dy, const float *d_readout, const int32_t *source,
                                           const bki_k_row *rows, int64_t T, int64_t B, int64_t H,
                                           cudaStream_t stream) {
  if (T > 0 && B > 0) {
    BKI_LAUNCH(read_out_back, (unsigned)bki_k_blocks(T * B * 2 * H, BLOCK), BLOCK, 0, stream, dy, d_readout, source,
               rows, T, B, H);
  }
  return cudaGetLastError();
}

extern "C" cudaError_t bki_k_sum_rows(float *out, const int64_t *targets, const float *in, const int64_t *index,
                                      const int64_t *first, int64_t n, int64_t E, cudaStream_t stream) {
  if (n > 0) {
    BKI_LAUNCH(sum_rows, (unsigned)n, ROW_BLOCK, 0, stream, out, targets, in, index, first, E);
  }
  return cudaGetLastError();
}
