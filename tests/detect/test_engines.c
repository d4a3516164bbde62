/* Every backend and engine gives the scores of the oracle, the same bytes whatever the threads and the batch. */
#include <criterion/criterion.h>

#include "agreement.h"

/* Weights and states rounded to bfloat16 (u = 2^-9) in the H recurrent products, |w h| of 0.3/sqrt(H) each: an error of
 * about 0.3 u = 6e-4 a gate, and then as above. */
#define BF16_TOLERANCE 5e-3f
typedef struct variant {
  bki_engine engine;
  const char *isa;
  bki_precision precision;
} variant;

static const variant variants[] = {
    {BKI_ENGINE_INCREMENTAL, "portable", BKI_PRECISION_FP32},
    {BKI_ENGINE_INCREMENTAL, "avx2", BKI_PRECISION_FP32},
    {BKI_ENGINE_INCREMENTAL, "avx512", BKI_PRECISION_FP32},
    {BKI_ENGINE_FULL, "portable", BKI_PRECISION_FP32},
    {BKI_ENGINE_FULL, "avx2", BKI_PRECISION_FP32},
    {BKI_ENGINE_FULL, "avx512", BKI_PRECISION_FP32},
    {BKI_ENGINE_INCREMENTAL, "portable", BKI_PRECISION_BF16},
    {BKI_ENGINE_INCREMENTAL, "avx2", BKI_PRECISION_BF16},
    {BKI_ENGINE_INCREMENTAL, "avx512", BKI_PRECISION_BF16},
    {BKI_ENGINE_INCREMENTAL, "avx512bf16", BKI_PRECISION_BF16},
    {BKI_ENGINE_INCREMENTAL, "amx", BKI_PRECISION_BF16},
    {BKI_ENGINE_FULL, "auto", BKI_PRECISION_BF16},
};
enum { N_VARIANTS = sizeof variants / sizeof variants[0] };

static float tolerance_of(const variant *v) {
  return v->precision == BKI_PRECISION_FP32 ? FP32_TOLERANCE : BF16_TOLERANCE;
}

/* NULL where this machine does not have the instructions; a one-layer engine is passed over for deep models. */
static bki_scorer *open_variant(const setting *s, const variant *v, int32_t threads) {
  if (v->engine == BKI_ENGINE_INCREMENTAL && s->shape.num_layers > 1) {
    return NULL;
  }
  bki_scorer_config config = {.backend = "cpu",
                              .engine = v->engine,
                              .precision = v->precision,
                              .threads = threads,
                              .isa = v->isa,
                              .increments = s->increments};
  bki_scorer *scorer = NULL;
  bki_error err;
  bki_status status = bki_scorer_create(&scorer, s->model, &config, &err);
  const bool may_lack = strcmp(v->isa, "portable") != 0;
  cr_assert(status == BKI_OK || (may_lack && status == BKI_E_DEVICE), "%s: %s", s->name, err.message);
  return scorer;
}

/* Scores every text in a call of its own. */
static void score_alone(bki_scorer *scorer, const corpus *c) {
  for (size_t i = 0; i < c->n; i++) {
    cr_assert_eq(bki_scorer_score(scorer, &c->sequences[i], 1, &c->scores[i], NULL), BKI_OK);
  }
}

static void check_variant(const setting *s, const variant *v) {
  bki_scorer *one = open_variant(s, v, 1);
  bki_scorer *three = open_variant(s, v, 3);
  if (one != NULL) {
    char what[64];
    snprintf(what, sizeof what, "%s %s %s", bki_scorer_engine(one), bki_scorer_precision(one), bki_scorer_isa(one));
    corpus batch = copy_texts(s);
    corpus other = copy_texts(s);
    score_corpus(one, &batch);
    check_close(s, &batch, tolerance_of(v), what);
    score_corpus(three, &other);
    check_same_bytes(s, &batch, &other, "threads 1 and 3");
    score_alone(one, &other);
    check_same_bytes(s, &batch, &other, "in a batch and alone");
    corpus_free(&batch);
    corpus_free(&other);
  }
  bki_scorer_destroy(one);
  bki_scorer_destroy(three);
}

static void check_variants(setting *s) {
  score_corpus(s->ref, &s->expected);
  for (size_t i = 0; i < N_VARIANTS; i++) {
    check_variant(s, &variants[i]);
  }
}

/* Every engine and instruction set against the oracle. */
static void check_setting(const bki_model_config *shape, uint64_t seed, const int32_t *lengths, size_t n,
                          bool increments) {
  setting s = make_setting(shape, seed, lengths, n, increments);
  check_variants(&s);
  clear_setting(&s);
}

