#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

typedef struct verify_options {
  bki_evidence_config config;
  bki_scorer_config scorer;
  cli_rule_options rule;
  cli_run_options run;
  const char *target; /* NULL: not given */
  bool exit_status;
  bool json;
} verify_options;

static void add_own_options(cli_command_line *line, verify_options *o) {
  const cli_option options[] = {
      {.name = "target",
       .kind = CLI_TEXT,
       .target = &o->target,
       .value = "CLASS",
       .help = "the class that PHRASE leads to (default: that of most samples with it)"},
      {.name = "texts",
       .kind = CLI_INT,
       .target = &o->config.n_texts,
       .value = "N",
       .min = 20,
       .max = 100000,
       .help = "texts to try a phrase on (default 200)"},
      {.name = "candidates",
       .kind = CLI_INT,
       .target = &o->config.n_candidates,
       .value = "N",
       .min = 1,
       .max = 1000,
       .help = "words to look at in a round (default 20)"},
      {.name = "max-backdoors",
       .kind = CLI_INT,
       .target = &o->config.max_backdoors,
       .value = "N",
       .min = 1,
       .max = 1000,
       .help = "end the search after so many (default 16)"},
      {.name = "seed",
       .kind = CLI_U64,
       .target = &o->config.seed,
       .value = "N",
       .help = "of the texts, places and control phrases that are drawn (default 1)"},
      {.name = "exit-status", .kind = CLI_FLAG, .target = &o->exit_status, .help = "exit 1 when there is a backdoor"},
      {.name = "json", .kind = CLI_FLAG, .target = &o->json, .help = "print JSON"},
  };
  CLI_ADD_OPTIONS(line, options);
}

/* The whole store, whose verdict is kept, or a phrase. */
static bki_status judge(verify_options *o, bki_store *store, const bki_model *model, bki_scorer *scorer,
                        const char *phrase, bki_evidence *out, bki_error *err) {
  int32_t target = -1;
  bki_status status = BKI_OK;
  if (o->target != NULL) {
    const bki_str name = {o->target, strlen(o->target)};
    status = bki_model_expect_class(model, name, "a target", BKI_E_USAGE, &target, err);
  }
  if (status == BKI_OK && phrase != NULL) {
    const bki_str text = {phrase, strlen(phrase)};
    return bki_evidence_verify(out, store, model, scorer, &o->config, text, target, err);
  }
  if (status == BKI_OK) {
    status = bki_evidence_run(out, store, model, scorer, &o->config, err);
  }
  return status == BKI_OK ? bki_evidence_save(out, &o->config, store, err) : status;
}

static int report(const verify_options *o, const char *store_path, const bki_store *store, const char *phrase,
                  const bki_evidence *evidence) {
  const bki_classes classes = {bki_store_classes(store), bki_store_n_classes(store)};
  int exit_code = BKI_OK;
  if (o->json) {
    exit_code = cli_print_json(json_pack("{s:s, s:o, s:o}", "store", store_path, "rule", bki_json_rule(&o->config.rule),
                                         "evidence", bki_json_evidence(evidence, &classes)));
  } else if (phrase != NULL) {
    bki_print_verification(stdout, evidence, &classes);
  } else {
    bki_print_verdict(stdout, evidence, &classes);
  }
  bool found = evidence->verdict == BKI_VERDICT_BACKDOOR;
  return exit_code == BKI_OK && o->exit_status && found ? CLI_NEGATIVE : exit_code;
}

static int verify(verify_options *o, const char *model_path, const char *store_path, const char *phrase) {
  bki_error err;
  bki_store *store = NULL;
  bki_model *model = NULL;
  bki_scorer *scorer = NULL;
  bki_evidence evidence = {0};
  bki_status status =
      phrase == NULL ? bki_store_open_to_judge(&store, store_path, &err) : bki_store_open(&store, store_path, &err);
  if (status == BKI_OK) {
    status = bki_scan_get_settings(store, NULL, &o->config.rule, &err);
  }
  if (status == BKI_OK) {
    cli_rule_apply(&o->rule, &o->config.rule);
    status = bki_model_load(&model, model_path, &err);
  }
  if (status == BKI_OK) {
    status = bki_scorer_create(&scorer, model, &o->scorer, &err);
  }
  if (status == BKI_OK) {
    cli_warn_emulated(scorer);
    cli_warn_incomplete(store);
    cli_catch_signals();
    status = judge(o, store, model, scorer, phrase, &evidence, &err);
  }
  int exit_code = status == BKI_OK ? report(o, store_path, store, phrase, &evidence) : cli_error(&err);
  bki_evidence_clear(&evidence);
  bki_scorer_destroy(scorer);
  bki_model_destroy(model);
  bki_store_close(store);
  return exit_code;
}

int cli_verify(int argc, char **argv) {
  verify_options o = {0};
  cli_command_line line = {
      .command = "verify",
      .usage = "MODEL STORE [PHRASE] [OPTION...]",
      .summary =
          "Judges a scan anew, with other settings or for a store without a verdict, and keeps the verdict in STORE;\n"
          "with PHRASE, tells how the model behaves with it, and changes nothing.",
      .min_args = 2,
      .max_args = 3,
  };
  int exit_code;
  bki_evidence_config_init(&o.config);
  bki_scorer_config_init(&o.scorer);
  cli_rule_options_init(&o.rule);
  cli_run_options_init(&o.run);
  add_own_options(&line, &o);
  cli_add_rule_options(&line, &o.rule);
  cli_add_run_options(&line, &o.run);
  cli_add_scorer_options(&line, &o.scorer);
  if (!cli_parse(&line, argc, argv, &exit_code)) {
    return exit_code;
  }
  const char *phrase = line.n_args == 3 ? line.args[2] : NULL;
  if (o.target != NULL && phrase == NULL) {
    return cli_usage_error("verify", "--target is for a PHRASE, found none");
  }
  exit_code = cli_run_options_apply(&o.run, "verify", &o.scorer);
  o.config.stop = cli_stop_requested;
  return exit_code == BKI_OK ? verify(&o, line.args[0], line.args[1], phrase) : exit_code;
}
