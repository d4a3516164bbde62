#include "model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "fail.h"
#include "settings.h"

/* Copies the names into the arena and makes the map from name to class. */
static bki_status copy_classes(bki_model *model, const char *const *classes, bki_error *err) {
  const size_t n = (size_t)model->config.n_classes;
  const char **names = bki_arena_alloc(model->arena, n * sizeof *names);
  if (names == NULL) {
    return bki_fail_memory(err);
  }
  BKI_TRY(bki_strmap_create(&model->class_ids, sizeof(int32_t), err));
  for (size_t c = 0; c < n; c++) {
    bki_str name = {classes[c], strlen(classes[c])};
    names[c] = bki_arena_copy(model->arena, name.data, name.size);
    if (names[c] == NULL) {
      return bki_fail_memory(err);
    }
    int32_t *id;
    BKI_TRY(bki_strmap_put(model->class_ids, name, &id, NULL, err));
    *id = (int32_t)c;
  }
  model->config.classes = names;
  return BKI_OK;
}

bki_status bki_model_create_in(bki_model **out, bki_arena *arena, const bki_model_config *config, bki_error *err) {
  bki_model *model = bki_array_create(1, sizeof *model);
  if (model == NULL) {
    bki_arena_destroy(arena);
    return bki_fail_memory(err);
  }
  bki_status status;
  model->arena = arena;
  model->config = *config;
  BKI_TRY_GOTO(status, fail, copy_classes(model, config->classes, err));
  BKI_TRY_GOTO(status, fail, bki_parameters_init(&model->parameters, &model->config, err));
  *out = model;
  return BKI_OK;
fail:
  bki_model_destroy(model);
  return status;
}

bki_status bki_model_create(bki_model **out, const bki_model_config *config, const bki_parameters **parameters,
                            bki_error *err) {
  BKI_TRY(bki_model_config_check(config, NULL, err));
  bki_arena *arena = bki_arena_create();
  if (arena == NULL) {
    return bki_fail_memory(err);
  }
  BKI_TRY(bki_model_create_in(out, arena, config, err));
  if (parameters != NULL) {
    *parameters = &(*out)->parameters;
  }
  return BKI_OK;
}

void bki_model_destroy(bki_model *model) {
  if (model == NULL) {
    return;
  }
  bki_vocabulary_destroy(model->vocabulary);
  bki_strmap_destroy(model->class_ids);
  bki_parameters_clear(&model->parameters);
  bki_arena_destroy(model->arena);
  free(model);
}

const bki_parameters *bki_model_parameters(const bki_model *model) {
  return &model->parameters;
}

const bki_model_config *bki_model_get_config(const bki_model *model) {
  return &model->config;
}

const bki_vocabulary *bki_model_vocabulary(const bki_model *model) {
  return model->vocabulary;
}

int64_t bki_model_n_parameters(const bki_model *model) {
  return (int64_t)model->parameters.count;
}

const char *bki_model_fingerprint(const bki_model *model) {
  return model->fingerprint;
}

/* 0 .. n-1 without sign, leading zeros or spaces; else -1. */
static int32_t parse_index(bki_str text, int32_t n) {
  if (text.size == 0 || (text.size > 1 && text.data[0] == '0')) {
    return -1;
  }
  int64_t value = 0;
  for (size_t i = 0; i < text.size && value < n; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') {
      return -1;
    }
    value = value * 10 + (text.data[i] - '0');
  }
  return value < n ? (int32_t)value : -1;
}

int32_t bki_model_find_class(const bki_model *model, bki_str label) {
  const int32_t *id = bki_strmap_get(model->class_ids, label);
  return id != NULL ? *id : parse_index(label, model->config.n_classes);
}

bki_status bki_model_expect_class(const bki_model *model, bki_str label, const char *what, bki_status unknown,
                                  int32_t *out, bki_error *err) {
  *out = bki_model_find_class(model, label);
  if (*out >= 0) {
    return BKI_OK;
  }
  const char *first = model->config.classes[0];
  char first_quoted[BKI_QUOTE_SIZE];
  char quoted[BKI_QUOTE_SIZE];
  return bki_fail(err, unknown, "expected %s that the model knows (%d classes: %s, ...), found %s", what,
                  model->config.n_classes, bki_quote(first_quoted, (bki_str){first, strlen(first)}),
                  bki_quote(quoted, label));
}

size_t bki_model_selftest_count(const bki_model *model) {
  return model->n_selftest;
}

void bki_model_selftest_get(const bki_model *model, size_t i, bki_str *text, const float **logits) {
  assert(i < model->n_selftest);
  *text = model->selftest[i].text;
  *logits = model->selftest[i].logits;
}
