/* Precision exact: the best words of every text, all that enters the dictionary, as in fp32 to the bit. The screen runs
 * on emulated bf16, which rounds as the units do, so that this is tried on every machine. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "model.h"
#include "random_model.h"
#include "screen.h"

/* A model with its two backends. */
typedef struct rig {
  bki_model *model;
  bki_pool *pool;
  bki_backend *fast;
  bki_backend *fp32;
  bki_screen *screen;
} rig;

static bki_backend *open_backend(const rig *r, bki_engine engine, bki_precision precision) {
  const bki_backend_config config = {
      .engine = engine, .precision = precision, .isa = BKI_ISA_PORTABLE, .pool = r->pool};
  bki_backend *backend = NULL;
  bki_error err;
  cr_assert_eq(
      bki_backend_cpu.create(&backend, bki_model_get_config(r->model), bki_model_parameters(r->model), &config, &err),
      BKI_OK, "%s", err.message);
  return backend;
}

static rig open_rig(bki_model *model, int32_t p) {
  rig r = {.model = model};
  const bki_engine engine = bki_model_get_config(model)->num_layers > 1 ? BKI_ENGINE_FULL : BKI_ENGINE_INCREMENTAL;
  cr_assert_eq(bki_pool_create(&r.pool, 2, NULL), BKI_OK);
  r.fast = open_backend(&r, engine, BKI_PRECISION_BF16);
  r.fp32 = open_backend(&r, engine, BKI_PRECISION_FP32);
  cr_assert_eq(bki_screen_create(&r.screen, bki_model_get_config(model), r.fast, r.fp32, p, NULL), BKI_OK);
  return r;
}

static void close_rig(rig *r) {
  bki_screen_destroy(r->screen);
  r->fast->ops->destroy(r->fast);
  r->fp32->ops->destroy(r->fp32);
  bki_pool_destroy(r->pool);
  bki_model_destroy(r->model);
}

