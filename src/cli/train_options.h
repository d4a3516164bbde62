/* The options that say what is trained, for every command that trains. */
#ifndef BKI_CLI_TRAIN_OPTIONS_H
#define BKI_CLI_TRAIN_OPTIONS_H

#include "options.h"

/* What the command line said as far as it cannot stand in the settings yet. */
typedef struct cli_train_options {
  bki_train_config *config;
  bki_optimizer_config optimizer; /* NaN: not given */
  int optimizer_type;
  int convention;
  int tokenizer;     /* -1: not given */
  int32_t max_words; /* 0: not given */
  const char *pad;
  const char *classes;
  bool no_lowercase;
  bool no_strip_html;
  cli_texts validation;
  char *class_text;         /* `classes`, cut at its commas */
  const char **class_names; /* into class_text */
} cli_train_options;

/* Backend, threads, paths of corpus and model are the command's own. */
void cli_train_options_init(cli_train_options *options, bki_train_config *config);
void cli_add_train_options(cli_command_line *line, cli_train_options *options);
/* After parsing: completes the settings, which borrow from `options`. Returns BKI_OK, or the exit code of an error that
 * was told. */
int cli_train_options_apply(cli_train_options *options, const char *command);
void cli_train_options_clear(cli_train_options *options);

#endif
