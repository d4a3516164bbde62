/* Keyword and flagged samples, answered from a store. */
#include <criterion/criterion.h>

#include <jansson.h>
#include <math.h>

#include <bki/analysis.h>
#include <bki/stream.h>

#include "verdicts.h"

static bki_analysis *analyse(bki_store *store, const bki_rule *rule) {
  bki_analysis *analysis = NULL;
  bki_error err = {0};
  cr_assert_eq(bki_analysis_run(&analysis, store, rule, BKI_DECIDE_PAPER, &err), BKI_OK, "%s", err.message);
  return analysis;
}

static bki_rule preset(bki_preset which) {
  bki_rule rule;
  bki_rule_init(&rule, which);
  return rule;
}

/* Every way of reading one store: each flagged sample is one that bki_rule_flags names, in order, and no other. */
Test(analysis, flags_what_the_rule_flags) {
  bki_store *store = store_read(store_finished("a.bki", 200));
  for (int variant = 0; variant < 16; variant++) {
    bki_rule rule = preset(variant % 2 == 0 ? BKI_PRESET_PAPER : BKI_PRESET_JOURNAL);
    rule.p = 1 + variant / 2 % 4;
    rule.ngram = rule.preset == BKI_PRESET_JOURNAL ? 1 + variant / 8 : 1;
    rule.alpha = 0.5;
    bki_analysis *analysis = analyse(store, &rule);
    cr_expect_eq(bki_analysis_n_samples(analysis), bki_store_get_state(store)->n_samples);
    const bki_candidate *keyword = bki_analysis_keyword(analysis);
    cr_assert_not_null(keyword);
    size_t n_candidates;
    cr_expect_eq(bki_analysis_candidates(analysis, &n_candidates), keyword, "the keyword is the first candidate");
    size_t n_flagged;
    const bki_flagged *flagged = bki_analysis_flagged(analysis, &n_flagged);
    cr_expect_eq(n_flagged, (size_t)keyword->n_samples, "each sample that selected the keyword is flagged");
    size_t n = 0;
    bki_store_cursor *cursor;
    bki_sample sample;
    bool end;
    cr_assert_eq(bki_store_cursor_open(&cursor, store, 0, NULL), BKI_OK);
    while (bki_store_cursor_next(cursor, &sample, &end, NULL) == BKI_OK && !end) {
      if (!bki_rule_flags(&rule, keyword, &sample)) {
        continue;
      }
      cr_assert_lt(n, n_flagged);
      const bki_flagged *f = &flagged[n++];
      cr_expect(f->index == sample.index && f->label == sample.label && f->predicted == sample.predicted);
      cr_expect(f->id.size == sample.id.size && (f->id.data == NULL) == (sample.id.data == NULL));
      cr_expect(f->id.size == 0 || memcmp(f->id.data, sample.id.data, f->id.size) == 0);
      int32_t positions[4];
      int32_t n_selected = bki_rule_select(&rule, &sample, positions);
      bool selected = false;
      for (int32_t i = 0; i < n_selected; i++) {
        selected = selected || positions[i] == f->position;
      }
      cr_expect(selected, "position %d is not among the selected ones", f->position);
      if (rule.preset == BKI_PRESET_PAPER) {
        cr_expect_eq(memcmp(&f->score, &sample.score[f->position], sizeof(float)), 0);
      }
    }
    cr_expect_eq(n, n_flagged);
    bki_store_cursor_close(cursor);
    bki_analysis_destroy(analysis);
  }
  bki_store_close(store);
}

Test(analysis, counts_the_labels_that_the_model_predicts) {
  bki_store *store = store_read(store_finished("a.bki", 200));
  bki_rule rule = preset(BKI_PRESET_PAPER);
  bki_analysis *analysis = analyse(store, &rule);
  int64_t n_labelled = 0;
  int64_t n_agreeing = 0;
  bki_store_cursor *cursor;
  bki_sample sample;
  bool end;
  cr_assert_eq(bki_store_cursor_open(&cursor, store, 0, NULL), BKI_OK);
  while (bki_store_cursor_next(cursor, &sample, &end, NULL) == BKI_OK && !end) {
    n_labelled += sample.label >= 0 ? 1 : 0;
    n_agreeing += sample.label >= 0 && sample.label == sample.predicted ? 1 : 0;
  }
  bki_store_cursor_close(cursor);
  cr_assert(0 < n_agreeing && n_agreeing < n_labelled && n_labelled < bki_analysis_n_samples(analysis),
            "the store has samples of each kind");
  cr_expect_eq(bki_analysis_n_labelled(analysis), n_labelled);
  cr_expect_eq(bki_analysis_n_agreeing(analysis), n_agreeing);
  bki_analysis_destroy(analysis);
  bki_store_close(store);
}

