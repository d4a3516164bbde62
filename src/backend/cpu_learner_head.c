/* Readout, head, loss, and the way back through them. Rows are the sorted ones of the plan. */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "argmax.h"
#include "cpu_learner.h"
#include "fail.h"

/* Matrices of the batch, in one buffer. */
typedef struct head {
  size_t n;
  size_t units; /* 2H */
  size_t dense; /* D */
  size_t classes;
  float *r;       /* [n, 2H] readout, masked; on the way back its gradient */
  float *dense_z; /* [n, D] after the activation; on the way back gradients before it */
  float *logits;  /* [n, C]; on the way back their gradients */
} head;

static size_t row_size(const bki_model_config *model) {
  return 2 * (size_t)model->hidden + (size_t)model->dense + (size_t)model->n_classes;
}

bki_status bki_learner_head_reserve(bki_cpu_learner *l, bki_error *err) {
  const size_t units = 2 * (size_t)l->model->hidden;
  const size_t dense = (size_t)l->model->dense;
  BKI_TRY(bki_floats_reserve(&l->d_head, l->plan.n, units > dense ? units : dense, err));
  return bki_floats_reserve(&l->head, l->plan.n, row_size(l->model), err);
}

static head head_of(const bki_cpu_learner *l) {
  head h = {.n = l->plan.n,
            .units = 2 * (size_t)l->model->hidden,
            .dense = (size_t)l->model->dense,
            .classes = (size_t)l->model->n_classes,
            .r = l->head.at};
  h.dense_z = h.r + h.n * h.units;
  h.logits = h.dense_z + h.n * h.dense;
  return h;
}

/* Where unit k of the 2H stands among the 2H'. */
static size_t column_of(const bki_cpu_learner *l, size_t k) {
  const size_t H = (size_t)l->model->hidden;
  return k < H ? k : l->width + k - H;
}

/* The output of unit `column` at position t of row r of a chunk. */
static float *output_at(const bki_cpu_learner *l, const bki_learner_chunk *chunk, float *y, size_t r, size_t t,
                        size_t column) {
  return y + (chunk->offset[t] + r) * 2 * l->width + column;
}

/* The position of the first of the largest outputs of a unit. */
static size_t find_max(const bki_cpu_learner *l, const bki_learner_chunk *chunk, size_t r, size_t steps,
                       size_t column) {
  size_t best = 0;
  float largest = *output_at(l, chunk, l->y.at, r, 0, column);
  for (size_t t = 1; t < steps; t++) {
    const float value = *output_at(l, chunk, l->y.at, r, t, column);
    if (value > largest) {
      largest = value;
      best = t;
    }
  }
  return best;
}

static float read_unit(const bki_cpu_learner *l, size_t i, size_t k) {
  const bki_learner_chunk *chunk = &l->plan.chunks[i / BKI_LEARNER_ROWS];
  const size_t r = i - chunk->first;
  const size_t steps = l->plan.steps[i];
  const size_t column = column_of(l, k);
  if (steps == 0) {
    return 0;
  }
  float sum = 0;
  switch (l->model->readout) {
    case BKI_READOUT_FINAL: {
      const size_t direction = column / l->width;
      return l->directions[2 * (l->n_layers - 1) + direction].last.at[i * l->width + column % l->width];
    }
    case BKI_READOUT_LAST: return *output_at(l, chunk, l->y.at, r, steps - 1, column);
    case BKI_READOUT_MAX: return *output_at(l, chunk, l->y.at, r, find_max(l, chunk, r, steps, column), column);
    case BKI_READOUT_MEAN:
      for (size_t t = 0; t < steps; t++) {
        sum += *output_at(l, chunk, l->y.at, r, t, column);
      }
      break;
  }
  return sum / (float)steps;
}

/* Puts the gradient of a unit of the readout where it came from; dy is zero before. */
static void write_unit(bki_cpu_learner *l, size_t i, size_t k, float gradient) {
  const bki_learner_chunk *chunk = &l->plan.chunks[i / BKI_LEARNER_ROWS];
  const size_t r = i - chunk->first;
  const size_t steps = l->plan.steps[i];
  const size_t column = column_of(l, k);
  if (steps == 0) {
    return;
  }
  switch (l->model->readout) {
    case BKI_READOUT_FINAL: {
      const size_t direction = column / l->width;
      l->directions[2 * (l->n_layers - 1) + direction].d_last.at[i * l->width + column % l->width] = gradient;
      break;
    }
    case BKI_READOUT_LAST: *output_at(l, chunk, l->dy.at, r, steps - 1, column) = gradient; break;
    case BKI_READOUT_MAX:
      *output_at(l, chunk, l->dy.at, r, find_max(l, chunk, r, steps, column), column) = gradient;
      break;
    case BKI_READOUT_MEAN:
      for (size_t t = 0; t < steps; t++) {
        *output_at(l, chunk, l->dy.at, r, t, column) = gradient / (float)steps;
      }
      break;
  }
}

static void mask_readout(const bki_cpu_learner *l, const bki_learner_dropout *dropout, float *r) {
  const size_t units = 2 * (size_t)l->model->hidden;
  const float scale = (float)(1 / (1 - dropout->share));
  for (size_t i = 0; i < l->plan.n; i++) {
    for (size_t k = 0; k < units; k++) {
      const bool kept =
          bki_dropout_keeps(dropout->share, dropout->seed, dropout->step, (uint32_t)l->n_layers, l->plan.row[i], k);
      r[i * units + k] *= kept ? scale : 0;
    }
  }
}

