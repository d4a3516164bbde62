/* Every engine and precision of the backend `cuda` passes the known-answer test of devices, and wrong ones do not. */
#include <criterion/criterion.h>

#include <string.h>

#include "cuda_scorer.h"
#include "standin.h"

TestSuite(cuda_prove, .init = standin_begin);

typedef struct kind {
  bki_engine engine;
  bki_precision precision;
} kind;

static const kind kinds[] = {
    {BKI_ENGINE_FULL, BKI_PRECISION_FP32},        {BKI_ENGINE_FULL, BKI_PRECISION_TF32},
    {BKI_ENGINE_FULL, BKI_PRECISION_FP16},        {BKI_ENGINE_INCREMENTAL, BKI_PRECISION_FP32},
    {BKI_ENGINE_INCREMENTAL, BKI_PRECISION_TF32}, {BKI_ENGINE_INCREMENTAL, BKI_PRECISION_FP16},
    {BKI_ENGINE_PERSISTENT, BKI_PRECISION_FP32},  {BKI_ENGINE_PERSISTENT, BKI_PRECISION_FP16},
    {BKI_ENGINE_PERSISTENT, BKI_PRECISION_SPLIT},
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

/* Proves a backend that was made of the parameters of another model. */
static bki_status prove(const bki_model *model, const bki_model *other, const cuda_options *options, bki_error *err) {
  bki_backend *backend = open_cuda(other, options);
  const bki_status status = prove_cuda(backend, model, options, err);
  backend->ops->destroy(backend);
  return status;
}

static void check_passes(const bki_model *model, const cuda_options *options, const char *what) {
  bki_error err;
  cr_assert_eq(prove(model, model, options, &err), BKI_OK, "%s: %s", what, err.message);
}

Test(cuda_prove, passes_every_engine_and_precision) {
  static const float gains[] = {1, 4, 12};
  for (size_t i = 0; i < N_KINDS; i++) {
    for (size_t g = 0; g < 3; g++) {
      bki_model_config shape = random_config(8, 16);
      bki_model *model = expansive_model(i, &shape, gains[g], (float)(2 * g));
      check_passes(model, &(cuda_options){.engine = kinds[i].engine, .precision = kinds[i].precision}, "plain");
      bki_model_destroy(model);
    }
  }
}

Test(cuda_prove, passes_paddings_readouts_depths_and_increments) {
  for (int i = 0; i < 12; i++) {
    bki_model_config shape = random_config(5, 9);
    shape.readout = (bki_readout)(i % 4);
    shape.pad = (bki_pad)(i / 4);
    shape.pad_length = shape.pad == BKI_PAD_NONE ? 0 : 20;
    shape.max_words = 18;
    shape.num_layers = 1 + i % 3 / 2;
    cuda_options options = {.engine = BKI_ENGINE_FULL, .increments = i % 2 == 0};
    bki_model *model = random_model((uint64_t)i, &shape);
    check_passes(model, &options, "full");
    if (bki_backend_cuda.has_incremental(&shape)) {
      options.engine = BKI_ENGINE_INCREMENTAL;
      check_passes(model, &options, "incremental");
    }
    bki_model_destroy(model);
  }
}

Test(cuda_prove, finds_every_engine_and_precision_that_computes_another_net) {
  for (size_t i = 0; i < N_KINDS; i++) {
    bki_model_config shape = random_config(8, 16);
    bki_model *model = random_model(i, &shape);
    bki_model *other = random_model(i, &shape);
    const bki_parameters *p = bki_model_parameters(other);
    for (int k = 0; k < 4 * 16 * 16; k++) { /* the directions are taken for one another */
      p->lstm[0].w_hh[k] = bki_model_parameters(model)->lstm[1].w_hh[k];
      p->lstm[1].w_hh[k] = bki_model_parameters(model)->lstm[0].w_hh[k];
    }
    bki_error err;
    const cuda_options options = {.engine = kinds[i].engine, .precision = kinds[i].precision};
    cr_assert_eq(prove(model, other, &options, &err), BKI_E_DEVICE, "kind %zu", i);
    cr_assert_not_null(strstr(err.message, "it computes wrong numbers with engine "), "%s", err.message);
    cr_assert_not_null(strstr(err.message, bki_engine_name(kinds[i].engine)), "%s", err.message);
    cr_assert_not_null(strstr(err.message, bki_precision_name(kinds[i].precision)), "%s", err.message);
    bki_model_destroy(model);
    bki_model_destroy(other);
  }
}
