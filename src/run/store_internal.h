/* What the files of the store share. */
#ifndef BKI_RUN_STORE_INTERNAL_H
#define BKI_RUN_STORE_INTERNAL_H

#include <sqlite3.h>

#include <bki/store.h>

#include "strmap.h"

enum { BKI_STORE_BUSY_MS = 60 * 1000 }; /* a commit waits for readers, a reader for a commit */

typedef enum store_statement {
  STORE_INSERT_SAMPLE,
  STORE_INSERT_SKIPPED,
  STORE_HAS_ID,
  STORE_UPDATE_PROGRESS,
  STORE_REPLACE_SETTING,
  STORE_N_STATEMENTS,
} store_statement;

struct bki_store {
  sqlite3 *db;
  char *path; /* as given, for messages */
  bool writing;
  bool failed; /* a batch or the lock was lost: no more writing */
  bki_store_state state;
  int64_t n_samples_added; /* by this batch */
  int64_t n_skipped_added;
  int32_t n_classes;
  const char **classes;
  bki_strmap *settings; /* key -> const char * */
  bki_arena *arena;     /* strings of classes and settings */
  void *blob;           /* scores on their way into a row */
  size_t blob_capacity;
  sqlite3_stmt *statements[STORE_N_STATEMENTS]; /* NULL until needed */
};

/* A store without a database yet. */
bki_status bki_store_new(bki_store **out, const char *path, bki_error *err);

/* Opens store->path with SQLITE_OPEN_ flags. */
bki_status bki_store_connect(bki_store *store, int flags, bki_error *err);

/* Reads settings, classes and progress; inside a transaction. */
bki_status bki_store_load(bki_store *store, bki_error *err);

/* Takes the writer's lock: another writer is refused, readers are not. BKI_E_USAGE: another process has it. */
bki_status bki_store_begin_write(bki_store *store, bki_error *err);

/* Before every change: BKI_OK when the store is open to write, and this handle still holds the lock and its batch. */
bki_status bki_store_check_writable(const bki_store *store, bki_error *err);

/* Undoes the batch and returns `status`. Going on with this handle would leave a hole in the samples: it refuses. */
bki_status bki_store_lose_batch(bki_store *store, bki_status status);

/* Makes what was changed durable and takes the lock again. Errors: as bki_store_commit. */
bki_status bki_store_commit_changes(bki_store *store, bki_error *err);

/* Deletes the verdict; the caller commits. */
bki_status bki_store_drop_evidence(bki_store *store, bki_error *err);

/* Whether `key` is part of the identity, which bki_store_set leaves alone. */
bool bki_store_is_identity(const char *key);

/* Raises what SQLite last said about `what` ("read the samples"). */
bki_status bki_store_fail(const bki_store *store, bki_error *err, const char *what);

/* BKI_E_DATA with the store's path. */
bki_status bki_store_damaged(const bki_store *store, bki_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Runs SQL that returns no rows. */
bki_status bki_store_exec(const bki_store *store, const char *sql, const char *what, bki_error *err);

/* Prepares one statement; the caller finalizes it. */
bki_status bki_store_prepare(const bki_store *store, const char *sql, sqlite3_stmt **out, bki_error *err);

/* The next row: *row is false at the end. */
bki_status bki_store_step(const bki_store *store, sqlite3_stmt *statement, const char *what, bool *row, bki_error *err);

/* A text column, valid UTF-8 without NUL, borrowed until the next step; with `nullable`, NULL is data NULL. */
bki_status bki_store_text(const bki_store *store, sqlite3_stmt *statement, int column, bool nullable, bki_str *out,
                          bki_error *err);

/* An integer column of min <= *out <= max; `missing` for NULL when it is in that range. */
bki_status bki_store_integer(const bki_store *store, sqlite3_stmt *statement, int column, int64_t min, int64_t max,
                             int64_t *out, bki_error *err);

/* A real column of min <= *out <= max. */
bki_status bki_store_real(const bki_store *store, sqlite3_stmt *statement, int column, double min, double max,
                          double *out, bki_error *err);

/* Binds text that outlives the next step. */
void bki_store_bind_str(sqlite3_stmt *statement, int parameter, bki_str text);

/* A score no network reaches (states lie in [-1, 1], their differences within 2) and sums have room for. */
#define BKI_STORE_MAX_SCORE 0x1p20F

/* The first of n numbers that is not finite, negative or too large; n when all are sound. */
size_t bki_store_bad_score(const float *scores, size_t n);

#endif
