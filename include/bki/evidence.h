/* The answer: is there a backdoor, what is its phrase, which samples carry it. Made from the store that a scan leaves
 * and the model that was scanned; it goes beyond Chen & Dai 2020, whose rule always names a word. docs/evidence.md
 * explains the tests, the verdict's thresholds and how they were calibrated. */
#ifndef BKI_EVIDENCE_H
#define BKI_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bki/dictionary.h>
#include <bki/error.h>
#include <bki/model.h>
#include <bki/scorer.h>
#include <bki/store.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bki_verdict {
  BKI_VERDICT_NONE = 0,   /* nothing that behaves like a backdoor was found */
  BKI_VERDICT_SUSPICIOUS, /* a phrase that does some of what a trigger does: for a person to look at */
  BKI_VERDICT_BACKDOOR,
} bki_verdict;

/* "none found", "suspicious", "backdoor". */
BKI_API const char *bki_verdict_name(bki_verdict verdict);

/* A share with its exact interval (Clopper & Pearson 1934, 95 %); n = 0: nothing was measured, the interval is 0 .. 1.
 */
typedef struct bki_rate {
  int64_t hits;
  int64_t n;
  double low;
  double high;
} bki_rate;

/* hits of n, 0 <= hits <= n. */
BKI_API bki_rate bki_rate_of(int64_t hits, int64_t n);

/* How a sample came to be flagged. */
typedef enum bki_reason {
  BKI_REASON_KEYWORD = 0, /* Algorithm 1: it selected the keyword */
  BKI_REASON_PHRASE,      /* it carries the phrase, with `edits` words missing, added or replaced */
  BKI_REASON_PART,        /* it selected a word of the phrase, with a neighbour of it beside it */
} bki_reason;

/* "keyword", "phrase", "part". */
BKI_API const char *bki_reason_name(bki_reason reason);

/* A phrase and all that is known about it. Strings are owned by the evidence. */
typedef struct bki_finding {
  bki_verdict verdict;
  bki_str phrase;       /* words joined by single spaces */
  int32_t n_words;      /* of the phrase */
  int32_t target;       /* the class that it leads to */
  bki_str keyword;      /* the candidate from which the phrase grew; of a phrase that a person named, its word that was
                           selected most often, empty: none was */
  int32_t rank;         /* of the keyword in the dictionary of its round, from 1; 0: none */
  int32_t round;        /* of peeling, from 1 */
  bki_rate flips;       /* samples that selected the keyword: the prediction changes when that one word is deleted */
  bki_rate flips_alike; /* the highest such rate (by its lower bound) of another word that half to twice as many samples
                           selected, without the samples that are flagged */
  bki_rate purity;      /* samples that carry the phrase exactly: labelled target (without a label: called target) */
  double prior;         /* share of the target among the labels of the corpus */
  double purity_p;      /* P[at least so many labelled target], binomial with the prior, times the phrases tested */
  bki_rate removal;     /* carriers labelled and called the target: called another class without the phrase */
  bki_rate removal_controls; /* the same texts without as many neighbouring words elsewhere */
  bki_rate insertion; /* texts of other classes, called another class: called the target with the phrase in them */
  bki_rate controls;  /* the same texts with a control phrase in the same place */
  double insertion_p; /* one-sided exact sign test between the two, times the phrases tested */
  int64_t n_flagged;  /* samples that it flags; under BKI_VERDICT_NONE 0, unless a person named it */
} bki_finding;

/* One flagged sample. */
typedef struct bki_evidence_sample {
  int64_t index;
  int32_t finding;  /* index in bki_evidence.findings */
  int32_t position; /* first word of the phrase, or the selected word */
  int32_t n_words;  /* of the text, from there on, that belong to the phrase */
  int32_t edits;    /* words missing, added or replaced; BKI_REASON_PART: of the phrase, words that are not there */
  bki_reason reason;
  double confidence; /* 0 to 1: 1 - expected natural carriers / carriers, among those of the same reason and edits */
} bki_evidence_sample;

