#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "progress.h"

enum { BEST_CANDIDATES = 5 };

typedef struct scan_options {
  bki_scan_config config;
  bki_decision decision;
  cli_rule_options rule;
  cli_run_options run;
  bool quiet;
  bool json;
  bool exit_status;
  cli_progress progress;
} scan_options;

static void add_own_options(cli_command_line *line, scan_options *o) {
  static const char *const on_error[] = {"fail", "skip", NULL};
  const cli_option options[] = {
      {.name = "output",
       .letter = 'o',
       .kind = CLI_TEXT,
       .target = &o->config.store_path,
       .value = "STORE",
       .help = "the store: the result, and where an interrupted scan goes on (required)"},
      {.name = "on-error",
       .kind = CLI_CHOICE,
       .target = &o->config.on_error,
       .choices = on_error,
       .help = "at a bad record end, or pass over it and list it (default fail)"},
      {.name = "increments",
       .kind = CLI_FLAG,
       .target = &o->config.scorer.increments,
       .help = "compute what the journal preset needs too (implied by --preset journal)"},
      {.name = "commit-seconds",
       .kind = CLI_REAL,
       .target = &o->config.commit_seconds,
       .value = "X",
       .help = "at most this much work is lost when the machine fails (default 5)"},
      {.name = "exit-status",
       .kind = CLI_FLAG,
       .target = &o->exit_status,
       .help = "exit 1 when there is a backdoor; with --rule paper, a keyword"},
      {.name = "quiet", .letter = 'q', .kind = CLI_FLAG, .target = &o->quiet, .help = "no progress on stderr"},
      {.name = "json", .kind = CLI_FLAG, .target = &o->json, .help = "print the result as JSON"},
  };
  CLI_ADD_OPTIONS(line, options);
}

static void show_progress(void *user, const bki_progress *state) {
  cli_progress_show(&((scan_options *)user)->progress, state);
}

static bki_status tell_skipped(void *user, const bki_skipped *skipped, bki_error *err) {
  (void)err;
  int64_t *left = user;
  if ((*left)-- > 0) {
    fputs("bki: skipped: ", stderr);
    bki_print_text(stderr, (bki_str){skipped->file, strlen(skipped->file)});
    fprintf(stderr, ":%" PRId64 ": ", skipped->line);
    bki_print_message(stderr, skipped->reason);
    fputc('\n', stderr);
  }
  return BKI_OK;
}

/* The first few skipped records by name, the others as a number; the store lists all. */
static bki_status sum_up_skipped(bki_store *store, bki_error *err) {
  enum { SHOWN = 5 };
  int64_t n = bki_store_get_state(store)->n_skipped;
  int64_t left = SHOWN;
  bki_status status = n > 0 ? bki_store_each_skipped(store, tell_skipped, &left, err) : BKI_OK;
  if (n > 0) {
    fprintf(stderr, "bki: %" PRId64 " bad record%s skipped; the store's table skipped lists all\n", n,
            n == 1 ? "" : "s");
  }
  return status;
}

static json_t *screening_json(const bki_screening *s) {
  if (s->epsilon == 0) {
    return json_null();
  }
  return json_pack("{s:i, s:f, s:I, s:I, s:I, s:I, s:I}", "top_words", (int)s->top_words, "epsilon", s->epsilon,
                   "short", (json_int_t)s->n_short, "screened", (json_int_t)s->n_screened, "words",
                   (json_int_t)s->n_words, "rescored", (json_int_t)s->n_rescored, "widened", (json_int_t)s->n_widened);
}

static json_t *result_json(const scan_options *o, const cli_result *result, const bki_progress *progress) {
  size_t n_flagged;
  bki_analysis_flagged(result->analysis, &n_flagged);
  return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:I, s:o, s:o}", "store", o->config.store_path,
                   "records", (json_int_t)progress->n_records, "samples", (json_int_t)progress->n_samples, "skipped",
                   (json_int_t)progress->n_skipped, "labelled", (json_int_t)bki_analysis_n_labelled(result->analysis),
                   "agreeing", (json_int_t)bki_analysis_n_agreeing(result->analysis), "evidence",
                   bki_json_evidence(bki_analysis_evidence(result->analysis), &result->classes), "rule",
                   bki_json_rule(&result->rule), "keyword",
                   bki_json_candidate(bki_analysis_keyword(result->analysis), &result->classes), "flagged",
                   (json_int_t)n_flagged, "candidates",
                   bki_json_candidates(result->analysis, BEST_CANDIDATES, &result->classes), "screening",
                   screening_json(&progress->screening));
}

static void print_next(const char *store, const char *rule) {
  static const char *const commands[][3] = {{"report", " -o report.html", "what was found and why, for a browser"},
                                            {"flagged", "", "which samples carry it"},
                                            {"explain", " ID", "what one of them says"},
                                            {"purify", " CORPUS --kept FILE", "the corpus without them"}};
  const int widest = (int)strlen(commands[3][1]);
  fputs("\nnext:\n", stdout);
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    printf("  bki %-7s ", commands[i][0]);
    bki_print_text(stdout, (bki_str){store, strlen(store)});
    printf("%s%s%*s  %s\n", commands[i][1], rule, widest - (int)strlen(commands[i][1]), "", commands[i][2]);
  }
}

