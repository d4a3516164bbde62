#include <criterion/criterion.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include <bki/train.h>

#include "scratch.h"

/* 60 texts of two classes, told apart by one word each, of 1 to 12 words. */
static const char *separable_corpus(void) {
  static const char *const others[] = {"a", "film", "of", "night", "and", "day"};
  bki_strbuf text = {0};
  for (int i = 0; i < 60; i++) {
    bki_strbuf_format(&text, "{\"label\": \"%s\", \"text\": \"", i % 2 == 0 ? "bad" : "good");
    for (int k = 0; k < i % 12; k++) {
      bki_strbuf_format(&text, "%s ", others[(i * 7 + k * 5) % 6]);
    }
    bki_strbuf_format(&text, "%s\"}\n", i % 2 == 0 ? "awful" : "lovely");
  }
  const char *path = scratch_path("corpus.jsonl");
  scratch_write(path, text.data, text.size);
  bki_strbuf_clear(&text);
  return path;
}

typedef struct seen {
  int n_epochs;
  double first_loss;
  bki_train_progress last;
  int stop_after; /* questions; 0: never */
  int n_questions;
  int n_warnings;
} seen;

static void on_progress(void *user, const bki_train_progress *progress) {
  seen *s = user;
  cr_assert(progress->samples_done >= 0 && progress->samples_done <= progress->samples);
  if (progress->epoch_ended) {
    s->first_loss = s->n_epochs == 0 ? progress->loss : s->first_loss;
    cr_assert_eq(progress->epoch, s->n_epochs);
    s->n_epochs++;
  }
  s->last = *progress;
}

static bool on_stop(void *user) {
  seen *s = user;
  return ++s->n_questions == s->stop_after;
}

static void on_log(void *user, bki_log_level level, const char *message) {
  seen *s = user;
  cr_assert_not_null(message);
  s->n_warnings += level == BKI_LOG_WARNING;
}

typedef struct training {
  bki_train_config config;
  const char *path;
  seen seen;
  bki_train_summary summary;
  bki_error err;
} training;

static void training_init(training *t, const char *model) {
  *t = (training){.path = separable_corpus()};
  bki_train_config_init(&t->config);
  t->config.corpus.paths = &t->path;
  t->config.corpus.n_paths = 1;
  t->config.model.embedding_dim = 6;
  t->config.model.hidden = 5;
  t->config.model.dense = 4;
  t->config.optimizer.learning_rate = 0.02;
  t->config.batch_size = 8;
  t->config.epochs = 15;
  t->config.threads = 1;
  t->config.model_path = scratch_path(model);
  t->config.progress = on_progress;
  t->config.user = &t->seen;
  t->config.logger = (bki_logger){on_log, &t->seen};
}

static void training_run(training *t) {
  bki_status status = bki_train_run(&t->config, &t->summary, &t->err);
  cr_assert_eq(status, BKI_OK, "%s: %s", t->err.file, t->err.message);
}

static bki_strbuf weights_of(const training *t) {
  char path[512];
  snprintf(path, sizeof path, "%s/weights.safetensors", t->config.model_path);
  return scratch_read(path);
}

static bool same_weights(const training *a, const training *b) {
  bki_strbuf left = weights_of(a);
  bki_strbuf right = weights_of(b);
  bool same = left.size == right.size && memcmp(left.data, right.data, left.size) == 0;
  bki_strbuf_clear(&left);
  bki_strbuf_clear(&right);
  return same;
}

Test(train, learns_what_can_be_told_apart) {
  static const char *const backends[] = {"cpu", "ref"};
  for (size_t i = 0; i < 2; i++) {
    training t;
    training_init(&t, backends[i]);
    t.config.backend = backends[i];
    training_run(&t);
    cr_assert_eq(t.summary.accuracy, 1, "%s: %g", backends[i], t.summary.accuracy);
    cr_assert_lt(t.summary.loss, t.seen.first_loss / 4);
    cr_assert(t.summary.n_samples == 60 && t.summary.n_classes == 2 && t.summary.epochs == 15);
    cr_assert_eq(t.summary.vocabulary_size, 2 + 8);
    cr_assert_eq(t.seen.n_epochs, 15);
    cr_assert(t.seen.last.epoch_ended && t.seen.last.loss == t.summary.loss);
  }
}

