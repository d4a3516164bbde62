#include <bki/defend.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "defend_evaluate.h"
#include "defend_work.h"
#include "fail.h"
#include "truth.h"

typedef struct defence {
  const bki_defend_config *config;
  bki_work work;
  bki_defend_summary *summary;
  bki_model *victim;
  bki_model *retrained;
  bki_format format; /* of the corpus, never AUTO */
} defence;

void bki_defend_config_init(bki_defend_config *config) {
  bki_scan_config scan;
  bki_evaluate_config evaluation;
  bki_scan_config_init(&scan);
  bki_evaluate_config_init(&evaluation);
  *config = (bki_defend_config){.retrain = true,
                                .corpus = scan.corpus,
                                .scorer = scan.scorer,
                                .rule = scan.rule,
                                .decision = BKI_DECIDE_EVIDENCE,
                                .evidence = scan.evidence,
                                .commit_seconds = scan.commit_seconds,
                                .trigger = evaluation.trigger,
                                .trigger_seed = evaluation.seed};
  bki_train_config_init(&config->train);
}

static bki_status announce(const defence *d, bki_defend_step step, bki_defend_event event, bki_error *err) {
  const bki_defend_config *config = d->config;
  if (config->stop != NULL && config->stop(config->user)) {
    return bki_fail(err, BKI_E_INTERRUPTED, "stopped between two steps: the same command goes on from there");
  }
  if (config->step != NULL) {
    config->step(config->user, step, event);
  }
  return BKI_OK;
}

/* What is read hours later has to be there now. */
static bki_status check_paths(const char *const *paths, size_t n, const char *what, bki_error *err) {
  for (size_t i = 0; i < n; i++) {
    if (access(paths[i], R_OK) != 0 && strcmp(paths[i], "-") != 0) {
      return bki_fail_errno(err, paths[i], "open");
    }
    if (strcmp(paths[i], "-") == 0) {
      return bki_fail(err, BKI_E_USAGE, "%s: expected files, which can be read again, found standard input", what);
    }
  }
  return BKI_OK;
}

static bki_status check_config(const bki_defend_config *config, bki_error *err) {
  BKI_TRY(bki_rule_check(&config->rule, err));
  if (config->rule.preset == BKI_PRESET_JOURNAL && !config->scorer.increments) {
    return bki_fail(err, BKI_E_USAGE, "the journal preset needs the prefix increments: expected increments to be on");
  }
  BKI_TRY(bki_scorer_config_check(&config->scorer, err)); /* the scan comes after hours of training */
  if (config->corpus.n_paths == 0) {
    return bki_fail(err, BKI_E_USAGE, "expected a corpus, found none");
  }
  BKI_TRY(check_paths(config->corpus.paths, config->corpus.n_paths, "corpus", err));
  BKI_TRY(check_paths(config->test_paths, config->n_test_paths, "test texts", err));
  if (config->truth_path != NULL) {
    BKI_TRY(check_paths(&config->truth_path, 1, "truth", err));
  }
  if (config->n_backdoors > 0 && config->n_test_paths == 0) {
    return bki_fail(err, BKI_E_USAGE, "expected test texts to measure the attack on, found none");
  }
  return BKI_OK;
}

static bki_status find_format(defence *d, bki_error *err) {
  bki_corpus *corpus = NULL;
  BKI_TRY(bki_corpus_open(&corpus, &d->config->corpus, err));
  d->format = bki_corpus_format(corpus);
  bki_corpus_close(corpus);
  return BKI_OK;
}

/* A name that no class has would be found out after hours. */
static bki_status check_targets(const defence *d, const bki_model *model, bki_error *err) {
  for (size_t i = 0; i < d->config->n_backdoors; i++) {
    const char *target = d->config->backdoors[i].target;
    int32_t class;
    BKI_TRY(bki_model_expect_class(model, (bki_str){target, strlen(target)}, "a target", BKI_E_USAGE, &class, err));
  }
  return BKI_OK;
}

