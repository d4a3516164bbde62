#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "defence.h"
#include "progress.h"
#include "train_options.h"

typedef struct defend_options {
  bki_defend_config config;
  cli_rule_options rule;
  cli_train_options train;
  cli_run_options run;
  cli_texts tests;
  cli_trigger_options trigger;
  bool no_retrain;
  bool quiet;
  bool json;
  bool exit_status;
  cli_progress progress;
} defend_options;

static void add_own_options(cli_command_line *line, defend_options *o) {
  static const char *const on_error[] = {"fail", "skip", NULL};
  const cli_option options[] = {
      {.name = "work",
       .letter = 'w',
       .kind = CLI_TEXT,
       .target = &o->config.work_path,
       .value = "DIR",
       .help = "where everything is made, and where an interrupted run goes on (required)"},
      {.name = "model",
       .letter = 'm',
       .kind = CLI_TEXT,
       .target = &o->config.model_path,
       .value = "MODEL",
       .help = "the model trained on the corpus (default: train it)"},
      {.name = "test",
       .kind = CLI_TEXTS,
       .target = &o->tests,
       .value = "FILE",
       .help = "test texts: evaluate before and after; may be repeated"},
      {.name = "trigger-seed",
       .kind = CLI_U64,
       .target = &o->config.trigger_seed,
       .value = "N",
       .help = "of the random placement in the test texts (default 1)"},
      {.name = "truth",
       .kind = CLI_TEXT,
       .target = &o->config.truth_path,
       .value = "FILE",
       .help = "which samples are poisoned (JSON Lines): precision and recall"},
      {.name = "no-retrain", .kind = CLI_FLAG, .target = &o->no_retrain, .help = "end with the purified corpus"},
      {.name = "on-error",
       .kind = CLI_CHOICE,
       .target = &o->config.on_error,
       .choices = on_error,
       .help = "at a bad record end, or pass over it (default fail)"},
      {.name = "checkpoint-seconds",
       .kind = CLI_REAL,
       .target = &o->config.train.checkpoint_seconds,
       .value = "X",
       .help = "at most this much of a training is lost when it is killed (default 60)"},
      {.name = "commit-seconds",
       .kind = CLI_REAL,
       .target = &o->config.commit_seconds,
       .value = "X",
       .help = "at most this much of the scan is lost (default 5)"},
      {.name = "exit-status",
       .kind = CLI_FLAG,
       .target = &o->exit_status,
       .help = "exit 1 when there is a backdoor; with --rule paper, a keyword"},
      {.name = "quiet", .letter = 'q', .kind = CLI_FLAG, .target = &o->quiet, .help = "no progress on stderr"},
      {.name = "json", .kind = CLI_FLAG, .target = &o->json, .help = "print the summary as JSON"},
  };
  CLI_ADD_OPTIONS(line, options);
}

static bki_status out_of_memory(bki_error *err) {
  *err = (bki_error){.status = BKI_E_INTERNAL, .message = "out of memory", .byte = -1};
  return BKI_E_INTERNAL;
}

/* "[2/5] scan", with what becomes of it. */
static void show_step(void *user, bki_defend_step step, bki_defend_event event) {
  static const char *const steps[] = {"train the victim", "scan", "purify", "retrain", "evaluate"};
  static const char *const events[] = {"", ": there already", ": not asked for", ": not needed, nothing is removed"};
  defend_options *o = user;
  cli_progress_clear(&o->progress);
  if (!o->quiet) {
    fprintf(stderr, "bki: [%d/%d] %s%s\n", (int)step + 1, (int)BKI_DEFEND_N_STEPS, steps[step], events[event]);
  }
}

static void show_scan(void *user, const bki_progress *state) {
  cli_progress_show(&((defend_options *)user)->progress, state);
}

static void show_training(void *user, const bki_train_progress *state) {
  cli_progress_show_training(&((defend_options *)user)->progress, state);
}

/* The summary as JSON into WORK/summary.json, unless that says it already. */
static bki_status write_summary(const char *work, const json_t *summary, bki_error *err) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/summary.json", work);
  json_t *old = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
  bool same = old != NULL && json_equal(old, summary) == 1;
  json_decref(old);
  char *text = same ? NULL : json_dumps(summary, JSON_INDENT(2));
  if (text == NULL) {
    return same ? BKI_OK : out_of_memory(err);
  }
  bki_sink *sink = NULL;
  bki_status status = bki_sink_open(&sink, path, true, err);
  if (status == BKI_OK) {
    status = bki_sink_write(sink, text, strlen(text), err);
    status = status == BKI_OK ? bki_sink_write(sink, "\n", 1, err) : status;
    if (status == BKI_OK) {
      status = bki_sink_commit(sink, err);
    } else {
      bki_sink_discard(sink);
    }
  }
  free(text);
  return status;
}

