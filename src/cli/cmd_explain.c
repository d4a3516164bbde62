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

/* What is known of the sample that is explained. */
typedef struct explained {
  bki_store *store;
  bki_store_cursor *cursor;
  bki_sample sample;
  bki_rule rule;
  bki_classes classes;
  bki_evidence evidence;              /* zeroed: the store was not judged, or is not asked */
  const bki_evidence_sample *carried; /* NULL: not flagged */
} explained;

static int print_json(const explained *e, const int32_t *selected, int32_t n_selected) {
  json_t *out = bki_json_sample(&e->sample, selected, n_selected, &e->classes);
  if (out != NULL &&
      json_object_set_new(out, "carries", bki_json_carried(&e->evidence, e->carried, &e->classes)) != 0) {
    json_decref(out);
    out = NULL;
  }
  return cli_print_json(out);
}

static int print_text(const explained *e, const int32_t *selected, int32_t n_selected, cli_color color) {
  bki_sample_view view = {.rule = &e->rule,
                          .selected = selected,
                          .n_selected = n_selected,
                          .colour = cli_use_color(color),
                          .columns = cli_columns()};
  print_head(&e->sample, &e->classes);
  if (e->carried != NULL) {
    bki_print_carried(stdout, &e->evidence, e->carried, &e->classes);
    view.phrase = e->carried->position;
    view.n_phrase = e->carried->n_words;
  }
  return bki_print_sample(stdout, &e->sample, &view) ? BKI_OK : cli_out_of_memory();
}

static int compare_index(const void *a, const void *b) {
  int64_t x = ((const bki_evidence_sample *)a)->index;
  int64_t y = ((const bki_evidence_sample *)b)->index;
  return (x > y) - (x < y);
}

/* Finds what the sample was flagged for under a decision. */
static void find_carried(explained *e, bki_decision decision) {
  const bki_evidence_sample key = {.index = e->sample.index};
  bki_verdict least = decision == BKI_DECIDE_EVIDENCE ? BKI_VERDICT_BACKDOOR : BKI_VERDICT_SUSPICIOUS;
  const bki_evidence_sample *found = NULL;
  if (e->evidence.n_flagged > 0) {
    found = bsearch(&key, e->evidence.samples, e->evidence.n_flagged, sizeof key, compare_index);
  }
  e->carried = found != NULL && e->evidence.findings[found->finding].verdict >= least ? found : NULL;
}

static bki_status load(explained *e, const char *store_path, const char *id, const cli_rule_options *options,
                       bki_decision decision, bki_error *err) {
  bool judged;
  bki_status status = bki_store_open(&e->store, store_path, err);
  if (status == BKI_OK) {
    e->classes = (bki_classes){bki_store_classes(e->store), bki_store_n_classes(e->store)};
    status = cli_stored_rule(&e->rule, e->store, decision, err);
  }
  if (status == BKI_OK) {
    cli_rule_apply(options, &e->rule);
    status = bki_rule_check(&e->rule, err);
  }
  if (status == BKI_OK) {
    status = bki_scan_check_rule(e->store, &e->rule, err);
  }
  if (status == BKI_OK && decision != BKI_DECIDE_PAPER) {
    status = bki_evidence_load(&e->evidence, &judged, NULL, e->store, err);
  }
  if (status == BKI_OK) {
    status = bki_store_find(e->store, (bki_str){id, strlen(id)}, &e->cursor, &e->sample, err);
  }
  if (status == BKI_OK) {
    find_carried(e, decision);
  }
  return status;
}

static int print(const explained *e, bool json, cli_color color) {
  int32_t n_selected;
  if (e->rule.preset == BKI_PRESET_JOURNAL && e->sample.increment == NULL) {
    return cli_usage_error("explain", "the store has no increments: scan with --increments");
  }
  int32_t *selected = cli_select(&e->rule, &e->sample, &n_selected);
  if (selected == NULL) {
    return cli_out_of_memory();
  }
  int exit_code = json ? print_json(e, selected, n_selected) : print_text(e, selected, n_selected, color);
  free(selected);
  return exit_code;
}

int cli_explain(int argc, char **argv) {
  bool json = false;
  cli_color color = CLI_COLOR_AUTO;
  bki_decision decision = BKI_DECIDE_EVIDENCE;
  cli_rule_options rule;
  explained e = {0};
  bki_error err;
  int exit_code;
  cli_command_line line = {
      .command = "explain",
      .usage = "STORE ID [OPTION...]",
      .summary =
          "Shows one sample of a scan, by its id or its record number (from 0): the words that it selected in\n"
          "brackets or, in colour, each word on a background as red as its score is high; the words of a backdoor's\n"
          "phrase in braces.",
      .min_args = 2,
      .max_args = 2,
      .options = {{.name = "json", .kind = CLI_FLAG, .target = &json, .help = "print all words with scores as JSON"}},
      .n_options = 1,
  };
  cli_add_color_option(&line, &color);
  cli_rule_options_init(&rule);
  cli_add_decision_option(&line, &decision);
  cli_add_rule_options(&line, &rule);
  if (!cli_parse(&line, argc, argv, &exit_code)) {
    return exit_code;
  }
  bki_status status = load(&e, line.args[0], line.args[1], &rule, decision, &err);
  exit_code = status == BKI_OK ? print(&e, json, color) : cli_error(&err);
  bki_evidence_clear(&e.evidence);
  bki_store_cursor_close(e.cursor);
  bki_store_close(e.store);
  return exit_code;
}