Test(engines, agree_on_sizes_that_are_no_multiple_of_a_vector) {
  static const int32_t hidden[] = {1, 3, 7, 8, 17, 33, 100, 128, 130};
  static const int32_t embedding[] = {130, 8, 33, 1, 100, 3, 17, 7, 128};
  for (uint64_t i = 0; i < 9; i++) {
    bki_model_config shape = random_config(embedding[i], hidden[i]);
    shape.dense = i % 2 == 0 ? 7 : 0;
    shape.dense_activation = (bki_activation)(i % 3);
    check_setting(&shape, 100 + i, ragged, N_RAGGED, true);
  }
}

/* Enough texts for several batches, threads and rounds of whatever a backend reuses. */
Test(engines, agree_on_many_texts) {
  int32_t lengths[MANY];
  uint64_t seed = 130;
  for (size_t i = 0; i < MANY; i++) {
    lengths[i] = random_below(&seed, 40);
  }
  bki_model_config shape = random_config(5, 12);
  check_setting(&shape, 131, lengths, MANY, true);
}

/* exp of arguments far beyond its range, states that stay for ever, cells that grow with the length. */
Test(engines, agree_where_gates_saturate) {
  bki_model_config shape = random_config(6, 24);
  setting s = make_setting(&shape, 150, ragged, N_RAGGED, true);
  const bki_parameters *p = bki_model_parameters(s.model);
  for (int32_t k = 0; k < 4 * shape.hidden; k++) {
    p->lstm[0].b_ih[k] *= 200;
    p->lstm[1].b_hh[k] *= 200;
  }
  bki_scorer_destroy(s.ref);
  s.ref = open_ref(s.model, true);
  check_variants(&s);
  clear_setting(&s);
}

static void check_modes(int32_t layers, uint64_t seed) {
  for (int pad = BKI_PAD_NONE; pad <= BKI_PAD_POST; pad++) {
    for (int readout = BKI_READOUT_FINAL; readout <= BKI_READOUT_MAX; readout++) {
      for (int i = 0; i < 2; i++) {
        bki_model_config shape = random_config(6, 9);
        shape.num_layers = layers;
        shape.readout = (bki_readout)readout;
        shape.pad = (bki_pad)pad;
        shape.pad_vector = (bki_pad_vector)i;
        shape.pad_length = pad == BKI_PAD_NONE ? 0 : i == 0 ? LONGEST : LONGEST + 6;
        shape.max_words = LONGEST;
        check_setting(&shape, seed++, ragged, N_RAGGED, i == 0);
      }
    }
  }
}

Test(engines, agree_on_every_padding_and_readout) {
  check_modes(1, 200);
}

Test(engines, agree_on_deep_models) {
  check_modes(2, 300);
  bki_model_config shape = random_config(6, 9);
  shape.num_layers = 4;
  check_setting(&shape, 400, ragged, N_RAGGED, true);
}

/* A long text: as the oracle takes a while, on a few of its words; and `full` is slow. */
static const variant long_variants[] = {{BKI_ENGINE_INCREMENTAL, "portable", BKI_PRECISION_FP32},
                                        {BKI_ENGINE_INCREMENTAL, "avx2", BKI_PRECISION_FP32},
                                        {BKI_ENGINE_INCREMENTAL, "avx512", BKI_PRECISION_FP32},
                                        {BKI_ENGINE_FULL, "auto", BKI_PRECISION_FP32}};

static void check_long(const bki_model_config *shape, uint64_t seed, int32_t length) {
  setting s = make_setting(shape, seed, &length, 1, false);
  const bki_sequence *text = &s.expected.sequences[0];
  const int32_t words[] = {0, 1, length / 2, length - 2, length - 1};
  const size_t units = 2 * (size_t)shape->hidden;
  float *whole = malloc(units * sizeof *whole);
  float *without = malloc(units * sizeof *without);
  int32_t *ids = malloc((size_t)length * sizeof *ids);
  cr_assert_eq(bki_scorer_forward(s.ref, text, 1, whole, NULL, NULL), BKI_OK);
  for (size_t i = 0; i < sizeof long_variants / sizeof long_variants[0]; i++) {
    bki_scorer *scorer = open_variant(&s, &long_variants[i], 1);
    if (scorer != NULL) {
      score_corpus(scorer, &s.expected);
    }
    for (size_t k = 0; scorer != NULL && k < sizeof words / sizeof words[0]; k++) {
      const int32_t j = words[k];
      memcpy(ids, text->ids, (size_t)j * sizeof *ids);
      memcpy(ids + j, text->ids + j + 1, (size_t)(length - j - 1) * sizeof *ids);
      cr_assert_eq(bki_scorer_forward(s.ref, &(bki_sequence){ids, length - 1}, 1, without, NULL, NULL), BKI_OK);
      float f = 0;
      for (size_t u = 0; u < units; u++) {
        f = fmaxf(f, fabsf(whole[u] - without[u]));
      }
      const float got = s.expected.scores[0].score[j];
      cr_assert(fabsf(got - f) <= FP32_TOLERANCE, "%s %s, word %d: %g for %g", s.name, bki_scorer_isa(scorer), j,
                (double)got, (double)f);
    }
    bki_scorer_destroy(scorer);
  }
  free(ids);
  free(whole);
  free(without);
  clear_setting(&s);
}

