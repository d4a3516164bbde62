#include <stdint.h>
#include <stdio.h>

#include "cli.h"
#include "evaluation.h"

typedef struct eval_options {
  bki_evaluate_config config;
  cli_trigger_options trigger;
  cli_run_options run;
  bool quiet;
  bool json;
} eval_options;

static void add_own_options(cli_command_line *line, eval_options *o) {
  static const char *const on_error[] = {"fail", "skip", NULL};
  bki_evaluate_config *c = &o->config;
  const cli_option options[] = {
      {.name = "seed", .kind = CLI_U64, .target = &c->seed, .value = "N", .help = "of the placement (default 1)"},
      {.name = "on-error",
       .kind = CLI_CHOICE,
       .target = &c->on_error,
       .choices = on_error,
       .help = "at a bad record end, or pass over it (default fail)"},
      {.name = "quiet", .letter = 'q', .kind = CLI_FLAG, .target = &o->quiet, .help = "no progress on stderr"},
      {.name = "json", .kind = CLI_FLAG, .target = &o->json, .help = "print the result as JSON"},
  };
  CLI_ADD_OPTIONS(line, options);
}

static int report(const eval_options *o, const bki_model *model, const bki_evaluation *evaluation) {
  const bki_model_config *config = bki_model_get_config(model);
  const bki_classes classes = {config->classes, config->n_classes};
  if (o->json) {
    return cli_print_json(bki_json_evaluation(evaluation, o->config.backdoors, &classes));
  }
  return bki_print_evaluation(stdout, evaluation, o->config.backdoors, &classes) ? BKI_OK : cli_out_of_memory();
}

static int evaluate(eval_options *o, const char *model_path) {
  bki_error err;
  bki_model *model = NULL;
  if (bki_model_load(&model, model_path, &err) != BKI_OK) {
    return cli_error(&err);
  }
  bki_evaluation evaluation;
  o->config.model = model;
  cli_catch_signals();
  int exit_code;
  if (bki_evaluate_run(&o->config, &evaluation, &err) == BKI_OK) {
    exit_code = report(o, model, &evaluation);
    bki_evaluation_clear(&evaluation);
  } else {
    exit_code = cli_error(&err);
  }
  bki_model_destroy(model);
  return exit_code;
}

int cli_eval(int argc, char **argv) {
  eval_options o = {0};
  cli_command_line line = {
      .command = "eval",
      .usage = "MODEL CORPUS... [--trigger SENTENCE --target LABEL]... [OPTION...]",
      .summary =
          "Compares what the model says about the texts of CORPUS with their labels. With a trigger: how many of\n"
          "the texts of other classes it gives the target label once the trigger stands in them.",
      .min_args = 2,
      .max_args = SIZE_MAX,
  };
  int exit_code;
  bki_evaluate_config_init(&o.config);
  cli_run_options_init(&o.run);
  cli_add_trigger_options(&line, &o.trigger);
  add_own_options(&line, &o);
  cli_add_corpus_options(&line, &o.config.corpus);
  cli_add_run_options(&line, &o.run);
  if (!cli_parse(&line, argc, argv, &exit_code) ||
      !cli_trigger_apply("eval", &o.trigger, &o.config.trigger, &exit_code)) {
    return exit_code;
  }
  exit_code = cli_run_options_apply(&o.run, "eval", &o.config.scorer);
  if (exit_code != BKI_OK) {
    return exit_code;
  }
  o.config.backdoors = o.trigger.backdoors;
  o.config.n_backdoors = o.trigger.triggers.n;
  o.config.corpus.paths = (const char *const *)line.args + 1;
  o.config.corpus.n_paths = line.n_args - 1;
  o.config.stop = cli_stop_requested;
  o.config.logger = cli_logger(&o.quiet);
  return evaluate(&o, line.args[0]);
}
