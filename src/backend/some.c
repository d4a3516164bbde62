/* Scores of some words of each text, where a backend has no shorter way: the text and the text without each of them,
 * run as texts of their own. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "argmax.h"
#include "array.h"
#include "backend.h"
#include "fail.h"

/* Texts of one forward call: their readouts are held at once. */
enum { MAX_RUNS = 4096 };

typedef struct job {
  bki_backend *backend;
  size_t units;     /* 2H */
  size_t n_classes; /* C */
  const bki_sequence *sequences;
  const bki_picks *picks;
  bki_scores *scores;
} job;

/* The runs of texts first .. first + n: each text, then the text without each picked word. */
typedef struct runs {
  size_t n;
  bki_sequence *sequences; /* [n] */
  int32_t *ids;            /* of those without a word, one after the other */
  float *readout;          /* [n, 2H] */
  float *logits;           /* [n, C] */
} runs;

static void clear(runs *r) {
  free(r->sequences);
  free(r->ids);
  free(r->readout);
  free(r->logits);
}

static bki_status reserve(const job *j, runs *r, size_t first, size_t n, bki_error *err) {
  size_t n_ids = 0;
  size_t units;
  for (size_t i = first; i < first + n; i++) {
    r->n += 1 + (size_t)j->picks[i].n;
    n_ids += (size_t)j->picks[i].n * (size_t)j->sequences[i].length;
  }
  r->sequences = bki_array_create(r->n, sizeof *r->sequences);
  r->ids = bki_array_create(n_ids, sizeof *r->ids);
  r->readout = bki_size_mul(r->n, j->units, &units) ? bki_array_create(units, sizeof *r->readout) : NULL;
  r->logits = bki_size_mul(r->n, j->n_classes, &units) ? bki_array_create(units, sizeof *r->logits) : NULL;
  return r->sequences == NULL || r->ids == NULL || r->readout == NULL || r->logits == NULL ? bki_fail_memory(err)
                                                                                           : BKI_OK;
}

static void list(const job *j, runs *r, size_t first, size_t n) {
  bki_sequence *out = r->sequences;
  int32_t *ids = r->ids;
  for (size_t i = first; i < first + n; i++) {
    const bki_sequence *text = &j->sequences[i];
    *out++ = *text;
    for (int32_t k = 0; k < j->picks[i].n; k++) {
      const int32_t without = j->picks[i].position[k];
      memcpy(ids, text->ids, (size_t)without * sizeof *ids);
      memcpy(ids + without, text->ids + without + 1, (size_t)(text->length - 1 - without) * sizeof *ids);
      *out++ = (bki_sequence){.ids = ids, .length = text->length - 1};
      ids += text->length - 1;
    }
  }
}

static float distance(const float *a, const float *b, size_t n) {
  float largest = 0;
  for (size_t u = 0; u < n; u++) {
    largest = fmaxf(largest, fabsf(a[u] - b[u]));
  }
  return largest;
}

static void take(const job *j, const runs *r, size_t first, size_t n) {
  const float *readout = r->readout;
  const float *logits = r->logits;
  for (size_t i = first; i < first + n; i++) {
    const float *whole = readout;
    bki_scores *scores = &j->scores[i];
    scores->predicted = (int32_t)bki_argmax(logits, j->n_classes);
    for (int32_t k = 0; k < j->picks[i].n; k++) {
      const int32_t at = j->picks[i].position[k];
      readout += j->units;
      logits += j->n_classes;
      scores->score[at] = distance(whole, readout, j->units);
      scores->flip[at] = (int32_t)bki_argmax(logits, j->n_classes) != scores->predicted;
    }
    readout += j->units;
    logits += j->n_classes;
  }
}

static bki_status run(const job *j, size_t first, size_t n, bki_error *err) {
  runs r = {0};
  bki_status status = reserve(j, &r, first, n, err);
  if (status == BKI_OK) {
    list(j, &r, first, n);
    status = j->backend->ops->forward(j->backend, r.sequences, r.n, r.readout, r.logits, err);
  }
  if (status == BKI_OK) {
    take(j, &r, first, n);
  }
  clear(&r);
  return status;
}

bki_status bki_backend_score_some(bki_backend *backend, const bki_model_config *model, const bki_sequence *sequences,
                                  const bki_picks *picks, size_t n, bki_scores *scores, bki_error *err) {
  if (backend->picks) {
    return backend->ops->score_some(backend, sequences, picks, n, scores, err);
  }
  const job j = {.backend = backend,
                 .units = 2 * (size_t)model->hidden,
                 .n_classes = (size_t)model->n_classes,
                 .sequences = sequences,
                 .picks = picks,
                 .scores = scores};
  size_t first = 0;
  size_t n_runs = 0;
  for (size_t i = 0; i < n; i++) {
    const size_t more = 1 + (size_t)picks[i].n;
    if (i > first && n_runs + more > MAX_RUNS) {
      BKI_TRY(run(&j, first, i - first, err));
      first = i;
      n_runs = 0;
    }
    n_runs += more;
  }
  return n > first ? run(&j, first, n - first, err) : BKI_OK;
}
