#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "fail.h"
#include "store_internal.h"

struct bki_store_cursor {
  bki_store *store;
  sqlite3_stmt *statement;
  int64_t last_index; /* of the row before */
  bki_words words;
  float *numbers; /* scores, then increments */
  size_t numbers_capacity;
};

enum {
  COLUMN_IDX,
  COLUMN_ID,
  COLUMN_LABEL,
  COLUMN_PREDICTED,
  COLUMN_N_WORDS,
  COLUMN_WORDS,
  COLUMN_SCORES,
  COLUMN_INCREMENTS,
  COLUMN_FLAGS
};

bki_status bki_store_cursor_open(bki_store_cursor **out, bki_store *store, int64_t first_index, bki_error *err) {
  bki_store_cursor *cursor = bki_array_create(1, sizeof *cursor);
  if (cursor == NULL) {
    return bki_fail_memory(err);
  }
  cursor->store = store;
  cursor->last_index = -1;
  bki_words_init(&cursor->words);
  bki_status status = bki_store_prepare(store,
                                        "SELECT idx, id, label, predicted, n_words, words, scores, increments,"
                                        " word_flags FROM sample WHERE idx >= ? ORDER BY idx",
                                        &cursor->statement, err);
  if (status != BKI_OK) {
    bki_store_cursor_close(cursor);
    return status;
  }
  sqlite3_bind_int64(cursor->statement, 1, first_index);
  *out = cursor;
  return BKI_OK;
}

void bki_store_cursor_close(bki_store_cursor *cursor) {
  if (cursor == NULL) {
    return;
  }
  sqlite3_finalize(cursor->statement);
  bki_words_clear(&cursor->words);
  free(cursor->numbers);
  free(cursor);
}

/* An integer column, or `missing` where it is NULL. */
static bki_status read_integer(const bki_store *store, sqlite3_stmt *statement, int column, int64_t missing,
                               int64_t max, int64_t *out, bki_error *err) {
  if (sqlite3_column_type(statement, column) == SQLITE_NULL) {
    *out = missing;
    return BKI_OK;
  }
  return bki_store_integer(store, statement, column, 0, max, out, err);
}

/* A blob of exactly `bytes`, borrowed until the next step. */
static bki_status read_blob(const bki_store_cursor *cursor, int column, size_t bytes, const void **out,
                            bki_error *err) {
  const char *name = sqlite3_column_name(cursor->statement, column);
  if (sqlite3_column_type(cursor->statement, column) != SQLITE_BLOB) {
    return bki_store_damaged(cursor->store, err, "column %s: expected a blob, found another type", name);
  }
  *out = sqlite3_column_blob(cursor->statement, column); /* NULL when it is empty */
  size_t size = (size_t)sqlite3_column_bytes(cursor->statement, column);
  if (size != bytes) {
    return bki_store_damaged(cursor->store, err, "column %s: expected %zu bytes, found %zu", name, bytes, size);
  }
  return *out == NULL && bytes > 0 ? bki_fail_memory(err) : BKI_OK;
}

static bki_status read_floats(const bki_store_cursor *cursor, int column, float *out, bki_error *err) {
  size_t n = (size_t)cursor->words.n_words;
  const void *blob;
  BKI_TRY(read_blob(cursor, column, n * sizeof *out, &blob, err));
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, (const unsigned char *)blob + i * sizeof bits, sizeof bits);
    bits = le32toh(bits);
    memcpy(&out[i], &bits, sizeof bits);
  }
  size_t bad = bki_store_bad_score(out, n);
  return bad == n ? BKI_OK
                  : bki_store_damaged(cursor->store, err, "column %s: expected finite numbers from 0 on, found %g",
                                      sqlite3_column_name(cursor->statement, column), (double)out[bad]);
}

static bki_status read_words(bki_store_cursor *cursor, bki_error *err) {
  const bki_store *store = cursor->store;
  int64_t n_words;
  bki_str text;
  BKI_TRY(bki_store_integer(store, cursor->statement, COLUMN_N_WORDS, 0, INT32_MAX, &n_words, err));
  BKI_TRY(bki_store_text(store, cursor->statement, COLUMN_WORDS, false, &text, err));
  BKI_TRY(bki_words_split(&cursor->words, text, err));
  if (cursor->words.n_words != n_words) {
    return bki_store_damaged(store, err, "column words: expected %lld words, found %d", (long long)n_words,
                             cursor->words.n_words);
  }
  if (cursor->words.n_bytes != text.size) {
    return bki_store_damaged(store, err, "column words: expected single spaces between words, found others");
  }
  return BKI_OK;
}

/* words, scores, increments and flags of the row. */
static bki_status read_arrays(bki_store_cursor *cursor, bki_sample *sample, bki_error *err) {
  BKI_TRY(read_words(cursor, err));
  size_t n = (size_t)cursor->words.n_words;
  size_t need;
  if (!bki_size_mul(n, 2, &need)) {
    return bki_fail_memory(err);
  }
  BKI_TRY(bki_array_reserve(&cursor->numbers, &cursor->numbers_capacity, need + 1, sizeof *cursor->numbers, err));
  sample->words = &cursor->words;
  sample->score = cursor->numbers;
  BKI_TRY(read_floats(cursor, COLUMN_SCORES, cursor->numbers, err));
  if (sqlite3_column_type(cursor->statement, COLUMN_INCREMENTS) != SQLITE_NULL) {
    sample->increment = cursor->numbers + n;
    BKI_TRY(read_floats(cursor, COLUMN_INCREMENTS, cursor->numbers + n, err));
  }
  const void *flags;
  BKI_TRY(read_blob(cursor, COLUMN_FLAGS, n, &flags, err));
  sample->word_flags = flags;
  return BKI_OK;
}

