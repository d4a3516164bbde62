#include "trial_text.h"

#include <math.h>

void bki_trial_text_fill(int32_t *ids, int32_t length, const bki_model_config *model, bki_rng *rng) {
  const double log_size = log1p((double)model->vocabulary_size);
  for (int32_t i = 0; i < length; i++) {
    const int32_t id = (int32_t)expm1(bki_rng_uniform(rng) * log_size);
    ids[i] = id < model->vocabulary_size && id != model->pad_id ? id : model->oov_id;
  }
}
