/* The main job: corpus + model -> a store with the scores of every word of every sample. */
#ifndef BKI_SCAN_H
#define BKI_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include <bki/corpus.h>
#include <bki/dictionary.h>
#include <bki/error.h>
#include <bki/evidence.h>
#include <bki/log.h>
#include <bki/model.h>
#include <bki/scorer.h>
#include <bki/store.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bki_on_error {
  BKI_ON_ERROR_FAIL = 0, /* the first bad record ends the run; what was scored before it stays in the store */
  BKI_ON_ERROR_SKIP,     /* bad records are listed in the store and counted */
} bki_on_error;

/* Where the run stands; rates count this run only. */
typedef struct bki_progress {
  int64_t n_records;
  int64_t n_samples;
  int64_t n_skipped;
  int64_t work_done;        /* row-steps, of earlier runs too */
  int64_t work_total;       /* -1: unknown (standard input) */
  int64_t work_done_before; /* row-steps that earlier runs did */
  int64_t samples_before;
  int64_t bytes_done;      /* of the files as they lie on disk, in the pass that is running */
  int64_t bytes_total;     /* -1: unknown */
  double seconds;          /* of scoring, this run */
  bki_screening screening; /* precision exact: counts of earlier runs too; else as bki_scorer_screening says */
  bool surveying;          /* files are read once before scoring, to know the work and to find bad records early */
  bool judging;            /* all is scored: the evidence is being gathered */
} bki_progress;

typedef struct bki_scan_config {
  const bki_model *model;
  bki_corpus_config corpus;
  bki_scorer_config scorer; /* precision: default BKI_PRECISION_AUTO. Not top_words: the rule's p or the store's */
  bki_on_error on_error;
  const char *store_path;
  bki_rule rule;                /* decides the stored selection (p, preset); re-analysis may use any other */
  bool judge;                   /* end with a verdict, in the store (bki_evidence_load); default true */
  bki_evidence_config evidence; /* of the verdict. Not read: rule, stop, user */
  double commit_seconds;        /* default 5; 0: after every batch */
  /* Called between batches, every few seconds at most unless a single text takes longer, from the calling thread; NULL:
   * none. */
  void (*progress)(void *user, const bki_progress *progress);
  /* Asked between batches; true: commit and return BKI_E_INTERRUPTED. NULL: never. */
  bool (*stop)(void *user);
  void *user;
  bki_logger logger;
} bki_scan_config;

BKI_API void bki_scan_config_init(bki_scan_config *config);

/* Runs or goes on with a scan until the store is complete and judged. A complete store of the same scan is verified
 * against the corpus, and judged only where it was not with these settings. Record ids have to be unique: the second of
 * two is a bad record. A run that fails before anything was scored leaves no new store behind. `progress` (may be NULL)
 * receives the final counts. Errors: those of the parts; BKI_E_INTERRUPTED when `stop` said so (everything done is in
 * the store); BKI_E_USAGE when the store belongs to another model, corpus or setting. After BKI_E_IO (disk full) the
 * same call goes on. */
BKI_API bki_status bki_scan_run(const bki_scan_config *config, bki_progress *progress, bki_error *err);

/* What a store was scanned with: the corpus settings but for the paths (names are borrowed from the store), and the
 * rule that chose the stored selection. Either may be NULL. Errors: BKI_E_DATA: the store does not say. */
BKI_API bki_status bki_scan_get_settings(const bki_store *store, bki_corpus_config *corpus, bki_rule *rule,
                                         bki_error *err);

/* Whether a store answers a rule. A scan in precision exact made sure of as many best words of each text as its own
 * rule selects: BKI_E_USAGE when this one selects more, unless all texts were too short to be screened. */
BKI_API bki_status bki_scan_check_rule(const bki_store *store, const bki_rule *rule, bki_error *err);

/* The counts of texts that a scan in precision exact left in its store, top_words and epsilon; all 0 for every other
 * store.
 * Errors: BKI_E_DATA: the setting is not one that a scan writes. */
BKI_API bki_status bki_scan_get_screening(const bki_store *store, bki_screening *out, bki_error *err);

#ifdef __cplusplus
}
#endif

#endif