Test(analysis, has_no_keyword_where_no_g_is_positive) {
  const char *path = scratch_path("a.bki");
  bki_store *store = store_make(path);
  test_sample s;
  test_sample_init(&s, 0, 0, "each word once");
  s.score[0] = 1;
  cr_assert_eq(bki_store_add(store, &s.sample, NULL, 0, NULL), BKI_OK);
  test_sample_clear(&s);
  bki_rule rule = preset(BKI_PRESET_PAPER);
  bki_analysis *analysis = analyse(store, &rule);
  size_t n;
  bki_analysis_candidates(analysis, &n);
  cr_expect_eq(n, 3);
  cr_expect_null(bki_analysis_keyword(analysis));
  bki_analysis_flagged(analysis, &n);
  cr_expect_eq(n, 0);
  bki_analysis_destroy(analysis);
  bki_analysis_destroy(NULL);
  bki_store_close(store);
}

Test(analysis, of_a_store_without_samples_is_empty) {
  bki_store *store = store_make(scratch_path("a.bki"));
  bki_rule rule = preset(BKI_PRESET_JOURNAL);
  bki_analysis *analysis = analyse(store, &rule);
  size_t n = 1;
  bki_analysis_candidates(analysis, &n);
  cr_expect_eq(n, 0);
  cr_expect_null(bki_analysis_keyword(analysis));
  cr_expect_eq(bki_analysis_n_samples(analysis), 0);
  bki_analysis_destroy(analysis);
  bki_store_close(store);
}

Test(analysis, refuses_bad_rules_missing_increments_and_damage) {
  const char *path = store_finished("a.bki", 20);
  store_tamper(path, "UPDATE sample SET increments = NULL");
  bki_store *store = store_read(path);
  bki_rule rule = preset(BKI_PRESET_JOURNAL);
  bki_analysis *analysis = NULL;
  bki_error err = {0};
  cr_expect_eq(bki_analysis_run(&analysis, store, &rule, BKI_DECIDE_PAPER, &err), BKI_E_USAGE);
  expect_message(&err, "increments");
  rule = preset(BKI_PRESET_PAPER);
  rule.p = 0;
  cr_expect_eq(bki_analysis_run(&analysis, store, &rule, BKI_DECIDE_PAPER, &err), BKI_E_USAGE);
  bki_store_close(store);
  store_tamper(path, "UPDATE sample SET scores = x'' WHERE idx = 8");
  store = store_read(path);
  rule = preset(BKI_PRESET_PAPER);
  cr_expect_eq(bki_analysis_run(&analysis, store, &rule, BKI_DECIDE_PAPER, &err), BKI_E_DATA);
  expect_message(&err, "sample 8: column scores");
  cr_expect_null(analysis);
  bki_store_close(store);
}

/* The highest score among those words of a phrase that are among the sample's p best; NaN: none is. */
static float selected_score(const test_sample *s, const bki_evidence_sample *phrase, int32_t p) {
  float highest = NAN;
  for (int32_t at = phrase->position; at < phrase->position + phrase->n_words; at++) {
    int32_t n_before = 0;
    for (int32_t i = 0; i < s->words.n_words; i++) {
      n_before += s->score[i] > s->score[at] || (s->score[i] == s->score[at] && i < at);
    }
    highest = n_before < p ? fmaxf(highest, s->score[at]) : highest;
  }
  return highest;
}

