/* What a score is, and how a scorer is asked for. */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "random_model.h"

static bki_scorer_config ref_config(void) {
  bki_scorer_config config;
  bki_scorer_config_init(&config);
  config.backend = "ref";
  config.threads = 1;
  return config;
}

static int32_t argmax(const float *logits, int32_t n) {
  int32_t best = 0;
  for (int32_t c = 1; c < n; c++) {
    best = logits[c] > logits[best] ? c : best;
  }
  return best;
}

typedef struct outcome {
  float readout[64];
  int32_t predicted;
} outcome;

/* The forward pass over n words of `ids`, without word `without` (-1: with all). */
static outcome run(bki_scorer *scorer, const bki_model *model, const int32_t *ids, int32_t n, int32_t without) {
  int32_t words[64];
  int32_t length = 0;
  for (int32_t t = 0; t < n; t++) {
    if (t != without) {
      words[length++] = ids[t];
    }
  }
  outcome out;
  float logits[3];
  bki_sequence sequence = {words, length};
  cr_assert_eq(bki_scorer_forward(scorer, &sequence, 1, out.readout, logits, NULL), BKI_OK);
  out.predicted = argmax(logits, bki_model_get_config(model)->n_classes);
  return out;
}

static float distance(const outcome *a, const outcome *b, int32_t hidden) {
  float largest = 0;
  for (int32_t k = 0; k < 2 * hidden; k++) {
    largest = fmaxf(largest, fabsf(a->readout[k] - b->readout[k]));
  }
  return largest;
}

/* Scores of ref against the definition, run on texts without the word; rounding of the readouts to float only. */
static void check_definition(const bki_model_config *config, uint64_t seed) {
  bki_model *model = random_model(seed, config);
  bki_scorer_config ref = ref_config();
  ref.increments = true;
  bki_scorer *scorer = open_scorer(model, &ref);
  const int32_t lengths[] = {0, 1, 2, 5, 6, 11};
  corpus c = random_corpus(seed, config->vocabulary_size, lengths, 6, true);
  score_corpus(scorer, &c);
  for (size_t i = 0; i < c.n; i++) {
    const int32_t *ids = c.sequences[i].ids;
    const int32_t l = c.sequences[i].length;
    outcome whole = run(scorer, model, ids, l, -1);
    cr_assert_eq(c.scores[i].predicted, whole.predicted);
    for (int32_t j = 0; j < l; j++) {
      outcome without = run(scorer, model, ids, l, j);
      outcome shorter = run(scorer, model, ids, j, -1);
      outcome longer = run(scorer, model, ids, j + 1, -1);
      cr_assert_float_eq(c.scores[i].score[j], distance(&whole, &without, config->hidden), 2e-7);
      cr_assert_float_eq(c.scores[i].increment[j], distance(&longer, &shorter, config->hidden), 2e-7);
      cr_assert_eq(c.scores[i].flip[j], without.predicted != whole.predicted);
    }
  }
  corpus_free(&c);
  bki_scorer_destroy(scorer);
  bki_model_destroy(model);
}

Test(ref, scores_are_distances_between_readouts_of_texts_with_and_without_the_word) {
  uint64_t seed = 1;
  for (int pad = BKI_PAD_NONE; pad <= BKI_PAD_POST; pad++) {
    for (int readout = BKI_READOUT_FINAL; readout <= BKI_READOUT_MAX; readout++) {
      for (int32_t layers = 1; layers <= 3; layers++) {
        bki_model_config config = random_config(4, 3);
        config.readout = (bki_readout)readout;
        config.num_layers = layers;
        config.pad = (bki_pad)pad;
        config.pad_length = pad == BKI_PAD_NONE ? 0 : 10 + layers; /* one of them the longest text's length */
        config.max_words = 11;
        config.dense = layers == 2 ? 0 : 5;
        config.dense_activation = (bki_activation)(layers - 1);
        config.pad_vector = layers == 3 ? BKI_PAD_VECTOR_ZERO : BKI_PAD_VECTOR_EMBEDDING;
        if (pad != BKI_PAD_NONE && config.pad_length < 11) {
          config.pad_length = 11;
        }
        check_definition(&config, seed++);
      }
    }
  }
}

