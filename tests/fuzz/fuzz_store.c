/* A store from elsewhere: opened, read, analysed under every rule, looked up, judged, and gone on with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bki/analysis.h>

static char path[64];

/* With what SQLite may have put beside it: an input must not depend on the one before. */
static void remove_files(void) {
  static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
  for (size_t i = 0; i < 4; i++) {
    char name[80];
    snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
    unlink(name);
  }
}

static bki_status ignore_skipped(void *user, const bki_skipped *skipped, bki_error *err) {
  (void)err;
  *(size_t *)user += strlen(skipped->file) + strlen(skipped->reason);
  return BKI_OK;
}

static void read_everything(bki_store *store) {
  bki_rule rule;
  bki_analysis *analysis;
  for (int preset = BKI_PRESET_PAPER; preset <= BKI_PRESET_JOURNAL; preset++) {
    bki_rule_init(&rule, (bki_preset)preset);
    rule.ngram = preset == BKI_PRESET_JOURNAL ? 2 : 1;
    for (int decision = BKI_DECIDE_EVIDENCE; decision <= BKI_DECIDE_PAPER; decision++) {
      if (bki_analysis_run(&analysis, store, &rule, (bki_decision)decision, NULL) == BKI_OK) {
        bki_analysis_destroy(analysis);
      }
    }
  }
  size_t total = 0;
  bki_store_each_skipped(store, ignore_skipped, &total, NULL);
  bki_store_cursor *cursor;
  bki_sample sample;
  if (bki_store_find(store, (bki_str){"1", 1}, &cursor, &sample, NULL) == BKI_OK) {
    bki_store_cursor_close(cursor);
  }
}

static void judge(bki_store *store) {
  bki_evidence_config config = {.n_candidates = 20, .n_texts = 200, .max_backdoors = 16, .seed = 1};
  bki_evidence evidence;
  bool found;
  if (bki_evidence_load(&evidence, &found, &config.rule, store, NULL) != BKI_OK) {
    return;
  }
  if (found) {
    bki_evidence_save(&evidence, &config, store, NULL);
  }
  bki_evidence_clear(&evidence);
}

static void go_on(bki_store *store) {
  bki_words words;
  bki_words_init(&words);
  const float score[] = {1, 2};
  const uint8_t flags[] = {0, BKI_WORD_OOV};
  const int32_t selected[] = {1, 0};
  bki_store_state state = *bki_store_get_state(store);
  bki_sample sample = {.index = state.n_records, .label = -1, .words = &words, .score = score, .word_flags = flags};
  if (state.n_records < INT64_MAX && state.n_samples < INT64_MAX &&
      bki_words_split(&words, (bki_str){"two words", 9}, NULL) == BKI_OK &&
      bki_store_add(store, &sample, selected, 2, NULL) == BKI_OK) {
    state.n_records++;
    state.n_samples++;
    bki_store_commit(store, &state, NULL);
  }
  bki_words_clear(&words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (path[0] == '\0') {
    const char *directory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : P_tmpdir; /* memory: commits sync */
    snprintf(path, sizeof path, "%s/bki-fuzz-store-%ld", directory, (long)getpid());
    atexit(remove_files);
  }
  remove_files();
  FILE *file = fopen(path, "wb");
  if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
    abort();
  }
  bki_store *store;
  if (bki_store_open(&store, path, NULL) == BKI_OK) {
    read_everything(store);
    bki_store_close(store);
  }
  if (bki_store_open_to_judge(&store, path, NULL) == BKI_OK) {
    judge(store);
    bki_store_close(store);
  }
  const bki_store_identity identity = {"model", "corpus", "scorer", "skip", NULL};
  const char *const classes[] = {"a", "b"};
  if (bki_store_create(&store, path, &identity, 2, classes, NULL) == BKI_OK) {
    go_on(store);
    bki_store_close(store);
  }
  return 0;
}