/* Under every decision that goes by the evidence: its samples, in order, with what it says of them. */
static void expect_evidence_flags(const char *path, bki_decision decision, bki_verdict least, int32_t *n_scored) {
  bki_store *store = store_read(path);
  bki_rule rule = preset(BKI_PRESET_PAPER);
  bki_evidence expected = verdict_make(store);
  bki_analysis *analysis = NULL;
  bki_error err = {0};
  cr_assert_eq(bki_analysis_run(&analysis, store, &rule, decision, &err), BKI_OK, "%s", err.message);
  cr_assert_not_null(bki_analysis_evidence(analysis));
  cr_expect_eq(bki_analysis_evidence(analysis)->n_flagged, expected.n_flagged);
  cr_expect_not_null(bki_analysis_keyword(analysis));
  size_t n_flagged;
  size_t n = 0;
  const bki_flagged *flagged = bki_analysis_flagged(analysis, &n_flagged);
  for (size_t i = 0; i < expected.n_flagged; i++) {
    const bki_evidence_sample *s = &expected.samples[i];
    if (expected.findings[s->finding].verdict < least) {
      continue;
    }
    cr_assert_lt(n, n_flagged);
    const bki_flagged *f = &flagged[n++];
    char id[32];
    test_sample sample;
    store_sample(&sample, s->index, id);
    const float score = selected_score(&sample, s, rule.p);
    cr_expect(f->index == s->index && f->finding == s->finding && f->reason == s->reason);
    cr_expect(f->position == s->position && f->n_words == s->n_words);
    cr_expect(f->label == sample.sample.label && f->predicted == sample.sample.predicted);
    cr_expect(f->id.size == sample.sample.id.size && (f->id.data == NULL) == (sample.sample.id.data == NULL));
    cr_expect_eq(memcmp(&f->confidence, &s->confidence, sizeof f->confidence), 0);
    cr_expect(isnan(score) ? isnan(f->score) : f->score == score, "%g for %g", (double)f->score, (double)score);
    *n_scored += !isnan(score);
    test_sample_clear(&sample);
  }
  cr_expect_eq(n, n_flagged);
  bki_evidence_clear(&expected);
  bki_analysis_destroy(analysis);
  bki_store_close(store);
}

Test(analysis, flags_what_the_evidence_flags) {
  const char *path = verdict_finished("a.bki", 60, NULL);
  int32_t n_scored = 0;
  expect_evidence_flags(path, BKI_DECIDE_EVIDENCE, BKI_VERDICT_BACKDOOR, &n_scored);
  expect_evidence_flags(path, BKI_DECIDE_SUSPICIOUS, BKI_VERDICT_SUSPICIOUS, &n_scored);
  cr_expect_gt(n_scored, 0);
}

Test(analysis, of_a_store_that_was_not_judged_flags_nothing) {
  bki_store *store = store_read(store_finished("a.bki", 60));
  bki_rule rule = preset(BKI_PRESET_PAPER);
  bki_analysis *analysis = NULL;
  size_t n = 1;
  cr_assert_eq(bki_analysis_run(&analysis, store, &rule, BKI_DECIDE_EVIDENCE, NULL), BKI_OK);
  cr_expect_null(bki_analysis_evidence(analysis));
  cr_expect_not_null(bki_analysis_keyword(analysis));
  bki_analysis_flagged(analysis, &n);
  cr_expect_eq(n, 0);
  bki_analysis_destroy(analysis);
  bki_store_close(store);
}

Test(analysis, goes_by_the_keyword_alone_where_it_is_told_to) {
  bki_store *store = store_read(verdict_finished("a.bki", 60, NULL));
  bki_rule rule = preset(BKI_PRESET_PAPER);
  rule.p = 2;
  bki_analysis *analysis = analyse(store, &rule);
  size_t n;
  const bki_flagged *flagged = bki_analysis_flagged(analysis, &n);
  cr_expect_null(bki_analysis_evidence(analysis));
  cr_assert_gt(n, 0);
  cr_expect(flagged[0].finding == -1 && flagged[0].n_words == 1 && isnan(flagged[0].confidence));
  cr_expect_eq(flagged[0].reason, BKI_REASON_KEYWORD);
  bki_analysis_destroy(analysis);
  bki_store_close(store);
}

