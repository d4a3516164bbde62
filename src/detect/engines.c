#include "engines.h"

#include "fail.h"

bki_status bki_engines_check(const bki_backend_ops *ops, const bki_model_config *model, bki_engine wanted,
                             bki_error *err) {
  if (wanted < BKI_ENGINE_AUTO || wanted > BKI_ENGINE_PERSISTENT) {
    return bki_fail(err, BKI_E_USAGE, "unknown engine %d", (int)wanted);
  }
  if (wanted == BKI_ENGINE_PERSISTENT && (ops->has_persistent == NULL || !ops->has_persistent(model))) {
    return bki_fail(
        err, BKI_E_USAGE,
        "engine persistent is for models of one layer, readout final, no padding and a hidden size that is a "
        "multiple of 16 up to 128: use incremental or full");
  }
  if (wanted == BKI_ENGINE_INCREMENTAL && model->num_layers != 1) {
    return bki_fail(err, BKI_E_USAGE, "engine incremental needs a model of one layer, found %d: use full",
                    model->num_layers);
  }
  if (wanted == BKI_ENGINE_INCREMENTAL && !ops->has_incremental(model)) {
    return bki_fail(err, BKI_E_USAGE, "backend %s has no engine incremental for this model: use full", ops->name);
  }
  return BKI_OK;
}

int bki_engines_list(bki_engine out[BKI_MAX_ENGINES], const bki_backend_ops *ops, const bki_model_config *model,
                     const bki_scorer_config *config) {
  if (config->engine != BKI_ENGINE_AUTO) {
    out[0] = config->engine;
    return 1;
  }
  int n = 0;
  if (ops->has_persistent != NULL && ops->has_persistent(model) && !config->increments &&
      config->precision != BKI_PRECISION_TF32) {
    out[n++] = BKI_ENGINE_PERSISTENT;
    if (config->precision == BKI_PRECISION_SPLIT) { /* no other engine has it */
      return n;
    }
  }
  if (ops->has_incremental(model)) {
    out[n++] = BKI_ENGINE_INCREMENTAL;
  }
  if (n == 0 || ops->has_persistent != NULL) {
    out[n++] = BKI_ENGINE_FULL;
  }
  return n;
}
