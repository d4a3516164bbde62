#include "config_file.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "section.h"
#include "settings.h"

enum { FORMAT_VERSION = 1 };

static const char *const known_keys[] = {"format",        "version",    "embedding_dim",    "hidden",  "num_layers",
                                         "bidirectional", "dense",      "dense_activation", "classes", "readout",
                                         "pad",           "pad_vector", "max_words",        "keep",    "tokenizer",
                                         "oov_id",        "pad_id",     "selftest",         "meta",    NULL};

static bki_status read_format(const bki_section *root, bki_error *err) {
  static const char *const formats[] = {"bki-model", NULL};
  int format = 0;
  int32_t version = 0;
  bool bidirectional = true;
  BKI_TRY(bki_section_name(root, "format", BKI_REQUIRED, formats, &format, err));
  BKI_TRY(bki_section_int(root, "version", BKI_REQUIRED, &version, err));
  if (version != FORMAT_VERSION) {
    return bki_section_fail(root, "version", err, "expected %d, found %d", FORMAT_VERSION, version);
  }
  BKI_TRY(bki_section_bool(root, "bidirectional", &bidirectional, err));
  if (!bidirectional) {
    return bki_section_fail(root, "bidirectional", err,
                            "expected true, found false: a one-directional LSTM is not supported");
  }
  return BKI_OK;
}

static bki_status read_sizes(const bki_section *root, bki_model_config *config, bki_error *err) {
  config->num_layers = 1;
  BKI_TRY(bki_section_int(root, "embedding_dim", BKI_REQUIRED, &config->embedding_dim, err));
  BKI_TRY(bki_section_int(root, "hidden", BKI_REQUIRED, &config->hidden, err));
  BKI_TRY(bki_section_int(root, "num_layers", BKI_OPTIONAL, &config->num_layers, err));
  BKI_TRY(bki_section_int(root, "dense", BKI_OPTIONAL, &config->dense, err));
  BKI_TRY(bki_section_int(root, "max_words", BKI_REQUIRED, &config->max_words, err));
  BKI_TRY(bki_section_int(root, "oov_id", BKI_REQUIRED, &config->oov_id, err));
  return bki_section_int(root, "pad_id", BKI_OPTIONAL, &config->pad_id, err);
}

static bki_status read_names(const bki_section *root, bki_model_config *config, bki_error *err) {
  int activation = BKI_ACTIVATION_RELU;
  int readout = 0;
  int pad_vector = BKI_PAD_VECTOR_EMBEDDING;
  int keep = 0;
  BKI_TRY(bki_section_name(root, "dense_activation", BKI_OPTIONAL, bki_activation_names, &activation, err));
  BKI_TRY(bki_section_name(root, "readout", BKI_REQUIRED, bki_readout_names, &readout, err));
  BKI_TRY(bki_section_name(root, "pad_vector", BKI_OPTIONAL, bki_pad_vector_names, &pad_vector, err));
  BKI_TRY(bki_section_name(root, "keep", BKI_REQUIRED, bki_keep_names, &keep, err));
  config->dense_activation = (bki_activation)activation;
  config->readout = (bki_readout)readout;
  config->pad_vector = (bki_pad_vector)pad_vector;
  config->keep = (bki_keep)keep;
  return BKI_OK;
}

/* "none", "pre:T", "post:T"; T a decimal number without sign or leading zeros. */
static bki_status read_pad(const bki_section *root, bki_model_config *config, bki_error *err) {
  const char *found = NULL;
  BKI_TRY(bki_section_string(root, "pad", BKI_REQUIRED, &found, err));
  const char *colon = strchr(found, ':');
  const size_t name_size = colon == NULL ? strlen(found) : (size_t)(colon - found);
  int pad = BKI_PAD_NONE;
  while (bki_pad_names[pad] != NULL &&
         (strlen(bki_pad_names[pad]) != name_size || memcmp(bki_pad_names[pad], found, name_size) != 0)) {
    pad++;
  }
  const char *digits = colon == NULL ? "" : colon + 1;
  const size_t n_digits = strspn(digits, "0123456789");
  const bool number = n_digits > 0 && n_digits < 10 && digits[n_digits] == '\0' && digits[0] != '0';
  if (bki_pad_names[pad] == NULL || (pad == BKI_PAD_NONE ? colon != NULL : !number)) {
    char quoted[BKI_QUOTE_SIZE];
    return bki_section_fail(root, "pad", err, "expected \"none\", \"pre:T\" or \"post:T\" (T steps), found %s",
                            bki_quote(quoted, (bki_str){found, strlen(found)}));
  }
  config->pad = (bki_pad)pad;
  config->pad_length = (int32_t)strtol(number ? digits : "0", NULL, 10);
  return BKI_OK;
}

static bki_status read_tokenizer(const bki_section *root, bki_tokenizer_config *config, bki_error *err) {
  static const char *const known[] = {"type", "lowercase", "strip_html", NULL};
  bki_section section = {.name = "tokenizer", .path = root->path};
  int type = 0;
  BKI_TRY(bki_section_object(root, "tokenizer", BKI_REQUIRED, &section.object, err));
  BKI_TRY(bki_section_check_keys(&section, known, err));
  BKI_TRY(bki_section_name(&section, "type", BKI_REQUIRED, bki_tokenizer_names, &type, err));
  bki_tokenizer_config_init(config, (bki_tokenizer_type)type);
  BKI_TRY(bki_section_bool(&section, "lowercase", &config->lowercase, err));
  return bki_section_bool(&section, "strip_html", &config->strip_html, err);
}

