#include "model.h"

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

bki_status bki_model_create(bki_model **out, const bki_model_config *config, const bki_parameters **parameters,
                            bki_error *err) {
  BKI_TRY(bki_model_config_check(config, NULL, err));
  bki_model *model = calloc(1, sizeof *model);
  if (model == NULL) {
    return bki_fail_memory(err);
  }
  bki_status status;
  model->config = *config;
  model->arena = bki_arena_create();
  if (model->arena == NULL) {
    status = bki_fail_memory(err);
    goto fail;
  }
  BKI_TRY_GOTO(status, fail, copy_classes(model, config->classes, err));
  BKI_TRY_GOTO(status, fail, bki_parameters_init(&model->parameters, &model->config, err));
  *out = model;
  if (parameters != NULL) {
    *parameters = &model->parameters;
  }
  return BKI_OK;
fail:
  bki_model_destroy(model);
  return status;
}

void bki_model_destroy(bki_model *model) {
  if (model == NULL) {
    return;
  }
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

int64_t bki_model_n_parameters(const bki_model *model) {
  return (int64_t)model->parameters.count;
}
