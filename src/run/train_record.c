/* What a training is: its settings as text, to tell one from another, and the record of it that the model carries. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <bki/version.h>

#include "fail.h"
#include "settings.h"
#include "strbuf.h"
#include "train_internal.h"

static const char *const optimizer_names[] = {"adam", "rmsprop"};
static const char *const convention_names[] = {"pytorch", "keras"};
static const char *const on_error_names[] = {"fail", "skip"};

static void set_text(json_t *settings, const char *key, const char *value) {
  json_object_set_new(settings, key, json_string(value));
}

static void set_integer(json_t *settings, const char *key, uint64_t value) {
  char text[32];
  snprintf(text, sizeof text, "%llu", (unsigned long long)value);
  set_text(settings, key, text);
}

/* With as many digits as it takes to read the same number. */
static void set_real(json_t *settings, const char *key, double value) {
  char text[40];
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, value);
    if (strtod(text, NULL) == value) {
      break;
    }
  }
  set_text(settings, key, text);
}

static void describe_corpus(const bki_training *t, json_t *s) {
  const bki_train_config *config = t->config;
  const bki_corpus_config *corpus = &config->corpus;
  set_text(s, "corpus", t->survey.fingerprint);
  set_text(s, "text_field", corpus->text_field == NULL ? "text" : corpus->text_field);
  set_text(s, "label_field", corpus->label_field == NULL ? "label" : corpus->label_field);
  set_text(s, "on_error", on_error_names[config->on_error]);
  set_real(s, "validation_split", config->validation_split);
  set_text(s, "validation", t->samples.validation_fingerprint);
}

static void describe_model(const bki_training *t, json_t *s) {
  const bki_model_config *m = bki_model_get_config(t->model);
  char pad[32];
  snprintf(pad, sizeof pad, m->pad == BKI_PAD_NONE ? "%s" : "%s:%d", bki_pad_names[m->pad], m->pad_length);
  set_text(s, "tokenizer", bki_tokenizer_names[m->tokenizer.type]);
  set_text(s, "lowercase", m->tokenizer.lowercase ? "yes" : "no");
  set_text(s, "strip_html", m->tokenizer.strip_html ? "yes" : "no");
  set_integer(s, "max_vocabulary", (uint64_t)t->config->max_vocabulary);
  set_integer(s, "max_words", (uint64_t)m->max_words);
  set_text(s, "keep", bki_keep_names[m->keep]);
  set_text(s, "pad", pad);
  set_text(s, "pad_vector", bki_pad_vector_names[m->pad_vector]);
  set_text(s, "oov", m->oov_id < 0 ? "dropped" : "row");
  set_integer(s, "embedding_dim", (uint64_t)m->embedding_dim);
  set_integer(s, "hidden", (uint64_t)m->hidden);
  set_integer(s, "num_layers", (uint64_t)m->num_layers);
  set_integer(s, "dense", (uint64_t)m->dense);
  set_text(s, "dense_activation", bki_activation_names[m->dense_activation]);
  set_text(s, "readout", bki_readout_names[m->readout]);
}

static void describe_optimizer(const bki_train_config *config, json_t *s) {
  const bki_optimizer_config *o = &config->optimizer;
  set_text(s, "optimizer", optimizer_names[o->type]);
  set_text(s, "optimizer_convention", convention_names[o->convention]);
  set_text(s, "initial_convention", convention_names[config->convention]);
  set_real(s, "learning_rate", o->learning_rate);
  if (o->type == BKI_OPTIMIZER_ADAM) {
    set_real(s, "beta1", o->beta1);
  }
  set_real(s, "beta2", o->beta2);
  set_real(s, "epsilon", o->epsilon);
  set_real(s, "clip_norm", o->clip_norm);
  set_real(s, "dropout", config->dropout);
  set_integer(s, "batch_size", (uint64_t)config->batch_size);
  set_integer(s, "epochs", (uint64_t)config->epochs);
  set_integer(s, "patience", (uint64_t)config->patience);
  set_integer(s, "seed", config->seed);
}

