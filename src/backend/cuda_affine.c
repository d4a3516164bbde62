#include "cuda_affine.h"

enum { PIECE = 256 }; /* texts */

/* Tensors lie in their block as they come: nothing but whole floats. */
static bki_status set_preference(bki_cuda_device *d, cublasLtMatmulPreference_t preference, bki_error *err) {
  static const cublasLtMatmulPreferenceAttributes_t alignments[] = {
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
  const uint64_t workspace_bytes = 0;
  const uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_NONE;
  const uint32_t bytes = sizeof(float);
  BKI_CUDA_BLAS(d, err,
                cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                     &workspace_bytes, sizeof workspace_bytes));
  BKI_CUDA_BLAS(d, err,
                cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                                                     &reductions, sizeof reductions));
  for (size_t i = 0; i < sizeof alignments / sizeof *alignments; i++) {
    BKI_CUDA_BLAS(d, err, cublasLtMatmulPreferenceSetAttribute(preference, alignments[i], &bytes, sizeof bytes));
  }
  return BKI_OK;
}

static bki_status find_algorithm(bki_cuda_device *d, bki_cuda_product *p, cublasLtMatmulPreference_t preference,
                                 bki_error *err) {
  cublasLtMatmulHeuristicResult_t found;
  int n_found = 0;
  BKI_TRY(set_preference(d, preference, err));
  BKI_CUDA_BLAS(
      d, err,
      cublasLtMatmulAlgoGetHeuristic(d->blas, p->operation, p->a, p->b, p->c, p->c, preference, 1, &found, &n_found));
  if (n_found == 0) {
    return bki_cuda_check_blas(d, CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmulAlgoGetHeuristic", err);
  }
  p->algorithm = found.algo;
  return BKI_OK;
}

typedef struct shape {
  int64_t rows, columns;
} shape;

/* Matrices as they lie in memory, columns first and without gaps. */
static bki_status describe(bki_cuda_device *d, bki_cuda_product *p, bool transpose_a, bool transpose_b, shape a,
                           shape b, shape c, bki_error *err) {
  const cublasOperation_t operations[] = {transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N,
                                          transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N};
  const shape shapes[] = {a, b, c};
  cublasLtMatrixLayout_t *const layouts[] = {&p->a, &p->b, &p->c};
  /* No TF32, whatever the environment says. */
  BKI_CUDA_BLAS(d, err, cublasLtMatmulDescCreate(&p->operation, CUBLAS_COMPUTE_32F_PEDANTIC, CUDA_R_32F));
  BKI_CUDA_BLAS(
      d, err,
      cublasLtMatmulDescSetAttribute(p->operation, CUBLASLT_MATMUL_DESC_TRANSA, &operations[0], sizeof operations[0]));
  BKI_CUDA_BLAS(
      d, err,
      cublasLtMatmulDescSetAttribute(p->operation, CUBLASLT_MATMUL_DESC_TRANSB, &operations[1], sizeof operations[1]));
  for (size_t i = 0; i < 3; i++) {
    BKI_CUDA_BLAS(d, err,
                  cublasLtMatrixLayoutCreate(layouts[i], CUDA_R_32F, (uint64_t)shapes[i].rows,
                                             (uint64_t)shapes[i].columns, shapes[i].rows));
  }
  return BKI_OK;
}

static bki_status create_product(bki_cuda_device *d, bki_cuda_product *p, bool transpose_a, bool transpose_b, shape a,
                                 shape b, shape c, bki_error *err) {
  cublasLtMatmulPreference_t preference = NULL;
  BKI_TRY(describe(d, p, transpose_a, transpose_b, a, b, c, err));
  BKI_CUDA_BLAS(d, err, cublasLtMatmulPreferenceCreate(&preference));
  const bki_status status = find_algorithm(d, p, preference, err);
  (void)cublasLtMatmulPreferenceDestroy(preference);
  return status;
}

/* A row-major matrix [m, n] is [n, m] to cuBLAS, and a product is that of its factors in the other order. */
static bki_status create(bki_cuda_affine *f, bki_error *err) {
  bki_cuda_device *d = f->device;
  const shape weight = {f->k, f->n};
  const shape in = {f->k, PIECE};
  const shape out = {f->n, PIECE};
  BKI_TRY(create_product(d, &f->forward, true, false, weight, in, out, err));
  BKI_TRY(create_product(d, &f->back, false, false, weight, out, in, err));
  return create_product(d, &f->weight, false, true, in, out, weight, err);
}

bki_status bki_cuda_affine_create(bki_cuda_affine *affine, bki_cuda_device *device, int64_t n, int64_t k,
                                  bki_error *err) {
  *affine = (bki_cuda_affine){.device = device, .n = n, .k = k};
  const bki_status status = create(affine, err);
  if (status != BKI_OK) {
    bki_cuda_affine_destroy(affine);
  }
  return status;
}

static void destroy_product(bki_cuda_product *p) {
  cublasLtMatrixLayout_t layouts[] = {p->a, p->b, p->c};
  for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
    if (layouts[i] != NULL) {
      (void)cublasLtMatrixLayoutDestroy(layouts[i]);
    }
  }
  if (p->operation != NULL) {
    (void)cublasLtMatmulDescDestroy(p->operation);
  }
}

