/* A model's parameters on a device, every tensor aligned as cuBLAS likes it. */
#ifndef BKI_BACKEND_CUDA_TENSORS_H
#define BKI_BACKEND_CUDA_TENSORS_H

#include "cuda_device.h"
#include "parameters.h"

typedef struct bki_cuda_tensor_place {
  const float *host;
  size_t count;
  size_t offset; /* on the device, in floats */
} bki_cuda_tensor_place;

/* Zero-initialise. */
typedef struct bki_cuda_tensors {
  bki_cuda_buffer block;
  bki_cuda_tensor_place *places; /* [n] */
  size_t n;
} bki_cuda_tensors;

bki_status bki_cuda_tensors_create(bki_cuda_tensors *tensors, bki_cuda_device *device, const bki_model_config *model,
                                   const bki_parameters *parameters, bki_error *err);
void bki_cuda_tensors_destroy(bki_cuda_tensors *tensors);
/* Where a number of the host's parameters lies on the device; with it begins the rest of its tensor. */
float *bki_cuda_tensors_find(const bki_cuda_tensors *tensors, const float *host);

#endif
