#include <bki/train.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "array.h"
#include "fail.h"
#include "log.h"
#include "log_backend.h"
#include "model.h"
#include "pool.h"
#include "settings.h"
#include "train_initial.h"
#include "train_internal.h"

void bki_train_config_init(bki_train_config *config) {
  *config = (bki_train_config){
      .model = {.hidden = 128,
                .num_layers = 1,
                .dense = 128,
                .dense_activation = BKI_ACTIVATION_RELU,
                .readout = BKI_READOUT_FINAL,
                .pad = BKI_PAD_NONE,
                .max_words = 500,
                .keep = BKI_KEEP_TAIL,
                .oov_id = 1},
      .max_vocabulary = 10000,
      .embedding_norm = 5.5, /* the mean of ranks 100 to 1,000 of the vectors that bench/paper was run with */
      .batch_size = 64,
      .epochs = 10,
      .seed = 1,
      .convention = BKI_CONVENTION_KERAS,
      .backend = "auto",
      .device = -1,
      .checkpoint_seconds = 60,
  };
  bki_corpus_config_init(&config->corpus);
  bki_tokenizer_config_init(&config->model.tokenizer, BKI_TOKENIZER_WORDS);
  bki_optimizer_config_init(&config->optimizer, BKI_OPTIMIZER_ADAM, config->convention);
}

#define CHECK(err, condition, ...)                      \
  do {                                                  \
    if (!(condition)) {                                 \
      return bki_fail((err), BKI_E_USAGE, __VA_ARGS__); \
    }                                                   \
  } while (0)

static bki_status check_numbers(const bki_train_config *c, bki_error *err) {
  CHECK(err, c->max_vocabulary >= 0, "expected a vocabulary of at least 0 words, found %d", c->max_vocabulary);
  CHECK(err, c->embedding_norm >= 0 && c->embedding_norm <= 1e6,
        "expected a length of vectors of 0 to 1000000, found %g", c->embedding_norm);
  CHECK(err, c->dropout >= 0 && c->dropout < 1, "expected a dropout of 0 to below 1, found %g", c->dropout);
  CHECK(err, c->batch_size >= 1, "expected a batch of at least 1 sample, found %d", c->batch_size);
  CHECK(err, c->epochs >= 1, "expected at least 1 epoch, found %d", c->epochs);
  CHECK(err, c->validation_split >= 0 && c->validation_split < 1,
        "expected a validation split of 0 to below 1, found %g", c->validation_split);
  CHECK(err, c->patience >= 0, "expected a patience of at least 0 epochs, found %d", c->patience);
  CHECK(err, c->checkpoint_seconds >= 0, "expected checkpoint_seconds of at least 0, found %g", c->checkpoint_seconds);
  return bki_optimizer_config_check(&c->optimizer, err);
}

/* The settings of the model with what is not known yet filled in, before anything is read. */
static bki_status check_model(const bki_train_config *c, bki_error *err) {
  static const char *const classes[] = {"a", "b"};
  bki_model_config m = c->model;
  bki_error reason;
  m.vocabulary_size = 2;
  m.embedding_dim = m.embedding_dim == 0 ? 1 : m.embedding_dim;
  if (m.classes == NULL) {
    m.classes = classes;
    m.n_classes = 2;
  }
  return bki_model_config_check(&m, NULL, &reason) == BKI_OK ? BKI_OK
                                                             : bki_fail(err, BKI_E_USAGE, "%s", reason.message);
}

static bki_status check_config(const bki_train_config *c, bki_error *err) {
  BKI_TRY(check_numbers(c, err));
  BKI_TRY(check_model(c, err));
  const bool validates = c->validation_split > 0 || c->n_validation_paths > 0;
  CHECK(err, c->validation_split == 0 || c->n_validation_paths == 0,
        "expected a validation split or validation files, found both");
  CHECK(err, c->patience == 0 || validates, "expected a validation for early stopping, found none");
  CHECK(err, c->embedding_mode != BKI_EMBEDDING_FROZEN || c->embeddings_path != NULL,
        "expected vectors for a frozen embedding, found none: random vectors have to be tuned");
  CHECK(err, c->model_path != NULL && c->model_path[0] != '\0', "expected a path for the model, found none");
  for (size_t i = 0; i < c->corpus.n_paths + c->n_validation_paths; i++) {
    const char *path = i < c->corpus.n_paths ? c->corpus.paths[i] : c->validation_paths[i - c->corpus.n_paths];
    CHECK(err, strcmp(path, "-") != 0, "training reads the corpus twice: expected files, found standard input");
  }
  return BKI_OK;
}