static double sigmoid(double z) {
  return 1 / (1 + exp(-z));
}

/* One unit, one input, a forward weight a gate: the equations of model.h written out for two words. */
Test(ref, forward_pass_is_the_lstm_of_the_model_header) {
  bki_model_config config = random_config(1, 1);
  config.dense = 0;
  const bki_parameters *p;
  bki_model *model;
  cr_assert_eq(bki_model_create(&model, &config, &p, NULL), BKI_OK);
  const float w_ih[4] = {0.5f, -0.25f, 1.5f, 0.75f};
  const float w_hh[4] = {0.125f, 0.5f, -1.0f, 2.0f};
  const float b_ih[4] = {0.1f, 0.2f, 0.3f, 0.4f};
  const float b_hh[4] = {-0.5f, 0.25f, 0.0f, 1.0f};
  memcpy(p->lstm[0].w_ih, w_ih, sizeof w_ih);
  memcpy(p->lstm[0].w_hh, w_hh, sizeof w_hh);
  memcpy(p->lstm[0].b_ih, b_ih, sizeof b_ih);
  memcpy(p->lstm[0].b_hh, b_hh, sizeof b_hh);
  p->lstm[1].b_ih[0] = 1; /* backward: h = sigmoid(0) tanh(sigmoid(1) tanh(2)) after one word */
  p->lstm[1].b_ih[2] = 2;
  p->embedding[7] = 1;
  p->embedding[8] = -2;
  p->output_weight[1] = 3; /* class 0: 3 x backward unit */
  p->output_bias[2] = 0.5f;
  double h = 0;
  double c = 0;
  const double x[2] = {1, -2};
  for (int t = 0; t < 2; t++) {
    double a[4];
    for (int q = 0; q < 4; q++) {
      a[q] = w_ih[q] * x[t] + b_ih[q] + w_hh[q] * h + b_hh[q];
    }
    c = sigmoid(a[1]) * c + sigmoid(a[0]) * tanh(a[2]);
    h = sigmoid(a[3]) * tanh(c);
  }
  const double cell = sigmoid(1) * tanh(2);
  const double backward = 0.5 * tanh(0.5 * cell + cell);
  bki_scorer_config ref = ref_config();
  bki_scorer *scorer = open_scorer(model, &ref);
  const int32_t ids[2] = {7, 8};
  float readout[2];
  float logits[3];
  cr_assert_eq(bki_scorer_forward(scorer, &(bki_sequence){ids, 2}, 1, readout, logits, NULL), BKI_OK);
  cr_assert_float_eq(readout[0], h, 1e-7);
  cr_assert_float_eq(readout[1], backward, 1e-7);
  cr_assert_float_eq(logits[0], 3 * backward, 2e-7);
  cr_assert_eq(logits[1], 0);
  cr_assert_eq(logits[2], 0.5f);
  bki_scorer_destroy(scorer);
  bki_model_destroy(model);
}

Test(ref, empty_text_without_padding_has_the_zero_readout) {
  for (int readout = BKI_READOUT_FINAL; readout <= BKI_READOUT_MAX; readout++) {
    bki_model_config config = random_config(4, 3);
    config.readout = (bki_readout)readout;
    bki_model *model = random_model(5, &config);
    bki_scorer_config ref = ref_config();
    bki_scorer *scorer = open_scorer(model, &ref);
    const float zeros[6] = {0};
    float h[6];
    cr_assert_eq(bki_scorer_forward(scorer, &(bki_sequence){NULL, 0}, 1, h, NULL, NULL), BKI_OK);
    cr_assert_arr_eq(h, zeros, sizeof h);
    bki_scorer_destroy(scorer);
    bki_model_destroy(model);
  }
}

