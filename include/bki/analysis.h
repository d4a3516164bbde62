/* Everything after scoring, answered from a store. */
#ifndef BKI_ANALYSIS_H
#define BKI_ANALYSIS_H

#include <stddef.h>
#include <stdint.h>

#include <bki/dictionary.h>
#include <bki/error.h>
#include <bki/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One flagged sample; strings owned by the analysis. */
typedef struct bki_flagged {
  int64_t index;
  bki_str id; /* data NULL: none */
  int32_t label;
  int32_t predicted;
  int32_t position; /* of the keyword's best selected occurrence */
  float score;      /* of that occurrence */
} bki_flagged;

typedef struct bki_analysis bki_analysis;

/* Reads the store twice: dictionary and keyword, then the samples that selected it. Works on an unfinished store too.
 * Errors: those of the store; BKI_E_USAGE: a bad rule, or increments that the store does not hold. */
BKI_API bki_status bki_analysis_run(bki_analysis **out, bki_store *store, const bki_rule *rule, bki_error *err);
/* NULL is allowed. */
BKI_API void bki_analysis_destroy(bki_analysis *analysis);

/* NULL when there is no candidate with a positive g. */
BKI_API const bki_candidate *bki_analysis_keyword(const bki_analysis *analysis);
/* All candidates, ranked. */
BKI_API const bki_candidate *bki_analysis_candidates(const bki_analysis *analysis, size_t *n);
/* Flagged samples in corpus order. */
BKI_API const bki_flagged *bki_analysis_flagged(const bki_analysis *analysis, size_t *n);
BKI_API int64_t bki_analysis_n_samples(const bki_analysis *analysis);

#ifdef __cplusplus
}
#endif

#endif
