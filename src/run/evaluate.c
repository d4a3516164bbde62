#include <bki/evaluate.h>

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "argmax.h"
#include "array.h"
#include "chunk.h"
#include "evaluate_trigger.h"
#include "fail.h"
#include "log.h"
#include "log_backend.h"
#include "pool.h"

/* A batch is what runs between two questions for `stop`. */
enum { BATCH = 256, SKIPPED_SHOWN = 5 };

typedef struct evaluator {
  const bki_evaluate_config *config;
  const bki_model_config *model;
  bki_corpus_config files;
  bki_corpus *corpus;
  bki_scorer *scorer;
  bki_pool *pool;
  bki_chunk *chunk;
  bki_triggering *triggering; /* NULL without attacks */
  const bki_chunk_record *records[BATCH];
  bki_sequence sequences[BATCH];
  float *logits; /* [BATCH, C] */
  double loss;   /* the sum so far, in order of the texts */
  bki_evaluation result;
} evaluator;

void bki_evaluate_config_init(bki_evaluate_config *config) {
  *config = (bki_evaluate_config){.seed = 1};
  bki_corpus_config_init(&config->corpus);
  bki_scorer_config_init(&config->scorer);
}

bki_class_metrics bki_evaluation_class(const bki_evaluation *evaluation, int32_t c) {
  const int32_t C = evaluation->n_classes;
  const int64_t hits = evaluation->confusion[(int64_t)c * C + c];
  int64_t labelled = 0;
  int64_t predicted = 0;
  for (int32_t i = 0; i < C; i++) {
    labelled += evaluation->confusion[(int64_t)c * C + i];
    predicted += evaluation->confusion[(int64_t)i * C + c];
  }
  return (bki_class_metrics){
      .n_samples = labelled,
      .precision = predicted > 0 ? (double)hits / (double)predicted : NAN,
      .recall = labelled > 0 ? (double)hits / (double)labelled : NAN,
      /* 2 P R / (P + R) in counts: defined, and 0, where only one of P and R is */
      .f1 = labelled + predicted > 0 ? 2 * (double)hits / (double)(labelled + predicted) : NAN,
  };
}

bki_class_metrics bki_evaluation_macro(const bki_evaluation *evaluation) {
  bki_class_metrics out = {0};
  int32_t n = 0;
  for (int32_t c = 0; c < evaluation->n_classes; c++) {
    const bki_class_metrics m = bki_evaluation_class(evaluation, c);
    if (m.n_samples > 0) {
      out.n_samples += m.n_samples;
      out.precision += isnan(m.precision) ? 0 : m.precision;
      out.recall += m.recall;
      out.f1 += m.f1;
      n++;
    }
  }
  out.precision /= n;
  out.recall /= n;
  out.f1 /= n;
  return out;
}

void bki_evaluation_clear(bki_evaluation *evaluation) {
  free(evaluation->confusion);
  free(evaluation->attacks);
  *evaluation = (bki_evaluation){0};
}

static bki_status find_targets(evaluator *e, bki_error *err) {
  for (size_t b = 0; b < e->config->n_backdoors; b++) {
    const bki_backdoor *backdoor = &e->config->backdoors[b];
    const bki_str target = {backdoor->target, strlen(backdoor->target)};
    BKI_TRY(
        bki_model_expect_class(e->config->model, target, "a target", BKI_E_USAGE, &e->result.attacks[b].target, err));
    BKI_TRY(bki_triggering_check(e->triggering, backdoor->trigger, err));
  }
  return BKI_OK;
}

