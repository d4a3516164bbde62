// The stand-in for libcublasLt against products whose values are known.
#include <criterion/criterion.h>

#include <cmath>
#include <csignal>
#include <random>
#include <vector>

#include <cublasLt.h>
#include <cuda_fp16.h>

#include "standin.h"

#define OK(call) cr_assert_eq(call, CUBLAS_STATUS_SUCCESS)

namespace {

struct shape {
  bool a_transposed, b_transposed;
  size_t m, n, k, gap;  // of every leading dimension
  float alpha, beta;
  cudaDataType type;
  cublasComputeType_t compute;
};

// Pieces of a product. Device memory can be read and written by the host here, as nothing runs in between.
struct fixture {
  cublasLtHandle_t handle;
  cudaStream_t stream;
  cublasLtMatmulDesc_t op;
  cublasLtMatrixLayout_t a, b, c;
  cublasLtMatmulPreference_t preference;
  void *A, *B, *work;
  float *C;
  size_t lda, ldb, ldc;
};

size_t wide(size_t gap, size_t rows) {
  return rows + gap;
}

void put(void *to, size_t i, cudaDataType type, float x) {
  if (type == CUDA_R_32F) {
    static_cast<float *>(to)[i] = x;
  } else {
    static_cast<__half *>(to)[i] = __float2half_rn(x);
  }
}

float number_at(const void *from, size_t i, cudaDataType type) {
  return type == CUDA_R_32F ? static_cast<const float *>(from)[i] : __half2float(static_cast<const __half *>(from)[i]);
}

void *random_matrix(size_t ld, size_t columns, cudaDataType type, unsigned seed) {
  void *at;
  cudaMalloc(&at, ld * columns * (type == CUDA_R_32F ? 4 : 2));
  std::mt19937 rng(seed);
  for (size_t i = 0; i < ld * columns; i++) {
    put(at, i, type, std::uniform_real_distribution<float>(-1, 1)(rng));
  }
  return at;
}

fixture open(const shape &s) {
  fixture f;
  const size_t rows[] = {s.a_transposed ? s.k : s.m, s.b_transposed ? s.n : s.k};
  const size_t columns[] = {s.a_transposed ? s.m : s.k, s.b_transposed ? s.k : s.n};
  f.lda = wide(s.gap, rows[0]);
  f.ldb = wide(s.gap, rows[1]);
  f.ldc = wide(s.gap, s.m);
  OK(cublasLtCreate(&f.handle));
  cudaStreamCreateWithFlags(&f.stream, cudaStreamNonBlocking);
  OK(cublasLtMatmulDescCreate(&f.op, s.compute, CUDA_R_32F));
  const int32_t flags[] = {s.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N, s.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N};
  OK(cublasLtMatmulDescSetAttribute(f.op, CUBLASLT_MATMUL_DESC_TRANSA, &flags[0], sizeof flags[0]));
  OK(cublasLtMatmulDescSetAttribute(f.op, CUBLASLT_MATMUL_DESC_TRANSB, &flags[1], sizeof flags[1]));
  OK(cublasLtMatrixLayoutCreate(&f.a, s.type, rows[0], columns[0], static_cast<int64_t>(f.lda)));
  OK(cublasLtMatrixLayoutCreate(&f.b, s.type, rows[1], columns[1], static_cast<int64_t>(f.ldb)));
  OK(cublasLtMatrixLayoutCreate(&f.c, CUDA_R_32F, s.m, s.n, static_cast<int64_t>(f.ldc)));
  OK(cublasLtMatmulPreferenceCreate(&f.preference));
  const uint64_t work_bytes = 1 << 16;
  OK(cublasLtMatmulPreferenceSetAttribute(f.preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &work_bytes,
                                          sizeof work_bytes));
  f.A = random_matrix(f.lda, columns[0], s.type, 1);
  f.B = random_matrix(f.ldb, columns[1], s.type, 2);
  f.C = static_cast<float *>(random_matrix(f.ldc, s.n, CUDA_R_32F, 3));
  cudaMalloc(&f.work, work_bytes);
  return f;
}

void close(const fixture &f) {
  cublasLtMatmulPreferenceDestroy(f.preference);
  for (cublasLtMatrixLayout_t l : {f.a, f.b, f.c}) {
    cublasLtMatrixLayoutDestroy(l);
  }
  cublasLtMatmulDescDestroy(f.op);
  for (void *p : {f.A, f.B, f.work, static_cast<void *>(f.C)}) {
    cudaFree(p);
  }
  cudaStreamDestroy(f.stream);
  cublasLtDestroy(f.handle);
  cr_assert_eq(standin_leaks(), 0);
}

cublasLtMatmulHeuristicResult_t choose(const fixture &f) {
  cublasLtMatmulHeuristicResult_t result;
  int n = 0;
  OK(cublasLtMatmulAlgoGetHeuristic(f.handle, f.op, f.a, f.b, f.c, f.c, f.preference, 1, &result, &n));
  cr_assert_eq(n, 1);
  return result;
}

cublasStatus_t multiply(const fixture &f, const shape &s, const cublasLtMatmulAlgo_t *algo, size_t work_bytes) {
  return cublasLtMatmul(f.handle, f.op, &s.alpha, f.A, f.a, f.B, f.b, &s.beta, f.C, f.c, f.C, f.c, algo, f.work,
                        work_bytes, f.stream);
}

// The largest distance from the product in double precision.
double error_of(const shape &s) {
  const fixture f = open(s);
  const std::vector<float> before(f.C, f.C + f.ldc * s.n);
  const cublasLtMatmulHeuristicResult_t chosen = choose(f);
  OK(multiply(f, s, &chosen.algo, chosen.workspaceSize));
  cr_assert_eq(f.C[0], before[0]);  // not yet
  cudaStreamSynchronize(f.stream);
  double worst = 0;
  for (size_t j = 0; j < s.n; j++) {
    for (size_t i = 0; i < s.m; i++) {
      double sum = static_cast<double>(s.beta) * static_cast<double>(before[i + j * f.ldc]);
      for (size_t k = 0; k < s.k; k++) {
        sum += static_cast<double>(s.alpha) *
               static_cast<double>(number_at(f.A, s.a_transposed ? k + i * f.lda : i + k * f.lda, s.type)) *
               static_cast<double>(number_at(f.B, s.b_transposed ? j + k * f.ldb : k + j * f.ldb, s.type));
      }
      worst = std::fmax(worst, std::fabs(sum - static_cast<double>(f.C[i + j * f.ldc])));
    }
    for (size_t i = s.m; i < f.ldc; i++) {  // the gap stays
      cr_assert_eq(f.C[i + j * f.ldc], before[i + j * f.ldc]);
    }
  }
  close(f);
  return worst;
}

Test(standin_cublaslt, products_of_every_transpose_and_type_are_exact_to_a_rounding) {
  for (int flags = 0; flags < 8; flags++) {
    const shape s = {(flags & 1) != 0,
                     (flags & 2) != 0,
                     5,
                     7,
                     3,
                     static_cast<size_t>(flags % 3),
                     1.5f,
                     0.25f,
                     (flags & 4) != 0 ? CUDA_R_16F : CUDA_R_32F,
                     CUBLAS_COMPUTE_32F};
    cr_assert_lt(error_of(s), 3e-7);
  }
}

Test(standin_cublaslt, tf32_rounds_its_inputs_and_pedantic_does_not) {
  shape s = {false, true, 9, 4, 40, 0, 1, 0, CUDA_R_32F, CUBLAS_COMPUTE_32F_PEDANTIC};
  cr_assert_lt(error_of(s), 1e-6);
  s.compute = CUBLAS_COMPUTE_32F_FAST_TF32;
  const double error = error_of(s);
  cr_assert_gt(error, 1e-5);
  cr_assert_lt(error, 40.0 / 1024);
}

Test(standin_cublaslt, tf32_keeps_ten_bits_rounded_to_nearest) {
  const shape s = {false, false, 1, 1, 1, 0, 1, 0, CUDA_R_32F, CUBLAS_COMPUTE_32F_FAST_TF32};
  const fixture f = open(s);
  const float ulp = std::ldexp(1.0f, -10);
  const float rounds[][2] = {{1 + 0.4f * ulp, 1}, {1 + 0.6f * ulp, 1 + ulp}, {-1 - 1.5f * ulp, -1 - 2 * ulp}};
  put(f.B, 0, CUDA_R_32F, 1);
  for (const auto &r : rounds) {
    put(f.A, 0, CUDA_R_32F, r[0]);
    OK(multiply(f, s, nullptr, 0));
    cudaStreamSynchronize(f.stream);
    cr_assert_eq(f.C[0], r[1]);
  }
  close(f);
}

const shape plain = {false, false, 8, 8, 8, 0, 1, 0, CUDA_R_32F, CUBLAS_COMPUTE_32F};

Test(standin_cublaslt, with_beta_zero_the_result_does_not_depend_on_what_was_there) {
  const fixture f = open(plain);
  f.C[3] = NAN;
  OK(multiply(f, plain, nullptr, 0));
  cudaStreamSynchronize(f.stream);
  cr_assert_not(std::isnan(f.C[3]));
  close(f);
}

Test(standin_cublaslt, an_algorithm_is_taken_for_what_it_was_chosen_for) {
  const fixture f = open(plain);
  cublasLtMatmulHeuristicResult_t chosen = choose(f);
  cr_assert_gt(chosen.workspaceSize, 0);
  cr_assert_eq(multiply(f, plain, &chosen.algo, chosen.workspaceSize - 1), CUBLAS_STATUS_INVALID_VALUE);
  const int32_t transposed = CUBLAS_OP_T;
  OK(cublasLtMatmulDescSetAttribute(f.op, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed));
  cr_assert_eq(multiply(f, plain, &chosen.algo, chosen.workspaceSize), CUBLAS_STATUS_INVALID_VALUE);
  chosen.algo.data[0] = 0;
  cr_assert_eq(multiply(f, plain, &chosen.algo, chosen.workspaceSize), CUBLAS_STATUS_INVALID_VALUE);
  close(f);
}

Test(standin_cublaslt, products_that_are_refused_have_no_usable_algorithm) {
  const fixture f = open(plain);
  cublasLtMatmulHeuristicResult_t result;
  int n = 1;
  standin_refuse_products(CUBLAS_COMPUTE_32F, STANDIN_NONE_FOUND);
  cr_assert_eq(cublasLtMatmulAlgoGetHeuristic(f.handle, f.op, f.a, f.b, f.c, f.c, f.preference, 1, &result, &n),
               CUBLAS_STATUS_NOT_SUPPORTED);
  cr_assert_eq(n, 0);
  standin_refuse_products(CUBLAS_COMPUTE_32F, STANDIN_UNUSABLE);
  const cublasLtMatmulHeuristicResult_t unusable = choose(f);
  cr_assert_eq(unusable.state, CUBLAS_STATUS_NOT_SUPPORTED);
  cr_assert_eq(multiply(f, plain, &unusable.algo, 4096), CUBLAS_STATUS_INVALID_VALUE);
  close(f);
}

Test(standin_cublaslt, an_algorithm_refuses_less_aligned_memory_and_larger_products) {
  fixture f = open(plain);
  const auto aligned = choose(f);
  float *const begin = f.C;
  const uint64_t columns[] = {7, 9};
  for (cublasLtMatrixLayout_t l : {f.b, f.c}) {
    OK(cublasLtMatrixLayoutSetAttribute(l, CUBLASLT_MATRIX_LAYOUT_COLS, &columns[0], sizeof columns[0]));
  }
  f.C = begin + 1;
  cr_assert_eq(multiply(f, plain, &aligned.algo, aligned.workspaceSize), CUBLAS_STATUS_INVALID_VALUE);
  f.C = begin;
  OK(multiply(f, plain, &aligned.algo, aligned.workspaceSize));  // a smaller product of the kind is fine
  for (cublasLtMatrixLayout_t l : {f.b, f.c}) {
    OK(cublasLtMatrixLayoutSetAttribute(l, CUBLASLT_MATRIX_LAYOUT_COLS, &columns[1], sizeof columns[1]));
  }
  cr_assert_eq(multiply(f, plain, &aligned.algo, aligned.workspaceSize), CUBLAS_STATUS_INVALID_VALUE);
  close(f);
}

Test(standin_cublaslt, shapes_that_do_not_fit_are_refused) {
  fixture f = open(plain);
  cublasLtMatrixLayoutDestroy(f.b);
  OK(cublasLtMatrixLayoutCreate(&f.b, CUDA_R_32F, 7, 8, 8));
  cr_assert_eq(multiply(f, plain, nullptr, 0), CUBLAS_STATUS_INVALID_VALUE);
  close(f);
}

Test(standin_cublaslt, memory_that_is_too_small_aborts, .signal = SIGABRT) {
  fixture f = open(plain);
  f.C += 1;
  multiply(f, plain, nullptr, 0);
}

Test(standin_cublaslt, failures_are_injected_and_a_missing_device_is_told) {
  const fixture f = open(plain);
  standin_fail("cublasLtMatmul", 1, CUBLAS_STATUS_ALLOC_FAILED);
  cr_assert_eq(multiply(f, plain, nullptr, 0), CUBLAS_STATUS_ALLOC_FAILED);
  OK(multiply(f, plain, nullptr, 0));
  close(f);
  standin_reset(0, 0);
  cublasLtHandle_t handle;
  cr_assert_eq(cublasLtCreate(&handle), CUBLAS_STATUS_NOT_INITIALIZED);
}

}  // namespace