/* The model with its initial weights; vectors NULL: random ones. */
static bki_status create_model(bki_training *t, const bki_vectors *vectors, bki_error *err) {
  const bki_train_config *c = t->config;
  bki_model_config m = c->model;
  m.vocabulary_size = bki_vocabulary_size(t->survey.vocabulary);
  m.embedding_dim = vectors != NULL ? bki_vectors_dimension(vectors) : m.embedding_dim > 0 ? m.embedding_dim : 100;
  m.classes = t->survey.classes;
  m.n_classes = t->survey.n_classes;
  BKI_TRY(bki_model_create(&t->model, &m, &t->parameters, err));
  t->model->vocabulary = t->survey.vocabulary;
  t->survey.vocabulary = NULL;
  BKI_TRY(bki_initial_weights(t->parameters, &m, c->convention, c->seed, err));
  t->n_vectors = -1;
  if (vectors == NULL) {
    bki_initial_embedding(t->parameters, &m, c->convention, c->seed);
  } else {
    t->n_vectors = bki_initial_vectors(t->parameters, t->model->vocabulary, vectors, c->embedding_norm);
    bki_log(&c->logger, t->n_vectors == 0 ? BKI_LOG_WARNING : BKI_LOG_INFO, "%d of %d words have vectors", t->n_vectors,
            m.vocabulary_size - 2);
  }
  t->train_embedding = c->embedding_mode == BKI_EMBEDDING_TUNED ||
                       (c->embedding_mode == BKI_EMBEDDING_AUTO && c->embeddings_path == NULL);
  t->first = t->train_embedding ? 0 : (size_t)m.vocabulary_size * (size_t)m.embedding_dim;
  return BKI_OK;
}

static bki_status read_corpus(bki_training *t, bki_error *err) {
  const bki_train_config *config = t->config;
  bki_vectors vectors = {0};
  const char *path = config->embeddings_path;
  BKI_TRY(bki_survey_run(&t->survey, config, t->pool, err));
  if (path != NULL) {
    BKI_TRY(bki_vectors_open(&vectors, path, t->survey.vocabulary, config->model.embedding_dim, err));
  }
  bki_status status = create_model(t, path != NULL ? &vectors : NULL, err);
  bki_vectors_close(&vectors);
  if (status == BKI_OK) {
    status = bki_samples_read(&t->samples, config, &t->survey, t->model, t->place.partial, t->pool, err);
  }
  if (status != BKI_OK) {
    return status;
  }
  BKI_TRY(bki_sampler_create(&t->sampler, t->samples.training, (size_t)config->batch_size, config->seed, err));
  if (t->samples.validation != NULL) {
    BKI_TRY(bki_sampler_create(&t->validation, t->samples.validation, (size_t)config->batch_size, config->seed, err));
    t->best = bki_array_create(t->parameters->count - t->first, sizeof *t->best);
  }
  return t->samples.validation != NULL && t->best == NULL ? bki_fail_memory(err) : BKI_OK;
}

static bki_status choose_backend(bki_training *t, bki_error *err) {
  const bki_train_config *c = t->config;
  const bki_backend_request request = {.name = c->backend, .devices = &c->device, .n_devices = c->device >= 0 ? 1 : 0};
  BKI_TRY(bki_backend_choose(&t->backend, &request, err));
  t->ops = t->backend.learner;
  return BKI_OK;
}

static bki_status create_learner(bki_training *t, bki_error *err) {
  const bki_train_config *c = t->config;
  const bki_learner_config config = {.model = bki_model_get_config(t->model),
                                     .train_embedding = t->train_embedding,
                                     .dropout = c->dropout,
                                     .seed = c->seed,
                                     .optimizer = c->optimizer,
                                     .device = t->backend.device,
                                     .pool = t->pool};
  return t->ops->create(&t->learner, &config, t->parameters, err);
}

/* Takes up the work in progress; with `force` what cannot be taken up is dropped. */
static bki_status resume(bki_training *t, bki_error *err) {
  bool found;
  bki_error reason;
  bki_status status = bki_checkpoint_load(t, &found, &reason);
  if (status != BKI_OK && t->config->force && (status == BKI_E_USAGE || status == BKI_E_DATA)) {
    bki_log(&t->config->logger, BKI_LOG_WARNING, "%s: %s; it is dropped", reason.file, reason.message);
    return BKI_OK;
  }
  if (status != BKI_OK) {
    *err = reason;
    return status;
  }
  if (found) {
    bki_log(&t->config->logger, BKI_LOG_INFO, "going on in epoch %d after step %llu of %zu", t->state.epoch + 1,
            (unsigned long long)t->state.step, bki_sampler_steps(t->sampler));
  }
  return BKI_OK;
}

