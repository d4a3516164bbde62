// libcublasLt: D = alpha op(A) op(B) + beta C, column-major, float or half inputs and float results.
#include <cublasLt.h>

#include <algorithm>
#include <map>

#include "core.h"
#include "numbers.h"

using namespace standin;

namespace {

constexpr uint64_t MAGIC = 0x626b692d616c676f;  // of an algorithm that the heuristic gave
constexpr size_t WORKSPACE = 4096;              // that it asks for, if it may
constexpr char HANDLE[] = "cublasLtHandle_t", OPERATION[] = "cublasLtMatmulDesc_t";
constexpr char LAYOUT[] = "cublasLtMatrixLayout_t", PREFERENCE[] = "cublasLtMatmulPreference_t";

struct context {
  std::shared_ptr<device> on;
};
struct operation {
  cublasComputeType_t compute;
  int32_t transposed[2] = {CUBLAS_OP_N, CUBLAS_OP_N};  // A, B
};
struct layout {
  cudaDataType type;
  uint64_t rows, columns;
  int64_t ld;
};
struct preference {
  uint64_t max_workspace = 0;
  uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_MASK;
  uint32_t alignment[4] = {256, 256, 256, 256};  // bytes, of A, B, C, D
};
// What an algorithm is for, in the opaque words of cublasLtMatmulAlgo_t.
struct algorithm {
  uint64_t magic, kind, m, n, k, alignments, workspace, unused;
};
static_assert(sizeof(algorithm) == sizeof(cublasLtMatmulAlgo_t), "opaque words");

struct product {
  operation op;
  layout a, b, c, d;
  uint64_t m() const { return d.rows; }
  uint64_t n() const { return d.columns; }
  uint64_t k() const { return op.transposed[0] == CUBLAS_OP_N ? a.columns : a.rows; }
};

std::map<int, bool> refused;  // by compute type: whether what is found is unusable, or nothing is found

number type_of(const layout &l) {
  return l.type == CUDA_R_16F ? number::HALF : number::FLOAT;
}

size_t bytes(const layout &l) {
  return (static_cast<size_t>(l.ld) * (l.columns - 1) + l.rows) * size_of(type_of(l));
}

product make_product(cublasLtMatmulDesc_t op, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                     cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d) {
  return {*get<operation>(OPERATION, op), *get<layout>(LAYOUT, a), *get<layout>(LAYOUT, b), *get<layout>(LAYOUT, c),
          *get<layout>(LAYOUT, d)};
}

cublasStatus_t check(const product &p) {
  const bool b_transposed = p.op.transposed[1] != CUBLAS_OP_N;
  const bool a_transposed = p.op.transposed[0] != CUBLAS_OP_N;
  if ((a_transposed ? p.a.columns : p.a.rows) != p.m() || (b_transposed ? p.b.columns : p.b.rows) != p.k() ||
      (b_transposed ? p.b.rows : p.b.columns) != p.n() || p.c.rows != p.m() || p.c.columns != p.n()) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  const bool half = p.a.type == CUDA_R_16F;
  if (p.a.type != p.b.type || p.c.type != CUDA_R_32F || p.d.type != CUDA_R_32F ||
      (half && p.op.compute == CUBLAS_COMPUTE_32F_FAST_TF32)) {
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  return CUBLAS_STATUS_SUCCESS;
}

// Types, transposes and the alignment of columns: what the choice of a kernel depends on but for the size.
uint64_t kind_of(const product &p) {
  uint64_t kind = static_cast<uint64_t>(p.op.compute);
  for (const layout *l : {&p.a, &p.b, &p.c, &p.d}) {
    const uint64_t stride = static_cast<uint64_t>(l->ld) * size_of(type_of(*l));
    kind = kind * 256 + static_cast<uint64_t>(l->type) * 32 + std::min<uint64_t>(stride & (~stride + 1), 16);
  }
  return kind * 4 + static_cast<uint64_t>(p.op.transposed[0]) * 2 + static_cast<uint64_t>(p.op.transposed[1]);
}

bool fits(const algorithm &algo, const product &p, const void *const pointers[4]) {
  if (algo.magic != MAGIC) {  // the rest is not one's own
    return false;
  }
  for (int i = 0; i < 4; i++) {
    if (reinterpret_cast<uintptr_t>(pointers[i]) % (1u << (algo.alignments >> 8 * i & 0xff)) != 0) {
      return false;
    }
  }
  return algo.kind == kind_of(p) && p.m() <= algo.m && p.n() <= algo.n && p.k() <= algo.k;
}

void multiply(const product &p, float alpha, const void *a, const void *b, float beta, const void *c, void *d) {
  const bool as_tf32 = p.op.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  const std::vector<double> A = read(a, bytes(p.a) / size_of(type_of(p.a)), type_of(p.a), as_tf32);
  const std::vector<double> B = read(b, bytes(p.b) / size_of(type_of(p.b)), type_of(p.b), as_tf32);
  const size_t lda = static_cast<size_t>(p.a.ld), ldb = static_cast<size_t>(p.b.ld);
  const size_t step_a = p.op.transposed[0] == CUBLAS_OP_N ? lda : 1,
               row_a = p.op.transposed[0] == CUBLAS_OP_N ? 1 : lda;
  const size_t step_b = p.op.transposed[1] == CUBLAS_OP_N ? 1 : ldb,
               col_b = p.op.transposed[1] == CUBLAS_OP_N ? ldb : 1;
  for (size_t j = 0; j < p.n(); j++) {
    for (size_t i = 0; i < p.m(); i++) {
      double sum = 0;
      for (size_t k = 0; k < p.k(); k++) {
        sum += A[i * row_a + k * step_a] * B[k * step_b + j * col_b];
      }
      sum *= static_cast<double>(alpha);
      if (beta != 0) {  // else C may hold anything
        sum += static_cast<double>(beta) * load(c, i + j * static_cast<size_t>(p.c.ld), number::FLOAT);
      }
      store(d, i + j * static_cast<size_t>(p.d.ld), number::FLOAT, sum);
    }
  }
}

// What a call has to return at once.
cublasStatus_t failure(const call &c) {
  return c.injected() != 0 ? static_cast<cublasStatus_t>(c.injected()) : CUBLAS_STATUS_SUCCESS;
}

template <typename Handle>
cublasStatus_t destroy(const call &c, const char *kind, Handle handle) {
  if (handle != nullptr) {
    forget(kind, handle);
  }
  return failure(c);
}

template <typename T>
cublasStatus_t set(T *to, const void *from, size_t size) {
  if (size != sizeof *to) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  std::memcpy(to, from, size);
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace

void standin::refuse_products(int compute, bool in_state) {
  refused[compute] = in_state;
}

void standin::refuse_no_products() {
  refused.clear();
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *out) {
  call c(__func__, true);
  if (failure(c) != CUBLAS_STATUS_SUCCESS || c.broken()) {
    return c.injected() != 0 ? failure(c) : CUBLAS_STATUS_NOT_INITIALIZED;
  }
  create(HANDLE, out, std::make_shared<context>(context{current_device()}));
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  call c(__func__, true);
  return destroy(c, HANDLE, handle);
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *out, cublasComputeType_t compute, cudaDataType_t scale) {
  call c(__func__, true);
  if (failure(c) != CUBLAS_STATUS_SUCCESS) {
    return failure(c);
  }
  if (scale != CUDA_R_32F || (compute != CUBLAS_COMPUTE_32F && compute != CUBLAS_COMPUTE_32F_PEDANTIC &&
                              compute != CUBLAS_COMPUTE_32F_FAST_TF32)) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  const auto op = std::make_shared<operation>();
  op->compute = compute;
  create(OPERATION, out, op);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t handle) {
  call c(__func__, true);
  return destroy(c, OPERATION, handle);
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t handle, cublasLtMatmulDescAttributes_t attribute,
                                              const void *from, size_t size) {
  call c(__func__, true);
  if (failure(c) != CUBLAS_STATUS_SUCCESS) {
    return failure(c);
  }
  if (attribute != CUBLASLT_MATMUL_DESC_TRANSA && attribute != CUBLASLT_MATMUL_DESC_TRANSB) {
    die("%s: attribute %d", c.function(), static_cast<int>(attribute));
  }
  return set(&get<operation>(OPERATION, handle)->transposed[attribute == CUBLASLT_MATMUL_DESC_TRANSB], from, size);
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *out, cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t ld) {
  call c(__func__, true);
  if (failure(c) != CUBLAS_STATUS_SUCCESS) {
    return failure(c);
  }
  if ((type != CUDA_R_32F && type != CUDA_R_16F) || rows == 0 || columns == 0 || ld < static_cast<int64_t>(rows)) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  create(LAYOUT, out, std::make_shared<layout>(layout{type, rows, columns, ld}));
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t handle,
                                                cublasLtMatrixLayoutAttribute_t attribute, const void *from,
                                                size_t size) {
  call c(__func__, true);
  if (failure(c) != CUBLAS_STATUS_SUCCESS) {
    return failure(c);
  }
  if (attribute != CUBLASLT_MATRIX_LAYOUT_COLS) {
    die("%s: attribute %d", c.function(), static_cast<int>(attribute));
  }
  return set(&get<layout>(LAYOUT, handle)->columns, from, size);
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t handle) {
  call c(__func__, true);
  return destroy(c, LAYOUT, handle);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *out) {
  call c(__func__, true);
  if (failure(c) == CUBLAS_STATUS_SUCCESS) {
    create(PREFERENCE, out, std::make_shared<preference>());
  }
  return failure(c);
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t handle) {
  call c(__func__, true);
  return destroy(c, PREFERENCE, handle);
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t handle,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void *from,
                                                    size_t size) {
  call c(__func__, true);
  if (failure(c) != CUBLAS_STATUS_SUCCESS) {
    return failure(c);
  }
  const auto p = get<preference>(PREFERENCE, handle);
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: return set(&p->max_workspace, from, size);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: return set(&p->reductions, from, size);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES: return set(&p->alignment[0], from, size);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES: return set(&p->alignment[1], from, size);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES: return set(&p->alignment[2], from, size);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: return set(&p->alignment[3], from, size);
    default: die("%s: attribute %d", c.function(), static_cast<int>(attribute));
  }
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t op,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c_layout, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference_handle, int requested,
                                              cublasLtMatmulHeuristicResult_t results[], int *n_results) {
  call c(__func__, true);
  get<context>(HANDLE, handle);
  const auto wanted = get<preference>(PREFERENCE, preference_handle);
  const product p = make_product(op, a, b, c_layout, d);
  *n_results = 0;
  if (failure(c) != CUBLAS_STATUS_SUCCESS || check(p) != CUBLAS_STATUS_SUCCESS || requested < 1) {
    return failure(c) != CUBLAS_STATUS_SUCCESS ? failure(c) : requested < 1 ? CUBLAS_STATUS_INVALID_VALUE : check(p);
  }
  const auto refusal = refused.find(p.op.compute);
  if (refusal != refused.end() && !refusal->second) {
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  algorithm algo = {MAGIC, kind_of(p), p.m(), p.n(), p.k(), 0, std::min<uint64_t>(WORKSPACE, wanted->max_workspace), 0};
  for (int i = 0; i < 4; i++) {
    algo.alignments |= static_cast<uint64_t>(__builtin_ctz(wanted->alignment[i])) << 8 * i;
  }
  results[0] = cublasLtMatmulHeuristicResult_t();
  std::memcpy(&results[0].algo, &algo, sizeof algo);
  results[0].workspaceSize = algo.workspace;
  results[0].wavesCount = 1;
  results[0].state = refusal == refused.end() ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
  if (results[0].state != CUBLAS_STATUS_SUCCESS) {
    std::memset(&results[0].algo, 0xff, sizeof results[0].algo);  // only the state says anything then
  }
  *n_results = 1;
  return CUBLAS_STATUS_SUCCESS;
}

// Without an algorithm the library chooses one for these very pointers and sizes.
cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t op, const void *alpha_at, const void *a,
                              cublasLtMatrixLayout_t a_layout, const void *b, cublasLtMatrixLayout_t b_layout,
                              const void *beta_at, const void *c_matrix, cublasLtMatrixLayout_t c_layout, void *d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *chosen, void *workspace,
                              size_t workspace_bytes, cudaStream_t stream_handle) {
  call c(__func__, true);
  const auto on = get<context>(HANDLE, handle)->on;
  const auto s = get_stream(c.function(), stream_handle);
  const product p = make_product(op, a_layout, b_layout, c_layout, d_layout);
  if (failure(c) != CUBLAS_STATUS_SUCCESS || on->sticky != cudaSuccess || check(p) != CUBLAS_STATUS_SUCCESS) {
    return c.injected() != 0 ? failure(c) : on->sticky != cudaSuccess ? CUBLAS_STATUS_EXECUTION_FAILED : check(p);
  }
  const void *const pointers[4] = {a, b, c_matrix, d};
  algorithm algo = {};
  if (chosen != nullptr) {
    std::memcpy(&algo, chosen, sizeof algo);
    if (!fits(algo, p, pointers) || workspace_bytes < algo.workspace) {
      return CUBLAS_STATUS_INVALID_VALUE;
    }
  }
  if (on != s->on || on != current_device()) {
    die("%s: the handle, the stream and the host thread are not of one device", c.function());
  }
  const float alpha = *static_cast<const float *>(alpha_at);
  const float beta = *static_cast<const float *>(beta_at);
  require_device(c.function(), "A", a, bytes(p.a), on.get());
  require_device(c.function(), "B", b, bytes(p.b), on.get());
  require_device(c.function(), "C", c_matrix, bytes(p.c), on.get());
  require_device(c.function(), "D", d, bytes(p.d), on.get());
  require_device(c.function(), "workspace", workspace, workspace_bytes, on.get());
  submit(s, [=] {
    if (algo.workspace > 0) {
      std::memset(workspace, 0xff, algo.workspace);
    }
    multiply(p, alpha, a, b, beta, c_matrix, d);
  });
  return CUBLAS_STATUS_SUCCESS;
}

const char *cublasLtGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS: return "success";
    case CUBLAS_STATUS_NOT_INITIALIZED: return "the library was not initialized";
    case CUBLAS_STATUS_ALLOC_FAILED: return "the resource allocation failed";
    case CUBLAS_STATUS_INVALID_VALUE: return "an unsupported value or parameter was passed to the function";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "the functionality requested is not supported";
    case CUBLAS_STATUS_EXECUTION_FAILED: return "the GPU program failed to execute";
    default: return "unknown status";
  }
}
