// The kinds of persistent kernels under one name.
#include "persistent_launch.cuh"

int bki_k_kind_runs(bki_k_kind kind, int32_t hidden, const bki_k_gpu *gpu) {
  switch (kind) {
    case BKI_K_FP32: return bki_fp32_runs(hidden, gpu);
    case BKI_K_HALF: return bki_mma_runs(false, hidden, gpu);
    case BKI_K_SPLIT: return bki_mma_runs(true, hidden, gpu);
    case BKI_K_HALF_WG: return bki_wgmma_runs(hidden, gpu);
    default: return 0;
  }
}

int bki_k_spreads(bki_k_kind kind, int32_t hidden, const bki_k_load *load, const bki_k_gpu *gpu) {
  return kind == BKI_K_FP32 && bki_fp32_spreads(hidden, load, gpu);
}

static cudaError_t start(bki_k_kind kind, bool base, const bki_k_work *work, const bki_k_gpu *gpu,
                         cudaStream_t stream) {
  if (!bki_k_kind_runs(kind, work->hidden, gpu)) {
    return cudaErrorInvalidValue;
  }
  switch (kind) {
    case BKI_K_FP32: return bki_fp32_start(base, work, gpu, stream);
    case BKI_K_HALF: return bki_mma_start(false, base, work, gpu, stream);
    case BKI_K_SPLIT: return bki_mma_start(true, base, work, gpu, stream);
    case BKI_K_HALF_WG: return bki_wgmma_start(base, work, gpu, stream);
    default: return cudaErrorInvalidValue;
  }
}

cudaError_t bki_k_base(bki_k_kind kind, const bki_k_work *work, const bki_k_gpu *gpu, cudaStream_t stream) {
  return start(kind, true, work, gpu, stream);
}

cudaError_t bki_k_scan(bki_k_kind kind, const bki_k_work *work, const bki_k_gpu *gpu, cudaStream_t stream) {
  return start(kind, false, work, gpu, stream);
}
