/* The verdict at the end of a scan. */
#include <criterion/criterion.h>

#include <bki/scan.h>

#include "planted_verdict.h"

static const planted_trigger triggers[] = {{"time flies like an arrow", 1, 4}, {"bread and butter pudding", 0, 3}};

typedef struct job {
  planted_case c; /* path: of the store of the scan, in which nothing stands yet */
  const char *corpus_path;
  bki_scan_config config;
  bki_progress progress;
  bki_error err;
} job;

static void job_init(job *j) {
  *j = (job){.c = planted_case_make(800, 2, triggers, 2, 30)};
  planted_open(&j->c.victim, triggers, 2);
  bki_strbuf lines = {0};
  for (size_t i = 0; i < j->c.corpus.n; i++) {
    const planted_text *text = &j->c.corpus.texts[i];
    bki_strbuf_format(&lines, "{\"text\": \"%s\", \"label\": \"c%d\"}\n", text->text, (int)text->label);
  }
  j->corpus_path = strdup(scratch_path("c.jsonl"));
  scratch_write(j->corpus_path, lines.data, lines.size);
  bki_strbuf_clear(&lines);
  j->c.path = strdup(scratch_path("scan.bki"));
  bki_scan_config_init(&j->config);
  j->config.model = j->c.victim.model;
  j->config.corpus.paths = &j->corpus_path;
  j->config.corpus.n_paths = 1;
  j->config.scorer = j->c.victim.scoring;
  j->config.store_path = j->c.path;
  j->config.evidence.n_texts = 40;
}

static void job_run(job *j) {
  cr_assert_eq(bki_scan_run(&j->config, &j->progress, &j->err), BKI_OK, "%s", j->err.message);
}

static void job_clear(job *j) {
  planted_case_clear(&j->c);
  free((void *)(uintptr_t)j->corpus_path);
}

/* What the store holds; false: no verdict. The caller clears it. */
static bool load(const job *j, bki_evidence *evidence) {
  bki_store *store = NULL;
  bool found;
  bki_error err = {0};
  cr_assert_eq(bki_store_open(&store, j->c.path, &err), BKI_OK, "%s", err.message);
  cr_assert(bki_store_get_state(store)->complete);
  cr_assert_eq(bki_evidence_load(evidence, &found, NULL, store, &err), BKI_OK, "%s", err.message);
  bki_store_close(store);
  return found;
}

static void expect_both_found(const job *j) {
  bki_evidence evidence;
  cr_assert(load(j, &evidence));
  for (int32_t t = 0; t < 2; t++) {
    planted_expect_backdoor(&j->c, &evidence, triggers, t);
  }
  bki_evidence_clear(&evidence);
}

static bool is_judged(const job *j) {
  bki_evidence evidence;
  bool found = load(j, &evidence);
  bki_evidence_clear(&evidence);
  return found;
}

/* Runs once more and says whether the file has changed. */
static bool changes(job *j) {
  bki_strbuf before = scratch_read(j->c.path);
  job_run(j);
  bki_strbuf after = scratch_read(j->c.path);
  bool changed = before.size != after.size || memcmp(before.data, after.data, before.size) != 0;
  bki_strbuf_clear(&before);
  bki_strbuf_clear(&after);
  return changed;
}

Test(scan_judge, scan_ends_with_the_verdict_that_the_store_gives) {
  job j;
  job_init(&j);
  job_run(&j);
  cr_expect(j.progress.judging);
  expect_both_found(&j);
  bki_evidence stored;
  cr_assert(load(&j, &stored));
  bki_evidence again = planted_judge(&j.c, &j.config.evidence);
  cr_expect(stored.n_texts == again.n_texts && stored.n_phrases == again.n_phrases);
  cr_assert_eq(stored.n_findings, again.n_findings);
  for (size_t i = 0; i < again.n_findings; i++) {
    cr_expect_eq(stored.findings[i].insertion.hits, again.findings[i].insertion.hits);
    cr_expect_eq(stored.findings[i].n_flagged, again.findings[i].n_flagged);
  }
  bki_evidence_clear(&stored);
  bki_evidence_clear(&again);
  job_clear(&j);
}