static bki_status create_result(evaluator *e, bki_error *err) {
  const size_t C = (size_t)e->model->n_classes;
  const size_t n_attacks = e->config->n_backdoors;
  size_t cells;
  size_t n_logits;
  if (!bki_size_mul(C, C, &cells) || !bki_size_mul(C, BATCH, &n_logits)) {
    return bki_fail_memory(err);
  }
  e->result = (bki_evaluation){.n_classes = e->model->n_classes,
                               .confusion = bki_array_create(cells, sizeof *e->result.confusion),
                               .attacks = bki_array_create(n_attacks, sizeof *e->result.attacks),
                               .n_attacks = n_attacks};
  e->logits = bki_array_create(n_logits, sizeof *e->logits);
  bool ok = e->result.confusion != NULL && e->result.attacks != NULL && e->logits != NULL;
  return ok ? BKI_OK : bki_fail_memory(err);
}

static bki_status open_parts(evaluator *e, bki_error *err) {
  const bki_evaluate_config *config = e->config;
  bki_scorer_config scorer = config->scorer;
  scorer.increments = false;
  if (scorer.precision == BKI_PRECISION_EXACT) { /* is fp32 where no words are scored */
    scorer.precision = BKI_PRECISION_FP32;
  }
  BKI_TRY(create_result(e, err));
  BKI_TRY(bki_scorer_create(&e->scorer, config->model, &scorer, err));
  BKI_TRY(bki_pool_create(&e->pool, bki_scorer_threads(e->scorer), err));
  if (config->n_backdoors > 0) {
    BKI_TRY(bki_triggering_create(&e->triggering, config->model, &config->trigger, config->seed, e->pool, err));
    BKI_TRY(find_targets(e, err));
  }
  if (e->files.label_field == NULL) {
    e->files.label_field = "label"; /* required */
  }
  BKI_TRY(bki_corpus_open(&e->corpus, &e->files, err));
  BKI_TRY(bki_chunk_create(&e->chunk, config->model, e->files.paths, e->pool, err));
  if (config->n_backdoors > 0) {
    bki_chunk_keep_texts(e->chunk);
  }
  return BKI_OK;
}

static void close_parts(evaluator *e) {
  bki_triggering_destroy(e->triggering);
  bki_chunk_destroy(e->chunk);
  bki_pool_destroy(e->pool);
  bki_scorer_destroy(e->scorer);
  bki_corpus_close(e->corpus);
  free(e->logits);
}

/* The lowest of equal logits. */
static int32_t predicted_class(const evaluator *e, size_t i) {
  const size_t n_classes = (size_t)e->model->n_classes;
  return (int32_t)bki_argmax(e->logits + i * n_classes, n_classes);
}

/* -log softmax(logits)[label] */
static double cross_entropy(const evaluator *e, size_t i, int32_t label, int32_t best) {
  const float *logits = e->logits + i * (size_t)e->model->n_classes;
  double sum = 0;
  for (int32_t c = 0; c < e->model->n_classes; c++) {
    sum += exp((double)logits[c] - (double)logits[best]);
  }
  return log(sum) - ((double)logits[label] - (double)logits[best]);
}

/* The first n of e->records as they are. */
static bki_status predict(evaluator *e, size_t n, bki_error *err) {
  for (size_t i = 0; i < n; i++) {
    e->sequences[i] = (bki_sequence){.ids = e->records[i]->ids, .length = e->records[i]->words.n_words};
  }
  BKI_TRY(bki_scorer_forward(e->scorer, e->sequences, n, NULL, e->logits, err));
  bki_evaluation *out = &e->result;
  for (size_t i = 0; i < n; i++) {
    const int32_t label = e->records[i]->label;
    const int32_t predicted = predicted_class(e, i);
    out->confusion[(int64_t)label * out->n_classes + predicted]++;
    out->n_correct += label == predicted;
    e->loss += cross_entropy(e, i, label, predicted);
    for (size_t b = 0; b < out->n_attacks; b++) {
      bki_attack_result *attack = &out->attacks[b];
      attack->n_control += label != attack->target && predicted == attack->target;
    }
  }
  out->n_samples += (int64_t)n;
  return BKI_OK;
}

