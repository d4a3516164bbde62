/* Random models and ragged corpora, the same for the same seed. */
#ifndef BKI_TESTS_RANDOM_MODEL_H
#define BKI_TESTS_RANDOM_MODEL_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <bki/scorer.h>

#include "parameters.h"

/* splitmix64 */
static inline uint64_t random_next(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}
/* 0 <= result < n */
static inline int32_t random_below(uint64_t *state, int32_t n) {
  return (int32_t)(random_next(state) % (uint64_t)n);
}
static inline float random_uniform(uint64_t *state, float bound) {
  return bound * ((float)(random_next(state) >> 40) / (float)(1 << 23) - 1.0f);
}

/* V = 50, C = 3 and a head with a dense layer unless said otherwise. */
static inline bki_model_config random_config(int32_t embedding_dim, int32_t hidden) {
  static const char *const classes[] = {"a", "b", "c"};
  bki_model_config config = {.vocabulary_size = 50,
                             .embedding_dim = embedding_dim,
                             .hidden = hidden,
                             .num_layers = 1,
                             .dense = 5,
                             .n_classes = 3,
                             .classes = classes,
                             .max_words = 500,
                             .tokenizer = {.type = BKI_TOKENIZER_WHITESPACE},
                             .oov_id = 1};
  return config;
}

static inline void random_fill(uint64_t *state, float *values, int64_t count, float bound) {
  for (int64_t i = 0; values != NULL && i < count; i++) {
    values[i] = random_uniform(state, bound);
  }
}

/* Weights uniform in +-1/sqrt(inputs), as frameworks initialise them, embedding and biases in +-1. */
static inline bki_model *random_model(uint64_t seed, const bki_model_config *config) {
  const bki_parameters *p;
  bki_model *model = NULL;
  bki_error err;
  cr_assert_eq(bki_model_create(&model, config, &p, &err), BKI_OK, "%s", err.message);
  const int64_t H = config->hidden;
  const int64_t D = config->dense;
  random_fill(&seed, p->embedding, (int64_t)config->vocabulary_size * config->embedding_dim, 1);
  for (int32_t i = 0; i < 2 * config->num_layers; i++) {
    const int64_t I = i < 2 ? config->embedding_dim : 2 * H;
    random_fill(&seed, p->lstm[i].w_ih, 4 * H * I, 1 / sqrtf((float)I));
    random_fill(&seed, p->lstm[i].w_hh, 4 * H * H, 1 / sqrtf((float)H));
    random_fill(&seed, p->lstm[i].b_ih, 4 * H, 1);
    random_fill(&seed, p->lstm[i].b_hh, 4 * H, 1);
  }
  random_fill(&seed, p->dense_weight, D * 2 * H, 1 / sqrtf(2 * (float)H));
  random_fill(&seed, p->dense_bias, D, 1);
  random_fill(&seed, p->output_weight, config->n_classes * (D > 0 ? D : 2 * H), 1);
  random_fill(&seed, p->output_bias, config->n_classes, 0.1f);
  return model;
}

/* A net whose states amplify what is done to them: recurrent weights and forget biases as given. */
static inline bki_model *expansive_model(uint64_t seed, const bki_model_config *shape, float gain, float forget) {
  bki_model *model = random_model(seed, shape);
  const bki_parameters *p = bki_model_parameters(model);
  const int64_t H = shape->hidden;
  for (int32_t i = 0; i < 2 * shape->num_layers; i++) {
    for (int64_t k = 0; k < 4 * H * H; k++) {
      p->lstm[i].w_hh[k] *= gain;
    }
    for (int64_t u = H; u < 2 * H; u++) {
      p->lstm[i].b_ih[u] += forget;
    }
  }
  return model;
}

/* Texts and the arrays their results go to. */
typedef struct corpus {
  size_t n;
  bki_sequence *sequences; /* [n] */
  bki_scores *scores;      /* [n] */
} corpus;

/* Memory for results, in which a float is no number until it is written. */
static inline void *unwritten(size_t bytes) {
  void *memory = malloc(bytes);
  return memory == NULL ? NULL : memset(memory, 0xff, bytes);
}

/* Random ids of a vocabulary. `increments`: room for them. What is not scored shows as NaN, or as class -1. */
static inline corpus random_corpus(uint64_t seed, int32_t vocabulary, const int32_t *lengths, size_t n,
                                   bool increments) {
  corpus c = {n, calloc(n, sizeof *c.sequences), calloc(n, sizeof *c.scores)};
  for (size_t i = 0; i < n; i++) {
    const size_t length = (size_t)lengths[i];
    int32_t *ids = malloc((length + 1) * sizeof *ids);
    for (size_t j = 0; j < length; j++) {
      ids[j] = random_below(&seed, vocabulary);
    }
    c.sequences[i] = (bki_sequence){ids, lengths[i]};
    c.scores[i].score = unwritten((length + 1) * sizeof(float));
    c.scores[i].increment = increments ? unwritten((length + 1) * sizeof(float)) : NULL;
    c.scores[i].flip = unwritten(length + 1);
    c.scores[i].screened = unwritten(length + 1);
    c.scores[i].predicted = -1;
  }
  return c;
}

static inline void corpus_free(corpus *c) {
  for (size_t i = 0; i < c->n; i++) {
    free((void *)(uintptr_t)c->sequences[i].ids);
    free(c->scores[i].score);
    free(c->scores[i].increment);
    free(c->scores[i].flip);
    free(c->scores[i].screened);
  }
  free(c->sequences);
  free(c->scores);
}

static inline bki_scorer *open_scorer(const bki_model *model, const bki_scorer_config *config) {
  bki_scorer *scorer = NULL;
  bki_error err;
  cr_assert_eq(bki_scorer_create(&scorer, model, config, &err), BKI_OK, "%s", err.message);
  return scorer;
}

static inline void score_corpus(bki_scorer *scorer, const corpus *c) {
  bki_error err;
  cr_assert_eq(bki_scorer_score(scorer, c->sequences, c->n, c->scores, &err), BKI_OK, "%s", err.message);
}

#endif
