#include <stdint.h>
#include <string.h>

#include "cli.h"
#include "progress.h"
#include "train_options.h"
#include "train_report.h"

typedef struct train_options {
  bki_train_config config;
  cli_train_options shared;
  cli_run_options run;
  bool quiet;
  bool json;
  cli_progress progress;
} train_options;

static void add_own_options(cli_command_line *line, train_options *o) {
  static const char *const on_error[] = {"fail", "skip", NULL};
  bki_train_config *c = &o->config;
  const cli_option options[] = {
      {.name = "output",
       .letter = 'o',
       .kind = CLI_TEXT,
       .target = &c->model_path,
       .value = "MODEL",
       .help = "the model directory to make (required)"},
      {.name = "force", .kind = CLI_FLAG, .target = &c->force, .help = "replace a model that is there already"},
      {.name = "on-error",
       .kind = CLI_CHOICE,
       .target = &c->on_error,
       .choices = on_error,
       .help = "at a bad record end, or pass over it (default fail)"},
      {.name = "checkpoint-seconds",
       .kind = CLI_REAL,
       .target = &c->checkpoint_seconds,
       .value = "X",
       .help = "at most this much work is lost when it is killed (default 60)"},
      {.name = "quiet", .letter = 'q', .kind = CLI_FLAG, .target = &o->quiet, .help = "no progress on stderr"},
      {.name = "json", .kind = CLI_FLAG, .target = &o->json, .help = "print the result as JSON"},
  };
  CLI_ADD_OPTIONS(line, options);
}

static void show_progress(void *user, const bki_train_progress *progress) {
  cli_progress_show_training(&((train_options *)user)->progress, progress);
}

static int report(const train_options *o, const bki_train_summary *summary) {
  if (o->json) {
    return cli_print_json(bki_json_train(o->config.model_path, summary));
  }
  bki_print_train(stdout, o->config.model_path, summary);
  return BKI_OK;
}

static int train(train_options *o) {
  bki_error err;
  bki_train_summary summary;
  cli_catch_signals();
  bki_status status = bki_train_run(&o->config, &summary, &err);
  cli_progress_clear(&o->progress);
  return status == BKI_OK ? report(o, &summary) : cli_error(&err);
}

/* What the options say together. */
static int settle(train_options *o, const cli_command_line *line) {
  bki_train_config *c = &o->config;
  if (c->model_path == NULL || strcmp(c->model_path, "-") == 0) {
    return cli_usage_error("train", "expected -o MODEL%s", c->model_path == NULL ? "" : ", a directory, found \"-\"");
  }
  int exit_code = cli_train_run_options_apply(&o->run, "train", c);
  if (exit_code != BKI_OK) {
    return exit_code;
  }
  c->corpus.paths = (const char *const *)line->args;
  c->corpus.n_paths = line->n_args;
  c->progress = show_progress;
  c->stop = cli_stop_requested;
  c->user = o;
  c->logger = cli_logger(&o->quiet);
  return cli_train_options_apply(&o->shared, "train");
}

int cli_train(int argc, char **argv) {
  train_options o = {0};
  cli_command_line line = {
      .command = "train",
      .usage = "CORPUS... -o MODEL [OPTION...]",
      .summary =
          "Trains a Bi-LSTM classifier on the labelled texts of CORPUS and writes it to the directory MODEL, with\n"
          "the paper's sizes unless told otherwise. The same command goes on with an interrupted training.",
      .min_args = 1,
      .max_args = SIZE_MAX,
  };
  int exit_code;
  bki_train_config_init(&o.config);
  cli_train_options_init(&o.shared, &o.config);
  cli_run_options_init(&o.run);
  add_own_options(&line, &o);
  cli_add_train_run_options(&line, &o.run);
  cli_add_corpus_options(&line, &o.config.corpus);
  cli_add_train_options(&line, &o.shared);
  if (cli_parse(&line, argc, argv, &exit_code)) {
    exit_code = settle(&o, &line);
    if (exit_code == BKI_OK) {
      cli_progress_init(&o.progress, o.quiet);
      exit_code = train(&o);
    }
  }
  cli_train_options_clear(&o.shared);
  return exit_code;
}
