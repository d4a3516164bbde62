#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "cli.h"

static void print_summary(FILE *out, const bki_purify_summary *summary) {
  fprintf(out, "kept:    %" PRId64 "\nremoved: %" PRId64 " flagged", summary->n_kept, summary->n_flagged);
  if (summary->n_unscanned > 0) {
    fprintf(out, ", %" PRId64 " that the scan had skipped", summary->n_unscanned);
  }
  fputc('\n', out);
}

static int purify(bki_purify_config *config, const char *store_path, const cli_rule_options *rule,
                  bki_decision decision, bool json) {
  cli_result result = {0};
  bki_purify_summary summary;
  bki_error err;
  const char *const *paths = config->corpus.paths;
  size_t n_paths = config->corpus.n_paths;
  bki_status status = cli_result_open(&result, store_path, rule, decision, &err);
  if (status == BKI_OK) {
    status = cli_result_check_judged(&result, store_path, &err);
  }
  if (status == BKI_OK) {
    status = bki_scan_get_settings(result.store, &config->corpus, NULL, &err);
    config->corpus.paths = paths;
    config->corpus.n_paths = n_paths;
  }
  if (status == BKI_OK) {
    status = bki_purify_run(config, result.store, result.analysis, &summary, &err);
  }
  cli_result_close(&result);
  if (status != BKI_OK) {
    return cli_error(&err);
  }
  if (json) {
    return cli_print_json(bki_json_purify(&summary));
  }
  bool stdout_taken =
      strcmp(config->kept_path, "-") == 0 || (config->removed_path != NULL && strcmp(config->removed_path, "-") == 0);
  print_summary(stdout_taken ? stderr : stdout, &summary);
  return BKI_OK;
}

int cli_purify(int argc, char **argv) {
  bool json = false;
  bki_purify_config config = {0};
  bki_decision decision = BKI_DECIDE_EVIDENCE;
  cli_rule_options rule;
  int exit_code;
  cli_command_line line = {
      .command = "purify",
      .usage = "STORE CORPUS... --kept FILE [--removed FILE] [OPTION...]",
      .summary =
          "Copies the scanned corpus without the flagged samples (and without records that the scan skipped), line\n"
          "by line as it is; format and fields are those of the scan. Names ending in .gz or .zst compress.",
      .min_args = 2,
      .max_args = SIZE_MAX,
      .options =
          {
              {.name = "kept",
               .letter = 'k',
               .kind = CLI_TEXT,
               .target = &config.kept_path,
               .value = "FILE",
               .help = "the purified corpus, - is standard output (required)"},
              {.name = "removed",
               .letter = 'r',
               .kind = CLI_TEXT,
               .target = &config.removed_path,
               .value = "FILE",
               .help = "the removed records"},
              {.name = "force",
               .letter = 'f',
               .kind = CLI_FLAG,
               .target = &config.force,
               .help = "replace files that exist (never the corpus itself)"},
              {.name = "json", .kind = CLI_FLAG, .target = &json, .help = "print the counts as JSON"},
          },
      .n_options = 4,
  };
  cli_rule_options_init(&rule);
  cli_add_decision_option(&line, &decision);
  cli_add_rule_options(&line, &rule);
  if (!cli_parse(&line, argc, argv, &exit_code)) {
    return exit_code;
  }
  if (config.kept_path == NULL) {
    return cli_usage_error("purify", "expected --kept FILE");
  }
  if (json &&
      (strcmp(config.kept_path, "-") == 0 || (config.removed_path != NULL && strcmp(config.removed_path, "-") == 0))) {
    return cli_usage_error("purify", "--json and an output both ask for standard output");
  }
  config.corpus.paths = (const char *const *)line.args + 1;
  config.corpus.n_paths = line.n_args - 1;
  return purify(&config, line.args[0], &rule, decision, json);
}
