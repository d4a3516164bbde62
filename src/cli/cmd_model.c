#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* The largest difference to the logits of the framework that trained the model: fp32 on another machine. */
#define SELFTEST_TOLERANCE 1e-4

static const char *const readouts[] = {"final", "last", "mean", "max"};
static const char *const activations[] = {"relu", "tanh", "none"};
static const char *const tokenizers[] = {"words", "keras", "whitespace"};

static void format_pad(char *buf, size_t size, const bki_model_config *c) {
  if (c->pad == BKI_PAD_NONE) {
    snprintf(buf, size, "none");
  } else {
    snprintf(buf, size, "%s:%" PRId32, c->pad == BKI_PAD_PRE ? "pre" : "post", c->pad_length);
  }
}

static json_t *classes_json(const bki_model_config *c) {
  json_t *out = json_array();
  for (int32_t i = 0; i < c->n_classes; i++) {
    json_array_append_new(out, bki_json_text((bki_str){c->classes[i], strlen(c->classes[i])}));
  }
  return out;
}

static json_t *info_json(const bki_model *model) {
  const bki_model_config *c = bki_model_get_config(model);
  char pad[32];
  format_pad(pad, sizeof pad, c);
  return json_pack(
      "{s:s, s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:o, s:s, s:s, s:i, s:s, s:s, s:b, s:b, s:i, s:i, s:I}",
      "fingerprint", bki_model_fingerprint(model), "parameters", (json_int_t)bki_model_n_parameters(model),
      "vocabulary_size", c->vocabulary_size, "words", bki_vocabulary_size(bki_model_vocabulary(model)), "embedding_dim",
      c->embedding_dim, "hidden", c->hidden, "num_layers", c->num_layers, "dense", c->dense, "dense_activation",
      activations[c->dense_activation], "classes", classes_json(c), "readout", readouts[c->readout], "pad", pad,
      "max_words", c->max_words, "keep", c->keep == BKI_KEEP_TAIL ? "tail" : "head", "tokenizer",
      tokenizers[c->tokenizer.type], "lowercase", c->tokenizer.lowercase, "strip_html", c->tokenizer.strip_html,
      "oov_id", c->oov_id, "pad_id", c->pad_id, "selftest", (json_int_t)bki_model_selftest_count(model));
}

static void print_info(const bki_model *model) {
  const bki_model_config *c = bki_model_get_config(model);
  char pad[32];
  format_pad(pad, sizeof pad, c);
  printf("embedding    %" PRId32 " x %" PRId32 " (%" PRId32 " words in vocab.txt)\n", c->vocabulary_size,
         c->embedding_dim, bki_vocabulary_size(bki_model_vocabulary(model)));
  printf("Bi-LSTM      %" PRId32 " layer(s), %" PRId32 " units a direction, readout %s, padding %s\n", c->num_layers,
         c->hidden, readouts[c->readout], pad);
  if (c->dense > 0) {
    printf("dense        %" PRId32 ", %s\n", c->dense, activations[c->dense_activation]);
  }
  printf("classes      %" PRId32 ":", c->n_classes);
  for (int32_t i = 0; i < c->n_classes; i++) {
    putchar(' ');
    bki_print_text(stdout, (bki_str){c->classes[i], strlen(c->classes[i])});
  }
  printf("\ntexts        tokenizer %s%s%s, at most %" PRId32 " words, the %s is kept\n", tokenizers[c->tokenizer.type],
         c->tokenizer.lowercase ? ", lower case" : "", c->tokenizer.strip_html ? ", without <br>" : "", c->max_words,
         c->keep == BKI_KEEP_TAIL ? "tail" : "head");
  printf("parameters   %" PRId64 "\nself-test    %zu texts\nfingerprint  %s\n", bki_model_n_parameters(model),
         bki_model_selftest_count(model), bki_model_fingerprint(model));
}

/* The largest difference of a self-test text's logits. */
static bki_status selftest_one(const bki_model *model, bki_scorer *scorer, size_t i, float *logits, double *worst,
                               bki_error *err) {
  bki_str text;
  const float *expected;
  bki_encoding encoding;
  bki_encoding_init(&encoding);
  bki_model_selftest_get(model, i, &text, &expected);
  bki_status status = bki_model_encode(model, text, &encoding, err);
  if (status == BKI_OK) {
    const bki_sequence sequence = {.ids = encoding.ids, .length = encoding.words.n_words};
    status = bki_scorer_forward(scorer, &sequence, 1, NULL, logits, err);
  }
  for (int32_t k = 0; status == BKI_OK && k < bki_model_get_config(model)->n_classes; k++) {
    double difference = fabs((double)logits[k] - (double)expected[k]);
    *worst = difference > *worst ? difference : *worst;
  }
  bki_encoding_clear(&encoding);
  return status;
}

