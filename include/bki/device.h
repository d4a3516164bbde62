/* What can compute: the GPUs that the backend `cuda` can use, and the CPU. */
#ifndef BKI_DEVICE_H
#define BKI_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include <bki/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bki_device {
  int32_t ordinal; /* its number in `devices` of bki_scorer_config, from 0 */
  char name[256];
  int32_t major; /* compute capability */
  int32_t minor;
  int32_t multiprocessors;
  int64_t total_bytes;     /* of memory */
  int64_t free_bytes;      /* now; -1: it cannot be asked */
  int32_t driver_version;  /* newest CUDA version that the driver serves: 1000 major + 10 minor */
  int32_t runtime_version; /* of the CUDA runtime that is used, likewise */
} bki_device;

/* The GPUs of this machine that this process may use, in CUDA's order. Errors: BKI_E_DEVICE with the reason when there
 * is none: no driver, this build or installation has no CUDA backend, CUDA_VISIBLE_DEVICES hides them all, or what CUDA
 * says. On success the caller frees *out with bki_devices_free. Thread-safe. */
BKI_API bki_status bki_devices_list(bki_device **out, size_t *n, bki_error *err);
/* NULL is allowed. */
BKI_API void bki_devices_free(bki_device *devices);

/* The GPU that the backend "auto" takes when none is named: the first one that the kernels run on (compute capability
 * 7.5 or newer). Errors: as bki_devices_list; BKI_E_DEVICE: all are older. */
BKI_API bki_status bki_devices_choose(int32_t *ordinal, bki_error *err);

/* The CPU as the backend `cpu` takes it when nothing is named. */
typedef struct bki_processor {
  int32_t cores;        /* that this process may use: the number of threads */
  const char *isa;      /* for precision fp32: "avx512"; static storage, as the next */
  const char *isa_bf16; /* for precision bf16: "avx512 (bf16 emulated)" */
} bki_processor;
BKI_API void bki_processor_get(bki_processor *out);

#ifdef __cplusplus
}
#endif

#endif
