/* Both engines of the backend `cuda` give the scores of the oracle. */
#include <criterion/criterion.h>

#include "cuda_scorer.h"
#include "screen.h"
#include "standin.h"

TestSuite(cuda_score, .init = standin_begin);

/* Products of inputs rounded to 11 bits (u = 2^-11), as TF32 and half precision have: see FP32_TOLERANCE; |w h| of
 * 0.3/sqrt(H) each makes 0.3 u = 1.5e-4 a gate, for the recurrent and, in cuDNN, the input product. */
#define HALF_TOLERANCE 2e-3f

static const cuda_options incremental = {.engine = BKI_ENGINE_INCREMENTAL};
static const cuda_options full = {.engine = BKI_ENGINE_FULL};

static void check(const setting *s, const cuda_options *engine, float tolerance, const char *what) {
  cuda_options options = *engine;
  options.increments = s->increments;
  bki_backend *backend = open_cuda(s->model, &options);
  corpus got = copy_texts(s);
  cuda_score(backend, &got);
  check_close(s, &got, tolerance, what);
  corpus_free(&got);
  backend->ops->destroy(backend);
}

static void check_shape(const bki_model_config *shape, const cuda_options *engine, uint64_t seed) {
  setting s = make_setting(shape, seed, ragged, N_RAGGED, seed % 2 == 0);
  score_corpus(s.ref, &s.expected);
  check(&s, engine, FP32_TOLERANCE, engine->engine == BKI_ENGINE_FULL ? "full" : "incremental");
  clear_setting(&s);
}

static bki_model_config padded(bki_pad pad, int vector, int32_t pad_length) {
  bki_model_config shape = random_config(6, 9);
  shape.pad = pad;
  shape.pad_vector = (bki_pad_vector)vector;
  shape.pad_length = pad == BKI_PAD_NONE ? 0 : pad_length;
  shape.max_words = LONGEST;
  return shape;
}

Test(cuda_score, incremental_agrees_on_every_padding) {
  uint64_t seed = 200;
  for (int pad = BKI_PAD_NONE; pad <= BKI_PAD_POST; pad++) {
    for (int readout = BKI_READOUT_FINAL; readout <= BKI_READOUT_LAST; readout++) {
      for (int i = 0; i < 4; i++) {
        bki_model_config shape = padded((bki_pad)pad, i % 2, i < 2 ? LONGEST : LONGEST + 6);
        shape.readout = (bki_readout)readout;
        shape.pad_id = i % 2;
        check_shape(&shape, &incremental, seed++);
      }
    }
  }
}

Test(cuda_score, full_agrees_on_every_padding_and_readout) {
  uint64_t seed = 300;
  for (int pad = BKI_PAD_NONE; pad <= BKI_PAD_POST; pad++) {
    for (int readout = BKI_READOUT_FINAL; readout <= BKI_READOUT_MAX; readout++) {
      bki_model_config shape = padded((bki_pad)pad, readout % 2, LONGEST + 3 * readout);
      shape.readout = (bki_readout)readout;
      check_shape(&shape, &full, seed++);
    }
  }
}

Test(cuda_score, full_agrees_on_deep_models) {
  for (int32_t layers = 2; layers <= 4; layers++) {
    bki_model_config shape = padded(layers == 3 ? BKI_PAD_PRE : BKI_PAD_NONE, 0, LONGEST);
    shape.num_layers = layers;
    check_shape(&shape, &full, 400 + (uint64_t)layers);
  }
}

Test(cuda_score, both_agree_on_sizes_and_heads) {
  static const int32_t hidden[] = {1, 3, 16, 33};
  for (uint64_t i = 0; i < 4; i++) {
    bki_model_config shape = random_config(11, hidden[i]);
    shape.dense = i % 2 == 0 ? 7 : 0;
    shape.dense_activation = (bki_activation)(i % 3);
    check_shape(&shape, &incremental, 500 + i);
    check_shape(&shape, &full, 510 + i);
  }
}

/* More units than a block has threads, and not a whole number of warps. */
Test(cuda_score, incremental_agrees_on_more_units_than_a_block_has) {
  static const int32_t lengths[] = {4, 0, 3, 1};
  for (int32_t hidden = 255; hidden <= 257; hidden++) {
    bki_model_config shape = random_config(4, hidden);
    setting s = make_setting(&shape, 520 + (uint64_t)hidden, lengths, 4, true);
    score_corpus(s.ref, &s.expected);
    check(&s, &incremental, FP32_TOLERANCE, "incremental");
    clear_setting(&s);
  }
}

