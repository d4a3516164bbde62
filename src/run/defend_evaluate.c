#include "defend_evaluate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "defend_work.h"
#include "fail.h"

static bki_corpus_config test_corpus(const bki_defend_config *config) {
  bki_corpus_config corpus = config->corpus;
  corpus.paths = config->test_paths;
  corpus.n_paths = config->n_test_paths;
  return corpus;
}

static bki_status fingerprint_texts(const bki_defend_config *config, char out[33], bki_error *err) {
  bki_corpus_config settings = test_corpus(config);
  bki_corpus *corpus = NULL;
  bool end = false;
  BKI_TRY(bki_corpus_open(&corpus, &settings, err));
  bki_status status = BKI_OK;
  while (status == BKI_OK && !end) {
    bki_raw_record record;
    status = bki_corpus_next(corpus, &record, &end, err);
  }
  bki_corpus_fingerprint(corpus, out);
  bki_corpus_close(corpus);
  return status;
}

static const char *name_of(const char *name) {
  return name == NULL ? "auto" : name;
}

bki_status bki_defend_evaluation_identity(json_t **out, const bki_defend_config *config, bki_error *err) {
  char fingerprint[33];
  BKI_TRY(fingerprint_texts(config, fingerprint, err));
  const bki_corpus_config *c = &config->corpus;
  json_t *backdoors = json_array();
  for (size_t i = 0; i < config->n_backdoors; i++) {
    json_array_append_new(backdoors, json_pack("[s, s]", config->backdoors[i].trigger, config->backdoors[i].target));
  }
  *out =
      json_pack("{s:s, s:i, s:i, s:i, s:s?, s:s?, s:s?, s:I, s:i, s:i, s:I, s:s, s:s, s:s, s:o}", "texts", fingerprint,
                "format", (int)c->format, "quoting", (int)c->quoting, "header", (int)c->header, "text_field",
                c->text_field, "label_field", c->label_field, "id_field", c->id_field, "max_record_bytes",
                (json_int_t)c->max_record_bytes, "on_error", (int)config->on_error, "placement",
                (int)config->trigger.placement, "position", (json_int_t)config->trigger.position, "seed", "", "backend",
                name_of(config->scorer.backend), "isa", name_of(config->scorer.isa), "backdoors", backdoors);
  if (*out == NULL) {
    return bki_fail(err, BKI_E_USAGE, "expected triggers, targets and field names in UTF-8");
  }
  char seed[32];
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)config->trigger_seed); /* JSON integers have a sign */
  return json_object_set_new(*out, "seed", json_string(seed)) == 0 ? BKI_OK : bki_fail_memory(err);
}

static json_t *attacks_json(const bki_evaluation *e) {
  json_t *out = json_array();
  for (size_t i = 0; i < e->n_attacks; i++) {
    const bki_attack_result *a = &e->attacks[i];
    json_array_append_new(out, json_pack("[i, I, I, I]", (int)a->target, (json_int_t)a->n_texts, (json_int_t)a->n_hit,
                                         (json_int_t)a->n_control));
  }
  return out;
}

static json_t *result_json(const bki_evaluation *e) {
  json_t *confusion = json_array();
  for (int64_t i = 0; i < (int64_t)e->n_classes * e->n_classes; i++) {
    json_array_append_new(confusion, json_integer(e->confusion[i]));
  }
  return json_pack("{s:I, s:I, s:I, s:o, s:i, s:o, s:o}", "samples", (json_int_t)e->n_samples, "skipped",
                   (json_int_t)e->n_skipped, "correct", (json_int_t)e->n_correct, "loss",
                   isfinite(e->loss) ? json_real(e->loss) : json_null(), "classes", (int)e->n_classes, "confusion",
                   confusion, "attacks", attacks_json(e));
}

