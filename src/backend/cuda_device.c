#include "cuda_device.h"

#include <stdio.h>
#include <string.h>

#include "array.h"

enum { STAGING_BYTES = 4 << 20 };

enum { WHY_SIZE = 256 };

static bki_status fail(bki_cuda_device *device, const char *call, const char *reason, const char *name,
                       bki_error *err) {
  const int length = (int)strcspn(call, "(");
  return bki_fail(err, BKI_E_DEVICE, "GPU %d (%s): %.*s: %s (%s)", device->ordinal, device->name, length, call, reason,
                  name);
}

/* Text of a library as part of a line. */
static void make_line(char *text) {
  size_t n = 0;
  for (const char *c = text; *c != '\0'; c++) {
    const bool printable = *c > ' ' && *c < 0x7f;
    if (printable || (n > 0 && text[n - 1] != ' ')) {
      text[n++] = printable ? *c : ' ';
    }
  }
  text[n > 0 && text[n - 1] == ' ' ? n - 1 : n] = '\0';
}

bki_status bki_cuda_check(bki_cuda_device *device, cudaError_t status, const char *call, bki_error *err) {
  if (status == cudaSuccess) {
    return BKI_OK;
  }
  (void)cudaGetLastError();
  device->out_of_memory = status == cudaErrorMemoryAllocation;
  device->refused = false;
  return fail(device, call, cudaGetErrorString(status), cudaGetErrorName(status), err);
}

bki_status bki_cuda_check_blas(bki_cuda_device *device, cublasStatus_t status, const char *call, bki_error *err) {
  if (status == CUBLAS_STATUS_SUCCESS) {
    return BKI_OK;
  }
  (void)cudaGetLastError();
  device->out_of_memory = status == CUBLAS_STATUS_ALLOC_FAILED;
  device->refused = status == CUBLAS_STATUS_NOT_SUPPORTED;
  char number[16];
  snprintf(number, sizeof number, "%d", (int)status);
  return fail(device, call, cublasLtGetStatusString(status), number, err);
}

bki_status bki_cuda_check_dnn(bki_cuda_device *device, cudnnStatus_t status, const char *call, bki_error *err) {
  if (status == CUDNN_STATUS_SUCCESS) {
    return BKI_OK;
  }
  (void)cudaGetLastError();
  device->out_of_memory =
      status == CUDNN_STATUS_ALLOC_FAILED || status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED;
  device->refused = CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED; /* 3000, and its kinds */
  char why[WHY_SIZE] = "";                                                       /* "not supported" alone says little */
  char reason[2 * WHY_SIZE];
  char number[16];
  cudnnGetLastErrorString(why, sizeof why);
  why[sizeof why - 1] = '\0';
  make_line(why);
  snprintf(reason, sizeof reason, "%s%s%s", cudnnGetErrorString(status), why[0] != '\0' ? ": " : "", why);
  snprintf(number, sizeof number, "%d", (int)status);
  return fail(device, call, reason, number, err);
}

static bki_status open_device(bki_cuda_device *device, double memory_share, bki_error *err) {
  struct cudaDeviceProp properties;
  size_t free_bytes;
  size_t total_bytes;
  BKI_CUDA(device, err, cudaSetDevice(device->ordinal));
  BKI_CUDA(device, err, cudaGetDeviceProperties(&properties, device->ordinal));
  snprintf(device->name, sizeof device->name, "%s", properties.name);
  BKI_CUDA(device, err, cudaMemGetInfo(&free_bytes, &total_bytes));
  device->budget_bytes = (size_t)((double)free_bytes * memory_share);
  BKI_CUDA_BLAS(device, err, cublasLtCreate(&device->blas));
  BKI_CUDA(device, err, cudaStreamCreateWithFlags(&device->upload, cudaStreamNonBlocking));
  BKI_CUDA(device, err, cudaMallocHost(&device->staging, STAGING_BYTES));
  return BKI_OK;
}