/* A net whose states amplify what is done to them: recurrent weights and forget biases as given. */
static bki_model *make_model(uint64_t seed, const bki_model_config *shape, float gain, float forget) {
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

/* The positions of the p best, in order. */
static int32_t select_best(const bki_scores *scores, int32_t length, int32_t p, int32_t *out) {
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

static void check_best(const corpus *got, const corpus *want, int32_t p, const char *what) {
  int32_t a[600];
  int32_t b[600];
  for (size_t i = 0; i < want->n; i++) {
    const int32_t l = want->sequences[i].length;
    const bki_scores *g = &got->scores[i];
    const bki_scores *w = &want->scores[i];
    const int32_t n = select_best(w, l, p, a);
    cr_assert_eq(select_best(g, l, p, b), n);
    cr_assert_eq(g->predicted, w->predicted, "%s: text %zu: predicted", what, i);
    for (int32_t k = 0; k < n; k++) {
      cr_assert_eq(a[k], b[k], "%s: text %zu of %d words: rank %d is word %d, not %d", what, i, l, k, b[k], a[k]);
      cr_assert(memcmp(&g->score[a[k]], &w->score[a[k]], sizeof(float)) == 0 && g->flip[a[k]] == w->flip[a[k]],
                "%s: text %zu, word %d: %.9g for %.9g", what, i, a[k], (double)g->score[a[k]], (double)w->score[a[k]]);
    }
  }
}

static const int32_t lengths[] = {0, 1, 5, 29, 30, 31, 40, 50, 64, 80, 33, 3, 47, 70, 38, 90};
enum { N = sizeof lengths / sizeof lengths[0] };

/* Scores the texts with the screen and in fp32. */
static void check_rig(rig *r, corpus *got, corpus *want, int32_t p, const char *what) {
  cr_assert_eq(bki_screen_score(r->screen, got->sequences, got->n, got->scores, NULL), BKI_OK);
  cr_assert_eq(r->fp32->ops->score(r->fp32, want->sequences, want->n, want->scores, NULL), BKI_OK);
  check_best(got, want, p, what);
}

static void check_model(bki_model *model, uint64_t seed, int32_t p, double epsilon, const char *what) {
  rig r = open_rig(model, p);
  corpus got = random_corpus(seed, 50, lengths, N, false);
  corpus want = random_corpus(seed, 50, lengths, N, false);
  bki_screen_set_epsilon(r.screen, epsilon);
  check_rig(&r, &got, &want, p, what);
  corpus_free(&got);
  corpus_free(&want);
  close_rig(&r);
}

Test(screen, gives_the_best_words_of_fp32) {
  static const int32_t best[] = {1, 2, 5, 9, 600};
  for (uint64_t seed = 1; seed <= 15; seed++) {
    bki_model_config shape = random_config(6, 12);
    char what[64];
    const int32_t p = best[seed % 5];
    snprintf(what, sizeof what, "seed %d p %d", (int)seed, p);
    check_model(make_model(seed, &shape, 1, 0), seed, p, 1e-3, what);
  }
}

Test(screen, gives_the_best_words_of_fp32_for_every_padding_readout_and_depth) {
  for (int i = 0; i < 24; i++) {
    bki_model_config shape = random_config(5, 9);
    shape.readout = (bki_readout)(i % 4);
    shape.pad = (bki_pad)(i / 4 % 3);
    shape.pad_length = shape.pad == BKI_PAD_NONE ? 0 : 100;
    shape.max_words = 100;
    shape.num_layers = 1 + i / 12;
    char what[64];
    snprintf(what, sizeof what, "readout %d pad %d layers %d", i % 4, (int)shape.pad, shape.num_layers);
    check_model(make_model((uint64_t)i, &shape, 1, 0), 7, 3, 1e-3, what);
  }
}

/* Errors far above epsilon: what was seen of them widens the limit. */
Test(screen, widens_its_limit_where_errors_are_large) {
  bki_model_config shape = random_config(6, 16);
  rig r = open_rig(make_model(1, &shape, 2, 1), 3);
  corpus got = random_corpus(1, 50, lengths, N, false);
  corpus want = random_corpus(1, 50, lengths, N, false);
  bki_screen_set_epsilon(r.screen, 1e-6);
  check_rig(&r, &got, &want, 3, "widened");
  const bki_screening *counts = bki_screen_get(r.screen);
  cr_assert_eq(counts->n_widened, counts->n_screened);
  corpus_free(&got);
  corpus_free(&want);
  close_rig(&r);
}

/* Errors as large as scores: a net is either left to fp32 or its best words are right. */
Test(screen, is_right_or_gives_up_for_expansive_nets) {
  int screened = 0;
  for (uint64_t seed = 1; seed <= 8; seed++) {
    bki_model_config shape = random_config(6, 16);
    shape.max_words = 64;
    rig r = open_rig(make_model(seed, &shape, 3, 3 + (float)(seed % 2)), 3);
    corpus got = random_corpus(seed, 50, lengths, N, false);
    corpus want = random_corpus(seed, 50, lengths, N, false);
    cr_assert_eq(bki_screen_calibrate(r.screen, NULL), BKI_OK);
    if (bki_screen_get(r.screen)->epsilon > 0) {
      char what[64];
      snprintf(what, sizeof what, "seed %d", (int)seed);
      check_rig(&r, &got, &want, 3, what);
      screened++;
    }
    corpus_free(&got);
    corpus_free(&want);
    close_rig(&r);
  }
  fprintf(stderr, "%d of 8 expansive nets are screened\n", screened);
}

/* Two words that differ by less than bf16 can tell: every other text swaps them in the order of screening. */
Test(screen, tells_near_ties_apart) {
  bki_model_config shape = random_config(6, 12);
  bki_model *model = make_model(3, &shape, 1, 0);
  const bki_parameters *parameters = bki_model_parameters(model);
  uint64_t state = 5;
  for (int32_t id = 1; id < 50; id += 2) { /* each odd word is its even neighbour but for the last bits */
    for (int32_t e = 0; e < 6; e++) {
      parameters->embedding[6 * id + e] = parameters->embedding[6 * (id - 1) + e] + random_uniform(&state, 1e-5f);
    }
  }
  check_model(model, 11, 5, 1e-3, "near ties");
}

Test(screen, ties_of_equal_neighbours_keep_their_order) {
  bki_model_config shape = random_config(6, 12);
  rig r = open_rig(make_model(4, &shape, 1, 0), 5);
  corpus got = random_corpus(2, 3, lengths, N, false); /* of three words: runs of equal ones */
  corpus want = random_corpus(2, 3, lengths, N, false);
  bki_screen_set_epsilon(r.screen, 1e-3);
  check_rig(&r, &got, &want, 5, "ties");
  corpus_free(&got);
  corpus_free(&want);
  close_rig(&r);
}

Test(screen, does_not_depend_on_the_batch) {
  bki_model_config shape = random_config(6, 12);
  rig r = open_rig(make_model(6, &shape, 2, 1), 2);
  corpus all = random_corpus(3, 50, lengths, N, false);
  corpus alone = random_corpus(3, 50, lengths, N, false);
  bki_screen_set_epsilon(r.screen, 1e-3);
  cr_assert_eq(bki_screen_score(r.screen, all.sequences, N, all.scores, NULL), BKI_OK);
  const bki_screening counts = *bki_screen_get(r.screen);
  for (size_t i = 0; i < N; i++) {
    cr_assert_eq(bki_screen_score(r.screen, &alone.sequences[i], 1, &alone.scores[i], NULL), BKI_OK);
    const size_t l = (size_t)lengths[i];
    cr_assert(memcmp(all.scores[i].score, alone.scores[i].score, l * sizeof(float)) == 0 &&
                  memcmp(all.scores[i].flip, alone.scores[i].flip, l) == 0 &&
                  all.scores[i].predicted == alone.scores[i].predicted,
              "text %zu", i);
  }
  const bki_screening twice = *bki_screen_get(r.screen);
  cr_assert(twice.n_short == 2 * counts.n_short && twice.n_screened == 2 * counts.n_screened &&
            twice.n_words == 2 * counts.n_words && twice.n_rescored == 2 * counts.n_rescored &&
            twice.n_widened == 2 * counts.n_widened);
  cr_assert(counts.n_short + counts.n_screened == N && counts.n_rescored < counts.n_words);
  corpus_free(&all);
  corpus_free(&alone);
  close_rig(&r);
}

static bki_screening calibrate(bki_model *model, int32_t p) {
  rig r = open_rig(model, p);
  cr_assert_eq(bki_screen_calibrate(r.screen, NULL), BKI_OK);
  bki_screening first = *bki_screen_get(r.screen);
  cr_assert_eq(bki_screen_calibrate(r.screen, NULL), BKI_OK);
  cr_assert(memcmp(&first, bki_screen_get(r.screen), sizeof first) == 0, "it depends on the model alone");
  close_rig(&r);
  return first;
}

Test(screen, finds_epsilon_for_a_calm_net) {
  bki_model_config shape = random_config(6, 12);
  shape.max_words = 64;
  const bki_screening s = calibrate(make_model(1, &shape, 1, 0), 2);
  cr_assert(s.epsilon >= 1e-4 && s.epsilon < 0.1 && s.reason[0] == '\0', "%g %s", s.epsilon, s.reason);
  cr_assert(s.model_error > 0 && s.model_share > 0 && s.model_share <= 0.25);
}

Test(screen, leaves_expansive_nets_to_fp32) {
  bki_model_config shape = random_config(20, 32);
  shape.max_words = 64;
  const bki_screening s = calibrate(make_model(2, &shape, 6, 6), 5);
  cr_assert(s.epsilon == 0 && strstr(s.reason, "expansive") != NULL, "%g %s", s.epsilon, s.reason);
}

Test(screen, leaves_models_of_short_texts_to_fp32) {
  bki_model_config shape = random_config(6, 12);
  shape.max_words = 29;
  const bki_screening s = calibrate(make_model(1, &shape, 1, 0), 5);
  cr_assert(s.epsilon == 0 && strcmp(s.reason, "texts of 30 words at least are screened for the best 5") == 0, "%s",
            s.reason);
}
