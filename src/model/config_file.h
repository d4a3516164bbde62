/* config.json of a model directory. */
#ifndef BKI_MODEL_CONFIG_FILE_H
#define BKI_MODEL_CONFIG_FILE_H

#include "model.h"

typedef struct bki_config_file {
  bki_model_config config; /* vocabulary_size is 0: the weights say it */
  const bki_selftest *selftest;
  size_t n_selftest;
} bki_config_file;

/* Reads `size` bytes of JSON; what the result points to lies in the arena. Types and names are checked here, ranges by
 * bki_model_config_check once the size of the vocabulary is known. `path` is for messages.
 * Errors: BKI_E_DATA: not JSON (with the line), a missing, unknown or repeated key, a value of another type;
 * BKI_E_INTERNAL. */
bki_status bki_config_file_parse(bki_config_file *out, bki_arena *arena, const char *data, size_t size,
                                 const char *path, bki_error *err);

#endif
