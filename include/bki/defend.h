/* The defence from end to end, in a directory that an interrupted run goes on from: train the victim, scan, purify,
 * retrain, evaluate (Chen & Dai 2020, Algorithm 1 with its last step; which samples go is the verdict's affair unless
 * the paper's rule is asked for). docs/defend.md describes the directory. */
#ifndef BKI_DEFEND_H
#define BKI_DEFEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bki/analysis.h>
#include <bki/corpus.h>
#include <bki/error.h>
#include <bki/evaluate.h>
#include <bki/log.h>
#include <bki/poison.h>
#include <bki/purify.h>
#include <bki/scan.h>
#include <bki/scorer.h>
#include <bki/store.h>
#include <bki/train.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bki_defend_step {
  BKI_DEFEND_TRAIN = 0, /* corpus -> victim/ */
  BKI_DEFEND_SCAN,      /* corpus, victim -> scan.db */
  BKI_DEFEND_PURIFY,    /* corpus, scan.db -> kept.*, removed.* */
  BKI_DEFEND_RETRAIN,   /* kept.* -> retrained/ */
  BKI_DEFEND_EVALUATE,  /* test texts, both models -> before.json, after.json */
  BKI_DEFEND_N_STEPS,
} bki_defend_step;

/* What becomes of a step. */
typedef enum bki_defend_event {
  BKI_DEFEND_RUN = 0,    /* it begins, or goes on */
  BKI_DEFEND_FOUND,      /* its result is there; it is checked as far as the parts do that */
  BKI_DEFEND_NOT_ASKED,  /* a victim was given, retraining or evaluation not wanted */
  BKI_DEFEND_NOT_NEEDED, /* nothing to remove, and so nothing to train anew */
} bki_defend_event;

typedef struct bki_defend_config {
  const char *work_path;    /* a directory: created, empty, or that of the same run */
  bki_corpus_config corpus; /* files, which are read several times; every record needs a label */
  bki_on_error on_error;    /* of all steps */
  const char *model_path;   /* a victim that exists; NULL: train one */
  bool retrain;             /* default true */
  /* Of the victim and of the retrained model, which gets the classes of a victim trained here. Not read: corpus,
   * on_error, model_path, force, progress, stop, user, logger. */
  bki_train_config train;
  bki_scorer_config scorer; /* of the scan; of the evaluation too but for engine and precision */
  bki_rule rule;
  bki_decision decision;        /* which samples are removed; default BKI_DECIDE_EVIDENCE */
  bki_evidence_config evidence; /* of the verdict. Not read: rule, stop, user */
  double commit_seconds;        /* of the scan */
  /* Evaluation: files of test texts in the corpus' format and fields; none: no evaluation. */
  const char *const *test_paths;
  size_t n_test_paths;
  const bki_backdoor *backdoors; /* attacks to measure; may be none */
  size_t n_backdoors;
  bki_trigger_config trigger; /* as bki_evaluate_config */
  uint64_t trigger_seed;
  /* Which samples are poisoned: JSON Lines of objects with "id" or, where that is null or absent, "index" (of the
   * record, from 0), as bki_poison_run writes them. NULL: not known. */
  const char *truth_path;
  /* From the calling thread; each may be NULL. Steps come in order, each once. */
  void (*step)(void *user, bki_defend_step step, bki_defend_event event);
  void (*train_progress)(void *user, const bki_train_progress *progress);
  void (*scan_progress)(void *user, const bki_progress *progress);
  bool (*stop)(void *user); /* true: BKI_E_INTERRUPTED, the same call goes on */
  void *user;
  bki_logger logger;
} bki_defend_config;

BKI_API void bki_defend_config_init(bki_defend_config *config);

/* Owned by the caller after success; bki_defend_summary_clear. */
typedef struct bki_defend_summary {
  bki_store *store; /* of the scan, open to read */
  bki_analysis *analysis;
  bki_purify_summary purified; /* of records; when nothing is removed n_kept counts all but what the scan skipped */
  char *kept_path;             /* NULL when nothing is removed */
  char *removed_path;
  bool retrained;
  bool has_truth;
  int64_t n_poisoned;         /* samples that the truth lists */
  int64_t n_poisoned_flagged; /* of these, flagged; precision = it / purified.n_flagged, recall = it / n_poisoned */
  bki_evaluation *before;     /* of the victim; NULL without test texts */
  bki_evaluation *after;      /* of the retrained model; NULL without test texts or such a model */
} bki_defend_summary;

/* Runs what is missing. A step whose result is in the directory is not done again; a result of another corpus, model or
 * setting is refused, not replaced, and the message says what differs; only an evaluation with other test texts or
 * backdoors is done anew. A process that was killed at any moment loses at most the work since the last checkpoint of
 * its step, and the same call ends with the same models, files and summary.
 * Errors: those of the parts; BKI_E_USAGE: work_path holds something else or another process is at work in it, standard
 * input as corpus or test text, backdoors without test texts; BKI_E_DATA: a truth file that is not one or lists an id
 * or index that the corpus lacks; BKI_E_INTERRUPTED. */
BKI_API bki_status bki_defend_run(const bki_defend_config *config, bki_defend_summary *out, bki_error *err);
/* A zeroed one is allowed. */
BKI_API void bki_defend_summary_clear(bki_defend_summary *summary);

#ifdef __cplusplus
}
#endif

#endif
