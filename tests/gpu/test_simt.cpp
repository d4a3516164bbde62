// The SIMT machine by itself: kernels whose results are known.
#include <criterion/criterion.h>

#include <csignal>
#include <cstdlib>
#include <limits>
#include <vector>

#include "launch.cuh"
#include "ptx.cuh"
#include "standin.h"

namespace {

// Launches and waits; device memory is host memory here, and any memory will do.
template <typename K, typename... A>
void run(K kernel, dim3 grid, dim3 block, size_t shared_bytes, A... arguments) {
  cudaStream_t stream;
  cr_assert_eq(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  BKI_LAUNCH(kernel, grid, block, shared_bytes, stream, arguments...);
  cr_assert_eq(cudaGetLastError(), cudaSuccess);
  cr_assert_eq(cudaStreamSynchronize(stream), cudaSuccess);
  cudaStreamDestroy(stream);
}

__global__ void number(int *out) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  out[block * blockDim.x * blockDim.y * blockDim.z + thread]++;
}

Test(simt, every_thread_of_every_block_runs_once) {
  std::vector<int> out(3 * 2 * 2 * 5 * 4 * 3);
  run(number, dim3(3, 2, 2), dim3(5, 4, 3), 0, out.data());
  for (int n : out) {
    cr_assert_eq(n, 1);
  }
}

__global__ void reverse(int *x) {
  __shared__ int tile[64];
  tile[threadIdx.x] = x[blockIdx.x * 64 + threadIdx.x];
  __syncthreads();
  x[blockIdx.x * 64 + threadIdx.x] = tile[63 - threadIdx.x];
  __syncthreads();
}

Test(simt, a_barrier_orders_shared_memory) {
  std::vector<int> x(64 * 3);
  for (size_t i = 0; i < x.size(); i++) {
    x[i] = static_cast<int>(i);
  }
  run(reverse, 3, 64, 0, x.data());
  for (size_t i = 0; i < x.size(); i++) {
    cr_assert_eq(x[i], static_cast<int>(i / 64 * 64 + 63 - i % 64));
  }
}

// Without the barrier: what the neighbour writes is there in one order of the threads only.
__global__ void forgetful(float *out, int neighbour) {
  __shared__ float tile[32];
  tile[threadIdx.x] = 1;
  out[blockIdx.x * 32 + threadIdx.x] = tile[(threadIdx.x + static_cast<unsigned>(neighbour)) % 32];
}

Test(simt, a_missing_barrier_shows_whichever_way_it_reads) {
  for (int neighbour : {1, 31}) {
    std::vector<float> out(64);
    run(forgetful, 2, 32, 0, out.data(), neighbour);
    int unwritten = 0;
    for (float x : out) {
      unwritten += std::isnan(x);
    }
    cr_assert_gt(unwritten, 2);
  }
}

__global__ void sum_dynamic(float *out, int n) {
  BKI_DYNAMIC_SHARED(float, partial);
  if (threadIdx.x == 0) {
    out[1] = partial[0];
  }
  float sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < n; i += static_cast<int>(blockDim.x)) {
    sum += static_cast<float>(i);
  }
  partial[threadIdx.x] = sum;
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) {
      partial[threadIdx.x] += partial[threadIdx.x + half];
    }
  }
  if (threadIdx.x == 0) {
    out[0] = partial[0];
  }
}

Test(simt, dynamic_shared_memory_begins_as_nan_and_reduces) {
  float out[2] = {0, 0};
  run(sum_dynamic, 1, 128, 128 * sizeof(float), &out[0], 1000);
  cr_assert_eq(out[0], 499500.0f);
  cr_assert(std::isnan(out[1]));
}

__global__ void shuffles(int *out) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  int *mine = out + 6 * threadIdx.x;
  mine[0] = __shfl_xor_sync(0xffffffffu, lane, 5);
  mine[1] = __shfl_down_sync(0xffffffffu, lane, 4);
  mine[2] = __shfl_sync(0xffffffffu, lane, 7);
  mine[3] = static_cast<int>(__ballot_sync(0xffffffffu, lane % 3 == 0));
  mine[4] = __shfl_down_sync(0xffffffffu, lane, 2, 8);
  __syncwarp();
  mine[5] = static_cast<int>(__shfl_xor_sync(0xffffffffu, 0.5 + lane, 16));
}

Test(simt, warp_functions_give_what_the_lanes_bring) {
  std::vector<int> out(6 * 96);
  run(shuffles, 1, 96, 0, out.data());
  for (int i = 0; i < 96; i++) {
    const int lane = i % 32;
    cr_assert_eq(out[6 * i], lane ^ 5);
    cr_assert_eq(out[6 * i + 1], lane + 4 < 32 ? lane + 4 : lane);
    cr_assert_eq(out[6 * i + 2], 7);
    cr_assert_eq(out[6 * i + 3], 0x49249249);
    cr_assert_eq(out[6 * i + 4], lane % 8 < 6 ? lane + 2 : lane);
    cr_assert_eq(out[6 * i + 5], lane ^ 16);
  }
}

