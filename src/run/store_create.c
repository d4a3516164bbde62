#include <stdio.h>
#include <string.h>

#include <bki/version.h>

#include "fail.h"
#include "store_internal.h"
#include "store_schema.h"
#include "strbuf.h"

static const char *const identity_keys[] = {"model_fingerprint", "corpus_settings", "scorer_settings", "on_error"};
enum { N_IDENTITY_KEYS = sizeof identity_keys / sizeof identity_keys[0] };

static void identity_values(const bki_store_identity *identity, const char *values[N_IDENTITY_KEYS]) {
  values[0] = identity->model_fingerprint;
  values[1] = identity->corpus_settings;
  values[2] = identity->scorer_settings;
  values[3] = identity->on_error;
}

bool bki_store_is_identity(const char *key) {
  for (size_t i = 0; i < N_IDENTITY_KEYS; i++) {
    if (strcmp(key, identity_keys[i]) == 0) {
      return true;
    }
  }
  return false;
}

static bki_status insert_rows(bki_store *store, const char *sql, bool keyed, size_t n, const char *const *keys,
                              const char *const *values, bki_error *err) {
  sqlite3_stmt *statement;
  BKI_TRY(bki_store_prepare(store, sql, &statement, err));
  bki_status status = BKI_OK;
  for (size_t i = 0; i < n && status == BKI_OK; i++) {
    bool row;
    sqlite3_reset(statement);
    if (keyed) {
      sqlite3_bind_text(statement, 1, keys[i], -1, SQLITE_STATIC);
    } else {
      sqlite3_bind_int64(statement, 1, (sqlite3_int64)i);
    }
    sqlite3_bind_text(statement, 2, values[i], -1, SQLITE_STATIC);
    status = bki_store_step(store, statement, "write the settings", &row, err);
  }
  sqlite3_finalize(statement);
  return status;
}

static bki_status fill_new(bki_store *store, const bki_store_identity *identity, int32_t n_classes,
                           const char *const *classes, bki_error *err) {
  const char *values[N_IDENTITY_KEYS];
  identity_values(identity, values);
  static const char *const more_keys[] = {"bki_version"};
  const char *const more_values[] = {bki_version()};
  static const char insert_setting[] = "INSERT INTO setting (key, value) VALUES (?, ?)";
  BKI_TRY(bki_store_schema_create(store, err));
  BKI_TRY(insert_rows(store, insert_setting, true, N_IDENTITY_KEYS, identity_keys, values, err));
  BKI_TRY(insert_rows(store, insert_setting, true, 1, more_keys, more_values, err));
  BKI_TRY(
      insert_rows(store, "INSERT INTO class (idx, name) VALUES (?, ?)", false, (size_t)n_classes, NULL, classes, err));
  return bki_store_exec(store, "INSERT INTO progress VALUES (1, 0, 0, 0, 0, '', 0)", "write the progress", err);
}

/* What was "auto" may be something else today: the option that takes what the store has, or why there is none. */
static void add_advice(bki_strbuf *out, const char *stored, const char *why_fp32) {
  static const char *const options[] = {"backend=", "engine=", "precision="};
  static const char exact[] = "precision=exact ";
  if (why_fp32 != NULL && why_fp32[0] != '\0' && strncmp(stored, exact, strlen(exact)) == 0) {
    bki_strbuf_format(out, ": precision exact is fp32 here: %s", why_fp32);
    return;
  }
  for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
    const size_t n = strlen(options[i]);
    if (strncmp(stored, options[i], n) == 0) {
      char quoted[BKI_QUOTE_SIZE];
      bki_quote(quoted, (bki_str){stored + n, strcspn(stored + n, " ")});
      bki_strbuf_format(out, ": go on with --%.*s %s", (int)n - 1, options[i], quoted);
    }
  }
}

/* Settings are long texts that differ in one place: shown from the word in which they part. */
static bki_status differs(const bki_store *store, const char *what, const char *stored, const char *given,
                          const char *why_fp32, bki_error *err) {
  size_t at = 0;
  size_t word = 0;
  while (stored[at] != '\0' && stored[at] == given[at]) {
    at++;
    if (strchr(" ,;\n", stored[at - 1]) != NULL) {
      word = at;
    }
  }
  char quoted_stored[BKI_QUOTE_SIZE];
  char quoted_given[BKI_QUOTE_SIZE];
  bki_quote(quoted_stored, (bki_str){stored + word, strlen(stored + word)});
  bki_quote(quoted_given, (bki_str){given + word, strlen(given + word)});
  bki_strbuf advice = {0};
  add_advice(&advice, stored + word, why_fp32);
  const bki_status status = bki_fail_at(err, BKI_E_USAGE, store->path, 0, -1,
                                        "the store belongs to another scan: its %s has %s where this one has %s%s",
                                        what, quoted_stored, quoted_given, advice.size == 0 ? "" : advice.data);
  bki_strbuf_clear(&advice);
  return status;
}

