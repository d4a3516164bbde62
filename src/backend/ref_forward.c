#include "ref_forward.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "fail.h"

/* Where a tensor of `from` stands in the copy. */
static double *twin(const bki_ref_numbers *numbers, const bki_parameters *from, const float *tensor) {
  return tensor == NULL ? NULL : numbers->block + (tensor - from->block);
}

bki_status bki_ref_numbers_init(bki_ref_numbers *numbers, const bki_model_config *model, const bki_parameters *from,
                                bki_error *err) {
  const size_t directions = 2 * (size_t)model->num_layers;
  *numbers = (bki_ref_numbers){.block = bki_array_create(from->count, sizeof *numbers->block),
                               .count = from->count,
                               .lstm = bki_array_create(directions, sizeof *numbers->lstm)};
  if (numbers->block == NULL || numbers->lstm == NULL) {
    return bki_fail_memory(err);
  }
  for (size_t i = 0; i < from->count; i++) {
    numbers->block[i] = (double)from->block[i];
  }
  numbers->embedding = twin(numbers, from, from->embedding);
  for (size_t i = 0; i < directions; i++) {
    const bki_lstm_weights *w = &from->lstm[i];
    numbers->lstm[i] = (bki_ref_lstm){twin(numbers, from, w->w_ih), twin(numbers, from, w->w_hh),
                                      twin(numbers, from, w->b_ih), twin(numbers, from, w->b_hh)};
  }
  numbers->dense_weight = twin(numbers, from, from->dense_weight);
  numbers->dense_bias = twin(numbers, from, from->dense_bias);
  numbers->output_weight = twin(numbers, from, from->output_weight);
  numbers->output_bias = twin(numbers, from, from->output_bias);
  return BKI_OK;
}

void bki_ref_numbers_clear(bki_ref_numbers *numbers) {
  free(numbers->block);
  free(numbers->lstm);
  *numbers = (bki_ref_numbers){0};
}

int32_t bki_ref_steps(const bki_model_config *model, int32_t length) {
  return model->pad == BKI_PAD_NONE ? length : model->pad_length;
}

int32_t bki_ref_row(const bki_model_config *model, const bki_sequence *text, int32_t t) {
  const int32_t first = model->pad == BKI_PAD_PRE ? model->pad_length - text->length : 0; /* step of the first word */
  if (t >= first && t < first + text->length) {
    return text->ids[t - first];
  }
  return model->pad_vector == BKI_PAD_VECTOR_ZERO ? -1 : model->pad_id;
}

void bki_ref_embed(const bki_model_config *model, const double *embedding, const bki_sequence *text, double *x) {
  const size_t E = (size_t)model->embedding_dim;
  const int32_t steps = bki_ref_steps(model, text->length);
  for (int32_t t = 0; t < steps; t++) {
    const int32_t row = bki_ref_row(model, text, t);
    for (size_t j = 0; j < E; j++) {
      x[(size_t)t * E + j] = row < 0 ? 0.0 : embedding[(size_t)row * E + j];
    }
  }
}

static double sigmoid(double z) {
  return 1.0 / (1.0 + exp(-z));
}

/* The four gates a [4] of unit k; h is h_{t-1}, NULL for zeros. */
static void compute_gates(const bki_ref_lstm *w, size_t I, size_t H, size_t k, const double *x_t, const double *h,
                          double *a) {
  for (size_t q = 0; q < 4; q++) { /* a_q = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh, row q H + k, q = i, f, g, o */
    a[q] = w->b_ih[q * H + k] + w->b_hh[q * H + k];
  }
  for (size_t j = 0; j < I; j++) {
    for (size_t q = 0; q < 4; q++) {
      a[q] += w->w_ih[(q * H + k) * I + j] * x_t[j];
    }
  }
  for (size_t j = 0; h != NULL && j < H; j++) {
    for (size_t q = 0; q < 4; q++) {
      a[q] += w->w_hh[(q * H + k) * H + j] * h[j];
    }
  }
  for (size_t q = 0; q < 4; q++) {
    a[q] = q == 2 ? tanh(a[q]) : sigmoid(a[q]);
  }
}