Test(scorer, predicts_the_lowest_of_equal_logits) {
  static const struct {
    const char *backend;
    bki_engine engine;
  } engines[] = {{"ref", BKI_ENGINE_FULL}, {"cpu", BKI_ENGINE_FULL}, {"cpu", BKI_ENGINE_INCREMENTAL}};
  bki_model_config shape = random_config(2, 2);
  bki_model *model;
  cr_assert_eq(bki_model_create(&model, &shape, NULL, NULL), BKI_OK); /* all logits 0 */
  for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++) {
    bki_scorer_config config = {.backend = engines[i].backend, .engine = engines[i].engine, .threads = 1};
    bki_scorer *scorer = open_scorer(model, &config);
    const int32_t length = 3;
    corpus c = random_corpus(1, 50, &length, 1, false);
    score_corpus(scorer, &c);
    cr_assert_eq(c.scores[0].predicted, 0, "%s", engines[i].backend);
    cr_assert_eq(c.scores[0].flip[1], 0, "%s", engines[i].backend);
    corpus_free(&c);
    bki_scorer_destroy(scorer);
  }
  bki_model_destroy(model);
}

static void check_refused(const bki_model *model, const bki_scorer_config *config, bki_status status,
                          const char *message) {
  bki_scorer *scorer = NULL;
  bki_error err;
  cr_assert_eq(bki_scorer_create(&scorer, model, config, &err), status, "expected %s", message);
  cr_assert_null(scorer);
  cr_assert_eq(err.status, status);
  cr_assert_not_null(strstr(err.message, message), "expected \"%s\" in \"%s\"", message, err.message);
}

Test(scorer, refuses_unknown_names_and_values) {
  bki_model_config shape = random_config(3, 3);
  bki_model *model = random_model(1, &shape);
  bki_scorer_config config = ref_config();
  config.backend = "gpu\n";
  check_refused(model, &config, BKI_E_USAGE, "expected backend auto, cpu, ref or cuda, found \"gpu\\x0a\"");
  config = ref_config();
  config.isa = "sse9";
  check_refused(model, &config, BKI_E_USAGE,
                "expected isa auto, portable, avx2, avx512, avx512bf16 or amx, found \"sse9\"");
  config = ref_config();
  config.engine = (bki_engine)7;
  check_refused(model, &config, BKI_E_USAGE, "unknown engine 7");
  config = ref_config();
  config.precision = (bki_precision)7;
  check_refused(model, &config, BKI_E_USAGE, "unknown precision 7");
  config = ref_config();
  config.threads = -1;
  check_refused(model, &config, BKI_E_USAGE, "threads");
  bki_model_destroy(model);
}

Test(scorer, leaves_to_the_cpu_what_it_can_do_when_every_gpu_is_hidden) {
  bki_model_config shape = random_config(3, 3);
  bki_model *model = random_model(1, &shape);
  bki_scorer_config config;
  setenv("CUDA_VISIBLE_DEVICES", "", 1);
  bki_scorer_config_init(&config);
  bki_scorer *scorer = open_scorer(model, &config);
  cr_assert_str_eq(bki_scorer_backend(scorer), "cpu");
  cr_assert_not_null(strstr(bki_scorer_reason(scorer), "hides every GPU"), "%s", bki_scorer_reason(scorer));
  bki_scorer_destroy(scorer);
  config.precision = BKI_PRECISION_TF32;
  check_refused(model, &config, BKI_E_DEVICE, "precision tf32 needs a GPU: CUDA_VISIBLE_DEVICES");
  bki_scorer_config_init(&config);
  config.devices = (const int32_t[]){0};
  config.n_devices = 1;
  check_refused(model, &config, BKI_E_DEVICE, "cannot be taken: CUDA_VISIBLE_DEVICES");
  bki_scorer_config_init(&config);
  config.backend = "cuda";
  check_refused(model, &config, BKI_E_DEVICE, "backend cuda: CUDA_VISIBLE_DEVICES");
  bki_model_destroy(model);
}