static int report(const defend_options *o, const bki_defend_summary *summary) {
  json_t *value = bki_json_defence(summary, &o->config);
  bki_error err;
  if (value == NULL) {
    return cli_out_of_memory();
  }
  if (write_summary(o->config.work_path, value, &err) != BKI_OK) {
    json_decref(value);
    return cli_error(&err);
  }
  int exit_code = BKI_OK;
  if (o->json) {
    exit_code = cli_print_json(value);
  } else {
    json_decref(value);
    exit_code = bki_print_defence(stdout, summary, &o->config) ? BKI_OK : cli_out_of_memory();
  }
  const bki_evidence *evidence = bki_analysis_evidence(summary->analysis);
  bool found =
      evidence == NULL ? bki_analysis_keyword(summary->analysis) != NULL : evidence->verdict == BKI_VERDICT_BACKDOOR;
  return exit_code == BKI_OK && o->exit_status && found ? CLI_NEGATIVE : exit_code;
}

static int defend(defend_options *o) {
  bki_error err;
  bki_defend_summary summary = {0};
  cli_catch_signals();
  bki_status status = bki_defend_run(&o->config, &summary, &err);
  cli_progress_clear(&o->progress);
  int exit_code = status == BKI_OK ? report(o, &summary) : cli_error(&err);
  bki_defend_summary_clear(&summary);
  return exit_code;
}

/* What the options say together. */
static int settle(defend_options *o, const cli_command_line *line) {
  bki_defend_config *c = &o->config;
  if (c->work_path == NULL || strlen(c->work_path) + sizeof "/summary.json" > PATH_MAX) {
    return cli_usage_error("defend", "expected --work DIR");
  }
  int exit_code = cli_run_options_apply(&o->run, "defend", &c->scorer);
  if (exit_code != BKI_OK || !cli_trigger_apply("defend", &o->trigger, &c->trigger, &exit_code)) {
    return exit_code;
  }
  c->backdoors = o->trigger.backdoors;
  c->n_backdoors = o->trigger.triggers.n;
  c->test_paths = o->tests.items;
  c->n_test_paths = o->tests.n;
  c->retrain = !o->no_retrain;
  c->corpus.paths = (const char *const *)line->args;
  c->corpus.n_paths = line->n_args;
  cli_rule_apply(&o->rule, &c->rule);
  c->scorer.increments = c->rule.preset == BKI_PRESET_JOURNAL;
  c->train.backend = c->scorer.backend;
  c->train.threads = c->scorer.threads;
  c->train.device = c->scorer.n_devices > 0 ? c->scorer.devices[0] : -1;
  c->step = show_step;
  c->train_progress = show_training;
  c->scan_progress = show_scan;
  c->stop = cli_stop_requested;
  c->user = o;
  c->logger = cli_logger(&o->quiet);
  return cli_train_options_apply(&o->train, "defend");
}

int cli_defend(int argc, char **argv) {
  defend_options o = {0};
  cli_command_line line = {
      .command = "defend",
      .usage = "CORPUS... --work DIR [OPTION...]",
      .summary =
          "Trains a model on CORPUS, scans, purifies, trains anew on what is kept and, with --test, evaluates both\n"
          "models. The same command goes on with an interrupted run.",
      .min_args = 1,
      .max_args = SIZE_MAX,
  };
  int exit_code;
  bki_defend_config_init(&o.config);
  cli_rule_options_init(&o.rule);
  cli_train_options_init(&o.train, &o.config.train);
  cli_run_options_init(&o.run);
  add_own_options(&line, &o);
  cli_add_trigger_options(&line, &o.trigger);
  cli_add_corpus_options(&line, &o.config.corpus);
  cli_add_decision_option(&line, &o.config.decision);
  cli_add_rule_options(&line, &o.rule);
  cli_add_run_options(&line, &o.run);
  cli_add_scorer_options(&line, &o.config.scorer);
  cli_add_train_options(&line, &o.train);
  if (cli_parse(&line, argc, argv, &exit_code)) {
    exit_code = settle(&o, &line);
    if (exit_code == BKI_OK) {
      cli_progress_init(&o.progress, o.quiet);
      exit_code = defend(&o);
    }
  }
  cli_train_options_clear(&o.train);
  return exit_code;
}
