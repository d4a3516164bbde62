/* Training the classifier that a scan needs: corpus -> model directory. */
#ifndef BKI_TRAIN_H
#define BKI_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bki/corpus.h>
#include <bki/error.h>
#include <bki/log.h>
#include <bki/model.h>
#include <bki/optimizer.h>
#include <bki/scan.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bki_embedding_mode {
  BKI_EMBEDDING_AUTO = 0, /* frozen when vectors are given, else tuned */
  BKI_EMBEDDING_FROZEN,
  BKI_EMBEDDING_TUNED,
} bki_embedding_mode;

/* Where a training stands. */
typedef struct bki_train_progress {
  int32_t epoch;          /* 0-based, of the step that was done last */
  int32_t epochs;         /* asked for; early stopping may end before */
  int64_t samples_done;   /* of this epoch */
  int64_t samples;        /* an epoch */
  double loss;            /* mean cross-entropy of this epoch's samples so far, in training mode */
  double accuracy;        /* share of them that was right */
  double validation_loss; /* of the last whole epoch; NaN: none yet, or no validation */
  double validation_accuracy;
  double samples_per_second; /* this run */
  double seconds_left;       /* to the last epoch; NaN: unknown */
  bool epoch_ended;          /* the epoch's last call; loss and accuracy are those of the whole epoch */
} bki_train_progress;

typedef struct bki_train_config {
  bki_corpus_config corpus; /* regular files: they are read twice; every record needs a label */
  bki_on_error on_error;
  /* Sizes and behaviour of the model. vocabulary_size is not read. embedding_dim 0 is that of the vectors, else 100.
   * oov_id is 1, or -1 to drop unknown words; pad_id is 0. n_classes is read where classes is set: they fix names and
   * order, and a label that is none of them (nor a number 0 .. C-1) or a class without samples is an error; else the
   * classes are the labels in byte order. */
  bki_model_config model;
  int32_t max_vocabulary; /* most frequent words that get a row each, beside pad and oov; 0: all; default 10000 */
  /* GloVe text, or a model directory whose embedding is taken; words that it lacks are zeros. NULL: random */
  const char *embeddings_path;
  /* Those vectors are scaled to this Euclidean length each, zeros stay zeros; 0: as they are. Default 5.5. GloVe makes
   * the vectors of frequent words long and those of rare ones short, and then the paper's rule finds `the` for a
   * keyword. */
  double embedding_norm;
  bki_embedding_mode embedding_mode;
  bki_convention convention; /* of the initial weights */
  bki_optimizer_config optimizer;
  double dropout; /* 0: none */
  int32_t batch_size;
  int32_t epochs;
  uint64_t seed;
  double validation_split;             /* share of the samples that is held out, 0 to below 1 */
  const char *const *validation_paths; /* instead: files of the corpus' format and fields */
  size_t n_validation_paths;
  /* With validation the parameters of the epoch with the lowest validation loss become the model, and training ends
   * after this many epochs without a lower one; 0: never early. Without validation the last epoch's become it. */
  int32_t patience;
  const char *backend;       /* as bki_scorer_config */
  int32_t threads;           /* 0: one a core */
  int32_t device;            /* GPU of the backend cuda; -1, the default: the first that will do */
  const char *model_path;    /* the directory to make; work in progress stands beside it under "<model_path>.partial" */
  bool force;                /* replace the model, and drop the work in progress, of another training */
  double checkpoint_seconds; /* at most this much work is lost to a crash; default 60 */
  /* Called between batches, about every second and at the end of every epoch. */
  void (*progress)(void *user, const bki_train_progress *progress);
  bool (*stop)(void *user); /* asked between batches; true: checkpoint and BKI_E_INTERRUPTED */
  void *user;
  bki_logger logger;
} bki_train_config;

/* The paper's model (frozen vectors when given, else E = 100; H = 128, dense 128 with ReLU, the last 500 words), Adam,
 * batches of 64, the authors' convention (Keras). */
BKI_API void bki_train_config_init(bki_train_config *config);

typedef struct bki_train_summary {
  int64_t n_samples; /* trained on */
  int64_t n_validation;
  int64_t n_skipped;
  int32_t n_classes;
  int32_t vocabulary_size;
  int32_t epochs;     /* done */
  int32_t best_epoch; /* whose parameters the model has, 0-based */
  double loss;        /* of the last epoch */
  double accuracy;
  double validation_loss; /* of best_epoch; NaN: no validation */
  double validation_accuracy;
} bki_train_summary;

/* Trains, or goes on with a training that was interrupted or killed, to the same model. A model that is there already
 * and was made by the same call is left as it is. `summary` may be NULL.
 * Errors: BKI_E_USAGE: settings out of range, work in progress of another training, model_path exists; BKI_E_DATA: a
 * bad record, fewer than two classes, a label that only the validation has, a class without samples, vectors of another
 * size, a loss that is not finite (with the epoch and step); BKI_E_IO; BKI_E_DEVICE; BKI_E_INTERRUPTED. */
BKI_API bki_status bki_train_run(const bki_train_config *config, bki_train_summary *summary, bki_error *err);

#ifdef __cplusplus
}
#endif

#endif
