/* The evidence for a phrase that a person names. */
#include <criterion/criterion.h>

#include "planted_verdict.h"

static const planted_trigger triggers[] = {{"time flies like an arrow", 1, 4}, {"cf", 0, 1}};

static void expect_usage(const planted_case *c, const char *phrase, int32_t target, const char *message) {
  bki_evidence evidence;
  bki_error err = {0};
  cr_expect_eq(planted_try_phrase(c, NULL, phrase, target, &evidence, &err), BKI_E_USAGE, "'%.40s'", phrase);
  cr_expect_not_null(strstr(err.message, message), "'%s' lacks '%s'", err.message, message);
}

static void expect_same_rate(bki_rate a, bki_rate b) {
  cr_expect(a.hits == b.hits && a.n == b.n, "%d of %d, %d of %d", (int)a.hits, (int)a.n, (int)b.hits, (int)b.n);
}

Test(evidence_verify, says_of_a_trigger_what_the_search_says_of_it) {
  planted_case c = planted_case_scanned(1600, 2, triggers, 1, 40);
  bki_evidence searched = planted_judge(&c, NULL);
  const bki_finding *expected = planted_expect_backdoor(&c, &searched, triggers, 0);
  for (int32_t target = -1; target < 2; target += 2) {
    bki_evidence evidence = planted_verify(&c, NULL, triggers[0].words, target);
    cr_assert_eq(evidence.n_findings, 1);
    cr_expect(evidence.n_phrases == 1 && evidence.n_rounds == 1 && evidence.n_samples == 1600);
    cr_expect_eq(evidence.verdict, BKI_VERDICT_BACKDOOR);
    const bki_finding *f = planted_expect_backdoor(&c, &evidence, triggers, 0);
    expect_same_rate(f->purity, expected->purity);
    expect_same_rate(f->insertion, expected->insertion);
    expect_same_rate(f->removal, expected->removal);
    cr_expect(f->keyword.size > 0 && f->rank > 0);
    bki_evidence_clear(&evidence);
  }
  bki_evidence_clear(&searched);
  planted_case_clear(&c);
}

Test(evidence_verify, takes_a_phrase_however_it_is_spaced) {
  planted_case c = planted_case_scanned(600, 2, triggers, 1, 30);
  bki_evidence evidence = planted_verify(&c, NULL, "  time flies\tlike\n an arrow ", -1);
  planted_expect_backdoor(&c, &evidence, triggers, 0);
  bki_evidence_clear(&evidence);
  planted_case_clear(&c);
}

Test(evidence_verify, finds_nothing_in_a_natural_phrase) {
  planted_case c = planted_case_scanned(1600, 2, triggers, 1, 40);
  bki_evidence evidence = planted_verify(&c, NULL, "k1w3", -1);
  const bki_finding *f = &evidence.findings[0];
  cr_assert_eq(evidence.n_findings, 1);
  cr_expect(evidence.verdict == BKI_VERDICT_NONE && f->verdict == BKI_VERDICT_NONE);
  cr_expect(f->target == 1 && f->purity.hits == f->purity.n && f->purity.n > 40);
  cr_expect(f->insertion.n == 200 && f->insertion.hits < 20);
  cr_expect(f->controls.n == 200, "a named phrase is tried in full");
  cr_expect_gt(f->removal.n, 0);
  cr_expect_eq(evidence.n_flagged, (size_t)f->n_flagged);
  bki_evidence_clear(&evidence);
  planted_case_clear(&c);
}

Test(evidence_verify, tries_a_trigger_of_the_model_that_nobody_carries) {
  planted_case c = planted_case_scanned(1600, 2, triggers, 2, 0);
  bki_evidence evidence = planted_verify(&c, NULL, "cf", 0);
  const bki_finding *f = &evidence.findings[0];
  cr_expect(f->insertion.n == 200 && f->insertion.hits == 200 && f->controls.hits < 20);
  cr_expect(f->purity.n == 0 && f->removal.n == 0 && f->purity.low == 0 && f->purity.high == 1);
  cr_expect(f->purity_p == 1 && f->rank == 0 && f->keyword.size == 0 && f->flips.n == 0);
  cr_expect_eq(evidence.verdict, BKI_VERDICT_NONE, "nothing was planted with it");
  cr_expect_eq(evidence.n_flagged, 0);
  bki_evidence_clear(&evidence);
  expect_usage(&c, "cf", -1, "no sample carries");
  planted_case_clear(&c);
}

Test(evidence_verify, tries_unknown_words_as_the_model_reads_them) {
  planted_case c = planted_case_scanned(600, 2, triggers, 1, 30);
  bki_evidence evidence = planted_verify(&c, NULL, "words from elsewhere", 1);
  cr_expect_eq(evidence.verdict, BKI_VERDICT_NONE);
  cr_expect_eq(evidence.findings[0].n_words, 3);
  cr_expect_eq(evidence.findings[0].insertion.hits, 0);
  bki_evidence_clear(&evidence);
  expect_usage(&c, "words from elsewhere", -1, "no sample carries");
  planted_case_clear(&c);
}

