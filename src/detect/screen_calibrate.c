/* How far screened scores are from fp32, learnt from the model alone: so that epsilon, and with it every stored byte,
 * depends neither on the corpus nor on where a scan begins, and standard input can be scanned. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "fail.h"
#include "screen_internal.h"
#include "trial_text.h"

/* 64 texts. Errors hardly grow beyond 128 words, where a net has forgotten the first ones; costs grow with the square.
 */
static const int32_t lengths[] = {16, 24, 32, 48, 64, 80, 96, 128};
enum { N_LENGTHS = sizeof lengths / sizeof lengths[0], TEXTS_A_LENGTH = 8, N_TEXTS = N_LENGTHS * TEXTS_A_LENGTH };
static const uint64_t seed = 0x73637265656e; /* "screen" */

/* The least epsilon is WIDENING times the largest error of a middling text (texts with larger ones are what widening is
 * for), at least MIN, and so large that every text would come out right even if all errors of the words that keep their
 * screened scores were MARGIN times as large. Then it grows as far as that costs no more than SPARE more words: safety
 * is cheap here. Where it would be more than MAX, or where more than MAX_SHARE of the words would be scored twice, the
 * net is expansive: errors of its states grow on the way, and fp32 alone is faster. */
#define MIN_EPSILON 1e-4
#define MAX_EPSILON 0.5
#define MAX_SHARE 0.25
#define MARGIN 3.0
#define SPARE 0.02
#define GROWTH 1.25

typedef struct sample {
  bki_sequence sequences[N_TEXTS];
  bki_scores fast[N_TEXTS];
  bki_scores fp32[N_TEXTS];
  float pth_best[N_TEXTS]; /* screened */
  float pth_best_fp32[N_TEXTS];
  double error[N_TEXTS]; /* the largest of the text */
  double best[N_TEXTS];  /* best scores, screened */
  size_t n;              /* texts long enough to be screened */
} sample;

static bool reserve(bki_screen *screen, bki_scores *scores, size_t length) {
  scores->score = bki_screen_allocate(screen, length, sizeof *scores->score);
  scores->flip = bki_screen_allocate(screen, length, sizeof *scores->flip);
  return scores->score != NULL && scores->flip != NULL;
}

static bki_status make(bki_screen *screen, sample *s, bki_error *err) {
  bki_rng rng;
  bki_rng_init(&rng, seed, 0);
  s->n = 0;
  for (size_t i = 0; i < N_TEXTS; i++) {
    const int32_t max = screen->model->max_words;
    const int32_t length = lengths[i / TEXTS_A_LENGTH] < max ? lengths[i / TEXTS_A_LENGTH] : max;
    if (length / BKI_SCREEN_MIN_WORDS < screen->p) {
      continue;
    }
    int32_t *ids = bki_screen_allocate(screen, (size_t)length, sizeof *ids);
    if (ids == NULL || !reserve(screen, &s->fast[s->n], (size_t)length) ||
        !reserve(screen, &s->fp32[s->n], (size_t)length)) {
      return bki_fail_memory(err);
    }
    bki_trial_text_fill(ids, length, screen->model, &rng);
    s->sequences[s->n++] = (bki_sequence){.ids = ids, .length = length};
  }
  return BKI_OK;
}

static int compare_numbers(const void *a, const void *b) {
  const double x = *(const double *)a;
  const double y = *(const double *)b;
  return (x > y) - (x < y);
}

static bki_status score(bki_screen *screen, sample *s, bki_error *err) {
  float *buffer = bki_screen_allocate(screen, (size_t)lengths[N_LENGTHS - 1], sizeof *buffer);
  if (buffer == NULL) {
    return bki_fail_memory(err);
  }
  BKI_TRY(screen->fast->ops->score(screen->fast, s->sequences, s->n, s->fast, err));
  BKI_TRY(screen->fp32->ops->score(screen->fp32, s->sequences, s->n, s->fp32, err));
  for (size_t i = 0; i < s->n; i++) {
    const size_t l = (size_t)s->sequences[i].length;
    s->pth_best[i] = bki_screen_pth_best(s->fast[i].score, l, screen->p, buffer);
    s->pth_best_fp32[i] = bki_screen_pth_best(s->fp32[i].score, l, screen->p, buffer);
    s->best[i] = (double)bki_screen_pth_best(s->fast[i].score, l, 1, buffer);
  }
  qsort(s->best, s->n, sizeof *s->best, compare_numbers);
  screen->far = fmin(BKI_SCREEN_FAR, s->best[s->n / 2]);
  return BKI_OK;
}