static bki_status check_same(const bki_store *store, const bki_store_identity *identity, int32_t n_classes,
                             const char *const *classes, bki_error *err) {
  const char *given[N_IDENTITY_KEYS];
  identity_values(identity, given);
  for (size_t i = 0; i < N_IDENTITY_KEYS; i++) {
    const char *stored = bki_store_setting(store, identity_keys[i]);
    if (stored == NULL) {
      return bki_store_damaged(store, err, "setting %s is missing", identity_keys[i]);
    }
    if (strcmp(stored, given[i]) != 0) {
      return differs(store, identity_keys[i], stored, given[i], identity->why_fp32, err);
    }
  }
  if (store->n_classes != n_classes) {
    return bki_fail_at(err, BKI_E_USAGE, store->path, 0, -1,
                       "the store belongs to another scan: it has %d classes where this one has %d", store->n_classes,
                       n_classes);
  }
  for (int32_t i = 0; i < n_classes; i++) {
    if (strcmp(store->classes[i], classes[i]) != 0) {
      char what[32];
      snprintf(what, sizeof what, "class %d", i);
      return differs(store, what, store->classes[i], classes[i], NULL, err);
    }
  }
  return BKI_OK;
}

/* The file, open to write, with the writer's lock. */
static bki_status open_to_write(bki_store *store, int flags, bki_error *err) {
  BKI_TRY(bki_store_connect(store, SQLITE_OPEN_READWRITE | flags, err));
  /* A rollback journal: one file between scans, and no shared memory, which network file systems lack. */
  BKI_TRY(bki_store_exec(store, "PRAGMA page_size = 8192; PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL",
                         "open the store", err));
  return bki_store_begin_write(store, err);
}

static bki_status create(bki_store *store, const bki_store_identity *identity, int32_t n_classes,
                         const char *const *classes, bki_error *err) {
  bool absent;
  int64_t version;
  BKI_TRY(open_to_write(store, SQLITE_OPEN_CREATE, err));
  BKI_TRY(bki_store_schema_absent(store, &absent, err));
  if (absent) {
    BKI_TRY(fill_new(store, identity, n_classes, classes, err));
  }
  BKI_TRY(bki_store_schema_check(store, &version, err));
  BKI_TRY(bki_store_load(store, err));
  if (!absent) {
    BKI_TRY(check_same(store, identity, n_classes, classes, err));
    return bki_store_schema_migrate(store, version, err);
  }
  BKI_TRY(bki_store_exec(store, "COMMIT", "write the store", err));
  return bki_store_begin_write(store, err);
}

bki_status bki_store_create(bki_store **out, const char *path, const bki_store_identity *identity, int32_t n_classes,
                            const char *const *classes, bki_error *err) {
  if (n_classes < 1) {
    return bki_fail(err, BKI_E_USAGE, "expected at least 1 class, found %d", n_classes);
  }
  bki_store *store;
  BKI_TRY(bki_store_new(&store, path, err));
  store->writing = true;
  bki_status status = create(store, identity, n_classes, classes, err);
  if (status != BKI_OK) {
    bki_store_close(store);
    return status;
  }
  *out = store;
  return BKI_OK;
}

bki_status bki_store_open_to_judge(bki_store **out, const char *path, bki_error *err) {
  bki_store *store;
  BKI_TRY(bki_store_new(&store, path, err));
  store->writing = true;
  int64_t version;
  bki_status status;
  BKI_TRY_GOTO(status, fail, open_to_write(store, 0, err));
  BKI_TRY_GOTO(status, fail, bki_store_schema_check(store, &version, err));
  BKI_TRY_GOTO(status, fail, bki_store_load(store, err));
  BKI_TRY_GOTO(status, fail, bki_store_schema_migrate(store, version, err));
  *out = store;
  return BKI_OK;
fail:
  bki_store_close(store);
  return status;
}
