/* Engine `persistent` of the backend `cuda` gives the scores of the oracle. */
#include <criterion/criterion.h>

#include "cuda_scorer.h"
#include "standin.h"

TestSuite(cuda_persistent, .init = standin_begin);

static const cuda_options persistent = {.engine = BKI_ENGINE_PERSISTENT};
static const cuda_options half = {.engine = BKI_ENGINE_PERSISTENT, .precision = BKI_PRECISION_FP16};
static const cuda_options split = {.engine = BKI_ENGINE_PERSISTENT, .precision = BKI_PRECISION_SPLIT};

/* See test_cuda_score.c; tanh.approx adds 1e-5 a gate. */
#define HALF_TOLERANCE 2e-3f

/* Around the 8 words between stored states, and the 8 variants of an item. */
static const int32_t edges[] = {9, 0, 1, 17, 2, 8, 10, 1, 18, 16, 0, 3};
enum { N_EDGES = sizeof edges / sizeof edges[0] };

static void check_shape(const bki_model_config *shape, uint64_t seed, const cuda_options *options, float tolerance) {
  setting s = make_setting(shape, seed, edges, N_EDGES, false);
  score_corpus(s.ref, &s.expected);
  bki_backend *backend = open_cuda(s.model, options);
  corpus got = copy_texts(&s);
  cuda_score(backend, &got);
  check_close(&s, &got, tolerance, bki_precision_name(options->precision));
  corpus_free(&got);
  backend->ops->destroy(backend);
  clear_setting(&s);
}

Test(cuda_persistent, agrees_on_sizes_and_heads) {
  static const int32_t hidden[] = {16, 32, 48};
  for (uint64_t i = 0; i < 6; i++) {
    bki_model_config shape = random_config(11, hidden[i % 3]);
    shape.dense = i < 3 ? 7 : 0;
    shape.dense_activation = (bki_activation)(i % 3);
    check_shape(&shape, 100 + i, &persistent, FP32_TOLERANCE);
  }
}

Test(cuda_persistent, half_precision_is_close_and_split_is_as_fp32) {
  static const int32_t hidden[] = {16, 48};
  for (uint64_t i = 0; i < 2; i++) {
    bki_model_config shape = random_config(11, hidden[i]);
    check_shape(&shape, 110 + i, &half, HALF_TOLERANCE);
    check_shape(&shape, 110 + i, &split, FP32_TOLERANCE);
  }
}

/* Scores in half precision are not those of another way to compute them, bit for bit: a scan names it. */
Test(cuda_persistent, the_name_says_how_half_precision_is_computed) {
  if (standin_is_device()) {
    cr_skip_test("depends on the GPU");
  }
  static const int32_t lengths[] = {5, 2};
  for (int32_t hidden = 64; hidden <= 128; hidden += 64) {
    bki_model_config shape = random_config(10, hidden);
    setting s = make_setting(&shape, 115, lengths, 2, false);
    score_corpus(s.ref, &s.expected);
    bki_backend *backend = open_cuda(s.model, &half);
    cr_assert_str_eq(backend->isa, hidden == 128 ? "cuda (wgmma)" : "cuda (mma.sync)");
    corpus got = copy_texts(&s);
    cuda_score(backend, &got);
    check_close(&s, &got, HALF_TOLERANCE, backend->isa);
    corpus_free(&got);
    backend->ops->destroy(backend);
    clear_setting(&s);
  }
}

Test(cuda_persistent, agrees_on_the_size_that_it_is_made_for) {
  static const int32_t lengths[] = {11, 2, 9};
  bki_model_config shape = random_config(100, 128);
  setting s = make_setting(&shape, 120, lengths, 3, false);
  score_corpus(s.ref, &s.expected);
  bki_backend *backend = open_cuda(s.model, &persistent);
  corpus got = copy_texts(&s);
  cuda_score(backend, &got);
  check_close(&s, &got, FP32_TOLERANCE, "H = 128");
  corpus_free(&got);
  backend->ops->destroy(backend);
  clear_setting(&s);
}

