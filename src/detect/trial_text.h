/* Texts made of a model's vocabulary: what is learnt on them depends on the model alone. */
#ifndef BKI_DETECT_TRIAL_TEXT_H
#define BKI_DETECT_TRIAL_TEXT_H

#include <bki/model.h>

#include "rng.h"

/* Fills ids [length] by Zipf's law: vocabularies are sorted by frequency. */
void bki_trial_text_fill(int32_t *ids, int32_t length, const bki_model_config *model, bki_rng *rng);

#endif
