#include "cuda_gemm.h"

/* Pieces are multiples of so many rows, which keeps them aligned. */
enum { PIECE = 128, ALIGNMENT_BYTES = 256 };

bki_status bki_cuda_gemm_create(bki_cuda_gemm *gemm, bki_cuda_device *device, int64_t max_m, int64_t n, int64_t k,
                                bki_cuda_math math, bki_error *err) {
  max_m = (max_m + PIECE - 1) / PIECE * PIECE;
  *gemm = (bki_cuda_gemm){
      .max_m = max_m, .n = n, .k = k, .in_bytes = math == BKI_CUDA_FP16 ? sizeof(uint16_t) : sizeof(float)};
  /* As they lie in memory: out {n, m} = weight {k, n}^T . in {k, m}. */
  return bki_cuda_product_create(&gemm->product, device, math, ALIGNMENT_BYTES, true, false, (bki_cuda_shape){k, n},
                                 (bki_cuda_shape){k, max_m}, (bki_cuda_shape){n, max_m}, err);
}

void bki_cuda_gemm_destroy(bki_cuda_gemm *gemm) {
  bki_cuda_product_destroy(&gemm->product);
  *gemm = (bki_cuda_gemm){0};
}

bki_status bki_cuda_gemm_run(const bki_cuda_gemm *gemm, int64_t m, const void *in, const void *weight, float *out,
                             cudaStream_t stream, bki_error *err) {
  const bki_cuda_product *p = &gemm->product;
  for (int64_t first = 0; first < m; first += gemm->max_m) {
    const int64_t rows = m - first < gemm->max_m ? m - first : gemm->max_m;
    const char *piece = (const char *)in + (size_t)first * (size_t)gemm->k * gemm->in_bytes;
    BKI_TRY(bki_cuda_product_resize(p, p->b, rows, err));
    BKI_TRY(bki_cuda_product_resize(p, p->c, rows, err));
    BKI_TRY(bki_cuda_product_run(p, weight, piece, 0, out + first * gemm->n, stream, err));
  }
  return BKI_OK;
}
