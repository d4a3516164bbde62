/* The oracle: plain loops in double precision, every variant from end to end, any depth.
 *
 * Letters: T steps of a text, E embedding, H hidden a direction, I inputs of a layer (E, deeper 2H), D dense, C
 * classes; W = max(E, 2H). An output y_t is [forward state after step t ; backward state after step t], 2H numbers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "backend.h"
#include "fail.h"

/* What one worker needs. */
typedef struct workspace {
  double *x;       /* [T, W] inputs of a layer; row t begins at t I */
  double *y;       /* [T, W] its outputs; row t begins at t 2H */
  double *cell;    /* [H] */
  double *whole;   /* [2H] readout of the whole text */
  double *readout; /* [2H] of a variant, or of the longer prefix */
  double *shorter; /* [2H] of the shorter prefix */
  double *dense;   /* [D] */
  double *logits;  /* [C] */
  int32_t *ids;    /* [T] words of a variant */
} workspace;

typedef struct ref_backend {
  bki_backend base;
  const bki_model_config *model;
  const bki_parameters *parameters;
  bki_pool *pool;
  bool increments;
  int32_t n_workers;
  workspace *workers; /* [n_workers] */
  size_t max_steps;   /* T that the workspaces hold */
} ref_backend;

static double sigmoid(double z) {
  return 1.0 / (1.0 + exp(-z));
}

/* One direction of one layer over n steps of x [n, inputs] into its half of y [n, 2H]. */
static void run_direction(const bki_lstm_weights *w, int32_t inputs, int32_t hidden, bool backward, const double *x,
                          int32_t n, double *cell, double *y) {
  const size_t I = (size_t)inputs;
  const size_t H = (size_t)hidden;
  memset(cell, 0, H * sizeof *cell); /* h_{-1} = c_{-1} = 0 */
  const double *h = NULL;
  for (int32_t s = 0; s < n; s++) {
    const size_t t = (size_t)(backward ? n - 1 - s : s);
    const double *x_t = x + t * I;
    double *h_t = y + t * 2 * H + (backward ? H : 0);
    for (size_t k = 0; k < H; k++) {
      double a[4]; /* a_q = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh, row q H + k, q = i, f, g, o */
      for (size_t q = 0; q < 4; q++) {
        a[q] = (double)w->b_ih[q * H + k] + (double)w->b_hh[q * H + k];
      }
      for (size_t j = 0; j < I; j++) {
        for (size_t q = 0; q < 4; q++) {
          a[q] += (double)w->w_ih[(q * H + k) * I + j] * x_t[j];
        }
      }
      for (size_t j = 0; h != NULL && j < H; j++) {
        for (size_t q = 0; q < 4; q++) {
          a[q] += (double)w->w_hh[(q * H + k) * H + j] * h[j];
        }
      }
      cell[k] = sigmoid(a[1]) * cell[k] + sigmoid(a[0]) * tanh(a[2]); /* c_t = f c_{t-1} + i g */
      h_t[k] = sigmoid(a[3]) * tanh(cell[k]);                         /* h_t = o tanh(c_t) */
    }
    h = h_t;
  }
}

/* x_t of all steps, pads included; returns T. */
static int32_t embed(const ref_backend *ref, const int32_t *ids, int32_t length, double *x) {
  const bki_model_config *m = ref->model;
  const size_t E = (size_t)m->embedding_dim;
  const int32_t steps = m->pad == BKI_PAD_NONE ? length : m->pad_length;
  const int32_t first = m->pad == BKI_PAD_PRE ? steps - length : 0; /* step of the first word */
  for (int32_t t = 0; t < steps; t++) {
    const bool pad = t < first || t >= first + length;
    const int32_t id = pad ? m->pad_id : ids[t - first];
    const float *row = ref->parameters->embedding + (size_t)id * E;
    const bool zero = pad && m->pad_vector == BKI_PAD_VECTOR_ZERO;
    for (size_t j = 0; j < E; j++) {
      x[(size_t)t * E + j] = zero ? 0.0 : (double)row[j];
    }
  }
  return steps;
}

