#include <assert.h>
#include <math.h>

#include "names.h"
#include "options.h"

static_assert(sizeof(bki_format) == sizeof(int) && sizeof(bki_engine) == sizeof(int) &&
                  sizeof(bki_decision) == sizeof(int),
              "CLI_CHOICE writes an int");

static const char *const formats[] = {"auto", "jsonl", "csv", "tsv", NULL};
static const char *const quotings[] = {"auto", "double", "none", NULL};
static const char *const headers[] = {"auto", "present", "absent", NULL};
static const char *const engines[] = {"auto", "full", "incremental", "persistent", NULL};
static const char *const precisions[] = {"fp32", "bf16", "tf32", "fp16", "split", "exact", NULL};

void cli_add_corpus_options(cli_command_line *line, bki_corpus_config *config) {
  const cli_option options[] = {
      {.name = "text-field",
       .kind = CLI_TEXT,
       .target = &config->text_field,
       .value = "FIELD",
       .help = "field with the text: a name, or a column number (default text)"},
      {.name = "label-field",
       .kind = CLI_TEXT,
       .target = &config->label_field,
       .value = "FIELD",
       .help = "field with the label (default label, which may be absent)"},
      {.name = "id-field",
       .kind = CLI_TEXT,
       .target = &config->id_field,
       .value = "FIELD",
       .help = "field with the id (default id, which may be absent)"},
      {.name = "format",
       .kind = CLI_CHOICE,
       .target = &config->format,
       .choices = formats,
       .help = "format of the corpus (default: by name, else by content)"},
      {.name = "quoting",
       .kind = CLI_CHOICE,
       .target = &config->quoting,
       .choices = quotings,
       .help = "quotes in CSV and TSV (default: CSV double, TSV none)"},
      {.name = "header",
       .kind = CLI_CHOICE,
       .target = &config->header,
       .choices = headers,
       .help = "first line of CSV and TSV (default: absent if all fields are numbers)"},
      {.name = "max-record-bytes",
       .kind = CLI_SIZE,
       .target = &config->max_record_bytes,
       .value = "N",
       .min = 1,
       .max = INT64_C(1) << 30,
       .help = "a longer record is a bad record; K, M, G allowed (default 16M)"},
  };
  CLI_ADD_OPTIONS(line, options);
}

void cli_add_scorer_options(cli_command_line *line, bki_scorer_config *config) {
  const cli_option options[] = {
      {.name = "engine",
       .kind = CLI_CHOICE,
       .target = &config->engine,
       .choices = engines,
       .help = "full runs every variant, the others share work; persistent: GPU (default auto)"},
      {.name = "precision",
       .kind = CLI_CHOICE,
       .target = &config->precision,
       .choices = precisions,
       .help = "bf16 on a CPU, tf32, fp16, split on a GPU; exact: fp32 for a text's best words\n"
               "                                (default fp32; scan and defend: exact)"},
  };
  CLI_ADD_OPTIONS(line, options);
}

void cli_rule_options_init(cli_rule_options *options) {
  *options = (cli_rule_options){.preset = -1, .keys = -1, .oov_key = -1, .p = -1, .ngram = -1, .alpha = NAN};
}

void cli_add_rule_options(cli_command_line *line, cli_rule_options *options) {
  const cli_option all[] = {
      {.name = "preset",
       .kind = CLI_CHOICE,
       .target = &options->preset,
       .choices = bki_preset_names,
       .help = "how scores become a keyword (default: as scanned; scan: paper)"},
      {.name = "top-words",
       .letter = 'p',
       .kind = CLI_INT,
       .target = &options->p,
       .value = "N",
       .min = 1,
       .max = INT32_MAX,
       .help = "words that a sample selects (default: as scanned; scan: 5)"},
      {.name = "keys",
       .kind = CLI_CHOICE,
       .target = &options->keys,
       .choices = bki_keys_names,
       .help = "paper: unique counts a word once a sample (default positions)"},
      {.name = "oov-key",
       .kind = CLI_CHOICE,
       .target = &options->oov_key,
       .choices = bki_oov_key_names,
       .help = "shared: all unknown words are one key (default surface)"},
      {.name = "ngram",
       .kind = CLI_INT,
       .target = &options->ngram,
       .value = "N",
       .min = 1,
       .max = 16,
       .help = "journal: words of a unit (default 1)"},
      {.name = "alpha",
       .kind = CLI_REAL,
       .target = &options->alpha,
       .value = "X",
       .help = "journal: frequency limit as a share of the samples (default 0.05)"},
  };
  CLI_ADD_OPTIONS(line, all);
}

void cli_add_decision_option(cli_command_line *line, bki_decision *decision) {
  cli_add_option(line,
                 &(cli_option){.name = "rule",
                               .kind = CLI_CHOICE,
                               .target = decision,
                               .choices = bki_decision_names,
                               .help = "flag the samples of backdoors, of suspicious phrases too, or those that\n"
                                       "                                selected the keyword (default evidence)"});
}

void cli_rule_apply(const cli_rule_options *options, bki_rule *rule) {
  if (options->preset >= 0 && (bki_preset)options->preset != rule->preset) {
    bki_rule_init(rule, (bki_preset)options->preset);
  }
  if (options->keys >= 0) {
    rule->keys = (bki_keys)options->keys;
  }
  if (options->oov_key >= 0) {
    rule->oov_key = (bki_oov_key)options->oov_key;
  }
  if (options->p >= 0) {
    rule->p = options->p;
  }
  if (options->ngram >= 0) {
    rule->ngram = options->ngram;
  }
  if (!isnan(options->alpha)) {
    rule->alpha = options->alpha;
  }
}