static bki_status read_classes(const bki_section *root, bki_arena *arena, bki_model_config *config, bki_error *err) {
  json_t *array = NULL;
  BKI_TRY(bki_section_array(root, "classes", BKI_REQUIRED, &array, err));
  const size_t n = json_array_size(array);
  if (n < 2 || n > BKI_MAX_CLASSES) {
    return bki_section_fail(root, "classes", err, "expected 2 to %d names, found %zu", BKI_MAX_CLASSES, n);
  }
  const char **names = bki_arena_alloc(arena, n * sizeof *names);
  if (names == NULL) {
    return bki_fail_memory(err);
  }
  for (size_t c = 0; c < n; c++) {
    const json_t *name = json_array_get(array, c);
    if (!json_is_string(name)) {
      return bki_section_fail(root, "classes", err, "expected strings, found %s at index %zu", bki_json_type_name(name),
                              c);
    }
    names[c] = bki_arena_copy(arena, json_string_value(name), json_string_length(name));
    if (names[c] == NULL) {
      return bki_fail_memory(err);
    }
  }
  config->classes = names;
  config->n_classes = (int32_t)n;
  return BKI_OK;
}

static bki_status read_logits(const bki_section *section, bki_arena *arena, size_t n_classes, const float **out,
                              bki_error *err) {
  json_t *array = NULL;
  BKI_TRY(bki_section_array(section, "logits", BKI_REQUIRED, &array, err));
  if (json_array_size(array) != n_classes) {
    return bki_section_fail(section, "logits", err, "expected %zu numbers, one a class, found %zu", n_classes,
                            json_array_size(array));
  }
  float *logits = bki_arena_alloc(arena, n_classes * sizeof *logits);
  if (logits == NULL) {
    return bki_fail_memory(err);
  }
  for (size_t c = 0; c < n_classes; c++) {
    const json_t *value = json_array_get(array, c);
    if (!json_is_number(value) || fabs(json_number_value(value)) > FLT_MAX) {
      return bki_section_fail(section, "logits", err, "expected numbers in the range of float32, found %s at index %zu",
                              json_is_number(value) ? "a larger one" : bki_json_type_name(value), c);
    }
    logits[c] = (float)json_number_value(value);
  }
  *out = logits;
  return BKI_OK;
}

static bki_status read_selftest(const bki_section *root, bki_arena *arena, bki_config_file *out, bki_error *err) {
  static const char *const known[] = {"text", "logits", NULL};
  json_t *array = NULL;
  BKI_TRY(bki_section_array(root, "selftest", BKI_OPTIONAL, &array, err));
  const size_t n = json_array_size(array);
  bki_selftest *tests = bki_arena_alloc(arena, n * sizeof *tests);
  if (tests == NULL) {
    return bki_fail_memory(err);
  }
  for (size_t i = 0; i < n; i++) {
    bki_section section = {.object = json_array_get(array, i), .path = root->path};
    snprintf(section.name, sizeof section.name, "selftest[%zu]", i);
    if (!json_is_object(section.object)) {
      return bki_section_fail(root, "selftest", err, "expected objects, found %s at index %zu",
                              bki_json_type_name(section.object), i);
    }
    BKI_TRY(bki_section_check_keys(&section, known, err));
    const char *text = NULL;
    BKI_TRY(bki_section_string(&section, "text", BKI_REQUIRED, &text, err));
    tests[i].text = (bki_str){bki_arena_copy(arena, text, strlen(text)), strlen(text)};
    if (tests[i].text.data == NULL) {
      return bki_fail_memory(err);
    }
    BKI_TRY(read_logits(&section, arena, (size_t)out->config.n_classes, &tests[i].logits, err));
  }
  out->selftest = tests;
  out->n_selftest = n;
  return BKI_OK;
}

static bki_status read_root(const bki_section *root, bki_arena *arena, bki_config_file *out, bki_error *err) {
  json_t *meta = NULL;
  BKI_TRY(read_format(root, err));
  BKI_TRY(bki_section_check_keys(root, known_keys, err));
  BKI_TRY(read_sizes(root, &out->config, err));
  BKI_TRY(read_names(root, &out->config, err));
  BKI_TRY(read_pad(root, &out->config, err));
  BKI_TRY(read_tokenizer(root, &out->config.tokenizer, err));
  BKI_TRY(read_classes(root, arena, &out->config, err));
  BKI_TRY(bki_section_object(root, "meta", BKI_OPTIONAL, &meta, err));
  return read_selftest(root, arena, out, err);
}

bki_status bki_config_file_parse(bki_config_file *out, bki_arena *arena, const char *data, size_t size,
                                 const char *path, bki_error *err) {
  json_error_t error;
  bki_section root = {.path = path, .object = json_loadb(data, size, JSON_REJECT_DUPLICATES, &error)};
  if (root.object == NULL) {
    char quoted[BKI_QUOTE_SIZE]; /* jansson quotes the input near the error */
    return bki_fail_at(err, BKI_E_DATA, path, error.line, error.position, "not JSON: %s",
                       bki_quote(quoted, (bki_str){error.text, strlen(error.text)}));
  }
  bki_status status;
  bki_config_file result = {0};
  if (json_is_object(root.object)) {
    status = read_root(&root, arena, &result, err);
  } else {
    status = bki_fail_at(err, BKI_E_DATA, path, 0, -1, "expected an object, found %s", bki_json_type_name(root.object));
  }
  json_decref(root.object);
  if (status == BKI_OK) {
    *out = result;
  }
  return status;
}