__global__ void halves(int *out) {
  const unsigned lane = threadIdx.x;
  if (lane < 16) {
    out[lane] = __shfl_xor_sync(0x0000ffffu, 1, 1);
  } else {
    out[lane] = __shfl_sync(0xffff0000u, static_cast<int>(lane), 20) + __shfl_sync(0xffff0000u, 0, 16);
  }
}

Test(simt, groups_of_lanes_with_masks_of_their_own_do_not_wait_for_each_other) {
  int out[32];
  run(halves, 1, 32, 0, &out[0]);
  cr_assert_eq(out[3], 1);
  cr_assert_eq(out[30], 20);
}

__global__ void early_exit(int *out) {
  if (threadIdx.x >= 40) {
    return;
  }
  __syncthreads();
  atomicAdd(out, __shfl_sync(0xffffffffu, 1, 0));
}

Test(simt, threads_that_returned_are_not_waited_for) {
  int out = 0;
  run(early_exit, 1, 64, 0, &out);
  cr_assert_eq(out, 40);
}

__global__ void divergent_barrier() {
  if (threadIdx.x < 16) {
    __syncthreads();
  } else {
    __syncwarp(0xffff0000u);
    __syncthreads();
  }
}
__global__ void lonely_lane() {
  if (threadIdx.x == 0) {
    __shfl_sync(0xffffffffu, 1, 0);
  } else {
    __syncthreads();
  }
}
__global__ void foreign_mask() {
  __syncwarp(0x0000ffffu);
}

Test(simt, a_barrier_in_divergent_code_aborts, .signal = SIGABRT) {
  run(divergent_barrier, 1, 32, 0);
}
Test(simt, a_shuffle_that_lanes_of_its_mask_do_not_reach_aborts, .signal = SIGABRT) {
  run(lonely_lane, 1, 32, 0);
}
Test(simt, a_lane_outside_its_mask_aborts, .signal = SIGABRT) {
  run(foreign_mask, 1, 32, 0);
}

// The second warp says that it was there, the first waits for it; then the other way round.
__global__ void take_turns(int *out) {
  const bool first = threadIdx.x < 32;
  if (!first) {
    out[threadIdx.x] = 1;
    bki_ptx_named_arrive<1>(64);
    bki_ptx_named_wait<2>(64);
    out[threadIdx.x] += 10 * out[threadIdx.x - 32];
  } else {
    bki_ptx_named_wait<1>(64);
    out[threadIdx.x] = out[threadIdx.x + 32] + 1;
    bki_ptx_named_arrive<2>(64);
  }
}

Test(simt, warps_take_turns_at_named_barriers) {
  std::vector<int> out(64);
  run(take_turns, 2, 64, 0, out.data());
  for (int i = 0; i < 32; i++) {
    cr_assert_eq(out[static_cast<size_t>(i)], 2);
    cr_assert_eq(out[static_cast<size_t>(i) + 32], 21);
  }
}

// A ring of two buffers that lane 0 fills: every lane sees what was sent for its phase.
__global__ void ring(int *out, const int *in, int n) {
  BKI_DYNAMIC_SHARED(int, memory);  // two buffers of 4, two barriers
  uint64_t *arrived = reinterpret_cast<uint64_t *>(memory + 8);
  if (threadIdx.x == 0) {
    bki_ptx_barrier_init(&arrived[0], 1);
    bki_ptx_barrier_init(&arrived[1], 1);
  }
  __syncthreads();
  for (int t = 0; t < n; t++) {
    if (threadIdx.x == 0) {
      bki_ptx_barrier_arrive_expect(&arrived[t % 2], 16);
      bki_ptx_bulk_copy(memory + t % 2 * 4, in + 4 * t, 16, &arrived[t % 2]);
    }
    bki_ptx_barrier_wait(&arrived[t % 2], static_cast<unsigned>(t) / 2 % 2);
    out[32 * t + static_cast<int>(threadIdx.x)] = memory[t % 2 * 4 + static_cast<int>(threadIdx.x) % 4];
    __syncwarp();
  }
}

Test(simt, bulk_copies_are_there_when_their_phase_ends) {
  std::vector<int> in(4 * 5), out(32 * 5);
  for (size_t i = 0; i < in.size(); i++) {
    in[i] = static_cast<int>(i);
  }
  run(ring, 2, 32, 48, out.data(), in.data(), 5);
  for (size_t i = 0; i < out.size(); i++) {
    cr_assert_eq(out[i], static_cast<int>(i / 32 * 4 + i % 4));
  }
}

