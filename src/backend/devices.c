#include <stdlib.h>

#include <bki/device.h>

#include "cpu.h"
#include "cuda_load.h"
#include "fail.h"
#include "pool.h"

void bki_devices_free(bki_device *devices) {
  free(devices);
}

bki_status bki_devices_choose(int32_t *ordinal, bki_error *err) {
  const bki_cuda_access *cuda;
  BKI_TRY(bki_cuda_load(&cuda, err));
  return bki_cuda_first_device(cuda, ordinal, err);
}

void bki_processor_get(bki_processor *out) {
  const bki_cpu_kernels *kernels;
  *out = (bki_processor){.cores = bki_pool_cores()};
  (void)bki_cpu_choose(&kernels, &out->isa, BKI_ISA_AUTO, BKI_PRECISION_FP32, NULL);
  (void)bki_cpu_choose(&kernels, &out->isa_bf16, BKI_ISA_AUTO, BKI_PRECISION_BF16, NULL);
}
