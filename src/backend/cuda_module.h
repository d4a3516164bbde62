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
  /* As bki_devices_list; *out is of malloc. */
  bki_status (*list_devices)(bki_device **out, size_t *n, bki_error *err);
} bki_cuda_module;

/* The one symbol that the module exports. */
const bki_cuda_module *bki_cuda_module_get(void);
#define BKI_CUDA_MODULE_SYMBOL "bki_cuda_module_get"

#endif
