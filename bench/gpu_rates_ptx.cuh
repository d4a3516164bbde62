// PTX that only bench_gpu_rates uses, as kernels/ptx.cuh has the rest.
#ifndef BKI_BENCH_GPU_RATES_PTX_CUH
#define BKI_BENCH_GPU_RATES_PTX_CUH

#include "gpu_rates.h"
#include "ptx.cuh"

#ifdef BKI_SIMT

// A clock of 2 GHz that is read every 1000 cycles, but every fifth time after 10,000.
inline bki_rate_span bki_ptx_clocks() {
  static uint64_t n_reads = 0, cycles = 0;
  cycles += ++n_reads % 5 == 0 ? 10000 : 1000;
  return {cycles, cycles / 2};
}
inline float4 bki_ptx_load16(const void *shared) {
  return *static_cast<const float4 *>(shared);
}

#else

// Cycles of this multiprocessor, and nanoseconds.
BKI_PTX bki_rate_span bki_ptx_clocks() {
  bki_rate_span now;
  asm volatile("mov.u64 %0, %%clock64;" : "=l"(now.cycles)::"memory");
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now.ns)::"memory");
  return now;
}
// 16 bytes of shared memory, read each time they are asked for.
BKI_PTX float4 bki_ptx_load16(const void *shared) {
  float4 v;
  asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
               : "r"(bki_ptx_shared_address(shared)));
  return v;
}

#endif

#endif
