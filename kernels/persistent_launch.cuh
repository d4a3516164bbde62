// How the kinds of persistent kernels are started; persistent.cu chooses among them.
#ifndef BKI_KERNELS_PERSISTENT_LAUNCH_CUH
#define BKI_KERNELS_PERSISTENT_LAUNCH_CUH

#include <type_traits>

#include "launch.cuh"
#include "persistent_index.h"

int bki_fp32_runs(int32_t hidden, const bki_k_gpu *gpu);
int bki_fp32_spreads(int32_t hidden, const bki_k_load *load, const bki_k_gpu *gpu);
cudaError_t bki_fp32_start(bool base, const bki_k_work *work, const bki_k_gpu *gpu, cudaStream_t stream);

int bki_mma_runs(bool split, int32_t hidden, const bki_k_gpu *gpu);
cudaError_t bki_mma_start(bool split, bool base, const bki_k_work *work, const bki_k_gpu *gpu, cudaStream_t stream);

int bki_wgmma_runs(int32_t hidden, const bki_k_gpu *gpu);
cudaError_t bki_wgmma_start(bool base, const bki_k_work *work, const bki_k_gpu *gpu, cudaStream_t stream);

// f of H as a type, for the hidden sizes that kernels are compiled for; `otherwise` for all others.
template <typename R, typename F>
static inline R bki_with_hidden(int32_t hidden, R otherwise, F f) {
  switch (hidden) {
    case 16: return f(std::integral_constant<int, 16>());
    case 32: return f(std::integral_constant<int, 32>());
    case 48: return f(std::integral_constant<int, 48>());
    case 64: return f(std::integral_constant<int, 64>());
    case 80: return f(std::integral_constant<int, 80>());
    case 96: return f(std::integral_constant<int, 96>());
    case 112: return f(std::integral_constant<int, 112>());
    case 128: return f(std::integral_constant<int, 128>());
    default: return otherwise;
  }
}

// Starts a kernel with as many blocks as the GPU runs at once, fewer where the work is less: `slots` pieces of work
// (items, or 8 texts) a block at a time. The queue begins at 0.
static inline cudaError_t bki_persistent_start(void (*kernel)(bki_k_work), bool base, const bki_k_work *work,
                                               const bki_k_gpu *gpu, unsigned threads, int slots, size_t shared_bytes,
                                               cudaStream_t stream) {
  int64_t most = 0;
  for (int dir = 0; dir < work->n_directions; dir++) {
    const bki_k_direction &d = work->direction[dir];
    const int64_t n = base ? bki_k_blocks(d.n_texts, BKI_K_ITEM_ROWS) : d.n_items;
    most = n > most ? n : most;
  }
  if (most == 0) {
    return cudaSuccess;
  }
  // Registers: up to 255 a thread. A block costs 1 KiB of shared memory beside its own.
  const int64_t by_registers = 65536 / (256 * (int64_t)threads);
  const int64_t by_shared = (gpu->shared_bytes + 1024) / ((int64_t)shared_bytes + 1024);
  const int64_t resident = (by_registers < by_shared ? by_registers : by_shared) * gpu->multiprocessors;
  const int64_t useful = bki_k_blocks(most, slots);
  const int64_t of_direction = resident / work->n_directions < 1 ? 1 : resident / work->n_directions;
  const int64_t grid = (useful < of_direction ? useful : of_direction) * work->n_directions;
  cudaError_t status =
      cudaFuncSetAttribute((const void *)kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared_bytes);
  status = status != cudaSuccess ? status : cudaMemsetAsync(work->queue, 0, 2 * sizeof *work->queue, stream);
  if (status != cudaSuccess) {
    return status;
  }
  BKI_LAUNCH(kernel, (unsigned)grid, threads, shared_bytes, stream, *work);
  return cudaGetLastError();
}

#endif