/* r of the outputs y [n, 2H]; zeros when there is no step. */
static void read_out(bki_readout readout, size_t H, const double *y, int32_t n, double *r) {
  memset(r, 0, 2 * H * sizeof *r);
  for (size_t k = 0; k < 2 * H && n > 0; k++) {
    const double first = y[k];
    const double last = y[(size_t)(n - 1) * 2 * H + k];
    switch (readout) {
      case BKI_READOUT_FINAL: r[k] = k < H ? last : first; break;
      case BKI_READOUT_LAST: r[k] = last; break;
      case BKI_READOUT_MEAN: /* r = 1/T sum_t y_t */
        for (int32_t t = 0; t < n; t++) {
          r[k] += y[(size_t)t * 2 * H + k] / n;
        }
        break;
      case BKI_READOUT_MAX: /* r = max_t y_t */
        r[k] = first;
        for (int32_t t = 1; t < n; t++) {
          r[k] = fmax(r[k], y[(size_t)t * 2 * H + k]);
        }
        break;
    }
  }
}

/* h(text): the readout of the last layer into r [2H]. */
static void run_text(const ref_backend *ref, workspace *ws, const int32_t *ids, int32_t length, double *r) {
  const bki_model_config *m = ref->model;
  const int32_t n = embed(ref, ids, length, ws->x);
  int32_t inputs = m->embedding_dim;
  for (int32_t layer = 0; layer < m->num_layers; layer++) {
    const bki_lstm_weights *w = &ref->parameters->lstm[2 * layer];
    run_direction(&w[0], inputs, m->hidden, false, ws->x, n, ws->cell, ws->y);
    run_direction(&w[1], inputs, m->hidden, true, ws->x, n, ws->cell, ws->y);
    double *outputs = ws->y; /* they are the next layer's inputs */
    ws->y = ws->x;
    ws->x = outputs;
    inputs = 2 * m->hidden;
  }
  read_out(m->readout, (size_t)m->hidden, ws->x, n, r);
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
static void affine(const float *weight, const float *bias, int32_t rows, int32_t columns, const double *in,
                   double *out) {
  for (int32_t r = 0; r < rows; r++) {
    out[r] = (double)bias[r];
    for (int32_t j = 0; j < columns; j++) {
      out[r] += (double)weight[(size_t)r * (size_t)columns + (size_t)j] * in[j];
    }
  }
}

/* The head: logits of a readout into ws->logits. Returns their argmax, the lowest of equal ones. */
static int32_t classify(const ref_backend *ref, workspace *ws, const double *r) {
  const bki_model_config *m = ref->model;
  const bki_parameters *p = ref->parameters;
  if (m->dense > 0) { /* d = act(dense.weight r + dense.bias), logits = output.weight d + output.bias */
    affine(p->dense_weight, p->dense_bias, m->dense, 2 * m->hidden, r, ws->dense);
    for (int32_t d = 0; d < m->dense; d++) {
      ws->dense[d] = activate(m->dense_activation, ws->dense[d]);
    }
    affine(p->output_weight, p->output_bias, m->n_classes, m->dense, ws->dense, ws->logits);
  } else { /* logits = output.weight r + output.bias */
    affine(p->output_weight, p->output_bias, m->n_classes, 2 * m->hidden, r, ws->logits);
  }
  int32_t best = 0;
  for (int32_t c = 1; c < m->n_classes; c++) {
    best = ws->logits[c] > ws->logits[best] ? c : best;
  }
  return best;
}

/* max_k |a_k - b_k| over 2H units */
static float distance(const double *a, const double *b, int32_t hidden) {
  double largest = 0;
  for (int32_t k = 0; k < 2 * hidden; k++) {
    largest = fmax(largest, fabs(a[k] - b[k]));
  }
  return (float)largest;
}

/* increment_j = |h(w_1..w_j) - h(w_1..w_{j-1})|_inf */
static void score_increments(const ref_backend *ref, workspace *ws, const bki_sequence *sequence, float *increment) {
  run_text(ref, ws, sequence->ids, 0, ws->shorter);
  for (int32_t j = 0; j < sequence->length; j++) {
    run_text(ref, ws, sequence->ids, j + 1, ws->readout);
    increment[j] = distance(ws->readout, ws->shorter, ref->model->hidden);
    double *longer = ws->readout;
    ws->readout = ws->shorter;
    ws->shorter = longer;
  }
}

typedef struct batch {
  ref_backend *ref;
  const bki_sequence *sequences;
  bki_scores *scores;
  float *readout;
  float *logits;
} batch;

static void score_one(void *context, size_t i, int32_t worker) {
  const batch *b = context;
  const ref_backend *ref = b->ref;
  workspace *ws = &ref->workers[worker];
  const bki_sequence *sequence = &b->sequences[i];
  bki_scores *scores = &b->scores[i];
  run_text(ref, ws, sequence->ids, sequence->length, ws->whole);
  scores->predicted = classify(ref, ws, ws->whole);
  for (int32_t j = 0; j < sequence->length; j++) { /* f(w_j) = |h(x) - h(x without w_j)|_inf */
    int32_t n = 0;
    for (int32_t t = 0; t < sequence->length; t++) {
      if (t != j) {
        ws->ids[n++] = sequence->ids[t];
      }
    }
    run_text(ref, ws, ws->ids, n, ws->readout);
    scores->score[j] = distance(ws->whole, ws->readout, ref->model->hidden);
    scores->flip[j] = classify(ref, ws, ws->readout) != scores->predicted;
  }
  if (ref->increments) {
    score_increments(ref, ws, sequence, scores->increment);
  }
}

static void forward_one(void *context, size_t i, int32_t worker) {
  const batch *b = context;
  const bki_model_config *m = b->ref->model;
  workspace *ws = &b->ref->workers[worker];
  run_text(b->ref, ws, b->sequences[i].ids, b->sequences[i].length, ws->readout);
  classify(b->ref, ws, ws->readout);
  const size_t units = 2 * (size_t)m->hidden;
  for (size_t k = 0; b->readout != NULL && k < units; k++) {
    b->readout[i * units + k] = (float)ws->readout[k];
  }
  const size_t classes = (size_t)m->n_classes;
  for (size_t c = 0; b->logits != NULL && c < classes; c++) {
    b->logits[i * classes + c] = (float)ws->logits[c];
  }
}

static void free_steps(workspace *ws) {
  free(ws->x);
  free(ws->y);
  free(ws->ids);
  ws->x = NULL;
  ws->y = NULL;
  ws->ids = NULL;
}

/* Workspaces for the longest of the sequences. */
static bki_status reserve(ref_backend *ref, const bki_sequence *sequences, size_t n, bki_error *err) {
  const bki_model_config *m = ref->model;
  size_t steps = (size_t)m->pad_length;
  for (size_t i = 0; i < n; i++) {
    steps = (size_t)sequences[i].length > steps ? (size_t)sequences[i].length : steps;
  }
  if (steps <= ref->max_steps) {
    return BKI_OK;
  }
  ref->max_steps = 0;
  const size_t units = 2 * (size_t)m->hidden;
  const size_t width = (size_t)m->embedding_dim > units ? (size_t)m->embedding_dim : units;
  size_t count;
  for (int32_t i = 0; i < ref->n_workers; i++) {
    workspace *ws = &ref->workers[i];
    free_steps(ws);
    if (bki_size_mul(steps, width, &count)) {
      ws->x = bki_array_create(count, sizeof *ws->x);
      ws->y = bki_array_create(count, sizeof *ws->y);
      ws->ids = bki_array_create(steps, sizeof *ws->ids);
    }
    if (ws->x == NULL || ws->y == NULL || ws->ids == NULL) {
      return bki_fail_memory(err);
    }
  }
  ref->max_steps = steps;
  return BKI_OK;
}

static bki_status score(bki_backend *backend, const bki_sequence *sequences, size_t n, bki_scores *scores,
                        bki_error *err) {
  ref_backend *ref = (ref_backend *)backend;
  BKI_TRY(reserve(ref, sequences, n, err));
  bki_pool_for(ref->pool, n, score_one, &(batch){.ref = ref, .sequences = sequences, .scores = scores});
  return BKI_OK;
}

static bki_status forward(bki_backend *backend, const bki_sequence *sequences, size_t n, float *readout, float *logits,
                          bki_error *err) {
  ref_backend *ref = (ref_backend *)backend;
  BKI_TRY(reserve(ref, sequences, n, err));
  bki_pool_for(ref->pool, n, forward_one,
               &(batch){.ref = ref, .sequences = sequences, .readout = readout, .logits = logits});
  return BKI_OK;
}

static void destroy(bki_backend *backend) {
  ref_backend *ref = (ref_backend *)backend;
  for (int32_t i = 0; ref->workers != NULL && i < ref->n_workers; i++) {
    workspace *ws = &ref->workers[i];
    free_steps(ws);
    free(ws->cell);
    free(ws->whole);
    free(ws->readout);
    free(ws->shorter);
    free(ws->dense);
    free(ws->logits);
  }
  free(ref->workers);
  free(ref);
}

static bool reserve_units(workspace *ws, const bki_model_config *model) {
  const size_t units = 2 * (size_t)model->hidden;
  ws->cell = bki_array_create((size_t)model->hidden, sizeof *ws->cell);
  ws->whole = bki_array_create(units, sizeof *ws->whole);
  ws->readout = bki_array_create(units, sizeof *ws->readout);
  ws->shorter = bki_array_create(units, sizeof *ws->shorter);
  ws->dense = bki_array_create((size_t)model->dense, sizeof *ws->dense);
  ws->logits = bki_array_create((size_t)model->n_classes, sizeof *ws->logits);
  return ws->cell != NULL && ws->whole != NULL && ws->readout != NULL && ws->shorter != NULL && ws->dense != NULL &&
         ws->logits != NULL;
}

static bki_status create(bki_backend **out, const bki_model_config *model, const bki_parameters *parameters,
                         const bki_backend_config *config, bki_error *err) {
  if (config->precision != BKI_PRECISION_FP32) {
    return bki_fail(err, BKI_E_USAGE, "backend ref computes in double precision: precision bf16 is for the others");
  }
  if (config->isa != BKI_ISA_AUTO && config->isa != BKI_ISA_PORTABLE) {
    return bki_fail(err, BKI_E_USAGE, "backend ref is portable C: expected isa auto or portable, found %s",
                    bki_isa_name(config->isa));
  }
  ref_backend *ref = bki_array_create(1, sizeof *ref);
  if (ref == NULL) {
    return bki_fail_memory(err);
  }
  *ref = (ref_backend){.base = {.ops = &bki_backend_ref, .isa = bki_isa_name(BKI_ISA_PORTABLE)},
                       .model = model,
                       .parameters = parameters,
                       .pool = config->pool,
                       .increments = config->increments,
                       .n_workers = bki_pool_threads(config->pool)};
  ref->workers = bki_array_create((size_t)ref->n_workers, sizeof *ref->workers);
  bool complete = ref->workers != NULL;
  for (int32_t i = 0; complete && i < ref->n_workers; i++) {
    complete = reserve_units(&ref->workers[i], model);
  }
  if (!complete) {
    destroy(&ref->base);
    return bki_fail_memory(err);
  }
  *out = &ref->base;
  return BKI_OK;
}

static bool has_incremental(const bki_model_config *model) {
  (void)model;
  return false;
}

const bki_backend_ops bki_backend_ref = {.name = "ref",
                                         .has_incremental = has_incremental,
                                         .create = create,
                                         .destroy = destroy,
                                         .score = score,
                                         .forward = forward};
