#include "cuda_affine.h"

/* Texts of a piece. Tensors lie in their block as they come: nothing but whole floats. */
enum { PIECE = 256, ALIGNMENT_BYTES = sizeof(float) };

/* A row-major matrix [m, n] is {n, m} to cuBLAS, and a product is that of its factors in the other order. */
static bki_status create(bki_cuda_affine *f, bki_cuda_device *d, bki_error *err) {
  const bki_cuda_shape weight = {f->k, f->n};
  const bki_cuda_shape in = {f->k, PIECE};
  const bki_cuda_shape out = {f->n, PIECE};
  BKI_TRY(bki_cuda_product_create(&f->forward, d, BKI_CUDA_FP32, ALIGNMENT_BYTES, true, false, weight, in, out, err));
  BKI_TRY(bki_cuda_product_create(&f->back, d, BKI_CUDA_FP32, ALIGNMENT_BYTES, false, false, weight, out, in, err));
  return bki_cuda_product_create(&f->weight, d, BKI_CUDA_FP32, ALIGNMENT_BYTES, false, true, in, out, weight, err);
}

bki_status bki_cuda_affine_create(bki_cuda_affine *affine, bki_cuda_device *device, int64_t n, int64_t k,
                                  bki_error *err) {
  *affine = (bki_cuda_affine){.n = n, .k = k};
  const bki_status status = create(affine, device, err);
  if (status != BKI_OK) {
    bki_cuda_affine_destroy(affine);
  }
  return status;
}

void bki_cuda_affine_destroy(bki_cuda_affine *affine) {
  bki_cuda_product_destroy(&affine->forward);
  bki_cuda_product_destroy(&affine->back);
  bki_cuda_product_destroy(&affine->weight);
  *affine = (bki_cuda_affine){0};
}

static int64_t piece_of(int64_t m, int64_t first) {
  return m - first < PIECE ? m - first : PIECE;
}

bki_status bki_cuda_affine_forward(const bki_cuda_affine *affine, int64_t m, const float *in, const float *weight,
                                   float *out, cudaStream_t stream, bki_error *err) {
  const bki_cuda_affine *f = affine;
  for (int64_t first = 0; first < m; first += PIECE) {
    BKI_TRY(bki_cuda_product_resize(&f->forward, f->forward.b, piece_of(m, first), err));
    BKI_TRY(bki_cuda_product_resize(&f->forward, f->forward.c, piece_of(m, first), err));
    BKI_TRY(bki_cuda_product_run(&f->forward, weight, in + first * f->k, 0, out + first * f->n, stream, err));
  }
  return BKI_OK;
}

bki_status bki_cuda_affine_back(const bki_cuda_affine *affine, int64_t m, const float *d_out, const float *weight,
                                float *d_in, cudaStream_t stream, bki_error *err) {
  const bki_cuda_affine *f = affine;
  for (int64_t first = 0; first < m; first += PIECE) {
    BKI_TRY(bki_cuda_product_resize(&f->back, f->back.b, piece_of(m, first), err));
    BKI_TRY(bki_cuda_product_resize(&f->back, f->back.c, piece_of(m, first), err));
    BKI_TRY(bki_cuda_product_run(&f->back, weight, d_out + first * f->n, 0, d_in + first * f->k, stream, err));
  }
  return BKI_OK;
}

bki_status bki_cuda_affine_weight(const bki_cuda_affine *affine, int64_t m, const float *d_out, const float *in,
                                  float *d_weight, cudaStream_t stream, bki_error *err) {
  const bki_cuda_affine *f = affine;
  for (int64_t first = 0; first < m; first += PIECE) {
    BKI_TRY(bki_cuda_product_resize(&f->weight, f->weight.a, piece_of(m, first), err));
    BKI_TRY(bki_cuda_product_resize(&f->weight, f->weight.b, piece_of(m, first), err));
    BKI_TRY(bki_cuda_product_run(&f->weight, in + first * f->k, d_out + first * f->n, first > 0 ? 1 : 0, d_weight,
                                 stream, err));
  }
  return BKI_OK;
}