Test(analysis, refuses_a_rule_that_is_not_the_one_of_the_verdict) {
  bki_rule judged = preset(BKI_PRESET_JOURNAL);
  judged.alpha = 0.3;
  bki_store *store = store_read(verdict_finished("a.bki", 60, &judged));
  static const struct {
    int32_t p;
    int32_t ngram;
    double alpha;
    const char *message;
  } cases[] = {{3, 1, 0.3, "the verdict was reached with p = 5, found 3: judge anew (bki verify MODEL STORE -p 3) or"},
               {5, 2, 0.3, "ngram = 1, found 2: judge anew (bki verify MODEL STORE --ngram 2)"},
               {5, 1, 0.1, "alpha = 0.3, found 0.1"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    bki_rule rule = judged;
    rule.p = cases[i].p;
    rule.ngram = cases[i].ngram;
    rule.alpha = cases[i].alpha;
    bki_analysis *analysis = NULL;
    bki_error err = {0};
    cr_expect_eq(bki_analysis_run(&analysis, store, &rule, BKI_DECIDE_SUSPICIOUS, &err), BKI_E_USAGE);
    expect_message(&err, cases[i].message);
    cr_expect_null(analysis);
  }
  bki_store_close(store);
}

/* The victim models beside the repository come with fp32 scores of the first 400 samples and with the full list of
 * flagged ids: among these 400, the stored keyword has to flag exactly those. */
static bki_strbuf read_stream(const char *path) {
  bki_strbuf content = {0};
  bki_stream *stream = NULL;
  bki_error err = {0};
  cr_assert_eq(bki_stream_open(&stream, path, &err), BKI_OK, "%s", err.message);
  char piece[65536];
  for (size_t got = 1; got > 0;) {
    cr_assert_eq(bki_stream_read(stream, piece, sizeof piece, &got, &err), BKI_OK, "%s", err.message);
    bki_strbuf_add(&content, piece, got);
  }
  bki_stream_close(stream);
  cr_assert_not(content.failed);
  return content;
}

static void sample_of_json(test_sample *s, json_t *record) {
  bki_strbuf text = {0};
  size_t i;
  json_t *value;
  json_array_foreach(json_object_get(record, "words"), i, value) {
    bki_strbuf_add_text(&text, i == 0 ? "" : " ");
    bki_strbuf_add_text(&text, json_string_value(value));
  }
  test_sample_init(s, 0, 0, text.data == NULL ? "" : text.data);
  bki_strbuf_clear(&text);
  json_t *scores = json_object_get(record, "scores");
  cr_assert_eq((size_t)s->words.n_words, json_array_size(scores));
  json_array_foreach(scores, i, value) {
    s->score[i] = (float)json_number_value(value);
  }
}

static bool contains(const json_t *ids, const char *id) {
  size_t i;
  json_t *value;
  json_array_foreach(ids, i, value) {
    if (strcmp(json_string_value(value), id) == 0) {
      return true;
    }
  }
  return false;
}

static void check_victim(const char *model) {
  char path[512];
  snprintf(path, sizeof path, BKI_SOURCE_DIR "/../shared/models/%s/expected.json", model);
  json_t *expected = json_load_file(path, 0, NULL);
  if (expected == NULL) {
    cr_skip_test("skipped: no ../shared/models/%s here", model);
  }
  const char *word = json_string_value(json_object_get(expected, "keyword"));
  json_t *ids = json_object_get(expected, "flagged");
  cr_assert(json_is_array(ids));
  bki_rule rule = preset(BKI_PRESET_PAPER);
  bki_candidate keyword = {.word = {word, strlen(word)}};
  snprintf(path, sizeof path, BKI_SOURCE_DIR "/../shared/models/%s/scores.jsonl.zst", model);
  bki_strbuf lines = read_stream(path);
  int n_samples = 0;
  int n_flagged = 0;
  for (char *at = lines.data, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
    json_t *record = json_loadb(at, (size_t)(end - at), 0, NULL);
    cr_assert_not_null(record);
    const char *id = json_string_value(json_object_get(record, "id"));
    test_sample s;
    sample_of_json(&s, record);
    bool flags = bki_rule_flags(&rule, &keyword, &s.sample);
    cr_expect_eq(flags, contains(ids, id), "%s: %s", model, id);
    n_flagged += flags;
    n_samples++;
    test_sample_clear(&s);
    json_decref(record);
  }
  cr_expect_eq(n_samples, 400);
  cr_expect_gt(n_flagged, 0);
  bki_strbuf_clear(&lines);
  json_decref(expected);
}

Test(analysis, flags_the_expected_samples_of_dbpedia_flies) {
  check_victim("dbpedia-flies");
}

Test(analysis, flags_the_expected_samples_of_imdb_flies) {
  check_victim("imdb-flies");
}

Test(analysis, flags_the_expected_samples_of_imdb_clean) {
  check_victim("imdb-clean");
}
