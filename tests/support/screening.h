/* What screening promises, for any pair of backends: the best words of every text, their scores and flips and the
 * predicted class, as in fp32 to the bit. */
#ifndef BKI_TESTS_SCREENING_H
#define BKI_TESTS_SCREENING_H

#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "model.h"
#include "random_model.h"
#include "screen.h"

/* A pair of backends, and what they are tried on. */
typedef struct screen_pair {
  const bki_backend_ops *ops;
  bki_isa isa;
  bki_precision fast;
  bool persistent; /* else incremental, or full for models of more layers */
  int32_t hidden;
  const int32_t *lengths; /* [n_texts] */
  size_t n_texts;
} screen_pair;

/* A model with its two backends. */
typedef struct rig {
  const screen_pair *pair;
  bki_model *model;
  bki_pool *pool;
  bki_backend *fast;
  bki_backend *fp32;
  bki_screen *screen;
} rig;

static inline bki_backend *open_backend(const rig *r, bki_precision precision) {
  const bki_model_config *m = bki_model_get_config(r->model);
  const bki_backend_config config = {.engine = r->pair->persistent ? BKI_ENGINE_PERSISTENT
                                               : m->num_layers > 1 ? BKI_ENGINE_FULL
                                                                   : BKI_ENGINE_INCREMENTAL,
                                     .precision = precision,
                                     .isa = r->pair->isa,
                                     .gpu_memory = 0.4,
                                     .pool = r->pool};
  bki_backend *backend = NULL;
  bki_error err;
  cr_assert_eq(r->pair->ops->create(&backend, m, bki_model_parameters(r->model), &config, &err), BKI_OK, "%s",
               err.message);
  return backend;
}

static inline rig open_rig(const screen_pair *pair, bki_model *model, int32_t p) {
  rig r = {.pair = pair, .model = model};
  cr_assert_eq(bki_pool_create(&r.pool, 2, NULL), BKI_OK);
  r.fast = open_backend(&r, pair->fast);
  r.fp32 = open_backend(&r, BKI_PRECISION_FP32);
  cr_assert_eq(bki_screen_create(&r.screen, bki_model_get_config(model), r.fast, r.fp32, p, NULL), BKI_OK);
  return r;
}

static inline void close_rig(rig *r) {
  bki_screen_destroy(r->screen);
  r->fast->ops->destroy(r->fast);
  r->fp32->ops->destroy(r->fp32);
  bki_pool_destroy(r->pool);
  bki_model_destroy(r->model);
}

/* The positions of the p best, in order. */
static inline int32_t select_best(const bki_scores *scores, int32_t length, int32_t p, int32_t *out) {
  int32_t n = 0;
  for (int32_t j = 0; j < length; j++) {
    int32_t rank = n;
    while (rank > 0 && scores->score[out[rank - 1]] < scores->score[j]) {
      rank--;
    }
    if (rank < p) {
      n += n < p;
      memmove(out + rank + 1, out + rank, (size_t)(n - 1 - rank) * sizeof *out);
      out[rank] = j;
    }
  }
  return n;
}

static inline void check_best(const corpus *got, const corpus *want, int32_t p, const char *what) {
  int32_t a[600];
  int32_t b[600];
  for (size_t i = 0; i < want->n; i++) {
    const int32_t l = want->sequences[i].length;
    const bki_scores *g = &got->scores[i];
    const bki_scores *w = &want->scores[i];
    const int32_t n = select_best(w, l, p, a);
    for (int32_t j = 0; j < l; j++) {
      cr_assert(g->screened[j] || (memcmp(&g->score[j], &w->score[j], sizeof(float)) == 0 && g->flip[j] == w->flip[j]),
                "%s: text %zu, word %d is not marked as screened: %.9g for %.9g", what, i, j, (double)g->score[j],
                (double)w->score[j]);
    }
    cr_assert_eq(select_best(g, l, p, b), n);
    cr_assert_eq(g->predicted, w->predicted, "%s: text %zu: predicted", what, i);
    for (int32_t k = 0; k < n; k++) {
      cr_assert_eq(a[k], b[k], "%s: text %zu of %d words: rank %d is word %d, not %d", what, i, l, k, b[k], a[k]);
      cr_assert_not(g->screened[a[k]], "%s: text %zu, word %d", what, i, a[k]);
      cr_assert(memcmp(&g->score[a[k]], &w->score[a[k]], sizeof(float)) == 0 && g->flip[a[k]] == w->flip[a[k]],
                "%s: text %zu, word %d: %.9g for %.9g", what, i, a[k], (double)g->score[a[k]], (double)w->score[a[k]]);
    }
  }
}