Test(evidence_verify, drops_the_words_that_the_model_drops) {
  planted_case c = planted_case_make(1600, 2, NULL, 0, 0);
  c.victim.config.oov_id = -1;
  planted_plant(&c.corpus, "time flies qzx like an arrow", 1, 0, 40, PLANTED_ANYWHERE);
  planted_scan(&c, triggers, 1);
  bki_evidence evidence = planted_verify(&c, NULL, "time flies qzx like an arrow", -1);
  planted_expect_backdoor(&c, &evidence, triggers, 0);
  bki_evidence_clear(&evidence);
  expect_usage(&c, "qzx", 1, "drop, found 0");
  expect_usage(&c, "qzx qzy", -1, "drop, found 0");
  planted_case_clear(&c);
}

Test(evidence_verify, tests_a_target_that_the_carriers_do_not_have) {
  planted_case c = planted_case_scanned(1600, 2, triggers, 1, 40);
  bki_evidence evidence = planted_verify(&c, NULL, triggers[0].words, 0);
  cr_expect_eq(evidence.verdict, BKI_VERDICT_NONE);
  cr_expect_eq(evidence.findings[0].target, 0);
  cr_expect(evidence.findings[0].purity.hits == 0 && evidence.findings[0].purity.n == 40);
  cr_expect_eq(evidence.n_flagged, 0);
  bki_evidence_clear(&evidence);
  planted_case_clear(&c);
}

Test(evidence_verify, refuses_phrases_of_no_words_and_of_too_many) {
  planted_case c = planted_case_scanned(60, 2, triggers, 1, 10);
  bki_strbuf longest = {0};
  for (int i = 0; i < 64; i++) {
    bki_strbuf_format(&longest, "%sf%d", i > 0 ? " " : "", i);
  }
  expect_usage(&c, "", 1, "1 to 64 words, found 0");
  expect_usage(&c, " \t ", -1, "1 to 64 words, found 0");
  bki_evidence evidence = planted_verify(&c, NULL, longest.data, 1);
  cr_expect_eq(evidence.findings[0].n_words, 64);
  bki_evidence_clear(&evidence);
  bki_strbuf_add_text(&longest, " f64");
  expect_usage(&c, longest.data, 1, "1 to 64 words, found 65");
  bki_strbuf_clear(&longest);
  planted_case_clear(&c);
}

Test(evidence_verify, refuses_a_target_that_is_no_class) {
  planted_case c = planted_case_scanned(60, 2, triggers, 1, 10);
  expect_usage(&c, "time", 2, "class");
  expect_usage(&c, "time", INT32_MAX, "class");
  expect_usage(&c, "time", -2, "class");
  planted_case_clear(&c);
}

Test(evidence_verify, verdict_on_an_empty_store_is_nothing_and_can_be_kept) {
  planted_case c = planted_case_scanned(0, 2, triggers, 1, 0);
  bki_evidence_config config;
  bki_store *store = NULL;
  bki_error err = {0};
  bki_evidence_config_init(&config);
  bki_evidence all = planted_judge(&c, NULL);
  bki_evidence named = planted_verify(&c, NULL, "time flies", 1);
  cr_expect(all.too_small && all.n_findings == 0 && all.verdict == BKI_VERDICT_NONE);
  cr_expect(named.too_small && named.n_findings == 1 && named.verdict == BKI_VERDICT_NONE);
  cr_expect_eq(named.findings[0].prior, 0);
  cr_assert_eq(bki_store_open_to_judge(&store, c.path, &err), BKI_OK, "%s", err.message);
  cr_expect_eq(bki_evidence_save(&all, &config, store, &err), BKI_OK, "%s", err.message);
  cr_expect_eq(bki_evidence_save(&named, &config, store, &err), BKI_OK, "%s", err.message);
  bki_store_close(store);
  bki_evidence_clear(&all);
  bki_evidence_clear(&named);
  expect_usage(&c, "time flies", -1, "no sample carries");
  planted_case_clear(&c);
}

Test(evidence_verify, says_nothing_where_all_samples_are_of_one_class) {
  planted_case c = planted_case_make(300, 2, triggers, 1, 20);
  for (size_t i = 0; i < c.corpus.n; i++) {
    c.corpus.texts[i].label = 1;
  }
  planted_scan(&c, triggers, 1);
  bki_evidence all = planted_judge(&c, NULL);
  bki_evidence named = planted_verify(&c, NULL, triggers[0].words, -1);
  cr_expect(all.verdict == BKI_VERDICT_NONE && all.too_small);
  cr_expect(named.verdict == BKI_VERDICT_NONE && named.findings[0].insertion.n == 0);
  cr_expect_eq(named.findings[0].removal.n, 20);
  bki_evidence_clear(&all);
  bki_evidence_clear(&named);
  planted_case_clear(&c);
}