/* What a run found. Owned by the caller: bki_evidence_clear. */
typedef struct bki_evidence {
  bki_verdict verdict; /* the highest of the findings */
  bool too_small;      /* the corpus cannot show a backdoor of the usual size: no finding says little */
  int64_t n_samples;
  int32_t n_rounds;
  int64_t n_candidates;  /* words that were looked at */
  int64_t n_phrases;     /* phrases whose purity was tested: the number that p-values are corrected for */
  int64_t n_texts;       /* texts that were run through the model for it */
  bki_finding *findings; /* backdoors first, as they were peeled, then suspicious ones by how much of the corpus they
                            explain, then the most telling of the others by insertion rate */
  size_t n_findings;
  bki_evidence_sample *samples; /* ascending index; a sample of several findings stands with the first of them */
  size_t n_flagged;
  bki_arena *arena; /* private */
} bki_evidence;

typedef struct bki_evidence_config {
  bki_rule rule;            /* of the dictionary */
  int32_t n_candidates;     /* K: words a round looks at, by g and again by flips; default 20, 1 to 1000 */
  int32_t n_texts;          /* texts of a removal or insertion test; default 200, 20 to 100,000 */
  int32_t max_backdoors;    /* peeled one by one; what else is one is flagged at once; default 16, 1 to 1000 */
  uint64_t seed;            /* of texts, places and control phrases; default 1 */
  bool (*stop)(void *user); /* asked between tests; true: BKI_E_INTERRUPTED. NULL: never */
  void *user;
} bki_evidence_config;

BKI_API void bki_evidence_config_init(bki_evidence_config *config);
/* BKI_E_USAGE when a setting is out of its range. */
BKI_API bki_status bki_evidence_config_check(const bki_evidence_config *config, bki_error *err);

/* Looks for backdoors: ranks candidates, grows phrases around them, tests each phrase, judges, takes the samples of
 * what it found out of the dictionary and begins again until nothing is found. Reads the store several times; the
 * scorer's forward pass runs at most 4 n_texts texts a phrase, 2 n_texts more for each round that takes carriers of it
 * out, and one for each sample that may be flagged without the exact phrase. The result depends on the store, the
 * model, the settings and the seed. Errors: those of the parts; BKI_E_USAGE: the model is not the one that was scanned,
 * a setting out of its range. */
BKI_API bki_status bki_evidence_run(bki_evidence *out, bki_store *store, const bki_model *model, bki_scorer *scorer,
                                    const bki_evidence_config *config, bki_error *err);

/* The same tests for a phrase that a person names, without the words that the model drops. `target` -1: the class that
 * most samples have that carry it. One finding, with its samples whatever its verdict; n_phrases is 1. Errors: as
 * above; BKI_E_USAGE: no words, more than 64, no target where no sample carries the phrase, a target that is no class.
 */
BKI_API bki_status bki_evidence_verify(bki_evidence *out, bki_store *store, const bki_model *model, bki_scorer *scorer,
                                       const bki_evidence_config *config, bki_str phrase, int32_t target,
                                       bki_error *err);

/* A zeroed one is allowed. */
BKI_API void bki_evidence_clear(bki_evidence *evidence);

/* Writes what was found into a store that is open to write (bki_store_open_to_judge), in the place of what stood there;
 * durable when the call returns. */
BKI_API bki_status bki_evidence_save(const bki_evidence *evidence, const bki_evidence_config *config, bki_store *store,
                                     bki_error *err);

/* What a store holds. *found false: the scan was never judged, *out is zeroed. `rule` (may be NULL): the rule it was
 * judged with. Errors: BKI_E_DATA: damaged. */
BKI_API bki_status bki_evidence_load(bki_evidence *out, bool *found, bki_rule *rule, bki_store *store, bki_error *err);

/* The settings that a store was judged with; no `stop`. *found false: it never was, *out is left as it is. Errors: as
 * bki_evidence_load. */
BKI_API bki_status bki_evidence_load_config(bki_evidence_config *out, bool *found, bki_store *store, bki_error *err);

#ifdef __cplusplus
}
#endif

#endif
