/* Products with one weight matrix, whatever the number of rows.
 *
 *   out [m, n] = in [m, k] . weight [n, k]^T          row-major; in and weight fp32 or half, out and sums fp32
 *
 * A row's result does not depend on the rows beside it (cuda_product.h). All operands are aligned to 256 bytes. */
#ifndef BKI_BACKEND_CUDA_GEMM_H
#define BKI_BACKEND_CUDA_GEMM_H

#include "cuda_product.h"

/* Zero-initialise. */
typedef struct bki_cuda_gemm {
  bki_cuda_product product;
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
