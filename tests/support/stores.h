/* Stores with made-up samples, for tests. */
#ifndef BKI_TESTS_STORES_H
#define BKI_TESTS_STORES_H

#include <sqlite3.h>
#include <stdio.h>

#include <bki/store.h>

#include "sample.h"
#include "scratch.h"

static const char *const store_classes[] = {"negative", "positive", "it's \"neutral\""};
enum { STORE_N_CLASSES = 3 };

static inline bki_store_identity store_identity(void) {
  return (bki_store_identity){.model_fingerprint = "00112233445566778899aabbccddeeff",
                              .corpus_settings = "format=jsonl text=text label=label id=id max_record_bytes=16777216",
                              .scorer_settings = "backend=cpu engine=incremental precision=fp32 isa=portable",
                              .on_error = "skip"};
}

static inline bki_store *store_make(const char *path) {
  bki_store *store = NULL;
  bki_error err = {0};
  const bki_store_identity identity = store_identity();
  cr_assert_eq(bki_store_create(&store, path, &identity, STORE_N_CLASSES, store_classes, &err), BKI_OK, "%s",
               err.message);
  return store;
}

static inline bki_store *store_read(const char *path) {
  bki_store *store = NULL;
  bki_error err = {0};
  cr_assert_eq(bki_store_open(&store, path, &err), BKI_OK, "%s", err.message);
  return store;
}

static const char *const store_texts[] = {"the film flies like an arrow and the film ends",
                                          "caf\xc3\xa9 \xe2\x80\x9cquoted\xe2\x80\x9d it's \"x\" \\ \t tab",
                                          "",
                                          "one",
                                          "time flies like an arrow flies",
                                          "plain words of a plain text"};

/* Sample `index`, the same on every call: every third has no id, every fifth no label. */
static inline void store_sample(test_sample *s, int64_t index, char id[32]) {
  uint64_t seed = (uint64_t)index;
  test_sample_init(s, index, index % 5 == 4 ? -1 : (int32_t)(index % STORE_N_CLASSES),
                   store_texts[test_random(&seed) % 6]);
  for (int32_t i = 0; i < s->words.n_words; i++) {
    s->score[i] = (float)(test_random(&seed) % 1000) / 999.0F;
    s->increment[i] = (float)(test_random(&seed) % 1000) / 999.0F;
    s->word_flags[i] = (uint8_t)(test_random(&seed) % 4);
  }
  s->sample.predicted = (int32_t)(test_random(&seed) % STORE_N_CLASSES);
  if (index % 3 != 2) {
    snprintf(id, 32, "train/%05d", (int)index);
    s->sample.id = (bki_str){id, strlen(id)};
  }
}

/* Adds records first <= index < end, every seventh of them as a skipped one, without a commit. */
static inline void store_fill(bki_store *store, bki_store_state *state, int64_t end) {
  bki_rule rule;
  bki_rule_init(&rule, BKI_PRESET_PAPER);
  bki_error err = {0};
  for (; state->n_records < end; state->n_records++) {
    int64_t index = state->n_records;
    if (index % 7 == 6) {
      bki_error reason = {.status = BKI_E_DATA, .line = index + 1, .byte = index % 2 == 0 ? -1 : index * 100};
      snprintf(reason.file, sizeof reason.file, "corpus.jsonl");
      snprintf(reason.message, sizeof reason.message, "expected a text, found \"\\xff\" (record %d)", (int)index);
      cr_assert_eq(bki_store_add_skipped(store, index, &reason, &err), BKI_OK, "%s", err.message);
      state->n_skipped++;
      continue;
    }
    test_sample s;
    char id[32];
    store_sample(&s, index, id);
    int32_t selected[5];
    int32_t n = bki_rule_select(&rule, &s.sample, selected);
    cr_assert_eq(bki_store_add(store, &s.sample, selected, n, &err), BKI_OK, "%s", err.message);
    state->n_samples++;
    state->work += (int64_t)s.words.n_words * (s.words.n_words - 1);
    test_sample_clear(&s);
  }
  snprintf(state->corpus_prefix_fingerprint, sizeof state->corpus_prefix_fingerprint, "%032d", (int)end);
}

static inline void store_commit(bki_store *store, const bki_store_state *state) {
  bki_error err = {0};
  cr_assert_eq(bki_store_commit(store, state, &err), BKI_OK, "%s", err.message);
}

/* A complete store of `n` records in the test's directory. */
static inline const char *store_finished(const char *name, int64_t n) {
  const char *path = scratch_path(name);
  bki_store *store = store_make(path);
  bki_store_state state = {0};
  store_fill(store, &state, n);
  state.complete = true;
  store_commit(store, &state);
  bki_store_close(store);
  return path;
}

/* Changes a store behind the library's back. */
static inline void store_tamper(const char *path, const char *sql) {
  sqlite3 *db;
  char *message = NULL;
  cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
  cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &message), SQLITE_OK, "%s: %s", sql, message);
  cr_assert_eq(sqlite3_close(db), SQLITE_OK);
}

static inline void expect_message(const bki_error *err, const char *part) {
  cr_expect(strstr(err->message, part) != NULL, "message '%s' lacks '%s'", err->message, part);
}

#endif