static bki_status train(const defence *d, const bki_corpus_config *corpus, const bki_model *like,
                        const char *model_path, bki_error *err) {
  const bki_defend_config *config = d->config;
  bki_train_config training = config->train;
  training.corpus = *corpus;
  training.on_error = config->on_error;
  training.model_path = model_path;
  training.force = false;
  training.progress = config->train_progress;
  training.stop = config->stop;
  training.user = config->user;
  training.logger = config->logger;
  if (like != NULL) {
    training.model.n_classes = bki_model_get_config(like)->n_classes;
    training.model.classes = bki_model_get_config(like)->classes;
  }
  return bki_train_run(&training, NULL, err);
}

static bki_status train_victim(defence *d, bki_error *err) {
  const bki_defend_config *config = d->config;
  if (config->model_path != NULL) {
    BKI_TRY(announce(d, BKI_DEFEND_TRAIN, BKI_DEFEND_NOT_ASKED, err));
  } else {
    bki_defend_event event = bki_work_has(d->work.victim) ? BKI_DEFEND_FOUND : BKI_DEFEND_RUN;
    BKI_TRY(announce(d, BKI_DEFEND_TRAIN, event, err));
    BKI_TRY(train(d, &config->corpus, NULL, d->work.victim, err));
  }
  BKI_TRY(bki_model_load(&d->victim, d->work.victim, err));
  return check_targets(d, d->victim, err);
}

static bool scan_is_complete(const char *path) {
  bki_store *store = NULL;
  bool complete =
      bki_work_has(path) && bki_store_open(&store, path, NULL) == BKI_OK && bki_store_get_state(store)->complete;
  bki_store_close(store);
  return complete;
}

static bki_status scan(defence *d, bki_error *err) {
  const bki_defend_config *config = d->config;
  bki_scan_config scanning;
  bki_scan_config_init(&scanning);
  scanning.model = d->victim;
  scanning.corpus = config->corpus;
  scanning.scorer = config->scorer;
  scanning.on_error = config->on_error;
  scanning.store_path = d->work.store;
  scanning.rule = config->rule;
  scanning.judge = config->decision != BKI_DECIDE_PAPER;
  scanning.evidence = config->evidence;
  scanning.commit_seconds = config->commit_seconds;
  scanning.progress = config->scan_progress;
  scanning.stop = config->stop;
  scanning.user = config->user;
  scanning.logger = config->logger;
  bki_defend_event event = scan_is_complete(d->work.store) ? BKI_DEFEND_FOUND : BKI_DEFEND_RUN;
  BKI_TRY(announce(d, BKI_DEFEND_SCAN, event, err));
  BKI_TRY(bki_scan_run(&scanning, NULL, err));
  BKI_TRY(bki_store_open(&d->summary->store, d->work.store, err));
  return bki_analysis_run(&d->summary->analysis, d->summary->store, &config->rule, config->decision, err);
}

/* What was found, as far as it decides which samples are flagged. */
static json_t *found_record(const defence *d) {
  const bki_candidate *keyword = bki_analysis_keyword(d->summary->analysis);
  const bki_evidence *evidence = bki_analysis_evidence(d->summary->analysis);
  if (evidence == NULL) {
    json_t *label = keyword->label < 0 ? json_null() : json_integer(keyword->label);
    return json_pack("[{s:s%, s:o}]", "keyword", keyword->word.data, keyword->word.size, "label", label);
  }
  json_t *found = json_array();
  for (size_t i = 0; found != NULL && i < evidence->n_findings; i++) {
    const bki_finding *f = &evidence->findings[i];
    json_t *entry = json_pack("{s:s%, s:i, s:i, s:I}", "phrase", f->phrase.data, f->phrase.size, "target",
                              (int)f->target, "verdict", (int)f->verdict, "flagged", (json_int_t)f->n_flagged);
    if (json_array_append_new(found, entry) != 0) {
      json_decref(found);
      found = NULL;
    }
  }
  return found;
}