Test(cuda_score, incremental_is_not_for_deep_models_and_pooled_readouts) {
  bki_model_config shape = random_config(4, 4);
  cr_assert(bki_backend_cuda.has_incremental(&shape));
  shape.readout = BKI_READOUT_MEAN;
  cr_assert(!bki_backend_cuda.has_incremental(&shape));
  shape.readout = BKI_READOUT_FINAL;
  shape.num_layers = 2;
  cr_assert(!bki_backend_cuda.has_incremental(&shape));
}

Test(cuda_score, lower_precisions_are_close_and_not_fp32) {
  static const bki_precision precisions[] = {BKI_PRECISION_TF32, BKI_PRECISION_FP16};
  bki_model_config shape = padded(BKI_PAD_PRE, 0, LONGEST);
  setting s = make_setting(&shape, 600, ragged, N_RAGGED, true);
  score_corpus(s.ref, &s.expected);
  for (size_t i = 0; i < 4; i++) {
    cuda_options options = i < 2 ? incremental : full;
    options.precision = precisions[i % 2];
    options.increments = true;
    bki_backend *backend = open_cuda(s.model, &options);
    corpus got = copy_texts(&s);
    cuda_score(backend, &got);
    check_close(&s, &got, HALF_TOLERANCE, bki_precision_name(options.precision));
    float largest = 0;
    for (int32_t j = 0; j < LONGEST; j++) {
      largest = fmaxf(largest, fabsf(got.scores[3].score[j] - s.expected.scores[3].score[j]));
    }
    /* TF32 is a permission: for small products the libraries may not use it. */
    cr_assert(options.precision == BKI_PRECISION_TF32 || largest > FP32_TOLERANCE, "%s is fp32",
              bki_precision_name(options.precision));
    corpus_free(&got);
    backend->ops->destroy(backend);
  }
  clear_setting(&s);
}

/* The best word of each text, its score and flip, and the class, as in fp32 to the bit. */
Test(cuda_score, screened_in_fp16_the_best_words_are_those_of_fp32) {
  static const int32_t lengths[] = {17, 8, 3, 16, 0, 12};
  const bki_model_config shape = random_config(6, 9);
  setting s = make_setting(&shape, 700, lengths, 6, false);
  cuda_options options = incremental;
  bki_backend *fp32 = open_cuda(s.model, &options);
  options.precision = BKI_PRECISION_FP16;
  bki_backend *fast = open_cuda(s.model, &options);
  bki_screen *screen = NULL;
  cr_assert_eq(bki_screen_create(&screen, bki_model_get_config(s.model), fast, fp32, 1, NULL), BKI_OK);
  bki_screen_set_epsilon(screen, 1e-3);
  corpus want = copy_texts(&s);
  corpus got = copy_texts(&s);
  cuda_score(fp32, &want);
  cr_assert_eq(bki_screen_score(screen, got.sequences, got.n, got.scores, NULL), BKI_OK);
  for (size_t i = 0; i < got.n; i++) {
    const bki_scores *w = &want.scores[i];
    int32_t best = 0;
    for (int32_t j = 1; j < lengths[i]; j++) {
      best = w->score[j] > w->score[best] ? j : best;
    }
    cr_assert_eq(got.scores[i].predicted, w->predicted);
    cr_assert(lengths[i] == 0 || (memcmp(&got.scores[i].score[best], &w->score[best], sizeof(float)) == 0 &&
                                  got.scores[i].flip[best] == w->flip[best]),
              "text %zu, word %d", i, best);
    for (int32_t j = 0; j < lengths[i]; j++) {
      cr_assert(j == best || got.scores[i].score[j] <= w->score[best], "text %zu, word %d", i, j);
    }
  }
  cr_assert_eq(bki_screen_get(screen)->n_screened, 4);
  cr_assert_lt(bki_screen_get(screen)->n_rescored, bki_screen_get(screen)->n_words);
  bki_screen_destroy(screen);
  fast->ops->destroy(fast);
  fp32->ops->destroy(fp32);
  corpus_free(&want);
  corpus_free(&got);
  clear_setting(&s);
}