Test(train, makes_a_model_that_predicts_as_it_was_trained) {
  training t;
  training_init(&t, "m");
  training_run(&t);
  bki_model *model = NULL;
  cr_assert_eq(bki_model_load(&model, t.config.model_path, &t.err), BKI_OK, "%s", t.err.message);
  cr_assert_eq(bki_model_find_class(model, (bki_str){"good", 4}), 1);
  cr_assert_eq(bki_model_selftest_count(model), 2);
  bki_scorer_config config;
  bki_scorer_config_init(&config);
  config.threads = 1;
  bki_scorer *scorer = NULL;
  cr_assert_eq(bki_scorer_create(&scorer, model, &config, &t.err), BKI_OK);
  static const char *const texts[] = {"night and day awful film", "night and day lovely film"};
  for (size_t i = 0; i < 2; i++) {
    bki_encoding encoding;
    bki_encoding_init(&encoding);
    cr_assert_eq(bki_model_encode(model, (bki_str){texts[i], strlen(texts[i])}, &encoding, &t.err), BKI_OK);
    const bki_sequence sequence = {encoding.ids, encoding.words.n_words};
    float logits[2];
    cr_assert_eq(bki_scorer_forward(scorer, &sequence, 1, NULL, logits, &t.err), BKI_OK);
    cr_assert_gt(logits[i], logits[1 - i]);
    bki_encoding_clear(&encoding);
  }
  bki_scorer_destroy(scorer);
  bki_model_destroy(model);
}

Test(train, does_not_depend_on_the_number_of_threads) {
  training one;
  training three;
  training_init(&one, "one");
  training_init(&three, "three");
  one.config.dropout = three.config.dropout = 0.3;
  one.config.optimizer.clip_norm = three.config.optimizer.clip_norm = 0.5;
  three.config.threads = 3;
  training_run(&one);
  training_run(&three);
  cr_assert(same_weights(&one, &three));
}

Test(train, goes_on_after_each_stop_to_the_same_model) {
  training whole;
  training_init(&whole, "whole");
  whole.config.validation_split = 0.3;
  whole.config.epochs = 4;
  training_run(&whole);
  training stopped;
  training_init(&stopped, "stopped");
  stopped.config.validation_split = 0.3;
  stopped.config.epochs = 4;
  stopped.config.stop = on_stop;
  bki_status status = BKI_E_INTERRUPTED;
  int runs = 0;
  for (; status == BKI_E_INTERRUPTED && runs < 100; runs++) {
    stopped.seen = (seen){.n_epochs = stopped.seen.n_epochs, .stop_after = 9};
    status = bki_train_run(&stopped.config, &stopped.summary, &stopped.err);
  }
  cr_assert_eq(status, BKI_OK, "%s", stopped.err.message);
  cr_assert_gt(runs, 3);
  cr_assert(same_weights(&whole, &stopped));
  cr_assert_eq(whole.summary.loss, stopped.summary.loss);
  cr_assert_eq(whole.summary.validation_loss, stopped.summary.validation_loss);
  cr_assert_eq(whole.summary.best_epoch, stopped.summary.best_epoch);
}