/* What kept and removed follow from; a rule that selects the same is the same. NULL: out of memory. */
static json_t *purify_record(const defence *d) {
  const bki_store_state *state = bki_store_get_state(d->summary->store);
  const bki_rule *rule = &d->config->rule;
  return json_pack(
      "{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:o, s:I, s:I, s:I}", "corpus", state->corpus_prefix_fingerprint,
      "model", bki_model_fingerprint(d->victim), "decision", (int)d->config->decision, "preset", (int)rule->preset, "p",
      (int)rule->p, "keys", (int)rule->keys, "oov_key", (int)rule->oov_key, "ngram", (int)rule->ngram, "alpha",
      rule->alpha, "found", found_record(d), "kept", (json_int_t)d->summary->purified.n_kept, "flagged",
      (json_int_t)d->summary->purified.n_flagged, "unscanned", (json_int_t)d->summary->purified.n_unscanned);
}

static void expect_counts(defence *d) {
  const bki_store_state *state = bki_store_get_state(d->summary->store);
  size_t n_flagged;
  bki_analysis_flagged(d->summary->analysis, &n_flagged);
  d->summary->purified = (bki_purify_summary){.n_kept = state->n_samples - (int64_t)n_flagged,
                                              .n_flagged = (int64_t)n_flagged,
                                              .n_unscanned = state->n_skipped};
}

static bool is_purified(const defence *d, const json_t *record) {
  json_t *stored = bki_work_read_record(d->work.purified);
  bool same =
      stored != NULL && json_equal(stored, record) && bki_work_has(d->work.kept) && bki_work_has(d->work.removed);
  json_decref(stored);
  return same;
}

static bki_status write_outputs(const defence *d, bki_error *err) {
  const bki_purify_config purification = {
      .corpus = d->config->corpus, .kept_path = d->work.kept, .removed_path = d->work.removed, .force = true};
  bki_purify_summary ignored;
  return bki_purify_run(&purification, d->summary->store, d->summary->analysis, &ignored, err);
}

static bki_status purify(defence *d, bki_error *err) {
  expect_counts(d);
  if (d->summary->purified.n_flagged == 0) {
    return announce(d, BKI_DEFEND_PURIFY, BKI_DEFEND_NOT_NEEDED, err);
  }
  BKI_TRY(bki_work_name_outputs(&d->work, d->config->work_path, d->format, d->config->corpus.paths[0], err));
  json_t *record = purify_record(d);
  if (record == NULL) {
    return bki_fail_memory(err);
  }
  bool found = is_purified(d, record);
  bki_status status = announce(d, BKI_DEFEND_PURIFY, found ? BKI_DEFEND_FOUND : BKI_DEFEND_RUN, err);
  if (status == BKI_OK && !found) {
    status = write_outputs(d, err);
    if (status == BKI_OK) {
      status = bki_work_write_record(d->work.purified, json_incref(record), err);
    }
  }
  json_decref(record);
  if (status == BKI_OK) {
    d->summary->kept_path = strdup(d->work.kept);
    d->summary->removed_path = strdup(d->work.removed);
    status = d->summary->kept_path == NULL || d->summary->removed_path == NULL ? bki_fail_memory(err) : BKI_OK;
  }
  return status;
}