static bool is_count(const json_t *value) {
  return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool read_confusion(bki_evaluation *out, const json_t *cells) {
  size_t n = (size_t)out->n_classes * (size_t)out->n_classes;
  out->confusion = bki_array_create(n, sizeof *out->confusion);
  bool ok = out->confusion != NULL && json_array_size(cells) == n;
  for (size_t i = 0; ok && i < n; i++) {
    ok = is_count(json_array_get(cells, i));
    out->confusion[i] = json_integer_value(json_array_get(cells, i));
  }
  return ok;
}

static bool read_attacks(bki_evaluation *out, const json_t *attacks, size_t n) {
  out->attacks = bki_array_create(n, sizeof *out->attacks);
  bool ok = out->attacks != NULL && json_is_array(attacks) && json_array_size(attacks) == n;
  out->n_attacks = ok ? n : 0;
  for (size_t i = 0; ok && i < n; i++) {
    json_int_t target;
    json_int_t counts[3];
    ok = json_unpack(json_array_get(attacks, i), "[I, I, I, I]", &target, &counts[0], &counts[1], &counts[2]) == 0 &&
         target >= 0 && target < out->n_classes && counts[1] >= 0 && counts[1] <= counts[0] && counts[2] >= 0 &&
         counts[2] <= counts[0];
    if (ok) {
      out->attacks[i] = (bki_attack_result){(int32_t)target, counts[0], counts[1], counts[2]};
    }
  }
  return ok;
}

static bool read_result(bki_evaluation *out, const json_t *result, int32_t n_classes, size_t n_backdoors) {
  const json_t *loss = json_object_get(result, "loss");
  const json_t *samples = json_object_get(result, "samples");
  const json_t *skipped = json_object_get(result, "skipped");
  const json_t *correct = json_object_get(result, "correct");
  if (!is_count(samples) || !is_count(skipped) || !is_count(correct) ||
      json_integer_value(json_object_get(result, "classes")) != n_classes) {
    return false;
  }
  *out = (bki_evaluation){.n_samples = json_integer_value(samples),
                          .n_skipped = json_integer_value(skipped),
                          .n_correct = json_integer_value(correct),
                          .loss = json_is_number(loss) ? json_number_value(loss) : NAN,
                          .n_classes = n_classes};
  return read_confusion(out, json_object_get(result, "confusion")) &&
         read_attacks(out, json_object_get(result, "attacks"), n_backdoors);
}

static bool matches(const json_t *record, const json_t *identity, const bki_model *model) {
  const char *fingerprint = json_string_value(json_object_get(record, "model"));
  return fingerprint != NULL && strcmp(fingerprint, bki_model_fingerprint(model)) == 0 &&
         json_equal(json_object_get(record, "settings"), identity);
}

bool bki_defend_has_evaluation(const char *record_path, const json_t *identity, const bki_model *model) {
  json_t *record = bki_work_read_record(record_path);
  bool found = matches(record, identity, model);
  json_decref(record);
  return found;
}

/* false: there is none, or none that can be believed. */
static bool recall(bki_evaluation *out, const char *record_path, const json_t *identity, const bki_model *model,
                   size_t n_backdoors) {
  json_t *record = bki_work_read_record(record_path);
  bool ok = matches(record, identity, model) &&
            read_result(out, json_object_get(record, "result"), bki_model_get_config(model)->n_classes, n_backdoors);
  if (!ok) {
    bki_evaluation_clear(out);
    *out = (bki_evaluation){0};
  }
  json_decref(record);
  return ok;
}

static bki_status evaluate(bki_evaluation *out, const bki_defend_config *config, const bki_model *model,
                           bki_error *err) {
  bki_evaluate_config evaluation;
  bki_evaluate_config_init(&evaluation);
  evaluation.model = model;
  evaluation.corpus = test_corpus(config);
  evaluation.on_error = config->on_error;
  evaluation.backdoors = config->backdoors;
  evaluation.n_backdoors = config->n_backdoors;
  evaluation.trigger = config->trigger;
  evaluation.seed = config->trigger_seed;
  evaluation.scorer = config->scorer;
  evaluation.scorer.engine = BKI_ENGINE_AUTO;
  evaluation.scorer.precision = BKI_PRECISION_FP32;
  evaluation.stop = config->stop;
  evaluation.user = config->user;
  evaluation.logger = config->logger;
  return bki_evaluate_run(&evaluation, out, err);
}

bki_status bki_defend_evaluate(bki_evaluation **out, const bki_defend_config *config, const bki_model *model,
                               const json_t *identity, const char *record_path, bki_error *err) {
  bki_evaluation *evaluation = bki_array_create(1, sizeof *evaluation);
  if (evaluation == NULL) {
    return bki_fail_memory(err);
  }
  bki_status status = BKI_OK;
  if (!recall(evaluation, record_path, identity, model, config->n_backdoors)) {
    status = evaluate(evaluation, config, model, err);
    if (status != BKI_OK) {
      free(evaluation);
      return status;
    }
    json_t *record = json_pack("{s:s, s:O, s:o}", "model", bki_model_fingerprint(model), "settings", identity, "result",
                               result_json(evaluation));
    status = bki_work_write_record(record_path, record, err);
  }
  if (status != BKI_OK) {
    bki_evaluation_clear(evaluation);
    free(evaluation);
    return status;
  }
  *out = evaluation;
  return BKI_OK;
}
