#include "train_initial.h"

#include <math.h>
#include <stdlib.h>

#include "array.h"
#include "fail.h"
#include "rng.h"
#include "train_sampler.h"

#define TWO_PI 6.283185307179586476925286766559

typedef struct source {
  uint64_t seed;
  uint64_t tensor; /* the next one's number */
} source;

static bki_rng next_stream(source *s) {
  bki_rng rng;
  bki_rng_init(&rng, s->seed, bki_train_stream(BKI_STREAM_INITIAL, s->tensor++));
  return rng;
}

/* U(-limit, limit). */
static void fill_uniform(source *s, float *out, size_t n, double limit) {
  bki_rng rng = next_stream(s);
  for (size_t i = 0; i < n; i++) {
    out[i] = (float)((2 * bki_rng_uniform(&rng) - 1) * limit);
  }
}

/* N(0, 1): Box and Muller's transform, one number of each pair. */
static double draw_normal(bki_rng *rng) {
  const double radius = sqrt(-2 * log(1 - bki_rng_uniform(rng)));
  return radius * cos(TWO_PI * bki_rng_uniform(rng));
}

/* Glorot and Bengio 2010: U(-l, l), l = sqrt(6 / (inputs + outputs)). */
static void fill_glorot(source *s, float *out, size_t inputs, size_t outputs) {
  fill_uniform(s, out, inputs * outputs, sqrt(6 / (double)(inputs + outputs)));
}

static void subtract_projection(double *column, const double *unit, size_t rows) {
  double dot = 0;
  for (size_t r = 0; r < rows; r++) {
    dot += column[r] * unit[r];
  }
  for (size_t r = 0; r < rows; r++) {
    column[r] -= dot * unit[r];
  }
}

/* [rows, columns] with orthonormal columns: a Gaussian matrix orthogonalised by Gram and Schmidt, twice for the digits
 * (the Q of QR with a positive diagonal of R, as Keras' Orthogonal and Saxe et al. 2014 have it). */
static bki_status fill_orthogonal(source *s, float *out, size_t rows, size_t columns, bki_error *err) {
  double *q = bki_array_create(rows * columns, sizeof *q); /* [columns, rows] */
  if (q == NULL) {
    return bki_fail_memory(err);
  }
  bki_rng rng = next_stream(s);
  for (size_t c = 0; c < columns; c++) {
    double *column = q + c * rows;
    for (size_t r = 0; r < rows; r++) {
      column[r] = draw_normal(&rng);
    }
    for (size_t k = 0; k < 2 * c; k++) {
      subtract_projection(column, q + k % c * rows, rows);
    }
    double square = 0;
    for (size_t r = 0; r < rows; r++) {
      square += column[r] * column[r];
    }
    for (size_t r = 0; r < rows; r++) {
      column[r] /= sqrt(square);
      out[r * columns + c] = (float)column[r];
    }
  }
  free(q);
  return BKI_OK;
}

/* nn.LSTM and nn.Linear. */
static void draw_pytorch(source *s, const bki_parameters *p, const bki_model_config *m) {
  const size_t hidden = (size_t)m->hidden;
  const double k = 1 / sqrt((double)hidden);
  for (int32_t i = 0; i < 2 * m->num_layers; i++) {
    const size_t inputs = i < 2 ? (size_t)m->embedding_dim : 2 * hidden;
    fill_uniform(s, p->lstm[i].w_ih, 4 * hidden * inputs, k);
    fill_uniform(s, p->lstm[i].w_hh, 4 * hidden * hidden, k);
    fill_uniform(s, p->lstm[i].b_ih, 4 * hidden, k);
    fill_uniform(s, p->lstm[i].b_hh, 4 * hidden, k);
  }
  const size_t dense = (size_t)m->dense;
  const size_t inputs = dense > 0 ? dense : 2 * hidden;
  if (dense > 0) {
    fill_uniform(s, p->dense_weight, dense * 2 * hidden, 1 / sqrt(2.0 * (double)hidden));
    fill_uniform(s, p->dense_bias, dense, 1 / sqrt(2.0 * (double)hidden));
  }
  fill_uniform(s, p->output_weight, (size_t)m->n_classes * inputs, 1 / sqrt((double)inputs));
  fill_uniform(s, p->output_bias, (size_t)m->n_classes, 1 / sqrt((double)inputs));
}

/* LSTM and Dense; the biases are zeros but for the forget gate's (unit_forget_bias). */
static bki_status draw_keras(source *s, const bki_parameters *p, const bki_model_config *m, bki_error *err) {
  const size_t hidden = (size_t)m->hidden;
  for (int32_t i = 0; i < 2 * m->num_layers; i++) {
    const size_t inputs = i < 2 ? (size_t)m->embedding_dim : 2 * hidden;
    fill_glorot(s, p->lstm[i].w_ih, inputs, 4 * hidden);
    BKI_TRY(fill_orthogonal(s, p->lstm[i].w_hh, 4 * hidden, hidden, err));
    for (size_t h = 0; h < hidden; h++) {
      p->lstm[i].b_ih[hidden + h] = 1;
    }
  }
  const size_t dense = (size_t)m->dense;
  if (dense > 0) {
    fill_glorot(s, p->dense_weight, 2 * hidden, dense);
  }
  fill_glorot(s, p->output_weight, dense > 0 ? dense : 2 * hidden, (size_t)m->n_classes);
  return BKI_OK;
}

bki_status bki_initial_weights(const bki_parameters *parameters, const bki_model_config *config,
                               bki_convention convention, uint64_t seed, bki_error *err) {
  source s = {.seed = seed, .tensor = 1};
  if (convention == BKI_CONVENTION_KERAS) {
    return draw_keras(&s, parameters, config, err);
  }
  draw_pytorch(&s, parameters, config);
  return BKI_OK;
}

void bki_initial_embedding(const bki_parameters *parameters, const bki_model_config *config, bki_convention convention,
                           uint64_t seed) {
  source s = {.seed = seed};
  const size_t n = (size_t)config->vocabulary_size * (size_t)config->embedding_dim;
  if (convention == BKI_CONVENTION_KERAS) {
    fill_uniform(&s, parameters->embedding, n, 0.05);
    return;
  }
  bki_rng rng = next_stream(&s);
  for (size_t i = 0; i < n; i++) {
    parameters->embedding[i] = (float)draw_normal(&rng);
  }
}

static void copy_scaled(float *out, const float *vector, size_t n, double norm) {
  double square = 0;
  for (size_t i = 0; i < n; i++) {
    square += (double)vector[i] * vector[i];
  }
  const double scale = norm > 0 && square > 0 ? norm / sqrt(square) : 1;
  for (size_t i = 0; i < n; i++) {
    out[i] = (float)(vector[i] * scale);
  }
}

int32_t bki_initial_vectors(const bki_parameters *parameters, const bki_vocabulary *vocabulary,
                            const bki_vectors *vectors, double norm) {
  const size_t dim = (size_t)bki_vectors_dimension(vectors);
  int32_t found = 0;
  for (int32_t id = 2; id < bki_vocabulary_size(vocabulary); id++) {
    const float *vector = bki_vectors_find(vectors, bki_vocabulary_word(vocabulary, id));
    if (vector != NULL) {
      copy_scaled(parameters->embedding + (size_t)id * dim, vector, dim, norm);
      found++;
    }
  }
  return found;
}
