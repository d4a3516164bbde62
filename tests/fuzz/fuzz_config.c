#include "config_file.h"
#include "fuzz.h"
#include "settings.h"

/* Numbers of all tensors that settings which passed the check describe. */
static int64_t count_parameters(const bki_model_config *config) {
  bki_parameter tensor;
  int64_t count = 0;
  for (size_t i = 0; bki_parameters_describe(config, i, &tensor); i++) {
    require(tensor.shape[0] > 0 && tensor.shape[1] > 0, "a tensor without numbers");
    count += tensor.shape[0] * tensor.shape[1];
  }
  return count;
}

/* Whatever config.json holds: it is refused with a message, or a model can be made of it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  bki_config_file file;
  bki_error err = {.status = BKI_OK};
  bki_arena *arena = bki_arena_create();
  bki_status status = bki_config_file_parse(&file, arena, (const char *)data, size, "config.json", &err);
  if (status == BKI_OK) {
    file.config.vocabulary_size = 100;
    status = bki_model_config_check(&file.config, "config.json", &err);
  }
  require(status == BKI_OK || (status == BKI_E_DATA && err.message[0] != '\0'), "refused without a message");
  const int64_t count = status == BKI_OK ? count_parameters(&file.config) : INT64_MAX;
  if (count > 1000000) {
    bki_arena_destroy(arena);
    return 0;
  }
  bki_model *model = NULL;
  require(bki_model_create_in(&model, arena, &file.config, &err) == BKI_OK, "checked settings make no model");
  require(bki_model_n_parameters(model) == count, "the count of parameters differs");
  for (int32_t c = 0; c < file.config.n_classes; c++) {
    const char *name = bki_model_get_config(model)->classes[c];
    require(bki_model_find_class(model, (bki_str){name, strlen(name)}) == c, "a class is not found by its name");
  }
  bki_model_destroy(model);
  return 0;
}
