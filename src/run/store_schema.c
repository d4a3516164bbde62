#include "store_schema.h"

#include <stdio.h>
#include <string.h>

#include "fail.h"

typedef struct object {
  int since; /* the schema version that brought it */
  const char *type;
  const char *name;
  const char *sql; /* spelled as SQLite keeps it, so that stored and expected text can be compared */
} object;

/* By version, in the order in which they are made. Wide columns stand last: SQLite reads a row from its start. Views
 * are for people only. */
static const object objects[] = {
    {1, "table", "setting", "CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"},
    {1, "table", "class", "CREATE TABLE class (idx INTEGER PRIMARY KEY, name TEXT NOT NULL)"},
    {1, "table", "progress",
     "CREATE TABLE progress (one INTEGER PRIMARY KEY CHECK (one = 1), n_records INTEGER NOT NULL,"
     " n_samples INTEGER NOT NULL, n_skipped INTEGER NOT NULL, work INTEGER NOT NULL,"
     " corpus_fingerprint TEXT NOT NULL, complete INTEGER NOT NULL)"},
    {1, "table", "sample",
     "CREATE TABLE sample (idx INTEGER PRIMARY KEY, id TEXT, label INTEGER REFERENCES class (idx),"
     " predicted INTEGER NOT NULL REFERENCES class (idx), n_words INTEGER NOT NULL, selected TEXT NOT NULL,"
     " words TEXT NOT NULL, scores BLOB NOT NULL, increments BLOB, word_flags BLOB NOT NULL)"},
    {1, "index", "sample_id", "CREATE UNIQUE INDEX sample_id ON sample (id)"},
    {1, "table", "skipped",
     "CREATE TABLE skipped (idx INTEGER PRIMARY KEY, file TEXT NOT NULL, line INTEGER, byte INTEGER,"
     " reason TEXT NOT NULL)"},
    {1, "view", "selected_word",
     "CREATE VIEW selected_word AS SELECT s.idx, s.id, l.name AS label, p.name AS predicted, j.key + 1 AS rank,"
     " json_extract(j.value, '$[0]') AS position, json_extract(j.value, '$[1]') AS word,"
     " json_extract(j.value, '$[2]') AS score FROM sample s JOIN json_each(s.selected) j"
     " LEFT JOIN class l ON l.idx = s.label LEFT JOIN class p ON p.idx = s.predicted"},
    {1, "view", "sample_summary",
     "CREATE VIEW sample_summary AS SELECT s.idx, s.id, l.name AS label, p.name AS predicted, s.n_words,"
     " (SELECT group_concat(json_extract(j.value, '$[1]'), ' ') FROM json_each(s.selected) j) AS selected"
     " FROM sample s LEFT JOIN class l ON l.idx = s.label LEFT JOIN class p ON p.idx = s.predicted"},
    {2, "table", "evidence",
     "CREATE TABLE evidence (one INTEGER PRIMARY KEY CHECK (one = 1), verdict TEXT NOT NULL,"
     " too_small INTEGER NOT NULL, n_samples INTEGER NOT NULL, n_rounds INTEGER NOT NULL,"
     " n_candidates INTEGER NOT NULL, n_phrases INTEGER NOT NULL, n_texts INTEGER NOT NULL, settings TEXT NOT NULL)"},
    {2, "table", "finding",
     "CREATE TABLE finding (idx INTEGER PRIMARY KEY, verdict TEXT NOT NULL, phrase TEXT NOT NULL,"
     " n_words INTEGER NOT NULL, target INTEGER NOT NULL REFERENCES class (idx), keyword TEXT NOT NULL,"
     " rank INTEGER NOT NULL, round INTEGER NOT NULL, flips_hits INTEGER NOT NULL, flips_n INTEGER NOT NULL,"
     " flips_alike_hits INTEGER NOT NULL, flips_alike_n INTEGER NOT NULL, purity_hits INTEGER NOT NULL,"
     " purity_n INTEGER NOT NULL, removal_hits INTEGER NOT NULL, removal_n INTEGER NOT NULL,"
     " removal_controls_hits INTEGER NOT NULL, removal_controls_n INTEGER NOT NULL, insertion_hits INTEGER NOT NULL,"
     " insertion_n INTEGER NOT NULL, controls_hits INTEGER NOT NULL, controls_n INTEGER NOT NULL, prior REAL NOT NULL,"
     " purity_p REAL NOT NULL, insertion_p REAL NOT NULL, n_flagged INTEGER NOT NULL)"},
    {2, "table", "flagged",
     "CREATE TABLE flagged (idx INTEGER PRIMARY KEY REFERENCES sample (idx),"
     " finding INTEGER NOT NULL REFERENCES finding (idx), position INTEGER NOT NULL, n_words INTEGER NOT NULL,"
     " edits INTEGER NOT NULL, reason TEXT NOT NULL, confidence REAL NOT NULL)"},
    {2, "view", "flagged_sample",
     "CREATE VIEW flagged_sample AS SELECT f.idx, s.id, l.name AS label, p.name AS predicted, d.verdict, d.phrase,"
     " t.name AS target, f.position, f.n_words, f.edits, f.reason, f.confidence FROM flagged f"
     " JOIN finding d ON d.idx = f.finding JOIN sample s ON s.idx = f.idx LEFT JOIN class l ON l.idx = s.label"
     " LEFT JOIN class p ON p.idx = s.predicted LEFT JOIN class t ON t.idx = d.target"},
};
enum { N_OBJECTS = sizeof objects / sizeof objects[0] };

