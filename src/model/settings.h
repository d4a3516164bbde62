/* The settings of a model: their names in config.json and their ranges. */
#ifndef BKI_MODEL_SETTINGS_H
#define BKI_MODEL_SETTINGS_H

#include <bki/model.h>

/* Far above every real model, and low enough that 4H, 2H and the table of tensors fit their integers. */
enum {
  BKI_MAX_VOCABULARY = 1 << 28,
  BKI_MAX_WIDTH = 1 << 16, /* E, H, D */
  BKI_MAX_LAYERS = 64,
  BKI_MAX_CLASSES = 1 << 20,
  BKI_MAX_WORDS = 1 << 24, /* max_words, T */
};

/* The names in config.json, indexed by the enums, NULL at the end. */
extern const char *const bki_readout_names[];
extern const char *const bki_pad_names[];
extern const char *const bki_pad_vector_names[];
extern const char *const bki_keep_names[];
extern const char *const bki_activation_names[];
extern const char *const bki_tokenizer_names[];

/* Every setting in its range and none against another. Errors: BKI_E_DATA, with `file` (may be NULL) and the key. */
bki_status bki_model_config_check(const bki_model_config *config, const char *file, bki_error *err);

#endif