Test(cuda_score, other_precisions_and_instruction_sets_are_refused) {
  bki_model_config shape = random_config(4, 4);
  bki_model *model = random_model(1, &shape);
  bki_backend *backend = NULL;
  bki_error err;
  cuda_options options = incremental;
  options.precision = BKI_PRECISION_BF16;
  cr_assert_eq(create_cuda(&backend, model, &options, &err), BKI_E_USAGE);
  cr_assert_str_eq(err.message, "backend cuda: expected precision fp32, tf32 or fp16, found bf16");
  bki_backend_config config = {.engine = BKI_ENGINE_FULL, .isa = BKI_ISA_AVX2, .gpu_memory = 0.8};
  const bki_parameters *p = bki_model_parameters(model);
  cr_assert_eq(bki_backend_cuda.create(&backend, bki_model_get_config(model), p, &config, &err), BKI_E_USAGE);
  bki_model_destroy(model);
}

/* In a batch, alone, again, and in groups of all sizes: engine incremental owes the same bytes. */
Test(cuda_score, incremental_gives_the_same_bytes_in_any_company) {
  int32_t lengths[MANY];
  uint64_t seed = 700;
  for (size_t i = 0; i < MANY; i++) {
    lengths[i] = random_below(&seed, 40);
  }
  bki_model_config shape = random_config(5, 12);
  setting s = make_setting(&shape, 701, lengths, MANY, true);
  cuda_options options = incremental;
  options.increments = true;
  bki_backend *backend = open_cuda(s.model, &options);
  check_company(&s, backend);
  backend->ops->destroy(backend);
  clear_setting(&s);
}

Test(cuda_score, equal_words_tie_exactly) {
  for (int pad = BKI_PAD_NONE; pad <= BKI_PAD_POST; pad++) {
    bki_model_config shape = padded((bki_pad)pad, 0, 40);
    shape.max_words = 40;
    shape.vocabulary_size = 1;
    shape.oov_id = 0;
    const int32_t length = 37;
    setting s = make_setting(&shape, 800, &length, 1, false);
    for (int i = 0; i < 2; i++) {
      bki_backend *backend = open_cuda(s.model, i == 0 ? &incremental : &full);
      cuda_score(backend, &s.expected);
      const float *score = s.expected.scores[0].score;
      for (int32_t j = 1; j < length; j++) {
        cr_assert_arr_eq(&score[j], &score[0], sizeof *score, "%s engine %d: words 0 and %d: %.9g and %.9g", s.name, i,
                         j, (double)score[0], (double)score[j]);
      }
      backend->ops->destroy(backend);
    }
    clear_setting(&s);
  }
}

Test(cuda_score, forward_gives_readouts_and_logits) {
  enum { UNITS = 18, CLASSES = 3 };
  for (int i = 0; i < 4; i++) {
    bki_model_config shape = padded(i % 2 == 0 ? BKI_PAD_NONE : BKI_PAD_POST, 0, LONGEST);
    setting s = make_setting(&shape, 900, ragged, N_RAGGED, false);
    float want[N_RAGGED * (UNITS + CLASSES)]; /* readouts, then logits */
    float got[N_RAGGED * (UNITS + CLASSES)];
    bki_error err;
    cr_assert_eq(bki_scorer_forward(s.ref, s.expected.sequences, N_RAGGED, want, want + N_RAGGED * UNITS, NULL),
                 BKI_OK);
    bki_backend *backend = open_cuda(s.model, i < 2 ? &incremental : &full);
    cr_assert_eq(backend->ops->forward(backend, s.expected.sequences, N_RAGGED, got, got + N_RAGGED * UNITS, &err),
                 BKI_OK);
    for (size_t k = 0; k < sizeof got / sizeof got[0]; k++) {
      cr_assert(fabsf(got[k] - want[k]) <= FP32_TOLERANCE, "%s: %zu: %g for %g", s.name, k, (double)got[k],
                (double)want[k]);
    }
    cr_assert_eq(backend->ops->forward(backend, s.expected.sequences, N_RAGGED, NULL, NULL, &err), BKI_OK);
    cr_assert_eq(backend->ops->score(backend, NULL, 0, NULL, &err), BKI_OK); /* no text at all */
    backend->ops->destroy(backend);
    clear_setting(&s);
  }
}