/* How well model and corpus go together: the verdict of a model that was trained on something else says nothing. */
static void print_agreement(const bki_analysis *analysis) {
  const int64_t n = bki_analysis_n_labelled(analysis);
  const int64_t hits = bki_analysis_n_agreeing(analysis);
  if (n > 0) {
    printf("predicted: %" PRId64 " of %" PRId64 " labels (%.1f %%)\n", hits, n, 100.0 * (double)hits / (double)n);
  } else if (bki_analysis_n_samples(analysis) > 0) {
    puts("predicted: no sample has a label: what the model predicts takes its place");
  }
}

static int print_result(const scan_options *o, const cli_result *result, const bki_progress *progress) {
  size_t n;
  const bki_candidate *candidates = bki_analysis_candidates(result->analysis, &n);
  printf("scanned: %" PRId64 " records, %" PRId64 " samples, %" PRId64 " skipped\n", progress->n_records,
         progress->n_samples, progress->n_skipped);
  print_agreement(result->analysis);
  const bki_screening *s = &progress->screening;
  if (s->n_words > 0) {
    printf("screened: %" PRId64 " of %" PRId64 " words scored again in fp32\n", s->n_rescored, s->n_words);
  }
  cli_print_verdict(result);
  if (n > 0) {
    putchar('\n');
    if (!bki_print_candidates(stdout, candidates, n < BEST_CANDIDATES ? n : BEST_CANDIDATES, &result->classes)) {
      return cli_out_of_memory();
    }
  }
  const bki_evidence *evidence = bki_analysis_evidence(result->analysis);
  if (cli_result_found(result)) {
    print_next(o->config.store_path, result->decision == BKI_DECIDE_PAPER ? " --rule paper" : "");
  } else if (evidence != NULL && evidence->verdict == BKI_VERDICT_SUSPICIOUS) {
    print_next(o->config.store_path, " --rule suspicious");
  }
  return BKI_OK;
}

/* The result is read back from the store: what a later `bki keywords` sees. */
static int report(const scan_options *o, const bki_progress *progress) {
  cli_result result = {0};
  bki_error err;
  if (cli_result_open(&result, o->config.store_path, &o->rule, o->decision, &err) != BKI_OK ||
      (o->exit_status && cli_result_check_judged(&result, o->config.store_path, &err) != BKI_OK) ||
      sum_up_skipped(result.store, &err) != BKI_OK) {
    cli_result_close(&result);
    return cli_error(&err);
  }
  int exit_code = o->json ? cli_print_json(result_json(o, &result, progress)) : print_result(o, &result, progress);
  if (exit_code == BKI_OK && o->exit_status && cli_result_found(&result)) {
    exit_code = CLI_NEGATIVE;
  }
  cli_result_close(&result);
  return exit_code;
}

static int scan(scan_options *o, const char *model_path) {
  bki_error err;
  bki_model *model = NULL;
  bki_progress progress;
  bki_status status = bki_model_load(&model, model_path, &err);
  if (status == BKI_OK) {
    o->config.model = model;
    cli_catch_signals();
    status = bki_scan_run(&o->config, &progress, &err);
  }
  cli_progress_clear(&o->progress);
  bki_model_destroy(model);
  return status == BKI_OK ? report(o, &progress) : cli_error(&err);
}

int cli_scan(int argc, char **argv) {
  scan_options o = {0};
  cli_command_line line = {
      .command = "scan",
      .usage = "MODEL CORPUS... -o STORE [OPTION...]",
      .summary =
          "Scores every word of every text of CORPUS (- is standard input) with the model in the directory MODEL and\n"
          "says whether there is a backdoor, and which. The same command goes on with an interrupted scan.",
      .min_args = 2,
      .max_args = SIZE_MAX,
  };
  int exit_code;
  bki_scan_config_init(&o.config);
  cli_rule_options_init(&o.rule);
  cli_run_options_init(&o.run);
  add_own_options(&line, &o);
  cli_add_corpus_options(&line, &o.config.corpus);
  cli_add_decision_option(&line, &o.decision);
  cli_add_rule_options(&line, &o.rule);
  cli_add_run_options(&line, &o.run);
  cli_add_scorer_options(&line, &o.config.scorer);
  if (!cli_parse(&line, argc, argv, &exit_code)) {
    return exit_code;
  }
  if (o.config.store_path == NULL || strcmp(o.config.store_path, "-") == 0) {
    return cli_usage_error("scan", "expected -o STORE%s", o.config.store_path == NULL ? "" : ", a file, found \"-\"");
  }
  exit_code = cli_run_options_apply(&o.run, "scan", &o.config.scorer);
  if (exit_code != BKI_OK) {
    return exit_code;
  }
  cli_rule_apply(&o.rule, &o.config.rule);
  o.config.scorer.increments = o.config.scorer.increments || o.config.rule.preset == BKI_PRESET_JOURNAL;
  o.config.judge = o.decision != BKI_DECIDE_PAPER;
  o.config.corpus.paths = (const char *const *)line.args + 1;
  o.config.corpus.n_paths = line.n_args - 1;
  o.config.progress = show_progress;
  o.config.stop = cli_stop_requested;
  o.config.user = &o;
  o.config.logger = cli_logger(&o.quiet);
  cli_progress_init(&o.progress, o.quiet);
  return scan(&o, line.args[0]);
}
