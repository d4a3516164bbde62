#include "parameters.h"

#include <stdio.h>
#include <stdlib.h>

#include "array.h"
#include "fail.h"
#include "model.h"

enum { PER_DIRECTION = 4, HEAD = 4 };

static size_t count_lstm(const bki_model_config *config) {
  return (size_t)config->num_layers * 2 * PER_DIRECTION;
}

/* Tensor i of the LSTM: layer by layer, forward then backward. */
static void describe_lstm(const bki_model_config *config, size_t i, bki_parameter *out) {
  static const char *const names[PER_DIRECTION] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh"};
  const size_t layer = i / PER_DIRECTION / 2;
  const size_t direction = i / PER_DIRECTION % 2;
  const size_t k = i % PER_DIRECTION;
  const int64_t hidden = config->hidden;
  const int64_t inputs = layer == 0 ? config->embedding_dim : 2 * hidden;
  const int64_t columns[PER_DIRECTION] = {inputs, hidden, 1, 1};
  *out = (bki_parameter){.rank = k < 2 ? 2 : 1, .shape = {4 * hidden, columns[k]}};
  snprintf(out->name, sizeof out->name, "lstm.%s_l%zu%s", names[k], layer, direction == 0 ? "" : "_reverse");
}

bool bki_parameters_describe(const bki_model_config *config, size_t i, bki_parameter *out) {
  if (i == 0) {
    *out = (bki_parameter){"embedding.weight", 2, {config->vocabulary_size, config->embedding_dim}};
    return true;
  }
  i -= 1;
  if (i < count_lstm(config)) {
    describe_lstm(config, i, out);
    return true;
  }
  const int64_t readout = 2 * (int64_t)config->hidden;
  const int64_t dense = config->dense;
  const int64_t classes = config->n_classes;
  const bki_parameter head[HEAD] = {
      {"dense.weight", 2, {dense, readout}},
      {"dense.bias", 1, {dense, 1}},
      {"output.weight", 2, {classes, dense > 0 ? dense : readout}},
      {"output.bias", 1, {classes, 1}},
  };
  i = i - count_lstm(config) + (dense > 0 ? 0 : 2);
  if (i >= HEAD) {
    return false;
  }
  *out = head[i];
  return true;
}

/* Where tensor i of the table is pointed at. */
static float **field_of(bki_parameters *parameters, const bki_model_config *config, size_t i) {
  if (i == 0) {
    return &parameters->embedding;
  }
  i -= 1;
  if (i < count_lstm(config)) {
    bki_lstm_weights *weights = &parameters->lstm[i / PER_DIRECTION];
    float **const fields[PER_DIRECTION] = {&weights->w_ih, &weights->w_hh, &weights->b_ih, &weights->b_hh};
    return fields[i % PER_DIRECTION];
  }
  float **const fields[HEAD] = {&parameters->dense_weight, &parameters->dense_bias, &parameters->output_weight,
                                &parameters->output_bias};
  return fields[i - count_lstm(config) + (config->dense > 0 ? 0 : 2)];
}

bki_status bki_parameters_init(bki_parameters *parameters, const bki_model_config *config, bki_error *err) {
  *parameters = (bki_parameters){0};
  parameters->lstm = bki_array_create((size_t)config->num_layers * 2, sizeof *parameters->lstm);
  if (parameters->lstm == NULL) {
    return bki_fail_memory(err);
  }
  bki_parameter tensor;
  for (size_t i = 0; bki_parameters_describe(config, i, &tensor); i++) {
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
  for (size_t i = 0; bki_parameters_describe(config, i, &tensor); i++) {
    *field_of(parameters, config, i) = next;
    next += tensor.shape[0] * tensor.shape[1];
  }
  return BKI_OK;
}

void bki_parameters_clear(bki_parameters *parameters) {
  free(parameters->lstm);
  free(parameters->block);
  *parameters = (bki_parameters){0};
}
