#include "array.h"
#include "cuda.h"

bki_status bki_cuda_mirror_reserve(bki_cuda_device *device, bki_cuda_mirror *mirror, size_t count, size_t element_bytes,
                                   bki_error *err) {
  BKI_TRY(bki_cuda_reserve_host(device, &mirror->host, count, element_bytes, err));
  BKI_TRY(bki_cuda_reserve(device, &mirror->device, count, element_bytes, err));
  mirror->bytes = count * element_bytes;
  return BKI_OK;
}

bki_status bki_cuda_mirror_push(bki_cuda_device *device, bki_cuda_mirror *mirror, cudaStream_t stream, bki_error *err) {
  if (mirror->bytes > 0) {
    BKI_CUDA(device, err,
             cudaMemcpyAsync(mirror->device.data, mirror->host.data, mirror->bytes, cudaMemcpyHostToDevice, stream));
  }
  return BKI_OK;
}

bki_status bki_cuda_mirror_pull(bki_cuda_device *device, bki_cuda_mirror *mirror, cudaStream_t stream, bki_error *err) {
  if (mirror->bytes > 0) {
    BKI_CUDA(device, err,
             cudaMemcpyAsync(mirror->host.data, mirror->device.data, mirror->bytes, cudaMemcpyDeviceToHost, stream));
  }
  return BKI_OK;
}

void bki_cuda_mirror_release(bki_cuda_mirror *mirror) {
  bki_cuda_release_host(&mirror->host);
  bki_cuda_release(&mirror->device);
  mirror->bytes = 0;
}
