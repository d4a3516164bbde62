/* The verdict in the store: kept, replaced, dropped when it is out of date, refused when it is damaged; and stores of
 * the schema that had none. */
#include <criterion/criterion.h>

#include <float.h>
#include <math.h>

#include "verdicts.h"

static bool same_str(bki_str a, bki_str b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static bool same_real(double a, double b) {
  return memcmp(&a, &b, sizeof a) == 0;
}

static bool same_rate(bki_rate a, bki_rate b) {
  return a.hits == b.hits && a.n == b.n && same_real(a.low, b.low) && same_real(a.high, b.high);
}

static void expect_same_finding(const bki_finding *a, const bki_finding *b) {
  cr_expect_eq(a->verdict, b->verdict);
  cr_expect(same_str(a->phrase, b->phrase) && same_str(a->keyword, b->keyword));
  cr_expect(a->n_words == b->n_words && a->target == b->target && a->rank == b->rank && a->round == b->round);
  cr_expect(same_rate(a->flips, b->flips) && same_rate(a->flips_alike, b->flips_alike));
  cr_expect(same_rate(a->purity, b->purity));
  cr_expect(same_rate(a->removal, b->removal) && same_rate(a->removal_controls, b->removal_controls));
  cr_expect(same_rate(a->insertion, b->insertion) && same_rate(a->controls, b->controls));
  cr_expect(same_real(a->prior, b->prior) && same_real(a->purity_p, b->purity_p));
  cr_expect(same_real(a->insertion_p, b->insertion_p));
  cr_expect_eq(a->n_flagged, b->n_flagged);
}

static void expect_same(const bki_evidence *a, const bki_evidence *b) {
  cr_expect(a->verdict == b->verdict && a->too_small == b->too_small && a->n_samples == b->n_samples);
  cr_expect(a->n_rounds == b->n_rounds && a->n_candidates == b->n_candidates);
  cr_expect(a->n_phrases == b->n_phrases && a->n_texts == b->n_texts);
  cr_assert_eq(a->n_findings, b->n_findings);
  for (size_t i = 0; i < a->n_findings; i++) {
    expect_same_finding(&a->findings[i], &b->findings[i]);
  }
  cr_assert_eq(a->n_flagged, b->n_flagged);
  for (size_t i = 0; i < a->n_flagged; i++) {
    const bki_evidence_sample *x = &a->samples[i];
    const bki_evidence_sample *y = &b->samples[i];
    cr_expect(x->index == y->index && x->finding == y->finding && x->position == y->position);
    cr_expect(x->n_words == y->n_words && x->edits == y->edits && x->reason == y->reason);
    cr_expect(same_real(x->confidence, y->confidence));
  }
}

/* What the store holds; the caller clears it. */
static bki_evidence load(bki_store *store, bki_rule *rule) {
  bki_evidence evidence;
  bool found;
  bki_error err = {0};
  cr_assert_eq(bki_evidence_load(&evidence, &found, rule, store, &err), BKI_OK, "%s", err.message);
  cr_assert(found);
  return evidence;
}

static void expect_unjudged(bki_store *store) {
  bki_evidence evidence;
  bool found = true;
  bki_error err = {0};
  cr_assert_eq(bki_evidence_load(&evidence, &found, NULL, store, &err), BKI_OK, "%s", err.message);
  cr_expect_not(found);
  cr_expect(evidence.findings == NULL && evidence.samples == NULL && evidence.arena == NULL);
}

Test(store_evidence, gives_back_what_was_saved) {
  const char *path = store_finished("a.bki", 60);
  bki_rule rule;
  bki_rule found;
  bki_rule_init(&rule, BKI_PRESET_JOURNAL);
  rule.p = 3;
  rule.ngram = 2;
  rule.alpha = 0.1 + 0.2;
  bki_store *store = verdict_open(path);
  expect_unjudged(store);
  verdict_save(store, &rule);
  bki_evidence expected = verdict_make(store);
  bki_evidence evidence = load(store, &found);
  expect_same(&evidence, &expected);
  bki_evidence_clear(&evidence);
  bki_store_close(store);
  store = store_read(path);
  evidence = load(store, &found);
  expect_same(&evidence, &expected);
  cr_expect(found.preset == rule.preset && found.p == 3 && found.ngram == 2 && same_real(found.alpha, rule.alpha));
  bki_evidence_clear(&evidence);
  bki_evidence_clear(&evidence);
  bki_evidence_clear(&expected);
  bki_store_close(store);
}

Test(store_evidence, tells_the_settings_that_it_was_reached_with) {
  const char *path = store_finished("a.bki", 60);
  bki_evidence_config config = {.n_texts = 7};
  bki_error err = {0};
  bool found = true;
  bki_store *store = verdict_open(path);
  cr_assert_eq(bki_evidence_load_config(&config, &found, store, &err), BKI_OK, "%s", err.message);
  cr_expect(!found && config.n_texts == 7, "a store that was not judged has no settings to tell");
  verdict_save(store, NULL);
  cr_assert_eq(bki_evidence_load_config(&config, &found, store, &err), BKI_OK, "%s", err.message);
  cr_expect(found && config.n_candidates == 20 && config.n_texts == 200 && config.max_backdoors == 16 &&
            config.seed == UINT64_MAX && config.rule.p == 5 && config.stop == NULL);
  bki_store_close(store);
}

Test(store_evidence, later_verdict_takes_the_place_of_the_earlier_one) {
  const char *path = verdict_finished("a.bki", 60, NULL);
  bki_store *store = verdict_open(path);
  bki_evidence_config config = {.n_candidates = 1, .n_texts = 20, .max_backdoors = 1};
  bki_rule_init(&config.rule, BKI_PRESET_PAPER);
  const bki_evidence nothing = {.too_small = true, .n_samples = bki_store_get_state(store)->n_samples, .n_rounds = 1};
  bki_error err = {0};
  cr_assert_eq(bki_evidence_save(&nothing, &config, store, &err), BKI_OK, "%s", err.message);
  bki_store_close(store);
  store = store_read(path);
  bki_evidence evidence = load(store, NULL);
  expect_same(&evidence, &nothing);
  bki_evidence_clear(&evidence);
  bki_store_close(store);
}

Test(store_evidence, scan_that_has_just_ended_saves_it) {
  const char *path = scratch_path("a.bki");
  bki_store *store = store_make(path);
  bki_store_state state = {0};
  store_fill(store, &state, 60);
  state.complete = true;
  bki_evidence_config config = {.n_candidates = 20, .n_texts = 200, .max_backdoors = 16, .seed = 1};
  bki_rule_init(&config.rule, BKI_PRESET_PAPER);
  bki_evidence evidence = {.n_rounds = 1};
  bki_error err = {0};
  cr_expect_eq(bki_evidence_save(&evidence, &config, store, &err), BKI_E_USAGE);
  expect_message(&err, "all samples to be committed");
  store_commit(store, &state);
  verdict_save(store, NULL);
  store_commit(store, &state);
  bki_store_close(store);
  store = store_read(path);
  cr_expect(bki_store_get_state(store)->complete);
  evidence = load(store, NULL);
  cr_expect_eq(evidence.verdict, BKI_VERDICT_BACKDOOR);
  bki_evidence_clear(&evidence);
  bki_store_close(store);
}

Test(store_evidence, samples_that_come_later_drop_a_verdict) {
  const char *path = scratch_path("a.bki");
  bki_store *store = store_make(path);
  bki_store_state state = {0};
  store_fill(store, &state, 60);
  store_commit(store, &state);
  verdict_save(store, NULL);
  store_fill(store, &state, 70);
  bki_store *reader = store_read(path);
  bki_evidence evidence = load(reader, NULL);
  bki_evidence_clear(&evidence);
  bki_store_close(reader);
  store_commit(store, &state);
  expect_unjudged(store);
  bki_store_close(store);
}

Test(store_evidence, reader_sees_the_last_verdict_while_another_is_made) {
  const char *path = verdict_finished("a.bki", 60, NULL);
  bki_store *reader = store_read(path);
  bki_store *judge = verdict_open(path);
  bki_store *second = NULL;
  bki_error err = {0};
  cr_expect_eq(bki_store_open_to_judge(&second, path, &err), BKI_E_USAGE);
  expect_message(&err, "another process is writing");
  const bki_store_identity identity = store_identity();
  cr_expect_eq(bki_store_create(&second, path, &identity, STORE_N_CLASSES, store_classes, &err), BKI_E_USAGE);
  bki_evidence evidence = load(reader, NULL);
  cr_expect_eq(evidence.n_findings, VERDICT_N_FINDINGS);
  bki_evidence_clear(&evidence);
  bki_evidence_config config = {0};
  bki_rule_init(&config.rule, BKI_PRESET_PAPER);
  const bki_evidence nothing = {.n_samples = bki_store_get_state(judge)->n_samples, .n_rounds = 1};
  cr_assert_eq(bki_evidence_save(&nothing, &config, judge, &err), BKI_OK, "%s", err.message);
  evidence = load(reader, NULL);
  cr_expect_eq(evidence.n_findings, 0);
  bki_evidence_clear(&evidence);
  bki_store_close(judge);
  bki_store_close(reader);
}

Test(store_evidence, is_not_written_through_a_store_that_is_read) {
  bki_store *store = store_read(store_finished("a.bki", 60));
  bki_evidence_config config = {0};
  bki_rule_init(&config.rule, BKI_PRESET_PAPER);
  bki_evidence evidence = verdict_make(store);
  bki_error err = {0};
  cr_expect_eq(bki_evidence_save(&evidence, &config, store, &err), BKI_E_USAGE);
  expect_message(&err, "read only");
  config.rule.p = 0;
  cr_expect_eq(bki_evidence_save(&evidence, &config, store, &err), BKI_E_USAGE);
  bki_evidence_clear(&evidence);
  bki_store_close(store);
}

Test(store_evidence, that_contradicts_itself_is_refused_and_the_old_one_stays) {
  const char *path = verdict_finished("a.bki", 60, NULL);
  bki_store *store = verdict_open(path);
  bki_evidence_config config = {.n_candidates = 1, .n_texts = 20, .max_backdoors = 1};
  bki_rule_init(&config.rule, BKI_PRESET_PAPER);
  bki_evidence evidence = verdict_make(store);
  evidence.samples[0].confidence = NAN;
  bki_error err = {0};
  cr_expect_eq(bki_evidence_save(&evidence, &config, store, &err), BKI_E_INTERNAL);
  expect_message(&err, "a verdict that cannot be kept");
  bki_store_close(store);
  store = verdict_open(path);
  evidence.samples[0].confidence = 0;
  evidence.findings[1].purity_p = 1 + DBL_EPSILON;
  cr_expect_eq(bki_evidence_save(&evidence, &config, store, &err), BKI_E_INTERNAL);
  expect_message(&err, "finding 1: column purity_p: expected 0 to 1");
  evidence.findings[1].purity_p = 1;
  cr_expect_eq(bki_evidence_save(&evidence, &config, store, &err), BKI_E_IO, "the handle lost its transaction");
  bki_store_close(store);
  bki_evidence_clear(&evidence);
  store = store_read(path);
  evidence = load(store, NULL);
  cr_expect_eq(evidence.n_candidates, 61);
  bki_evidence_clear(&evidence);
  bki_store_close(store);
}

Test(store_evidence, view_shows_the_flagged_samples_to_people) {
  const char *path = verdict_finished("a.bki", 60, NULL);
  char *row = NULL;
  sqlite3 *db;
  sqlite3_stmt *statement;
  cr_assert_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
  cr_assert_eq(sqlite3_prepare_v2(
                   db,
                   "SELECT verdict || '|' || phrase || '|' || target || '|' || n_words || '|' || edits || '|' || reason"
                   " || '|' || confidence"
                   " FROM flagged_sample WHERE reason = 'part' LIMIT 1",
                   -1, &statement, NULL),
               SQLITE_OK, "%s", sqlite3_errmsg(db));
  cr_assert_eq(sqlite3_step(statement), SQLITE_ROW);
  row = strdup((const char *)sqlite3_column_text(statement, 0));
  sqlite3_finalize(statement);
  cr_expect_eq(sqlite3_close(db), SQLITE_OK);
  cr_expect_str_eq(row, "suspicious|plain text|positive|2|1|part|0.5");
  free(row);
}

/* Finding 0 is a backdoor with samples, 1 suspicious with samples, 2 nothing. */
static const struct {
  const char *sql;
  const char *message;
} damages[] = {
    {"UPDATE evidence SET verdict = 'fine'", "column verdict: expected a name that bki writes, found \"fine\""},
    {"UPDATE evidence SET verdict = 3.5", "expected a name that bki writes"},
    {"UPDATE evidence SET verdict = x'00'", "column verdict: expected text"},
    {"UPDATE evidence SET verdict = 'suspicious'", "finding 0: column verdict: expected suspicious, found backdoor"},
    {"UPDATE evidence SET verdict = 'none found'", "finding 0: column verdict: expected none found, found backdoor"},
    {"DELETE FROM flagged; DELETE FROM finding", "verdict backdoor: expected findings, found none"},
    {"UPDATE evidence SET too_small = 2", "column too_small: expected 0 to 1, found 2"},
    {"UPDATE evidence SET n_samples = n_samples + 1", "column n_samples: expected"},
    {"DELETE FROM sample WHERE idx = (SELECT max(idx) FROM flagged)", "expected an integer, found another type"},
    {"UPDATE evidence SET n_rounds = -1", "column n_rounds: expected 0"},
    {"UPDATE evidence SET n_candidates = -1", "column n_candidates"},
    {"UPDATE evidence SET n_phrases = 'x'", "column n_phrases: expected an integer"},
    {"UPDATE evidence SET n_texts = -1", "column n_texts"},
    {"UPDATE evidence SET settings = ''", "column settings: expected those of a verdict, found \"\""},
    {"UPDATE evidence SET settings = settings || ' more=1'", "column settings"},
    {"UPDATE evidence SET settings = ' ' || settings", "column settings"},
    {"UPDATE evidence SET settings = replace(settings, 'p=5', 'p=0')", "column settings"},
    {"UPDATE evidence SET settings = replace(settings, 'p=5', 'p=05')", "column settings"},
    {"UPDATE evidence SET settings = replace(settings, 'preset=paper', 'preset=other')", "column settings"},
    {"UPDATE evidence SET settings = replace(settings, 'ngram=1', 'ngram=2')", "column settings"},
    {"UPDATE evidence SET settings = replace(settings, 'alpha=', 'alpha=nan')", "column settings"},
    {"UPDATE evidence SET settings = replace(settings, 'seed=', 'seed=9')", "column settings"},
    {"UPDATE evidence SET settings = replace(settings, 'n_texts=200', 'n_texts=')", "column settings"},
    {"UPDATE evidence SET settings = replace(settings, '=surface', '=' || hex(zeroblob(50)))", "column settings"},
    {"UPDATE finding SET idx = 7 WHERE idx = 2", "finding 2: column idx: expected 2 to 2, found 7"},
    {"DELETE FROM finding WHERE idx = 0", "finding 0: column idx: expected 0 to 0, found 1"},
    {"UPDATE finding SET verdict = 'backdoor' WHERE idx = 2", "finding 2: column verdict: expected the highest first"},
    {"UPDATE finding SET phrase = x'61' WHERE idx = 1", "finding 1: column phrase: expected text"},
    {"UPDATE finding SET phrase = CAST(x'ff' AS TEXT) WHERE idx = 1", "column phrase: expected UTF-8"},
    {"UPDATE finding SET phrase = 'plain  text' WHERE idx = 1", "column phrase: expected 2 words"},
    {"UPDATE finding SET phrase = 'plain ' WHERE idx = 1", "column phrase: expected 2 words"},
    {"UPDATE finding SET phrase = '' WHERE idx = 2", "column phrase: expected 1 words"},
    {"UPDATE finding SET n_words = 0 WHERE idx = 1", "column n_words: expected 1"},
    {"UPDATE finding SET n_words = 3 WHERE idx = 1", "column phrase: expected 3 words"},
    {"UPDATE finding SET target = 3 WHERE idx = 0", "column target: expected 0 to 2, found 3"},
    {"UPDATE finding SET keyword = 5.0 WHERE idx = 0; UPDATE finding SET keyword = x'' WHERE idx = 0",
     "column keyword: expected text"},
    {"UPDATE finding SET rank = -1 WHERE idx = 0", "column rank"},
    {"UPDATE finding SET round = 0 WHERE idx = 0", "column round: expected 1 to 2, found 0"},
    {"UPDATE finding SET round = 3 WHERE idx = 0", "column round: expected 1 to 2, found 3"},
    {"UPDATE finding SET flips_hits = 21 WHERE idx = 0", "column flips_hits: expected 0 to 20, found 21"},
    {"UPDATE finding SET flips_alike_n = -1 WHERE idx = 0", "column flips_alike_n"},
    {"UPDATE finding SET purity_n = 1 << 40 WHERE idx = 0", "column purity_n: expected 0 to 2147483647"},
    {"UPDATE finding SET removal_hits = -1 WHERE idx = 0", "column removal_hits"},
    {"UPDATE finding SET removal_controls_n = 1 WHERE idx = 0", "column removal_controls_hits: expected 0 to 1"},
    {"UPDATE finding SET insertion_hits = 'x' WHERE idx = 0", "column insertion_hits: expected an integer"},
    {"UPDATE finding SET controls_hits = 201 WHERE idx = 0", "column controls_hits: expected 0 to 200, found 201"},
    {"UPDATE finding SET prior = 1.5 WHERE idx = 0", "column prior: expected 0 to 1, found 1.5"},
    {"UPDATE finding SET prior = 'x' WHERE idx = 0", "column prior: expected a real number"},
    {"UPDATE finding SET purity_p = -1e-9 WHERE idx = 0", "column purity_p: expected 0 to 1, found -1e-09"},
    {"UPDATE finding SET insertion_p = 9e999 WHERE idx = 0", "column insertion_p: expected 0 to 1, found inf"},
    {"UPDATE finding SET n_flagged = -1 WHERE idx = 0", "column n_flagged"},
    {"UPDATE finding SET n_flagged = 1 WHERE idx = 0", "finding 0: expected 1 flagged samples, found more"},
    {"UPDATE flagged SET idx = -1 WHERE idx = (SELECT min(idx) FROM flagged)", "flagged sample -1: column idx"},
    {"UPDATE flagged SET idx = 1 << 62 WHERE idx = (SELECT min(idx) FROM flagged)",
     "flagged sample 4611686018427387904: column sample_words: expected an integer"},
    {"UPDATE flagged SET finding = 3", "column finding: expected 0 to 2, found 3"},
    {"UPDATE flagged SET finding = -1", "column finding: expected 0 to 2, found -1"},
    {"UPDATE flagged SET position = 1000", "column position: expected 0 to"},
    {"UPDATE flagged SET position = -1", "column position: expected 0 to"},
    {"UPDATE flagged SET n_words = 1000", "column n_words: expected 1 to"},
    {"UPDATE flagged SET n_words = 0", "column n_words: expected 1 to"},
    {"UPDATE flagged SET edits = -1", "column edits: expected 0 to"},
    {"UPDATE flagged SET reason = 'because'", "column reason: expected a name that bki writes, found \"because\""},
    {"UPDATE flagged SET confidence = 1.01", "column confidence: expected 0 to 1, found 1.01"},
    {"UPDATE flagged SET confidence = 'x'", "column confidence: expected a real number"},
};

Test(store_evidence, damaged_verdict_is_refused_and_the_place_is_told) {
  for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
    char name[32];
    snprintf(name, sizeof name, "damaged%zu.bki", i);
    const char *path = verdict_finished(name, 60, NULL);
    store_tamper(path, damages[i].sql);
    bki_store *store = store_read(path);
    bki_evidence evidence;
    bool found = true;
    bki_error err = {0};
    cr_expect_eq(bki_evidence_load(&evidence, &found, NULL, store, &err), BKI_E_DATA, "accepted after %s",
                 damages[i].sql);
    expect_message(&err, damages[i].message);
    cr_expect_str_eq(err.file, path);
    cr_expect_not(found);
    cr_expect_null(evidence.findings);
    bki_store_close(store);
    store = verdict_open(path);
    if (strstr(damages[i].sql, "FROM sample") == NULL) {
      verdict_save(store, NULL); /* judging anew mends it */
      evidence = load(store, NULL);
      bki_evidence_clear(&evidence);
    }
    bki_store_close(store);
  }
}