__global__ void lonely_turn() {
  bki_ptx_named_wait<3>(64);
}
__global__ void turn_that_nobody_takes() {
  bki_ptx_named_arrive<3>(64);
}
__global__ void nothing_sent() {
  BKI_DYNAMIC_SHARED(uint64_t, arrived);
  bki_ptx_barrier_init(arrived, 1);
  bki_ptx_barrier_wait(arrived, 0);
}

Test(simt, a_named_barrier_that_too_few_reach_aborts, .signal = SIGABRT) {
  run(lonely_turn, 1, 32, 0);
}
Test(simt, a_named_barrier_that_is_left_half_full_aborts, .signal = SIGABRT) {
  run(turn_that_nobody_takes, 1, 32, 0);
}
Test(simt, waiting_for_a_copy_that_nobody_sends_aborts, .signal = SIGABRT) {
  run(nothing_sent, 1, 1, 8);
}

__global__ void atomics(int *i, unsigned *u, unsigned long long *l, float *f, int *largest) {
  atomicAdd(i, -1);
  atomicAdd(u, 2u);
  atomicAdd(l, 1ull << 33);
  atomicAdd(f, 0.5f);
  atomicMax(largest, static_cast<int>(threadIdx.x) % 50);
  atomicMax(u + 1, threadIdx.x);
}

Test(simt, atomics_count_every_thread) {
  int i = 0, largest = -1;
  unsigned u[2] = {0, 0};
  unsigned long long l = 0;
  float f = 0;
  run(atomics, 2, 100, 0, &i, &u[0], &l, &f, &largest);
  cr_assert_eq(i, -200);
  cr_assert_eq(u[0], 400);
  cr_assert_eq(u[1], 99);
  cr_assert_eq(l, 200ull << 33);
  cr_assert_eq(f, 100.0f);
  cr_assert_eq(largest, 49);
}

Test(simt, half_rounds_to_nearest_even) {
  const float tiny = std::ldexp(1.0f, -24);  // the smallest subnormal
  const float pairs[][2] = {
      {2049, 2048},  {2051, 2052},        {65519, 65504}, {65520, INFINITY}, {1.5f * tiny, 2 * tiny},
      {tiny / 2, 0}, {0.6f * tiny, tiny}, {-2049, -2048}};
  for (const auto &p : pairs) {
    cr_assert_eq(__half2float(__float2half_rn(p[0])), p[1], "%g", static_cast<double>(p[0]));
  }
  for (unsigned bits = 0; bits < 0x7c00; bits++) {  // every finite one comes back
    __half h;
    const unsigned short raw = static_cast<unsigned short>(bits);
    std::memcpy(static_cast<void *>(&h), &raw, sizeof h);
    const __half again = __float2half_rn(__half2float(h));
    cr_assert_eq(std::memcmp(&h, &again, sizeof h), 0);
  }
}

template <typename T, int N>
__global__ void fill(T *out, T value) {
  out[threadIdx.x] = value + T(N);
}

Test(simt, template_kernels_take_arguments_of_other_types) {
  float out[3];
  cudaStream_t stream;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  BKI_LAUNCH((fill<float, 2>), 1, 3, 0, stream, &out[0], 5);
  cudaStreamSynchronize(stream);
  cudaStreamDestroy(stream);
  cr_assert_eq(out[2], 7.0f);
}

Test(simt, a_launch_that_no_device_takes_is_an_error) {
  cudaStream_t stream;
  int *none = nullptr;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  const dim3 bad[][2] = {{0, 32}, {1, 1025}, {dim3(1, 65536), 32}, {1, 0}, {1, dim3(1, 1, 65)}};
  for (const auto &shape : bad) {
    BKI_LAUNCH(number, shape[0], shape[1], 0, stream, none);
    cr_assert_eq(cudaGetLastError(), cudaErrorInvalidConfiguration);
  }
  const auto kernel = reinterpret_cast<const void *>(&sum_dynamic);
  float out[2];
  BKI_LAUNCH(sum_dynamic, 1, 128, 100000, stream, &out[0], 10);
  cr_assert_neq(cudaGetLastError(), cudaSuccess);
  cr_assert_eq(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 100000), cudaSuccess);
  BKI_LAUNCH(sum_dynamic, 1, 128, 100000, stream, &out[0], 10);
  cr_assert_eq(cudaGetLastError(), cudaSuccess);
  cudaStreamSynchronize(stream);
  cr_assert_eq(out[0], 45.0f);
  cudaStreamDestroy(stream);
}

}  // namespace
