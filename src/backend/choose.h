/* From a backend's name to what computes: one choice for scoring and training. */
#ifndef BKI_BACKEND_CHOOSE_H
#define BKI_BACKEND_CHOOSE_H

#include "backend.h"
#include "learner.h"

typedef struct bki_backend_request {
  const char *name; /* "auto", "cpu", "ref", "cuda"; NULL is "auto" */
  bki_isa isa;
  bki_precision precision;
  const int32_t *devices; /* [n_devices] GPUs; none: any */
  size_t n_devices;
  bki_engine engine;
  const bki_model_config *model; /* that the engine has to run; NULL: it is not known yet */
} bki_backend_request;

typedef struct bki_backend_choice {
  const bki_backend_ops *backend;
  const bki_learner_ops *learner;
  int32_t device;   /* the first GPU that was named, or the one to take; -1: the backend uses none */
  char reason[512]; /* why "auto" came to this, one line; "" when the backend was named */
} bki_backend_choice;

/* "auto" is cuda where there is a GPU that does what is asked for, else cpu, unless only a GPU does it. Errors:
 * BKI_E_USAGE: no such name, or devices of a backend that has none; BKI_E_DEVICE: no GPU, with the reason, or not those
 * that were named. */
bki_status bki_backend_choose(bki_backend_choice *out, const bki_backend_request *request, bki_error *err);

#endif
