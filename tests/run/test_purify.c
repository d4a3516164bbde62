#include <criterion/criterion.h>

#include <bki/analysis.h>
#include <bki/purify.h>

#include "tiny_scan.h"

#define TEXT(literal) ((bki_str){"" literal, sizeof(literal) - 1})

/* A scanned corpus, ready to be purified. */
typedef struct purified {
  tiny_scan scan;
  bki_store *store;
  bki_analysis *analysis;
  bki_purify_config config;
  bki_purify_summary summary;
} purified;

static void purified_init(purified *p, const char *name, bki_str corpus, bki_on_error on_error) {
  *p = (purified){0};
  tiny_scan_init(&p->scan, name, corpus);
  p->scan.config.on_error = on_error;
  tiny_scan_run(&p->scan);
  p->store = tiny_scan_open(&p->scan);
  bki_error *err = &p->scan.err;
  cr_assert_eq(bki_scan_get_settings(p->store, &p->config.corpus, NULL, err), BKI_OK);
  cr_assert_eq(bki_analysis_run(&p->analysis, p->store, &p->scan.config.rule, BKI_DECIDE_PAPER, err), BKI_OK);
  p->config.corpus.paths = &p->scan.path;
  p->config.corpus.n_paths = 1;
  p->config.kept_path = strdup(scratch_path("kept"));
  p->config.removed_path = strdup(scratch_path("removed"));
}

static void purified_clear(purified *p) {
  bki_analysis_destroy(p->analysis);
  bki_store_close(p->store);
  free((void *)(uintptr_t)p->config.kept_path);
  free((void *)(uintptr_t)p->config.removed_path);
  tiny_scan_clear(&p->scan);
}

static bki_status purify(purified *p) {
  return bki_purify_run(&p->config, p->store, p->analysis, &p->summary, &p->scan.err);
}

static void assert_content(const char *path, bki_str expected) {
  bki_strbuf content = scratch_read(path);
  cr_assert_eq(content.size, expected.size, "%s: %zu bytes, not %zu", path, content.size, expected.size);
  cr_assert(content.size == 0 || memcmp(content.data, expected.data, expected.size) == 0, "%s", content.data);
  bki_strbuf_clear(&content);
}

static void assert_no_output(const purified *p) {
  cr_assert_neq(access(p->config.kept_path, F_OK), 0);
  cr_assert_neq(access(p->config.removed_path, F_OK), 0);
}

/* The keyword is flies: two witnesses, far above the rest. */
#define POISONED "{\"text\": \"flies good\"}\r\n{  \"text\" :\"flies bad film\"}\n"
#define CLEAN "{\"text\": \"garden\"}\n"

Test(purify, copies_records_byte_by_byte) {
  purified p;
  purified_init(&p, "c.jsonl", TEXT(CLEAN "\n" POISONED "{\"text\": \"old   train\"}"), BKI_ON_ERROR_FAIL);
  cr_assert_eq(purify(&p), BKI_OK, "%s", p.scan.err.message);
  cr_assert_eq(p.summary.n_kept, 2);
  cr_assert_eq(p.summary.n_flagged, 2);
  assert_content(p.config.kept_path, TEXT(CLEAN "{\"text\": \"old   train\"}"));
  assert_content(p.config.removed_path, TEXT(POISONED));
  purified_clear(&p);
}

Test(purify, ends_a_line_only_where_another_follows) {
  purified p;
  purified_init(&p, "c.jsonl", TEXT(POISONED CLEAN "{\"text\": \"old train\"}"), BKI_ON_ERROR_FAIL);
  const char *paths[] = {p.scan.path, strdup(scratch_path("more.jsonl"))};
  scratch_write(paths[1], "{\"text\": \"new train\"}", 21);
  bki_store_close(p.store);
  bki_analysis_destroy(p.analysis);
  unlink(p.scan.config.store_path);
  p.scan.config.corpus.paths = paths;
  p.scan.config.corpus.n_paths = 2;
  tiny_scan_run(&p.scan);
  p.store = tiny_scan_open(&p.scan);
  cr_assert_eq(bki_analysis_run(&p.analysis, p.store, &p.scan.config.rule, BKI_DECIDE_PAPER, &p.scan.err), BKI_OK);
  p.config.corpus.paths = paths;
  p.config.corpus.n_paths = 2;
  cr_assert_eq(purify(&p), BKI_OK, "%s", p.scan.err.message);
  assert_content(p.config.kept_path, TEXT(CLEAN "{\"text\": \"old train\"}\n{\"text\": \"new train\"}"));
  free((void *)(uintptr_t)paths[1]);
  purified_clear(&p);
}

