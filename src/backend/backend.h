/* The seam between scoring and what computes it: one table of functions a backend. */
#ifndef BKI_BACKEND_BACKEND_H
#define BKI_BACKEND_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bki/scorer.h>

#include "parameters.h"
#include "pool.h"

typedef enum bki_isa {
  BKI_ISA_AUTO = 0, /* the best this machine has for the precision */
  BKI_ISA_PORTABLE,
  BKI_ISA_AVX2,
  BKI_ISA_AVX512,
  BKI_ISA_AMX,
} bki_isa;

/* Resolved and checked by the scorer: an engine that the backend runs for this model, a known precision. */
typedef struct bki_backend_config {
  bki_engine engine; /* not AUTO */
  bki_precision precision;
  bki_isa isa;
  bool increments;
  const int32_t *devices; /* [n_devices] GPUs; none: the first */
  size_t n_devices;
  double gpu_memory;
  bki_pool *pool; /* borrowed: outlives the backend */
} bki_backend_config;

/* What every backend begins with; `create` fills it. */
typedef struct bki_backend {
  const struct bki_backend_ops *ops;
  const char *isa; /* chosen: "portable", "avx2", ...; static storage */
} bki_backend;

typedef struct bki_backend_ops {
  const char *name;

  /* Whether the engine `incremental` runs this model. */
  bool (*has_incremental)(const bki_model_config *model);
  /* The same of the engine `persistent`; NULL: the backend has none. */
  bool (*has_persistent)(const bki_model_config *model);

  /* Model and parameters are borrowed and outlive the backend. Errors: BKI_E_USAGE: the backend does not have this isa
   * or precision at all; BKI_E_DEVICE: this machine does not have it; BKI_E_INTERNAL. */
  bki_status (*create)(bki_backend **out, const bki_model_config *model, const bki_parameters *parameters,
                       const bki_backend_config *config, bki_error *err);
  void (*destroy)(bki_backend *backend); /* never called with NULL */

  /* As bki_scorer_score and bki_scorer_forward say, all arguments checked. How sequences are cut into items for the
   * pool or a device is the backend's choice; no result may depend on it. Errors: BKI_E_INTERNAL, BKI_E_DEVICE. */
  bki_status (*score)(bki_backend *backend, const bki_sequence *sequences, size_t n, bki_scores *scores,
                      bki_error *err);
  bki_status (*forward)(bki_backend *backend, const bki_sequence *sequences, size_t n, float *readout, float *logits,
                        bki_error *err);
} bki_backend_ops;

extern const bki_backend_ops bki_backend_cpu; /* own kernels, threads over texts */
extern const bki_backend_ops bki_backend_ref; /* the oracle: plain loops in double precision, engine full */

/* "auto", "portable", "avx2", "avx512", "amx". */
const char *bki_isa_name(bki_isa isa);

#endif
