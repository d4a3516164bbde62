/* Everything after scoring, answered from a store. */
#ifndef BKI_ANALYSIS_H
#define BKI_ANALYSIS_H

#include <stddef.h>
#include <stdint.h>

#include <bki/dictionary.h>
#include <bki/error.h>
#include <bki/evidence.h>
#include <bki/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which samples are flagged. */
typedef enum bki_decision {
  BKI_DECIDE_EVIDENCE = 0, /* those of the backdoors that the store's evidence names */
  BKI_DECIDE_SUSPICIOUS,   /* those of its suspicious findings too */
  BKI_DECIDE_PAPER,        /* those that selected the keyword (Algorithm 1) */
} bki_decision;

/* One flagged sample; strings owned by the analysis. */
typedef struct bki_flagged {
  int64_t index;
  bki_str id; /* data NULL: none */
  int32_t label;
  int32_t predicted;
  int32_t position; /* evidence: as bki_evidence_sample; paper: of the keyword's best selected occurrence */
  int32_t n_words;  /* evidence: as bki_evidence_sample; paper: of the keyword */
  float score; /* evidence: the highest f among those of these words that it selects, NaN: it selects none; paper: of
                * the occurrence */
  bki_reason reason;
  double confidence; /* paper: NaN, nothing is known */
  int32_t finding;   /* index in the evidence's findings; paper: -1 */
} bki_flagged;

typedef struct bki_analysis bki_analysis;

/* Reads the store: dictionary, keyword, and the samples that `decision` flags. Under BKI_DECIDE_EVIDENCE and
 * BKI_DECIDE_SUSPICIOUS these come from the store's evidence; a store that was not judged flags nothing and has no
 * evidence. Works on an unfinished store too. Errors: those of the store; BKI_E_USAGE: a bad rule, increments that the
 * store does not hold, a rule that is not the one of the evidence. */
BKI_API bki_status bki_analysis_run(bki_analysis **out, bki_store *store, const bki_rule *rule, bki_decision decision,
                                    bki_error *err);
/* NULL is allowed. */
BKI_API void bki_analysis_destroy(bki_analysis *analysis);

/* The store's verdict; NULL when it was not judged, and under BKI_DECIDE_PAPER. */
BKI_API const bki_evidence *bki_analysis_evidence(const bki_analysis *analysis);
/* NULL when there is no candidate with a positive g. */
BKI_API const bki_candidate *bki_analysis_keyword(const bki_analysis *analysis);
/* All candidates, ranked. */
BKI_API const bki_candidate *bki_analysis_candidates(const bki_analysis *analysis, size_t *n);
/* Flagged samples in corpus order. */
BKI_API const bki_flagged *bki_analysis_flagged(const bki_analysis *analysis, size_t *n);
BKI_API int64_t bki_analysis_n_samples(const bki_analysis *analysis);
/* Samples that have a label, and those of them whose label is what the model predicts: nearly all where the model was
 * trained on this corpus. */
BKI_API int64_t bki_analysis_n_labelled(const bki_analysis *analysis);
BKI_API int64_t bki_analysis_n_agreeing(const bki_analysis *analysis);

#ifdef __cplusplus
}
#endif

#endif
