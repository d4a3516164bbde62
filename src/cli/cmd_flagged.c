#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "cli.h"

typedef enum list_format { LIST_IDS = 0, LIST_TSV } list_format;

static void print_class(const bki_classes *classes, int32_t index) {
  const char *name = bki_class_name(classes, index);
  putchar('\t');
  bki_print_text(stdout, name == NULL ? (bki_str){NULL, 0} : (bki_str){name, strlen(name)});
}

/* What a flagged sample carries: the phrase of its finding, under BKI_DECIDE_PAPER the keyword. */
static bki_str phrase_of(const cli_result *result, const bki_flagged *flagged) {
  return flagged->finding >= 0 ? bki_analysis_evidence(result->analysis)->findings[flagged->finding].phrase
                               : bki_analysis_keyword(result->analysis)->word;
}

/* Empty where it is not known. */
static void print_number(double value, int digits) {
  putchar('\t');
  if (!isnan(value)) {
    printf("%.*g", digits, value);
  }
}

static void print_evidence(const cli_result *result, const bki_flagged *f) {
  printf("\t%s", bki_reason_name(f->reason));
  print_number(f->confidence, 6);
  putchar('\t');
  bki_print_text(stdout, phrase_of(result, f));
  printf("\t%" PRId32, f->n_words);
}

static void print_list(const cli_result *result, list_format format) {
  size_t n;
  const bki_flagged *flagged = bki_analysis_flagged(result->analysis, &n);
  if (format == LIST_TSV) {
    puts("index\tid\tlabel\tpredicted\tposition\tscore\treason\tconfidence\tphrase\twords");
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
      printf("\t%" PRId32, f->position);
      print_number((double)f->score, 9);
      print_evidence(result, f);
    }
    putchar('\n');
  }
}

static json_t *to_json(const cli_result *result) {
  return json_pack("{s:o, s:o, s:o, s:o}", "evidence",
                   bki_json_evidence(bki_analysis_evidence(result->analysis), &result->classes), "rule",
                   bki_json_rule(&result->rule), "keyword",
                   bki_json_candidate(bki_analysis_keyword(result->analysis), &result->classes), "flagged",
                   bki_json_flagged(result->analysis, &result->classes));
}

int cli_flagged(int argc, char **argv) {
  static const char *const formats[] = {"ids", "tsv", NULL};
  bool json = false;
  list_format format = LIST_IDS;
  bki_decision decision = BKI_DECIDE_EVIDENCE;
  cli_rule_options rule;
  cli_result result = {0};
  bki_error err;
  int exit_code;
  cli_command_line line = {
      .command = "flagged",
      .usage = "STORE [OPTION...]",
      .summary =
          "Lists the samples that carry a backdoor's phrase, in corpus order: ids, or record numbers (from 0) where\n"
          "the corpus has no ids. Control characters are escaped; --json gives ids as they are.",
      .min_args = 1,
      .max_args = 1,
      .options =
          {
              {.name = "format",
               .kind = CLI_CHOICE,
               .target = &format,
               .choices = formats,
               .help = "tsv adds labels, where and what it carries, and why (default ids)"},
              {.name = "json", .kind = CLI_FLAG, .target = &json, .help = "print JSON"},
          },
      .n_options = 2,
  };
  cli_rule_options_init(&rule);
  cli_add_decision_option(&line, &decision);
  cli_add_rule_options(&line, &rule);
  if (!cli_parse(&line, argc, argv, &exit_code)) {
    return exit_code;
  }
  if (cli_result_open(&result, line.args[0], &rule, decision, &err) != BKI_OK ||
      cli_result_check_judged(&result, line.args[0], &err) != BKI_OK) {
    cli_result_close(&result);
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
