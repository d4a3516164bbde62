#include <assert.h>
#include <endian.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

#include "array.h"
#include "fail.h"
#include "store_internal.h"

bki_status bki_store_begin_write(bki_store *store, bki_error *err) {
  sqlite3_busy_timeout(store->db, 0); /* a second writer is told at once */
  int code = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
  sqlite3_busy_timeout(store->db, BKI_STORE_BUSY_MS);
  if ((code & 0xff) == SQLITE_BUSY) {
    return bki_fail_at(err, BKI_E_USAGE, store->path, 0, -1, "another process is writing the store");
  }
  return code == SQLITE_OK ? BKI_OK : bki_store_fail(store, err, "write the store");
}

bki_status bki_store_check_writable(const bki_store *store, bki_error *err) {
  if (!store->writing) {
    return bki_fail_at(err, BKI_E_USAGE, store->path, 0, -1, "the store was opened to read only");
  }
  if (store->failed) {
    return bki_fail_at(err, BKI_E_IO, store->path, 0, -1,
                       "a batch was undone, or another process writes the store now: it has to be opened anew");
  }
  return BKI_OK;
}

bki_status bki_store_lose_batch(bki_store *store, bki_status status) {
  store->failed = true;
  if (!sqlite3_get_autocommit(store->db)) {
    sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
  }
  return status;
}

static bki_status statement_of(bki_store *store, store_statement which, sqlite3_stmt **out, bki_error *err) {
  static const char *const sql[STORE_N_STATEMENTS] = {
      [STORE_INSERT_SAMPLE] =
          "INSERT INTO sample (idx, id, label, predicted, n_words, selected, words, scores,"
          " increments, word_flags) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      [STORE_INSERT_SKIPPED] = "INSERT INTO skipped (idx, file, line, byte, reason) VALUES (?, ?, ?, ?, ?)",
      [STORE_HAS_ID] = "SELECT 1 FROM sample WHERE id = ?",
      [STORE_UPDATE_PROGRESS] =
          "UPDATE progress SET n_records = ?, n_samples = ?, n_skipped = ?, work = ?,"
          " corpus_fingerprint = ?, complete = ?",
      [STORE_REPLACE_SETTING] = "INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)",
  };
  if (store->statements[which] == NULL) {
    BKI_TRY(bki_store_prepare(store, sql[which], &store->statements[which], err));
  }
  *out = store->statements[which];
  return BKI_OK;
}

void bki_store_bind_str(sqlite3_stmt *statement, int parameter, bki_str text) {
  sqlite3_bind_text64(statement, parameter, text.size == 0 ? "" : text.data, text.size, SQLITE_STATIC, SQLITE_UTF8);
}

/* Runs a statement that changes something and makes it ready for the next use. */
static bki_status run(bki_store *store, sqlite3_stmt *statement, const char *what, bki_error *err) {
  bool row;
  bki_status status = bki_store_step(store, statement, what, &row, err);
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  return status == BKI_OK ? BKI_OK : bki_store_lose_batch(store, status);
}

/* [[position, "word", score], ...], best first; the caller frees it. NULL when out of memory. */
static char *selected_json(const bki_sample *sample, const int32_t *selected, int32_t n_selected) {
  json_t *array = json_array();
  bool whole = array != NULL;
  for (int32_t i = 0; i < n_selected && whole; i++) {
    bki_str word = bki_words_get(sample->words, selected[i]);
    json_t *entry = json_array();
    whole = json_array_append_new(entry, json_integer(selected[i])) == 0 &&
            json_array_append_new(entry, json_stringn(word.data, word.size)) == 0 &&
            json_array_append_new(entry, json_real((double)sample->score[selected[i]])) == 0;
    whole = json_array_append_new(array, entry) == 0 && whole;
  }
  char *text = whole ? json_dumps(array, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
  json_decref(array);
  return text;
}

static void write_floats(unsigned char *out, const float *values, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &values[i], sizeof bits);
    bits = htole32(bits);
    memcpy(out + i * sizeof bits, &bits, sizeof bits);
  }
}