static bki_status read_sample(bki_store_cursor *cursor, bki_sample *sample, bki_error *err) {
  const bki_store *store = cursor->store;
  sqlite3_stmt *row = cursor->statement;
  int64_t label;
  int64_t predicted;
  /* Ascending: a damaged tree may lead in circles. */
  BKI_TRY(bki_store_integer(store, row, COLUMN_IDX, cursor->last_index + 1, INT64_MAX - 1, &sample->index, err));
  BKI_TRY(bki_store_text(store, row, COLUMN_ID, true, &sample->id, err));
  BKI_TRY(read_integer(store, row, COLUMN_LABEL, -1, store->n_classes - 1, &label, err));
  BKI_TRY(bki_store_integer(store, row, COLUMN_PREDICTED, 0, store->n_classes - 1, &predicted, err));
  sample->label = (int32_t)label;
  sample->predicted = (int32_t)predicted;
  cursor->last_index = sample->index;
  return read_arrays(cursor, sample, err);
}

bki_status bki_store_cursor_next(bki_store_cursor *cursor, bki_sample *out, bool *end, bki_error *err) {
  bool row;
  BKI_TRY(bki_store_step(cursor->store, cursor->statement, "read the samples", &row, err));
  if (row) {
    bki_sample sample = {0};
    bki_error cause = {0};
    bki_status status = read_sample(cursor, &sample, &cause);
    if (status != BKI_OK) {
      long long index = (long long)sqlite3_column_int64(cursor->statement, COLUMN_IDX);
      return bki_fail_at(err, status, cursor->store->path, 0, -1, "sample %lld: %s", index, cause.message);
    }
    *out = sample;
  }
  *end = !row;
  return BKI_OK;
}

/* A record index in decimal, or -1. */
static int64_t parse_index(bki_str text) {
  int64_t value = 0;
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
        __builtin_add_overflow(value, text.data[i] - '0', &value)) {
      return -1;
    }
  }
  return text.size == 0 ? -1 : value;
}

static bki_status index_of_id(bki_store *store, bki_str id, int64_t *out, bki_error *err) {
  sqlite3_stmt *statement;
  BKI_TRY(bki_store_prepare(store, "SELECT idx FROM sample WHERE id = ?", &statement, err));
  sqlite3_bind_text64(statement, 1, id.size == 0 ? "" : id.data, id.size, SQLITE_STATIC, SQLITE_UTF8);
  bool row;
  bki_status status = bki_store_step(store, statement, "look up an id", &row, err);
  if (status == BKI_OK) {
    *out = row ? sqlite3_column_int64(statement, 0) : -1;
  }
  sqlite3_finalize(statement);
  return status;
}

bki_status bki_store_find(bki_store *store, bki_str id_or_index, bki_store_cursor **cursor, bki_sample *out,
                          bki_error *err) {
  int64_t index;
  BKI_TRY(index_of_id(store, id_or_index, &index, err));
  if (index < 0) {
    index = parse_index(id_or_index);
  }
  bki_store_cursor *opened = NULL;
  bki_sample sample;
  bool end = index < 0;
  bki_status status = BKI_OK;
  if (!end) {
    BKI_TRY(bki_store_cursor_open(&opened, store, index, err));
    status = bki_store_cursor_next(opened, &sample, &end, err);
  }
  if (status == BKI_OK && (end || sample.index != index)) {
    char quoted[BKI_QUOTE_SIZE];
    status = bki_fail_at(err, BKI_E_USAGE, store->path, 0, -1, "no sample has the id or the record index %s",
                         bki_quote(quoted, id_or_index));
  }
  if (status != BKI_OK) {
    bki_store_cursor_close(opened);
    return status;
  }
  *out = sample;
  *cursor = opened;
  return BKI_OK;
}

static bki_status read_skipped(const bki_store *store, sqlite3_stmt *row, bki_skipped *out, bki_error *err) {
  bki_str file;
  bki_str reason;
  BKI_TRY(bki_store_integer(store, row, 0, out->index + 1, INT64_MAX - 1, &out->index, err));
  BKI_TRY(bki_store_text(store, row, 1, false, &file, err));
  BKI_TRY(read_integer(store, row, 2, 0, INT64_MAX, &out->line, err));
  BKI_TRY(read_integer(store, row, 3, -1, INT64_MAX, &out->byte, err));
  BKI_TRY(bki_store_text(store, row, 4, false, &reason, err));
  out->file = file.data; /* SQLite ends texts with a NUL */
  out->reason = reason.data;
  return BKI_OK;
}

bki_status bki_store_each_skipped(bki_store *store, bki_skipped_fn fn, void *user, bki_error *err) {
  sqlite3_stmt *statement;
  BKI_TRY(bki_store_prepare(store, "SELECT idx, file, line, byte, reason FROM skipped ORDER BY idx", &statement, err));
  bki_skipped skipped = {.index = -1};
  bki_status status;
  for (;;) {
    bool row;
    BKI_TRY_GOTO(status, done, bki_store_step(store, statement, "read the skipped records", &row, err));
    if (!row) {
      break;
    }
    BKI_TRY_GOTO(status, done, read_skipped(store, statement, &skipped, err));
    BKI_TRY_GOTO(status, done, fn(user, &skipped, err));
  }
done:
  sqlite3_finalize(statement);
  return status;
}
