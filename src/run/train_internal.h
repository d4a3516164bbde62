/* What the parts of a training share. */
#ifndef BKI_RUN_TRAIN_INTERNAL_H
#define BKI_RUN_TRAIN_INTERNAL_H

#include <jansson.h>

#include <bki/train.h>

#include "choose.h"
#include "learner.h"
#include "parameters.h"
#include "train_corpus.h"
#include "train_directory.h"
#include "train_sampler.h"

/* A finished epoch; NaN without validation. */
typedef struct bki_epoch {
  double loss;
  double accuracy;
  double validation_loss;
  double validation_accuracy;
} bki_epoch;

/* Where a training stands: with the learner's blocks and the best parameters, all that it takes to go on. */
typedef struct bki_train_state {
  int32_t epoch; /* the running one */
  uint64_t step; /* done of it */
  double loss_sum;
  int64_t n_correct;
  int64_t n_seen;
  bki_epoch *epochs; /* [epoch], owned */
  size_t capacity;
  int32_t best_epoch; /* lowest validation loss so far; -1: none */
} bki_train_state;

typedef struct bki_training {
  const bki_train_config *config;
  bki_backend_choice backend;
  const bki_learner_ops *ops; /* of the backend */
  bki_learner *learner;
  bki_pool *pool;
  bki_survey survey;
  bki_samples samples;
  bki_model *model;
  const bki_parameters *parameters; /* of the model */
  bool train_embedding;
  int32_t n_vectors; /* words with a vector; -1: random embedding */
  size_t first;      /* trained parameters begin here in the block */
  float *best;       /* [count - first]; NULL without validation */
  bki_sampler *sampler;
  bki_sampler *validation; /* NULL: none */
  bki_workplace place;
  json_t *settings; /* all that decides the result: name -> string */
  bki_train_state state;
  bool diverged; /* the loop ended for good */
} bki_training;

/* train_record.c: what a training is, and the record of it in the model's meta. */

bki_status bki_train_describe(bki_training *t, bki_error *err);
/* BKI_E_USAGE, naming what differs, when `found` (NULL: none) is not this training's settings. `what` and `advice`
 * make the sentence. */
bki_status bki_train_compare(const bki_training *t, const json_t *found, const char *path, const char *what,
                             const char *advice, bki_error *err);
/* The JSON text for meta; free() it. NULL: out of memory. */
char *bki_train_format_record(const bki_training *t);
/* The record of a model directory, or NULL when it has none; json_decref it. */
json_t *bki_train_read_record(const char *directory);
bool bki_train_summary_of_record(json_t *record, bki_train_summary *out);
void bki_train_summarise(const bki_training *t, bki_train_summary *out);

/* train_checkpoint.c: the state in a file. */

bki_status bki_checkpoint_save(bki_training *t, bki_error *err);
/* *found: whether there was one. Errors: BKI_E_DATA: damaged; BKI_E_USAGE: of another training. */
bki_status bki_checkpoint_load(bki_training *t, bool *found, bki_error *err);

/* train_loop.c: from the state to the last epoch. Then the model has its parameters. */
bki_status bki_train_loop(bki_training *t, bki_error *err);

#endif
