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

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bki_evaluate_config {
  const bki_model *model;
  bki_corpus_config corpus; /* test texts; every record needs a label that is a class of the model */
  bki_on_error on_error;
  const bki_backdoor *backdoors; /* attacks to measure, one by one; may be none */
  size_t n_backdoors;
  bki_trigger_config trigger; /* max_words and keep are not read: those of the model count */
  uint64_t seed;              /* of the placement */
  const char *backend;        /* as bki_scorer_config */
  int32_t threads;
  bool (*stop)(void *user);
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
  int64_t *confusion;         /* [C, C]: rows are labels, columns what the model says */
  bki_attack_result *attacks; /* [n_backdoors] */
  size_t n_attacks;
} bki_evaluation;

/* Per class c: precision = confusion[c][c] / column sum, recall = / row sum, F1 their harmonic mean; NaN: 0 / 0. */
typedef struct bki_class_metrics {
  int64_t n_samples;
  double precision;
  double recall;
  double f1;
} bki_class_metrics;
BKI_API bki_class_metrics bki_evaluation_class(const bki_evaluation *evaluation, int32_t c);

/* On success the caller clears *out. Memory does not grow with the corpus. Errors: those of the parts; BKI_E_USAGE: an
 * unknown target; BKI_E_DATA: no sample, an unknown label; BKI_E_INTERRUPTED. */
BKI_API bki_status bki_evaluate_run(const bki_evaluate_config *config, bki_evaluation *out, bki_error *err);
BKI_API void bki_evaluation_clear(bki_evaluation *evaluation);

#ifdef __cplusplus
}
#endif

#endif
