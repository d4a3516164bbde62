/* How a run of the evidence goes: what it depends on, how it ends early, what it refuses. */
#include <criterion/criterion.h>

#include <bki/analysis.h>

#include "planted_verdict.h"

static const planted_trigger triggers[] = {{"time flies like an arrow", 1, 4}, {"bread and butter pudding", 0, 3}};

static bki_evidence_config small_config(void) {
  bki_evidence_config config;
  bki_evidence_config_init(&config);
  config.n_texts = 40;
  return config;
}

/* The bytes of the store once the verdict of a run of its own is saved in it. */
static bki_strbuf judged_bytes(const planted_case *c, const char *name, const bki_evidence_config *config) {
  const char *path = scratch_path(name);
  bki_strbuf content = scratch_read(c->path);
  bki_store *store = NULL;
  bki_evidence evidence;
  bki_error err = {0};
  scratch_write(path, content.data, content.size);
  bki_strbuf_clear(&content);
  cr_assert_eq(bki_store_open_to_judge(&store, path, &err), BKI_OK, "%s", err.message);
  cr_assert_eq(bki_evidence_run(&evidence, store, c->victim.model, c->victim.scorer, config, &err), BKI_OK, "%s",
               err.message);
  cr_assert_eq(bki_evidence_save(&evidence, config, store, &err), BKI_OK, "%s", err.message);
  bki_evidence_clear(&evidence);
  bki_store_close(store);
  return scratch_read(path);
}

Test(evidence_runs, same_store_and_settings_give_the_same_bytes) {
  planted_case c = planted_case_scanned(600, 2, triggers, 2, 30);
  const bki_evidence_config config = small_config();
  bki_strbuf first = judged_bytes(&c, "a.bki", &config);
  bki_scorer_destroy(c.victim.scorer);
  c.victim.scoring.threads = 2;
  bki_error err = {0};
  cr_assert_eq(bki_scorer_create(&c.victim.scorer, c.victim.model, &c.victim.scoring, &err), BKI_OK);
  bki_strbuf second = judged_bytes(&c, "b.bki", &config);
  cr_assert_eq(first.size, second.size);
  cr_expect_eq(memcmp(first.data, second.data, first.size), 0);
  bki_strbuf_clear(&first);
  bki_strbuf_clear(&second);
  planted_case_clear(&c);
}

Test(evidence_runs, seed_decides_which_texts_are_drawn_and_nothing_else) {
  planted_case c = planted_case_scanned(1200, 2, triggers, 2, 40);
  bki_evidence_config config = small_config();
  config.n_texts = 60;
  bki_evidence a = planted_judge(&c, &config);
  config.seed = UINT64_MAX;
  bki_evidence b = planted_judge(&c, &config);
  cr_expect_eq(a.n_rounds, b.n_rounds);
  for (int32_t t = 0; t < 2; t++) {
    const bki_finding *x = planted_expect_backdoor(&c, &a, triggers, t);
    const bki_finding *y = planted_expect_backdoor(&c, &b, triggers, t);
    cr_expect(x->purity.hits == y->purity.hits && x->purity.n == y->purity.n);
    cr_expect(x->flips.hits == y->flips.hits && x->flips.n == y->flips.n && x->rank == y->rank);
    cr_expect(x->insertion.n == y->insertion.n && x->removal.n == y->removal.n);
  }
  bki_evidence_clear(&a);
  bki_evidence_clear(&b);
  planted_case_clear(&c);
}

typedef struct patience {
  int64_t left; /* questions until it says stop */
  int64_t asked;
} patience;

static bool stop(void *user) {
  patience *p = user;
  p->asked++;
  return p->left-- == 0;
}

Test(evidence_runs, ends_at_whichever_question_it_is_told_to_stop) {
  planted_case c = planted_case_scanned(200, 2, triggers, 1, 20);
  bki_evidence_config config = small_config();
  patience p = {.left = INT64_MAX};
  config.n_texts = 20;
  config.n_candidates = 5;
  config.stop = stop;
  config.user = &p;
  bki_evidence evidence = planted_judge(&c, &config);
  bki_evidence_clear(&evidence);
  const int64_t n = p.asked;
  cr_assert_geq(n, 10);
  for (int64_t i = 0; i < n; i++) {
    bki_error err = {0};
    p = (patience){.left = i};
    cr_expect_eq(planted_try(&c, &config, &evidence, &err), BKI_E_INTERRUPTED, "question %d", (int)i);
    cr_expect_eq(p.asked, i + 1, "nothing goes on after that");
    p = (patience){.left = i % 5};
    cr_expect_eq(planted_try_phrase(&c, &config, triggers[0].words, -1, &evidence, &err), BKI_E_INTERRUPTED);
  }
  planted_case_clear(&c);
}

