#include "cuda_gemm.h"

/* Pieces are multiples of so many rows, which keeps them aligned. */
enum { PIECE = 128 };

/* cuBLAS counts columns first: out^T [n, m] = weight^T' [n, k] . in^T [k, m], all of them as they lie in memory. */
static bki_status describe(bki_cuda_gemm *g, int64_t m, int64_t n, int64_t k, bki_cuda_math math, bki_error *err) {
  static const cublasComputeType_t types[] = {
      [BKI_CUDA_FP32] = CUBLAS_COMPUTE_32F_PEDANTIC, /* no TF32, whatever the environment says */
      [BKI_CUDA_TF32] = CUBLAS_COMPUTE_32F_FAST_TF32,
      [BKI_CUDA_FP16] = CUBLAS_COMPUTE_32F,
  };
  const cudaDataType_t type = math == BKI_CUDA_FP16 ? CUDA_R_16F : CUDA_R_32F;
  const cublasOperation_t transposed = CUBLAS_OP_T;
  BKI_CUDA_BLAS(g->device, err, cublasLtMatmulDescCreate(&g->operation, types[math], CUDA_R_32F));
  BKI_CUDA_BLAS(
      g->device, err,
      cublasLtMatmulDescSetAttribute(g->operation, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed));
  BKI_CUDA_BLAS(g->device, err, cublasLtMatrixLayoutCreate(&g->weight, type, (uint64_t)k, (uint64_t)n, k));
  BKI_CUDA_BLAS(g->device, err, cublasLtMatrixLayoutCreate(&g->in, type, (uint64_t)k, (uint64_t)m, k));
  BKI_CUDA_BLAS(g->device, err, cublasLtMatrixLayoutCreate(&g->out, CUDA_R_32F, (uint64_t)n, (uint64_t)m, n));
  return BKI_OK;
}

static bki_status choose(bki_cuda_gemm *g, cublasLtMatmulPreference_t preference, bki_error *err) {
  const uint64_t workspace_bytes = 0;
  const uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_NONE;
  cublasLtMatmulHeuristicResult_t found;
  int n_found = 0;
  BKI_CUDA_BLAS(g->device, err,
                cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                     &workspace_bytes, sizeof workspace_bytes));
  BKI_CUDA_BLAS(g->device, err,
                cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                                                     &reductions, sizeof reductions));
  BKI_CUDA_BLAS(g->device, err,
                cublasLtMatmulAlgoGetHeuristic(g->device->blas, g->operation, g->weight, g->in, g->out, g->out,
                                               preference, 1, &found, &n_found));
  if (n_found == 0) {
    return bki_cuda_check_blas(g->device, CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmulAlgoGetHeuristic", err);
  }
  g->algorithm = found.algo;
  return BKI_OK;
}

bki_status bki_cuda_gemm_create(bki_cuda_gemm *gemm, bki_cuda_device *device, int64_t max_m, int64_t n, int64_t k,
                                bki_cuda_math math, bki_error *err) {
  cublasLtMatmulPreference_t preference = NULL;
  bki_status status;
  max_m = (max_m + PIECE - 1) / PIECE * PIECE;
  *gemm = (bki_cuda_gemm){.device = device,
                          .max_m = max_m,
                          .n = n,
                          .k = k,
                          .in_bytes = math == BKI_CUDA_FP16 ? sizeof(uint16_t) : sizeof(float)};
  BKI_TRY_GOTO(status, done, describe(gemm, max_m, n, k, math, err));
  BKI_TRY_GOTO(
      status, done,
      bki_cuda_check_blas(device, cublasLtMatmulPreferenceCreate(&preference), "cublasLtMatmulPreferenceCreate", err));
  BKI_TRY_GOTO(status, done, choose(gemm, preference, err));
done:
  if (preference != NULL) {
    (void)cublasLtMatmulPreferenceDestroy(preference);
  }
  if (status != BKI_OK) {
    bki_cuda_gemm_destroy(gemm);
  }
  return status;
}

void bki_cuda_gemm_destroy(bki_cuda_gemm *gemm) {
  cublasLtMatrixLayout_t layouts[] = {gemm->weight, gemm->in, gemm->out};
  for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
    if (layouts[i] != NULL) {
      (void)cublasLtMatrixLayoutDestroy(layouts[i]);
    }
  }
  if (gemm->operation != NULL) {
    (void)cublasLtMatmulDescDestroy(gemm->operation);
  }
  *gemm = (bki_cuda_gemm){0};
}

static bki_status run_piece(const bki_cuda_gemm *g, int64_t m, const void *in, const void *weight, float *out,
                            cudaStream_t stream, bki_error *err) {
  const float one = 1;
  const float zero = 0;
  const uint64_t rows = (uint64_t)m;
  bki_cuda_device *d = g->device;
  BKI_CUDA_BLAS(d, err, cublasLtMatrixLayoutSetAttribute(g->in, CUBLASLT_MATRIX_LAYOUT_COLS, &rows, sizeof rows));
  BKI_CUDA_BLAS(d, err, cublasLtMatrixLayoutSetAttribute(g->out, CUBLASLT_MATRIX_LAYOUT_COLS, &rows, sizeof rows));
  BKI_CUDA_BLAS(d, err,
                cublasLtMatmul(d->blas, g->operation, &one, weight, g->weight, in, g->in, &zero, out, g->out, out,
                               g->out, &g->algorithm, NULL, 0, stream));
  return BKI_OK;
}

bki_status bki_cuda_gemm_run(const bki_cuda_gemm *gemm, int64_t m, const void *in, const void *weight, float *out,
                             cudaStream_t stream, bki_error *err) {
  for (int64_t first = 0; first < m; first += gemm->max_m) {
    const char *piece = (const char *)in + (size_t)first * (size_t)gemm->k * gemm->in_bytes;
    BKI_TRY(run_piece(gemm, m - first < gemm->max_m ? m - first : gemm->max_m, piece, weight, out + first * gemm->n,
                      stream, err));
  }
  return BKI_OK;
}