void bki_ref_direction(const bki_ref_lstm *w, int32_t inputs, int32_t hidden, bool backward, const double *x, int32_t n,
                       double *cell, double *y, double *gates, double *cells) {
  const size_t I = (size_t)inputs;
  const size_t H = (size_t)hidden;
  memset(cell, 0, H * sizeof *cell); /* h_{-1} = c_{-1} = 0 */
  const double *h = NULL;
  for (int32_t s = 0; s < n; s++) {
    const size_t t = (size_t)(backward ? n - 1 - s : s);
    double *h_t = y + t * 2 * H + (backward ? H : 0);
    for (size_t k = 0; k < H; k++) {
      double a[4];
      compute_gates(w, I, H, k, x + t * I, h, a);
      cell[k] = a[1] * cell[k] + a[0] * a[2]; /* c_t = f c_{t-1} + i g */
      h_t[k] = a[3] * tanh(cell[k]);          /* h_t = o tanh(c_t) */
      for (size_t q = 0; gates != NULL && q < 4; q++) {
        gates[(4 * t + q) * H + k] = a[q];
      }
    }
    if (cells != NULL) {
      memcpy(cells + t * H, cell, H * sizeof *cell);
    }
    h = h_t;
  }
}

int32_t bki_ref_read_step(bki_readout readout, size_t H, size_t k, const double *y, int32_t n) {
  if (readout == BKI_READOUT_FINAL && k >= H) {
    return 0;
  }
  if (readout != BKI_READOUT_MAX) {
    return n - 1;
  }
  int32_t best = 0; /* the first of equal ones */
  for (int32_t t = 1; t < n; t++) {
    best = y[(size_t)t * 2 * H + k] > y[(size_t)best * 2 * H + k] ? t : best;
  }
  return best;
}

void bki_ref_read_out(bki_readout readout, size_t H, const double *y, int32_t n, double *r) {
  memset(r, 0, 2 * H * sizeof *r);
  for (size_t k = 0; k < 2 * H && n > 0; k++) {
    if (readout == BKI_READOUT_MEAN) { /* r = 1/T sum_t y_t */
      for (int32_t t = 0; t < n; t++) {
        r[k] += y[(size_t)t * 2 * H + k] / n;
      }
    } else {
      r[k] = y[(size_t)bki_ref_read_step(readout, H, k, y, n) * 2 * H + k];
    }
  }
}

static double activate(bki_activation activation, double z) {
  switch (activation) {
    case BKI_ACTIVATION_RELU: return z > 0 ? z : 0;
    case BKI_ACTIVATION_TANH: return tanh(z);
    case BKI_ACTIVATION_NONE: break;
  }
  return z;
}

/* out = weight [rows, columns] . in + bias */
static void affine(const double *weight, const double *bias, int32_t rows, int32_t columns, const double *in,
                   double *out) {
  for (int32_t r = 0; r < rows; r++) {
    out[r] = bias[r];
    for (int32_t j = 0; j < columns; j++) {
      out[r] += weight[(size_t)r * (size_t)columns + (size_t)j] * in[j];
    }
  }
}

int32_t bki_ref_head(const bki_model_config *model, const bki_ref_numbers *parameters, const double *r, double *dense,
                     double *logits) {
  const bki_ref_numbers *p = parameters;
  if (model->dense > 0) { /* d = act(dense.weight r + dense.bias), logits = output.weight d + output.bias */
    affine(p->dense_weight, p->dense_bias, model->dense, 2 * model->hidden, r, dense);
    for (int32_t d = 0; d < model->dense; d++) {
      dense[d] = activate(model->dense_activation, dense[d]);
    }
    affine(p->output_weight, p->output_bias, model->n_classes, model->dense, dense, logits);
  } else { /* logits = output.weight r + output.bias */
    affine(p->output_weight, p->output_bias, model->n_classes, 2 * model->hidden, r, logits);
  }
  int32_t best = 0;
  for (int32_t c = 1; c < model->n_classes; c++) {
    best = logits[c] > logits[best] ? c : best;
  }
  return best;
}
