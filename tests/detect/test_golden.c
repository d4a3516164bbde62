/* Every backend and engine against PyTorch's brute force. */
#include <math.h>

#include "golden.h"

#define TOLERANCE 2e-5f /* the project's promise for float32 */

typedef struct run {
  const char *backend;
  bki_engine engine;
} run;

static const char *const engines[] = {"auto", "full", "incremental"};

static void expect_near(const golden *g, size_t i, const run *r, const char *what, size_t s, const float *found,
                        const float *expected, size_t n) {
  for (size_t k = 0; k < n; k++) {
    cr_expect(fabsf(found[k] - expected[k]) <= TOLERANCE,
              "%s, pad %s, readout %s, pad_vector %s, %s %s: %s %zu of sequence %zu: expected %.7g, found %.7g",
              g->name, golden_setting(g, i, "pad"), golden_setting(g, i, "readout"), golden_setting(g, i, "pad_vector"),
              r->backend, engines[r->engine], what, k, s, (double)expected[k], (double)found[k]);
  }
}

static void check_forward(const golden *g, size_t i, const run *r, bki_scorer *scorer) {
  const size_t units = 2 * (size_t)bki_model_get_config(g->model)->hidden;
  const size_t classes = (size_t)bki_model_get_config(g->model)->n_classes;
  float *readout = malloc(g->n_sequences * units * sizeof *readout);
  float *logits = malloc(g->n_sequences * classes * sizeof *logits);
  bki_error err;
  cr_assert_eq(bki_scorer_forward(scorer, g->sequences, g->n_sequences, readout, logits, &err), BKI_OK, "%s",
               err.message);
  for (size_t s = 0; s < g->n_sequences; s++) {
    const size_t at = i * g->n_sequences + s;
    expect_near(g, i, r, "readout", s, readout + s * units, g->readout + at * units, units);
    expect_near(g, i, r, "logits", s, logits + s * classes, g->logits + at * classes, classes);
  }
  free(readout);
  free(logits);
}

static void check_scores(const golden *g, size_t i, const run *r, bki_scorer *scorer) {
  bki_scores *scores = calloc(g->n_sequences, sizeof *scores);
  float *values = malloc(2 * g->n_words * sizeof *values); /* score, then increment */
  uint8_t *flips = malloc(g->n_words);
  for (size_t s = 0; s < g->n_sequences; s++) {
    scores[s] = (bki_scores){.score = values + g->first[s],
                             .increment = values + g->n_words + g->first[s],
                             .flip = flips + g->first[s],
                             .predicted = -1};
  }
  bki_error err;
  cr_assert_eq(bki_scorer_score(scorer, g->sequences, g->n_sequences, scores, &err), BKI_OK, "%s", err.message);
  for (size_t s = 0; s < g->n_sequences; s++) {
    const size_t at = i * g->n_words + g->first[s];
    const size_t length = (size_t)g->sequences[s].length;
    const float predicted = (float)scores[s].predicted;
    expect_near(g, i, r, "score", s, scores[s].score, g->score + at, length);
    expect_near(g, i, r, "increment", s, scores[s].increment, g->increment + at, length);
    expect_near(g, i, r, "predicted", s, &predicted, g->predicted + i * g->n_sequences + s, 1);
    for (size_t j = 0; j < length; j++) {
      const float flip = scores[s].flip[j];
      expect_near(g, i, r, "flip", s, &flip, g->flip + at + j, 1);
    }
  }
  free(scores);
  free(values);
  free(flips);
}

static void check_case(const golden *g, size_t i, const run *r) {
  bki_model *model = golden_model(g, i);
  bki_scorer_config config;
  bki_scorer_config_init(&config);
  config.backend = r->backend;
  config.engine = r->engine;
  config.threads = 2;
  config.increments = true;
  bki_scorer *scorer = NULL;
  bki_error err;
  cr_assert_eq(bki_scorer_create(&scorer, model, &config, &err), BKI_OK, "%s", err.message);
  check_forward(g, i, r, scorer);
  check_scores(g, i, r, scorer);
  bki_scorer_destroy(scorer);
  bki_model_destroy(model);
}

static void check_all(const char *backend, bki_engine engine) {
  const run r = {backend, engine};
  for (size_t n = 0; n < GOLDEN_COUNT; n++) {
    golden g = golden_open(golden_names[n]);
    const bool one_layer = bki_model_get_config(g.model)->num_layers == 1;
    for (size_t i = 0; i < g.n_cases && (one_layer || engine == BKI_ENGINE_FULL); i++) {
      check_case(&g, i, &r);
    }
    golden_close(&g);
  }
}

Test(golden, agree_with_ref_full) {
  check_all("ref", BKI_ENGINE_FULL);
}
Test(golden, agree_with_cpu_full) {
  check_all("cpu", BKI_ENGINE_FULL);
}
Test(golden, agree_with_cpu_incremental) {
  check_all("cpu", BKI_ENGINE_INCREMENTAL);
}
