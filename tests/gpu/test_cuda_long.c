/* The engines on texts and sizes as they are in use: hundreds of words, E = 100, H = 128. */
#include <criterion/criterion.h>

#include "cuda_scorer.h"
#include "standin.h"

TestSuite(cuda_long, .init = standin_begin);

enum { N = 5, H = 128, UNITS = 2 * H, CLASSES = 3 };

/* Inputs, weights and states of 11 bits: see test_cuda_score.c. */
#define HALF_TOLERANCE 2e-3f

static const int32_t long_lengths[N] = {300, 299, 40, 1, 0};
static const int32_t tenths[N] = {30, 29, 4, 1, 0};

/* The stand-in would take minutes for all variants of the long ones. */
static const int32_t *lengths_to_score(void) {
  return standin_is_device() ? long_lengths : tenths;
}

static const struct {
  const char *name;
  cuda_options options;
} engines[] = {{"incremental", {.engine = BKI_ENGINE_INCREMENTAL}},
               {"full", {.engine = BKI_ENGINE_FULL}},
               {"persistent", {.engine = BKI_ENGINE_PERSISTENT}}};
enum { N_ENGINES = sizeof engines / sizeof engines[0] };

typedef struct outputs {
  float readout[UNITS];
  float logits[CLASSES];
} outputs;

/* Of a text without word `without` (-1: with all), by the oracle. */
static outputs expect(const setting *s, const bki_sequence *text, int32_t without) {
  outputs out;
  int32_t *ids = malloc((size_t)(text->length + 1) * sizeof *ids);
  int32_t n = 0;
  for (int32_t t = 0; t < text->length; t++) {
    if (t != without) {
      ids[n++] = text->ids[t];
    }
  }
  cr_assert_eq(bki_scorer_forward(s->ref, &(bki_sequence){ids, n}, 1, out.readout, out.logits, NULL), BKI_OK);
  free(ids);
  return out;
}

static int32_t largest_of(const outputs *o, float tolerance, bool *clear) {
  int32_t best = 0;
  float second = -INFINITY;
  for (int32_t c = 1; c < CLASSES; c++) {
    best = o->logits[c] > o->logits[best] ? c : best;
  }
  for (int32_t c = 0; c < CLASSES; c++) {
    second = c != best ? fmaxf(second, o->logits[c]) : second;
  }
  *clear = *clear && o->logits[best] - second > MARGIN * tolerance;
  return best;
}

static float distance(const outputs *a, const outputs *b) {
  float most = 0;
  for (int k = 0; k < UNITS; k++) {
    most = fmaxf(most, fabsf(a->readout[k] - b->readout[k]));
  }
  return most;
}

/* All words of short texts; of long ones the first and the last two, and every 16th between them. */
static void check_scores(const setting *s, const corpus *got, float tolerance, const char *engine) {
  for (size_t i = 0; i < got->n; i++) {
    const bki_sequence *text = &got->sequences[i];
    const int32_t l = text->length;
    const outputs whole = expect(s, text, -1);
    for (int32_t j = 0; j < l; j++) {
      if (l > 40 && j % 16 != 0 && j < l - 2) {
        continue;
      }
      const outputs without = expect(s, text, j);
      const float want = distance(&whole, &without);
      bool clear = true;
      const int32_t class = largest_of(&whole, tolerance, &clear);
      const bool flip = largest_of(&without, tolerance, &clear) != class;
      cr_assert(fabsf(got->scores[i].score[j] - want) <= tolerance, "%s: %d words, word %d: %g for %g", engine, l, j,
                (double)got->scores[i].score[j], (double)want);
      cr_assert(!clear || (got->scores[i].predicted == class && got->scores[i].flip[j] == flip),
                "%s: %d words, word %d: class %d, flip %d", engine, l, j, got->scores[i].predicted,
                got->scores[i].flip[j]);
    }
  }
}

Test(cuda_long, readouts_and_logits_of_long_texts_agree) {
  bki_model_config shape = random_config(100, H);
  setting s = make_setting(&shape, 1000, long_lengths, N, false);
  /* The shim would take minutes for the persistent kernel, which computes 128 rows at a time. */
  for (size_t e = 0; e < (standin_is_device() ? N_ENGINES : N_ENGINES - 1); e++) {
    static float readout[N * UNITS];
    static float logits[N * CLASSES];
    bki_error err;
    bki_backend *backend = open_cuda(s.model, &engines[e].options);
    cr_assert_eq(backend->ops->forward(backend, s.expected.sequences, N, readout, logits, &err), BKI_OK, "%s",
                 err.message);
    for (size_t i = 0; i < N; i++) {
      const outputs want = expect(&s, &s.expected.sequences[i], -1);
      for (size_t k = 0; k < UNITS; k++) {
        cr_assert(fabsf(readout[i * UNITS + k] - want.readout[k]) <= FP32_TOLERANCE,
                  "%s: text %zu, unit %zu: %g for %g", engines[e].name, i, k, (double)readout[i * UNITS + k],
                  (double)want.readout[k]);
      }
      for (size_t k = 0; k < CLASSES; k++) {
        cr_assert(fabsf(logits[i * CLASSES + k] - want.logits[k]) <= FP32_TOLERANCE,
                  "%s: text %zu, class %zu: %g for %g", engines[e].name, i, k, (double)logits[i * CLASSES + k],
                  (double)want.logits[k]);
      }
    }
    backend->ops->destroy(backend);
  }
  clear_setting(&s);
}

static void check_engine(const setting *s, const cuda_options *options, float tolerance, const char *name) {
  bki_backend *backend = open_cuda(s->model, options);
  corpus got = copy_texts(s);
  cuda_score(backend, &got);
  check_scores(s, &got, tolerance, name);
  corpus_free(&got);
  backend->ops->destroy(backend);
}

Test(cuda_long, scores_and_flips_of_long_texts_agree) {
  bki_model_config shape = random_config(100, H);
  setting s = make_setting(&shape, 1010, lengths_to_score(), N, false);
  for (size_t e = 0; e < N_ENGINES; e++) {
    check_engine(&s, &engines[e].options, FP32_TOLERANCE, engines[e].name);
  }
  clear_setting(&s);
}

/* Tensor cores take half precision where all sizes are multiples of 8. */
Test(cuda_long, full_agrees_in_half_precision_on_multiples_of_8) {
  bki_model_config shape = random_config(104, H);
  shape.dense = 8;
  setting s = make_setting(&shape, 1020, lengths_to_score(), N, false);
  const cuda_options options = {.engine = BKI_ENGINE_FULL, .precision = BKI_PRECISION_FP16};
  check_engine(&s, &options, HALF_TOLERANCE, "full, fp16");
  clear_setting(&s);
}
