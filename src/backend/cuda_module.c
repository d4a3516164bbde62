#include "cuda_module.h"

#include <stdio.h>
#include <stdlib.h>

#include <bki/version.h>

#include "array.h"
#include "cuda.h"
#include "cuda_learner.h"

/* -1 where the device cannot be asked: it may be busy exclusively. */
static int64_t free_memory(int32_t ordinal) {
  size_t free_bytes;
  size_t total_bytes;
  if (cudaSetDevice(ordinal) != cudaSuccess || cudaMemGetInfo(&free_bytes, &total_bytes) != cudaSuccess) {
    (void)cudaGetLastError();
    return -1;
  }
  return (int64_t)free_bytes;
}

static bki_status describe(bki_device *out, int ordinal, bki_error *err) {
  bki_cuda_device device = {.ordinal = ordinal, .name = "not opened"};
  struct cudaDeviceProp properties;
  int driver;
  int runtime;
  BKI_CUDA(&device, err, cudaGetDeviceProperties(&properties, ordinal));
  BKI_CUDA(&device, err, cudaDriverGetVersion(&driver));
  BKI_CUDA(&device, err, cudaRuntimeGetVersion(&runtime));
  *out = (bki_device){.ordinal = ordinal,
                      .major = properties.major,
                      .minor = properties.minor,
                      .multiprocessors = properties.multiProcessorCount,
                      .total_bytes = (int64_t)properties.totalGlobalMem,
                      .free_bytes = -1,
                      .driver_version = driver,
                      .runtime_version = runtime};
  snprintf(out->name, sizeof out->name, "%s", properties.name);
  return BKI_OK;
}

static bki_status list_devices(bki_device **out, size_t *n, bki_error *err) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count == 0) {
    (void)cudaGetLastError();
    const cudaError_t reason = status == cudaSuccess ? cudaErrorNoDevice : status;
    return bki_fail(err, BKI_E_DEVICE, "cudaGetDeviceCount: %s (%s)", cudaGetErrorString(reason),
                    cudaGetErrorName(reason));
  }
  bki_device *devices = bki_array_create((size_t)count, sizeof *devices);
  bki_status result = devices == NULL ? bki_fail_memory(err) : BKI_OK;
  for (int i = 0; result == BKI_OK && i < count; i++) {
    result = describe(&devices[i], i, err);
  }
  if (result != BKI_OK) {
    free(devices);
    return result;
  }
  *out = devices;
  *n = (size_t)count;
  return BKI_OK;
}

BKI_API const bki_cuda_module *bki_cuda_module_get(void) {
  static const bki_cuda_module module = {.version = BKI_VERSION_STRING,
                                         .backend = &bki_backend_cuda,
                                         .learner = &bki_learner_cuda,
                                         .list_devices = list_devices,
                                         .free_memory = free_memory};
  return &module;
}
