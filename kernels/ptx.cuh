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

// Adds 1 to a number in global memory, below 2^32 - 2; what was there. Of plain additions ptxas makes one for all lanes
// and a shuffle, which waits for it at once; this is waited for where it is used.
BKI_PTX uint32_t bki_ptx_take(uint32_t *counter) {
  uint32_t before;
  asm volatile("atom.global.inc.u32 %0, [%1], 0xfffffffe;" : "=r"(before) : "l"(counter) : "memory");
  return before;
}

// Brings the 128 bytes around an address of global memory into L2; nobody waits.
BKI_PTX void bki_ptx_prefetch(const void *global) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(global));
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

// Barriers in shared memory and bulk copies: of sm_90, and nothing elsewhere.
#if __CUDA_ARCH__ >= 900
#define BKI_PTX_90 1
#else
#define BKI_PTX_90 0
#endif

// A barrier in shared memory that `count` threads and the bytes they announced arrive at.
BKI_PTX void bki_ptx_barrier_init(uint64_t *barrier, uint32_t count) {
#if BKI_PTX_90
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(bki_ptx_shared_address(barrier)), "r"(count) : "memory");
#endif
}

// After the barriers of a block are made: copies of the hardware see them.
BKI_PTX void bki_ptx_barrier_init_fence() {
#if BKI_PTX_90
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#endif
}
BKI_PTX void bki_ptx_barrier_arrive_expect(uint64_t *barrier, uint32_t bytes) {
#if BKI_PTX_90
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(bki_ptx_shared_address(barrier)),
               "r"(bytes)
               : "memory");
#endif
}
// Waits for the end of the phase of this parity; the first phase has parity 0.
BKI_PTX void bki_ptx_barrier_wait(uint64_t *barrier, uint32_t parity) {
#if BKI_PTX_90
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again_%=:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again_%=;\n"
      "}" ::"r"(bki_ptx_shared_address(barrier)),
      "r"(parity)
      : "memory");
#endif
}
// Bytes, a multiple of 16, from global to shared memory, which arrive at the barrier.
BKI_PTX void bki_ptx_bulk_copy(void *shared, const void *global, uint32_t bytes, uint64_t *barrier) {
#if BKI_PTX_90
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
                   bki_ptx_shared_address(shared)),
               "l"(global), "r"(bytes), "r"(bki_ptx_shared_address(barrier))
               : "memory");
#endif
}
// Between a thread's stores to shared memory and what reads it without being a thread: wgmma, bulk copies.
BKI_PTX void bki_ptx_fence_async() {
#if BKI_PTX_90
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

// Named barrier ID, 1 .. 15, for `threads` of the block: some wait at it, the others only say that they have been.
template <int ID>
BKI_PTX void bki_ptx_named_wait(int threads) {
  asm volatile("bar.sync %0, %1;" ::"n"(ID), "r"(threads) : "memory");
}
template <int ID>
BKI_PTX void bki_ptx_named_arrive(int threads) {
  asm volatile("bar.arrive %0, %1;" ::"n"(ID), "r"(threads) : "memory");
}

// wgmma, of sm_90a alone. It reads `a` and adds to `d` while the threads go on: neither is to be touched from the
// fence, before the first product of a group, to the wait. Both name them, so that no use of them moves in between.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define BKI_PTX_WGMMA 1
#else
#define BKI_PTX_WGMMA 0
#endif
template <int N>
BKI_PTX void bki_ptx_wgmma_fence(uint32_t (&a)[N]) {
#if BKI_PTX_WGMMA
#pragma unroll
  for (int i = 0; i < N; i++) {
    asm volatile("" : "+r"(a[i])::"memory");
  }
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#else
  __trap();
#endif
}
// Ends the group of products, and waits for all groups.
template <int N>
BKI_PTX void bki_ptx_wgmma_wait(float (&d)[64], uint32_t (&a)[N]) {
#if BKI_PTX_WGMMA
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
  asm volatile("wgmma.wait_group.sync.aligned 0;"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
                 "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
                 "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]),
                 "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]),
                 "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]),
                 "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]),
                 "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]),
                 "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63])
               :
               : "memory");
#pragma unroll
  for (int i = 0; i < N; i++) {
    asm volatile("" : "+r"(a[i])::"memory");
  }
#endif
}
// d [64, 128] = a [64, 16] b [16, 128], added to d where `add` is not 0: halves, sums in fp32; of a warpgroup, 16 rows
// a warp. b is in shared memory as the descriptor says.
BKI_PTX void bki_ptx_wgmma(float (&d)[64], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint64_t b, int add) {
#if BKI_PTX_WGMMA
  asm volatile(
      "{\n"
      ".reg .pred add;\n"
      "setp.ne.b32 add, %69, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      " %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      " %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      " %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
      "{%64, %65, %66, %67}, %68, add, 1, 1, 0;\n"
      "}"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]),
        "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]),
        "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]),
        "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]), "+f"(d[32]),
        "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]), "+f"(d[40]),
        "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]), "+f"(d[48]),
        "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]), "+f"(d[56]),
        "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(b), "r"(add));
#endif
}

#endif

#endif