/* Binds scores and increments, which lie one behind the other in store->blob. */
static bki_status bind_scores(bki_store *store, sqlite3_stmt *statement, int parameter, const bki_sample *sample,
                              bki_error *err) {
  size_t n = (size_t)sample->words->n_words;
  const float *const parts[] = {sample->score, sample->increment};
  size_t bytes;
  if (!bki_size_mul(n, 2 * sizeof(float), &bytes)) {
    return bki_fail_memory(err);
  }
  BKI_TRY(bki_array_reserve(&store->blob, &store->blob_capacity, bytes + 1, 1, err));
  for (int i = 0; i < 2 && parts[i] != NULL; i++) {
    size_t bad = bki_store_bad_score(parts[i], n);
    if (bad < n) {
      return bki_fail_at(err, BKI_E_DATA, store->path, 0, -1,
                         "record %lld: expected a finite score of word %zu from 0 on, found %g: are the model's "
                         "weights sound?",
                         (long long)sample->index, bad, (double)parts[i][bad]);
    }
    unsigned char *at = (unsigned char *)store->blob + (size_t)i * n * sizeof(float);
    write_floats(at, parts[i], n);
    sqlite3_bind_blob64(statement, parameter + i, at, n * sizeof(float), SQLITE_STATIC);
  }
  return BKI_OK;
}

static bki_status bind_sample(bki_store *store, sqlite3_stmt *statement, const bki_sample *sample, const char *selected,
                              bki_error *err) {
  sqlite3_bind_int64(statement, 1, sample->index);
  if (sample->id.data != NULL) {
    bki_store_bind_str(statement, 2, sample->id);
  }
  if (sample->label >= 0) {
    sqlite3_bind_int(statement, 3, sample->label);
  }
  sqlite3_bind_int(statement, 4, sample->predicted);
  sqlite3_bind_int(statement, 5, sample->words->n_words);
  sqlite3_bind_text(statement, 6, selected, -1, SQLITE_STATIC);
  bki_store_bind_str(statement, 7, (bki_str){sample->words->bytes, sample->words->n_bytes});
  BKI_TRY(bind_scores(store, statement, 8, sample, err));
  const void *flags = sample->words->n_words == 0 ? (const void *)"" : sample->word_flags;
  sqlite3_bind_blob64(statement, 10, flags, (sqlite3_uint64)sample->words->n_words, SQLITE_STATIC);
  return BKI_OK;
}

bki_status bki_store_add(bki_store *store, const bki_sample *sample, const int32_t *selected, int32_t n_selected,
                         bki_error *err) {
  assert(sample->label >= -1 && sample->label < store->n_classes);
  assert(sample->predicted >= 0 && sample->predicted < store->n_classes);
  BKI_TRY(bki_store_check_writable(store, err));
  sqlite3_stmt *statement;
  BKI_TRY(statement_of(store, STORE_INSERT_SAMPLE, &statement, err));
  char *json = selected_json(sample, selected, n_selected);
  if (json == NULL) {
    return bki_fail_memory(err);
  }
  bki_status status = bind_sample(store, statement, sample, json, err);
  if (status == BKI_OK) {
    status = run(store, statement, "write a sample", err);
  }
  sqlite3_clear_bindings(statement);
  free(json);
  store->n_samples_added += status == BKI_OK;
  return status;
}

/* A file name may hold any bytes, and a message may be cut within a character; the store holds UTF-8. */
static void make_utf8(char *text) {
  if (u8_check((const uint8_t *)text, strlen(text)) == NULL) {
    return;
  }
  for (; *text != '\0'; text++) {
    if ((unsigned char)*text >= 0x80) {
      *text = '?';
    }
  }
}

