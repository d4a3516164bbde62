/* Which samples are poisoned, as far as somebody knows, against what was flagged. */
#ifndef BKI_RUN_TRUTH_H
#define BKI_RUN_TRUTH_H

#include <bki/analysis.h>
#include <bki/store.h>

typedef struct bki_truth_counts {
  int64_t n_poisoned;
  int64_t n_flagged; /* of these */
} bki_truth_counts;

/* Reads a truth file (bki_defend_config.truth_path) and counts. A sample that the scan skipped has no id in the store:
 * unknown ids are an error when nothing was skipped, else poisoned samples that were not flagged.
 * Errors: BKI_E_IO; BKI_E_DATA with the line: not an object with an id or index, one that the corpus lacks or that came
 * before. */
bki_status bki_truth_compare(bki_truth_counts *out, const char *path, bki_store *store, const bki_analysis *analysis,
                             bki_error *err);

#endif
