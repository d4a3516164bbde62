#include <bki/store.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "array.h"
#include "fail.h"
#include "store_internal.h"
#include "store_schema.h"

enum { MAX_CLASSES = 1 << 16 };

bki_status bki_store_new(bki_store **out, const char *path, bki_error *err) {
  bki_store *store = bki_array_create(1, sizeof *store);
  if (store == NULL) {
    return bki_fail_memory(err);
  }
  store->path = strdup(path);
  store->arena = bki_arena_create();
  bki_status status = bki_strmap_create(&store->settings, sizeof(const char *), err);
  if (status == BKI_OK && (store->path == NULL || store->arena == NULL)) {
    status = bki_fail_memory(err);
  }
  if (status != BKI_OK) {
    bki_store_close(store);
    return status;
  }
  *out = store;
  return BKI_OK;
}

static void close_database(bki_store *store) {
  for (int i = 0; i < STORE_N_STATEMENTS; i++) {
    sqlite3_finalize(store->statements[i]);
  }
  sqlite3_close_v2(store->db);
  store->db = NULL;
}

void bki_store_close(bki_store *store) {
  if (store == NULL) {
    return;
  }
  close_database(store);
  bki_strmap_destroy(store->settings);
  bki_arena_destroy(store->arena);
  free(store->classes);
  free(store->blob);
  free(store->path);
  free(store);
}

/* SQLite, not allowed to create, tries to read and says that there is no such file. */
static bki_status check_directory(const char *path, bki_error *err) {
  char *directory = strdup(path);
  if (directory == NULL) {
    return bki_fail_memory(err);
  }
  char *slash = strrchr(directory, '/');
  if (slash != NULL) {
    slash[slash == directory] = '\0';
  }
  bool ok = euidaccess(slash == NULL ? "." : directory, W_OK | X_OK) == 0;
  bki_status status = ok ? BKI_OK : bki_fail_errno(err, path, "create the store");
  free(directory);
  return status;
}

/* SQLite would wait for ever on a FIFO and has no words for a directory. */
static bki_status check_file(const char *path, bool may_be_missing, bki_error *err) {
  struct stat info;
  if (stat(path, &info) != 0) {
    return errno == ENOENT && may_be_missing ? check_directory(path, err) : bki_fail_errno(err, path, "open the store");
  }
  if (!S_ISREG(info.st_mode)) {
    return bki_fail_at(err, BKI_E_IO, path, 0, -1, "expected a regular file");
  }
  return BKI_OK;
}

/* The file may come from elsewhere: nothing in it is trusted to be run. */
static void distrust(sqlite3 *db) {
  static const struct {
    int option;
    int value;
  } options[] = {{SQLITE_DBCONFIG_DEFENSIVE, 1},
                 {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
                 {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
                 {SQLITE_DBCONFIG_ENABLE_VIEW, 0}};
  for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
    sqlite3_db_config(db, options[i].option, options[i].value, NULL);
  }
  sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, 100 * 1000);
  sqlite3_limit(db, SQLITE_LIMIT_VDBE_OP, 25 * 1000);
}

