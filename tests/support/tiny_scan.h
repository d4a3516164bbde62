/* Scans with the model of tests/data/tiny. Every failure that a test does not ask for ends it. */
#ifndef BKI_TESTS_TINY_SCAN_H
#define BKI_TESTS_TINY_SCAN_H

#include <string.h>

#include <bki/scan.h>

#include "scratch.h"

typedef struct tiny_scan {
  bki_model *model;
  const char *path; /* of the corpus */
  bki_scan_config config;
  bki_progress progress;
  bki_error err;
} tiny_scan;

/* Corpus and store are files in the test's directory; the settings may be changed before the run. */
static inline void tiny_scan_init(tiny_scan *s, const char *corpus_name, bki_str corpus) {
  *s = (tiny_scan){0};
  cr_assert_eq(bki_model_load(&s->model, BKI_TEST_DATA "/tiny/model", &s->err), BKI_OK, "%s", s->err.message);
  s->path = strdup(scratch_path(corpus_name));
  scratch_write(s->path, corpus.data, corpus.size);
  bki_scan_config_init(&s->config);
  s->config.model = s->model;
  s->config.corpus.paths = &s->path;
  s->config.corpus.n_paths = 1;
  s->config.scorer.backend = "ref";
  s->config.scorer.threads = 2;
  s->config.store_path = strdup(scratch_path("s.bki"));
}

static inline void tiny_scan_clear(tiny_scan *s) {
  bki_model_destroy(s->model);
  free((void *)(uintptr_t)s->path);
  free((void *)(uintptr_t)s->config.store_path);
}

static inline bki_status tiny_scan_try(tiny_scan *s) {
  return bki_scan_run(&s->config, &s->progress, &s->err);
}

static inline void tiny_scan_run(tiny_scan *s) {
  cr_assert_eq(tiny_scan_try(s), BKI_OK, "%s", s->err.message);
}

/* The result; the caller closes it. */
static inline bki_store *tiny_scan_open(tiny_scan *s) {
  bki_store *store = NULL;
  cr_assert_eq(bki_store_open(&store, s->config.store_path, &s->err), BKI_OK, "%s", s->err.message);
  return store;
}

#endif
