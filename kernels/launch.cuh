// How kernels are written and launched, so that they compile with nvcc for a device, and with g++ and -DBKI_SIMT for
// the host, where the shim of tests/gpu/simt runs them.
//
// Kernels are `__global__ static`. A kernel whose template arguments hold a comma is given in parentheses.
#ifndef BKI_KERNELS_LAUNCH_CUH
#define BKI_KERNELS_LAUNCH_CUH

#ifdef BKI_SIMT
#include "simt.h"
#else
#include <cuda_fp16.h>
#include <cuda_runtime.h>

// BKI_LAUNCH(kernel, grid, block, shared_bytes, stream, arguments...): a failure is left for cudaGetLastError().
#define BKI_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
  kernel<<<(grid), (block), (shared_bytes), (stream)>>>(__VA_ARGS__)

// Declares `type *name`, the launch's shared_bytes, aligned to 1024. Once in a kernel.
#define BKI_DYNAMIC_SHARED(type, name)                                  \
  extern __shared__ __align__(1024) unsigned char bki_dynamic_shared[]; \
  type *const name = reinterpret_cast<type *>(bki_dynamic_shared)
#endif

#endif
