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
// Ends a group of this thread's copies, and waits for all groups but the last one.
BKI_PTX void bki_ptx_copies_end_group() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
BKI_PTX void bki_ptx_copies_wait_but_last() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group 1;" ::: "memory");
#endif
}
// Waits for all copies of this thread.
BKI_PTX void bki_ptx_copies_wait() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}

// Two halves in a register, the first in the low one; rounded to nearest even.
BKI_PTX uint32_t bki_ptx_pack_halves(float low, float high) {
  const __half2 both = __floats2half2_rn(low, high);
  return *(const uint32_t *)&both;
}
BKI_PTX float2 bki_ptx_unpack_halves(uint32_t both) {
  return __half22float2(*(const __half2 *)&both);
}

// Four 8 x 8 matrices of halves: lane l gives the address of 16 bytes, row l % 8 of matrix l / 8.
BKI_PTX void bki_ptx_load_matrices(uint32_t (&a)[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3])
               : "r"(bki_ptx_shared_address(row))
               : "memory");
}

// d [16, 8] += a [16, 16] b [16, 8], halves with sums in fp32. From sm_80.
BKI_PTX void bki_ptx_mma(float *d, const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
      "%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
  __trap();
#endif
}

#endif

#endif