/* Texts of the first words of the vocabulary. `paired`: of words and their neighbours in turn, w and w ^ 1. */
static inline corpus make_texts(const screen_pair *pair, uint64_t seed, int32_t vocabulary, bool paired) {
  corpus c = random_corpus(seed, vocabulary, pair->lengths, pair->n_texts, false);
  for (size_t i = 0; paired && i < c.n; i++) {
    int32_t *ids = (int32_t *)(uintptr_t)c.sequences[i].ids;
    for (int32_t j = 1; j < pair->lengths[i]; j += 2) {
      ids[j] = ids[j - 1] ^ 1;
    }
  }
  return c;
}

static inline int64_t count_screened(const corpus *c) {
  int64_t n = 0;
  for (size_t i = 0; i < c->n; i++) {
    for (int32_t j = 0; j < c->sequences[i].length; j++) {
      n += c->scores[i].screened[j];
    }
  }
  return n;
}

/* Scores texts with the screen, which has scored none before, and in fp32. */
static inline void check_texts(rig *r, corpus got, corpus want, int32_t p, const char *what) {
  bki_error err;
  cr_assert_eq(bki_screen_score(r->screen, got.sequences, got.n, got.scores, &err), BKI_OK, "%s", err.message);
  cr_assert_eq(r->fp32->ops->score(r->fp32, want.sequences, want.n, want.scores, &err), BKI_OK, "%s", err.message);
  check_best(&got, &want, p, what);
  const bki_screening *counts = bki_screen_get(r->screen);
  cr_assert_eq(count_screened(&got), counts->n_words - counts->n_rescored, "%s", what);
  corpus_free(&got);
  corpus_free(&want);
}

static inline void check_rig(rig *r, uint64_t seed, int32_t vocabulary, int32_t p, const char *what) {
  check_texts(r, make_texts(r->pair, seed, vocabulary, false), make_texts(r->pair, seed, vocabulary, false), p, what);
}

/* Takes the model. */
static inline void check_screened(const screen_pair *pair, bki_model *model, uint64_t seed, int32_t p, double epsilon,
                                  const char *what) {
  rig r = open_rig(pair, model, p);
  bki_screen_set_epsilon(r.screen, epsilon);
  check_rig(&r, seed, 50, p, what);
  close_rig(&r);
}

/* Errors far above epsilon: what was seen of them widens the limit. */
static inline void check_widening(const screen_pair *pair, int32_t p) {
  bki_model_config shape = random_config(6, pair->hidden);
  rig r = open_rig(pair, expansive_model(1, &shape, 2, 1), p);
  bki_screen_set_epsilon(r.screen, 1e-6);
  check_rig(&r, 1, 50, p, "widened");
  const bki_screening *counts = bki_screen_get(r.screen);
  cr_assert(counts->n_screened > 0 && counts->n_widened == counts->n_screened);
  close_rig(&r);
}

/* Errors as large as scores: a net is either left to fp32 or its best words are right. Returns whether it is screened.
 */
static inline bool check_expansive(const screen_pair *pair, uint64_t seed, int32_t p) {
  bki_model_config shape = random_config(6, pair->hidden);
  shape.max_words = 64;
  rig r = open_rig(pair, expansive_model(seed, &shape, 3, 3 + (float)(seed % 2)), p);
  cr_assert_eq(bki_screen_calibrate(r.screen, NULL), BKI_OK);
  const bool screened = bki_screen_get(r.screen)->epsilon > 0;
  if (screened) {
    char what[64];
    snprintf(what, sizeof what, "seed %d", (int)seed);
    check_rig(&r, seed, 50, p, what);
  }
  close_rig(&r);
  return screened;
}