bki_status bki_store_add_skipped(bki_store *store, int64_t index, const bki_error *reason, bki_error *err) {
  BKI_TRY(bki_store_check_writable(store, err));
  sqlite3_stmt *statement;
  BKI_TRY(statement_of(store, STORE_INSERT_SKIPPED, &statement, err));
  bki_error printable = *reason;
  make_utf8(printable.file);
  make_utf8(printable.message);
  sqlite3_bind_int64(statement, 1, index);
  sqlite3_bind_text(statement, 2, printable.file, -1, SQLITE_STATIC);
  if (reason->line > 0) {
    sqlite3_bind_int64(statement, 3, reason->line);
  }
  if (reason->byte >= 0) {
    sqlite3_bind_int64(statement, 4, reason->byte);
  }
  sqlite3_bind_text(statement, 5, printable.message, -1, SQLITE_STATIC);
  BKI_TRY(run(store, statement, "write a skipped record", err));
  store->n_skipped_added++;
  return BKI_OK;
}

bki_status bki_store_has_id(bki_store *store, bki_str id, bool *found, bki_error *err) {
  sqlite3_stmt *statement;
  BKI_TRY(statement_of(store, STORE_HAS_ID, &statement, err));
  bki_store_bind_str(statement, 1, id);
  bki_status status = bki_store_step(store, statement, "look up an id", found, err);
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  return status;
}

bki_status bki_store_set(bki_store *store, const char *key, const char *value, bki_error *err) {
  BKI_TRY(bki_store_check_writable(store, err));
  if (bki_store_is_identity(key)) {
    return bki_fail_at(err, BKI_E_USAGE, store->path, 0, -1, "setting %s says which scan this is: it stays", key);
  }
  sqlite3_stmt *statement;
  BKI_TRY(statement_of(store, STORE_REPLACE_SETTING, &statement, err));
  const char **slot;
  BKI_TRY(bki_strmap_put(store->settings, (bki_str){key, strlen(key)}, &slot, NULL, err));
  const char *copy = bki_arena_copy(store->arena, value, strlen(value));
  if (copy == NULL) {
    return bki_fail_memory(err);
  }
  sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
  sqlite3_bind_text(statement, 2, value, -1, SQLITE_STATIC);
  BKI_TRY(run(store, statement, "write a setting", err));
  *slot = copy;
  return BKI_OK;
}

static bki_status write_progress(bki_store *store, const bki_store_state *state, bki_error *err) {
  sqlite3_stmt *statement;
  BKI_TRY(statement_of(store, STORE_UPDATE_PROGRESS, &statement, err));
  sqlite3_bind_int64(statement, 1, state->n_records);
  sqlite3_bind_int64(statement, 2, state->n_samples);
  sqlite3_bind_int64(statement, 3, state->n_skipped);
  sqlite3_bind_int64(statement, 4, state->work);
  sqlite3_bind_text(statement, 5, state->corpus_prefix_fingerprint, -1, SQLITE_STATIC);
  sqlite3_bind_int(statement, 6, state->complete);
  return run(store, statement, "write the progress", err);
}

bki_status bki_store_commit_changes(bki_store *store, bki_error *err) {
  bki_status status = bki_store_exec(store, "COMMIT", "commit", err);
  if (status != BKI_OK) {
    return bki_store_lose_batch(store, status);
  }
  /* Whoever came in between the two transactions may have changed everything: what was committed stands, no more. */
  store->failed = bki_store_begin_write(store, NULL) != BKI_OK;
  return BKI_OK;
}

bki_status bki_store_drop_evidence(bki_store *store, bki_error *err) {
  return bki_store_exec(store, "DELETE FROM flagged; DELETE FROM finding; DELETE FROM evidence", "drop the old verdict",
                        err);
}

bki_status bki_store_commit(bki_store *store, const bki_store_state *state, bki_error *err) {
  BKI_TRY(bki_store_check_writable(store, err));
  assert(state->n_samples == store->state.n_samples + store->n_samples_added);
  assert(state->n_skipped == store->state.n_skipped + store->n_skipped_added);
  BKI_TRY(write_progress(store, state, err));
  if (store->n_samples_added > 0) { /* a verdict is one on all samples */
    bki_status status = bki_store_drop_evidence(store, err);
    if (status != BKI_OK) {
      return bki_store_lose_batch(store, status);
    }
  }
  BKI_TRY(bki_store_commit_changes(store, err));
  store->state = *state;
  store->n_samples_added = 0;
  store->n_skipped_added = 0;
  return BKI_OK;
}
