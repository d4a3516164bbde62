/* How good a model is, and how well an attack on it works. */
#ifndef BKI_EVALUATE_H
#define BKI_EVALUATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bki/corpus.h>
#include <bki/error.h>
#include <bki/log.h>
#include <bki/model.h>
#include <bki/poison.h>
#include <bki/scan.h>
#include <bki/scorer.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bki_evaluate_config {
  const bki_model *model;
  bki_corpus_config corpus;      /* test texts; every record needs a label that is a class of the model */
  bki_on_error on_error;         /* skip: bad records are counted, the first few go to the logger */
  const bki_backdoor *backdoors; /* attacks to measure, one by one; may be none */
  size_t n_backdoors;
  bki_trigger_config trigger; /* max_words and keep are not read: those of the model count */
  uint64_t seed;              /* of the placement (default 1): a text has its place whatever else is measured */
  bki_scorer_config scorer;   /* increments are not read */
  bool (*stop)(void *user);   /* asked between batches; NULL: never */
  void *user;
  bki_logger logger;
} bki_evaluate_config;

BKI_API void bki_evaluate_config_init(bki_evaluate_config *config);

/* One attack. n_hit / n_texts is the attack success rate (ASR), n_control / n_texts what the model does without it. */
typedef struct bki_attack_result {
  int32_t target;
  int64_t n_texts;   /* test texts of other classes */
  int64_t n_hit;     /* of these, called the target with the trigger in them */
  int64_t n_control; /* of these, called the target as they are */
} bki_attack_result;

typedef struct bki_evaluation {
  int64_t n_samples;
  int64_t n_skipped;
  int64_t n_correct;
  double loss; /* mean cross-entropy, natural logarithm */
  int32_t n_classes;
  int64_t *confusion;         /* [C, C], row-major: rows are labels, columns what the model says */
  bki_attack_result *attacks; /* [n_backdoors] */
  size_t n_attacks;
} bki_evaluation;

/* Class c: precision = confusion[c][c] / column sum, recall = confusion[c][c] / row sum, F1 = 2 confusion[c][c] / (row
 * sum + column sum), which is their harmonic mean. NaN: 0 / 0. */
typedef struct bki_class_metrics {
  int64_t n_samples; /* with this label */
  double precision;
  double recall;
  double f1;
} bki_class_metrics;
BKI_API bki_class_metrics bki_evaluation_class(const bki_evaluation *evaluation, int32_t c);
/* The means over the classes that have samples; a precision of 0 / 0 (a class that is never predicted) counts as 0. */
BKI_API bki_class_metrics bki_evaluation_macro(const bki_evaluation *evaluation);

/* Reads the texts once and predicts each with the words that the model keeps of it; the lowest of equal logits wins.
 * The triggered text is cut like any other: a trigger at a fixed place may fall out. On success the caller clears *out.
 * Memory does not grow with the corpus; nothing depends on the number of threads. Errors: those of the parts;
 * BKI_E_USAGE: an unknown target, a trigger without words or longer than what the model keeps; BKI_E_DATA: no text, an
 * unknown label or none; BKI_E_INTERRUPTED. */
BKI_API bki_status bki_evaluate_run(const bki_evaluate_config *config, bki_evaluation *out, bki_error *err);
BKI_API void bki_evaluation_clear(bki_evaluation *evaluation); /* a zeroed one is allowed */

#ifdef __cplusplus
}
#endif

#endif
