// Sums over the threads of a block, in an order that only the size of the block decides.
#ifndef BKI_KERNELS_REDUCE_CUH
#define BKI_KERNELS_REDUCE_CUH

#include "launch.cuh"

// The sum of what `threads` threads bring, for thread 0; sums [threads] is shared memory, threads a power of two and
// the whole block.
__device__ static inline double bki_sum_block(double *sums, double mine, unsigned threads) {
  sums[threadIdx.x] = mine;
  __syncthreads();
  for (unsigned left = threads / 2; left > 0; left /= 2) {
    if (threadIdx.x < left) {
      sums[threadIdx.x] += sums[threadIdx.x + left];
    }
    __syncthreads();
  }
  return sums[0];
}

#endif