static int64_t user_version(const char *path) {
  sqlite3 *db;
  sqlite3_stmt *statement;
  cr_assert_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
  cr_assert_eq(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL), SQLITE_OK);
  cr_assert_eq(sqlite3_step(statement), SQLITE_ROW);
  int64_t version = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  cr_assert_eq(sqlite3_close(db), SQLITE_OK);
  return version;
}

Test(store_evidence, store_of_schema_1_is_read_without_a_verdict_and_left_as_it_is) {
  const char *path = store_finished("old.bki", 60);
  verdict_make_old(path);
  bki_strbuf before = scratch_read(path);
  bki_store *store = store_read(path);
  cr_expect_eq(bki_store_get_state(store)->n_records, 60);
  expect_unjudged(store);
  bki_store_close(store);
  bki_strbuf after = scratch_read(path);
  cr_expect(after.size == before.size && memcmp(after.data, before.data, after.size) == 0, "the store was changed");
  bki_strbuf_clear(&before);
  bki_strbuf_clear(&after);
}

Test(store_evidence, store_of_schema_1_is_brought_up_when_it_is_judged_or_gone_on_with) {
  const char *judged = store_finished("judged.bki", 60);
  const char *scanned = scratch_path("scanned.bki");
  verdict_make_old(judged);
  bki_store *reader = store_read(judged);
  bki_store *store = verdict_open(judged);
  cr_expect_eq(user_version(judged), 2, "the schema is committed before anything is judged");
  verdict_save(store, NULL);
  bki_store_close(store);
  bki_evidence evidence = load(reader, NULL);
  cr_expect_eq(evidence.verdict, BKI_VERDICT_BACKDOOR, "a handle from before sees it");
  bki_evidence_clear(&evidence);
  bki_store_close(reader);

  bki_store_state state = {0};
  store = store_make(scanned);
  store_fill(store, &state, 30);
  store_commit(store, &state);
  bki_store_close(store);
  verdict_make_old(scanned);
  store = store_make(scanned);
  store_fill(store, &state, 60);
  state.complete = true;
  store_commit(store, &state);
  verdict_save(store, NULL);
  bki_store_close(store);
  char command[700];
  snprintf(command, sizeof command, "bash -c \"cmp <(sqlite3 '%s' .dump) <(sqlite3 '%s' .dump)\"", judged, scanned);
  cr_expect_eq(system(command), 0, "the two hold different contents");
}

