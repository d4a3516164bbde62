/* How the verdict lies in a store: what writing and reading share. */
#ifndef BKI_RUN_STORE_EVIDENCE_H
#define BKI_RUN_STORE_EVIDENCE_H

#include <bki/evidence.h>

#include "store_internal.h"
#include "strbuf.h"

/* The columns in the order of these names; a rate is two, hits and n. */
#define BKI_FINDING_COLUMNS                                                                                    \
  "idx, verdict, phrase, n_words, target, keyword, rank, round, flips_hits, flips_n, flips_alike_hits,"        \
  " flips_alike_n, purity_hits, purity_n, removal_hits, removal_n, removal_controls_hits,"                     \
  " removal_controls_n, insertion_hits, insertion_n, controls_hits, controls_n, prior, purity_p, insertion_p," \
  " n_flagged"
enum {
  FINDING_IDX,
  FINDING_VERDICT,
  FINDING_PHRASE,
  FINDING_N_WORDS,
  FINDING_TARGET,
  FINDING_KEYWORD,
  FINDING_RANK,
  FINDING_ROUND,
  FINDING_RATES,
  FINDING_N_RATES = 7,
  FINDING_PRIOR = FINDING_RATES + 2 * FINDING_N_RATES,
  FINDING_PURITY_P,
  FINDING_INSERTION_P,
  FINDING_N_FLAGGED,
};

/* The rates in the order of their columns. */
static inline void bki_finding_rates(bki_finding *finding, bki_rate *out[FINDING_N_RATES]) {
  bki_rate *const all[FINDING_N_RATES] = {&finding->flips,   &finding->flips_alike,      &finding->purity,
                                          &finding->removal, &finding->removal_controls, &finding->insertion,
                                          &finding->controls};
  for (int i = 0; i < FINDING_N_RATES; i++) {
    out[i] = all[i];
  }
}

/* The settings that a verdict was reached with, as one line: "judge=1 preset=paper p=5 ... seed=1". */
void bki_evidence_settings_format(const bki_evidence_config *config, bki_strbuf *out);

/* false: not a line that bki_evidence_settings_format writes. */
bool bki_evidence_settings_parse(bki_str text, bki_evidence_config *out);

/* Reads the verdict within a transaction. */
bki_status bki_store_read_evidence(bki_store *store, bki_evidence *out, bool *found, bki_evidence_config *config,
                                   bki_error *err);

#endif
