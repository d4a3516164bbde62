/* The way to libbki-cuda.so: opened when a GPU is first asked for, once a process, and never closed. */
#ifndef BKI_BACKEND_CUDA_LOAD_H
#define BKI_BACKEND_CUDA_LOAD_H

#include "cuda_module.h"

/* The name that the dynamic linker looks for: in LD_LIBRARY_PATH, then along the RUNPATH of program or library. */
#define BKI_CUDA_MODULE_FILE "libbki-cuda.so.0"

typedef struct bki_cuda_access {
  const bki_cuda_module *module;
  const bki_device *devices; /* [n_devices], at least one, free memory unknown */
  size_t n_devices;
} bki_cuda_access;

/* Errors: BKI_E_DEVICE with the reason: CUDA_VISIBLE_DEVICES hides every GPU, no driver, no module or none that fits,
 * no GPU. Thread-safe; the answer stays the same. */
bki_status bki_cuda_load(const bki_cuda_access **out, bki_error *err);

/* Whether the kernels run on a device. Errors: BKI_E_DEVICE. */
bki_status bki_cuda_check_device(const bki_device *device, bki_error *err);
/* The first one that they run on. Errors: BKI_E_DEVICE. */
bki_status bki_cuda_first_device(const bki_cuda_access *cuda, int32_t *out, bki_error *err);

#endif