/* The embedding and what was read, as fingerprints: they catch whatever the settings above do not say. */
static void describe_content(const bki_training *t, json_t *s) {
  const bki_model_config *m = bki_model_get_config(t->model);
  char text[33];
  const size_t n = (size_t)m->vocabulary_size * (size_t)m->embedding_dim;
  const XXH128_hash_t hash = XXH3_128bits(t->parameters->embedding, n * sizeof(float));
  snprintf(text, sizeof text, "%016llx%016llx", (unsigned long long)hash.high64, (unsigned long long)hash.low64);
  set_text(s, "embedding", t->n_vectors < 0 ? "random" : "vectors");
  set_real(s, "embedding_norm", t->n_vectors < 0 ? 0 : t->config->embedding_norm);
  set_text(s, "embedding_mode", t->train_embedding ? "tuned" : "frozen");
  set_text(s, "embedding_fingerprint", text);
  set_text(s, "samples", bki_spool_fingerprint(t->samples.training));
  set_text(s, "validation_samples", t->samples.validation == NULL ? "" : bki_spool_fingerprint(t->samples.validation));
}

static void describe_classes(const bki_training *t, json_t *s) {
  const bki_model_config *m = bki_model_get_config(t->model);
  json_t *names = json_array();
  for (int32_t c = 0; c < m->n_classes; c++) {
    json_array_append_new(names, json_string(m->classes[c]));
  }
  char *text = json_dumps(names, JSON_COMPACT);
  json_decref(names);
  json_object_set_new(s, "classes", text == NULL ? NULL : json_string(text));
  free(text);
}

bki_status bki_train_describe(bki_training *t, bki_error *err) {
  json_t *s = json_object();
  if (s == NULL) {
    return bki_fail_memory(err);
  }
  t->settings = s;
  set_text(s, "version", bki_version());
  set_text(s, "backend", t->ops->name);
  describe_corpus(t, s);
  describe_classes(t, s);
  describe_model(t, s);
  describe_optimizer(t->config, s);
  describe_content(t, s);
  return BKI_OK;
}

static const char *text_of(const json_t *settings, const char *key) {
  const char *text = json_string_value(json_object_get(settings, key));
  return text == NULL ? "" : text;
}

bki_status bki_train_compare(const bki_training *t, const json_t *found, const char *path, const char *what,
                             const char *advice, bki_error *err) {
  const char *key;
  json_t *value;
  json_object_foreach(t->settings, key, value) {
    const char *theirs = text_of(found, key);
    const char *ours = json_string_value(value);
    if (strcmp(theirs, ours) != 0) {
      char quoted[2][BKI_QUOTE_SIZE];
      return bki_fail_at(err, BKI_E_USAGE, path, 0, -1, "%s: it has %s %s, this training has %s; %s", what, key,
                         bki_quote(quoted[0], (bki_str){theirs, strlen(theirs)}),
                         bki_quote(quoted[1], (bki_str){ours, strlen(ours)}), advice);
    }
  }
  return BKI_OK;
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash == NULL ? path : slash + 1;
}

/* A path need not be UTF-8. */
static json_t *name_json(const char *path) {
  char quoted[BKI_QUOTE_SIZE];
  const char *name = base_name(path);
  json_t *text = json_string(name);
  return text != NULL ? text : json_string(bki_quote(quoted, (bki_str){name, strlen(name)}));
}

static json_t *names_json(const char *const *paths, size_t n) {
  json_t *array = json_array();
  for (size_t i = 0; i < n; i++) {
    json_array_append_new(array, name_json(paths[i]));
  }
  return array;
}

static json_t *epochs_json(const bki_training *t) {
  json_t *array = json_array();
  for (int32_t e = 0; e < t->state.epoch; e++) {
    const bki_epoch *epoch = &t->state.epochs[e];
    json_t *row = json_pack("{s:f, s:f}", "loss", epoch->loss, "accuracy", epoch->accuracy);
    if (!isnan(epoch->validation_loss)) {
      json_object_set_new(row, "validation_loss", json_real(epoch->validation_loss));
      json_object_set_new(row, "validation_accuracy", json_real(epoch->validation_accuracy));
    }
    json_array_append_new(array, row);
  }
  return array;
}