bki_status bki_cuda_device_open(bki_cuda_device *device, int ordinal, double memory_share, bki_error *err) {
  *device = (bki_cuda_device){.ordinal = ordinal, .name = "not opened"};
  const bki_status status = open_device(device, memory_share, err);
  if (status != BKI_OK) {
    bki_cuda_device_close(device);
  }
  return status;
}

void bki_cuda_device_close(bki_cuda_device *device) {
  (void)cudaSetDevice(device->ordinal);
  if (device->staging != NULL) {
    (void)cudaFreeHost(device->staging);
  }
  if (device->upload != NULL) {
    (void)cudaStreamDestroy(device->upload);
  }
  if (device->blas != NULL) {
    (void)cublasLtDestroy(device->blas);
  }
  device->staging = NULL;
  device->upload = NULL;
  device->blas = NULL;
}

bki_status bki_cuda_device_use(const bki_cuda_device *device, bki_error *err) {
  bki_cuda_device copy = *device; /* other threads use it too */
  return bki_cuda_check(&copy, cudaSetDevice(device->ordinal), "cudaSetDevice", err);
}

static bki_status grow(bki_cuda_device *device, bki_cuda_buffer *buffer, size_t count, size_t element_bytes,
                       void (*release)(bki_cuda_buffer *buffer), cudaError_t (*allocate)(void **data, size_t bytes),
                       const char *call, bki_error *err) {
  size_t bytes;
  if (!bki_size_mul(count, element_bytes, &bytes)) {
    return bki_fail_memory(err);
  }
  if (bytes <= buffer->capacity_bytes) {
    return BKI_OK;
  }
  release(buffer);
  BKI_TRY(bki_cuda_check(device, allocate(&buffer->data, bytes), call, err));
  buffer->capacity_bytes = bytes;
  return BKI_OK;
}

bki_status bki_cuda_reserve(bki_cuda_device *device, bki_cuda_buffer *buffer, size_t count, size_t element_bytes,
                            bki_error *err) {
  return grow(device, buffer, count, element_bytes, bki_cuda_release, cudaMalloc, "cudaMalloc", err);
}

bki_status bki_cuda_reserve_host(bki_cuda_device *device, bki_cuda_buffer *buffer, size_t count, size_t element_bytes,
                                 bki_error *err) {
  return grow(device, buffer, count, element_bytes, bki_cuda_release_host, cudaMallocHost, "cudaMallocHost", err);
}

void bki_cuda_release(bki_cuda_buffer *buffer) {
  if (buffer->data != NULL) {
    (void)cudaFree(buffer->data);
  }
  *buffer = (bki_cuda_buffer){0};
}

void bki_cuda_release_host(bki_cuda_buffer *buffer) {
  if (buffer->data != NULL) {
    (void)cudaFreeHost(buffer->data);
  }
  *buffer = (bki_cuda_buffer){0};
}

bki_status bki_cuda_upload(bki_cuda_device *device, void *to, const void *from, size_t bytes, bki_error *err) {
  for (size_t done = 0; done < bytes;) {
    const size_t n = bytes - done < STAGING_BYTES ? bytes - done : STAGING_BYTES;
    memcpy(device->staging, (const char *)from + done, n);
    BKI_CUDA(device, err,
             cudaMemcpyAsync((char *)to + done, device->staging, n, cudaMemcpyHostToDevice, device->upload));
    BKI_CUDA(device, err, cudaStreamSynchronize(device->upload));
    done += n;
  }
  return BKI_OK;
}

bki_status bki_cuda_download(bki_cuda_device *device, void *to, const void *from, size_t bytes, bki_error *err) {
  for (size_t done = 0; done < bytes;) {
    const size_t n = bytes - done < STAGING_BYTES ? bytes - done : STAGING_BYTES;
    BKI_CUDA(device, err,
             cudaMemcpyAsync(device->staging, (const char *)from + done, n, cudaMemcpyDeviceToHost, device->upload));
    BKI_CUDA(device, err, cudaStreamSynchronize(device->upload));
    memcpy((char *)to + done, device->staging, n);
    done += n;
  }
  return BKI_OK;
}
