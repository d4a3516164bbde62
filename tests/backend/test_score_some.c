/* Scores of picked words: the bytes of a score of all words, and nothing else is written. */
#include <criterion/criterion.h>

#include <stdio.h>

#include "model.h"
#include "picked.h"

static bki_backend *open_backend(bki_model *model, bki_engine engine, bki_precision precision, bki_pool *pool) {
  const bki_backend_config config = {.engine = engine, .precision = precision, .pool = pool};
  bki_backend *backend = NULL;
  bki_error err;
  cr_assert_eq(
      bki_backend_cpu.create(&backend, bki_model_get_config(model), bki_model_parameters(model), &config, &err), BKI_OK,
      "%s", err.message);
  return backend;
}

static void check_model(const bki_model_config *shape, uint64_t seed, bki_pool *pool) {
  static const int32_t lengths[] = {7, 0, 2, 17, 1, 5, 6, 1, 13, 16};
  bki_model *model = random_model(seed, shape);
  char what[64];
  for (int i = 0; i < 4; i++) {
    const bki_engine engine = i % 2 == 0 ? BKI_ENGINE_INCREMENTAL : BKI_ENGINE_FULL;
    const bki_precision precision = i / 2 == 0 ? BKI_PRECISION_FP32 : BKI_PRECISION_BF16;
    if (engine == BKI_ENGINE_INCREMENTAL && shape->num_layers > 1) {
      continue;
    }
    bki_backend *backend = open_backend(model, engine, precision, pool);
    snprintf(what, sizeof what, "case %d readout %d pad %d layers %d", i, (int)shape->readout, (int)shape->pad,
             shape->num_layers);
    check_picks(backend, shape, lengths, sizeof lengths / sizeof lengths[0], what);
    backend->ops->destroy(backend);
  }
  bki_model_destroy(model);
}

Test(score_some, gives_the_bytes_of_all_for_every_padding_and_readout) {
  bki_pool *pool;
  cr_assert_eq(bki_pool_create(&pool, 2, NULL), BKI_OK);
  for (int readout = BKI_READOUT_FINAL; readout <= BKI_READOUT_MAX; readout++) {
    for (int pad = BKI_PAD_NONE; pad <= BKI_PAD_POST; pad++) {
      bki_model_config shape = random_config(5, 9);
      shape.readout = (bki_readout)readout;
      shape.pad = (bki_pad)pad;
      shape.pad_length = pad == BKI_PAD_NONE ? 0 : 19;
      shape.max_words = 19;
      shape.num_layers = 1 + (readout + pad) % 2;
      check_model(&shape, (uint64_t)(10 * readout + pad), pool);
      shape.num_layers = 1;
      check_model(&shape, (uint64_t)(100 + 10 * readout + pad), pool);
    }
  }
  bki_pool_destroy(pool);
}
