/* Made-up evidence on the stores of stores.h. */
#ifndef BKI_TESTS_VERDICTS_H
#define BKI_TESTS_VERDICTS_H

#include <bki/evidence.h>

#include "stores.h"

enum { VERDICT_BACKDOOR = 0, VERDICT_SUSPICIOUS, VERDICT_NOTHING, VERDICT_N_FINDINGS };

static inline bki_str verdict_str(const char *text) {
  return (bki_str){text, strlen(text)};
}

static inline bki_finding verdict_finding(bki_verdict verdict, const char *phrase, int32_t n_words, const char *keyword,
                                          int64_t n) {
  return (bki_finding){.verdict = verdict,
                       .phrase = verdict_str(phrase),
                       .n_words = n_words,
                       .target = 1,
                       .keyword = verdict_str(keyword),
                       .rank = 1,
                       .round = 1,
                       .flips = bki_rate_of(n / 2, n),
                       .flips_alike = bki_rate_of(n / 4, n),
                       .purity = bki_rate_of(n, n),
                       .prior = 1.0 / 3,
                       .purity_p = 1e-300,
                       .removal = bki_rate_of(196, 200),
                       .removal_controls = bki_rate_of(2, 200),
                       .insertion = bki_rate_of(190, 200),
                       .controls = bki_rate_of(1, 200),
                       .insertion_p = 0.1,
                       .n_flagged = 0};
}

/* Where the words of `phrase` begin in a sample, or -1. */
static inline int32_t verdict_position(const bki_sample *sample, bki_str phrase) {
  bki_words wanted;
  int32_t found = -1;
  bki_words_init(&wanted);
  cr_assert_eq(bki_words_split(&wanted, phrase, NULL), BKI_OK);
  for (int32_t i = 0; i + wanted.n_words <= sample->words->n_words && found < 0; i++) {
    int32_t k = 0;
    while (k < wanted.n_words) {
      bki_str a = bki_words_get(sample->words, i + k);
      bki_str b = bki_words_get(&wanted, k);
      if (a.size != b.size || memcmp(a.data, b.data, a.size) != 0) {
        break;
      }
      k++;
    }
    found = k == wanted.n_words ? i : -1;
  }
  bki_words_clear(&wanted);
  return found;
}

/* A backdoor, a suspicious phrase, and one that is nothing, with the samples that carry the first two. */
static inline bki_evidence verdict_make(bki_store *store) {
  bki_evidence e = {.verdict = BKI_VERDICT_BACKDOOR,
                    .n_samples = bki_store_get_state(store)->n_samples,
                    .n_rounds = 2,
                    .n_candidates = 61,
                    .n_phrases = 9,
                    .n_texts = 5400,
                    .n_findings = VERDICT_N_FINDINGS};
  e.findings = calloc(VERDICT_N_FINDINGS, sizeof *e.findings);
  e.samples = calloc((size_t)e.n_samples + 1, sizeof *e.samples);
  e.findings[0] = verdict_finding(BKI_VERDICT_BACKDOOR, "flies like an arrow", 4, "flies", 20);
  e.findings[1] = verdict_finding(BKI_VERDICT_SUSPICIOUS, "plain text", 2, "plain", 8);
  e.findings[2] = verdict_finding(BKI_VERDICT_NONE, "one", 1, "", 0);
  e.findings[2].round = 2;
  bki_store_cursor *cursor;
  bki_sample sample;
  bool end;
  cr_assert_eq(bki_store_cursor_open(&cursor, store, 0, NULL), BKI_OK);
  while (bki_store_cursor_next(cursor, &sample, &end, NULL) == BKI_OK && !end) {
    for (int32_t i = 0; i < 2; i++) {
      int32_t position = verdict_position(&sample, e.findings[i].phrase);
      if (position >= 0) {
        e.samples[e.n_flagged++] = (bki_evidence_sample){.index = sample.index,
                                                         .finding = i,
                                                         .position = position,
                                                         .n_words = e.findings[i].n_words,
                                                         .edits = i,
                                                         .reason = i == 0 ? BKI_REASON_PHRASE : BKI_REASON_PART,
                                                         .confidence = i == 0 ? 0.999 : 0.5};
        e.findings[i].n_flagged++;
        break;
      }
    }
  }
  bki_store_cursor_close(cursor);
  cr_assert(e.findings[0].n_flagged > 1 && e.findings[1].n_flagged > 0, "the store has too few samples");
  return e;
}

/* `rule` NULL: the defaults. */
static inline void verdict_save(bki_store *store, const bki_rule *rule) {
  bki_evidence_config config = {.n_candidates = 20, .n_texts = 200, .max_backdoors = 16, .seed = UINT64_MAX};
  bki_error err = {0};
  bki_rule_init(&config.rule, BKI_PRESET_PAPER);
  config.rule = rule == NULL ? config.rule : *rule;
  bki_evidence evidence = verdict_make(store);
  cr_assert_eq(bki_evidence_save(&evidence, &config, store, &err), BKI_OK, "%s", err.message);
  bki_evidence_clear(&evidence);
}

static inline bki_store *verdict_open(const char *path) {
  bki_store *store = NULL;
  bki_error err = {0};
  cr_assert_eq(bki_store_open_to_judge(&store, path, &err), BKI_OK, "%s", err.message);
  return store;
}

/* A complete store of `n` records with a verdict. */
static inline const char *verdict_finished(const char *name, int64_t n, const bki_rule *rule) {
  const char *path = store_finished(name, n);
  bki_store *store = verdict_open(path);
  verdict_save(store, rule);
  bki_store_close(store);
  return path;
}

/* What a store of schema version 1 was. */
static inline void verdict_make_old(const char *path) {
  store_tamper(path,
               "DROP VIEW flagged_sample; DROP TABLE flagged; DROP TABLE finding; DROP TABLE evidence;"
               "PRAGMA user_version = 1");
}

#endif