static const char record_of[] = "bki train";

char *bki_train_format_record(const bki_training *t) {
  const bki_train_config *config = t->config;
  bki_train_summary summary;
  bki_train_summarise(t, &summary);
  json_t *record =
      json_pack("{s:s, s:s, s:o, s:o, s:o, s:i, s:I, s:I, s:I, s:o, s:i, s:O}", "made_by", record_of, "version",
                bki_version(), "corpus", names_json(config->corpus.paths, config->corpus.n_paths), "validation",
                names_json(config->validation_paths, config->n_validation_paths), "embeddings",
                config->embeddings_path == NULL ? json_null() : name_json(config->embeddings_path),
                "words_with_vectors", t->n_vectors < 0 ? 0 : t->n_vectors, "samples", (json_int_t)summary.n_samples,
                "validation_samples", (json_int_t)summary.n_validation, "skipped", (json_int_t)summary.n_skipped,
                "epochs", epochs_json(t), "best_epoch", summary.best_epoch + 1, "settings", t->settings);
  char *text = record == NULL ? NULL : json_dumps(record, JSON_COMPACT);
  json_decref(record);
  return text;
}

json_t *bki_train_read_record(const char *directory) {
  bki_strbuf path = {0};
  bki_strbuf_format(&path, "%s/config.json", directory);
  json_t *root = path.failed ? NULL : json_load_file(path.data, JSON_REJECT_DUPLICATES, NULL);
  bki_strbuf_clear(&path);
  json_t *meta = json_object_get(root, "meta");
  const char *made_by = json_string_value(json_object_get(meta, "made_by"));
  json_t *record = made_by != NULL && strcmp(made_by, record_of) == 0 ? json_incref(meta) : NULL;
  json_decref(root);
  return record;
}

static double real_of(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  return json_is_number(value) ? json_number_value(value) : NAN;
}

bool bki_train_summary_of_record(json_t *record, bki_train_summary *out) {
  json_int_t samples;
  json_int_t validation;
  json_int_t skipped;
  json_t *epochs;
  int best;
  if (json_unpack(record, "{s:I, s:I, s:I, s:i, s:o}", "samples", &samples, "validation_samples", &validation,
                  "skipped", &skipped, "best_epoch", &best, "epochs", &epochs) != 0) {
    return false;
  }
  const size_t n = json_array_size(epochs);
  const json_t *last = n == 0 ? NULL : json_array_get(epochs, n - 1);
  const json_t *chosen = best < 1 ? NULL : json_array_get(epochs, (size_t)best - 1); /* counted from 1 */
  *out = (bki_train_summary){.n_samples = samples,
                             .n_validation = validation,
                             .n_skipped = skipped,
                             .epochs = (int32_t)n,
                             .best_epoch = best - 1,
                             .loss = real_of(last, "loss"),
                             .accuracy = real_of(last, "accuracy"),
                             .validation_loss = real_of(chosen, "validation_loss"),
                             .validation_accuracy = real_of(chosen, "validation_accuracy")};
  return true;
}

void bki_train_summarise(const bki_training *t, bki_train_summary *out) {
  const bki_model_config *m = bki_model_get_config(t->model);
  const bki_train_state *s = &t->state;
  const int32_t best = t->samples.validation != NULL ? s->best_epoch : s->epoch - 1;
  *out = (bki_train_summary){
      .n_samples = (int64_t)bki_spool_count(t->samples.training),
      .n_validation = t->samples.validation == NULL ? 0 : (int64_t)bki_spool_count(t->samples.validation),
      .n_skipped = t->samples.n_skipped,
      .n_classes = m->n_classes,
      .vocabulary_size = m->vocabulary_size,
      .epochs = s->epoch,
      .best_epoch = best,
      .loss = s->epoch == 0 ? NAN : s->epochs[s->epoch - 1].loss,
      .accuracy = s->epoch == 0 ? NAN : s->epochs[s->epoch - 1].accuracy,
      .validation_loss = best < 0 ? NAN : s->epochs[best].validation_loss,
      .validation_accuracy = best < 0 ? NAN : s->epochs[best].validation_accuracy,
  };
}
