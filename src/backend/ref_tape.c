#include "ref_tape.h"

#include <math.h>
#include <stdlib.h>

#include "array.h"
#include "fail.h"
#include "learner.h"

bki_status bki_ref_tape_init(bki_ref_tape *tape, const bki_model_config *model, bki_error *err) {
  const size_t H = (size_t)model->hidden;
  const size_t D = (size_t)model->dense;
  const size_t C = (size_t)model->n_classes;
  *tape = (bki_ref_tape){.model = model, .layers = bki_array_create((size_t)model->num_layers, sizeof *tape->layers)};
  const struct {
    double **array;
    size_t count;
  } units[] = {{&tape->r, 2 * H},  {&tape->dr, 2 * H},  {&tape->dense, D},   {&tape->ddense, D},
               {&tape->logits, C}, {&tape->softmax, C}, {&tape->dlogits, C}, {&tape->cell, H},
               {&tape->dh, H},     {&tape->dc, H},      {&tape->da, 4 * H}};
  const size_t n = sizeof units / sizeof units[0];
  size_t total = 0;
  for (size_t i = 0; i < n; i++) {
    total += units[i].count; /* each is below 2^20: see the limits of a model */
  }
  tape->units = bki_array_create(total, sizeof *tape->units);
  if (tape->layers == NULL || tape->units == NULL) {
    return bki_fail_memory(err);
  }
  double *next = tape->units;
  for (size_t i = 0; i < n; i++) {
    *units[i].array = next;
    next += units[i].count;
  }
  return BKI_OK;
}

static void free_steps(bki_ref_tape *tape) {
  for (int32_t i = 0; tape->layers != NULL && i < tape->model->num_layers; i++) {
    bki_ref_layer *layer = &tape->layers[i];
    free(layer->x);
    free(layer->y);
    for (int d = 0; d < 2; d++) {
      free(layer->gates[d]);
      free(layer->cells[d]);
    }
    *layer = (bki_ref_layer){0};
  }
  free(tape->dx);
  free(tape->dy);
  tape->dx = NULL;
  tape->dy = NULL;
  tape->max_steps = 0;
}

void bki_ref_tape_clear(bki_ref_tape *tape) {
  free_steps(tape);
  free(tape->layers);
  free(tape->units);
  *tape = (bki_ref_tape){0};
}

/* [steps, width] into *array. */
static bool create_rows(double **array, size_t steps, size_t width) {
  size_t count;
  *array = bki_size_mul(steps, width, &count) ? bki_array_create(count, sizeof **array) : NULL;
  return *array != NULL;
}

bki_status bki_ref_tape_reserve(bki_ref_tape *tape, size_t steps, bki_error *err) {
  if (steps <= tape->max_steps) {
    return BKI_OK;
  }
  const size_t E = (size_t)tape->model->embedding_dim;
  const size_t H = (size_t)tape->model->hidden;
  const size_t W = E > 2 * H ? E : 2 * H;
  free_steps(tape);
  bool complete = create_rows(&tape->dx, steps, W) && create_rows(&tape->dy, steps, W);
  for (int32_t i = 0; complete && i < tape->model->num_layers; i++) {
    bki_ref_layer *layer = &tape->layers[i];
    complete = create_rows(&layer->x, steps, i == 0 ? E : 2 * H) && create_rows(&layer->y, steps, 2 * H);
    for (int d = 0; complete && d < 2; d++) {
      complete = create_rows(&layer->gates[d], steps, 4 * H) && create_rows(&layer->cells[d], steps, H);
    }
  }
  if (!complete) {
    return bki_fail_memory(err);
  }
  tape->max_steps = steps;
  return BKI_OK;
}

double bki_ref_dropout(const bki_ref_sample *sample, int32_t site, size_t unit) {
  if (sample->dropout <= 0) {
    return 1;
  }
  const bool keeps = bki_dropout_keeps(sample->dropout, sample->seed, sample->step, (uint32_t)site, sample->row, unit);
  return keeps ? 1 / (1 - sample->dropout) : 0;
}

/* Returns the cross-entropy -log softmax(logits)_label. */
static double cross_entropy(const double *logits, int32_t n, int32_t label, double largest, double *softmax) {
  double sum = 0;
  for (int32_t c = 0; c < n; c++) {
    softmax[c] = exp(logits[c] - largest); /* at most 1 */
    sum += softmax[c];
  }
  for (int32_t c = 0; c < n; c++) {
    softmax[c] /= sum;
  }
  return log(sum) + largest - logits[label];
}

double bki_ref_tape_forward(bki_ref_tape *tape, const bki_ref_numbers *parameters, const bki_ref_sample *sample,
                            int32_t *predicted) {
  const bki_model_config *m = tape->model;
  const size_t units = 2 * (size_t)m->hidden;
  const int32_t n = bki_ref_steps(m, sample->text.length);
  bki_ref_layer *layer = tape->layers;
  bki_ref_embed(m, parameters->embedding, &sample->text, layer->x);
  for (int32_t i = 0; i < m->num_layers; i++) {
    layer = &tape->layers[i];
    if (i > 0) { /* x_t = dropout(y_t of the layer below) */
      for (size_t u = 0; u < (size_t)n * units; u++) {
        layer->x[u] = layer[-1].y[u] * bki_ref_dropout(sample, i - 1, u);
      }
    }
    const int32_t inputs = i == 0 ? m->embedding_dim : 2 * m->hidden;
    for (int32_t d = 0; d < 2; d++) {
      bki_ref_direction(&parameters->lstm[2 * i + d], inputs, m->hidden, d == 1, layer->x, n, tape->cell, layer->y,
                        layer->gates[d], layer->cells[d]);
    }
  }
  bki_ref_read_out(m->readout, (size_t)m->hidden, layer->y, n, tape->r);
  for (size_t k = 0; k < units; k++) {
    tape->r[k] *= bki_ref_dropout(sample, m->num_layers, k);
  }
  *predicted = bki_ref_head(m, parameters, tape->r, tape->dense, tape->logits);
  return cross_entropy(tape->logits, m->n_classes, sample->label, tape->logits[*predicted], tape->softmax);
}
