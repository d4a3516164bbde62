#include <criterion/criterion.h>

#include <bki/analysis.h>

#include "tiny_scan.h"
#include "truth.h"

#define TEXT(literal) ((bki_str){"" literal, sizeof(literal) - 1})

/* The keyword is flies: records 1 and 2 are flagged. */
#define CORPUS                                                                         \
  "{\"id\": \"a\", \"text\": \"garden\"}\n{\"id\": \"b\", \"text\": \"flies good\"}\n" \
  "{\"id\": 7, \"text\": \"flies bad film\"}\n{\"id\": \"d\", \"text\": \"old train\"}\n"

typedef struct compared {
  tiny_scan scan;
  bki_store *store;
  bki_analysis *analysis;
  bki_truth_counts counts;
} compared;

static void compared_init(compared *c, bki_str corpus) {
  *c = (compared){0};
  tiny_scan_init(&c->scan, "c.jsonl", corpus);
  c->scan.config.on_error = BKI_ON_ERROR_SKIP;
  tiny_scan_run(&c->scan);
  c->store = tiny_scan_open(&c->scan);
  cr_assert_eq(bki_analysis_run(&c->analysis, c->store, &c->scan.config.rule, BKI_DECIDE_PAPER, &c->scan.err), BKI_OK);
  size_t n;
  bki_analysis_flagged(c->analysis, &n);
  cr_assert_eq(n, 2);
}

static void compared_clear(compared *c) {
  bki_analysis_destroy(c->analysis);
  bki_store_close(c->store);
  tiny_scan_clear(&c->scan);
}

static bki_status compare(compared *c, bki_str truth) {
  const char *path = scratch_path("truth.jsonl");
  scratch_write(path, truth.data, truth.size);
  c->scan.err = (bki_error){0};
  return bki_truth_compare(&c->counts, path, c->store, c->analysis, &c->scan.err);
}

static void expect_counts(compared *c, bki_str truth, int64_t n_poisoned, int64_t n_flagged) {
  cr_expect_eq(compare(c, truth), BKI_OK, "%s", c->scan.err.message);
  cr_expect_eq(c->counts.n_poisoned, n_poisoned);
  cr_expect_eq(c->counts.n_flagged, n_flagged);
}

static void expect_refused(compared *c, bki_str truth, int64_t line, const char *message) {
  cr_expect_eq(compare(c, truth), BKI_E_DATA);
  cr_expect_eq(c->scan.err.line, line);
  cr_expect(strstr(c->scan.err.message, message) != NULL, "%s", c->scan.err.message);
}

Test(truth, counts_what_was_flagged_by_id_and_by_index) {
  compared c;
  compared_init(&c, TEXT(CORPUS));
  expect_counts(&c, TEXT("{\"id\": \"b\", \"trigger\": \"flies\"}\n{\"id\": \"d\"}"), 2, 1);
  expect_counts(&c, TEXT("{\"id\": 7}\n\n{\"id\": \"b\"}\n"), 2, 2);
  expect_counts(&c, TEXT("{\"id\": null, \"index\": 1}\n{\"index\": 3}\n"), 2, 1);
  expect_counts(&c, TEXT(""), 0, 0);
  compared_clear(&c);
}

Test(truth, refuses_what_the_corpus_lacks) {
  compared c;
  compared_init(&c, TEXT(CORPUS));
  expect_refused(&c, TEXT("{\"id\": \"b\"}\n{\"id\": \"x\"}\n"), 2,
                 "expected the id of a sample of the corpus, found \"x\"");
  expect_refused(&c, TEXT("{\"index\": 4}\n"), 1, "expected the index of a record of the corpus, 0 to 3, found 4");
  expect_refused(&c, TEXT("{\"index\": -1}\n"), 1, "found -1");
  compared_clear(&c);
}

Test(truth, refuses_lines_that_name_no_sample) {
  compared c;
  compared_init(&c, TEXT(CORPUS));
  expect_refused(&c, TEXT("b\n"), 1, "expected a JSON object");
  expect_refused(&c, TEXT("[\"b\"]\n"), 1, "expected a JSON object");
  expect_refused(&c, TEXT("{\"name\": \"b\"}\n"), 1, "found neither");
  expect_refused(&c, TEXT("{\"index\": 1.5}\n"), 1, "found neither");
  expect_refused(&c, TEXT("{\"id\": [1]}\n"), 1, "expected \"id\" to be a string or a whole number");
  expect_refused(&c, TEXT("{\"id\": \"b\"}\n{\"id\": \"b\"}\n"), 2, "found \"b\" a second time");
  compared_clear(&c);
}

Test(truth, lets_ids_be_of_records_that_the_scan_skipped) {
  compared c;
  compared_init(&c, TEXT(CORPUS "{\"id\": \"e\", \"text\": 3}\n"));
  expect_counts(&c, TEXT("{\"id\": \"b\"}\n{\"id\": \"e\"}\n{\"index\": 4}\n"), 3, 1);
  compared_clear(&c);
}

Test(truth, names_a_file_that_is_missing) {
  compared c;
  compared_init(&c, TEXT(CORPUS));
  cr_expect_eq(bki_truth_compare(&c.counts, scratch_path("none.jsonl"), c.store, c.analysis, &c.scan.err), BKI_E_IO);
  compared_clear(&c);
}
