/* Command lines: one table of options a command, for parsing, for help and (through help) for completion. */
#ifndef BKI_CLI_OPTIONS_H
#define BKI_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bki/bki.h>

/* What the program ends with: a bki_status, or this when a verdict was asked for and is negative. */
enum { CLI_NEGATIVE = 1 };

typedef enum cli_kind {
  CLI_FLAG,   /* bool: true when given */
  CLI_TEXT,   /* const char * */
  CLI_TEXTS,  /* cli_texts: the option may be given several times */
  CLI_INT,    /* int32_t within min .. max */
  CLI_SIZE,   /* size_t within min .. max, with K, M or G for powers of 1024 */
  CLI_REAL,   /* double */
  CLI_CHOICE, /* an enum: the index in choices */
  CLI_U64,    /* uint64_t */
  CLI_INTS,   /* cli_ints: whole numbers within min .. max between commas, each once */
} cli_kind;

enum { CLI_MAX_TEXTS = 64, CLI_MAX_INTS = 64 };

typedef struct cli_texts {
  const char *items[CLI_MAX_TEXTS];
  size_t n;
} cli_texts;

typedef struct cli_ints {
  int32_t items[CLI_MAX_INTS];
  size_t n;
} cli_ints;

typedef struct cli_option {
  const char *name;
  char letter; /* 0: none */
  cli_kind kind;
  void *target;      /* as kind says; untouched when the option is not given */
  const char *value; /* what the help calls the value; choices name themselves */
  const char *help;
  const char *const *choices; /* NULL at the end */
  int64_t min;
  int64_t max;
} cli_option;

enum { CLI_MAX_OPTIONS = 80 };

typedef struct cli_command_line {
  const char *command; /* "scan" */
  const char *usage;   /* "MODEL CORPUS... -o STORE" */
  const char *summary;
  size_t min_args;
  size_t max_args;
  cli_option options[CLI_MAX_OPTIONS];
  size_t n_options;
  char *const *args; /* out: what is no option */
  size_t n_args;
} cli_command_line;

void cli_add_option(cli_command_line *line, const cli_option *option);
void cli_add_options(cli_command_line *line, const cli_option *options, size_t n);
#define CLI_ADD_OPTIONS(line, options) cli_add_options(line, options, sizeof(options) / sizeof *(options))

/* Parses argv[1..] into the targets. false: the command ends with *exit_code (help was shown: 0; a mistake: 2, said on
 * stderr). */
bool cli_parse(cli_command_line *line, int argc, char **argv, int *exit_code);

/* A usage error of a command: one line on stderr with a hint. Returns BKI_E_USAGE. */
int cli_usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Groups of options that commands share. */
void cli_add_corpus_options(cli_command_line *line, bki_corpus_config *config);

/* Where a command computes. */
typedef struct cli_run_options {
  const char *backend;
  int32_t threads;
  const char *isa;
  cli_ints devices;
  int32_t device;    /* of a command that trains; -1: not given */
  double gpu_memory; /* NaN: not given */
} cli_run_options;

void cli_run_options_init(cli_run_options *options);
void cli_add_run_options(cli_command_line *line, cli_run_options *options);
/* Of training, which takes one GPU and no instruction set. */
void cli_add_train_run_options(cli_command_line *line, cli_run_options *options);
/* After parsing; the settings borrow from `options`. Returns BKI_OK, or the exit code of an error that was told. */
int cli_run_options_apply(const cli_run_options *options, const char *command, bki_scorer_config *config);
int cli_train_run_options_apply(const cli_run_options *options, const char *command, bki_train_config *config);

/* How scores are computed there. */
void cli_add_scorer_options(cli_command_line *line, bki_scorer_config *config);

/* A rule as far as it was given; the rest comes from the store's rule, or from the preset's defaults when another
 * preset was given. */
typedef struct cli_rule_options {
  int preset; /* -1: not given; so the others */
  int keys;
  int oov_key;
  int32_t p;
  int32_t ngram;
  double alpha;
} cli_rule_options;

void cli_rule_options_init(cli_rule_options *options);
void cli_add_rule_options(cli_command_line *line, cli_rule_options *options);
void cli_rule_apply(const cli_rule_options *options, bki_rule *rule);

/* Which samples are flagged: "--rule". */
void cli_add_decision_option(cli_command_line *line, bki_decision *decision);

/* Triggers with their targets, and where they go. */
typedef struct cli_trigger_options {
  cli_texts triggers;
  cli_texts targets;
  const char *placement;                 /* NULL: random */
  bki_backdoor backdoors[CLI_MAX_TEXTS]; /* cli_trigger_apply fills it */
} cli_trigger_options;

void cli_add_trigger_options(cli_command_line *line, cli_trigger_options *options);
/* Pairs triggers and targets in their order and reads the placement. false: *exit_code, said on stderr. */
bool cli_trigger_apply(const char *command, cli_trigger_options *options, bki_trigger_config *config, int *exit_code);

#endif
