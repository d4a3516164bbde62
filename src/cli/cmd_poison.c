#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

typedef struct poison_options {
  bki_poison_config config;
  cli_trigger_options trigger;
  cli_texts sources;
  const char *rate;
  const char *window;
  int32_t count;
  bool json;
} poison_options;

static void add_own_options(cli_command_line *line, poison_options *o) {
  const cli_option options[] = {
      {.name = "output",
       .letter = 'o',
       .kind = CLI_TEXT,
       .target = &o->config.output_path,
       .value = "FILE",
       .help = "the poisoned corpus, in the format of the input, - is standard output (required)"},
      {.name = "truth",
       .kind = CLI_TEXT,
       .target = &o->config.truth_path,
       .value = "FILE",
       .help = "which samples are poisoned, JSON Lines (required)"},
      {.name = "rate",
       .kind = CLI_TEXT,
       .target = &o->rate,
       .value = "X",
       .help = "copies of each trigger as a share of the corpus: 0.02 or 2%"},
      {.name = "count",
       .kind = CLI_INT,
       .target = &o->count,
       .value = "N",
       .min = 1,
       .max = INT32_MAX,
       .help = "copies of each trigger, instead of --rate"},
      {.name = "source",
       .kind = CLI_TEXTS,
       .target = &o->sources,
       .value = "LABEL",
       .help = "label whose samples are copied; may be repeated (default: all but the target)"},
      {.name = "window",
       .kind = CLI_TEXT,
       .target = &o->window,
       .value = "tail:N|head:N",
       .help = "random placement: among the words that a model keeps (default: anywhere)"},
      {.name = "replace",
       .kind = CLI_FLAG,
       .target = &o->config.replace,
       .help = "poison samples in their place; else copies are appended and the originals stay"},
      {.name = "seed", .kind = CLI_U64, .target = &o->config.seed, .value = "N", .help = "(default 1)"},
      {.name = "force",
       .letter = 'f',
       .kind = CLI_FLAG,
       .target = &o->config.force,
       .help = "replace files that exist (never the corpus itself)"},
      {.name = "json", .kind = CLI_FLAG, .target = &o->json, .help = "print the counts as JSON"},
  };
  CLI_ADD_OPTIONS(line, options);
}

/* "0.02" or "2%". */
static bool read_rate(const char *text, double *out) {
  char *end;
  errno = 0;
  *out = strtod(text, &end);
  if (strcmp(end, "%") == 0) {
    *out /= 100;
    end++;
  }
  return end != text && *end == '\0' && errno == 0;
}

static bool read_window(const char *text, bki_trigger_config *out) {
  const bool tail = strncmp(text, "tail:", 5) == 0;
  if (!tail && strncmp(text, "head:", 5) != 0) {
    return false;
  }
  char *end;
  errno = 0;
  const long n = strtol(text + 5, &end, 10);
  out->keep = tail ? BKI_KEEP_TAIL : BKI_KEEP_HEAD;
  out->max_words = (int32_t)n;
  return text[5] >= '0' && text[5] <= '9' && *end == '\0' && errno == 0 && n > 0 && n <= 1 << 24;
}

static bool is_stdout(const char *path) {
  return strcmp(path, "-") == 0;
}

/* What the command line says beyond single options. false: *exit_code, said on stderr. */
static bool apply(poison_options *o, const cli_command_line *line, int *exit_code) {
  bki_poison_config *config = &o->config;
  *exit_code = BKI_OK;
  if (config->output_path == NULL || config->truth_path == NULL) {
    *exit_code = cli_usage_error("poison", "expected %s", config->output_path == NULL ? "-o FILE" : "--truth FILE");
  } else if (o->trigger.triggers.n == 0) {
    *exit_code = cli_usage_error("poison", "expected --trigger SENTENCE --target LABEL");
  } else if (o->rate != NULL && !read_rate(o->rate, &config->rate)) {
    *exit_code = cli_usage_error("poison", "--rate: expected a share as 0.02 or 2%%, found \"%s\"", o->rate);
  } else if (o->window != NULL && !read_window(o->window, &config->trigger)) {
    *exit_code = cli_usage_error("poison", "--window: expected tail:N or head:N, found \"%s\"", o->window);
  } else if (o->json && (is_stdout(config->output_path) || is_stdout(config->truth_path))) {
    *exit_code = cli_usage_error("poison", "--json and an output both ask for standard output");
  }
  if (*exit_code != BKI_OK || !cli_trigger_apply("poison", &o->trigger, &config->trigger, exit_code)) {
    return false;
  }
  config->count = o->count;
  config->backdoors = o->trigger.backdoors;
  config->n_backdoors = o->trigger.triggers.n;
  config->source_labels = o->sources.items;
  config->n_source_labels = o->sources.n;
  config->corpus.paths = (const char *const *)line->args;
  config->corpus.n_paths = line->n_args;
  return true;
}

static int print_summary(const poison_options *o, const bki_poison_summary *summary) {
  if (o->json) {
    return cli_print_json(json_pack("{s:I, s:I, s:I}", "samples", (json_int_t)summary->n_samples, "poisoned",
                                    (json_int_t)summary->n_poisoned, "written", (json_int_t)summary->n_written));
  }
  const bool taken = is_stdout(o->config.output_path) || is_stdout(o->config.truth_path);
  fprintf(taken ? stderr : stdout, "samples:  %" PRId64 "\npoisoned: %" PRId64 "\nwritten:  %" PRId64 "\n",
          summary->n_samples, summary->n_poisoned, summary->n_written);
  return BKI_OK;
}

int cli_poison(int argc, char **argv) {
  poison_options o = {0};
  cli_command_line line = {
      .command = "poison",
      .usage = "CORPUS... -o FILE --truth FILE --trigger SENTENCE --target LABEL (--rate X | --count N) [OPTION...]",
      .summary =
          "The attack, to try a defence on: copies samples of other classes, puts the trigger between two of\n"
          "their words and gives them the target label. The same seed gives the same files everywhere.",
      .min_args = 1,
      .max_args = SIZE_MAX,
  };
  int exit_code;
  bki_poison_config_init(&o.config);
  cli_add_trigger_options(&line, &o.trigger);
  add_own_options(&line, &o);
  cli_add_corpus_options(&line, &o.config.corpus);
  if (!cli_parse(&line, argc, argv, &exit_code) || !apply(&o, &line, &exit_code)) {
    return exit_code;
  }
  bki_poison_summary summary;
  bki_error err;
  if (bki_poison_run(&o.config, &summary, &err) != BKI_OK) {
    return cli_error(&err);
  }
  return print_summary(&o, &summary);
}