Test(scan_judge, second_run_writes_nothing) {
  job j;
  job_init(&j);
  job_run(&j);
  cr_expect_not(changes(&j));
  j.config.judge = false;
  j.config.evidence.n_texts = 60;
  cr_expect_not(changes(&j), "not to be judged");
  expect_both_found(&j);
  job_clear(&j);
}

Test(scan_judge, other_settings_judge_anew) {
  job j;
  bki_evidence evidence;
  job_init(&j);
  job_run(&j);
  j.config.evidence.n_texts = 60;
  cr_expect(changes(&j));
  cr_assert(load(&j, &evidence));
  cr_expect_eq(evidence.findings[0].insertion.n, 60);
  bki_evidence_clear(&evidence);
  j.config.evidence.seed = 9;
  cr_expect(changes(&j));
  j.config.evidence.n_candidates = 7;
  cr_expect(changes(&j));
  j.config.evidence.max_backdoors = 2;
  cr_expect(changes(&j));
  cr_expect_not(changes(&j));
  expect_both_found(&j);
  job_clear(&j);
}

Test(scan_judge, scan_that_is_not_to_be_judged_is_judged_by_a_later_run) {
  job j;
  job_init(&j);
  j.config.judge = false;
  job_run(&j);
  cr_expect_not(j.progress.judging);
  cr_expect_not(is_judged(&j));
  j.config.judge = true;
  job_run(&j);
  expect_both_found(&j);
  job_clear(&j);
}

typedef struct watch {
  bool judging;
  int64_t left; /* questions while judging until it says stop; -1: never */
} watch;

static void see(void *user, const bki_progress *progress) {
  watch *w = user;
  cr_expect(progress->judging || !w->judging, "judging comes last");
  w->judging = progress->judging;
}

static bool stop(void *user) {
  watch *w = user;
  return w->judging && w->left >= 0 && w->left-- == 0;
}

Test(scan_judge, stopped_while_judging_keeps_the_scan_and_judges_the_next_time) {
  job j;
  watch w = {.left = 0};
  job_init(&j);
  j.config.progress = see;
  j.config.stop = stop;
  j.config.user = &w;
  for (int64_t i = 0; i < 30; i += 3) {
    w = (watch){.left = i};
    cr_expect_eq(bki_scan_run(&j.config, &j.progress, &j.err), BKI_E_INTERRUPTED);
    cr_expect(w.judging && j.progress.n_samples == 800);
    cr_expect_not(is_judged(&j));
  }
  w = (watch){.left = -1};
  job_run(&j);
  expect_both_found(&j);
  w = (watch){.left = -1};
  j.config.evidence.seed = 2;
  w.left = 5;
  cr_expect_eq(bki_scan_run(&j.config, &j.progress, &j.err), BKI_E_INTERRUPTED);
  expect_both_found(&j); /* the verdict before stands until there is another */
  job_clear(&j);
}

Test(scan_judge, bad_settings_are_told_before_anything_is_scored) {
  job j;
  job_init(&j);
  j.config.evidence.n_texts = 3;
  cr_expect_eq(bki_scan_run(&j.config, &j.progress, &j.err), BKI_E_USAGE);
  cr_expect_not_null(strstr(j.err.message, "20 to 100000 texts"), "%s", j.err.message);
  cr_expect_neq(access(j.c.path, F_OK), 0, "no store is begun");
  j.config.judge = false;
  job_run(&j);
  cr_expect_not(is_judged(&j));
  job_clear(&j);
}

Test(scan_judge, corpus_without_a_text_is_judged_too) {
  job j;
  bki_evidence evidence;
  job_init(&j);
  scratch_write(j.corpus_path, "", 0);
  j.config.corpus.format = BKI_FORMAT_JSONL;
  job_run(&j);
  cr_assert(load(&j, &evidence));
  cr_expect(evidence.too_small && evidence.verdict == BKI_VERDICT_NONE && evidence.n_findings == 0);
  bki_evidence_clear(&evidence);
  job_run(&j);
  cr_expect(is_judged(&j));
  job_clear(&j);
}
