/* Engine `persistent` scores picked words as it scores all of them, to the bit. */
#include <criterion/criterion.h>

#include "cuda_scorer.h"
#include "picked.h"
#include "standin.h"

TestSuite(cuda_picks, .init = standin_begin);

/* Texts of 1, 2 and 3 items in each direction, and around the 8 words between stored states. */
static const int32_t lengths[] = {9, 0, 1, 17, 2, 8, 10, 1, 18, 25, 0, 3, 33, 26};
enum { N = sizeof lengths / sizeof lengths[0] };

static void check(int32_t hidden, bki_precision precision) {
  const cuda_options options = {.engine = BKI_ENGINE_PERSISTENT, .precision = precision};
  bki_model_config shape = random_config(7, hidden);
  bki_model *model = random_model(200, &shape);
  bki_backend *backend = open_cuda(model, &options);
  cr_assert(backend->picks);
  check_picks(backend, &shape, lengths, N, bki_precision_name(precision));
  backend->ops->destroy(backend);
  bki_model_destroy(model);
}

Test(cuda_picks, give_the_bytes_of_all_words) {
  check(16, BKI_PRECISION_FP32);
  check(16, BKI_PRECISION_FP16);
  check(16, BKI_PRECISION_SPLIT);
}

Test(cuda_picks, other_engines_run_the_shortened_texts_for_the_same_bytes) {
  const cuda_options options = {.engine = BKI_ENGINE_INCREMENTAL};
  bki_model_config shape = random_config(7, 12);
  bki_model *model = random_model(201, &shape);
  bki_backend *backend = open_cuda(model, &options);
  cr_assert_not(backend->picks);
  check_picks(backend, &shape, lengths, N, "incremental");
  backend->ops->destroy(backend);
  bki_model_destroy(model);
}
