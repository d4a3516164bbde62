#include "cuda_product.h"

/* CUBLAS_COMPUTE_32F is without TF32 too, but may add in another way than PEDANTIC. */
static const cublasComputeType_t computes[] = {
    [BKI_CUDA_FP32] = CUBLAS_COMPUTE_32F_PEDANTIC, /* no TF32, whatever the environment says */
    [BKI_CUDA_TF32] = CUBLAS_COMPUTE_32F_FAST_TF32,
    [BKI_CUDA_FP16] = CUBLAS_COMPUTE_32F,
};

static bki_status describe(bki_cuda_product *p, bki_cuda_math math, cublasComputeType_t compute,
                           const bool transposed[2], const bki_cuda_shape shapes[3], bki_error *err) {
  static const cublasLtMatmulDescAttributes_t attributes[] = {CUBLASLT_MATMUL_DESC_TRANSA, CUBLASLT_MATMUL_DESC_TRANSB};
  cublasLtMatrixLayout_t *const layouts[] = {&p->a, &p->b, &p->c};
  BKI_CUDA_BLAS(p->device, err, cublasLtMatmulDescCreate(&p->operation, compute, CUDA_R_32F));
  for (size_t i = 0; i < 2; i++) {
    const cublasOperation_t operation = transposed[i] ? CUBLAS_OP_T : CUBLAS_OP_N;
    BKI_CUDA_BLAS(p->device, err,
                  cublasLtMatmulDescSetAttribute(p->operation, attributes[i], &operation, sizeof operation));
  }
  for (size_t i = 0; i < 3; i++) {
    BKI_CUDA_BLAS(p->device, err,
                  cublasLtMatrixLayoutCreate(layouts[i], math == BKI_CUDA_FP16 && i < 2 ? CUDA_R_16F : CUDA_R_32F,
                                             (uint64_t)shapes[i].rows, (uint64_t)shapes[i].columns, shapes[i].rows));
  }
  return BKI_OK;
}

static bki_status prefer(bki_cuda_device *d, cublasLtMatmulPreference_t preference, uint32_t alignment_bytes,
                         bki_error *err) {
  static const cublasLtMatmulPreferenceAttributes_t alignments[] = {
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
  const uint64_t workspace_bytes = 0;
  const uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_NONE;
  BKI_CUDA_BLAS(d, err,
                cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                     &workspace_bytes, sizeof workspace_bytes));
  BKI_CUDA_BLAS(d, err,
                cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                                                     &reductions, sizeof reductions));
  for (size_t i = 0; i < sizeof alignments / sizeof *alignments; i++) {
    BKI_CUDA_BLAS(
        d, err,
        cublasLtMatmulPreferenceSetAttribute(preference, alignments[i], &alignment_bytes, sizeof alignment_bytes));
  }
  return BKI_OK;
}

/* The heuristic's first algorithm that can be used. *found: whether there is one. */
static bki_status choose(bki_cuda_product *p, cublasLtMatmulPreference_t preference, bool *found, bki_error *err) {
  enum { MOST = 8 };
  cublasLtMatmulHeuristicResult_t results[MOST];
  int n = 0;
  *found = false;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(p->device->blas, p->operation, p->a, p->b, p->c, p->c,
                                                               preference, MOST, results, &n);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) {
    return BKI_OK;
  }
  BKI_TRY(bki_cuda_check_blas(p->device, status, "cublasLtMatmulAlgoGetHeuristic", err));
  for (int i = 0; !*found && i < n; i++) {
    *found = results[i].state == CUBLAS_STATUS_SUCCESS;
    p->algorithm = results[i].algo;
  }
  return BKI_OK;
}

static bki_status create(bki_cuda_product *p, bki_cuda_math math, cublasLtMatmulPreference_t preference,
                         const bool transposed[2], const bki_cuda_shape shapes[3], bki_error *err) {
  static const char *const names[] = {[BKI_CUDA_FP32] = "fp32", [BKI_CUDA_TF32] = "tf32", [BKI_CUDA_FP16] = "fp16"};
  const cublasComputeType_t tries[] = {computes[math], CUBLAS_COMPUTE_32F};
  bki_cuda_device *d = p->device;
  bool found = false;
  for (size_t i = 0; !found && i < (math == BKI_CUDA_FP16 ? 1 : 2); i++) {
    bki_cuda_product_destroy(p);
    p->device = d;
    BKI_TRY(describe(p, math, tries[i], transposed, shapes, err));
    BKI_TRY(choose(p, preference, &found, err));
    d->fell_back = d->fell_back || (found && i > 0);
  }
  return found
             ? BKI_OK
             : bki_fail(err, BKI_E_DEVICE,
                        "GPU %d (%s): cublasLtMatmulAlgoGetHeuristic: no algorithm for a product in %s of [%lld, %lld] "
                        "and [%lld, %lld] without a workspace (CUBLASLT_LOG_LEVEL=5 tells more)",
                        d->ordinal, d->name, names[math], (long long)shapes[0].rows, (long long)shapes[0].columns,
                        (long long)shapes[1].rows, (long long)shapes[1].columns);
}

bki_status bki_cuda_product_create(bki_cuda_product *product, bki_cuda_device *device, bki_cuda_math math,
                                   uint32_t alignment_bytes, bool transpose_a, bool transpose_b, bki_cuda_shape a,
                                   bki_cuda_shape b, bki_cuda_shape c, bki_error *err) {
  cublasLtMatmulPreference_t preference = NULL;
  bki_status status;
  *product = (bki_cuda_product){.device = device};
  BKI_TRY_GOTO(
      status, done,
      bki_cuda_check_blas(device, cublasLtMatmulPreferenceCreate(&preference), "cublasLtMatmulPreferenceCreate", err));
  BKI_TRY_GOTO(status, done, prefer(device, preference, alignment_bytes, err));
  status = create(product, math, preference, (const bool[]){transpose_a, transpose_b},
                  (const bki_cuda_shape[]){a, b, c}, err);
done:
  if (preference != NULL) {
    (void)cublasLtMatmulPreferenceDestroy(preference);
  }
  if (status != BKI_OK) {
    bki_cuda_product_destroy(product);
  }
  return status;
}

void bki_cuda_product_destroy(bki_cuda_product *product) {
  cublasLtMatrixLayout_t layouts[] = {product->a, product->b, product->c};
  for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
    if (layouts[i] != NULL) {
      (void)cublasLtMatrixLayoutDestroy(layouts[i]);
    }
  }
  if (product->operation != NULL) {
    (void)cublasLtMatmulDescDestroy(product->operation);
  }
  *product = (bki_cuda_product){0};
}

bki_status bki_cuda_product_resize(const bki_cuda_product *product, cublasLtMatrixLayout_t layout, int64_t columns,
                                   bki_error *err) {
  const uint64_t n = (uint64_t)columns;
  BKI_CUDA_BLAS(product->device, err,
                cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_COLS, &n, sizeof n));
  return BKI_OK;
}

bki_status bki_cuda_product_run(const bki_cuda_product *product, const void *a, const void *b, float add, float *c,
                                cudaStream_t stream, bki_error *err) {
  const bki_cuda_product *p = product;
  const float one = 1;
  BKI_CUDA_BLAS(p->device, err,
                cublasLtMatmul(p->device->blas, p->operation, &one, a, p->a, b, p->b, &add, c, p->c, c, p->c,
                               &p->algorithm, NULL, 0, stream));
  return BKI_OK;
}
