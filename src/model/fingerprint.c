/* The fingerprint of a model: XXH3-128 over its settings as text, then classes and words with their lengths, then the
 * block of parameters. Settings that do not take part in a score (the pad without padding) are left out, as are the
 * self-test and remarks. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdio.h>
#include <string.h>

#include "model.h"
#include "settings.h"

static void add_text(XXH3_state_t *state, bki_str text) {
  const uint64_t size = text.size;
  XXH3_128bits_update(state, &size, sizeof size);
  XXH3_128bits_update(state, text.data, text.size);
}

static void add_settings(XXH3_state_t *state, const bki_model_config *config) {
  char text[512];
  int n = snprintf(text, sizeof text,
                   "bki-model 1\nvocabulary_size %d\nembedding_dim %d\nhidden %d\nnum_layers %d\ndense %d\n"
                   "dense_activation %s\nreadout %s\nmax_words %d\nkeep %s\ntokenizer %s %d %d\noov_id %d\n",
                   config->vocabulary_size, config->embedding_dim, config->hidden, config->num_layers, config->dense,
                   config->dense == 0 ? "none" : bki_activation_names[config->dense_activation],
                   bki_readout_names[config->readout], config->max_words, bki_keep_names[config->keep],
                   bki_tokenizer_names[config->tokenizer.type], config->tokenizer.lowercase,
                   config->tokenizer.strip_html, config->oov_id);
  if (config->pad != BKI_PAD_NONE) {
    n += snprintf(text + n, sizeof text - (size_t)n, "pad %s:%d %s %d\n", bki_pad_names[config->pad],
                  config->pad_length, bki_pad_vector_names[config->pad_vector],
                  config->pad_vector == BKI_PAD_VECTOR_ZERO ? 0 : config->pad_id);
  }
  add_text(state, (bki_str){text, (size_t)n});
}

void bki_model_set_fingerprint(bki_model *model) {
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  add_settings(&state, &model->config);
  for (int32_t c = 0; c < model->config.n_classes; c++) {
    add_text(&state, (bki_str){model->config.classes[c], strlen(model->config.classes[c])});
  }
  for (int32_t id = 0; id < bki_vocabulary_size(model->vocabulary); id++) {
    add_text(&state, bki_vocabulary_word(model->vocabulary, id));
  }
  XXH3_128bits_update(&state, model->parameters.block, model->parameters.count * sizeof(float));
  const XXH128_hash_t hash = XXH3_128bits_digest(&state);
  snprintf(model->fingerprint, sizeof model->fingerprint, "%016llx%016llx", (unsigned long long)hash.high64,
           (unsigned long long)hash.low64);
}
