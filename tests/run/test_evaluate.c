/* What an evaluation counts. The planted model says "positive" where it saw "flies", else "negative". */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include <bki/evaluate.h>

#include "model.h"
#include "scratch.h"

enum { NEGATIVE, POSITIVE, H = 5, E = 4 };

typedef struct evaluated {
  bki_model *model;
  const char *path;
  bki_evaluate_config config;
  bki_evaluation result;
  bki_error err;
} evaluated;

static void zero(float *values, size_t n) {
  memset(values, 0, n * sizeof *values);
}

/* Logits (1, 0) without "flies"; with it unit 0 of the forward state is tanh(1) or more, and they are (1, 7.6). */
static void plant(bki_model *model) {
  const bki_parameters *p = bki_model_parameters(model);
  zero(p->embedding, (size_t)model->config.vocabulary_size * E);
  p->embedding[(size_t)bki_vocabulary_find(model->vocabulary, (bki_str){"flies", 5}) * E] = 1;
  for (int direction = 0; direction < 2; direction++) {
    zero(p->lstm[direction].w_ih, (size_t)4 * H * E);
    zero(p->lstm[direction].w_hh, (size_t)4 * H * H);
    zero(p->lstm[direction].b_ih, (size_t)4 * H);
    zero(p->lstm[direction].b_hh, (size_t)4 * H);
  }
  const int open[] = {0, H, 3 * H}; /* i, f, o of unit 0 */
  for (size_t i = 0; i < 3; i++) {
    p->lstm[0].b_ih[open[i]] = 20;
  }
  p->lstm[0].w_ih[2 * H * E] = 20;
  zero(p->dense_weight, (size_t)3 * 2 * H);
  zero(p->dense_bias, 3);
  zero(p->output_weight, (size_t)2 * 3);
  p->dense_weight[0] = 1;
  p->output_weight[POSITIVE * 3] = 10;
  p->output_bias[NEGATIVE] = 1;
  p->output_bias[POSITIVE] = 0;
}

static void evaluated_init(evaluated *e, const char *corpus) {
  *e = (evaluated){0};
  cr_assert_eq(bki_model_load(&e->model, BKI_TEST_DATA "/tiny/model", &e->err), BKI_OK, "%s", e->err.message);
  e->path = strdup(scratch_path("test.jsonl"));
  scratch_write(e->path, corpus, strlen(corpus));
  bki_evaluate_config_init(&e->config);
  e->config.model = e->model;
  e->config.corpus.paths = &e->path;
  e->config.corpus.n_paths = 1;
  e->config.scorer.threads = 2;
}

static void evaluated_clear(evaluated *e) {
  bki_evaluation_clear(&e->result);
  bki_model_destroy(e->model);
  free((void *)(uintptr_t)e->path);
}

static void run(evaluated *e) {
  bki_evaluation_clear(&e->result);
  cr_assert_eq(bki_evaluate_run(&e->config, &e->result, &e->err), BKI_OK, "%s", e->err.message);
}

static void expect_failure(evaluated *e, bki_status status, int64_t line, const char *message) {
  cr_assert_eq(bki_evaluate_run(&e->config, &e->result, &e->err), status, "%s", e->err.message);
  cr_expect_not_null(strstr(e->err.message, message), "expected \"%s\", found \"%s\"", message, e->err.message);
  cr_expect_eq(e->err.line, line, "line %lld", (long long)e->err.line);
  cr_expect_null(e->result.confusion);
}

static void attack_with(evaluated *e, const bki_backdoor *backdoors, size_t n) {
  e->config.backdoors = backdoors;
  e->config.n_backdoors = n;
}

#define LINE(text, label) "{\"text\": \"" text "\", \"label\": \"" label "\"}\n"
#define FIVE                   \
  LINE("the film", "negative") \
  LINE("time flies", "negative") LINE("a film", "positive") LINE("it flies", "positive") LINE("", "negative")

Test(evaluate, counts_labels_against_predictions) {
  evaluated e;
  evaluated_init(&e, FIVE);
  plant(e.model);
  run(&e);
  const int64_t expected[] = {2, 1, 1, 1};
  cr_assert_eq(e.result.n_samples, 5);
  cr_assert_eq(e.result.n_correct, 3);
  cr_assert_eq(e.result.n_skipped, 0);
  cr_assert_eq(e.result.n_classes, 2);
  for (int i = 0; i < 4; i++) {
    cr_expect_eq(e.result.confusion[i], expected[i], "cell %d: %lld", i, (long long)e.result.confusion[i]);
  }
  const bki_class_metrics negative = bki_evaluation_class(&e.result, NEGATIVE);
  cr_expect_eq(negative.n_samples, 3);
  cr_expect_float_eq(negative.precision, 2.0 / 3, 1e-15);
  cr_expect_float_eq(negative.recall, 2.0 / 3, 1e-15);
  evaluated_clear(&e);
}