/* Those of other classes with the trigger. */
static bki_status attack(evaluator *e, size_t b, size_t n, bki_error *err) {
  bki_attack_result *out = &e->result.attacks[b];
  const bki_chunk_record *others[BATCH];
  size_t n_others = 0;
  for (size_t i = 0; i < n; i++) {
    if (e->records[i]->label != out->target) {
      others[n_others++] = e->records[i];
    }
  }
  BKI_TRY(bki_triggering_run(e->triggering, e->config->backdoors[b].trigger, others, n_others, e->sequences, err));
  BKI_TRY(bki_scorer_forward(e->scorer, e->sequences, n_others, NULL, e->logits, err));
  for (size_t i = 0; i < n_others; i++) {
    out->n_hit += predicted_class(e, i) == out->target;
  }
  out->n_texts += (int64_t)n_others;
  return BKI_OK;
}

static bki_status run_batch(evaluator *e, size_t n, bki_error *err) {
  BKI_TRY(predict(e, n, err));
  for (size_t b = 0; b < e->config->n_backdoors; b++) {
    BKI_TRY(attack(e, b, n, err));
  }
  if (e->config->stop != NULL && e->config->stop(e->config->user)) {
    return bki_fail(err, BKI_E_INTERRUPTED, "stopped after %" PRId64 " texts: the same command begins anew",
                    e->result.n_samples);
  }
  return BKI_OK;
}

static bki_status skip(evaluator *e, const bki_error *reason, bki_error *err) {
  if (e->config->on_error == BKI_ON_ERROR_FAIL) {
    *err = *reason;
    return reason->status;
  }
  if (e->result.n_skipped < SKIPPED_SHOWN) {
    char text[sizeof reason->file + sizeof reason->message + 64];
    bki_log(&e->config->logger, BKI_LOG_WARNING, "skipped: %s", bki_error_format(reason, text, sizeof text));
  }
  e->result.n_skipped++;
  return BKI_OK;
}

static bki_status run_chunk(evaluator *e, const bki_chunk_record *records, size_t n, bki_error *err) {
  size_t filled = 0;
  for (size_t i = 0; i < n; i++) {
    if (records[i].error != NULL) {
      BKI_TRY(skip(e, records[i].error, err));
    } else {
      e->records[filled++] = &records[i];
    }
    if (filled == BATCH || (filled > 0 && i + 1 == n)) {
      BKI_TRY(run_batch(e, filled, err));
      filled = 0;
    }
  }
  return BKI_OK;
}

static bki_status run(evaluator *e, bki_error *err) {
  BKI_TRY(open_parts(e, err));
  bki_log_scorer(&e->config->logger, e->scorer);
  for (size_t n = 1; n > 0;) {
    BKI_TRY(bki_chunk_read(e->chunk, e->corpus, err));
    const bki_chunk_record *records = bki_chunk_records(e->chunk, &n);
    BKI_TRY(run_chunk(e, records, n, err));
  }
  if (e->result.n_skipped > SKIPPED_SHOWN) {
    bki_log(&e->config->logger, BKI_LOG_WARNING, "%" PRId64 " bad records skipped", e->result.n_skipped);
  }
  if (e->result.n_samples == 0) {
    return bki_fail_at(err, BKI_E_DATA, e->files.paths[0], 0, -1, "expected labelled texts, found none");
  }
  e->result.loss = e->loss / (double)e->result.n_samples;
  return BKI_OK;
}

bki_status bki_evaluate_run(const bki_evaluate_config *config, bki_evaluation *out, bki_error *err) {
  bki_error ignored;
  err = err == NULL ? &ignored : err;
  evaluator e = {.config = config, .model = bki_model_get_config(config->model), .files = config->corpus};
  bki_status status = run(&e, err);
  close_parts(&e);
  if (status != BKI_OK) {
    bki_evaluation_clear(&e.result);
    return status;
  }
  *out = e.result;
  return BKI_OK;
}
