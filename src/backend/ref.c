/* The oracle. */
#include "backend.h"
#include "fail.h"

static bool has_incremental(const bki_model_config *model) {
  (void)model;
  return false;
}

static bki_status create(bki_backend **out, const bki_model_config *model, const bki_parameters *parameters,
                         const bki_backend_config *config, bki_error *err) {
  (void)out, (void)model, (void)parameters, (void)config;
  return bki_fail(err, BKI_E_DEVICE, "backend ref is not here yet");
}

const bki_backend_ops bki_backend_ref = {.name = "ref", .has_incremental = has_incremental, .create = create};