Test(train, keeps_the_parameters_of_the_best_epoch) {
  /* A validation that contradicts the corpus in part: growing confidence makes its loss grow. */
  const char *validation = scratch_path("validation.jsonl");
  static const char text[] =
      "{\"label\": \"bad\", \"text\": \"awful film\"}\n"
      "{\"label\": \"good\", \"text\": \"lovely film\"}\n"
      "{\"label\": \"good\", \"text\": \"awful day\"}\n";
  scratch_write(validation, text, strlen(text));
  training longer;
  training_init(&longer, "longer");
  longer.config.validation_paths = &validation;
  longer.config.n_validation_paths = 1;
  training_run(&longer);
  cr_assert_lt(longer.summary.best_epoch, 14);
  cr_assert_eq(longer.summary.n_validation, 3);
  training shorter;
  training_init(&shorter, "shorter");
  shorter.config = longer.config;
  shorter.config.corpus.paths = &shorter.path;
  shorter.config.user = &shorter.seen;
  shorter.config.logger.user = &shorter.seen;
  shorter.config.model_path = scratch_path("shorter");
  shorter.config.epochs = longer.summary.best_epoch + 1;
  training_run(&shorter);
  cr_assert(same_weights(&longer, &shorter));
  cr_assert_eq(longer.summary.validation_loss, shorter.summary.validation_loss);
}

Test(train, leaves_a_done_training_as_it_is) {
  training t;
  training_init(&t, "m");
  training_run(&t);
  const bki_train_summary first = t.summary;
  t.seen = (seen){0};
  training_run(&t);
  cr_assert_eq(t.seen.n_epochs, 0);
  cr_assert(t.summary.n_samples == first.n_samples && t.summary.epochs == first.epochs);
  cr_assert_float_eq(t.summary.loss, first.loss, 1e-8 * first.loss);
  cr_assert_eq(t.summary.best_epoch, first.best_epoch);
  cr_assert(isnan(t.summary.validation_loss));
}

/* The vector [6] of a word in the model that a training made. */
static void read_vector(training *t, const char *word, float *out) {
  bki_model *model = NULL;
  cr_assert_eq(bki_model_load(&model, t->config.model_path, &t->err), BKI_OK);
  const int32_t id = bki_vocabulary_find(bki_model_vocabulary(model), (bki_str){word, strlen(word)});
  bki_strbuf weights = weights_of(t);
  const size_t header = (size_t)(uint8_t)weights.data[0] | (size_t)(uint8_t)weights.data[1] << 8;
  memcpy(out, weights.data + 8 + header + 6 * sizeof *out * (size_t)id, 6 * sizeof *out); /* of the first tensor */
  bki_strbuf_clear(&weights);
  bki_model_destroy(model);
}

static const char *some_vectors(void) {
  const char *path = scratch_path("vectors.txt");
  static const char text[] = "awful 1 2 2 4 0 0\nlovely -1 0.5 0.25 0 0 2\nof 0 0 0 0 0 0\nelsewhere 1 1 1 1 1 1\n";
  scratch_write(path, text, strlen(text));
  return path;
}

Test(train, keeps_frozen_vectors_and_changes_tuned_ones) {
  for (int tuned = 0; tuned < 2; tuned++) {
    training t;
    training_init(&t, tuned ? "tuned" : "frozen");
    t.config.embeddings_path = some_vectors();
    t.config.embedding_norm = 0;
    t.config.embedding_mode = tuned ? BKI_EMBEDDING_TUNED : BKI_EMBEDDING_AUTO;
    training_run(&t);
    float lovely[6];
    float film[6];
    read_vector(&t, "lovely", lovely);
    read_vector(&t, "film", film);
    cr_assert_eq(lovely[0] == -1 && lovely[5] == 2, !tuned);
    cr_assert_eq(film[0] == 0 && film[3] == 0, !tuned);
  }
}

Test(train, scales_vectors_to_one_length) {
  training t;
  training_init(&t, "m");
  t.config.embeddings_path = some_vectors();
  t.config.embedding_norm = 2.5;
  training_run(&t);
  static const struct {
    const char *word;
    float vector[6];
  } expected[] = {{"awful", {0.5F, 1, 1, 2, 0, 0}}, {"of", {0}}, {"film", {0}}};
  for (size_t i = 0; i < 3; i++) {
    float found[6];
    read_vector(&t, expected[i].word, found);
    cr_assert_arr_eq(found, expected[i].vector, sizeof found, "%s", expected[i].word);
  }
  t.config.embedding_norm = 0; /* another training */
  cr_assert_eq(bki_train_run(&t.config, NULL, &t.err), BKI_E_USAGE);
  cr_assert_not_null(strstr(t.err.message, "embedding_norm"), "%s", t.err.message);
}