static void activate(bki_activation activation, float *z, size_t n) {
  for (size_t i = 0; i < n; i++) {
    switch (activation) {
      case BKI_ACTIVATION_RELU: z[i] = z[i] > 0 ? z[i] : 0; break;
      case BKI_ACTIVATION_TANH: z[i] = tanhf(z[i]); break;
      case BKI_ACTIVATION_NONE: break;
    }
  }
}

/* dz of dz = da act'(z), from a = act(z) */
static void activate_back(bki_activation activation, const float *a, float *d, size_t n) {
  for (size_t i = 0; i < n; i++) {
    switch (activation) {
      case BKI_ACTIVATION_RELU: d[i] = a[i] > 0 ? d[i] : 0; break;
      case BKI_ACTIVATION_TANH: d[i] *= 1 - a[i] * a[i]; break;
      case BKI_ACTIVATION_NONE: break;
    }
  }
}

/* out [n, rows] = in [n, columns] weight^T + bias */
static void affine(size_t n, const float *in, size_t columns, const float *weight, const float *bias, size_t rows,
                   float *out) {
  for (size_t i = 0; i < n; i++) {
    memcpy(out + i * rows, bias, rows * sizeof *out);
  }
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)n, (blasint)rows, (blasint)columns, 1, in,
              (blasint)columns, weight, (blasint)columns, 1, out, (blasint)rows);
}

/* d_out [n, rows] to the gradients of weight and bias, and to d_in, which may not be `in`. */
static void affine_back(const bki_cpu_learner *l, size_t n, const float *in, size_t columns, const float *weight,
                        const float *bias, size_t rows, const float *d_out, float *d_in) {
  float *d_bias = bki_learner_gradient(l, bias);
  memset(d_bias, 0, rows * sizeof *d_bias);
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < rows; j++) {
      d_bias[j] += d_out[i * rows + j];
    }
  }
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)rows, (blasint)columns, (blasint)n, 1, d_out,
              (blasint)rows, in, (blasint)columns, 0, bki_learner_gradient(l, weight), (blasint)columns);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)n, (blasint)columns, (blasint)rows, 1, d_out,
              (blasint)rows, weight, (blasint)columns, 0, d_in, (blasint)columns);
}

/* The cross-entropy of a row; logits become its gradient, of the mean over n rows. */
static double cross_entropy(float *logits, size_t classes, size_t label, size_t n, int64_t *n_correct) {
  const size_t best = bki_argmax(logits, classes);
  *n_correct += best == label;
  double sum = 0;
  const double largest = (double)logits[best];
  for (size_t c = 0; c < classes; c++) {
    sum += exp((double)logits[c] - largest);
  }
  const double loss = log(sum) + largest - (double)logits[label];
  for (size_t c = 0; c < classes; c++) {
    const double probability = exp((double)logits[c] - largest) / sum;
    logits[c] = (float)((probability - (c == label ? 1 : 0)) / (double)n);
  }
  return loss;
}

/* From the gradients of the logits to those of the readout, which replace it. d: [n, max(2H, D)] */
static void head_back(bki_cpu_learner *l, const head *h, float *d) {
  const bki_parameters *p = &l->parameters;
  if (h->dense == 0) {
    affine_back(l, h->n, h->r, h->units, p->output_weight, p->output_bias, h->classes, h->logits, d);
  } else {
    affine_back(l, h->n, h->dense_z, h->dense, p->output_weight, p->output_bias, h->classes, h->logits, d);
    activate_back(l->model->dense_activation, h->dense_z, d, h->n * h->dense);
    memcpy(h->dense_z, d, h->n * h->dense * sizeof *d);
    affine_back(l, h->n, h->r, h->units, p->dense_weight, p->dense_bias, h->dense, h->dense_z, d);
  }
  memcpy(h->r, d, h->n * h->units * sizeof *d);
}

void bki_learner_head(bki_cpu_learner *l, const bki_minibatch *batch, const bki_learner_dropout *dropout, bool back,
                      bki_batch_loss *out) {
  const head h = head_of(l);
  const bki_parameters *p = &l->parameters;
  for (size_t i = 0; i < h.n * h.units; i++) {
    h.r[i] = read_unit(l, i / h.units, i % h.units);
  }
  if (dropout != NULL) {
    mask_readout(l, dropout, h.r);
  }
  if (h.dense > 0) {
    affine(h.n, h.r, h.units, p->dense_weight, p->dense_bias, h.dense, h.dense_z);
    activate(l->model->dense_activation, h.dense_z, h.n * h.dense);
    affine(h.n, h.dense_z, h.dense, p->output_weight, p->output_bias, h.classes, h.logits);
  } else {
    affine(h.n, h.r, h.units, p->output_weight, p->output_bias, h.classes, h.logits);
  }
  *out = (bki_batch_loss){0};
  for (size_t i = 0; i < h.n; i++) {
    out->loss_sum +=
        cross_entropy(h.logits + i * h.classes, h.classes, (size_t)batch->labels[l->plan.row[i]], h.n, &out->n_correct);
  }
  if (!back) {
    return;
  }
  head_back(l, &h, l->d_head.at);
  if (dropout != NULL) {
    mask_readout(l, dropout, h.r);
  }
  if (l->model->readout != BKI_READOUT_FINAL) {
    memset(l->dy.at, 0, l->plan.n_steps * 2 * l->width * sizeof(float));
  }
  for (size_t i = 0; i < h.n * h.units; i++) {
    write_unit(l, i / h.units, i % h.units, h.r[i]);
  }
}