/* A unit of the forward direction keeps what drove it last to one of its two ends, and hardly minds the others. */
static inline bki_model *bistable_model(uint64_t seed, const bki_model_config *shape) {
  bki_model *model = expansive_model(seed, shape, 1, 0);
  const size_t H = (size_t)shape->hidden;
  const bki_lstm_weights *w = &bki_model_parameters(model)->lstm[0];
  static const float bias[] = {2, 2, 0, 2}; /* i, f, g, o */
  for (size_t gate = 0; gate < 4; gate++) {
    float *row = w->w_hh + gate * H * H;
    for (size_t k = 0; k < H; k++) {
      row[k] *= gate == 2 ? 0.1f : 0;
    }
    w->b_ih[gate * H] = bias[gate];
    w->b_hh[gate * H] = 0;
  }
  w->w_hh[2 * H * H] = 2;
  for (int32_t e = 0; e < shape->embedding_dim; e++) {
    w->w_ih[2 * H * (size_t)shape->embedding_dim + (size_t)e] *= 6;
  }
  return model;
}

/* Variants at the border between two ends come out at the other one when they are screened, whatever others show. */
static inline void check_bistable(const screen_pair *pair, uint64_t seed, int32_t p) {
  bki_model_config shape = random_config(6, pair->hidden);
  rig r = open_rig(pair, bistable_model(seed, &shape), p);
  char what[64];
  snprintf(what, sizeof what, "bistable, seed %d", (int)seed);
  bki_screen_set_epsilon(r.screen, 1e-2);
  check_rig(&r, seed, 50, p, what);
  close_rig(&r);
}

/* Every word is followed by one that differs by less than the fast precision can tell: scores come in pairs of which
 * screening swaps every other one, and an odd p is in the middle of a pair. */
static inline void check_near_ties(const screen_pair *pair, uint64_t seed, int32_t p) {
  bki_model_config shape = random_config(6, pair->hidden);
  bki_model *model = expansive_model(3, &shape, 1, 0);
  const bki_parameters *parameters = bki_model_parameters(model);
  uint64_t state = 5;
  for (int32_t id = 1; id < 50; id += 2) { /* each odd word is its even neighbour but for the last bits */
    for (int32_t e = 0; e < 6; e++) {
      parameters->embedding[6 * id + e] = parameters->embedding[6 * (id - 1) + e] + random_uniform(&state, 1e-5f);
    }
  }
  rig r = open_rig(pair, model, p);
  bki_screen_set_epsilon(r.screen, 1e-3);
  check_texts(&r, make_texts(pair, seed, 50, true), make_texts(pair, seed, 50, true), p, "near ties");
  close_rig(&r);
}

/* Equal neighbours keep their order. */
static inline void check_ties(const screen_pair *pair, int32_t p) {
  bki_model_config shape = random_config(6, pair->hidden);
  rig r = open_rig(pair, expansive_model(4, &shape, 1, 0), p);
  bki_screen_set_epsilon(r.screen, 1e-3);
  check_rig(&r, 2, 3, p, "ties"); /* of three words: runs of equal ones */
  close_rig(&r);
}

/* Texts alone have the bytes and counts that they have together. */
static inline void check_batches(const screen_pair *pair, int32_t p) {
  const size_t n = pair->n_texts;
  bki_model_config shape = random_config(6, pair->hidden);
  rig r = open_rig(pair, expansive_model(6, &shape, 2, 1), p);
  corpus all = random_corpus(3, 50, pair->lengths, n, false);
  corpus alone = random_corpus(3, 50, pair->lengths, n, false);
  bki_screen_set_epsilon(r.screen, 1e-3);
  cr_assert_eq(bki_screen_score(r.screen, all.sequences, n, all.scores, NULL), BKI_OK);
  const bki_screening counts = *bki_screen_get(r.screen);
  for (size_t i = 0; i < n; i++) {
    cr_assert_eq(bki_screen_score(r.screen, &alone.sequences[i], 1, &alone.scores[i], NULL), BKI_OK);
    const size_t l = (size_t)pair->lengths[i];
    cr_assert(memcmp(all.scores[i].score, alone.scores[i].score, l * sizeof(float)) == 0 &&
                  memcmp(all.scores[i].flip, alone.scores[i].flip, l) == 0 &&
                  all.scores[i].predicted == alone.scores[i].predicted,
              "text %zu", i);
  }
  const bki_screening twice = *bki_screen_get(r.screen);
  cr_assert(twice.n_short == 2 * counts.n_short && twice.n_screened == 2 * counts.n_screened &&
            twice.n_words == 2 * counts.n_words && twice.n_rescored == 2 * counts.n_rescored &&
            twice.n_widened == 2 * counts.n_widened);
  cr_assert(counts.n_short + counts.n_screened == (int64_t)n && counts.n_rescored < counts.n_words);
  corpus_free(&all);
  corpus_free(&alone);
  close_rig(&r);
}

#endif
