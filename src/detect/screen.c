#include "screen.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "fail.h"
#include "screen_internal.h"

/* After so many rounds of widening, the rest of a text is scored in fp32. */
enum { MAX_ROUNDS = 4 };

/* A text that is being screened. */
typedef struct text {
  const bki_sequence *sequence;
  bki_scores *out;    /* screened, then fp32 but where `screened` */
  bki_scores again;   /* [l] what fp32 gave, at the picked words */
  uint8_t *screened;  /* [l] */
  int32_t *positions; /* [l] picked in this round */
  int32_t n_picked;
  float pth_best; /* s(p) */
  double limit;   /* e */
  double error;   /* the largest |s - f| so far */
} text;

/* The texts that still have words to score, as a backend takes them. */
typedef struct batch {
  size_t n;
  text **texts;
  bki_sequence *sequences;
  bki_picks *picks;
  bki_scores *scores;
} batch;

bki_status bki_screen_create(bki_screen **out, const bki_model_config *model, bki_backend *fast, bki_backend *fp32,
                             int32_t p, bki_error *err) {
  assert(p >= 1);
  bki_screen *screen = bki_array_create(1, sizeof *screen);
  bki_arena *arena = bki_arena_create();
  if (screen == NULL || arena == NULL) {
    free(screen);
    bki_arena_destroy(arena);
    return bki_fail_memory(err);
  }
  *screen = (bki_screen){.model = model, .fast = fast, .fp32 = fp32, .p = p, .far = BKI_SCREEN_FAR, .arena = arena};
  *out = screen;
  return BKI_OK;
}

void bki_screen_destroy(bki_screen *screen) {
  if (screen != NULL) {
    bki_arena_destroy(screen->arena);
    free(screen);
  }
}

void bki_screen_set_epsilon(bki_screen *screen, double epsilon) {
  screen->screening.epsilon = epsilon;
}

const bki_screening *bki_screen_get(const bki_screen *screen) {
  return &screen->screening;
}

void *bki_screen_allocate(bki_screen *screen, size_t count, size_t size) {
  size_t bytes;
  return bki_size_mul(count, size, &bytes) ? bki_arena_alloc(screen->arena, bytes) : NULL;
}

/* A NaN is better than all numbers. */
static bool is_better(float a, float b) {
  return !isnan(b) && !(a <= b);
}

float bki_screen_pth_best(const float *score, size_t n, int32_t p, float *buffer) {
  const size_t most = (size_t)p < n ? (size_t)p : n;
  size_t kept = 0; /* best first */
  for (size_t i = 0; i < n; i++) {
    size_t rank = kept;
    while (rank > 0 && is_better(score[i], buffer[rank - 1])) {
      rank--;
    }
    if (rank < most) {
      kept += kept < most;
      memmove(buffer + rank + 1, buffer + rank, (kept - 1 - rank) * sizeof *buffer);
      buffer[rank] = score[i];
    }
  }
  return buffer[most - 1];
}

static bool is_screened(const bki_screen *screen, const bki_sequence *sequence) {
  return sequence->length / BKI_SCREEN_MIN_WORDS >= screen->p;
}

/* Scores the texts that are, or are not, screened with a backend; their number becomes *n_some. */
static bki_status score_part(bki_screen *screen, bool screened, const bki_sequence *sequences, size_t n,
                             bki_scores *scores, size_t *n_some, bki_error *err) {
  bki_sequence *some = bki_screen_allocate(screen, n, sizeof *some);
  bki_scores *out = bki_screen_allocate(screen, n, sizeof *out);
  size_t *index = bki_screen_allocate(screen, n, sizeof *index);
  if (some == NULL || out == NULL || index == NULL) {
    return bki_fail_memory(err);
  }
  size_t m = 0;
  for (size_t i = 0; i < n; i++) {
    if (is_screened(screen, &sequences[i]) == screened) {
      index[m] = i;
      some[m] = sequences[i];
      out[m++] = scores[i];
    }
  }
  *n_some = m;
  bki_backend *backend = screened ? screen->fast : screen->fp32;
  if (m > 0) {
    BKI_TRY(backend->ops->score(backend, some, m, out, err));
  }
  for (size_t k = 0; k < m; k++) {
    scores[index[k]].predicted = out[k].predicted;
    if (!screened && out[k].screened != NULL) {
      memset(out[k].screened, 0, (size_t)some[k].length);
    }
  }
  return BKI_OK;
}

/* Descending. */
static int compare_scores(const void *a, const void *b) {
  const float x = *(const float *)a;
  const float y = *(const float *)b;
  return (x < y) - (x > y);
}

bool bki_screen_is_bistable(const bki_screen *screen, const bki_sequence *sequence, const float *score, float *buffer) {
  size_t n = 0;
  for (int32_t j = 0; j < sequence->length; j++) {
    const bool repeats = j > 0 && sequence->ids[j] == sequence->ids[j - 1]; /* the same text is left */
    if (!repeats && score[j] >= screen->far) {
      buffer[n++] = score[j];
    }
  }
  qsort(buffer, n, sizeof *buffer, compare_scores);
  for (size_t i = 1; i < n; i++) {
    if ((double)buffer[i - 1] - (double)buffer[i] < BKI_SCREEN_TOGETHER * screen->far) {
      return true;
    }
  }
  return false;
}