Test(scorer, refuses_what_only_a_gpu_does_with_a_cpu_that_is_named) {
  bki_model_config shape = random_config(3, 3);
  bki_model *model = random_model(1, &shape);
  bki_scorer_config config = ref_config();
  config.devices = (const int32_t[]){0, 1};
  config.n_devices = 2;
  check_refused(model, &config, BKI_E_USAGE, "backend ref: expected no devices, found 2");
  bki_scorer_config_init(&config);
  config.backend = "cpu";
  config.precision = BKI_PRECISION_FP16;
  check_refused(model, &config, BKI_E_USAGE, "backend cpu: precision fp16 is a GPU's");
  config.precision = BKI_PRECISION_SPLIT;
  check_refused(model, &config, BKI_E_USAGE, "backend cpu: precision split is a GPU's");
  config = ref_config();
  config.gpu_memory = 1.5;
  check_refused(model, &config, BKI_E_USAGE, "above 0 to 1, found 1.5");
  bki_model_destroy(model);
}

Test(scorer, refuses_the_engine_persistent_without_a_gpu) {
  bki_model_config shape = random_config(3, 16);
  bki_model *model = random_model(1, &shape);
  bki_scorer_config config;
  setenv("CUDA_VISIBLE_DEVICES", "", 1);
  bki_scorer_config_init(&config);
  config.engine = BKI_ENGINE_PERSISTENT;
  check_refused(model, &config, BKI_E_DEVICE, "engine persistent needs a GPU: CUDA_VISIBLE_DEVICES");
  config.backend = "cpu";
  check_refused(model, &config, BKI_E_USAGE, "backend cpu: engine persistent is a GPU's");
  config.backend = "ref";
  check_refused(model, &config, BKI_E_USAGE, "backend ref: engine persistent is a GPU's");
  bki_model_destroy(model);
}

Test(scorer, refuses_settings_that_ref_does_not_have) {
  bki_model_config shape = random_config(3, 3);
  bki_model *model = random_model(1, &shape);
  bki_scorer_config config = ref_config();
  config.engine = BKI_ENGINE_INCREMENTAL;
  check_refused(model, &config, BKI_E_USAGE, "backend ref has no engine incremental");
  config = ref_config();
  config.precision = BKI_PRECISION_BF16;
  check_refused(model, &config, BKI_E_USAGE, "double precision");
  config = ref_config();
  config.isa = "avx2";
  check_refused(model, &config, BKI_E_USAGE, "found avx2");
  bki_model_destroy(model);
}

Test(scorer, refuses_incremental_with_a_deep_model) {
  bki_model_config shape = random_config(3, 3);
  shape.num_layers = 2;
  bki_model *model = random_model(1, &shape);
  bki_scorer_config config;
  bki_scorer_config_init(&config);
  config.engine = BKI_ENGINE_INCREMENTAL;
  check_refused(model, &config, BKI_E_USAGE, "needs a model of one layer, found 2");
  bki_model_destroy(model);
}

Test(scorer, refuses_instructions_that_this_cpu_does_not_have) {
  bki_model_config shape = random_config(3, 3);
  bki_model *model = random_model(1, &shape);
  bki_scorer_config config = {.backend = "cpu"};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) {
    cr_log_info("skipped: this CPU has AVX-512");
  } else {
    config.isa = "avx512";
    check_refused(model, &config, BKI_E_DEVICE, "avx512");
  }
#else
  config.isa = "avx2";
  check_refused(model, &config, BKI_E_DEVICE, "avx2");
#endif
  bki_model_destroy(model);
}

Test(scorer, names_what_was_chosen) {
  bki_model_config shape = random_config(3, 3);
  bki_model *model = random_model(1, &shape);
  bki_scorer_config config = {.backend = "ref", .threads = 2};
  bki_scorer *scorer = open_scorer(model, &config);
  cr_assert_str_eq(bki_scorer_backend(scorer), "ref");
  cr_assert_str_eq(bki_scorer_engine(scorer), "full");
  cr_assert_str_eq(bki_scorer_precision(scorer), "fp32");
  cr_assert_str_eq(bki_scorer_isa(scorer), "portable");
  cr_assert_eq(bki_scorer_threads(scorer), 2);
  bki_scorer_destroy(scorer);
  bki_model_destroy(model);
}

