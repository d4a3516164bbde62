// PTX that the persistent kernels use, behind functions. For the host, tests/gpu/simt/ptx.h has the same functions,
// written after the layouts of the PTX ISA. What an architecture lacks is either a plain copy (cp.async before sm_80)
// or left out together with the kernel that asks for it.
#ifndef BKI_KERNELS_PTX_CUH
#define BKI_KERNELS_PTX_CUH

#include "launch.cuh"

#ifdef BKI_SIMT
#include "simt_ptx.h"
#else

#define BKI_PTX __device__ static __forceinline__

// Special functions of one instruction; relative errors of about 2^-22 (ex2), 2^-23 (rcp), 2^-16 (tanh).
BKI_PTX float bki_ptx_ex2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
BKI_PTX float bki_ptx_rcp(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
BKI_PTX float bki_ptx_tanh(float x) {
  float y;
  asm("tanh.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

BKI_PTX uint32_t bki_ptx_shared_address(const void *shared) {
  return (uint32_t)__cvta_generic_to_shared(shared);
}

// 16 bytes from global to shared memory, there after bki_ptx_copies_wait and a barrier.
BKI_PTX void bki_ptx_copy16(void *shared, const void *global) {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(bki_ptx_shared_address(shared)), "l"(global)
               : "memory");
#else
  *(uint4 *)shared = *(const uint4 *)global;
#endif
}
// Waits for this thread's copies.
BKI_PTX void bki_ptx_copies_wait() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}

#endif

#endif
