#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistr.h>

#include "fail.h"
#include "store_internal.h"

/* The system's word on it, where there is one, for messages. */
static const char *system_reason(const bki_store *store) {
  int code = sqlite3_system_errno(store->db);
  const char *text = code == 0 ? NULL : strerrordesc_np(code);
  return text == NULL ? "" : text;
}

bki_status bki_store_fail(const bki_store *store, bki_error *err, const char *what) {
  int code = sqlite3_extended_errcode(store->db);
  bki_status status = BKI_E_IO;
  switch (code & 0xff) {
    case SQLITE_NOMEM: return bki_fail_memory(err);
    case SQLITE_NOTADB: return bki_store_damaged(store, err, "expected a bki store, found no SQLite database");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return bki_fail_at(err, BKI_E_IO, store->path, 0, -1, "cannot %s: another process holds the store", what);
    case SQLITE_CORRUPT:
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
    case SQLITE_TOOBIG:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH: status = BKI_E_DATA; break;
    case SQLITE_MISUSE:
    case SQLITE_RANGE: status = BKI_E_INTERNAL; break;
    default: break;
  }
  /* Not sqlite3_errmsg: it quotes the file, and the file may come from anywhere. */
  const char *reason = status == BKI_E_IO ? system_reason(store) : "";
  return bki_fail_at(err, status, store->path, 0, -1, "cannot %s: %s%s%s%s", what, sqlite3_errstr(code),
                     *reason == '\0' ? "" : " (", reason, *reason == '\0' ? "" : ")");
}

bki_status bki_store_damaged(const bki_store *store, bki_error *err, const char *format, ...) {
  char message[sizeof err->message];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  return bki_fail_at(err, BKI_E_DATA, store->path, 0, -1, "%s", message);
}

bki_status bki_store_exec(const bki_store *store, const char *sql, const char *what, bki_error *err) {
  return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? BKI_OK : bki_store_fail(store, err, what);
}

bki_status bki_store_prepare(const bki_store *store, const char *sql, sqlite3_stmt **out, bki_error *err) {
  return sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) == SQLITE_OK
             ? BKI_OK
             : bki_store_fail(store, err, "read the schema");
}

bki_status bki_store_step(const bki_store *store, sqlite3_stmt *statement, const char *what, bool *row,
                          bki_error *err) {
  int code = sqlite3_step(statement);
  if (code != SQLITE_ROW && code != SQLITE_DONE) {
    return bki_store_fail(store, err, what);
  }
  *row = code == SQLITE_ROW;
  return BKI_OK;
}

bki_status bki_store_text(const bki_store *store, sqlite3_stmt *statement, int column, bool nullable, bki_str *out,
                          bki_error *err) {
  const char *name = sqlite3_column_name(statement, column);
  int type = sqlite3_column_type(statement, column);
  if (type == SQLITE_NULL && nullable) {
    *out = (bki_str){0};
    return BKI_OK;
  }
  if (type != SQLITE_TEXT) {
    return bki_store_damaged(store, err, "column %s: expected text, found another type", name);
  }
  const unsigned char *data = sqlite3_column_text(statement, column);
  if (data == NULL) {
    return bki_fail_memory(err);
  }
  size_t size = (size_t)sqlite3_column_bytes(statement, column);
  if (u8_check(data, size) != NULL || memchr(data, '\0', size) != NULL) {
    return bki_store_damaged(store, err, "column %s: expected UTF-8 without NUL, found other bytes", name);
  }
  *out = (bki_str){(const char *)data, size};
  return BKI_OK;
}

bki_status bki_store_integer(const bki_store *store, sqlite3_stmt *statement, int column, int64_t min, int64_t max,
                             int64_t *out, bki_error *err) {
  const char *name = sqlite3_column_name(statement, column);
  if (sqlite3_column_type(statement, column) != SQLITE_INTEGER) {
    return bki_store_damaged(store, err, "column %s: expected an integer, found another type", name);
  }
  int64_t value = sqlite3_column_int64(statement, column);
  if (value < min || value > max) {
    return bki_store_damaged(store, err, "column %s: expected %lld to %lld, found %lld", name, (long long)min,
                             (long long)max, (long long)value);
  }
  *out = value;
  return BKI_OK;
}

bki_status bki_store_real(const bki_store *store, sqlite3_stmt *statement, int column, double min, double max,
                          double *out, bki_error *err) {
  const char *name = sqlite3_column_name(statement, column);
  if (sqlite3_column_type(statement, column) != SQLITE_FLOAT) {
    return bki_store_damaged(store, err, "column %s: expected a real number, found another type", name);
  }
  double value = sqlite3_column_double(statement, column);
  if (!(value >= min && value <= max)) {
    return bki_store_damaged(store, err, "column %s: expected %g to %g, found %g", name, min, max, value);
  }
  *out = value;
  return BKI_OK;
}

size_t bki_store_bad_score(const float *scores, size_t n) {
  size_t i = 0;
  while (i < n && scores[i] >= 0 && scores[i] < BKI_STORE_MAX_SCORE) { /* false for NaN */
    i++;
  }
  return i;
}
