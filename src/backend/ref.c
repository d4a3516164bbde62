/* The oracle: plain loops in double precision, every variant from end to end, any depth.
 *
 * Letters: those of ref_forward.h; W = max(E, 2H). */
#include <math.h>
#include <stdlib.h>

#include "array.h"
#include "backend.h"
#include "fail.h"
#include "ref_forward.h"

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
  bki_ref_numbers parameters;
  bki_pool *pool;
  bool increments;
  int32_t n_workers;
  workspace *workers; /* [n_workers] */
  size_t max_steps;   /* T that the workspaces hold */
} ref_backend;

/* h(text): the readout of the last layer into r [2H]. */
static void run_text(const ref_backend *ref, workspace *ws, const int32_t *ids, int32_t length, double *r) {
  const bki_model_config *m = ref->model;
  const int32_t n = bki_ref_steps(m, length);
  bki_ref_embed(m, ref->parameters.embedding, &(bki_sequence){ids, length}, ws->x);
  int32_t inputs = m->embedding_dim;
  for (int32_t layer = 0; layer < m->num_layers; layer++) {
    const bki_ref_lstm *w = &ref->parameters.lstm[2 * layer];
    bki_ref_direction(&w[0], inputs, m->hidden, false, ws->x, n, ws->cell, ws->y, NULL, NULL);
    bki_ref_direction(&w[1], inputs, m->hidden, true, ws->x, n, ws->cell, ws->y, NULL, NULL);
    double *outputs = ws->y; /* they are the next layer's inputs */
    ws->y = ws->x;
    ws->x = outputs;
    inputs = 2 * m->hidden;
  }
  bki_ref_read_out(m->readout, (size_t)m->hidden, ws->x, n, r);
}

static int32_t classify(const ref_backend *ref, workspace *ws, const double *r) {
  return bki_ref_head(ref->model, &ref->parameters, r, ws->dense, ws->logits);
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
  bki_ref_numbers_clear(&ref->parameters);
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
    return bki_fail(err, BKI_E_USAGE, "backend ref computes in double precision: precision %s is for the others",
                    bki_precision_name(config->precision));
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
                       .pool = config->pool,
                       .increments = config->increments,
                       .n_workers = bki_pool_threads(config->pool)};
  ref->workers = bki_array_create((size_t)ref->n_workers, sizeof *ref->workers);
  bool complete = ref->workers != NULL;
  for (int32_t i = 0; complete && i < ref->n_workers; i++) {
    complete = reserve_units(&ref->workers[i], model);
  }
  bki_status status = complete ? BKI_OK : bki_fail_memory(err);
  if (status == BKI_OK) {
    status = bki_ref_numbers_init(&ref->parameters, model, parameters, err);
  }
  if (status != BKI_OK) {
    destroy(&ref->base);
    return status;
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