static bki_status retrain(defence *d, bki_error *err) {
  if (!d->config->retrain) {
    return announce(d, BKI_DEFEND_RETRAIN, BKI_DEFEND_NOT_ASKED, err);
  }
  if (d->work.kept == NULL) {
    return announce(d, BKI_DEFEND_RETRAIN, BKI_DEFEND_NOT_NEEDED, err);
  }
  bki_defend_event event = bki_work_has(d->work.retrained) ? BKI_DEFEND_FOUND : BKI_DEFEND_RUN;
  BKI_TRY(announce(d, BKI_DEFEND_RETRAIN, event, err));
  const char *kept = d->work.kept;
  bki_corpus_config corpus = d->config->corpus;
  corpus.paths = &kept;
  corpus.n_paths = 1;
  corpus.format = d->format;
  /* A given victim may name its classes otherwise than the labels of the corpus do (by number). */
  const bki_model *like = d->config->model_path == NULL ? d->victim : NULL;
  BKI_TRY(train(d, &corpus, like, d->work.retrained, err));
  BKI_TRY(bki_model_load(&d->retrained, d->work.retrained, err));
  d->summary->retrained = true;
  return BKI_OK;
}

static bki_status evaluate(defence *d, bki_error *err) {
  const bki_defend_config *config = d->config;
  if (config->n_test_paths == 0) {
    return announce(d, BKI_DEFEND_EVALUATE, BKI_DEFEND_NOT_ASKED, err);
  }
  json_t *identity = NULL;
  BKI_TRY(bki_defend_evaluation_identity(&identity, config, err));
  bool found = bki_defend_has_evaluation(d->work.before, identity, d->victim) &&
               (d->retrained == NULL || bki_defend_has_evaluation(d->work.after, identity, d->retrained));
  bki_status status = announce(d, BKI_DEFEND_EVALUATE, found ? BKI_DEFEND_FOUND : BKI_DEFEND_RUN, err);
  if (status == BKI_OK) {
    status = bki_defend_evaluate(&d->summary->before, config, d->victim, identity, d->work.before, err);
  }
  if (status == BKI_OK && d->retrained != NULL) {
    status = bki_defend_evaluate(&d->summary->after, config, d->retrained, identity, d->work.after, err);
  }
  json_decref(identity);
  return status;
}

/* Before retraining: a truth file that is none is told early. */
static bki_status compare(defence *d, bki_error *err) {
  if (d->config->truth_path == NULL) {
    return BKI_OK;
  }
  bki_truth_counts counts;
  BKI_TRY(bki_truth_compare(&counts, d->config->truth_path, d->summary->store, d->summary->analysis, err));
  d->summary->has_truth = true;
  d->summary->n_poisoned = counts.n_poisoned;
  d->summary->n_poisoned_flagged = counts.n_flagged;
  return BKI_OK;
}

static bki_status run(defence *d, bki_error *err) {
  BKI_TRY(check_config(d->config, err));
  BKI_TRY(find_format(d, err));
  BKI_TRY(bki_work_open(&d->work, d->config, err));
  BKI_TRY(train_victim(d, err));
  BKI_TRY(scan(d, err));
  BKI_TRY(compare(d, err));
  BKI_TRY(purify(d, err));
  BKI_TRY(retrain(d, err));
  return evaluate(d, err);
}

bki_status bki_defend_run(const bki_defend_config *config, bki_defend_summary *out, bki_error *err) {
  bki_defend_summary summary = {0};
  defence d = {.config = config, .summary = &summary, .work = {.lock = -1}};
  bki_status status = run(&d, err);
  bki_model_destroy(d.victim);
  bki_model_destroy(d.retrained);
  bki_work_close(&d.work);
  if (status != BKI_OK) {
    bki_defend_summary_clear(&summary);
    return status;
  }
  *out = summary;
  return BKI_OK;
}

static void destroy_evaluation(bki_evaluation *evaluation) {
  if (evaluation != NULL) {
    bki_evaluation_clear(evaluation);
    free(evaluation);
  }
}

void bki_defend_summary_clear(bki_defend_summary *summary) {
  bki_analysis_destroy(summary->analysis);
  bki_store_close(summary->store);
  free(summary->kept_path);
  free(summary->removed_path);
  destroy_evaluation(summary->before);
  destroy_evaluation(summary->after);
  *summary = (bki_defend_summary){0};
}
