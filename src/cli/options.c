#include "options.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "terminal.h"

enum { FIRST_LONG = 256 };

void cli_add_option(cli_command_line *line, const cli_option *option) {
  assert(line->n_options < CLI_MAX_OPTIONS);
  line->options[line->n_options++] = *option;
}

void cli_add_options(cli_command_line *line, const cli_option *options, size_t n) {
  for (size_t i = 0; i < n; i++) {
    cli_add_option(line, &options[i]);
  }
}

int cli_usage_error(const char *command, const char *format, ...) {
  char message[512];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  fprintf(stderr, "bki %s: ", command);
  bki_print_text(stderr, (bki_str){message, strlen(message)});
  fprintf(stderr, " (see 'bki %s --help')\n", command);
  return BKI_E_USAGE;
}

/* "-o, --output STORE" into buf. */
static void format_option(char *buf, size_t size, const cli_option *option) {
  char choices[128] = "";
  size_t used = 0;
  for (size_t i = 0; option->choices != NULL && option->choices[i] != NULL; i++) {
    used += (size_t)snprintf(choices + used, sizeof choices - used, "%s%s", i == 0 ? "" : "|", option->choices[i]);
  }
  const char *value = option->choices != NULL ? choices : option->value;
  char letter[8] = "    ";
  if (option->letter != 0) {
    snprintf(letter, sizeof letter, "-%c, ", option->letter);
  }
  snprintf(buf, size, "%s--%s%s%s", letter, option->name, value == NULL ? "" : " ", value == NULL ? "" : value);
}

static void print_help(const cli_command_line *line) {
  printf("usage: bki %s %s\n%s\n\noptions:\n", line->command, line->usage, line->summary);
  for (size_t i = 0; i < line->n_options; i++) {
    char left[160];
    format_option(left, sizeof left, &line->options[i]);
    if (strlen(left) > 28) {
      printf("  %s\n  %-28s  %s\n", left, "", line->options[i].help);
    } else {
      printf("  %-28s  %s\n", left, line->options[i].help);
    }
  }
  printf("  %-28s  %s\n", "-h, --help", "show this help");
}

static bool parse_integer(const char *text, int64_t *out) {
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  *out = value;
  return end != text && *end == '\0' && errno == 0;
}

static bool parse_size(const char *text, int64_t *out) {
  static const char suffixes[] = "KMG";
  char digits[32];
  size_t size = strlen(text);
  const char *suffix = size == 0 ? NULL : strchr(suffixes, text[size - 1]);
  if (size >= sizeof digits) {
    return false;
  }
  memcpy(digits, text, size + 1);
  digits[suffix == NULL ? size : size - 1] = '\0';
  int64_t factor = suffix == NULL ? 1 : INT64_C(1) << (10 * (suffix - suffixes + 1));
  return parse_integer(digits, out) && !__builtin_mul_overflow(*out, factor, out);
}

static bool set_integer(const cli_option *option, const char *text) {
  int64_t value;
  bool ok = option->kind == CLI_SIZE ? parse_size(text, &value) : parse_integer(text, &value);
  if (!ok || value < option->min || value > option->max) {
    return false;
  }
  if (option->kind == CLI_SIZE) {
    *(size_t *)option->target = (size_t)value;
  } else {
    *(int32_t *)option->target = (int32_t)value;
  }
  return true;
}

static bool set_u64(const cli_option *option, const char *text) {
  char *end;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0) {
    return false;
  }
  *(uint64_t *)option->target = value;
  return true;
}

static bool set_real(const cli_option *option, const char *text) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end != '\0') {
    return false;
  }
  *(double *)option->target = value;
  return true;
}

static bool set_choice(const cli_option *option, const char *text) {
  for (int i = 0; option->choices[i] != NULL; i++) {
    if (strcmp(text, option->choices[i]) == 0) {
      memcpy(option->target, &i, sizeof i);
      return true;
    }
  }
  return false;
}

/* What the option expected instead. */
static int value_error(const cli_command_line *line, const cli_option *option, const char *text) {
  char left[160];
  format_option(left, sizeof left, option);
  if (option->kind == CLI_INT || option->kind == CLI_SIZE) {
    return cli_usage_error(line->command, "%s: expected a whole number, %lld to %lld, found \"%s\"", left + 4,
                           (long long)option->min, (long long)option->max, text);
  }
  if (option->kind == CLI_INTS) {
    return cli_usage_error(line->command, "%s: expected whole numbers, %lld to %lld, each once, found \"%s\"", left + 4,
                           (long long)option->min, (long long)option->max, text);
  }
  if (option->kind == CLI_TEXTS) {
    return cli_usage_error(line->command, "%s: expected at most %d of them, found another, \"%s\"", left + 4,
                           CLI_MAX_TEXTS, text);
  }
  return cli_usage_error(line->command, "%s: expected %s, found \"%s\"", left + 4,
                         option->kind == CLI_REAL  ? "a number"
                         : option->kind == CLI_U64 ? "a whole number, 0 to 2^64 - 1"
                                                   : "one of these",
                         text);
}