static double error_of(const sample *s, size_t i, int32_t j) {
  return (double)s->fp32[i].score[j] - (double)s->fast[i].score[j];
}

/* The largest error of the words of text i that would be scored again with this limit; their number becomes *n. */
static double largest_error(const sample *s, size_t i, double limit, int64_t *n) {
  double largest = 0;
  *n = 0;
  for (int32_t j = 0; j < s->sequences[i].length; j++) {
    if (bki_screen_may_be_best(s->fast[i].score[j], s->pth_best[i], limit)) {
      const double error = fabs(error_of(s, i, j));
      largest = error <= largest ? largest : error;
      (*n)++;
    }
  }
  return largest;
}

/* Whether no word that is left out with this limit would be one of the p best, were its error MARGIN times as large. */
static bool is_safe(const sample *s, size_t i, double limit) {
  for (int32_t j = 0; j < s->sequences[i].length; j++) {
    const float fast = s->fast[i].score[j];
    if (!bki_screen_may_be_best(fast, s->pth_best[i], limit) &&
        !((double)fast + MARGIN * error_of(s, i, j) < (double)s->pth_best_fp32[i])) {
      return false;
    }
  }
  return true;
}

/* What screening with this epsilon comes to: whether all texts are safe, and the share of words scored again. */
static bool try_epsilon(const sample *s, double epsilon, double *share) {
  bool safe = true;
  int64_t n_again = 0;
  int64_t n_words = 0;
  for (size_t i = 0; i < s->n; i++) {
    int64_t n = 0;
    double limit = 0;
    double wanted = epsilon;
    while (wanted > limit) {
      limit = wanted;
      wanted = fmax(epsilon, BKI_SCREEN_WIDENING * largest_error(s, i, limit, &n));
    }
    n_again += n;
    n_words += s->sequences[i].length;
    safe = safe && is_safe(s, i, limit);
  }
  *share = (double)n_again / (double)n_words;
  return safe;
}

static double find_epsilon(const sample *s, double at_least, double *share) {
  double epsilon = at_least;
  while (!try_epsilon(s, epsilon, share) && epsilon <= MAX_EPSILON) {
    epsilon *= GROWTH;
  }
  const double affordable = *share + SPARE;
  double larger;
  for (; epsilon * GROWTH <= MAX_EPSILON; epsilon *= GROWTH) {
    try_epsilon(s, epsilon * GROWTH, &larger);
    if (larger > affordable) {
      break;
    }
    *share = larger;
  }
  return epsilon;
}

static void judge(sample *s, int32_t p, bki_screening *out) {
  for (size_t i = 0; i < s->n; i++) {
    int64_t n;
    s->error[i] = largest_error(s, i, INFINITY, &n);
  }
  qsort(s->error, s->n, sizeof *s->error, compare_numbers);
  out->model_error = s->error[s->n - 1];
  const double at_least = fmax(MIN_EPSILON, BKI_SCREEN_WIDENING * s->error[s->n / 2]);
  const double epsilon = find_epsilon(s, at_least, &out->model_share);
  if (!(epsilon <= MAX_EPSILON) || out->model_share > MAX_SHARE) {
    snprintf(out->reason, sizeof out->reason,
             "the model is expansive: screened scores are off by up to %.2g, and %.0f %% of the words would be scored "
             "twice",
             out->model_error, 100 * out->model_share);
  } else {
    out->epsilon = epsilon;
    out->top_words = p;
  }
}

bki_status bki_screen_calibrate(bki_screen *screen, bki_error *err) {
  bki_arena_reset(screen->arena);
  screen->screening = (bki_screening){0};
  sample *s = bki_screen_allocate(screen, 1, sizeof *s);
  if (s == NULL) {
    return bki_fail_memory(err);
  }
  BKI_TRY(make(screen, s, err));
  if (s->n == 0) {
    snprintf(screen->screening.reason, sizeof screen->screening.reason,
             "texts of %" PRId64 " words at least are screened for the best %" PRId32,
             (int64_t)BKI_SCREEN_MIN_WORDS * screen->p, screen->p);
    return BKI_OK;
  }
  BKI_TRY(score(screen, s, err));
  judge(s, screen->p, &screen->screening);
  return BKI_OK;
}
