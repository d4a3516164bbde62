#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "cli.h"
#include "html.h"

typedef struct report_options {
  const char *path;
  bool force;
  bool dated;
  size_t limit;
} report_options;

/* When the report was made, as far as it is to say so. false: SOURCE_DATE_EPOCH is no date. */
static bool time_of(const report_options *o, int64_t *out) {
  const char *given = getenv("SOURCE_DATE_EPOCH");
  if (given == NULL || given[0] == '\0') {
    *out = o->dated ? (int64_t)time(NULL) : -1;
    return true;
  }
  char *end;
  errno = 0;
  *out = strtoll(given, &end, 10);
  return errno == 0 && *end == '\0' && *out >= 0;
}

static bki_status make_report(const cli_result *result, const char *store, const report_options *o, int64_t made,
                              bki_error *err) {
  bki_evidence_config config;
  bool judged;
  bki_html_report report = {.store = result->store,
                            .classes = result->classes,
                            .rule = &result->rule,
                            .decision = result->decision,
                            .evidence = bki_analysis_evidence(result->analysis),
                            .keyword = bki_analysis_keyword(result->analysis),
                            .limit = o->limit,
                            .made = made};
  report.candidates = bki_analysis_candidates(result->analysis, &report.n_candidates);
  report.flagged = bki_analysis_flagged(result->analysis, &report.n_flagged);
  report.n_labelled = bki_analysis_n_labelled(result->analysis);
  report.n_agreeing = bki_analysis_n_agreeing(result->analysis);
  bki_status status = bki_evidence_load_config(&config, &judged, result->store, err);
  if (status != BKI_OK) {
    return status;
  }
  report.config = report.evidence != NULL && judged ? &config : NULL;
  return bki_html_save(&report, o->path, store, o->force, err);
}

static int report(const char *store, const report_options *o, const cli_rule_options *rule, bki_decision decision) {
  cli_result result = {0};
  bki_error err;
  int64_t made;
  if (!time_of(o, &made)) {
    return cli_usage_error("report", "SOURCE_DATE_EPOCH: expected seconds since 1970");
  }
  bki_status status = cli_result_open(&result, store, rule, decision, &err);
  if (status == BKI_OK) {
    status = make_report(&result, store, o, made, &err);
  }
  cli_result_close(&result);
  return status == BKI_OK ? BKI_OK : cli_error(&err);
}

int cli_report(int argc, char **argv) {
  report_options o = {.limit = 10000};
  bki_decision decision = BKI_DECIDE_EVIDENCE;
  cli_rule_options rule;
  int exit_code;
  cli_command_line line = {
      .command = "report",
      .usage = "STORE -o FILE [OPTION...]",
      .summary =
          "Writes what a scan found as one HTML file that needs nothing else: the verdict and why, for people who "
          "never\n"
          "heard of the method, with charts and the flagged samples. The same store gives the same bytes.",
      .min_args = 1,
      .max_args = 1,
      .options =
          {
              {.name = "output",
               .letter = 'o',
               .kind = CLI_TEXT,
               .target = &o.path,
               .value = "FILE",
               .help = "the report, - is standard output; .gz and .zst compress (required)"},
              {.name = "limit",
               .letter = 'n',
               .kind = CLI_SIZE,
               .target = &o.limit,
               .value = "N",
               .max = INT64_MAX,
               .help = "flagged samples whose texts it holds, 0 for all (default 10000)"},
              {.name = "force",
               .letter = 'f',
               .kind = CLI_FLAG,
               .target = &o.force,
               .help = "replace a file that exists"},
              {.name = "dated",
               .kind = CLI_FLAG,
               .target = &o.dated,
               .help = "say when it was made (SOURCE_DATE_EPOCH, if set, says so without)"},
          },
      .n_options = 4,
  };
  cli_rule_options_init(&rule);
  cli_add_decision_option(&line, &decision);
  cli_add_rule_options(&line, &rule);
  if (!cli_parse(&line, argc, argv, &exit_code)) {
    return exit_code;
  }
  if (o.path == NULL) {
    return cli_usage_error("report", "expected -o FILE");
  }
  return report(line.args[0], &o, &rule, decision);
}
