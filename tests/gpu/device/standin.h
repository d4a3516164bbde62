/* In the place of the stand-in's header where the tests run on a GPU with the libraries themselves: there is nothing to
 * set and nothing to look into, and without a GPU every test is skipped. */
#ifndef BKI_TESTS_STANDIN_H
#define BKI_TESTS_STANDIN_H

#include <stddef.h>

#include <criterion/criterion.h>
#include <cuda_runtime_api.h>

typedef enum standin_schedule { STANDIN_LATE, STANDIN_EARLY } standin_schedule;

static inline void standin_reset(int n_devices, size_t memory_bytes) {
  (void)n_devices;
  (void)memory_bytes;
}
static inline void standin_set_schedule(standin_schedule schedule) {
  (void)schedule;
}
static inline int standin_is_device(void) {
  return 1;
}
static inline int standin_leaks(void) {
  return 0;
}

/* Init of a test suite. */
static inline void standin_begin(void) {
  int n = 0;
  const cudaError_t status = cudaGetDeviceCount(&n);
  if (status != cudaSuccess || n == 0) {
    cr_skip_test("no GPU: %s", cudaGetErrorString(status != cudaSuccess ? status : cudaErrorNoDevice));
  }
}

#endif