bki_status bki_store_connect(bki_store *store, int flags, bki_error *err) {
  BKI_TRY(check_file(store->path, (flags & SQLITE_OPEN_CREATE) != 0, err));
  /* A path is a path: SQLite gives "file:...", ":memory:" and "" meanings of their own. */
  char *path = sqlite3_mprintf("%s%s", store->path[0] == '/' ? "" : "./", store->path);
  if (path == NULL) {
    return bki_fail_memory(err);
  }
  int code = sqlite3_open_v2(path, &store->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
  sqlite3_free(path);
  if (store->db == NULL) {
    return bki_fail_memory(err);
  }
  if (code != SQLITE_OK) {
    return bki_store_fail(store, err, "open the store");
  }
  distrust(store->db);
  sqlite3_busy_timeout(store->db, BKI_STORE_BUSY_MS);
  return bki_store_exec(store, "PRAGMA cell_size_check = ON; PRAGMA cache_size = -16384", "open the store", err);
}

static bki_status load_settings(bki_store *store, sqlite3_stmt *statement, bki_error *err) {
  for (;;) {
    bool row;
    BKI_TRY(bki_store_step(store, statement, "read the settings", &row, err));
    if (!row) {
      return BKI_OK;
    }
    bki_str key;
    bki_str value;
    BKI_TRY(bki_store_text(store, statement, 0, false, &key, err));
    BKI_TRY(bki_store_text(store, statement, 1, false, &value, err));
    const char **slot;
    bool added;
    BKI_TRY(bki_strmap_put(store->settings, key, &slot, &added, err));
    if (!added) { /* a damaged tree may lead in circles */
      return bki_store_damaged(store, err, "table setting: expected each key once");
    }
    *slot = bki_arena_copy(store->arena, value.data, value.size);
    if (*slot == NULL) {
      return bki_fail_memory(err);
    }
  }
}

static bki_status load_classes(bki_store *store, sqlite3_stmt *statement, bki_error *err) {
  size_t capacity = 0;
  for (;;) {
    bool row;
    BKI_TRY(bki_store_step(store, statement, "read the classes", &row, err));
    if (!row) {
      return store->n_classes > 0 ? BKI_OK : bki_store_damaged(store, err, "expected classes, found none");
    }
    int64_t index;
    bki_str name;
    BKI_TRY(bki_store_integer(store, statement, 0, store->n_classes, store->n_classes, &index, err));
    BKI_TRY(bki_store_text(store, statement, 1, false, &name, err));
    if (index == MAX_CLASSES) {
      return bki_store_damaged(store, err, "expected at most %d classes, found more", MAX_CLASSES);
    }
    BKI_TRY(bki_array_reserve(&store->classes, &capacity, (size_t)index + 1, sizeof *store->classes, err));
    store->classes[index] = bki_arena_copy(store->arena, name.data, name.size);
    if (store->classes[index] == NULL) {
      return bki_fail_memory(err);
    }
    store->n_classes++;
  }
}

static bki_status load_progress(bki_store *store, sqlite3_stmt *statement, bki_error *err) {
  bool row;
  BKI_TRY(bki_store_step(store, statement, "read the progress", &row, err));
  if (!row) {
    return bki_store_damaged(store, err, "table progress is empty");
  }
  bki_store_state *state = &store->state;
  int64_t *const counts[] = {&state->n_records, &state->n_samples, &state->n_skipped, &state->work};
  for (int i = 0; i < 4; i++) {
    BKI_TRY(bki_store_integer(store, statement, i, 0, INT64_MAX, counts[i], err));
  }
  bki_str fingerprint;
  BKI_TRY(bki_store_text(store, statement, 4, false, &fingerprint, err));
  if (fingerprint.size != 0 && fingerprint.size != sizeof state->corpus_prefix_fingerprint - 1) {
    return bki_store_damaged(store, err, "column corpus_fingerprint: expected 32 digits, found %zu bytes",
                             fingerprint.size);
  }
  memcpy(state->corpus_prefix_fingerprint, fingerprint.data, fingerprint.size);
  int64_t complete;
  int64_t first;
  int64_t last;
  BKI_TRY(bki_store_integer(store, statement, 5, 0, 1, &complete, err));
  BKI_TRY(bki_store_integer(store, statement, 6, 0, state->n_records, &first, err));
  BKI_TRY(bki_store_integer(store, statement, 7, -1, state->n_records - 1, &last, err));
  state->complete = complete == 1;
  return BKI_OK;
}

bki_status bki_store_load(bki_store *store, bki_error *err) {
  static const struct {
    const char *sql;
    bki_status (*load)(bki_store *, sqlite3_stmt *, bki_error *);
  } parts[] = {
      {"SELECT key, value FROM setting ORDER BY key", load_settings},
      {"SELECT idx, name FROM class ORDER BY idx", load_classes},
      {"SELECT n_records, n_samples, n_skipped, work, corpus_fingerprint, complete,"
       " min(n_records, ifnull((SELECT min(idx) FROM sample), 0), ifnull((SELECT min(idx) FROM skipped), 0))"
       " AS first_record,"
       " max(-1, ifnull((SELECT max(idx) FROM sample), -1), ifnull((SELECT max(idx) FROM skipped), -1))"
       " AS last_record FROM progress",
       load_progress},
  };
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    sqlite3_stmt *statement;
    BKI_TRY(bki_store_prepare(store, parts[i].sql, &statement, err));
    bki_status status = parts[i].load(store, statement, err);
    sqlite3_finalize(statement);
    BKI_TRY(status);
  }
  return BKI_OK;
}

static bki_status open_to_read(bki_store *store, bki_error *err) {
  bki_status status = bki_store_connect(store, SQLITE_OPEN_READONLY, err);
  if (status == BKI_OK || store->db == NULL || sqlite3_extended_errcode(store->db) != SQLITE_READONLY_ROLLBACK) {
    return status;
  }
  /* A killed scan left a journal: its last batch has to be rolled back before anybody can read. */
  close_database(store);
  BKI_TRY(bki_store_connect(store, SQLITE_OPEN_READWRITE, err));
  return bki_store_exec(store, "PRAGMA query_only = ON", "open the store", err);
}

bki_status bki_store_open(bki_store **out, const char *path, bki_error *err) {
  bki_store *store;
  BKI_TRY(bki_store_new(&store, path, err));
  int64_t version; /* without its tables an older store is one without a verdict */
  bki_status status;
  BKI_TRY_GOTO(status, fail, open_to_read(store, err));
  /* One transaction: a scan may commit meanwhile. */
  BKI_TRY_GOTO(status, fail, bki_store_exec(store, "BEGIN", "read the store", err));
  BKI_TRY_GOTO(status, fail, bki_store_schema_check(store, &version, err));
  BKI_TRY_GOTO(status, fail, bki_store_load(store, err));
  BKI_TRY_GOTO(status, fail, bki_store_exec(store, "COMMIT", "read the store", err));
  *out = store;
  return BKI_OK;
fail:
  bki_store_close(store);
  return status;
}

const bki_store_state *bki_store_get_state(const bki_store *store) {
  return &store->state;
}

int32_t bki_store_n_classes(const bki_store *store) {
  return store->n_classes;
}

const char *const *bki_store_classes(const bki_store *store) {
  return store->classes;
}

const char *bki_store_setting(const bki_store *store, const char *key) {
  const char **value = bki_strmap_get(store->settings, (bki_str){key, strlen(key)});
  return value == NULL ? NULL : *value;
}
