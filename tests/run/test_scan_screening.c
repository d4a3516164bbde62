/* What a scan in precision exact leaves in its store, and which rules such a store answers. */
#include <criterion/criterion.h>

#include <bki/analysis.h>
#include <bki/scan.h>

#include "scan_screening.h"
#include "scan_settings.h"
#include "stores.h"

/* A finished store whose setting `screening` is as given. */
static bki_store *open_with(const char *name, const char *setting) {
  const char *path = store_finished(name, 20);
  char sql[256];
  snprintf(sql, sizeof sql, "INSERT INTO setting VALUES ('screening', '%s')", setting);
  store_tamper(path, sql);
  return store_read(path);
}

Test(scan_screening, comes_back_from_the_store) {
  bki_store *store = store_make(scratch_path("a.bki"));
  const bki_screening screening = {.top_words = 2,
                                   .epsilon = 0.0123456,
                                   .n_short = 1,
                                   .n_screened = INT64_MAX,
                                   .n_words = 3,
                                   .n_rescored = 4,
                                   .n_widened = 5};
  bki_screening found;
  bki_error err;
  cr_assert_eq(bki_scan_set_screening(store, &screening, &err), BKI_OK, "%s", err.message);
  cr_assert_eq(bki_scan_get_screening(store, &found, &err), BKI_OK, "%s", err.message);
  cr_assert_float_eq(found.epsilon, 0.0123456, 1e-9);
  cr_assert(found.top_words == 2 && found.n_short == 1 && found.n_screened == INT64_MAX && found.n_words == 3 &&
            found.n_rescored == 4 && found.n_widened == 5);
  bki_store_close(store);
}

Test(scan_screening, answers_rules_that_select_no_more_words) {
  bki_store *store = open_with("a.bki", "top_words=2 epsilon=0.1 short=0 screened=20 words=600 rescored=80 widened=1");
  bki_rule rule;
  bki_error err;
  bki_rule_init(&rule, BKI_PRESET_PAPER);
  for (rule.p = 1; rule.p <= 3; rule.p++) {
    bki_analysis *analysis = NULL;
    cr_assert_eq(bki_analysis_run(&analysis, store, &rule, BKI_DECIDE_PAPER, &err), rule.p <= 2 ? BKI_OK : BKI_E_USAGE,
                 "p %d", rule.p);
    bki_analysis_destroy(analysis);
  }
  cr_assert_str_eq(
      err.message,
      "the scan made sure of the 2 best words of each text (precision exact), found p = 3: scan into a new store with "
      "-p 3, or with --precision fp32, which answers every p");
  bki_store_close(store);
}

Test(scan_screening, a_store_without_screened_texts_answers_every_rule) {
  bki_store *store = open_with("a.bki", "top_words=2 epsilon=0.1 short=20 screened=0 words=0 rescored=0 widened=0");
  bki_rule rule;
  bki_rule_init(&rule, BKI_PRESET_PAPER);
  rule.p = 100;
  cr_assert_eq(bki_scan_check_rule(store, &rule, NULL), BKI_OK);
  bki_store_close(store);
}

Test(scan_screening, stores_of_other_precisions_answer_every_rule) {
  bki_store *store = store_read(store_finished("a.bki", 20));
  bki_rule rule;
  bki_screening found;
  bki_rule_init(&rule, BKI_PRESET_PAPER);
  rule.p = 100;
  cr_assert_eq(bki_scan_check_rule(store, &rule, NULL), BKI_OK);
  cr_assert_eq(bki_scan_get_screening(store, &found, NULL), BKI_OK);
  cr_assert(found.epsilon == 0 && found.top_words == 0);
  bki_store_close(store);
}

Test(scan_screening, refuses_what_no_scan_writes) {
  static const char *const bad[] = {
      "",
      "top_words=0 epsilon=0.1 short=0 screened=0 words=0 rescored=0 widened=0",
      "top_words=5 epsilon=0 short=0 screened=0 words=0 rescored=0 widened=0",
      "top_words=5 epsilon=nan short=0 screened=0 words=0 rescored=0 widened=0",
      "top_words=5 epsilon=0.1 short=0 screened=-1 words=0 rescored=0 widened=0",
      "top_words=5 epsilon=0.1 short=0 screened=0 words=0 rescored=0 widened=0 more",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char name[16];
    bki_rule rule;
    bki_error err;
    snprintf(name, sizeof name, "%zu.bki", i);
    bki_store *store = open_with(name, bad[i]);
    bki_rule_init(&rule, BKI_PRESET_PAPER);
    cr_assert_eq(bki_scan_check_rule(store, &rule, &err), BKI_E_DATA, "%s", bad[i]);
    expect_message(&err, "setting screening of the store: expected what a scan writes");
    bki_store_close(store);
  }
}

/* What a scan comes to that goes on with a store, or begins one. */
static void check_scorer(const char *path, bki_precision asked, bki_precision precision, int32_t top_words) {
  bki_scan_config config;
  bki_scan_config_init(&config);
  config.store_path = path;
  config.rule.p = 3;
  config.scorer.precision = asked;
  const bki_scorer_config scorer = bki_scan_scorer_config(&config);
  cr_assert_eq(scorer.precision, precision, "%s: %s", path, bki_precision_name(scorer.precision));
  cr_assert_eq(scorer.top_words, top_words, "%s: %d", path, scorer.top_words);
}

Test(scan_screening, a_scan_is_exact_unless_the_store_was_begun_otherwise) {
  static const struct {
    const char *settings;
    bki_precision precision;
  } stores[] = {{"backend=cpu engine=full precision=fp32 isa=avx2 increments=no", BKI_PRECISION_FP32},
                {"backend=cpu engine=full precision=bf16 isa=avx512bf16 increments=no", BKI_PRECISION_BF16},
                {"backend=cuda engine=full precision=exact isa=x increments=no top_words=2", BKI_PRECISION_EXACT},
                {"backend=cuda engine=full precision=fp3", BKI_PRECISION_EXACT},
                {"anything", BKI_PRECISION_EXACT}};
  bki_scan_config config;
  bki_scan_config_init(&config);
  cr_assert_eq(config.scorer.precision, BKI_PRECISION_AUTO);
  check_scorer("absent.bki", BKI_PRECISION_AUTO, BKI_PRECISION_EXACT, 3);
  for (size_t i = 0; i < sizeof stores / sizeof *stores; i++) {
    char name[16];
    char sql[256];
    snprintf(name, sizeof name, "%zu.bki", i);
    const char *path = store_finished(name, 20);
    snprintf(sql, sizeof sql, "UPDATE setting SET value = '%s' WHERE key = 'scorer_settings'", stores[i].settings);
    store_tamper(path, sql);
    check_scorer(path, BKI_PRECISION_AUTO, stores[i].precision, 3);
    check_scorer(path, BKI_PRECISION_TF32, BKI_PRECISION_TF32, 3);
  }
  const char *garbage = scratch_path("garbage.bki");
  scratch_write(garbage, "garbage", 7);
  check_scorer(garbage, BKI_PRECISION_AUTO, BKI_PRECISION_EXACT, 3);
}

Test(scan_screening, a_scan_in_precision_exact_goes_on_with_the_top_words_of_its_store) {
  bki_store_close(open_with("a.bki", "top_words=7 epsilon=0.1 short=0 screened=20 words=600 rescored=80 widened=1"));
  check_scorer(scratch_path("a.bki"), BKI_PRECISION_AUTO, BKI_PRECISION_FP32, 7);
  check_scorer(scratch_path("a.bki"), BKI_PRECISION_EXACT, BKI_PRECISION_EXACT, 7);
}
