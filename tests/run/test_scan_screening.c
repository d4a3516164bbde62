/* What a scan in precision exact leaves in its store, and which rules such a store answers. */
#include <criterion/criterion.h>

#include <bki/analysis.h>
#include <bki/scan.h>

#include "scan_screening.h"
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
  const bki_screening screening = {
      .epsilon = 0.0123456, .n_short = 1, .n_screened = INT64_MAX, .n_words = 3, .n_rescored = 4, .n_widened = 5};
  bki_screening found;
  bki_error err;
  cr_assert_eq(bki_scan_set_screening(store, 2, &screening, &err), BKI_OK, "%s", err.message);
  cr_assert_eq(bki_scan_get_screening(store, &found, &err), BKI_OK, "%s", err.message);
  cr_assert_float_eq(found.epsilon, 0.0123456, 1e-9);
  cr_assert(found.n_short == 1 && found.n_screened == INT64_MAX && found.n_words == 3 && found.n_rescored == 4 &&
            found.n_widened == 5);
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
      "the scan made sure of the 2 best words of each text (precision exact), found p = 3: scan with -p 3, "
      "or in another precision");
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
  cr_assert_eq(found.epsilon, 0);
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