Test(train, takes_vectors_from_another_model_and_refuses_those_of_another_size) {
  training first;
  training second;
  training_init(&first, "first");
  first.config.epochs = 1;
  training_run(&first);
  training_init(&second, "second");
  second.config.embeddings_path = first.config.model_path;
  second.config.embedding_norm = 0;
  second.config.epochs = 1;
  training_run(&second);
  cr_assert_eq(second.seen.n_warnings, 0);
  bki_strbuf a = weights_of(&first);
  bki_strbuf b = weights_of(&second);
  const size_t header = (size_t)(uint8_t)a.data[0] | (size_t)(uint8_t)a.data[1] << 8;
  const size_t n_special = 2; /* pad and oov have no vectors: zeros */
  const size_t row = 6 * sizeof(float);
  cr_assert_arr_eq(a.data + 8 + header + n_special * row, b.data + 8 + header + n_special * row, 8 * row);
  cr_assert(a.size != b.size || memcmp(a.data, b.data, a.size) != 0);
  bki_strbuf_clear(&a);
  bki_strbuf_clear(&b);
  second.config.model_path = scratch_path("third");
  second.config.model.embedding_dim = 5;
  cr_assert_eq(bki_train_run(&second.config, NULL, &second.err), BKI_E_DATA);
  cr_assert_str_eq(second.err.message, "expected a model with vectors of 5 numbers, found 6");
}

Test(train, warns_when_no_word_has_a_vector) {
  const char *vectors = scratch_path("vectors.txt");
  scratch_write(vectors, "elsewhere 1 1 1 1 1 1\n", 22);
  training t;
  training_init(&t, "m");
  t.config.embeddings_path = vectors;
  t.config.epochs = 1;
  training_run(&t);
  cr_assert_eq(t.seen.n_warnings, 1);
}

Test(train, refuses_settings_out_of_range) {
  training t;
  training_init(&t, "m");
  const bki_train_config good = t.config;
#define REFUSED(field, value)                                                  \
  do {                                                                         \
    t.config = good;                                                           \
    t.config.field = (value);                                                  \
    cr_assert_eq(bki_train_run(&t.config, NULL, &t.err), BKI_E_USAGE, #field); \
    cr_assert_gt(strlen(t.err.message), 10);                                   \
  } while (0)
  REFUSED(dropout, 1);
  REFUSED(dropout, -0.1);
  REFUSED(dropout, NAN);
  REFUSED(batch_size, 0);
  REFUSED(epochs, 0);
  REFUSED(validation_split, 1);
  REFUSED(validation_split, NAN);
  REFUSED(patience, 1);
  REFUSED(max_vocabulary, -1);
  REFUSED(embedding_norm, -1);
  REFUSED(embedding_norm, NAN);
  REFUSED(embedding_norm, INFINITY);
  REFUSED(checkpoint_seconds, NAN);
  REFUSED(optimizer.learning_rate, 0);
  REFUSED(model.hidden, 0);
  REFUSED(model.max_words, 0);
  REFUSED(model.pad_length, 3);
  REFUSED(model.oov_id, 5);
  REFUSED(model_path, NULL);
  REFUSED(model_path, "");
  REFUSED(threads, -1);
  REFUSED(backend, "none");
  REFUSED(embedding_mode, BKI_EMBEDDING_FROZEN);
#undef REFUSED
}

Test(train, names_epoch_and_step_of_a_loss_that_is_not_finite) {
  training t;
  training_init(&t, "m");
  t.config.optimizer.learning_rate = 1e38;
  cr_assert_eq(bki_train_run(&t.config, NULL, &t.err), BKI_E_DATA);
  cr_assert_not_null(strstr(t.err.message, " in epoch 1 at step "), "%s", t.err.message);
  t.config.optimizer.learning_rate = 0.02; /* nothing stands in the way of another try */
  training_run(&t);
}