/* Makes the objects that came after `version` and sets the version. */
static bki_status bring_up(bki_store *store, int64_t version, bki_error *err) {
  static const char what[] = "create the tables";
  char sql[64];
  snprintf(sql, sizeof sql, "PRAGMA user_version = %d", BKI_STORE_SCHEMA_VERSION);
  BKI_TRY(bki_store_exec(store, sql, what, err));
  for (size_t i = 0; i < N_OBJECTS; i++) {
    if (objects[i].since > version) {
      BKI_TRY(bki_store_exec(store, objects[i].sql, what, err));
    }
  }
  return BKI_OK;
}

bki_status bki_store_schema_create(bki_store *store, bki_error *err) {
  char sql[64];
  snprintf(sql, sizeof sql, "PRAGMA application_id = %d", BKI_STORE_APPLICATION_ID);
  BKI_TRY(bki_store_exec(store, sql, "create the tables", err));
  return bring_up(store, 0, err);
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

/* Looks for objects by name; the result's column is their SQL. */
static bki_status prepare_lookup(bki_store *store, sqlite3_stmt **out, bki_error *err) {
  return bki_store_prepare(store, "SELECT sql FROM sqlite_schema WHERE name = ? COLLATE NOCASE", out, err);
}

static bki_status look_up(bki_store *store, sqlite3_stmt *statement, const object *which, bool *row, bki_error *err) {
  sqlite3_reset(statement);
  sqlite3_bind_text(statement, 1, which->name, -1, SQLITE_STATIC);
  return bki_store_step(store, statement, "read the schema", row, err);
}

static bki_status check_object(bki_store *store, sqlite3_stmt *statement, const object *expected, int64_t version,
                               bki_error *err) {
  bool row;
  BKI_TRY(look_up(store, statement, expected, &row, err));
  if (!row) {
    return bki_store_damaged(store, err, "%s %s is missing", expected->type, expected->name);
  }
  bki_str sql;
  BKI_TRY(bki_store_text(store, statement, 0, true, &sql, err));
  if (sql.size != strlen(expected->sql) || memcmp(sql.data, expected->sql, sql.size) != 0) {
    return bki_store_damaged(store, err, "%s %s is not the one of schema version %lld", expected->type, expected->name,
                             (long long)version);
  }
  return BKI_OK;
}

static bki_status check_version(bki_store *store, int64_t *version, bki_error *err) {
  int64_t id;
  BKI_TRY(read_number(store, "PRAGMA application_id", &id, err));
  BKI_TRY(read_number(store, "PRAGMA user_version", version, err));
  if (id != BKI_STORE_APPLICATION_ID) {
    return bki_store_damaged(store, err, "expected a bki store, found an SQLite database of something else");
  }
  if (*version < 1 || *version > BKI_STORE_SCHEMA_VERSION) {
    return bki_store_damaged(store, err, "expected store schema version 1 to %d, found %lld%s",
                             BKI_STORE_SCHEMA_VERSION, (long long)*version,
                             *version > BKI_STORE_SCHEMA_VERSION ? ": made by a newer version of bki" : "");
  }
  return BKI_OK;
}

bki_status bki_store_schema_check(bki_store *store, int64_t *version, bki_error *err) {
  BKI_TRY(check_version(store, version, err));
  sqlite3_stmt *statement;
  BKI_TRY(prepare_lookup(store, &statement, err));
  bki_status status = BKI_OK;
  for (size_t i = 0; i < N_OBJECTS && status == BKI_OK; i++) {
    if (objects[i].since <= *version && strcmp(objects[i].type, "view") != 0) {
      status = check_object(store, statement, &objects[i], *version, err);
    }
  }
  sqlite3_finalize(statement);
  return status;
}

/* Somebody's own table may have a name that a later version takes. */
static bki_status check_names_free(bki_store *store, int64_t version, bki_error *err) {
  sqlite3_stmt *statement;
  BKI_TRY(prepare_lookup(store, &statement, err));
  bki_status status = BKI_OK;
  for (size_t i = 0; i < N_OBJECTS && status == BKI_OK; i++) {
    bool row = false;
    if (objects[i].since > version) {
      status = look_up(store, statement, &objects[i], &row, err);
    }
    if (row) {
      status = bki_store_damaged(store, err,
                                 "the store has a %s of somebody's own, which schema version %d needs: "
                                 "rename it",
                                 objects[i].name, BKI_STORE_SCHEMA_VERSION);
    }
  }
  sqlite3_finalize(statement);
  return status;
}

bki_status bki_store_schema_migrate(bki_store *store, int64_t version, bki_error *err) {
  if (version == BKI_STORE_SCHEMA_VERSION) {
    return BKI_OK;
  }
  BKI_TRY(check_names_free(store, version, err));
  BKI_TRY(bring_up(store, version, err));
  BKI_TRY(bki_store_exec(store, "COMMIT", "write the store", err));
  return bki_store_begin_write(store, err);
}
