/* The corpus of a training, in two passes: the first counts words and finds the classes, the second turns every sample
 * into ids. Samples that are held out for validation take no part in the first. */
#ifndef BKI_RUN_TRAIN_CORPUS_H
#define BKI_RUN_TRAIN_CORPUS_H

#include <bki/error.h>
#include <bki/model.h>
#include <bki/text.h>
#include <bki/train.h>

#include "pool.h"
#include "train_spool.h"

typedef struct bki_survey {
  bki_vocabulary *vocabulary;
  bki_arena *arena;           /* owns the names */
  const char *const *classes; /* [n_classes] */
  int32_t n_classes;
  char fingerprint[33]; /* of the training corpus */
} bki_survey;

/* Errors: those of the corpus, BKI_E_DATA for fewer than two classes, BKI_E_INTERRUPTED. On failure bki_survey_clear is
 * still due, as for the samples below. */
bki_status bki_survey_run(bki_survey *out, const bki_train_config *config, bki_pool *pool, bki_error *err);
void bki_survey_clear(bki_survey *survey);

enum { BKI_MAX_SELFTEST = 8 };

typedef struct bki_samples {
  bki_spool *training;
  bki_spool *validation; /* NULL: none */
  int64_t n_skipped;
  char validation_fingerprint[33]; /* of the files; "" without them */
  bki_arena *arena;
  bki_str texts[BKI_MAX_SELFTEST]; /* the beginning of the first training sample of each of the first classes */
  size_t n_texts;
} bki_samples;

/* Encodes all samples as the model reads them into files without names in `directory`. Errors: BKI_E_DATA: a label
 * outside of the classes, a class without samples, another corpus than the survey's; BKI_E_IO; BKI_E_INTERRUPTED. */
bki_status bki_samples_read(bki_samples *out, const bki_train_config *config, const bki_survey *survey,
                            const bki_model *model, const char *directory, bki_pool *pool, bki_error *err);
void bki_samples_clear(bki_samples *samples);

#endif
