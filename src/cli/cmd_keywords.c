#include <stdint.h>

#include "cli.h"

static json_t *to_json(const cli_result *result, size_t limit) {
  size_t n_flagged;
  size_t n;
  bki_analysis_flagged(result->analysis, &n_flagged);
  bki_analysis_candidates(result->analysis, &n);
  return json_pack(
      "{s:I, s:o, s:o, s:o, s:I, s:I, s:o}", "samples", (json_int_t)bki_analysis_n_samples(result->analysis),
      "evidence", bki_json_evidence(bki_analysis_evidence(result->analysis), &result->classes), "rule",
      bki_json_rule(&result->rule), "keyword",
      bki_json_candidate(bki_analysis_keyword(result->analysis), &result->classes), "flagged", (json_int_t)n_flagged,
      "distinct", (json_int_t)n, "candidates", bki_json_candidates(result->analysis, limit, &result->classes));
}

static int print_table(const cli_result *result, size_t limit) {
  size_t n;
  const bki_candidate *candidates = bki_analysis_candidates(result->analysis, &n);
  size_t shown = limit > 0 && limit < n ? limit : n;
  cli_print_verdict(result);
  putchar('\n');
  return bki_print_candidates(stdout, candidates, shown, &result->classes) ? BKI_OK : cli_out_of_memory();
}

int cli_keywords(int argc, char **argv) {
  bool json = false;
  bool exit_status = false;
  bki_decision decision = BKI_DECIDE_EVIDENCE;
  size_t limit = 20;
  cli_rule_options rule;
  cli_result result = {0};
  bki_error err;
  int exit_code;
  cli_command_line line = {
      .command = "keywords",
      .usage = "STORE [OPTION...]",
      .summary = "Says what a scan found, and ranks the words that its samples selected.",
      .min_args = 1,
      .max_args = 1,
      .options =
          {
              {.name = "limit",
               .letter = 'n',
               .kind = CLI_SIZE,
               .target = &limit,
               .value = "N",
               .max = INT64_MAX,
               .help = "candidates to print, 0 for all (default 20)"},
              {.name = "exit-status",
               .kind = CLI_FLAG,
               .target = &exit_status,
               .help = "exit 1 when there is a backdoor; with --rule paper, a keyword"},
              {.name = "json", .kind = CLI_FLAG, .target = &json, .help = "print JSON"},
          },
      .n_options = 3,
  };
  cli_rule_options_init(&rule);
  cli_add_decision_option(&line, &decision);
  cli_add_rule_options(&line, &rule);
  if (!cli_parse(&line, argc, argv, &exit_code)) {
    return exit_code;
  }
  if (cli_result_open(&result, line.args[0], &rule, decision, &err) != BKI_OK ||
      (exit_status && cli_result_check_judged(&result, line.args[0], &err) != BKI_OK)) {
    cli_result_close(&result);
    return cli_error(&err);
  }
  exit_code = json ? cli_print_json(to_json(&result, limit)) : print_table(&result, limit);
  if (exit_code == BKI_OK && exit_status && cli_result_found(&result)) {
    exit_code = CLI_NEGATIVE;
  }
  cli_result_close(&result);
  return exit_code;
}