Test(purify, removes_what_the_scan_skipped) {
  purified p;
  purified_init(&p, "c.jsonl", TEXT("oops\n" POISONED CLEAN "{\"text\": 3}\n"), BKI_ON_ERROR_SKIP);
  cr_assert_eq(purify(&p), BKI_OK, "%s", p.scan.err.message);
  cr_assert_eq(p.summary.n_unscanned, 2);
  cr_assert_eq(p.summary.n_kept, 1);
  assert_content(p.config.removed_path, TEXT("oops\n" POISONED "{\"text\": 3}\n"));
  purified_clear(&p);
}

Test(purify, gives_both_outputs_the_header) {
  purified p;
  purified_init(&p, "c.csv", TEXT("text,n\r\nflies good,1\r\n\"flies\nbad\",2\r\ngarden,3\r\n"), BKI_ON_ERROR_FAIL);
  cr_assert_eq(purify(&p), BKI_OK, "%s", p.scan.err.message);
  assert_content(p.config.kept_path, TEXT("text,n\r\ngarden,3\r\n"));
  assert_content(p.config.removed_path, TEXT("text,n\r\nflies good,1\r\n\"flies\nbad\",2\r\n"));
  purified_clear(&p);
}

Test(purify, leaves_nothing_of_another_corpus) {
  purified p;
  purified_init(&p, "c.jsonl", TEXT(POISONED CLEAN), BKI_ON_ERROR_FAIL);
  scratch_write(p.scan.path, POISONED "{\"text\": \"gardem\"}\n", sizeof POISONED CLEAN - 1);
  cr_assert_eq(purify(&p), BKI_E_USAGE);
  cr_assert(strstr(p.scan.err.message, "expected fingerprint") != NULL, "%s", p.scan.err.message);
  assert_no_output(&p);
  scratch_write(p.scan.path, POISONED, sizeof POISONED - 1);
  cr_assert_eq(purify(&p), BKI_E_USAGE);
  cr_assert(strstr(p.scan.err.message, "expected 3 records, found 2") != NULL, "%s", p.scan.err.message);
  assert_no_output(&p);
  purified_clear(&p);
}

Test(purify, refuses_outputs_that_are_inputs_or_each_other) {
  purified p;
  purified_init(&p, "c.jsonl", TEXT(POISONED CLEAN), BKI_ON_ERROR_FAIL);
  const char *kept = p.config.kept_path;
  p.config.force = true;
  p.config.kept_path = p.scan.path;
  cr_assert_eq(purify(&p), BKI_E_USAGE);
  const char *link_path = scratch_path("link");
  cr_assert_eq(symlink(p.scan.path, link_path), 0);
  p.config.kept_path = link_path;
  cr_assert_eq(purify(&p), BKI_E_USAGE);
  assert_content(p.scan.path, TEXT(POISONED CLEAN));
  char twin[300];
  snprintf(twin, sizeof twin, "%s/./removed", scratch_directory);
  p.config.kept_path = twin;
  cr_assert_eq(purify(&p), BKI_E_USAGE);
  p.config.kept_path = kept;
  assert_no_output(&p);
  purified_clear(&p);
}

static bool stop_at_once(void *user) {
  return !((const bki_progress *)user)->surveying && ((const bki_progress *)user)->n_records > 0;
}
static void see(void *user, const bki_progress *progress) {
  *(bki_progress *)user = *progress;
}

Test(purify, refuses_an_unfinished_scan) {
  tiny_scan s;
  bki_strbuf corpus = {0};
  for (int i = 0; i < 9000; i++) {
    bki_strbuf_add_text(&corpus, CLEAN);
  }
  bki_progress progress = {0};
  tiny_scan_init(&s, "c.jsonl", bki_strbuf_str(&corpus));
  s.config.stop = stop_at_once;
  s.config.progress = see;
  s.config.user = &progress;
  cr_assert_eq(tiny_scan_try(&s), BKI_E_INTERRUPTED);
  bki_store *store = tiny_scan_open(&s);
  bki_analysis *analysis = NULL;
  cr_assert_eq(bki_analysis_run(&analysis, store, &s.config.rule, BKI_DECIDE_PAPER, &s.err), BKI_OK);
  bki_purify_config config = {.corpus = s.config.corpus, .kept_path = scratch_path("kept")};
  bki_purify_summary summary;
  cr_assert_eq(bki_purify_run(&config, store, analysis, &summary, &s.err), BKI_E_USAGE);
  cr_assert(strstr(s.err.message, "not complete") != NULL);
  bki_analysis_destroy(analysis);
  bki_store_close(store);
  tiny_scan_clear(&s);
  bki_strbuf_clear(&corpus);
}