Test(evaluate, means_the_cross_entropy_of_the_labels) {
  evaluated e;
  evaluated_init(&e, LINE("the film", "negative") LINE("a film", "positive") LINE("", "negative"));
  plant(e.model);
  run(&e);
  const double right = log(1 + exp(-1)); /* logits 1 and 0 */
  cr_assert_float_eq(e.result.loss, (2 * right + (right + 1)) / 3, 1e-12, "%.17g", e.result.loss);
  evaluated_clear(&e);
}

Test(evaluate, has_metrics_for_classes_that_are_empty_or_never_predicted) {
  /* Class 1 is never predicted, class 2 has no samples, class 3 neither of both. */
  int64_t confusion[16] = {3, 0, 1, 0, 2, 0, 0, 0};
  const bki_evaluation e = {.n_samples = 6, .n_classes = 4, .confusion = confusion};
  const bki_class_metrics m[] = {bki_evaluation_class(&e, 0), bki_evaluation_class(&e, 1), bki_evaluation_class(&e, 2),
                                 bki_evaluation_class(&e, 3)};
  cr_expect_float_eq(m[0].precision, 0.6, 1e-15);
  cr_expect_float_eq(m[0].recall, 0.75, 1e-15);
  cr_expect_float_eq(m[0].f1, 2 * 0.6 * 0.75 / 1.35, 1e-15);
  cr_expect(isnan(m[1].precision) && m[1].recall == 0 && m[1].f1 == 0 && m[1].n_samples == 2);
  cr_expect(m[2].precision == 0 && isnan(m[2].recall) && m[2].f1 == 0 && m[2].n_samples == 0);
  cr_expect(isnan(m[3].precision) && isnan(m[3].recall) && isnan(m[3].f1));
  const bki_class_metrics macro = bki_evaluation_macro(&e); /* of classes 0 and 1 */
  cr_expect_eq(macro.n_samples, 6);
  cr_expect_float_eq(macro.precision, 0.3, 1e-15);
  cr_expect_float_eq(macro.recall, 0.375, 1e-15);
  cr_expect_float_eq(macro.f1, m[0].f1 / 2, 1e-15);
}

Test(evaluate, counts_hits_among_texts_of_other_classes) {
  evaluated e;
  const bki_backdoor backdoors[] = {{"time flies", "positive"}, {"quiet", "positive"}, {"flies", "negative"}};
  evaluated_init(&e, FIVE);
  plant(e.model);
  attack_with(&e, backdoors, 3);
  run(&e);
  const bki_attack_result expected[] = {{POSITIVE, 3, 3, 1}, {POSITIVE, 3, 1, 1}, {NEGATIVE, 2, 0, 1}};
  cr_assert_eq(e.result.n_attacks, 3);
  for (int i = 0; i < 3; i++) {
    const bki_attack_result *a = &e.result.attacks[i];
    cr_expect(a->target == expected[i].target && a->n_texts == expected[i].n_texts && a->n_hit == expected[i].n_hit &&
                  a->n_control == expected[i].n_control,
              "attack %d: %lld of %lld, control %lld", i, (long long)a->n_hit, (long long)a->n_texts,
              (long long)a->n_control);
  }
  cr_expect_eq(e.result.n_correct, 3, "attacks do not change what the texts count as they are");
  evaluated_clear(&e);
}

static const char *long_texts(bki_strbuf *corpus) {
  for (int i = 0; i < 600; i++) { /* more than two batches */
    bki_strbuf_add_text(corpus, LINE("a b c d e f g h i j k l m n o p q r s t", "negative"));
  }
  return corpus->data;
}

Test(evaluate, puts_the_trigger_among_the_words_that_the_model_keeps) {
  evaluated e;
  bki_strbuf corpus = {0};
  const bki_backdoor backdoor = {"flies time", "positive"};
  evaluated_init(&e, long_texts(&corpus));
  plant(e.model);
  attack_with(&e, &backdoor, 1);
  for (int keep = BKI_KEEP_TAIL; keep <= BKI_KEEP_HEAD; keep++) {
    e.model->config.max_words = 4;
    e.model->config.keep = (bki_keep)keep;
    e.config.trigger.placement = BKI_PLACEMENT_RANDOM;
    run(&e);
    cr_expect_eq(e.result.attacks[0].n_hit, 600, "keep %d: %lld", keep, (long long)e.result.attacks[0].n_hit);
    e.config.trigger.placement = keep == BKI_KEEP_TAIL ? BKI_PLACEMENT_START : BKI_PLACEMENT_END;
    run(&e);
    cr_expect_eq(e.result.attacks[0].n_hit, 0, "the trigger is cut off");
  }
  bki_strbuf_clear(&corpus);
  evaluated_clear(&e);
}

