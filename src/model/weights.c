#include "weights.h"

#include <stdio.h>
#include <string.h>

#include "fail.h"
#include "model.h"
#include "settings.h"

/* "[512, 100]" */
static const char *format_shape(char buf[160], int32_t rank, const int64_t *shape) {
  size_t n = (size_t)snprintf(buf, 160, "[");
  for (int32_t k = 0; k < rank && n < 130; k++) {
    n += (size_t)snprintf(buf + n, 160 - n, "%s%lld", k == 0 ? "" : ", ", (long long)shape[k]);
  }
  snprintf(buf + n, 160 - n, "]");
  return buf;
}

bki_status bki_weights_read_vocabulary_size(const bki_safetensors *file, const char *path, int32_t *out,
                                            bki_error *err) {
  const bki_tensor *embedding = bki_safetensors_find(file, "embedding.weight");
  if (embedding == NULL) {
    return bki_fail_at(err, BKI_E_DATA, path, 0, -1, "missing tensor embedding.weight");
  }
  if (embedding->rank != 2 || embedding->shape[0] > BKI_MAX_VOCABULARY) {
    char shape[160];
    return bki_fail_at(err, BKI_E_DATA, path, 0, -1,
                       "embedding.weight: expected shape [V, E] with V at most %d, found %s", BKI_MAX_VOCABULARY,
                       format_shape(shape, embedding->rank, embedding->shape));
  }
  *out = (int32_t)embedding->shape[0];
  return BKI_OK;
}

static bool is_parameter(const bki_model_config *config, const char *name) {
  bki_parameter tensor;
  for (size_t i = 0; bki_parameters_describe(config, i, &tensor); i++) {
    if (strcmp(tensor.name, name) == 0) {
      return true;
    }
  }
  return false;
}

bki_status bki_weights_check(const bki_safetensors *file, const bki_model_config *config, const char *path,
                             bki_error *err) {
  bki_parameter expected;
  char shapes[2][160];
  size_t n = 0;
  for (; bki_parameters_describe(config, n, &expected); n++) {
    format_shape(shapes[0], expected.rank, expected.shape);
    const bki_tensor *found = bki_safetensors_find(file, expected.name);
    if (found == NULL) {
      return bki_fail_at(err, BKI_E_DATA, path, 0, -1, "missing tensor %s %s", expected.name, shapes[0]);
    }
    if (found->rank != expected.rank ||
        memcmp(found->shape, expected.shape, (size_t)expected.rank * sizeof expected.shape[0]) != 0) {
      return bki_fail_at(err, BKI_E_DATA, path, 0, -1, "%s: expected shape %s, found %s", expected.name, shapes[0],
                         format_shape(shapes[1], found->rank, found->shape));
    }
  }
  for (size_t i = 0; n < bki_safetensors_count(file); i++) { /* more than expected: an unknown one is near */
    const char *name = bki_safetensors_get(file, i)->name;
    if (!is_parameter(config, name)) {
      char quoted[BKI_QUOTE_SIZE];
      return bki_fail_at(err, BKI_E_DATA, path, 0, -1, "tensor %s is not part of the model that config.json describes",
                         bki_quote(quoted, (bki_str){name, strlen(name)}));
    }
  }
  return BKI_OK;
}

bki_status bki_weights_read(const bki_safetensors *file, const bki_model_config *config, float *block, bki_error *err) {
  bki_parameter tensor;
  for (size_t i = 0; bki_parameters_describe(config, i, &tensor); i++) {
    BKI_TRY(bki_safetensors_read_f32(file, bki_safetensors_find(file, tensor.name), block, err));
    block += tensor.shape[0] * tensor.shape[1];
  }
  return BKI_OK;
}
