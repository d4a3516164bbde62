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
  BKI_ISA_AVX512BF16,
  BKI_ISA_AMX,
} bki_isa;

/* Resolved and checked by the scorer: an engine that the backend runs for this model, a known precision. */
typedef struct bki_backend_config {
  bki_engine engine;       /* not AUTO */
  bki_precision precision; /* not EXACT: that is made of two backends */
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
  const char *isa;  /* chosen: "portable", "avx2", ...; static storage */
  bool emulated;    /* the precision has no units of its own here: it is no faster than fp32 */
  bool picks;       /* it has score_some */
  size_t n_devices; /* GPUs that it computes on; 0: it does on the CPU */
} bki_backend;

/* In the place of a device's number. */
enum { BKI_ALL_DEVICES = -1 };

/* Some words of a text. */
typedef struct bki_picks {
  const int32_t *position; /* [n] ascending, each once */
  int32_t n;
} bki_picks;

typedef struct bki_backend_ops {
  const char *name;
  bki_precision screen; /* the precision that is faster than fp32; FP32: none is */

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
  /* As score, of the picked words alone: the bytes that score would give there, and `predicted`; nothing else is
   * written, and no increments. Called where the backend has `picks`. */
  bki_status (*score_some)(bki_backend *backend, const bki_sequence *sequences, const bki_picks *picks, size_t n,
                           bki_scores *scores, bki_error *err);
  /* From now on device i of n_devices does all the work, or BKI_ALL_DEVICES share it again, as they do after create.
   * Returns what to call it in a message, valid until the next call. NULL where n_devices is always 0. */
  const char *(*use_device)(bki_backend *backend, int32_t i);
} bki_backend_ops;

/* some.c: score_some for every backend, for want of another way by running each text without the word from end to end;
 * distances are then those of readouts in fp32. */
bki_status bki_backend_score_some(bki_backend *backend, const bki_model_config *model, const bki_sequence *sequences,
                                  const bki_picks *picks, size_t n, bki_scores *scores, bki_error *err);

extern const bki_backend_ops bki_backend_cpu; /* own kernels, threads over texts */
extern const bki_backend_ops bki_backend_ref; /* the oracle: plain loops in double precision, engine full */

/* "auto", "portable", "avx2", "avx512", "avx512bf16", "amx". */
const char *bki_isa_name(bki_isa isa);
/* "full", "incremental", "persistent"; never AUTO. */
const char *bki_engine_name(bki_engine engine);

#endif