static bki_status begin_text(bki_screen *screen, text *t, const bki_sequence *sequence, bki_scores *scores,
                             bki_error *err) {
  const size_t l = (size_t)sequence->length;
  *t = (text){.sequence = sequence, .out = scores, .limit = screen->screening.epsilon};
  t->again.score = bki_screen_allocate(screen, l, sizeof *t->again.score);
  t->again.flip = bki_screen_allocate(screen, l, sizeof *t->again.flip);
  t->screened = scores->screened != NULL ? scores->screened : bki_screen_allocate(screen, l, sizeof *t->screened);
  t->positions = bki_screen_allocate(screen, l, sizeof *t->positions);
  if (t->again.score == NULL || t->again.flip == NULL || t->screened == NULL || t->positions == NULL) {
    return bki_fail_memory(err);
  }
  memset(t->screened, 1, l);
  if (bki_screen_is_bistable(screen, sequence, scores->score, t->again.score)) {
    t->limit = INFINITY;
    screen->screening.n_widened++;
  }
  t->pth_best = bki_screen_pth_best(scores->score, l, screen->p, t->again.score);
  return BKI_OK;
}

static void pick(text *t, bool all) {
  t->n_picked = 0;
  for (int32_t j = 0; j < t->sequence->length; j++) {
    if (t->screened[j] && (all || bki_screen_may_be_best(t->out->score[j], t->pth_best, t->limit))) {
      t->positions[t->n_picked++] = j;
    }
  }
}

/* Lists the texts that have words to score. */
static void gather(batch *r, text *texts, size_t n, bool all) {
  r->n = 0;
  for (size_t i = 0; i < n; i++) {
    text *t = &texts[i];
    pick(t, all && t->n_picked > 0);
    if (t->n_picked > 0) {
      r->texts[r->n] = t;
      r->sequences[r->n] = *t->sequence;
      r->picks[r->n] = (bki_picks){t->positions, t->n_picked};
      r->scores[r->n++] = t->again;
    }
  }
}

/* Takes what fp32 gave in the place of what was screened, and learns from the difference. */
static void absorb(bki_screening *counts, text *t) {
  const bool first = t->error == 0;
  for (int32_t k = 0; k < t->n_picked; k++) {
    const int32_t j = t->positions[k];
    const double error = fabs((double)t->again.score[j] - (double)t->out->score[j]);
    if (!isnan(t->error) && !(error <= t->error)) {
      t->error = error;
    }
    t->out->score[j] = t->again.score[j];
    t->out->flip[j] = t->again.flip[j];
    t->screened[j] = 0;
  }
  t->out->predicted = t->again.predicted;
  const double limit = BKI_SCREEN_WIDENING * t->error;
  if (!(limit <= t->limit)) {
    counts->n_widened += first;
    t->limit = isnan(limit) ? INFINITY : limit;
  }
  counts->n_rescored += t->n_picked;
}

static bki_status run_rounds(bki_screen *screen, text *texts, size_t n, bki_error *err) {
  batch r = {.texts = bki_screen_allocate(screen, n, sizeof *r.texts),
             .sequences = bki_screen_allocate(screen, n, sizeof *r.sequences),
             .picks = bki_screen_allocate(screen, n, sizeof *r.picks),
             .scores = bki_screen_allocate(screen, n, sizeof *r.scores)};
  if (r.texts == NULL || r.sequences == NULL || r.picks == NULL || r.scores == NULL) {
    return bki_fail_memory(err);
  }
  gather(&r, texts, n, false);
  for (int number = 1; r.n > 0; number++) {
    BKI_TRY(bki_backend_score_some(screen->fp32, screen->model, r.sequences, r.picks, r.n, r.scores, err));
    for (size_t i = 0; i < r.n; i++) {
      r.texts[i]->again.predicted = r.scores[i].predicted;
      absorb(&screen->screening, r.texts[i]);
    }
    gather(&r, texts, n, number >= MAX_ROUNDS);
  }
  return BKI_OK;
}

bki_status bki_screen_score(bki_screen *screen, const bki_sequence *sequences, size_t n, bki_scores *scores,
                            bki_error *err) {
  bki_arena_reset(screen->arena);
  size_t n_short;
  size_t n_screened;
  BKI_TRY(score_part(screen, false, sequences, n, scores, &n_short, err));
  BKI_TRY(score_part(screen, true, sequences, n, scores, &n_screened, err));
  text *texts = bki_screen_allocate(screen, n_screened, sizeof *texts);
  if (texts == NULL) {
    return bki_fail_memory(err);
  }
  size_t m = 0;
  for (size_t i = 0; i < n; i++) {
    if (is_screened(screen, &sequences[i])) {
      BKI_TRY(begin_text(screen, &texts[m++], &sequences[i], &scores[i], err));
      screen->screening.n_words += sequences[i].length;
    }
  }
  screen->screening.n_short += (int64_t)n_short;
  screen->screening.n_screened += (int64_t)n_screened;
  return run_rounds(screen, texts, n_screened, err);
}