Test(engines, agree_on_long_texts) {
  bki_model_config paper = random_config(100, 128);
  check_long(&paper, 500, 60);
  bki_model_config longest = random_config(3, 5);
  check_long(&longest, 501, 2500);
  longest.readout = BKI_READOUT_MEAN;
  longest.pad = BKI_PAD_PRE;
  longest.pad_length = 700;
  check_long(&longest, 502, 500);
}

/* Without any word in the vocabulary every id is oov_id: deleting one or its neighbour leaves the same text. */
Test(engines, equal_words_tie_exactly) {
  for (int readout = BKI_READOUT_FINAL; readout <= BKI_READOUT_MAX; readout++) {
    for (int pad = BKI_PAD_NONE; pad <= BKI_PAD_POST; pad++) {
      bki_model_config shape = random_config(7, 19);
      shape.readout = (bki_readout)readout;
      shape.pad = (bki_pad)pad;
      shape.pad_length = pad == BKI_PAD_NONE ? 0 : 40;
      shape.max_words = 40;
      shape.vocabulary_size = 1; /* random_corpus gives one id only */
      shape.oov_id = 0;
      const int32_t length = 37;
      setting s = make_setting(&shape, 600, &length, 1, false);
      for (size_t i = 0; i < N_VARIANTS; i++) {
        bki_scorer *scorer = open_variant(&s, &variants[i], 1);
        if (scorer == NULL) {
          continue;
        }
        score_corpus(scorer, &s.expected);
        const float *score = s.expected.scores[0].score;
        for (int32_t j = 1; j < length; j++) {
          cr_assert_arr_eq(&score[j], &score[0], sizeof *score, "%s %s %s: words 0 and %d: %.9g and %.9g", s.name,
                           bki_scorer_engine(scorer), variants[i].isa, j, (double)score[0], (double)score[j]);
        }
        bki_scorer_destroy(scorer);
      }
      clear_setting(&s);
    }
  }
}

static void check_forward(const bki_model_config *shape, uint64_t seed) {
  enum { UNITS = 42, CLASSES = 3 };
  setting s = make_setting(shape, seed, ragged, N_RAGGED, false);
  float want[N_RAGGED * (UNITS + CLASSES)]; /* readouts, then logits */
  float got[N_RAGGED * (UNITS + CLASSES)];
  cr_assert_eq(bki_scorer_forward(s.ref, s.expected.sequences, N_RAGGED, want, want + N_RAGGED * UNITS, NULL), BKI_OK);
  for (size_t i = 0; i < N_VARIANTS; i++) {
    bki_scorer *scorer = open_variant(&s, &variants[i], 2);
    if (scorer == NULL) {
      continue;
    }
    cr_assert_eq(bki_scorer_forward(scorer, s.expected.sequences, N_RAGGED, got, got + N_RAGGED * UNITS, NULL), BKI_OK);
    for (size_t k = 0; k < sizeof got / sizeof got[0]; k++) {
      cr_assert(fabsf(got[k] - want[k]) <= tolerance_of(&variants[i]), "%s %s: %zu: %g for %g", s.name,
                bki_scorer_isa(scorer), k, (double)got[k], (double)want[k]);
    }
    bki_scorer_destroy(scorer);
  }
  clear_setting(&s);
}

Test(engines, forward_agrees_with_every_head) {
  for (int32_t layers = 1; layers <= 2; layers++) {
    for (int activation = BKI_ACTIVATION_RELU; activation <= BKI_ACTIVATION_NONE; activation++) {
      bki_model_config shape = random_config(9, 21);
      shape.num_layers = layers;
      shape.dense_activation = (bki_activation)activation;
      check_forward(&shape, 700);
      shape.dense = 0;
      check_forward(&shape, 701);
    }
  }
}