/* Logits of the oracle for the texts that were kept. */
static bki_status add_selftest(bki_training *t, bki_error *err) {
  const size_t n = t->samples.n_texts;
  const size_t n_classes = (size_t)t->survey.n_classes;
  bki_scorer_config config;
  bki_scorer_config_init(&config);
  config.backend = "ref";
  config.threads = 1;
  bki_scorer *scorer = NULL;
  float *logits = bki_array_create(n * n_classes, sizeof *logits);
  bki_status status = logits == NULL ? bki_fail_memory(err) : bki_scorer_create(&scorer, t->model, &config, err);
  for (size_t i = 0; i < n && status == BKI_OK; i++) {
    bki_encoding encoding;
    bki_encoding_init(&encoding);
    status = bki_model_encode(t->model, t->samples.texts[i], &encoding, err);
    if (status == BKI_OK) {
      const bki_sequence sequence = {encoding.ids, encoding.words.n_words};
      status = bki_scorer_forward(scorer, &sequence, 1, NULL, logits + i * n_classes, err);
    }
    bki_encoding_clear(&encoding);
  }
  if (status == BKI_OK) {
    status = bki_model_set_selftest(t->model, t->samples.texts, logits, n, err);
  }
  bki_scorer_destroy(scorer);
  free(logits);
  return status;
}

static bki_status publish(bki_training *t, bki_error *err) {
  BKI_TRY(add_selftest(t, err));
  char *record = bki_train_format_record(t);
  bki_status status = record == NULL ? bki_fail_memory(err) : bki_workplace_publish(&t->place, t->model, record, err);
  free(record);
  return status;
}

/* A model that is there: *same when this training made it. */
static bki_status compare_target(const bki_training *t, bki_train_summary *summary, bool *same, bki_error *err) {
  json_t *record = bki_train_read_record(t->place.model_path);
  bki_status status;
  *same = false;
  if (record == NULL) {
    status = bki_fail_at(err, BKI_E_USAGE, t->place.model_path, 0, -1,
                         "expected a free name or a model of this training, found another directory; take another "
                         "name, or replace a model with --force");
  } else {
    status =
        bki_train_compare(t, json_object_get(record, "settings"), t->place.model_path, "the model of another training",
                          "take another directory, or train with --force to replace it", err);
  }
  if (status == BKI_OK) {
    const bki_model_config *m = bki_model_get_config(t->model);
    *same = bki_train_summary_of_record(record, summary);
    summary->n_classes = m->n_classes;
    summary->vocabulary_size = m->vocabulary_size;
  }
  json_decref(record);
  return t->config->force ? BKI_OK : status;
}

static bki_status run(bki_training *t, bki_train_summary *summary, bki_error *err) {
  const bki_train_config *config = t->config;
  bool exists;
  bool same = false;
  BKI_TRY(check_config(config, err));
  BKI_TRY(choose_backend(t, err));
  BKI_TRY(bki_workplace_open(&t->place, config->model_path, err));
  BKI_TRY(bki_workplace_check_target(t->place.model_path, config->force, &exists, err));
  BKI_TRY(bki_pool_create(&t->pool, config->threads, err));
  BKI_TRY(read_corpus(t, err));
  BKI_TRY(bki_train_describe(t, err));
  if (exists) {
    BKI_TRY(compare_target(t, summary, &same, err));
  }
  if (same) {
    bki_log(&config->logger, BKI_LOG_INFO, "this training is done: the model is left as it is");
    return BKI_OK;
  }
  BKI_TRY(create_learner(t, err));
  bki_log(&config->logger, BKI_LOG_INFO,
          "%zu samples, %zu for validation, %d classes, %d words; backend %s, %d threads",
          bki_spool_count(t->samples.training),
          t->samples.validation == NULL ? (size_t)0 : bki_spool_count(t->samples.validation), t->survey.n_classes,
          bki_model_get_config(t->model)->vocabulary_size - 2, t->ops->name, bki_pool_threads(t->pool));
  bki_log_choice(&config->logger, t->ops->name, t->backend.reason);
  BKI_TRY(resume(t, err));
  BKI_TRY(bki_train_loop(t, err));
  bki_train_summarise(t, summary);
  return publish(t, err);
}

/* Whether the workplace goes: it is done with, or nothing stands in it that the same call could take up. A training
 * that diverged does so again. */
static bool is_spent(const bki_training *t, bki_status status) {
  return status == BKI_OK || t->diverged || (t->place.checkpoint != NULL && access(t->place.checkpoint, F_OK) != 0);
}

bki_status bki_train_run(const bki_train_config *config, bki_train_summary *summary, bki_error *err) {
  bki_error ignored;
  bki_train_summary counts = {0};
  bki_training t = {.config = config, .place = {.lock = -1}, .state = {.best_epoch = -1}};
  bki_status status = run(&t, &counts, err == NULL ? &ignored : err);
  if (status == BKI_OK && summary != NULL) {
    *summary = counts;
  }
  if (t.learner != NULL) {
    t.ops->destroy(t.learner);
  }
  bki_sampler_destroy(t.sampler);
  bki_sampler_destroy(t.validation);
  bki_samples_clear(&t.samples);
  bki_workplace_close(&t.place, is_spent(&t, status));
  bki_survey_clear(&t.survey);
  bki_model_destroy(t.model);
  bki_pool_destroy(t.pool);
  json_decref(t.settings);
  free(t.best);
  free(t.state.epochs);
  return status;
}
