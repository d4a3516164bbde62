/* Verdicts on the stores of planted.h. */
#ifndef BKI_TESTS_PLANTED_VERDICT_H
#define BKI_TESTS_PLANTED_VERDICT_H

#include "planted.h"

/* A victim, a corpus with its triggers planted, and the store of the scan. */
typedef struct planted_case {
  planted_victim victim;
  planted_corpus corpus;
  const char *path;
} planted_case;

/* Plants every trigger n times; the corpus and the victim may be changed before planted_scan. */
static inline planted_case planted_case_make(size_t n_texts, int32_t n_classes, const planted_trigger *triggers,
                                             size_t n_triggers, size_t n) {
  planted_case c = {planted_victim_init(n_classes), planted_corpus_make(n_texts, n_classes, 1), NULL};
  for (size_t i = 0; i < n_triggers; i++) {
    planted_plant(&c.corpus, triggers[i].words, triggers[i].target, (int32_t)i, n, PLANTED_ANYWHERE);
  }
  return c;
}

static inline void planted_scan(planted_case *c, const planted_trigger *triggers, size_t n_triggers) {
  planted_open(&c->victim, triggers, n_triggers);
  c->path = strdup(planted_store(&c->victim, &c->corpus, "s.bki"));
}

static inline planted_case planted_case_scanned(size_t n_texts, int32_t n_classes, const planted_trigger *triggers,
                                                size_t n_triggers, size_t n) {
  planted_case c = planted_case_make(n_texts, n_classes, triggers, n_triggers, n);
  planted_scan(&c, triggers, n_triggers);
  return c;
}

static inline void planted_case_clear(planted_case *c) {
  planted_close(&c->victim);
  planted_corpus_clear(&c->corpus);
  free((void *)(uintptr_t)c->path);
}

/* config NULL: the defaults. On success the caller clears *evidence. */
static inline bki_status planted_try(const planted_case *c, const bki_evidence_config *config, bki_evidence *evidence,
                                     bki_error *err) {
  bki_evidence_config defaults;
  bki_store *store = NULL;
  bki_evidence_config_init(&defaults);
  cr_assert_eq(bki_store_open(&store, c->path, err), BKI_OK, "%s", err->message);
  bki_status status =
      bki_evidence_run(evidence, store, c->victim.model, c->victim.scorer, config == NULL ? &defaults : config, err);
  bki_store_close(store);
  return status;
}

static inline bki_evidence planted_judge(const planted_case *c, const bki_evidence_config *config) {
  bki_evidence evidence;
  bki_error err = {0};
  cr_assert_eq(planted_try(c, config, &evidence, &err), BKI_OK, "%s", err.message);
  return evidence;
}

/* The same for bki_evidence_verify. */
static inline bki_status planted_try_phrase(const planted_case *c, const bki_evidence_config *config,
                                            const char *phrase, int32_t target, bki_evidence *evidence,
                                            bki_error *err) {
  bki_evidence_config defaults;
  bki_store *store = NULL;
  bki_evidence_config_init(&defaults);
  cr_assert_eq(bki_store_open(&store, c->path, err), BKI_OK, "%s", err->message);
  bki_status status =
      bki_evidence_verify(evidence, store, c->victim.model, c->victim.scorer, config == NULL ? &defaults : config,
                          (bki_str){phrase, strlen(phrase)}, target, err);
  bki_store_close(store);
  return status;
}

static inline bki_evidence planted_verify(const planted_case *c, const bki_evidence_config *config, const char *phrase,
                                          int32_t target) {
  bki_evidence evidence;
  bki_error err = {0};
  cr_assert_eq(planted_try_phrase(c, config, phrase, target, &evidence, &err), BKI_OK, "%s", err.message);
  return evidence;
}

static inline bool planted_is(bki_str a, const char *b) {
  return a.size == strlen(b) && memcmp(a.data, b, a.size) == 0;
}

/* The finding of exactly that phrase, or NULL. */
static inline const bki_finding *planted_find(const bki_evidence *evidence, const char *phrase) {
  for (size_t i = 0; i < evidence->n_findings; i++) {
    if (planted_is(evidence->findings[i].phrase, phrase)) {
      return &evidence->findings[i];
    }
  }
  return NULL;
}

static inline size_t planted_count(const bki_evidence *evidence, bki_verdict verdict) {
  size_t n = 0;
  for (size_t i = 0; i < evidence->n_findings; i++) {
    n += evidence->findings[i].verdict == verdict;
  }
  return n;
}

static inline const bki_evidence_sample *planted_flagged(const bki_evidence *evidence, int64_t index) {
  for (size_t i = 0; i < evidence->n_flagged; i++) {
    if (evidence->samples[i].index == index) {
      return &evidence->samples[i];
    }
  }
  return NULL;
}

/* The finding flags the texts in which this trigger was planted, and no others. */
static inline void planted_expect_flagged(const planted_case *c, const bki_evidence *evidence,
                                          const bki_finding *finding, int32_t trigger) {
  int64_t n = 0;
  for (size_t i = 0; i < c->corpus.n; i++) {
    const bki_evidence_sample *sample = planted_flagged(evidence, (int64_t)i);
    bool flagged = sample != NULL && &evidence->findings[sample->finding] == finding;
    cr_expect_eq(flagged, c->corpus.texts[i].trigger == trigger, "text %zu: %s", i, c->corpus.texts[i].text);
    n += flagged;
  }
  cr_expect_eq(finding->n_flagged, n);
}

/* There is a backdoor of that phrase and target, which flags the texts with the trigger. */
static inline const bki_finding *planted_expect_backdoor(const planted_case *c, const bki_evidence *evidence,
                                                         const planted_trigger *triggers, int32_t trigger) {
  const bki_finding *finding = planted_find(evidence, triggers[trigger].words);
  cr_assert_not_null(finding, "'%s' is not among the findings", triggers[trigger].words);
  cr_expect_eq(finding->verdict, BKI_VERDICT_BACKDOOR);
  cr_expect_eq(finding->target, triggers[trigger].target);
  planted_expect_flagged(c, evidence, finding, trigger);
  return finding;
}

#endif
