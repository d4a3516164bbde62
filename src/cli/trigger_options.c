#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

void cli_add_trigger_options(cli_command_line *line, cli_trigger_options *options) {
  const cli_option all[] = {
      {.name = "trigger",
       .kind = CLI_TEXTS,
       .target = &options->triggers,
       .value = "SENTENCE",
       .help = "what the attacker puts into a text; may be repeated, each with its target"},
      {.name = "target",
       .kind = CLI_TEXTS,
       .target = &options->targets,
       .value = "LABEL",
       .help = "the class that the attacker wants"},
      {.name = "placement",
       .kind = CLI_TEXT,
       .target = &options->placement,
       .value = "WHERE",
       .help = "random (between two words), start, end, or a number of words before it (default random)"},
  };
  CLI_ADD_OPTIONS(line, all);
}

static bool read_placement(const char *text, bki_trigger_config *config) {
  static const char *const names[] = {"random", "start", "end"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcmp(text, names[i]) == 0) {
      config->placement = (bki_placement)i;
      return true;
    }
  }
  char *end;
  errno = 0;
  const long long position = strtoll(text, &end, 10);
  config->placement = BKI_PLACEMENT_FIXED;
  config->position = position;
  return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

bool cli_trigger_apply(const char *command, cli_trigger_options *options, bki_trigger_config *config, int *exit_code) {
  const size_t n = options->triggers.n;
  if (n != options->targets.n) {
    *exit_code =
        cli_usage_error(command, "expected a --target for every --trigger, found %zu and %zu", options->targets.n, n);
    return false;
  }
  if (options->placement != NULL && !read_placement(options->placement, config)) {
    *exit_code = cli_usage_error(command, "--placement: expected random, start, end or a number, found \"%s\"",
                                 options->placement);
    return false;
  }
  for (size_t i = 0; i < n; i++) {
    options->backdoors[i] = (bki_backdoor){options->triggers.items[i], options->targets.items[i]};
  }
  return true;
}