/* Precision exact with texts long enough, or why it is fp32. */
static void check_exact(const char *backend, const char *isa, bool increments, const char *reason) {
  bki_model_config shape = random_config(3, 8);
  shape.max_words = 64;
  bki_model *model = random_model(1, &shape);
  bki_scorer_config config;
  bki_scorer_config_init(&config);
  config.backend = backend;
  config.isa = isa;
  config.precision = BKI_PRECISION_EXACT;
  config.increments = increments;
  bki_scorer *scorer = open_scorer(model, &config);
  const bki_screening *screening = bki_scorer_screening(scorer);
  const bool screens = bki_scorer_screens(scorer);
  cr_assert_str_eq(bki_scorer_precision(scorer), screens ? "exact" : "fp32");
  cr_assert_eq(screens, screening->epsilon > 0);
  if (reason != NULL) {
    cr_assert_str_eq(screening->reason, reason);
    cr_assert_not(screens);
  } else if (!screens) { /* this machine lacks what it takes */
    cr_assert_str_eq(screening->reason, "this CPU, or the instruction set that was asked for, has no bf16 units");
  } else {
    cr_assert(strchr(bki_scorer_isa(scorer), '+') != NULL, "%s", bki_scorer_isa(scorer));
  }
  bki_scorer_destroy(scorer);
  bki_model_destroy(model);
}

Test(scorer, precision_exact_screens_or_says_why_not) {
  check_exact("cpu", "auto", false, NULL);
  check_exact("cpu", "portable", false, "this CPU, or the instruction set that was asked for, has no bf16 units");
  check_exact("cpu", "auto", true, "prefix increments are not screened");
  check_exact("ref", "auto", false, "this backend has no faster precision");
}

static void check_auto(int32_t num_layers, const char *engine) {
  bki_model_config shape = random_config(3, 3);
  shape.num_layers = num_layers;
  bki_model *model = random_model(1, &shape);
  bki_scorer_config config;
  bki_scorer_config_init(&config);
  bki_scorer *scorer = open_scorer(model, &config);
  cr_assert_str_eq(bki_scorer_backend(scorer), "cpu");
  cr_assert_str_eq(bki_scorer_engine(scorer), engine);
  cr_assert_str_eq(bki_scorer_precision(scorer), "fp32");
  cr_assert_geq(bki_scorer_threads(scorer), 1);
  cr_assert_eq(bki_scorer_work(scorer, 10) == 10 * 9, num_layers == 1);
  bki_scorer_destroy(scorer);
  bki_model_destroy(model);
}

Test(scorer, chooses_cpu_and_incremental_but_for_deep_models) {
  check_auto(1, "incremental");
  check_auto(2, "full");
}

/* Row-steps of scoring 10 words with ref. */
static int64_t full_work(int32_t layers, bki_pad pad, bool increments) {
  bki_model_config shape = random_config(3, 3);
  shape.num_layers = layers;
  shape.pad = pad;
  shape.pad_length = pad == BKI_PAD_NONE ? 0 : 500;
  bki_model *model = random_model(1, &shape);
  bki_scorer_config config = ref_config();
  config.increments = increments;
  bki_scorer *scorer = open_scorer(model, &config);
  int64_t work = bki_scorer_work(scorer, 10);
  cr_assert_eq(bki_scorer_work(scorer, 0), 0);
  bki_scorer_destroy(scorer);
  bki_model_destroy(model);
  return work;
}

Test(scorer, work_counts_variants_directions_layers_and_steps) {
  cr_assert_eq(full_work(1, BKI_PAD_NONE, false), 10 * 2 * 9);
  cr_assert_eq(full_work(3, BKI_PAD_NONE, false), 10 * 2 * 3 * 9);
  cr_assert_eq(full_work(1, BKI_PAD_NONE, true), 10 * 3 * 9);
  cr_assert_eq(full_work(2, BKI_PAD_PRE, false), 10 * 2 * 2 * 500);
  cr_assert_eq(full_work(1, BKI_PAD_POST, true), 2 * 10 * 2 * 500);
}
