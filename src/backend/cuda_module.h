/* The contract of libbki-cuda.so, which cuda_load.c opens when a GPU is asked for: everything of CUDA is in
 * there, so that nobody else links it. It carries its own copy of the layers below. */
#ifndef BKI_BACKEND_CUDA_MODULE_H
#define BKI_BACKEND_CUDA_MODULE_H

#include <bki/device.h>

#include "backend.h"
#include "learner.h"

typedef struct bki_cuda_module {
  const char *version; /* bki_version() of its build, which has to be that of the caller */
  const bki_backend_ops *backend;
  const bki_learner_ops *learner;
  /* As bki_devices_list, but for free_bytes; *out is of malloc. */
  bki_status (*list_devices)(bki_device **out, size_t *n, bki_error *err);
  /* Bytes of a GPU's memory that are free now; -1: it cannot be asked. It begins work on that GPU, which takes memory
   * and time: list_devices leaves it at -1. */
  int64_t (*free_memory)(int32_t ordinal);
} bki_cuda_module;

/* The one symbol that the module exports. */
const bki_cuda_module *bki_cuda_module_get(void);
#define BKI_CUDA_MODULE_SYMBOL "bki_cuda_module_get"

#endif
