#include "train_corpus.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "chunk.h"
#include "fail.h"
#include "log.h"
#include "rng.h"
#include "strmap.h"
#include "train_sampler.h"

enum { SELFTEST_WORDS = 32, SKIPPED_SHOWN = 5 };

/* One pass over one set of files. */
typedef struct pass {
  const bki_train_config *config;
  bki_corpus_config files;
  const bki_model *model; /* NULL: words only */
  bki_pool *pool;
  bki_chunk *chunk;
  bki_status (*add)(struct pass *p, bki_chunk_record *record, bki_error *err);
  bool tells; /* logs what is skipped */
  int64_t n_skipped;
  char fingerprint[33];
  bki_word_counter *counter; /* of the survey */
  bki_strmap *labels;        /* of the survey */
  bki_samples *samples;
  int64_t *class_sizes; /* [n_classes] */
} pass;

static bki_status skip(pass *p, const bki_error *reason, bki_error *err) {
  if (p->config->on_error == BKI_ON_ERROR_FAIL) {
    *err = *reason;
    return reason->status;
  }
  if (p->tells && p->n_skipped < SKIPPED_SHOWN) {
    char text[sizeof reason->file + sizeof reason->message + 64];
    bki_log(&p->config->logger, BKI_LOG_WARNING, "skipped: %s", bki_error_format(reason, text, sizeof text));
  }
  p->n_skipped++;
  return BKI_OK;
}

static bki_status read_chunks(pass *p, bki_corpus *corpus, bki_error *err) {
  for (size_t n = 1; n > 0;) {
    BKI_TRY(bki_chunk_read(p->chunk, corpus, err));
    bki_chunk_record *records = bki_chunk_records(p->chunk, &n);
    for (size_t i = 0; i < n; i++) {
      BKI_TRY(records[i].error != NULL ? skip(p, records[i].error, err) : p->add(p, &records[i], err));
    }
    if (p->config->stop != NULL && p->config->stop(p->config->user)) {
      return bki_fail(err, BKI_E_INTERRUPTED, "stopped while the corpus was read: the same command begins anew");
    }
  }
  return BKI_OK;
}

static bki_status run_pass(pass *p, bki_error *err) {
  bki_corpus *corpus = NULL;
  bki_status status;
  if (p->files.label_field == NULL) {
    p->files.label_field = "label"; /* required */
  }
  BKI_TRY_GOTO(status, done, bki_corpus_open(&corpus, &p->files, err));
  if (bki_corpus_size(corpus) < 0) {
    status = bki_fail_at(err, BKI_E_USAGE, p->files.paths[0], 0, -1,
                         "training reads the corpus twice: expected regular files, found something else");
    goto done;
  }
  BKI_TRY_GOTO(
      status, done,
      bki_chunk_create_labelled(&p->chunk, p->model, &p->config->model.tokenizer, p->files.paths, p->pool, err));
  BKI_TRY_GOTO(status, done, read_chunks(p, corpus, err));
  bki_corpus_fingerprint(corpus, p->fingerprint);
done:
  bki_chunk_destroy(p->chunk);
  p->chunk = NULL;
  bki_corpus_close(corpus);
  return status;
}

static bool is_held_out(const bki_train_config *config, int64_t index) {
  bki_rng rng;
  if (config->validation_split <= 0) {
    return false;
  }
  bki_rng_init(&rng, config->seed, bki_train_stream(BKI_STREAM_SPLIT, (uint64_t)index));
  return bki_rng_uniform(&rng) < config->validation_split;
}

static bki_status survey_record(pass *p, bki_chunk_record *record, bki_error *err) {
  if (is_held_out(p->config, record->raw.index)) {
    return BKI_OK;
  }
  char *mark;
  BKI_TRY(bki_word_counter_add(p->counter, &record->words, err));
  return p->labels == NULL ? BKI_OK : bki_strmap_put(p->labels, record->label_text, &mark, NULL, err);
}

static int compare_names(const void *left, const void *right) {
  return strcmp(*(const char *const *)left, *(const char *const *)right); /* the order of unsigned bytes */
}

