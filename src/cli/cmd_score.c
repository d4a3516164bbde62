#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* All of standard input, free() it; NULL: out of memory or a read error. */
static char *read_stdin(size_t *size) {
  size_t capacity = 1 << 16;
  char *data = malloc(capacity);
  *size = 0;
  while (data != NULL) {
    *size += fread(data + *size, 1, capacity - *size, stdin);
    if (*size < capacity) {
      break;
    }
    capacity *= 2;
    char *larger = realloc(data, capacity);
    if (larger == NULL) {
      free(data);
    }
    data = larger;
  }
  if (data != NULL && ferror(stdin)) {
    free(data);
    return NULL;
  }
  return data;
}

typedef struct scored {
  bki_encoding encoding;
  float *score;
  float *logits;
  uint8_t *flags;
  int32_t predicted;
} scored;

static void scored_clear(scored *s) {
  bki_encoding_clear(&s->encoding);
  free(s->score);
  free(s->logits);
  free(s->flags);
}

static bki_status score_text(const bki_model *model, const bki_scorer_config *config, bki_str text, scored *out,
                             bki_error *err) {
  bki_scorer *scorer = NULL;
  bki_status status = bki_model_encode(model, text, &out->encoding, err);
  if (status == BKI_OK) {
    status = bki_scorer_create(&scorer, model, config, err);
  }
  if (status != BKI_OK) {
    return status;
  }
  cli_warn_emulated(scorer);
  size_t n = (size_t)out->encoding.words.n_words;
  out->score = calloc(n + 1, sizeof *out->score);
  out->flags = calloc(n + 1, sizeof *out->flags);
  out->logits = calloc((size_t)bki_model_get_config(model)->n_classes, sizeof *out->logits);
  if (out->score == NULL || out->flags == NULL || out->logits == NULL) {
    bki_scorer_destroy(scorer);
    *err = (bki_error){.status = BKI_E_INTERNAL, .byte = -1, .message = "out of memory"};
    return BKI_E_INTERNAL;
  }
  const bki_sequence sequence = {.ids = out->encoding.ids, .length = out->encoding.words.n_words};
  bki_scores scores = {.score = out->score, .flip = out->flags};
  status = bki_scorer_score(scorer, &sequence, 1, &scores, err);
  if (status == BKI_OK) {
    status = bki_scorer_forward(scorer, &sequence, 1, NULL, out->logits, err);
  }
  bki_scorer_destroy(scorer);
  for (size_t i = 0; status == BKI_OK && i < n; i++) {
    out->flags[i] = (uint8_t)((out->flags[i] ? BKI_WORD_FLIP : 0) | (out->encoding.oov[i] ? BKI_WORD_OOV : 0));
  }
  out->predicted = scores.predicted;
  return status;
}

static json_t *to_json(const bki_sample *sample, const int32_t *selected, int32_t n_selected, const float *logits,
                       const bki_classes *classes) {
  json_t *out = bki_json_sample(sample, selected, n_selected, classes);
  json_t *values = json_object();
  for (int32_t i = 0; i < classes->n; i++) {
    json_object_set_new(values, classes->names[i], json_real((double)logits[i]));
  }
  json_object_del(out, "index"); /* no corpus, no record */
  json_object_del(out, "id");
  json_object_del(out, "label");
  json_object_set_new(out, "logits", values);
  return out;
}

static int print_scored(const scored *s, const bki_rule *rule, const bki_classes *classes, bool json, cli_color color) {
  const bki_sample sample = {.index = -1,
                             .label = -1,
                             .predicted = s->predicted,
                             .words = &s->encoding.words,
                             .score = s->score,
                             .word_flags = s->flags};
  int32_t n_selected;
  int32_t *selected = cli_select(rule, &sample, &n_selected);
  if (selected == NULL) {
    return cli_out_of_memory();
  }
  int exit_code = BKI_OK;
  if (json) {
    exit_code = cli_print_json(to_json(&sample, selected, n_selected, s->logits, classes));
  } else {
    const char *name = classes->names[s->predicted];
    fputs("predicted: ", stdout);
    bki_print_text(stdout, (bki_str){name, strlen(name)});
    putchar('\n');
    const bki_sample_view view = {.rule = rule,
                                  .selected = selected,
                                  .n_selected = n_selected,
                                  .colour = cli_use_color(color),
                                  .columns = cli_columns()};
    if (!bki_print_sample(stdout, &sample, &view)) {
      exit_code = cli_out_of_memory();
    }
  }
  free(selected);
  return exit_code;
}

static int score(const char *model_path, const bki_scorer_config *config, bki_str text, const bki_rule *rule, bool json,
                 cli_color color) {
  bki_error err;
  bki_model *model = NULL;
  scored s = {0};
  bki_encoding_init(&s.encoding);
  int exit_code;
  if (bki_model_load(&model, model_path, &err) != BKI_OK || score_text(model, config, text, &s, &err) != BKI_OK) {
    exit_code = cli_error(&err);
  } else {
    const bki_model_config *settings = bki_model_get_config(model);
    const bki_classes classes = {settings->classes, settings->n_classes};
    exit_code = print_scored(&s, rule, &classes, json, color);
  }
  scored_clear(&s);
  bki_model_destroy(model);
  return exit_code;
}

int cli_score(int argc, char **argv) {
  bool json = false;
  cli_color color = CLI_COLOR_AUTO;
  bki_scorer_config config;
  cli_run_options where;
  bki_rule rule;
  int exit_code;
  bki_scorer_config_init(&config);
  cli_run_options_init(&where);
  bki_rule_init(&rule, BKI_PRESET_PAPER);
  cli_command_line line = {
      .command = "score",
      .usage = "MODEL [TEXT] [OPTION...]",
      .summary = "Scores the words of one text; without TEXT, or with -, it is standard input.",
      .min_args = 1,
      .max_args = 2,
      .options = {{.name = "top-words",
                   .letter = 'p',
                   .kind = CLI_INT,
                   .target = &rule.p,
                   .value = "N",
                   .min = 1,
                   .max = INT32_MAX,
                   .help = "words to list (default 5)"},
                  {.name = "json", .kind = CLI_FLAG, .target = &json, .help = "print all words with scores as JSON"}},
      .n_options = 2,
  };
  cli_add_color_option(&line, &color);
  cli_add_run_options(&line, &where);
  cli_add_scorer_options(&line, &config);
  if (!cli_parse(&line, argc, argv, &exit_code)) {
    return exit_code;
  }
  exit_code = cli_run_options_apply(&where, "score", &config);
  if (exit_code != BKI_OK) {
    return exit_code;
  }
  const char *argument = line.n_args == 2 ? line.args[1] : "-";
  char *input = NULL;
  bki_str text = {argument, strlen(argument)};
  if (strcmp(argument, "-") == 0) {
    input = read_stdin(&text.size);
    text.data = input;
    if (input == NULL) {
      fputs("bki: cannot read standard input\n", stderr);
      return BKI_E_IO;
    }
  }
  const char *nul = text.size == 0 ? NULL : memchr(text.data, '\0', text.size);
  if (nul != NULL) {
    fprintf(stderr, "bki: <stdin>: byte %td: expected text, found a NUL\n", nul - text.data);
    free(input);
    return BKI_E_DATA;
  }
  if (config.precision == BKI_PRECISION_EXACT) { /* trying the model out would take longer than one text in fp32 */
    config.precision = BKI_PRECISION_FP32;
  }
  exit_code = score(line.args[0], &config, text, &rule, json, color);
  free(input);
  return exit_code;
}
