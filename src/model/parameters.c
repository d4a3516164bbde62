#include "parameters.h"

#include <stdio.h>
#include <stdlib.h>

#include "array.h"
#include "fail.h"
#include "model.h"

enum { TENSORS_PER_DIRECTION = 4 };

/* Tensor k of direction d (0 forward, 1 backward) of a layer. */
static void get_lstm(bki_lstm_weights *weights, const bki_model_config *config, size_t layer, size_t d, size_t k,
                     bki_parameter *out) {
  static const char *const names[TENSORS_PER_DIRECTION] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh"};
  float **const fields[TENSORS_PER_DIRECTION] = {&weights->w_ih, &weights->w_hh, &weights->b_ih, &weights->b_hh};
  const int64_t hidden = config->hidden;
  const int64_t inputs = layer == 0 ? config->embedding_dim : 2 * hidden;
  const int64_t columns[TENSORS_PER_DIRECTION] = {inputs, hidden, 1, 1};
  *out = (bki_parameter){.rank = k < 2 ? 2 : 1, .shape = {4 * hidden, columns[k]}, .data = fields[k]};
  snprintf(out->name, sizeof out->name, "lstm.%s_l%zu%s", names[k], layer, d == 0 ? "" : "_reverse");
}

static bool get_head(bki_parameters *parameters, const bki_model_config *config, size_t i, bki_parameter *out) {
  const int64_t readout = 2 * (int64_t)config->hidden;
  const int64_t dense = config->dense;
  const int64_t classes = config->n_classes;
  const bki_parameter table[] = {
      {"dense.weight", 2, {dense, readout}, &parameters->dense_weight},
      {"dense.bias", 1, {dense, 1}, &parameters->dense_bias},
      {"output.weight", 2, {classes, dense > 0 ? dense : readout}, &parameters->output_weight},
      {"output.bias", 1, {classes, 1}, &parameters->output_bias},
  };
  i += dense > 0 ? 0 : 2;
  if (i >= sizeof table / sizeof table[0]) {
    return false;
  }
  *out = table[i];
  return true;
}

bool bki_parameters_get(bki_parameters *parameters, const bki_model_config *config, size_t i, bki_parameter *out) {
  if (i == 0) {
    *out = (bki_parameter){
        "embedding.weight", 2, {config->vocabulary_size, config->embedding_dim}, &parameters->embedding};
    return true;
  }
  i -= 1;
  const size_t n_lstm = (size_t)config->num_layers * 2 * TENSORS_PER_DIRECTION;
  if (i >= n_lstm) {
    return get_head(parameters, config, i - n_lstm, out);
  }
  const size_t direction = i / TENSORS_PER_DIRECTION; /* layer by layer, forward then backward */
  get_lstm(&parameters->lstm[direction], config, direction / 2, direction % 2, i % TENSORS_PER_DIRECTION, out);
  return true;
}

bki_status bki_parameters_init(bki_parameters *parameters, const bki_model_config *config, bki_error *err) {
  *parameters = (bki_parameters){0};
  parameters->lstm = bki_array_create((size_t)config->num_layers * 2, sizeof *parameters->lstm);
  if (parameters->lstm == NULL) {
    return bki_fail_memory(err);
  }
  bki_parameter tensor;
  for (size_t i = 0; bki_parameters_get(parameters, config, i, &tensor); i++) {
    size_t count;
    if (!bki_size_mul((size_t)tensor.shape[0], (size_t)tensor.shape[1], &count) ||
        !bki_size_add(parameters->count, count, &parameters->count)) {
      return bki_fail_memory(err);
    }
  }
  parameters->block = bki_array_create(parameters->count, sizeof *parameters->block);
  if (parameters->block == NULL) {
    return bki_fail_memory(err);
  }
  float *next = parameters->block;
  for (size_t i = 0; bki_parameters_get(parameters, config, i, &tensor); i++) {
    *tensor.data = next;
    next += tensor.shape[0] * tensor.shape[1];
  }
  return BKI_OK;
}

void bki_parameters_clear(bki_parameters *parameters) {
  free(parameters->lstm);
  free(parameters->block);
  *parameters = (bki_parameters){0};
}