/* The labels in byte order. */
static bki_status name_classes(bki_survey *survey, const bki_strmap *labels, bki_error *err) {
  const size_t n = bki_strmap_count(labels);
  const char **names = bki_arena_alloc(survey->arena, n * sizeof *names);
  if (names == NULL) {
    return bki_fail_memory(err);
  }
  void *cursor = NULL;
  void *mark;
  bki_str label;
  for (size_t i = 0; bki_strmap_next(labels, &cursor, &label, &mark); i++) {
    names[i] = bki_arena_copy(survey->arena, label.data, label.size);
    if (names[i] == NULL) {
      return bki_fail_memory(err);
    }
  }
  qsort(names, n, sizeof *names, compare_names);
  survey->classes = names;
  survey->n_classes = (int32_t)n;
  return BKI_OK;
}

static bki_status check_classes(const bki_survey *survey, const bki_train_config *config, bki_error *err) {
  if (survey->n_classes >= 2) {
    return BKI_OK;
  }
  char quoted[BKI_QUOTE_SIZE];
  const char *only = survey->n_classes == 1 ? survey->classes[0] : "";
  return bki_fail_at(err, BKI_E_DATA, config->corpus.paths[0], 0, -1,
                     "expected samples of at least two classes, found %s%s",
                     survey->n_classes == 1 ? "the label of all to be " : "no samples",
                     survey->n_classes == 1 ? bki_quote(quoted, (bki_str){only, strlen(only)}) : "");
}

bki_status bki_survey_run(bki_survey *out, const bki_train_config *config, bki_pool *pool, bki_error *err) {
  *out = (bki_survey){.arena = bki_arena_create()};
  pass p = {.config = config, .files = config->corpus, .pool = pool, .add = survey_record};
  bki_status status = out->arena == NULL ? bki_fail_memory(err) : BKI_OK;
  BKI_TRY_GOTO(status, done, status);
  BKI_TRY_GOTO(status, done, bki_word_counter_create(&p.counter, err));
  if (config->model.classes == NULL) {
    BKI_TRY_GOTO(status, done, bki_strmap_create(&p.labels, 1, err));
  }
  BKI_TRY_GOTO(status, done, run_pass(&p, err));
  memcpy(out->fingerprint, p.fingerprint, sizeof out->fingerprint);
  if (p.labels != NULL) {
    BKI_TRY_GOTO(status, done, name_classes(out, p.labels, err));
  } else {
    out->classes = config->model.classes;
    out->n_classes = config->model.n_classes;
  }
  BKI_TRY_GOTO(status, done, check_classes(out, config, err));
  status = bki_word_counter_build(p.counter, config->max_vocabulary, &out->vocabulary, err);
done:
  bki_word_counter_destroy(p.counter);
  bki_strmap_destroy(p.labels);
  return status;
}

void bki_survey_clear(bki_survey *survey) {
  bki_vocabulary_destroy(survey->vocabulary);
  bki_arena_destroy(survey->arena);
  *survey = (bki_survey){0};
}

static bki_status find_class(pass *p, bki_chunk_record *record, bool training, int32_t *out, bki_error *err) {
  *out = bki_model_find_class(p->model, record->label_text);
  if (*out >= 0) {
    return BKI_OK;
  }
  const bki_model_config *model = bki_model_get_config(p->model);
  char found[BKI_QUOTE_SIZE];
  char first[BKI_QUOTE_SIZE];
  bki_error reason;
  bki_fail(&reason, BKI_E_DATA, "expected a label %s (%d classes: %s, ...), found %s",
           training ? "of the classes that were given" : "that the training samples have", model->n_classes,
           bki_quote(first, (bki_str){model->classes[0], strlen(model->classes[0])}),
           bki_quote(found, record->label_text));
  BKI_TRY(bki_chunk_reject(p->chunk, record, &reason, err));
  return skip(p, record->error, err);
}

/* The beginning of a text, words joined by single spaces, for the self-test. */
static bki_status keep_text(bki_samples *samples, const bki_words *words, int32_t class, bki_error *err) {
  if (class >= BKI_MAX_SELFTEST || samples->texts[class].data != NULL) {
    return BKI_OK;
  }
  const int32_t n = words->n_words < SELFTEST_WORDS ? words->n_words : SELFTEST_WORDS;
  const size_t size = n == 0 ? 0 : words->start[n - 1] + words->length[n - 1];
  samples->texts[class] = (bki_str){bki_arena_copy(samples->arena, words->bytes, size), size};
  return samples->texts[class].data == NULL ? bki_fail_memory(err) : BKI_OK;
}

