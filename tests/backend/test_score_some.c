/* Scores of picked words: the bytes of a score of all words, and nothing else is written. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "model.h"
#include "random_model.h"

static bki_backend *open_backend(bki_model *model, bki_engine engine, bki_precision precision, bki_pool *pool) {
  const bki_backend_config config = {.engine = engine, .precision = precision, .pool = pool};
  bki_backend *backend = NULL;
  bki_error err;
  cr_assert_eq(
      bki_backend_cpu.create(&backend, bki_model_get_config(model), bki_model_parameters(model), &config, &err), BKI_OK,
      "%s", err.message);
  return backend;
}

/* About a third of the words of each text, none of some texts, all of others. */
static bki_picks *pick(const corpus *c, uint64_t seed) {
  bki_picks *picks = calloc(c->n, sizeof *picks);
  for (size_t i = 0; i < c->n; i++) {
    int32_t *positions = malloc(sizeof *positions * ((size_t)c->sequences[i].length + 1));
    picks[i].position = positions;
    for (int32_t j = 0; j < c->sequences[i].length; j++) {
      if (i % 5 == 0 || (i % 5 != 1 && random_below(&seed, 3) == 0)) {
        positions[picks[i].n++] = j;
      }
    }
  }
  return picks;
}

static void check_text(const corpus *all, const corpus *some, const bki_picks *picks, size_t i, const char *what) {
  const bki_scores *want = &all->scores[i];
  const bki_scores *got = &some->scores[i];
  cr_assert_eq(got->predicted, want->predicted);
  int32_t k = 0;
  for (int32_t j = 0; j < all->sequences[i].length; j++) {
    const bool picked = k < picks[i].n && picks[i].position[k] == j;
    k += picked;
    const float expected = picked ? want->score[j] : -1;
    cr_assert(memcmp(&got->score[j], &expected, sizeof expected) == 0, "%s: text %zu, word %d: %.9g for %.9g", what, i,
              j, (double)got->score[j], (double)expected);
    cr_assert_eq(got->flip[j], picked ? want->flip[j] : 7, "%s: text %zu, word %d", what, i, j);
  }
}

static void check(bki_backend *backend, const bki_model *model, const char *what) {
  static const int32_t lengths[] = {7, 0, 2, 17, 1, 5, 6, 1, 13, 16};
  enum { N = sizeof lengths / sizeof lengths[0] };
  corpus all = random_corpus(5, 50, lengths, N, false);
  corpus some = random_corpus(5, 50, lengths, N, false);
  bki_picks *picks = pick(&all, 9);
  for (size_t i = 0; i < N; i++) {
    for (int32_t j = 0; j < lengths[i]; j++) {
      some.scores[i].score[j] = -1;
      some.scores[i].flip[j] = 7;
    }
  }
  cr_assert_eq(backend->ops->score(backend, all.sequences, N, all.scores, NULL), BKI_OK);
  cr_assert_eq(
      bki_backend_score_some(backend, bki_model_get_config(model), some.sequences, picks, N, some.scores, NULL),
      BKI_OK);
  for (size_t i = 0; i < N; i++) {
    check_text(&all, &some, picks, i, what);
    free((void *)(uintptr_t)picks[i].position);
  }
  free(picks);
  corpus_free(&all);
  corpus_free(&some);
}

static void check_model(const bki_model_config *shape, uint64_t seed, bki_pool *pool) {
  bki_model *model = random_model(seed, shape);
  char what[64];
  for (int i = 0; i < 4; i++) {
    const bki_engine engine = i % 2 == 0 ? BKI_ENGINE_INCREMENTAL : BKI_ENGINE_FULL;
    const bki_precision precision = i / 2 == 0 ? BKI_PRECISION_FP32 : BKI_PRECISION_BF16;
    if (engine == BKI_ENGINE_INCREMENTAL && shape->num_layers > 1) {
      continue;
    }
    bki_backend *backend = open_backend(model, engine, precision, pool);
    snprintf(what, sizeof what, "case %d readout %d pad %d layers %d", i, (int)shape->readout, (int)shape->pad,
             shape->num_layers);
    check(backend, model, what);
    backend->ops->destroy(backend);
  }
  bki_model_destroy(model);
}

Test(score_some, gives_the_bytes_of_all_for_every_padding_and_readout) {
  bki_pool *pool;
  cr_assert_eq(bki_pool_create(&pool, 2, NULL), BKI_OK);
  for (int readout = BKI_READOUT_FINAL; readout <= BKI_READOUT_MAX; readout++) {
    for (int pad = BKI_PAD_NONE; pad <= BKI_PAD_POST; pad++) {
      bki_model_config shape = random_config(5, 9);
      shape.readout = (bki_readout)readout;
      shape.pad = (bki_pad)pad;
      shape.pad_length = pad == BKI_PAD_NONE ? 0 : 19;
      shape.max_words = 19;
      shape.num_layers = 1 + (readout + pad) % 2;
      check_model(&shape, (uint64_t)(10 * readout + pad), pool);
      shape.num_layers = 1;
      check_model(&shape, (uint64_t)(100 + 10 * readout + pad), pool);
    }
  }
  bki_pool_destroy(pool);
}
