#include <inttypes.h>

#include <criterion/criterion.h>

#include <bki/analysis.h>
#include <bki/store.h>

#include "strbuf.h"
#include "tiny_scan.h"

#define TEXT(literal) ((bki_str){"" literal, sizeof(literal) - 1})

static bki_strbuf tiny_corpus(void) {
  return scratch_read(BKI_TEST_DATA "/tiny/corpus.jsonl");
}

/* n records with ids, enough of them for more than one chunk. */
static bki_strbuf many_records(int n) {
  bki_strbuf text = {0};
  for (int i = 0; i < n; i++) {
    bki_strbuf_format(&text, "{\"id\": \"m%d\", \"text\": \"quiet night %s flies\", \"label\": \"positive\"}\n", i,
                      i % 2 == 0 ? "film" : "time");
  }
  return text;
}

Test(scan, stores_what_the_scorer_says_in_corpus_order) {
  bki_strbuf corpus = tiny_corpus();
  tiny_scan s;
  tiny_scan_init(&s, "c.jsonl", bki_strbuf_str(&corpus));
  s.config.scorer.increments = true;
  tiny_scan_run(&s);
  bki_store *store = tiny_scan_open(&s);
  bki_scorer *scorer = NULL;
  cr_assert_eq(bki_scorer_create(&scorer, s.model, &s.config.scorer, &s.err), BKI_OK);
  bki_store_cursor *cursor;
  cr_assert_eq(bki_store_cursor_open(&cursor, store, 0, &s.err), BKI_OK);
  bki_encoding encoding;
  bki_encoding_init(&encoding);
  int64_t n = 0;
  for (bool end = false;; n++) {
    bki_sample sample;
    cr_assert_eq(bki_store_cursor_next(cursor, &sample, &end, &s.err), BKI_OK);
    if (end) {
      break;
    }
    cr_assert_eq(sample.index, n);
    bki_str text = {sample.words->bytes, sample.words->n_bytes}; /* normalised: encodes to itself */
    cr_assert_eq(bki_model_encode(s.model, text, &encoding, &s.err), BKI_OK);
    int32_t l = encoding.words.n_words;
    cr_assert_eq(l, sample.words->n_words);
    float score[64];
    float increment[64];
    uint8_t flip[64];
    cr_assert_leq(l, 64);
    bki_scores scores = {.score = score, .increment = increment, .flip = flip};
    const bki_sequence sequence = {.ids = encoding.ids, .length = l};
    cr_assert_eq(bki_scorer_score(scorer, &sequence, 1, &scores, &s.err), BKI_OK);
    cr_assert_eq(sample.predicted, scores.predicted);
    for (int32_t j = 0; j < l; j++) {
      cr_assert_eq(sample.score[j], score[j], "record %" PRId64 " word %d", n, j);
      cr_assert_eq(sample.increment[j], increment[j]);
      cr_assert_eq(sample.word_flags[j], (flip[j] ? BKI_WORD_FLIP : 0) | (encoding.oov[j] ? BKI_WORD_OOV : 0));
    }
  }
  cr_assert_eq(n, 68);
  bki_encoding_clear(&encoding);
  bki_store_cursor_close(cursor);
  bki_scorer_destroy(scorer);
  bki_store_close(store);
  tiny_scan_clear(&s);
  bki_strbuf_clear(&corpus);
}

typedef struct watch {
  int64_t stop_at; /* records scored; -1: never */
  bool stop_in_survey;
  bki_progress last;
  int64_t n_survey;
  int64_t n_scoring;
  const char *spoil; /* a corpus to change when scoring begins */
} watch;

static void see(void *user, const bki_progress *progress) {
  watch *w = user;
  cr_assert(w->last.surveying || !progress->surveying || w->n_scoring == 0, "no survey after scoring");
  cr_assert(progress->surveying || progress->work_done >= w->last.work_done);
  w->last = *progress;
  w->n_survey += progress->surveying;
  w->n_scoring += !progress->surveying && !progress->judging;
}

static bool stop(void *user) {
  const watch *w = user;
  return w->last.surveying ? w->stop_in_survey : w->stop_at >= 0 && w->last.n_records >= w->stop_at;
}

static void attach(tiny_scan *s, watch *w) {
  s->config.progress = see;
  s->config.stop = stop;
  s->config.user = w;
}

Test(scan, knows_the_work_from_the_survey) {
  bki_strbuf corpus = tiny_corpus();
  tiny_scan s;
  watch w = {.stop_at = -1};
  tiny_scan_init(&s, "c.jsonl", bki_strbuf_str(&corpus));
  attach(&s, &w);
  tiny_scan_run(&s);
  cr_assert_gt(w.n_survey, 0);
  cr_assert_gt(w.n_scoring, 0);
  cr_assert_gt(s.progress.work_total, 0);
  cr_assert_eq(s.progress.work_done, s.progress.work_total);
  cr_assert_eq(s.progress.n_records, 68);
  cr_assert_eq(s.progress.bytes_done, (int64_t)corpus.size);
  cr_assert_eq(s.progress.bytes_total, (int64_t)corpus.size);
  tiny_scan_clear(&s);
  bki_strbuf_clear(&corpus);
}