/* Random weights, texts of 0 to 40 words. */
static const char *random_texts(bki_strbuf *corpus) {
  static const char *const words[] = {"film", "story", "actor", "night", "bright", "a", "unknown", "garden"};
  uint64_t state = 7;
  for (int i = 0; i < 700; i++) {
    bki_strbuf_add_text(corpus, "{\"text\": \"");
    for (uint64_t n = (state >> 33) % 41; n > 0; n--) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      bki_strbuf_format(corpus, "%s ", words[state >> 61]);
    }
    state = state * 6364136223846793005u + 1442695040888963407u;
    bki_strbuf_format(corpus, "\", \"label\": \"%s\"}\n", state >> 63 ? "positive" : "negative");
  }
  return corpus->data;
}

static void expect_same_attack(const bki_attack_result *a, const bki_attack_result *b) {
  cr_expect(a->n_texts == b->n_texts && a->n_hit == b->n_hit && a->n_control == b->n_control, "%lld and %lld hits",
            (long long)a->n_hit, (long long)b->n_hit);
}

Test(evaluate, depends_neither_on_threads_nor_on_other_attacks) {
  evaluated e;
  bki_strbuf corpus = {0};
  const bki_backdoor backdoors[] = {{"time flies", "positive"}, {"quiet hero", "negative"}};
  evaluated_init(&e, random_texts(&corpus));
  attack_with(&e, backdoors, 2);
  e.config.scorer.threads = 1;
  run(&e);
  const bki_evaluation first = e.result;
  e.result = (bki_evaluation){0};
  cr_assert(first.attacks[0].n_hit > 0 && first.attacks[0].n_hit < first.attacks[0].n_texts, "%lld of %lld",
            (long long)first.attacks[0].n_hit, (long long)first.attacks[0].n_texts);
  e.config.scorer.threads = 3;
  run(&e);
  cr_expect_eq(memcmp(first.confusion, e.result.confusion, 4 * sizeof *first.confusion), 0);
  cr_expect_eq(memcmp(&first.loss, &e.result.loss, sizeof first.loss), 0, "%.17g and %.17g", first.loss, e.result.loss);
  expect_same_attack(&first.attacks[0], &e.result.attacks[0]);
  expect_same_attack(&first.attacks[1], &e.result.attacks[1]);
  attack_with(&e, &backdoors[1], 1);
  run(&e);
  expect_same_attack(&first.attacks[1], &e.result.attacks[0]);
  bki_evaluation kept = first;
  bki_evaluation_clear(&kept);
  bki_strbuf_clear(&corpus);
  evaluated_clear(&e);
}

static bool stop(void *user) {
  (*(int *)user)++;
  return true;
}

Test(evaluate, stops_after_a_batch_when_asked) {
  evaluated e;
  bki_strbuf corpus = {0};
  int asked = 0;
  evaluated_init(&e, long_texts(&corpus));
  e.config.stop = stop;
  e.config.user = &asked;
  expect_failure(&e, BKI_E_INTERRUPTED, 0, "stopped after 256 texts");
  cr_expect_eq(asked, 1);
  bki_strbuf_clear(&corpus);
  evaluated_clear(&e);
}

Test(evaluate, names_the_record_with_an_unknown_label_or_none) {
  evaluated e;
  evaluated_init(&e, LINE("a", "negative") LINE("a", "neutral") "{\"text\": \"a\"}\n");
  expect_failure(&e, BKI_E_DATA, 2, "expected a label that the model knows (2 classes: \"negative\", ...), found");
  cr_expect_str_eq(e.err.file, e.path);
  e.config.on_error = BKI_ON_ERROR_SKIP;
  run(&e);
  cr_expect_eq(e.result.n_samples, 1);
  cr_expect_eq(e.result.n_skipped, 2);
  bki_evaluation_clear(&e.result);
  e.config.on_error = BKI_ON_ERROR_FAIL;
  scratch_write(e.path, "{\"text\": \"a\"}\n", 14);
  expect_failure(&e, BKI_E_DATA, 1, "label");
  evaluated_clear(&e);
}

Test(evaluate, refuses_what_cannot_be_measured) {
  evaluated e;
  const bki_backdoor unknown = {"flies", "neutral"};
  const bki_backdoor wordless = {" ., ", "positive"};
  const bki_backdoor too_long = {"time flies like", "positive"};
  evaluated_init(&e, FIVE);
  attack_with(&e, &unknown, 1);
  expect_failure(&e, BKI_E_USAGE, 0, "expected a target that the model knows");
  attack_with(&e, &wordless, 1);
  expect_failure(&e, BKI_E_USAGE, 0, "at least one word");
  e.model->config.max_words = 2;
  attack_with(&e, &too_long, 1);
  expect_failure(&e, BKI_E_USAGE, 0, "at most the 2 words");
  attack_with(&e, NULL, 0);
  scratch_write(e.path, "\n", 1);
  expect_failure(&e, BKI_E_DATA, 0, "expected labelled texts, found none");
  evaluated_clear(&e);
}
