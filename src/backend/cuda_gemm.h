/* Products with one weight matrix, whatever the number of rows.
 *
 *   out [m, n] = in [m, k] . weight [n, k]^T          row-major; in and weight fp32 or half, out and sums fp32
 *
 * cuBLAS would choose its kernel by m, and another kernel adds in another order. Here the algorithm is chosen once, for
 * the largest m, without split sums, so that a row's result does not depend on the rows beside it. All operands are
 * aligned to 256 bytes, as cuBLAS assumes of them. */
#ifndef BKI_BACKEND_CUDA_GEMM_H
#define BKI_BACKEND_CUDA_GEMM_H

#include "cuda_device.h"

typedef enum bki_cuda_math { BKI_CUDA_FP32, BKI_CUDA_TF32, BKI_CUDA_FP16 } bki_cuda_math;

/* Zero-initialise. */
typedef struct bki_cuda_gemm {
  bki_cuda_device *device;
  cublasLtMatmulDesc_t operation;
  cublasLtMatrixLayout_t weight;
  cublasLtMatrixLayout_t in;
  cublasLtMatrixLayout_t out;
  cublasLtMatmulAlgo_t algorithm;
  int64_t max_m;
  int64_t n;
  int64_t k;
  size_t in_bytes; /* of an element of `in` */
} bki_cuda_gemm;

/* The algorithm is chosen for max_m rows; products of more are done in pieces. BKI_CUDA_FP16: `in` and `weight` are in
 * half precision. Errors: BKI_E_DEVICE. */
bki_status bki_cuda_gemm_create(bki_cuda_gemm *gemm, bki_cuda_device *device, int64_t max_m, int64_t n, int64_t k,
                                bki_cuda_math math, bki_error *err);
void bki_cuda_gemm_destroy(bki_cuda_gemm *gemm);
bki_status bki_cuda_gemm_run(const bki_cuda_gemm *gemm, int64_t m, const void *in, const void *weight, float *out,
                             cudaStream_t stream, bki_error *err);

#endif