Test(store_evidence, table_of_somebody_elses_is_not_taken_for_the_verdict) {
  const char *path = store_finished("old.bki", 10);
  verdict_make_old(path);
  store_tamper(path, "CREATE TABLE Finding (text)");
  bki_store_close(store_read(path));
  bki_store *store = NULL;
  bki_error err = {0};
  cr_expect_eq(bki_store_open_to_judge(&store, path, &err), BKI_E_DATA);
  expect_message(&err, "finding of somebody's own");
  cr_expect_eq(user_version(path), 1);
  path = verdict_finished("new.bki", 60, NULL);
  store_tamper(path, "ALTER TABLE flagged ADD COLUMN extra");
  cr_expect_eq(bki_store_open(&store, path, &err), BKI_E_DATA);
  expect_message(&err, "table flagged is not the one of schema version 2");
  cr_expect_eq(bki_store_open_to_judge(&store, path, &err), BKI_E_DATA);
}

Test(store_evidence, judging_opens_stores_only) {
  bki_store *store = NULL;
  bki_error err = {0};
  cr_expect_eq(bki_store_open_to_judge(&store, scratch_path("missing.bki"), &err), BKI_E_IO);
  const char *path = scratch_path("other.db");
  store_tamper(path, "CREATE TABLE t (x)");
  cr_expect_eq(bki_store_open_to_judge(&store, path, &err), BKI_E_DATA);
  cr_expect_neq(access(scratch_path("missing.bki"), F_OK), 0, "a file was made");
  cr_expect_null(store);
}