static bool add_text(cli_texts *texts, const char *text) {
  if (texts->n == CLI_MAX_TEXTS) {
    return false;
  }
  texts->items[texts->n++] = text;
  return true;
}

/* One of `n` characters of `text`. */
static bool add_integer(const cli_option *option, const char *text, size_t n) {
  cli_ints *out = option->target;
  char number[16];
  int64_t value;
  if (out->n == CLI_MAX_INTS || n >= sizeof number) {
    return false;
  }
  memcpy(number, text, n);
  number[n] = '\0';
  if (!parse_integer(number, &value) || value < option->min || value > option->max) {
    return false;
  }
  for (size_t i = 0; i < out->n; i++) {
    if (out->items[i] == value) {
      return false;
    }
  }
  out->items[out->n++] = (int32_t)value;
  return true;
}

/* "0,2" */
static bool set_integers(const cli_option *option, const char *text) {
  ((cli_ints *)option->target)->n = 0;
  for (;;) {
    const size_t n = strcspn(text, ",");
    if (!add_integer(option, text, n)) {
      return false;
    }
    if (text[n] == '\0') {
      return true;
    }
    text += n + 1;
  }
}

static bool set_option(const cli_option *option, const char *text) {
  switch (option->kind) {
    case CLI_FLAG: *(bool *)option->target = true; return true;
    case CLI_TEXT: *(const char **)option->target = text; return true;
    case CLI_TEXTS: return add_text(option->target, text);
    case CLI_INT:
    case CLI_SIZE: return set_integer(option, text);
    case CLI_REAL: return set_real(option, text);
    case CLI_CHOICE: return set_choice(option, text);
    case CLI_U64: return set_u64(option, text);
    case CLI_INTS: return set_integers(option, text);
  }
  return false;
}

/* getopt's tables; val is FIRST_LONG + the option's index. */
static void make_tables(const cli_command_line *line, struct option *longs, char *shorts) {
  size_t n = 0;
  shorts[n++] = ':';
  shorts[n++] = 'h';
  for (size_t i = 0; i < line->n_options; i++) {
    const cli_option *o = &line->options[i];
    int argument = o->kind == CLI_FLAG ? no_argument : required_argument;
    longs[i] = (struct option){.name = o->name, .has_arg = argument, .val = FIRST_LONG + (int)i};
    if (o->letter != 0) {
      shorts[n++] = o->letter;
      if (argument == required_argument) {
        shorts[n++] = ':';
      }
    }
  }
  shorts[n] = '\0';
  longs[line->n_options] = (struct option){.name = "help", .has_arg = no_argument, .val = 'h'};
  longs[line->n_options + 1] = (struct option){0};
}

static const cli_option *find_option(const cli_command_line *line, int val) {
  for (size_t i = 0; i < line->n_options; i++) {
    if (val == FIRST_LONG + (int)i || (line->options[i].letter != 0 && val == line->options[i].letter)) {
      return &line->options[i];
    }
  }
  return NULL;
}

static bool check_args(cli_command_line *line, int argc, char **argv, int *exit_code) {
  line->args = argv + optind;
  line->n_args = (size_t)(argc - optind);
  if (line->n_args < line->min_args) {
    *exit_code = cli_usage_error(line->command, "expected %s", line->usage);
    return false;
  }
  if (line->n_args > line->max_args) {
    *exit_code = cli_usage_error(line->command, "unexpected argument \"%s\"", line->args[line->max_args]);
    return false;
  }
  return true;
}

/* What getopt stumbled over: an unknown letter is in optopt, the code of an option that takes no value, too. */
static int option_error(const cli_command_line *line, int val, char **argv) {
  const char *given = argv[optind - 1];
  if (val == ':') {
    return cli_usage_error(line->command, "\"%s\" expects a value", given);
  }
  if (optopt >= FIRST_LONG) {
    return cli_usage_error(line->command, "--%s takes no value", line->options[optopt - FIRST_LONG].name);
  }
  if (optopt != 0) {
    return cli_usage_error(line->command, "unknown option \"-%c\"", optopt);
  }
  return cli_usage_error(line->command, "unknown or ambiguous option \"%s\"", given);
}

bool cli_parse(cli_command_line *line, int argc, char **argv, int *exit_code) {
  struct option longs[CLI_MAX_OPTIONS + 2];
  char shorts[2 * CLI_MAX_OPTIONS + 3];
  make_tables(line, longs, shorts);
  optind = 0; /* glibc: start anew */
  for (int val; (val = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
    if (val == 'h') {
      print_help(line);
      *exit_code = BKI_OK;
      return false;
    }
    if (val == '?' || val == ':') {
      *exit_code = option_error(line, val, argv);
      return false;
    }
    const cli_option *option = find_option(line, val);
    if (!set_option(option, optarg)) {
      *exit_code = value_error(line, option, optarg);
      return false;
    }
  }
  return check_args(line, argc, argv, exit_code);
}
