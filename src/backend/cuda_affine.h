/* The products of a layer out = in . weight^T, forward and back, for any number of texts m:
 *
 *   out [m, n]      = in [m, k] . weight [n, k]^T
 *   d_in [m, k]     = d_out [m, n] . weight [n, k]
 *   d_weight [n, k] = d_out [m, n]^T . in [m, k]          row-major, fp32 with FMA
 *
 * Texts are taken in pieces of one size: the bytes of a result depend on its texts and not on the batches before. */
#ifndef BKI_BACKEND_CUDA_AFFINE_H
#define BKI_BACKEND_CUDA_AFFINE_H

#include "cuda_product.h"

/* Zero-initialise. */
typedef struct bki_cuda_affine {
  int64_t n;
  int64_t k;
  bki_cuda_product forward;
  bki_cuda_product back;   /* to d_in */
  bki_cuda_product weight; /* to d_weight */
} bki_cuda_affine;

/* Errors: BKI_E_DEVICE. */
bki_status bki_cuda_affine_create(bki_cuda_affine *affine, bki_cuda_device *device, int64_t n, int64_t k,
                                  bki_error *err);
void bki_cuda_affine_destroy(bki_cuda_affine *affine);

bki_status bki_cuda_affine_forward(const bki_cuda_affine *affine, int64_t m, const float *in, const float *weight,
                                   float *out, cudaStream_t stream, bki_error *err);
bki_status bki_cuda_affine_back(const bki_cuda_affine *affine, int64_t m, const float *d_out, const float *weight,
                                float *d_in, cudaStream_t stream, bki_error *err);
/* m > 0 */
bki_status bki_cuda_affine_weight(const bki_cuda_affine *affine, int64_t m, const float *d_out, const float *in,
                                  float *d_weight, cudaStream_t stream, bki_error *err);

#endif