Test(scan, stops_between_batches_and_goes_on) {
  bki_strbuf corpus = many_records(9000);
  tiny_scan s;
  watch w = {.stop_at = 1};
  tiny_scan_init(&s, "c.jsonl", bki_strbuf_str(&corpus));
  attach(&s, &w);
  cr_assert_eq(tiny_scan_try(&s), BKI_E_INTERRUPTED);
  int64_t first = s.progress.n_records;
  cr_assert(first > 0 && first < 9000, "%" PRId64, first);
  bki_store *store = tiny_scan_open(&s);
  cr_assert_eq(bki_store_get_state(store)->n_records, first);
  cr_assert_not(bki_store_get_state(store)->complete);
  bki_store_close(store);
  w = (watch){.stop_at = -1};
  tiny_scan_run(&s);
  cr_assert_eq(s.progress.n_samples, 9000);
  cr_assert_eq(s.progress.samples_before, first);
  cr_assert_eq(s.progress.work_done, s.progress.work_total);
  w = (watch){.stop_at = -1};
  tiny_scan_run(&s); /* complete: verified, nothing is scored */
  cr_assert_eq(w.n_scoring, 0);
  tiny_scan_clear(&s);
  bki_strbuf_clear(&corpus);
}

Test(scan, leaves_no_store_when_stopped_in_the_survey) {
  bki_strbuf corpus = tiny_corpus();
  tiny_scan s;
  watch w = {.stop_at = -1, .stop_in_survey = true};
  tiny_scan_init(&s, "c.jsonl", bki_strbuf_str(&corpus));
  attach(&s, &w);
  cr_assert_eq(tiny_scan_try(&s), BKI_E_INTERRUPTED);
  cr_assert_neq(access(s.config.store_path, F_OK), 0);
  tiny_scan_clear(&s);
  bki_strbuf_clear(&corpus);
}

static void spoil(void *user, const bki_progress *progress) {
  const watch *w = user;
  if (progress->surveying) {
    const bki_str other = TEXT("{\"text\": \"another film\"}\n");
    scratch_write(w->spoil, other.data, other.size);
  }
}

Test(scan, notices_a_corpus_that_changes_under_it) {
  bki_strbuf corpus = tiny_corpus();
  tiny_scan s;
  tiny_scan_init(&s, "c.jsonl", bki_strbuf_str(&corpus));
  watch w = {.stop_at = -1, .spoil = s.path};
  s.config.progress = spoil;
  s.config.user = &w;
  cr_assert_eq(tiny_scan_try(&s), BKI_E_DATA);
  cr_assert(strstr(s.err.message, "has changed during the scan") != NULL, "%s", s.err.message);
  bki_store *store = tiny_scan_open(&s);
  cr_assert_not(bki_store_get_state(store)->complete);
  bki_store_close(store);
  tiny_scan_clear(&s);
  bki_strbuf_clear(&corpus);
}

Test(scan, refuses_the_first_bad_record_before_scoring) {
  tiny_scan s;
  tiny_scan_init(&s, "c.jsonl", TEXT("{\"text\": \"a film\"}\n\n{\"text\": \"b\", \"label\": \"x\"}\n{\"text\": 1}\n"));
  cr_assert_eq(tiny_scan_try(&s), BKI_E_DATA);
  cr_assert_eq(s.err.line, 3);
  cr_assert_str_eq(s.err.file, s.path);
  cr_assert_str_eq(s.err.message, "expected a label that the model knows (2 classes: \"negative\", ...), found \"x\"");
  cr_assert_neq(access(s.config.store_path, F_OK), 0, "a store without records is removed");
  tiny_scan_clear(&s);
}

typedef struct seen_skips {
  int64_t index[8];
  int64_t line[8];
  size_t n;
} seen_skips;

static bki_status collect(void *user, const bki_skipped *skipped, bki_error *err) {
  (void)err;
  seen_skips *seen = user;
  cr_assert_lt(seen->n, 8);
  seen->index[seen->n] = skipped->index;
  seen->line[seen->n++] = skipped->line;
  return BKI_OK;
}