static bki_status spool_record(pass *p, bki_chunk_record *record, bki_error *err) {
  bki_samples *samples = p->samples;
  const bool training = p->class_sizes != NULL && !is_held_out(p->config, record->raw.index);
  int32_t class = 0;
  BKI_TRY(find_class(p, record, training, &class, err));
  if (class < 0) {
    return BKI_OK; /* skipped */
  }
  if (training) {
    p->class_sizes[class]++;
    BKI_TRY(keep_text(samples, &record->words, class, err));
  }
  return bki_spool_add(training ? samples->training : samples->validation, record->ids, record->words.n_words, class,
                       err);
}

static bki_status check_class_sizes(const bki_survey *survey, const int64_t *sizes, bki_error *err) {
  for (int32_t c = 0; c < survey->n_classes; c++) {
    if (sizes[c] == 0) {
      char quoted[BKI_QUOTE_SIZE];
      return bki_fail(err, BKI_E_DATA, "expected training samples of every class, found none of %s",
                      bki_quote(quoted, (bki_str){survey->classes[c], strlen(survey->classes[c])}));
    }
  }
  return BKI_OK;
}

static bki_status read_training(pass *p, const bki_survey *survey, bki_error *err) {
  p->class_sizes = bki_array_create((size_t)survey->n_classes, sizeof *p->class_sizes);
  bki_status status = p->class_sizes == NULL ? bki_fail_memory(err) : run_pass(p, err);
  if (status == BKI_OK && strcmp(p->fingerprint, survey->fingerprint) != 0) {
    status = bki_fail_at(err, BKI_E_DATA, p->files.paths[0], 0, -1,
                         "the corpus changed while it was read: expected fingerprint %s, found %s", survey->fingerprint,
                         p->fingerprint);
  }
  if (status == BKI_OK) {
    status = check_class_sizes(survey, p->class_sizes, err);
  }
  free(p->class_sizes);
  p->class_sizes = NULL;
  return status;
}

static bki_status read_validation(pass *p, bki_samples *out, bki_error *err) {
  p->files.paths = p->config->validation_paths;
  p->files.n_paths = p->config->n_validation_paths;
  BKI_TRY(run_pass(p, err));
  memcpy(out->validation_fingerprint, p->fingerprint, sizeof out->validation_fingerprint);
  return BKI_OK;
}

static bki_status finish_spools(bki_samples *samples, bki_error *err) {
  BKI_TRY(bki_spool_finish(samples->training, err));
  if (samples->validation == NULL) {
    return BKI_OK;
  }
  BKI_TRY(bki_spool_finish(samples->validation, err));
  return bki_spool_count(samples->validation) > 0
             ? BKI_OK
             : bki_fail(err, BKI_E_DATA, "expected samples for the validation, found none");
}

bki_status bki_samples_read(bki_samples *out, const bki_train_config *config, const bki_survey *survey,
                            const bki_model *model, const char *directory, bki_pool *pool, bki_error *err) {
  *out = (bki_samples){.arena = bki_arena_create()};
  pass p = {.config = config,
            .files = config->corpus,
            .model = model,
            .pool = pool,
            .add = spool_record,
            .tells = true,
            .samples = out};
  if (out->arena == NULL) {
    return bki_fail_memory(err);
  }
  BKI_TRY(bki_spool_create(&out->training, directory, err));
  if (config->validation_split > 0 || config->n_validation_paths > 0) {
    BKI_TRY(bki_spool_create(&out->validation, directory, err));
  }
  BKI_TRY(read_training(&p, survey, err));
  if (config->n_validation_paths > 0) {
    BKI_TRY(read_validation(&p, out, err));
  }
  out->n_skipped = p.n_skipped;
  if (p.n_skipped > SKIPPED_SHOWN) {
    bki_log(&config->logger, BKI_LOG_WARNING, "%" PRId64 " bad records skipped", p.n_skipped);
  }
  out->n_texts = survey->n_classes < BKI_MAX_SELFTEST ? (size_t)survey->n_classes : BKI_MAX_SELFTEST;
  return finish_spools(out, err);
}

void bki_samples_clear(bki_samples *samples) {
  bki_spool_destroy(samples->training);
  bki_spool_destroy(samples->validation);
  bki_arena_destroy(samples->arena);
  *samples = (bki_samples){0};
}
