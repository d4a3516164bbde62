#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static void print_head(const bki_sample *sample, const bki_classes *classes) {
  const char *label = bki_class_name(classes, sample->label);
  const char *predicted = bki_class_name(classes, sample->predicted);
  printf("sample %" PRId64, sample->index);
  if (sample->id.data != NULL) {
    fputs(", id ", stdout);
    bki_print_text(stdout, sample->id);
  }
  fputs(": label ", stdout);
  bki_print_text(stdout, label == NULL ? (bki_str){"-", 1} : (bki_str){label, strlen(label)});
  fputs(", predicted ", stdout);
  bki_print_text(stdout, predicted == NULL ? (bki_str){"-", 1} : (bki_str){predicted, strlen(predicted)});
  printf(", %" PRId32 " words\n", sample->words->n_words);
}

static int print_sample(const bki_sample *sample, const bki_rule *rule, const bki_classes *classes, bool json,
                        cli_color color) {
  int32_t n_selected;
  int32_t *selected = cli_select(rule, sample, &n_selected);
  if (selected == NULL) {
    return cli_out_of_memory();
  }
  int exit_code = BKI_OK;
  if (json) {
    exit_code = cli_print_json(bki_json_sample(sample, selected, n_selected, classes));
  } else {
    print_head(sample, classes);
    const bki_sample_view view = {rule, selected, n_selected, cli_use_color(color), cli_columns()};
    if (!bki_print_sample(stdout, sample, &view)) {
      exit_code = cli_out_of_memory();
    }
  }
  free(selected);
  return exit_code;
}

static int explain(const char *store_path, const char *id, const cli_rule_options *options, bool json,
                   cli_color color) {
  bki_error err = {0};
  bki_store *store = NULL;
  bki_store_cursor *cursor = NULL;
  bki_sample sample;
  bki_rule rule;
  int exit_code = BKI_OK;
  if (bki_store_open(&store, store_path, &err) != BKI_OK || bki_scan_get_settings(store, NULL, &rule, &err) != BKI_OK) {
    exit_code = cli_error(&err);
    goto done;
  }
  cli_rule_apply(options, &rule);
  const bki_classes classes = {bki_store_classes(store), bki_store_n_classes(store)};
  if (bki_rule_check(&rule, &err) != BKI_OK || bki_scan_check_rule(store, &rule, &err) != BKI_OK ||
      bki_store_find(store, (bki_str){id, strlen(id)}, &cursor, &sample, &err) != BKI_OK) {
    exit_code = cli_error(&err);
    goto done;
  }
  if (rule.preset == BKI_PRESET_JOURNAL && sample.increment == NULL) {
    exit_code = cli_usage_error("explain", "the store has no increments: scan with --increments");
    goto done;
  }
  exit_code = print_sample(&sample, &rule, &classes, json, color);
done:
  bki_store_cursor_close(cursor);
  bki_store_close(store);
  return exit_code;
}

int cli_explain(int argc, char **argv) {
  bool json = false;
  cli_color color = CLI_COLOR_AUTO;
  cli_rule_options rule;
  int exit_code;
  cli_command_line line = {
      .command = "explain",
      .usage = "STORE ID [OPTION...]",
      .summary =
          "Shows one sample of a scan, by its id or its record number (from 0): the words that it selected in\n"
          "brackets or, in colour, each word on a background as red as its score is high.",
      .min_args = 2,
      .max_args = 2,
      .options = {{.name = "json", .kind = CLI_FLAG, .target = &json, .help = "print all words with scores as JSON"}},
      .n_options = 1,
  };
  cli_add_color_option(&line, &color);
  cli_rule_options_init(&rule);
  cli_add_rule_options(&line, &rule);
  if (!cli_parse(&line, argc, argv, &exit_code)) {
    return exit_code;
  }
  return explain(line.args[0], line.args[1], &rule, json, color);
}
