#include "store_schema.h"

#include <stdio.h>
#include <string.h>

#include "fail.h"

typedef struct object {
  const char *type;
  const char *name;
  const char *sql; /* spelled as SQLite keeps it, so that stored and expected text can be compared */
} object;

/* Wide columns stand last: SQLite reads a row from its start. Views come last and are for people only. */
static const object objects[] = {
    {"table", "setting", "CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"},
    {"table", "class", "CREATE TABLE class (idx INTEGER PRIMARY KEY, name TEXT NOT NULL)"},
    {"table", "progress",
     "CREATE TABLE progress (one INTEGER PRIMARY KEY CHECK (one = 1), n_records INTEGER NOT NULL,"
     " n_samples INTEGER NOT NULL, n_skipped INTEGER NOT NULL, work INTEGER NOT NULL,"
     " corpus_fingerprint TEXT NOT NULL, complete INTEGER NOT NULL)"},
    {"table", "sample",
     "CREATE TABLE sample (idx INTEGER PRIMARY KEY, id TEXT, label INTEGER REFERENCES class (idx),"
     " predicted INTEGER NOT NULL REFERENCES class (idx), n_words INTEGER NOT NULL, selected TEXT NOT NULL,"
     " words TEXT NOT NULL, scores BLOB NOT NULL, increments BLOB, word_flags BLOB NOT NULL)"},
    {"index", "sample_id", "CREATE UNIQUE INDEX sample_id ON sample (id)"},
    {"table", "skipped",
     "CREATE TABLE skipped (idx INTEGER PRIMARY KEY, file TEXT NOT NULL, line INTEGER, byte INTEGER,"
     " reason TEXT NOT NULL)"},
    {"view", "selected_word",
     "CREATE VIEW selected_word AS SELECT s.idx, s.id, l.name AS label, p.name AS predicted, j.key + 1 AS rank,"
     " json_extract(j.value, '$[0]') AS position, json_extract(j.value, '$[1]') AS word,"
     " json_extract(j.value, '$[2]') AS score FROM sample s JOIN json_each(s.selected) j"
     " LEFT JOIN class l ON l.idx = s.label LEFT JOIN class p ON p.idx = s.predicted"},
    {"view", "sample_summary",
     "CREATE VIEW sample_summary AS SELECT s.idx, s.id, l.name AS label, p.name AS predicted, s.n_words,"
     " (SELECT group_concat(json_extract(j.value, '$[1]'), ' ') FROM json_each(s.selected) j) AS selected"
     " FROM sample s LEFT JOIN class l ON l.idx = s.label LEFT JOIN class p ON p.idx = s.predicted"},
};
enum { N_OBJECTS = sizeof objects / sizeof objects[0] };

bki_status bki_store_schema_create(bki_store *store, bki_error *err) {
  static const char what[] = "create the tables";
  char sql[64];
  snprintf(sql, sizeof sql, "PRAGMA application_id = %d", BKI_STORE_APPLICATION_ID);
  BKI_TRY(bki_store_exec(store, sql, what, err));
  snprintf(sql, sizeof sql, "PRAGMA user_version = %d", BKI_STORE_SCHEMA_VERSION);
  BKI_TRY(bki_store_exec(store, sql, what, err));
  for (size_t i = 0; i < N_OBJECTS; i++) {
    BKI_TRY(bki_store_exec(store, objects[i].sql, what, err));
  }
  return BKI_OK;
}

static bki_status read_number(bki_store *store, const char *sql, int64_t *out, bki_error *err) {
  sqlite3_stmt *statement;
  BKI_TRY(bki_store_prepare(store, sql, &statement, err));
  bool row = false;
  bki_status status = bki_store_step(store, statement, "read the schema", &row, err);
  if (status == BKI_OK) {
    *out = row ? sqlite3_column_int64(statement, 0) : 0;
  }
  sqlite3_finalize(statement);
  return status;
}

bki_status bki_store_schema_absent(bki_store *store, bool *absent, bki_error *err) {
  int64_t application_id;
  int64_t n_objects;
  BKI_TRY(read_number(store, "PRAGMA application_id", &application_id, err));
  BKI_TRY(read_number(store, "SELECT count(*) FROM sqlite_schema", &n_objects, err));
  *absent = application_id == 0 && n_objects == 0;
  return BKI_OK;
}

static bki_status check_object(bki_store *store, sqlite3_stmt *statement, const object *expected, bki_error *err) {
  sqlite3_reset(statement);
  sqlite3_bind_text(statement, 1, expected->name, -1, SQLITE_STATIC);
  bool row;
  BKI_TRY(bki_store_step(store, statement, "read the schema", &row, err));
  if (!row) {
    return bki_store_damaged(store, err, "%s %s is missing", expected->type, expected->name);
  }
  bki_str sql;
  BKI_TRY(bki_store_text(store, statement, 0, true, &sql, err));
  if (sql.size != strlen(expected->sql) || memcmp(sql.data, expected->sql, sql.size) != 0) {
    return bki_store_damaged(store, err, "%s %s is not the one of schema version %d", expected->type, expected->name,
                             BKI_STORE_SCHEMA_VERSION);
  }
  return BKI_OK;
}

bki_status bki_store_schema_check(bki_store *store, bki_error *err) {
  int64_t id;
  int64_t version;
  BKI_TRY(read_number(store, "PRAGMA application_id", &id, err));
  BKI_TRY(read_number(store, "PRAGMA user_version", &version, err));
  if (id != BKI_STORE_APPLICATION_ID) {
    return bki_store_damaged(store, err, "expected a bki store, found an SQLite database of something else");
  }
  if (version != BKI_STORE_SCHEMA_VERSION) {
    return bki_store_damaged(store, err, "expected store schema version %d, found %lld%s", BKI_STORE_SCHEMA_VERSION,
                             (long long)version,
                             version > BKI_STORE_SCHEMA_VERSION ? ": made by a newer version of bki" : "");
  }
  sqlite3_stmt *statement;
  BKI_TRY(bki_store_prepare(store, "SELECT sql FROM sqlite_schema WHERE name = ?", &statement, err));
  bki_status status = BKI_OK;
  for (size_t i = 0; i < N_OBJECTS && status == BKI_OK; i++) {
    if (strcmp(objects[i].type, "view") != 0) {
      status = check_object(store, statement, &objects[i], err);
    }
  }
  sqlite3_finalize(statement);
  return status;
}
