/* The result of a scan: one SQLite file. docs/store.md describes the schema, which is a promise; people may query it.
 */
#ifndef BKI_STORE_H
#define BKI_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bki/dictionary.h>
#include <bki/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What makes two scans the same: a store is only gone on with when all of it is equal. */
typedef struct bki_store_identity {
  const char *model_fingerprint;
  const char *corpus_settings; /* canonical text of the fields, format, quoting and limits that decide the records */
  const char *scorer_settings; /* canonical text: backend, engine, precision, isa, increments */
  const char *on_error;        /* "fail" or "skip" */
  const char *why_fp32; /* no part of it, for a message: why precision exact came to fp32; NULL or "": it did not */
} bki_store_identity;

/* Where a scan stands. */
typedef struct bki_store_state {
  int64_t n_records; /* raw records consumed, skipped ones included: the next one has this index */
  int64_t n_samples; /* samples stored */
  int64_t n_skipped;
  int64_t work;                       /* row-steps done */
  char corpus_prefix_fingerprint[33]; /* bki_corpus_fingerprint after n_records records */
  bool complete;
} bki_store_state;

/* Not thread-safe. */
typedef struct bki_store bki_store;

/* Creates `path`, or opens it to go on; a store of an older schema is brought up to this version. Classes are stored
 * with it. Errors: BKI_E_IO; BKI_E_DATA: not a store, a newer schema, damaged; BKI_E_USAGE: a store of another model,
 * corpus setting or scorer (the message names what differs), or one that another process is writing. */
BKI_API bki_status bki_store_create(bki_store **out, const char *path, const bki_store_identity *identity,
                                    int32_t n_classes, const char *const *classes, bki_error *err);

/* Opens an existing store to read. Errors: BKI_E_IO, BKI_E_DATA. */
BKI_API bki_status bki_store_open(bki_store **out, const char *path, bki_error *err);

/* Opens an existing store, complete or not, to write its verdict (bki_evidence_save), and brings one of an older schema
 * up to this version. Errors: BKI_E_IO; BKI_E_DATA; BKI_E_USAGE: another process is writing it. */
BKI_API bki_status bki_store_open_to_judge(bki_store **out, const char *path, bki_error *err);

/* Rolls back what was not committed. Cursors have to be closed before. NULL is allowed. */
BKI_API void bki_store_close(bki_store *store);

BKI_API const bki_store_state *bki_store_get_state(const bki_store *store);
BKI_API int32_t bki_store_n_classes(const bki_store *store);
BKI_API const char *const *bki_store_classes(const bki_store *store);
/* A value of table `setting`, borrowed, or NULL: "model_fingerprint", "bki_version", ... */
BKI_API const char *bki_store_setting(const bki_store *store, const char *key);
/* Sets or replaces a value of table `setting` that is not part of the identity. */
BKI_API bki_status bki_store_set(bki_store *store, const char *key, const char *value, bki_error *err);

/* Adds a sample, in ascending order of index. `selected` are the positions the scan's rule chose, best first. Errors:
 * BKI_E_DATA: a score that is not finite or negative; the sample is not added. BKI_E_IO: as bki_store_commit. */
BKI_API bki_status bki_store_add(bki_store *store, const bki_sample *sample, const int32_t *selected,
                                 int32_t n_selected, bki_error *err);
/* Adds a record that was passed over, with its position and the reason. */
BKI_API bki_status bki_store_add_skipped(bki_store *store, int64_t index, const bki_error *reason, bki_error *err);
/* Whether a sample of that id is stored. */
BKI_API bki_status bki_store_has_id(bki_store *store, bki_str id, bool *found, bki_error *err);
/* Makes everything added durable together with the new state, whose n_samples and n_skipped have to count exactly what
 * was added. A verdict on fewer samples is dropped. Errors: BKI_E_IO (disk full): nothing of this batch is kept; this
 * handle still reads what was committed, and refuses to write (the batch would be a hole in the store): closing it and
 * bki_store_create go on. */
BKI_API bki_status bki_store_commit(bki_store *store, const bki_store_state *state, bki_error *err);

/* Reads the samples in order of index. The sample is borrowed until the next call. */
typedef struct bki_store_cursor bki_store_cursor;
BKI_API bki_status bki_store_cursor_open(bki_store_cursor **out, bki_store *store, int64_t first_index, bki_error *err);
BKI_API bki_status bki_store_cursor_next(bki_store_cursor *cursor, bki_sample *out, bool *end, bki_error *err);
BKI_API void bki_store_cursor_close(bki_store_cursor *cursor);

/* The sample of an id or, when no sample has that id, of a record index in decimal; BKI_E_USAGE when there is none.
 * Through a cursor that the caller closes. */
BKI_API bki_status bki_store_find(bki_store *store, bki_str id_or_index, bki_store_cursor **cursor, bki_sample *out,
                                  bki_error *err);

/* One skipped record. Strings borrowed until the next call. */
typedef struct bki_skipped {
  int64_t index;
  const char *file;
  int64_t line;
  int64_t byte;
  const char *reason;
} bki_skipped;
/* Calls `fn` for every skipped record in order; stops at the first status that is not BKI_OK and returns it. */
typedef bki_status (*bki_skipped_fn)(void *user, const bki_skipped *skipped, bki_error *err);
BKI_API bki_status bki_store_each_skipped(bki_store *store, bki_skipped_fn fn, void *user, bki_error *err);

#ifdef __cplusplus
}
#endif

#endif
