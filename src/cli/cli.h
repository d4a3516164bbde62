/* What the commands share. */
#ifndef BKI_CLI_CLI_H
#define BKI_CLI_CLI_H

#include <jansson.h>

#include <bki/bki.h>

#include "json.h"
#include "names.h"
#include "options.h"
#include "terminal.h"
#include "verdict.h"

/* The commands: argv[0] is the command's name. Each returns the exit code and has told its errors. */
int cli_train(int argc, char **argv);
int cli_poison(int argc, char **argv);
int cli_eval(int argc, char **argv);
int cli_defend(int argc, char **argv);
int cli_scan(int argc, char **argv);
int cli_keywords(int argc, char **argv);
int cli_flagged(int argc, char **argv);
int cli_report(int argc, char **argv);
int cli_purify(int argc, char **argv);
int cli_explain(int argc, char **argv);
int cli_score(int argc, char **argv);
int cli_verify(int argc, char **argv);
int cli_devices(int argc, char **argv);
int cli_model(int argc, char **argv);

/* Tells an error on stderr; returns its status. */
int cli_error(const bki_error *err);
int cli_out_of_memory(void);

/* Writes a value to stdout and releases it; NULL is out of memory. Returns the exit code. */
int cli_print_json(json_t *value);

/* Whether to colour stdout: "auto" is a terminal without NO_COLOR. */
typedef enum cli_color { CLI_COLOR_AUTO = 0, CLI_COLOR_ALWAYS, CLI_COLOR_NEVER } cli_color;
void cli_add_color_option(cli_command_line *line, cli_color *color);
bool cli_use_color(cli_color color);
/* Columns of the terminal, 80 without one. */
int cli_columns(void);

/* A logger that tells warnings on stderr, and the rest too unless `quiet` points to true. */
bki_logger cli_logger(bool *quiet);

/* Tells on stderr when a scorer emulates its precision. */
void cli_warn_emulated(const bki_scorer *scorer);
/* Tells on stderr when a scan is not complete. */
void cli_warn_incomplete(const bki_store *store);

/* A store with what it says under a rule. */
typedef struct cli_result {
  bki_store *store;
  bki_rule rule;
  bki_decision decision;
  bki_analysis *analysis;
  bki_classes classes;
} cli_result;

/* Opens a store and analyses it; `options` override the stored rule. An unfinished scan is told on stderr. */
bki_status cli_result_open(cli_result *out, const char *path, const cli_rule_options *options, bki_decision decision,
                           bki_error *err);
/* For what needs to know which samples are flagged: BKI_E_USAGE when the store was not judged. */
bki_status cli_result_check_judged(const cli_result *result, const char *path, bki_error *err);
/* Whether there is a backdoor, under BKI_DECIDE_PAPER whether there is a keyword: what --exit-status tells. */
bool cli_result_found(const cli_result *result);
/* The rule that a store was judged with, unless `decision` passes its verdict over, else that of its scan. */
bki_status cli_stored_rule(bki_rule *out, bki_store *store, bki_decision decision, bki_error *err);
void cli_result_close(cli_result *result); /* a zeroed one is allowed */

/* The positions that a rule selects, best first; free() them. NULL: out of memory. */
int32_t *cli_select(const bki_rule *rule, const bki_sample *sample, int32_t *n);

/* The verdict, under BKI_DECIDE_PAPER the keyword or that there is none, to stdout. */
void cli_print_verdict(const cli_result *result);

/* Signals: the first SIGINT or SIGTERM asks to stop, the second kills. */
void cli_catch_signals(void);
bool cli_stop_requested(void *unused);

#endif
