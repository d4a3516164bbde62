/* Whether an engine agrees with the oracle `ref`. */
#ifndef BKI_TESTS_AGREEMENT_H
#define BKI_TESTS_AGREEMENT_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "random_model.h"

/* A gate sums E + H + 2 products; with weights within 1/sqrt(inputs) the terms together are of the order of 1, and
 * their rounding in fp32 (u = 2^-24) comes to some u sqrt(E + H) / 2 <= 5e-7; exp and tanh add 1e-7. The recurrence
 * forgets: the error of one step is multiplied by 1 / (1 - f), 2 to 3 for the forget gates of these models, whatever
 * the length. A score is a difference of two readouts. */
#define FP32_TOLERANCE 3e-6f
/* Logits that differ by less may change places: the readout's error times weights of random sign. */
#define MARGIN 20

enum { MANY = 100 }; /* texts of a setting, at most */

/* A model, a corpus, the oracle's scores, and words to name the case in a message. */
typedef struct setting {
  bki_model_config shape;
  bki_model *model;
  bki_scorer *ref;
  corpus expected;
  bool increments;
  char name[160];
} setting;

/* The oracle for the parameters as they are now. */
static inline bki_scorer *open_ref(const bki_model *model, bool increments) {
  bki_scorer_config config;
  bki_scorer_config_init(&config);
  config.backend = "ref";
  config.increments = increments;
  return open_scorer(model, &config);
}

static inline setting make_setting(const bki_model_config *shape, uint64_t seed, const int32_t *lengths, size_t n,
                                   bool increments) {
  setting s = {.shape = *shape, .model = random_model(seed, shape), .increments = increments};
  s.ref = open_ref(s.model, increments);
  s.expected = random_corpus(seed + 1, shape->vocabulary_size, lengths, n, increments);
  snprintf(s.name, sizeof s.name, "seed %d E %d H %d layers %d D %d readout %d pad %d:%d", (int)seed,
           shape->embedding_dim, shape->hidden, shape->num_layers, shape->dense, (int)shape->readout, (int)shape->pad,
           shape->pad_length);
  return s;
}

static inline void clear_setting(setting *s) {
  corpus_free(&s->expected);
  bki_scorer_destroy(s->ref);
  bki_model_destroy(s->model);
}

/* The same texts with room for results of their own. */
static inline corpus copy_texts(const setting *s) {
  int32_t lengths[MANY];
  for (size_t i = 0; i < s->expected.n; i++) {
    lengths[i] = s->expected.sequences[i].length;
  }
  corpus c = random_corpus(0, 1, lengths, s->expected.n, s->increments);
  for (size_t i = 0; i < c.n; i++) {
    memcpy((void *)(uintptr_t)c.sequences[i].ids, s->expected.sequences[i].ids, (size_t)lengths[i] * sizeof(int32_t));
  }
  return c;
}

/* The lead of the largest logit of a text without word `without` (-1: with all), by the oracle. */
static inline float lead(const setting *s, const bki_sequence *text, int32_t without) {
  int32_t *ids = malloc((size_t)(text->length + 1) * sizeof *ids);
  int32_t n = 0;
  for (int32_t t = 0; t < text->length; t++) {
    if (t != without) {
      ids[n++] = text->ids[t];
    }
  }
  float logits[8];
  cr_assert_eq(bki_scorer_forward(s->ref, &(bki_sequence){ids, n}, 1, NULL, logits, NULL), BKI_OK);
  free(ids);
  float first = -INFINITY;
  float second = -INFINITY;
  for (int32_t c = 0; c < s->shape.n_classes; c++) {
    second = logits[c] > first ? first : fmaxf(second, logits[c]);
    first = fmaxf(first, logits[c]);
  }
  return first - second;
}

static inline void check_close(const setting *s, const corpus *c, float tolerance, const char *what) {
  for (size_t i = 0; i < c->n; i++) {
    const bki_sequence *text = &c->sequences[i];
    const bki_scores *want = &s->expected.scores[i];
    const bki_scores *got = &c->scores[i];
    const bool clear = lead(s, text, -1) > MARGIN * tolerance;
    cr_assert(!clear || got->predicted == want->predicted, "%s %s: text %zu: predicted %d for %d", s->name, what, i,
              got->predicted, want->predicted);
    for (int32_t j = 0; j < text->length; j++) {
      cr_assert(fabsf(got->score[j] - want->score[j]) <= tolerance, "%s %s: text %zu of %d words, word %d: %g for %g",
                s->name, what, i, text->length, j, (double)got->score[j], (double)want->score[j]);
      cr_assert(!s->increments || fabsf(got->increment[j] - want->increment[j]) <= tolerance,
                "%s %s: text %zu of %d words, increment %d: %g for %g", s->name, what, i, text->length, j,
                s->increments ? (double)got->increment[j] : 0, s->increments ? (double)want->increment[j] : 0);
      cr_assert(got->flip[j] == want->flip[j] || !clear || lead(s, text, j) <= MARGIN * tolerance,
                "%s %s: text %zu, word %d: flip %d for %d", s->name, what, i, j, got->flip[j], want->flip[j]);
    }
  }
}

static inline void check_same_bytes(const setting *s, const corpus *a, const corpus *b, const char *what) {
  for (size_t i = 0; i < a->n; i++) {
    const size_t l = (size_t)a->sequences[i].length;
    const bki_scores *x = &a->scores[i];
    const bki_scores *y = &b->scores[i];
    cr_assert(x->predicted == y->predicted && memcmp(x->score, y->score, l * sizeof *x->score) == 0 &&
                  memcmp(x->flip, y->flip, l) == 0 &&
                  (!s->increments || memcmp(x->increment, y->increment, l * sizeof *x->increment) == 0),
              "%s %s: text %zu of %zu words differs", s->name, what, i, l);
  }
}

/* Lengths of texts. */
static const int32_t ragged[] = {7, 0, 2, 17, 1, 5, 6, 1, 13, 16};
enum { N_RAGGED = sizeof ragged / sizeof ragged[0], LONGEST = 17 };

#endif
