#include <bki/optimizer.h>

#include <math.h>

#include "fail.h"

void bki_optimizer_config_init(bki_optimizer_config *config, bki_optimizer_type type, bki_convention convention) {
  const bool adam = type == BKI_OPTIMIZER_ADAM;
  const bool keras = convention == BKI_CONVENTION_KERAS;
  *config = (bki_optimizer_config){.type = type,
                                   .convention = convention,
                                   .learning_rate = adam || keras ? 0.001 : 0.01,
                                   .beta1 = 0.9,
                                   .beta2 = adam ? 0.999 : (keras ? 0.9 : 0.99),
                                   .epsilon = keras ? 1e-7 : 1e-8};
}

bki_status bki_optimizer_config_check(const bki_optimizer_config *config, bki_error *err) {
  const struct {
    const char *name;
    const char *expected;
    double value;
    bool valid;
  } fields[] = {
      {"learning rate", "above 0", config->learning_rate, config->learning_rate > 0},
      {"beta1", "from 0 to below 1", config->beta1, config->beta1 >= 0 && config->beta1 < 1},
      {"beta2", "from 0 to below 1", config->beta2, config->beta2 >= 0 && config->beta2 < 1},
      {"epsilon", "above 0", config->epsilon, config->epsilon > 0},
      {"clip norm", "of at least 0", config->clip_norm, config->clip_norm >= 0},
  };
  if (config->type != BKI_OPTIMIZER_ADAM && config->type != BKI_OPTIMIZER_RMSPROP) {
    return bki_fail(err, BKI_E_USAGE, "expected optimizer adam or rmsprop, found number %d", (int)config->type);
  }
  if (config->convention != BKI_CONVENTION_PYTORCH && config->convention != BKI_CONVENTION_KERAS) {
    return bki_fail(err, BKI_E_USAGE, "expected convention pytorch or keras, found number %d", (int)config->convention);
  }
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
    if (!fields[i].valid || !isfinite(fields[i].value)) {
      return bki_fail(err, BKI_E_USAGE, "%s: expected a number %s, found %g", fields[i].name, fields[i].expected,
                      fields[i].value);
    }
  }
  return BKI_OK;
}