Test(cuda_persistent, gives_the_same_bytes_in_any_company) {
  int32_t lengths[MANY];
  uint64_t seed = 700;
  for (size_t i = 0; i < MANY; i++) {
    lengths[i] = random_below(&seed, 30);
  }
  bki_model_config shape = random_config(5, 16);
  setting s = make_setting(&shape, 130, lengths, MANY, false);
  bki_backend *backend = open_cuda(s.model, &persistent);
  check_company(&s, backend);
  backend->ops->destroy(backend);
  clear_setting(&s);
}

Test(cuda_persistent, forward_gives_readouts_and_logits) {
  enum { UNITS = 32, CLASSES = 3 };
  bki_model_config shape = random_config(6, 16);
  setting s = make_setting(&shape, 140, edges, N_EDGES, false);
  float want[N_EDGES * (UNITS + CLASSES)]; /* readouts, then logits */
  float got[N_EDGES * (UNITS + CLASSES)];
  bki_error err;
  cr_assert_eq(bki_scorer_forward(s.ref, s.expected.sequences, N_EDGES, want, want + N_EDGES * UNITS, NULL), BKI_OK);
  bki_backend *backend = open_cuda(s.model, &persistent);
  cr_assert_eq(backend->ops->forward(backend, s.expected.sequences, N_EDGES, got, got + N_EDGES * UNITS, &err), BKI_OK);
  for (size_t k = 0; k < sizeof got / sizeof got[0]; k++) {
    cr_assert(fabsf(got[k] - want[k]) <= FP32_TOLERANCE, "%s: %zu: %g for %g", s.name, k, (double)got[k],
              (double)want[k]);
  }
  cr_assert_eq(backend->ops->score(backend, NULL, 0, NULL, &err), BKI_OK); /* no text at all */
  backend->ops->destroy(backend);
  clear_setting(&s);
}

Test(cuda_persistent, is_for_one_layer_without_padding_and_sizes_of_sixteen) {
  bki_model_config shape = random_config(4, 16);
  cr_assert(bki_backend_cuda.has_persistent(&shape));
  shape.hidden = 128;
  cr_assert(bki_backend_cuda.has_persistent(&shape));
  shape.hidden = 144;
  cr_assert(!bki_backend_cuda.has_persistent(&shape));
  shape.hidden = 24;
  cr_assert(!bki_backend_cuda.has_persistent(&shape));
  shape = random_config(4, 16);
  shape.num_layers = 2;
  cr_assert(!bki_backend_cuda.has_persistent(&shape));
  shape = random_config(4, 16);
  shape.readout = BKI_READOUT_LAST;
  cr_assert(!bki_backend_cuda.has_persistent(&shape));
  shape = random_config(4, 16);
  shape.pad = BKI_PAD_POST;
  cr_assert(!bki_backend_cuda.has_persistent(&shape));
}

static void check_refused(const bki_model *model, const cuda_options *options, const char *message) {
  bki_backend *backend = NULL;
  bki_error err;
  cr_assert_eq(create_cuda(&backend, model, options, &err), BKI_E_USAGE);
  cr_assert_not_null(strstr(err.message, message), "%s", err.message);
  cr_assert_eq(standin_leaks(), 0);
}

Test(cuda_persistent, refuses_increments_other_precisions_and_sums_beyond_fp32) {
  bki_model_config shape = random_config(4, 16);
  bki_model *model = random_model(1, &shape);
  cuda_options options = persistent;
  options.increments = true;
  check_refused(model, &options, "engine persistent has no prefix increments: use incremental");
  options = persistent;
  options.precision = BKI_PRECISION_TF32;
  check_refused(model, &options, "engine persistent: expected precision fp32, fp16 or split, found tf32");
  options = persistent;
  options.engine = BKI_ENGINE_INCREMENTAL;
  options.precision = BKI_PRECISION_SPLIT;
  check_refused(model, &options, "precision split is that of engine persistent alone");
  float *w_hh = (float *)(uintptr_t)bki_model_parameters(model)->lstm[0].w_hh;
  w_hh[7] = 7e4f;
  check_refused(model, &half, "precision fp16 is for recurrent weights up to 65504");
  float *w_ih = (float *)(uintptr_t)bki_model_parameters(model)->lstm[1].w_ih;
  w_ih[5] = 3e38f;
  check_refused(model, &persistent, "engine persistent: expected a model whose sums stay finite");
  bki_model_destroy(model);
}
