/* The scorer with the backend `cuda` beneath it, from the settings of a scan to precision exact. */
#include <criterion/criterion.h>

#include <string.h>

#include "cuda_load.h"
#include "model.h"
#include "random_model.h"
#include "standin.h"

/* In the place of cuda_load.c, which would look for a driver and a module: the backend that is linked with the test. */
bki_status bki_cuda_load(const bki_cuda_access **out, bki_error *err) {
  static const bki_device device = {.name = "stand-in", .major = 9};
  static bki_cuda_access access = {.devices = &device, .n_devices = 1};
  (void)err;
  access.module = bki_cuda_module_get();
  *out = &access;
  return BKI_OK;
}
bki_status bki_cuda_check_device(const bki_device *device, bki_error *err) {
  (void)device;
  (void)err;
  return BKI_OK;
}
bki_status bki_cuda_first_device(const bki_cuda_access *cuda, int32_t *out, bki_error *err) {
  (void)cuda;
  (void)err;
  *out = 0;
  return BKI_OK;
}

static const int32_t lengths[] = {12, 0, 17, 1, 30, 11, 26, 2};
enum { N = sizeof lengths / sizeof lengths[0], BEST = 2 };

static bki_model *make_small_model(void) {
  bki_model_config shape = random_config(6, 16);
  shape.max_words = 24; /* of the texts that screening is calibrated with */
  return random_model(3, &shape);
}

static bki_scorer *open_persistent(const bki_model *model, bki_precision precision) {
  bki_scorer_config config;
  bki_scorer_config_init(&config);
  config.backend = "cuda";
  config.engine = BKI_ENGINE_PERSISTENT;
  config.precision = precision;
  config.top_words = BEST;
  return open_scorer(model, &config);
}

/* Scores by precision `exact`, checked against fp32: the best words, or every word. */
static void check_exact(const bki_model *model, bki_scorer *exact, bool every) {
  bki_scorer *fp32 = open_persistent(model, BKI_PRECISION_FP32);
  corpus got = random_corpus(1, 50, lengths, N, false);
  corpus want = random_corpus(1, 50, lengths, N, false);
  score_corpus(exact, &got);
  score_corpus(fp32, &want);
  for (size_t i = 0; i < N; i++) {
    const bki_scores *g = &got.scores[i];
    const bki_scores *w = &want.scores[i];
    cr_assert_eq(g->predicted, w->predicted);
    for (int32_t j = 0; j < lengths[i]; j++) {
      int32_t better = 0;
      for (int32_t k = 0; k < lengths[i]; k++) {
        better += w->score[k] > w->score[j];
      }
      cr_assert((better >= BEST && !every) || (g->score[j] == w->score[j] && g->flip[j] == w->flip[j]),
                "text %zu, word %d: %.9g for %.9g", i, j, (double)g->score[j], (double)w->score[j]);
    }
  }
  corpus_free(&got);
  corpus_free(&want);
  bki_scorer_destroy(fp32);
}

Test(cuda_scorer, exact_screens_in_half_precision_and_gives_the_best_words_of_fp32) {
  standin_reset(1, 0);
  bki_model *model = make_small_model();
  bki_scorer *scorer = open_persistent(model, BKI_PRECISION_EXACT);
  cr_assert(bki_scorer_screens(scorer));
  cr_assert_str_eq(bki_scorer_precision(scorer), "exact");
  cr_assert_str_eq(bki_scorer_isa(scorer), "cuda (mma.sync)+cuda");
  check_exact(model, scorer, false);
  const bki_screening *counts = bki_scorer_screening(scorer);
  cr_assert(counts->n_screened == 4 && counts->n_short == 4 && counts->n_rescored < counts->n_words);
  bki_scorer_destroy(scorer);
  bki_model_destroy(model);
  cr_assert_eq(standin_leaks(), 0);
}

static void check_given_up(const bki_model *model, const char *reason) {
  bki_scorer *scorer = open_persistent(model, BKI_PRECISION_EXACT);
  cr_assert_not(bki_scorer_screens(scorer));
  cr_assert_str_eq(bki_scorer_precision(scorer), "fp32");
  cr_assert_str_eq(bki_scorer_isa(scorer), "cuda");
  cr_assert_str_eq(bki_scorer_screening(scorer)->reason, reason);
  check_exact(model, scorer, true);
  bki_scorer_destroy(scorer);
}

Test(cuda_scorer, exact_is_fp32_where_half_precision_does_not_run) {
  standin_reset(1, 0);
  bki_model *model = make_small_model();
  standin_set_capability(0, 7, 5);
  check_given_up(model,
                 "GPU 0 (stand-in 0): engine persistent does not run there in fp16 with a hidden size of 16: use "
                 "incremental");
  standin_set_capability(0, 9, 0);
  bki_model_parameters(model)->lstm[0].w_hh[5] = 7e4f;
  check_given_up(model,
                 "engine persistent: precision fp16 is for recurrent weights up to 65504, found larger ones: use fp32");
  bki_model_destroy(model);
  cr_assert_eq(standin_leaks(), 0);
}

/* What is wrong with both precisions is no reason to score in one of them. */
Test(cuda_scorer, exact_is_refused_where_fp32_is) {
  standin_reset(1, 0);
  bki_model *model = make_small_model();
  bki_model_parameters(model)->embedding[5] = NAN;
  bki_scorer_config config;
  bki_scorer_config_init(&config);
  config.backend = "cuda";
  config.engine = BKI_ENGINE_PERSISTENT;
  config.precision = BKI_PRECISION_EXACT;
  bki_scorer *scorer = NULL;
  bki_error err;
  cr_assert_eq(bki_scorer_create(&scorer, model, &config, &err), BKI_E_USAGE);
  cr_assert_not_null(strstr(err.message, "expected a model whose sums stay finite in fp32"), "%s", err.message);
  bki_model_destroy(model);
  cr_assert_eq(standin_leaks(), 0);
}