Test(scan, skips_bad_records_and_lists_them) {
  tiny_scan s;
  tiny_scan_init(
      &s, "c.jsonl",
      TEXT("{\"id\": 1, \"text\": \"a film\"}\nno\n{\"id\": 2, \"text\": \"b\"}\n{\"id\": 1, \"text\": \"c\"}\n"
           "{\"id\": 3, \"text\": \"a very long text indeed, longer than it may be\"}\n"));
  s.config.on_error = BKI_ON_ERROR_SKIP;
  s.config.corpus.max_record_bytes = 40;
  tiny_scan_run(&s);
  cr_assert_eq(s.progress.n_records, 5);
  cr_assert_eq(s.progress.n_samples, 2);
  cr_assert_eq(s.progress.n_skipped, 3);
  bki_store *store = tiny_scan_open(&s);
  seen_skips seen = {0};
  cr_assert_eq(bki_store_each_skipped(store, collect, &seen, &s.err), BKI_OK);
  const int64_t expected[] = {1, 3, 4};
  cr_assert_eq(seen.n, 3);
  for (size_t i = 0; i < 3; i++) {
    cr_assert_eq(seen.index[i], expected[i]);
    cr_assert_eq(seen.line[i], expected[i] + 1);
  }
  bki_store_close(store);
  tiny_scan_clear(&s);
}

Test(scan, finds_ids_that_repeat_in_another_chunk) {
  bki_strbuf corpus = many_records(5000);
  bki_strbuf_add_text(&corpus, "{\"id\": \"m0\", \"text\": \"again\"}\n");
  tiny_scan s;
  tiny_scan_init(&s, "c.jsonl", bki_strbuf_str(&corpus));
  cr_assert_eq(tiny_scan_try(&s), BKI_E_DATA);
  cr_assert_eq(s.err.line, 5001);
  cr_assert_str_eq(s.err.message, "expected an id of its own, found \"m0\" a second time");
  cr_assert_eq(s.progress.n_samples, 5000);
  bki_store *store = tiny_scan_open(&s);
  cr_assert_eq(bki_store_get_state(store)->n_samples, 5000, "what was scored before it stays");
  bki_store_close(store);
  s.config.on_error = BKI_ON_ERROR_SKIP;
  cr_assert_eq(tiny_scan_try(&s), BKI_E_USAGE, "on_error is part of the scan's identity");
  tiny_scan_clear(&s);
  bki_strbuf_clear(&corpus);
}

Test(scan, keeps_the_settings_that_later_commands_need) {
  tiny_scan s;
  tiny_scan_init(&s, "c.tsv", TEXT("n\tbody\n7\tquiet \"film\n8\tlong night\n"));
  s.config.corpus.text_field = "body";
  s.config.corpus.id_field = "n";
  s.config.rule.p = 3;
  s.config.rule.keys = BKI_KEYS_UNIQUE;
  tiny_scan_run(&s);
  bki_store *store = tiny_scan_open(&s);
  bki_corpus_config corpus;
  bki_rule rule;
  cr_assert_eq(bki_scan_get_settings(store, &corpus, &rule, &s.err), BKI_OK, "%s", s.err.message);
  cr_assert_eq(corpus.format, BKI_FORMAT_TSV);
  cr_assert_eq(corpus.quoting, BKI_QUOTING_NONE);
  cr_assert_eq(corpus.header, BKI_HEADER_PRESENT);
  cr_assert_str_eq(corpus.text_field, "body");
  cr_assert_null(corpus.label_field);
  cr_assert_str_eq(corpus.id_field, "n");
  cr_assert_eq(corpus.max_record_bytes, 16 << 20);
  cr_assert_eq(rule.p, 3);
  cr_assert_eq(rule.keys, BKI_KEYS_UNIQUE);
  cr_assert_float_eq(rule.alpha, 0.05, 0);
  bki_store_close(store);
  tiny_scan_clear(&s);
}

Test(scan, refuses_settings_that_contradict) {
  tiny_scan s;
  tiny_scan_init(&s, "c.jsonl", TEXT("{\"text\": \"a film\"}\n"));
  bki_rule_init(&s.config.rule, BKI_PRESET_JOURNAL);
  cr_assert_eq(tiny_scan_try(&s), BKI_E_USAGE);
  cr_assert(strstr(s.err.message, "increments") != NULL);
  bki_rule_init(&s.config.rule, BKI_PRESET_PAPER);
  s.config.commit_seconds = -1;
  cr_assert_eq(tiny_scan_try(&s), BKI_E_USAGE);
  s.config.commit_seconds = 0;
  tiny_scan_run(&s);
  tiny_scan_clear(&s);
}

Test(scan, an_empty_corpus_is_complete) {
  tiny_scan s;
  tiny_scan_init(&s, "c.jsonl", TEXT(""));
  tiny_scan_run(&s);
  bki_store *store = tiny_scan_open(&s);
  cr_assert(bki_store_get_state(store)->complete);
  bki_analysis *analysis = NULL;
  cr_assert_eq(bki_analysis_run(&analysis, store, &s.config.rule, BKI_DECIDE_PAPER, &s.err), BKI_OK);
  cr_assert_null(bki_analysis_keyword(analysis));
  bki_analysis_destroy(analysis);
  bki_store_close(store);
  tiny_scan_clear(&s);
}