void bki_cuda_affine_destroy(bki_cuda_affine *affine) {
  destroy_product(&affine->forward);
  destroy_product(&affine->back);
  destroy_product(&affine->weight);
  *affine = (bki_cuda_affine){0};
}

static int64_t piece_of(int64_t m, int64_t first) {
  return m - first < PIECE ? m - first : PIECE;
}

static bki_status set_texts(bki_cuda_device *d, cublasLtMatrixLayout_t layout, int64_t m, bki_error *err) {
  const uint64_t columns = (uint64_t)m;
  BKI_CUDA_BLAS(d, err,
                cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_COLS, &columns, sizeof columns));
  return BKI_OK;
}

static bki_status multiply(bki_cuda_device *d, const bki_cuda_product *p, const float *a, const float *b, float add,
                           float *c, cudaStream_t stream, bki_error *err) {
  const float one = 1;
  BKI_CUDA_BLAS(d, err,
                cublasLtMatmul(d->blas, p->operation, &one, a, p->a, b, p->b, &add, c, p->c, c, p->c, &p->algorithm,
                               NULL, 0, stream));
  return BKI_OK;
}

bki_status bki_cuda_affine_forward(const bki_cuda_affine *affine, int64_t m, const float *in, const float *weight,
                                   float *out, cudaStream_t stream, bki_error *err) {
  const bki_cuda_affine *f = affine;
  for (int64_t first = 0; first < m; first += PIECE) {
    BKI_TRY(set_texts(f->device, f->forward.b, piece_of(m, first), err));
    BKI_TRY(set_texts(f->device, f->forward.c, piece_of(m, first), err));
    BKI_TRY(multiply(f->device, &f->forward, weight, in + first * f->k, 0, out + first * f->n, stream, err));
  }
  return BKI_OK;
}

bki_status bki_cuda_affine_back(const bki_cuda_affine *affine, int64_t m, const float *d_out, const float *weight,
                                float *d_in, cudaStream_t stream, bki_error *err) {
  const bki_cuda_affine *f = affine;
  for (int64_t first = 0; first < m; first += PIECE) {
    BKI_TRY(set_texts(f->device, f->back.b, piece_of(m, first), err));
    BKI_TRY(set_texts(f->device, f->back.c, piece_of(m, first), err));
    BKI_TRY(multiply(f->device, &f->back, weight, d_out + first * f->n, 0, d_in + first * f->k, stream, err));
  }
  return BKI_OK;
}

bki_status bki_cuda_affine_weight(const bki_cuda_affine *affine, int64_t m, const float *d_out, const float *in,
                                  float *d_weight, cudaStream_t stream, bki_error *err) {
  const bki_cuda_affine *f = affine;
  for (int64_t first = 0; first < m; first += PIECE) {
    BKI_TRY(set_texts(f->device, f->weight.a, piece_of(m, first), err));
    BKI_TRY(set_texts(f->device, f->weight.b, piece_of(m, first), err));
    BKI_TRY(multiply(f->device, &f->weight, in + first * f->k, d_out + first * f->n, first > 0 ? 1 : 0, d_weight,
                     stream, err));
  }
  return BKI_OK;
}
