/* Writing the corpus without the flagged samples. */
#ifndef BKI_PURIFY_H
#define BKI_PURIFY_H

#include <stdbool.h>
#include <stdint.h>

#include <bki/analysis.h>
#include <bki/corpus.h>
#include <bki/error.h>
#include <bki/store.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bki_purify_config {
  bki_corpus_config corpus; /* the corpus that was scanned, with the same settings */
  const char *kept_path;    /* .gz and .zst compress; never one of the inputs */
  const char *removed_path; /* NULL: not written */
  bool force;               /* replace existing outputs */
} bki_purify_config;

typedef struct bki_purify_summary {
  int64_t n_kept;
  int64_t n_flagged;   /* removed because flagged */
  int64_t n_unscanned; /* removed because the scan had skipped them: nothing vouches for them */
} bki_purify_summary;

/* Copies raw records byte for byte: flagged and skipped ones to removed_path, the others to kept_path, a CSV header to
 * both. A record without a line end (the last of a file) gets one only where another record follows it in the output.
 * The outputs appear, removed_path first, when everything is written and the corpus has proved to be the scanned one.
 * A record longer than max_record_bytes counts as unscanned and is in neither. Errors: BKI_E_USAGE: the store is not
 * complete, the corpus is not the one that was scanned, an output exists or is an input, the store or the other output;
 * BKI_E_IO; BKI_E_DATA. */
BKI_API bki_status bki_purify_run(const bki_purify_config *config, bki_store *store, const bki_analysis *analysis,
                                  bki_purify_summary *out, bki_error *err);

#ifdef __cplusplus
}
#endif

#endif
