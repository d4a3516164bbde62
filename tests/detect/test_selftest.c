/* The self-tests of model directories: from a text to the logits of the framework that trained the model. */
#include <math.h>
#include <unistd.h>

#include "golden.h"

static void check_text(const bki_model *model, bki_scorer *scorer, size_t i, float tolerance) {
  bki_str text;
  const float *expected;
  bki_error err;
  bki_encoding encoding;
  bki_encoding_init(&encoding);
  bki_model_selftest_get(model, i, &text, &expected);
  cr_assert_eq(bki_model_encode(model, text, &encoding, &err), BKI_OK, "%s", err.message);
  const bki_sequence sequence = {encoding.ids, encoding.words.n_words};
  const int32_t n = bki_model_get_config(model)->n_classes;
  float *logits = malloc((size_t)n * sizeof *logits);
  cr_assert_eq(bki_scorer_forward(scorer, &sequence, 1, NULL, logits, &err), BKI_OK, "%s", err.message);
  for (int32_t c = 0; c < n; c++) {
    cr_expect(fabsf(logits[c] - expected[c]) <= tolerance, "text %zu, class %d: expected %.7g, found %.7g", i, c,
              (double)expected[c], (double)logits[c]);
  }
  free(logits);
  bki_encoding_clear(&encoding);
}

static void check_model(const char *directory, size_t n, float tolerance) {
  bki_model *model = NULL;
  bki_scorer *scorer = NULL;
  bki_scorer_config config;
  bki_error err;
  cr_assert_eq(bki_model_load(&model, directory, &err), BKI_OK, "%s: %s", err.file, err.message);
  bki_scorer_config_init(&config);
  cr_assert_eq(bki_scorer_create(&scorer, model, &config, &err), BKI_OK, "%s", err.message);
  cr_assert_eq(bki_model_selftest_count(model), n);
  for (size_t i = 0; i < n; i++) {
    check_text(model, scorer, i, tolerance);
  }
  bki_scorer_destroy(scorer);
  bki_model_destroy(model);
}

Test(selftest, of_exported_models_gives_the_stored_logits) {
  for (size_t i = 0; i < GOLDEN_COUNT; i++) {
    const golden g = {.name = golden_names[i]};
    check_model(golden_path(&g, ""), 9, 2e-5f);
  }
}

/* Their logits are stored with six decimals. */
static void check_shared(const char *name) {
  char path[512];
  snprintf(path, sizeof path, "%s/../shared/models/%s", BKI_SOURCE_DIR, name);
  if (access(path, R_OK) != 0) {
    cr_skip_test("skipped: no ../shared/models/%s here", name);
  }
  check_model(path, 8, 1e-4f);
}

Test(selftest, of_dbpedia_flies_gives_the_stored_logits) {
  check_shared("dbpedia-flies");
}
Test(selftest, of_imdb_flies_gives_the_stored_logits) {
  check_shared("imdb-flies");
}
Test(selftest, of_imdb_clean_gives_the_stored_logits) {
  check_shared("imdb-clean");
}
