#include <inttypes.h>
#include <string.h>

#include "cli.h"

typedef enum list_format { LIST_IDS = 0, LIST_TSV } list_format;

static void print_class(const bki_classes *classes, int32_t index) {
  const char *name = bki_class_name(classes, index);
  putchar('\t');
  bki_print_text(stdout, name == NULL ? (bki_str){NULL, 0} : (bki_str){name, strlen(name)});
}

static void print_list(const cli_result *result, list_format format) {
  size_t n;
  const bki_flagged *flagged = bki_analysis_flagged(result->analysis, &n);
  if (format == LIST_TSV) {
    puts("index\tid\tlabel\tpredicted\tposition\tscore");
  }
  for (size_t i = 0; i < n; i++) {
    const bki_flagged *f = &flagged[i];
    if (format == LIST_TSV) {
      printf("%" PRId64 "\t", f->index);
    } else if (f->id.data == NULL) {
      printf("%" PRId64, f->index);
    }
    bki_print_text(stdout, f->id);
    if (format == LIST_TSV) {
      print_class(&result->classes, f->label);
      print_class(&result->classes, f->predicted);
      printf("\t%" PRId32 "\t%.9g", f->position, (double)f->score);
    }
    putchar('\n');
  }
}

static json_t *to_json(const cli_result *result) {
  return json_pack("{s:o, s:o, s:o}", "rule", bki_json_rule(&result->rule), "keyword",
                   bki_json_candidate(bki_analysis_keyword(result->analysis), &result->classes), "flagged",
                   bki_json_flagged(result->analysis, &result->classes));
}

int cli_flagged(int argc, char **argv) {
  static const char *const formats[] = {"ids", "tsv", NULL};
  bool json = false;
  list_format format = LIST_IDS;
  cli_rule_options rule;
  cli_result result = {0};
  bki_error err;
  int exit_code;
  cli_command_line line = {
      .command = "flagged",
      .usage = "STORE [OPTION...]",
      .summary =
          "Lists the samples that selected the keyword, in corpus order: ids, or record numbers (from 0) where the\n"
          "corpus has no ids. Control characters are escaped; --json gives ids as they are.",
      .min_args = 1,
      .max_args = 1,
      .options =
          {
              {.name = "format",
               .kind = CLI_CHOICE,
               .target = &format,
               .choices = formats,
               .help = "tsv adds labels, position and score (default ids)"},
              {.name = "json", .kind = CLI_FLAG, .target = &json, .help = "print JSON"},
          },
      .n_options = 2,
  };
  cli_rule_options_init(&rule);
  cli_add_rule_options(&line, &rule);
  if (!cli_parse(&line, argc, argv, &exit_code)) {
    return exit_code;
  }
  if (cli_result_open(&result, line.args[0], &rule, &err) != BKI_OK) {
    return cli_error(&err);
  }
  if (json) {
    exit_code = cli_print_json(to_json(&result));
  } else {
    exit_code = BKI_OK;
    print_list(&result, format);
  }
  cli_result_close(&result);
  return exit_code;
}
