#include "settings.h"

#include <string.h>

#include "fail.h"
#include "strmap.h"

const char *const bki_readout_names[] = {"final", "last", "mean", "max", NULL};
const char *const bki_pad_names[] = {"none", "pre", "post", NULL};
const char *const bki_pad_vector_names[] = {"embedding", "zero", NULL};
const char *const bki_keep_names[] = {"tail", "head", NULL};
const char *const bki_activation_names[] = {"relu", "tanh", "none", NULL};
const char *const bki_tokenizer_names[] = {"words", "keras", "whitespace", NULL};

static bki_status check_range(const char *key, int64_t value, int64_t least, int64_t most, const char *file,
                              bki_error *err) {
  if (value < least || value > most) {
    return bki_fail_at(err, BKI_E_DATA, file, 0, -1, "%s: expected %lld to %lld, found %lld", key, (long long)least,
                       (long long)most, (long long)value);
  }
  return BKI_OK;
}

static bki_status check_name(const char *key, int value, const char *const *names, const char *file, bki_error *err) {
  int n = 0;
  while (names[n] != NULL) {
    n++;
  }
  return check_range(key, value, 0, n - 1, file, err);
}

static bki_status check_sizes(const bki_model_config *config, const char *file, bki_error *err) {
  BKI_TRY(check_range("rows of embedding.weight", config->vocabulary_size, 1, BKI_MAX_VOCABULARY, file, err));
  BKI_TRY(check_range("embedding_dim", config->embedding_dim, 1, BKI_MAX_WIDTH, file, err));
  BKI_TRY(check_range("hidden", config->hidden, 1, BKI_MAX_WIDTH, file, err));
  BKI_TRY(check_range("num_layers", config->num_layers, 1, BKI_MAX_LAYERS, file, err));
  BKI_TRY(check_range("dense", config->dense, 0, BKI_MAX_WIDTH, file, err));
  BKI_TRY(check_range("number of classes", config->n_classes, 2, BKI_MAX_CLASSES, file, err));
  return check_range("max_words", config->max_words, 1, BKI_MAX_WORDS, file, err);
}

static bki_status check_classes(const bki_model_config *config, const char *file, bki_error *err) {
  bki_strmap *seen = NULL;
  bki_status status = bki_strmap_create(&seen, 1, err);
  for (int32_t c = 0; status == BKI_OK && c < config->n_classes; c++) {
    bki_str name = {config->classes[c], strlen(config->classes[c])};
    char *mark;
    bool added;
    status = bki_strmap_put(seen, name, &mark, &added, err);
    if (status == BKI_OK && name.size == 0) {
      status = bki_fail_at(err, BKI_E_DATA, file, 0, -1,
                           "classes: expected names that are not empty, found one at "
                           "index %d",
                           c);
    } else if (status == BKI_OK && !added) {
      char quoted[BKI_QUOTE_SIZE];
      status = bki_fail_at(err, BKI_E_DATA, file, 0, -1, "classes: expected distinct names, found %s again at index %d",
                           bki_quote(quoted, name), c);
    }
  }
  bki_strmap_destroy(seen);
  return status;
}

static bki_status check_padding(const bki_model_config *config, const char *file, bki_error *err) {
  if (config->pad == BKI_PAD_NONE) {
    return check_range("pad length without padding", config->pad_length, 0, 0, file, err);
  }
  BKI_TRY(check_range("T of pad", config->pad_length, 1, BKI_MAX_WORDS, file, err));
  if (config->max_words > config->pad_length) {
    return bki_fail_at(err, BKI_E_DATA, file, 0, -1, "max_words: expected at most T = %d of pad \"%s:%d\", found %d",
                       config->pad_length, bki_pad_names[config->pad], config->pad_length, config->max_words);
  }
  return BKI_OK;
}

static bki_status check_tokenizer(const bki_tokenizer_config *tokenizer, const char *file, bki_error *err) {
  BKI_TRY(check_name("tokenizer.type", (int)tokenizer->type, bki_tokenizer_names, file, err));
  if (tokenizer->type == BKI_TOKENIZER_WHITESPACE && tokenizer->lowercase) {
    return bki_fail_at(err, BKI_E_DATA, file, 0, -1, "tokenizer.lowercase: \"whitespace\" does no lower-casing");
  }
  if (tokenizer->type != BKI_TOKENIZER_WORDS && tokenizer->strip_html) {
    return bki_fail_at(err, BKI_E_DATA, file, 0, -1, "tokenizer.strip_html: \"%s\" does no HTML handling",
                       bki_tokenizer_names[tokenizer->type]);
  }
  return BKI_OK;
}

bki_status bki_model_config_check(const bki_model_config *config, const char *file, bki_error *err) {
  BKI_TRY(check_name("dense_activation", (int)config->dense_activation, bki_activation_names, file, err));
  BKI_TRY(check_name("readout", (int)config->readout, bki_readout_names, file, err));
  BKI_TRY(check_name("pad", (int)config->pad, bki_pad_names, file, err));
  BKI_TRY(check_name("pad_vector", (int)config->pad_vector, bki_pad_vector_names, file, err));
  BKI_TRY(check_name("keep", (int)config->keep, bki_keep_names, file, err));
  BKI_TRY(check_sizes(config, file, err));
  BKI_TRY(check_classes(config, file, err));
  BKI_TRY(check_padding(config, file, err));
  BKI_TRY(check_tokenizer(&config->tokenizer, file, err));
  BKI_TRY(check_range("oov_id", config->oov_id, -1, config->vocabulary_size - 1, file, err));
  return check_range("pad_id", config->pad_id, 0, config->vocabulary_size - 1, file, err);
}
