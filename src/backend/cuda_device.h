/* One GPU: its streams' owner, its memory, and how its errors become ours. */
#ifndef BKI_BACKEND_CUDA_DEVICE_H
#define BKI_BACKEND_CUDA_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include <bki/error.h>

#include "fail.h"

typedef struct bki_cuda_device {
  int ordinal;
  char name[256];
  size_t budget_bytes; /* of its memory that may be used */
  cublasLtHandle_t blas;
  cudaStream_t upload; /* of what is copied once */
  void *staging;       /* pinned, for these copies */
  bool out_of_memory;  /* the last failure was that; the caller may clear it and ask for less */
  bool fell_back;      /* a product is done in another way than asked for: cuda_product.h */
  bool refused;        /* the last failure was cuDNN's "not supported" */
} bki_cuda_device;

/* Makes the GPU current for the calling thread and opens it; `memory_share` of what is free now is its budget. Errors:
 * BKI_E_DEVICE. */
bki_status bki_cuda_device_open(bki_cuda_device *device, int ordinal, double memory_share, bki_error *err);
void bki_cuda_device_close(bki_cuda_device *device);
/* Makes it current for the calling thread. */
bki_status bki_cuda_device_use(const bki_cuda_device *device, bki_error *err);

/* BKI_OK for success, else BKI_E_DEVICE with the device, the name of the call (`call` up to its parenthesis) and the
 * reason. CUDA's last error is cleared. */
bki_status bki_cuda_check(bki_cuda_device *device, cudaError_t status, const char *call, bki_error *err);
bki_status bki_cuda_check_blas(bki_cuda_device *device, cublasStatus_t status, const char *call, bki_error *err);
bki_status bki_cuda_check_dnn(bki_cuda_device *device, cudnnStatus_t status, const char *call, bki_error *err);

#define BKI_CUDA(device, err, call) BKI_TRY(bki_cuda_check((device), (call), #call, (err)))
#define BKI_CUDA_BLAS(device, err, call) BKI_TRY(bki_cuda_check_blas((device), (call), #call, (err)))
#define BKI_CUDA_DNN(device, err, call) BKI_TRY(bki_cuda_check_dnn((device), (call), #call, (err)))

/* Memory that grows: what it held is lost then. Zero-initialise. Of a device, or of the host, pinned. */
typedef struct bki_cuda_buffer {
  void *data;
  size_t capacity_bytes;
} bki_cuda_buffer;

/* `count` elements of `element_bytes`. On failure the buffer is empty, and device->out_of_memory says whether memory
 * was the reason. Nothing on the device may still use the old contents. */
bki_status bki_cuda_reserve(bki_cuda_device *device, bki_cuda_buffer *buffer, size_t count, size_t element_bytes,
                            bki_error *err);
bki_status bki_cuda_reserve_host(bki_cuda_device *device, bki_cuda_buffer *buffer, size_t count, size_t element_bytes,
                                 bki_error *err);
void bki_cuda_release(bki_cuda_buffer *buffer);
void bki_cuda_release_host(bki_cuda_buffer *buffer);

/* Copies host memory of any kind to the device, or back, and waits. */
bki_status bki_cuda_upload(bki_cuda_device *device, void *to, const void *from, size_t bytes, bki_error *err);
bki_status bki_cuda_download(bki_cuda_device *device, void *to, const void *from, size_t bytes, bki_error *err);

#endif
