#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"

int cli_error(const bki_error *err) {
  char text[sizeof err->file + sizeof err->message + 64];
  bki_error_format(err, text, sizeof text);
  fputs("bki: ", stderr);
  bki_print_message(stderr, text);
  fputc('\n', stderr);
  return err->status;
}

int cli_out_of_memory(void) {
  fputs("bki: out of memory\n", stderr);
  return BKI_E_INTERNAL;
}

int cli_print_json(json_t *value) {
  if (value == NULL) {
    return cli_out_of_memory();
  }
  /* On a terminal ASCII only: nothing a corpus holds can steer it. */
  size_t flags = JSON_INDENT(2) | (isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0);
  if (json_dumpf(value, stdout, flags) == 0) {
    putchar('\n');
  }
  json_decref(value);
  return BKI_OK; /* main sees whether stdout took it */
}

void cli_add_color_option(cli_command_line *line, cli_color *color) {
  static const char *const names[] = {"auto", "always", "never", NULL};
  cli_add_option(line, &(cli_option){.name = "color",
                                     .kind = CLI_CHOICE,
                                     .target = color,
                                     .choices = names,
                                     .help = "colours (default auto: on a terminal, without NO_COLOR)"});
}

bool cli_use_color(cli_color color) {
  const char *no_color = getenv("NO_COLOR");
  bool automatic = isatty(STDOUT_FILENO) && (no_color == NULL || no_color[0] == '\0');
  return color == CLI_COLOR_ALWAYS || (color == CLI_COLOR_AUTO && automatic);
}

int cli_columns(void) {
  struct winsize size;
  bool known = isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

static void log_message(void *user, bki_log_level level, const char *message) {
  const bool *quiet = user;
  if (level == BKI_LOG_WARNING || !*quiet) {
    fputs(level == BKI_LOG_WARNING ? "bki: warning: " : "bki: ", stderr);
    bki_print_message(stderr, message);
    fputc('\n', stderr);
  }
}

bki_logger cli_logger(bool *quiet) {
  return (bki_logger){.fn = log_message, .user = quiet};
}

void cli_warn_emulated(const bki_scorer *scorer) {
  if (strstr(bki_scorer_isa(scorer), "emulated") != NULL) {
    fprintf(stderr, "bki: warning: this CPU has no bf16 units: %s\n", bki_scorer_isa(scorer));
  }
}

void cli_warn_incomplete(const bki_store *store) {
  const bki_store_state *state = bki_store_get_state(store);
  if (!state->complete) {
    fprintf(stderr, "bki: warning: the scan is not complete, %lld record%s so far\n", (long long)state->n_records,
            state->n_records == 1 ? "" : "s");
  }
}

bki_status cli_stored_rule(bki_rule *out, bki_store *store, bki_decision decision, bki_error *err) {
  bki_evidence evidence;
  bool judged;
  bki_status status = bki_scan_get_settings(store, NULL, out, err);
  if (status != BKI_OK || decision == BKI_DECIDE_PAPER) {
    return status;
  }
  status = bki_evidence_load(&evidence, &judged, out, store, err);
  bki_evidence_clear(&evidence);
  return status;
}

bki_status cli_result_open(cli_result *out, const char *path, const cli_rule_options *options, bki_decision decision,
                           bki_error *err) {
  cli_result result = {.decision = decision};
  bki_status status = bki_store_open(&result.store, path, err);
  if (status == BKI_OK) {
    result.classes = (bki_classes){bki_store_classes(result.store), bki_store_n_classes(result.store)};
    status = cli_stored_rule(&result.rule, result.store, decision, err);
  }
  if (status == BKI_OK) {
    cli_rule_apply(options, &result.rule);
    status = bki_analysis_run(&result.analysis, result.store, &result.rule, decision, err);
  }
  if (status != BKI_OK) {
    cli_result_close(&result);
    return status;
  }
  cli_warn_incomplete(result.store);
  *out = result;
  return BKI_OK;
}

bki_status cli_result_check_judged(const cli_result *result, const char *path, bki_error *err) {
  if (result->decision == BKI_DECIDE_PAPER || bki_analysis_evidence(result->analysis) != NULL) {
    return BKI_OK;
  }
  *err =
      (bki_error){.status = BKI_E_USAGE,
                  .byte = -1,
                  .message =
                      "the store holds no verdict (its scan was interrupted or made with --rule paper, or by an older "
                      "bki): the same scan command goes on, 'bki verify MODEL STORE' judges, '--rule paper' goes by "
                      "the keyword alone"};
  snprintf(err->file, sizeof err->file, "%s", path);
  return err->status;
}

bool cli_result_found(const cli_result *result) {
  const bki_evidence *evidence = bki_analysis_evidence(result->analysis);
  return result->decision == BKI_DECIDE_PAPER ? bki_analysis_keyword(result->analysis) != NULL
                                              : evidence != NULL && evidence->verdict == BKI_VERDICT_BACKDOOR;
}

void cli_result_close(cli_result *result) {
  bki_analysis_destroy(result->analysis);
  bki_store_close(result->store);
  *result = (cli_result){0};
}

int32_t *cli_select(const bki_rule *rule, const bki_sample *sample, int32_t *n) {
  int32_t most = rule->p < sample->words->n_words ? rule->p : sample->words->n_words;
  int32_t *positions = calloc((size_t)most + 1, sizeof *positions);
  if (positions != NULL) {
    *n = bki_rule_select(rule, sample, positions);
  }
  return positions;
}

static void print_keyword(const cli_result *result) {
  const bki_candidate *keyword = bki_analysis_keyword(result->analysis);
  if (keyword == NULL) {
    puts("keyword: none (no candidate has a positive g)");
    return;
  }
  size_t n_flagged;
  char labels[256];
  bki_analysis_flagged(result->analysis, &n_flagged);
  bki_format_labels(labels, sizeof labels, keyword, &result->classes);
  fputs("keyword: ", stdout);
  bki_print_word(stdout, keyword->word);
  printf("\nflagged: %zu of %lld samples; deleting the word changes the prediction of %lld\nlabels:  ", n_flagged,
         (long long)bki_analysis_n_samples(result->analysis), (long long)keyword->n_flips);
  bki_print_text(stdout, (bki_str){labels, strlen(labels)});
  putchar('\n');
}

void cli_print_verdict(const cli_result *result) {
  if (result->decision == BKI_DECIDE_PAPER) {
    print_keyword(result);
    return;
  }
  const bki_evidence *evidence = bki_analysis_evidence(result->analysis);
  bki_print_verdict(stdout, evidence, &result->classes);
  if (evidence == NULL) {
    puts("  so:        'bki verify MODEL STORE' judges, '--rule paper' goes by the keyword alone");
  }
}

static volatile sig_atomic_t stop_requested;

static void request_stop(int signal_number) {
  (void)signal_number;
  stop_requested = 1;
}

void cli_catch_signals(void) {
  struct sigaction action = {.sa_handler = request_stop, .sa_flags = SA_RESTART | (int)SA_RESETHAND};
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}

bool cli_stop_requested(void *unused) {
  (void)unused;
  return stop_requested != 0;
}