static bki_status selftest(const bki_model *model, const bki_scorer_config *config, double *worst, bki_error *err) {
  bki_scorer *scorer = NULL;
  float *logits = calloc((size_t)bki_model_get_config(model)->n_classes, sizeof *logits);
  if (logits == NULL) {
    *err = (bki_error){.status = BKI_E_INTERNAL, .byte = -1, .message = "out of memory"};
    return BKI_E_INTERNAL;
  }
  bki_status status = bki_scorer_create(&scorer, model, config, err);
  if (status == BKI_OK) {
    cli_warn_emulated(scorer);
  }
  for (size_t i = 0; status == BKI_OK && i < bki_model_selftest_count(model); i++) {
    status = selftest_one(model, scorer, i, logits, worst, err);
  }
  bki_scorer_destroy(scorer);
  free(logits);
  return status;
}

static int check(const bki_model *model, const char *path, const bki_scorer_config *config, bool json) {
  bki_error err;
  double worst = 0;
  size_t n = bki_model_selftest_count(model);
  if (selftest(model, config, &worst, &err) != BKI_OK) {
    return cli_error(&err);
  }
  bool ok = worst <= SELFTEST_TOLERANCE;
  int exit_code = BKI_OK;
  if (json) {
    exit_code = cli_print_json(json_pack("{s:b, s:I, s:f, s:f}", "ok", ok, "texts", (json_int_t)n, "difference", worst,
                                         "tolerance", SELFTEST_TOLERANCE));
  } else if (n == 0) {
    puts("valid; no self-test is stored");
  } else if (ok) {
    printf("valid; the logits of %zu self-test texts agree within %.1e (limit %.0e)\n", n, worst, SELFTEST_TOLERANCE);
  }
  if (!ok) {
    fputs("bki: ", stderr);
    bki_print_text(stderr, (bki_str){path, strlen(path)});
    fprintf(stderr, ": self-test: expected logits within %.0e of the stored ones, found a difference of %.3g\n",
            SELFTEST_TOLERANCE, worst);
    return BKI_E_DATA;
  }
  return exit_code;
}

static int run(const char *verb, const char *path, const bki_scorer_config *config, bool json) {
  bool is_check = strcmp(verb, "check") == 0;
  if (!is_check && strcmp(verb, "info") != 0) {
    return cli_usage_error("model", "expected info or check, found \"%s\"", verb);
  }
  bki_error err;
  bki_model *model = NULL;
  if (bki_model_load(&model, path, &err) != BKI_OK) {
    return cli_error(&err);
  }
  int exit_code = BKI_OK;
  if (is_check) {
    exit_code = check(model, path, config, json);
  } else if (json) {
    exit_code = cli_print_json(info_json(model));
  } else {
    print_info(model);
  }
  bki_model_destroy(model);
  return exit_code;
}

int cli_model(int argc, char **argv) {
  bool json = false;
  bki_scorer_config config;
  cli_run_options where;
  int exit_code;
  bki_scorer_config_init(&config);
  cli_run_options_init(&where);
  cli_command_line line = {
      .command = "model",
      .usage = "info|check MODEL [OPTION...]",
      .summary =
          "info describes a model directory. check validates it and compares the logits of its stored self-test\n"
          "texts with those of the framework that trained it; it ends with 3 when they differ by more than 1e-4.",
      .min_args = 2,
      .max_args = 2,
      .options = {{.name = "json", .kind = CLI_FLAG, .target = &json, .help = "print JSON"}},
      .n_options = 1,
  };
  cli_add_run_options(&line, &where);
  cli_add_scorer_options(&line, &config);
  if (!cli_parse(&line, argc, argv, &exit_code)) {
    return exit_code;
  }
  exit_code = cli_run_options_apply(&where, "model", &config);
  return exit_code != BKI_OK ? exit_code : run(line.args[0], line.args[1], &config, json);
}
