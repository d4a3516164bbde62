// The stand-in for libcudart: memory, lazy streams, devices and failures.
#include <criterion/criterion.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "launch.cuh"
#include "standin.h"

#define OK(call) cr_assert_eq(call, cudaSuccess)

namespace {

enum { N = 256 };
constexpr size_t BYTES = N * sizeof(float);

struct fixture {
  cudaStream_t stream[2];
  float *device, *host;  // [N], pinned
};

fixture open() {
  fixture f;
  for (cudaStream_t &s : f.stream) {
    OK(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
  }
  OK(cudaMalloc(reinterpret_cast<void **>(&f.device), BYTES));
  OK(cudaMallocHost(reinterpret_cast<void **>(&f.host), BYTES));
  return f;
}

// Leaves nothing: that is asserted.
void close(const fixture &f) {
  cudaFree(f.device);
  cudaFreeHost(f.host);
  for (cudaStream_t s : f.stream) {
    cudaStreamDestroy(s);
  }
  cr_assert_eq(standin_leaks(), 0);
}

__global__ void add_one(float *x) {
  x[threadIdx.x] += 1;
}

cudaError_t launch_add_one(const fixture &f, cudaStream_t stream) {
  BKI_LAUNCH(add_one, 1, N, 0, stream, f.device);
  return cudaGetLastError();
}

TestSuite(standin);

Test(standin, device_memory_begins_as_nan) {
  const fixture f = open();
  OK(cudaMemcpyAsync(f.host, f.device, BYTES, cudaMemcpyDeviceToHost, f.stream[0]));
  OK(cudaStreamSynchronize(f.stream[0]));
  for (int i = 0; i < N; i++) {
    cr_assert(std::isnan(f.host[i]));
  }
  close(f);
}

Test(standin, nothing_runs_before_a_synchronisation) {
  const fixture f = open();
  OK(cudaMemsetAsync(f.device, 0, BYTES, f.stream[0]));
  OK(launch_add_one(f, f.stream[0]));
  OK(cudaMemcpyAsync(f.host, f.device, BYTES, cudaMemcpyDeviceToHost, f.stream[0]));
  cr_assert(std::isnan(f.host[3]));
  OK(cudaStreamSynchronize(f.stream[1]));
  cr_assert(std::isnan(f.host[3]));
  OK(cudaStreamSynchronize(f.stream[0]));
  cr_assert_eq(f.host[3], 1.0f);
  close(f);
}

Test(standin, the_early_schedule_runs_at_once) {
  const fixture f = open();
  standin_set_schedule(STANDIN_EARLY);
  OK(cudaMemsetAsync(f.device, 0, BYTES, f.stream[0]));
  OK(cudaMemcpyAsync(f.host, f.device, BYTES, cudaMemcpyDeviceToHost, f.stream[0]));
  cr_assert_eq(f.host[3], 0.0f);
  close(f);
}

Test(standin, host_memory_is_read_when_the_copy_runs) {
  const fixture f = open();
  f.host[0] = 1;
  OK(cudaMemcpyAsync(f.device, f.host, BYTES, cudaMemcpyHostToDevice, f.stream[0]));
  f.host[0] = 2;
  OK(cudaStreamSynchronize(f.stream[0]));
  cr_assert_eq(f.device[0], 2.0f);
  close(f);
}

// What the second stream reads, with and without the event that it should wait for.
float read_after_event(bool wait) {
  const fixture f = open();
  cudaEvent_t ready;
  OK(cudaEventCreateWithFlags(&ready, cudaEventDisableTiming));
  OK(cudaMemsetAsync(f.device, 0, BYTES, f.stream[0]));
  OK(cudaEventRecord(ready, f.stream[0]));
  OK(launch_add_one(f, f.stream[0]));  // behind the event: not awaited
  if (wait) {
    OK(cudaStreamWaitEvent(f.stream[1], ready, 0));
  }
  OK(cudaMemcpyAsync(f.host, f.device, BYTES, cudaMemcpyDeviceToHost, f.stream[1]));
  OK(cudaStreamSynchronize(f.stream[1]));
  const float seen = f.host[5];
  OK(cudaEventDestroy(ready));
  close(f);
  return seen;
}

Test(standin, a_stream_that_waits_for_an_event_sees_what_was_before_it_and_no_more) {
  cr_assert_eq(read_after_event(true), 0.0f);
}

Test(standin, a_stream_that_does_not_wait_sees_nothing) {
  cr_assert(std::isnan(read_after_event(false)));
}

Test(standin, an_event_recorded_again_is_its_last_record) {
  const fixture f = open();
  cudaEvent_t e;
  OK(cudaEventCreateWithFlags(&e, 0));
  OK(cudaEventSynchronize(e));  // never recorded: nothing to wait for
  OK(cudaMemsetAsync(f.device, 0, BYTES, f.stream[0]));
  OK(cudaEventRecord(e, f.stream[0]));
  OK(launch_add_one(f, f.stream[0]));
  OK(cudaEventRecord(e, f.stream[0]));
  float ms = -1;
  cr_assert_eq(cudaEventElapsedTime(&ms, e, e), cudaErrorNotReady);
  OK(cudaEventSynchronize(e));
  cr_assert_eq(f.device[0], 1.0f);
  OK(cudaEventElapsedTime(&ms, e, e));
  cr_assert_eq(ms, 0.0f);
  OK(cudaEventDestroy(e));
  close(f);
}

Test(standin, freeing_and_destroying_run_what_is_pending) {
  const fixture f = open();
  OK(cudaMemsetAsync(f.device, 0, BYTES, f.stream[0]));
  OK(cudaMemcpyAsync(f.host, f.device, BYTES, cudaMemcpyDeviceToHost, f.stream[0]));
  OK(cudaStreamDestroy(f.stream[0]));
  cr_assert_eq(f.host[0], 0.0f);
  OK(cudaMemsetAsync(f.device, 0, BYTES, f.stream[1]));
  OK(cudaFree(f.device));
  OK(cudaFreeHost(f.host));
  OK(cudaStreamDestroy(f.stream[1]));
  cr_assert_eq(standin_leaks(), 0);
}

Test(standin, a_pageable_copy_aborts, .signal = SIGABRT) {
  const fixture f = open();
  float pageable[N];
  cudaMemcpyAsync(&pageable[0], f.device, BYTES, cudaMemcpyDeviceToHost, f.stream[0]);
}

Test(standin, a_copy_beyond_its_memory_aborts, .signal = SIGABRT) {
  const fixture f = open();
  cudaMemcpyAsync(f.host, f.device + 1, BYTES, cudaMemcpyDeviceToHost, f.stream[0]);
}

Test(standin, the_default_stream_aborts, .signal = SIGABRT) {
  const fixture f = open();
  cudaMemsetAsync(f.device, 0, BYTES, nullptr);
}

Test(standin, a_destroyed_stream_aborts, .signal = SIGABRT) {
  const fixture f = open();
  cudaStreamDestroy(f.stream[0]);
  cudaStreamSynchronize(f.stream[0]);
}

#ifndef __SANITIZE_ADDRESS__  // which finds it itself, and ends in another way
__global__ void write_at(float *x, int i) {
  x[i] = 1;
}

Test(standin, a_write_out_of_bounds_aborts_when_memory_is_freed, .signal = SIGABRT) {
  const fixture f = open();
  BKI_LAUNCH(write_at, 1, 1, 0, f.stream[0], f.device, N);
  cudaFree(f.device);
}
#endif

Test(standin, memory_runs_out_and_comes_back) {
  standin_reset(1, 1000);
  void *a, *b;
  size_t left, total;
  OK(cudaMalloc(&a, 600));
  OK(cudaMemGetInfo(&left, &total));
  cr_assert_eq(left, 400);
  cr_assert_eq(total, 1000);
  cr_assert_eq(cudaMalloc(&b, 401), cudaErrorMemoryAllocation);
  cr_assert_eq(cudaGetLastError(), cudaErrorMemoryAllocation);
  OK(cudaGetLastError());
  OK(cudaFree(a));
  OK(cudaMalloc(&b, 500));
  cr_assert_eq(standin_peak_memory(), 600);
  cr_assert_eq(standin_leaks(), 1);
  OK(cudaFree(b));
  cr_assert_eq(standin_leaks(), 0);
}

Test(standin, leaks_of_every_kind_are_counted) {
  const fixture f = open();
  cudaEvent_t e;
  OK(cudaEventCreateWithFlags(&e, 0));
  cr_assert_eq(standin_leaks(), 5);
  OK(cudaEventDestroy(e));
  close(f);
}

Test(standin, the_nth_call_fails_and_the_next_succeeds) {
  void *p[3];
  standin_fail("cudaMalloc", 2, cudaErrorMemoryAllocation);
  OK(cudaMalloc(&p[0], 8));
  cr_assert_eq(cudaMalloc(&p[1], 8), cudaErrorMemoryAllocation);
  cr_assert_eq(cudaPeekAtLastError(), cudaErrorMemoryAllocation);
  OK(cudaMalloc(&p[2], 8));
  cr_assert_eq(cudaGetLastError(), cudaErrorMemoryAllocation);
  cr_assert_eq(standin_calls("cudaMalloc"), 3);
  OK(cudaFree(p[0]));
  OK(cudaFree(p[2]));
}

Test(standin, a_launch_that_cannot_start_is_told_at_once) {
  const fixture f = open();
  standin_fail("launch", 1, cudaErrorLaunchOutOfResources);
  cr_assert_eq(launch_add_one(f, f.stream[0]), cudaErrorLaunchOutOfResources);
  OK(launch_add_one(f, f.stream[0]));
  OK(cudaStreamSynchronize(f.stream[0]));
  cr_assert_eq(standin_calls("launch"), 2);
  close(f);
}

Test(standin, a_failed_kernel_is_told_by_the_synchronisation_and_stays) {
  const fixture f = open();
  standin_fail("launch", 1, cudaErrorLaunchFailure);
  OK(launch_add_one(f, f.stream[0]));
  OK(cudaMemsetAsync(f.device, 0, BYTES, f.stream[0]));
  cr_assert_eq(cudaStreamSynchronize(f.stream[0]), cudaErrorLaunchFailure);
  cr_assert_eq(cudaGetLastError(), cudaErrorLaunchFailure);
  cr_assert_eq(cudaGetLastError(), cudaErrorLaunchFailure);
  void *p;
  cr_assert_eq(cudaMalloc(&p, 8), cudaErrorLaunchFailure);
  cr_assert_eq(cudaMemsetAsync(f.device, 0, BYTES, f.stream[1]), cudaErrorLaunchFailure);
  cr_assert(std::isnan(f.device[0]));  // what came behind it did not run
  close(f);                            // what frees does so, and says the error
  standin_reset(1, 0);
  OK(cudaMalloc(&p, 8));
  OK(cudaFree(p));
}

Test(standin, a_device_that_is_lost_does_not_take_the_others_with_it) {
  standin_reset(2, 0);
  void *p;
  OK(cudaSetDevice(1));
  standin_fail("cudaMemGetInfo", 1, cudaErrorUnknown);
  size_t left, total;
  cr_assert_eq(cudaMemGetInfo(&left, &total), cudaErrorUnknown);
  cr_assert_eq(cudaMalloc(&p, 8), cudaErrorUnknown);
  OK(cudaSetDevice(0));
  OK(cudaMemGetInfo(&left, &total));
  cr_assert_eq(cudaGetLastError(), cudaErrorUnknown);  // remembered by the host thread, once
  OK(cudaGetLastError());
}

Test(standin, devices_are_counted_as_the_driver_does) {
  int n = -1;
  standin_reset(3, 0);
  OK(cudaGetDeviceCount(&n));
  cr_assert_eq(n, 3);
  cr_assert_eq(cudaSetDevice(3), cudaErrorInvalidDevice);
  standin_reset(0, 0);
  cr_assert_eq(cudaGetDeviceCount(&n), cudaErrorNoDevice);
  cr_assert_eq(cudaSetDevice(0), cudaErrorNoDevice);
  standin_reset(STANDIN_OLD_DRIVER, 0);
  cr_assert_eq(cudaGetDeviceCount(&n), cudaErrorInsufficientDriver);
  int driver, runtime;
  OK(cudaDriverGetVersion(&driver));
  OK(cudaRuntimeGetVersion(&runtime));
  cr_assert_lt(driver, runtime);
}

// How many devices are visible, and the name of the first.
int visible(const char *list, char name[256]) {
  setenv("CUDA_VISIBLE_DEVICES", list, 1);
  standin_reset(4, 0);
  int n = -1;
  cudaGetDeviceCount(&n);
  cudaDeviceProp properties;
  if (n > 0) {
    OK(cudaGetDeviceProperties(&properties, 0));
    std::memcpy(name, properties.name, 256);
  }
  return n;
}

Test(standin, cuda_visible_devices_chooses) {
  char name[256];
  cr_assert_eq(visible("2,0", name), 2);
  cr_assert_str_eq(name, "stand-in 2");
  cr_assert_eq(visible("3,9,1", name), 1);
  cr_assert_eq(visible("", name), 0);
  cr_assert_eq(visible("-1", name), 0);
  unsetenv("CUDA_VISIBLE_DEVICES");
}

Test(standin, memory_of_another_device_aborts, .signal = SIGABRT) {
  standin_reset(2, 0);
  const fixture f = open();
  cudaStream_t other;
  OK(cudaSetDevice(1));
  OK(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
  cudaMemsetAsync(f.device, 0, BYTES, other);
}

Test(standin, a_launch_on_another_devices_stream_is_refused) {
  standin_reset(2, 0);
  const fixture f = open();
  OK(cudaSetDevice(1));
  cr_assert_eq(launch_add_one(f, f.stream[0]), cudaErrorInvalidResourceHandle);
  OK(cudaSetDevice(0));
  close(f);
}

void work_on(int number, float *out) {
  cudaSetDevice(number);
  const fixture f = open();
  for (int i = 0; i < 50; i++) {
    OK(cudaMemsetAsync(f.device, 0, BYTES, f.stream[0]));
    OK(launch_add_one(f, f.stream[0]));
    OK(cudaMemcpyAsync(f.host, f.device, BYTES, cudaMemcpyDeviceToHost, f.stream[0]));
    OK(cudaStreamSynchronize(f.stream[0]));
    *out += f.host[i];
  }
  cudaFree(f.device);
  cudaFreeHost(f.host);
  cudaStreamDestroy(f.stream[0]);
  cudaStreamDestroy(f.stream[1]);
}

Test(standin, host_threads_drive_a_device_each) {
  standin_reset(3, 0);
  float out[3] = {0, 0, 0};
  std::thread threads[3];
  for (int i = 0; i < 3; i++) {
    threads[i] = std::thread(work_on, i, &out[i]);
  }
  for (int i = 0; i < 3; i++) {
    threads[i].join();
    cr_assert_eq(out[i], 50.0f);
  }
  cr_assert_eq(standin_leaks(), 0);
}

}  // namespace