Test(evidence_runs, flags_all_backdoors_where_peeling_ends_before_the_last) {
  planted_case c = planted_case_scanned(1200, 2, triggers, 2, 40);
  bki_evidence_config config = small_config();
  config.max_backdoors = 1;
  bki_evidence evidence = planted_judge(&c, &config);
  planted_expect_backdoor(&c, &evidence, triggers, 0);
  planted_expect_backdoor(&c, &evidence, triggers, 1);
  for (size_t i = 1; i < evidence.n_findings; i++) {
    cr_expect_leq(evidence.findings[i].verdict, evidence.findings[i - 1].verdict);
  }
  bki_evidence_clear(&evidence);
  planted_case_clear(&c);
}

Test(evidence_runs, refuses_the_store_of_another_model) {
  planted_case c = planted_case_scanned(60, 2, triggers, 1, 10);
  planted_victim other = planted_victim_init(2);
  planted_open(&other, triggers, 2);
  const planted_case mixed = {.victim = other, .path = c.path};
  bki_evidence evidence;
  bki_error err = {0};
  cr_expect_eq(planted_try(&mixed, NULL, &evidence, &err), BKI_E_USAGE);
  cr_expect_not_null(strstr(err.message, "another model"), "%s", err.message);
  cr_expect_not_null(strstr(err.message, bki_model_fingerprint(other.model)), "%s", err.message);
  cr_expect_eq(planted_try_phrase(&mixed, NULL, "cf", 1, &evidence, &err), BKI_E_USAGE);
  planted_close(&other);
  planted_case_clear(&c);
}

Test(evidence_runs, refuses_settings_out_of_their_range) {
  planted_case c = planted_case_scanned(60, 2, triggers, 1, 10);
  static const struct {
    int32_t n_candidates;
    int32_t n_texts;
    int32_t max_backdoors;
    int32_t p;
    const char *message;
  } bad[] = {{0, 200, 16, 5, "1 to 1000 candidates, found 0"},
             {1001, 200, 16, 5, "1 to 1000 candidates, found 1001"},
             {20, 19, 16, 5, "20 to 100000 texts"},
             {20, 100001, 16, 5, "20 to 100000 texts"},
             {20, 200, 0, 5, "1 to 1000 backdoors"},
             {20, 200, 1001, 5, "1 to 1000 backdoors"},
             {20, 200, -1, 5, "1 to 1000 backdoors"},
             {20, 200, 16, 0, "expected p"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    bki_evidence_config config;
    bki_evidence evidence;
    bki_error err = {0};
    bki_evidence_config_init(&config);
    config.n_candidates = bad[i].n_candidates;
    config.n_texts = bad[i].n_texts;
    config.max_backdoors = bad[i].max_backdoors;
    config.rule.p = bad[i].p;
    cr_expect_eq(planted_try(&c, &config, &evidence, &err), BKI_E_USAGE);
    cr_expect_not_null(strstr(err.message, bad[i].message), "%s", err.message);
    cr_expect_eq(planted_try_phrase(&c, &config, "cf", 1, &evidence, NULL), BKI_E_USAGE);
  }
  planted_case_clear(&c);
}

Test(evidence_runs, largest_settings_are_taken) {
  planted_case c = planted_case_scanned(300, 2, triggers, 1, 30);
  bki_evidence_config config = small_config();
  config.n_candidates = 1000;
  config.n_texts = 100000;
  config.max_backdoors = 1000;
  config.rule.p = INT32_MAX;
  bki_evidence evidence = planted_judge(&c, &config);
  planted_expect_backdoor(&c, &evidence, triggers, 0);
  bki_evidence_clear(&evidence);
  planted_case_clear(&c);
}

Test(evidence_runs, journal_preset_needs_increments) {
  planted_case c = planted_case_scanned(60, 2, triggers, 1, 10);
  bki_evidence_config config = small_config();
  bki_evidence evidence;
  bki_error err = {0};
  bki_rule_init(&config.rule, BKI_PRESET_JOURNAL);
  cr_expect_eq(planted_try(&c, &config, &evidence, &err), BKI_E_USAGE);
  cr_expect_eq(planted_try_phrase(&c, &config, "time", 1, &evidence, &err), BKI_E_USAGE);
  cr_expect_not_null(strstr(err.message, "increments"), "%s", err.message);
  planted_case_clear(&c);
}
