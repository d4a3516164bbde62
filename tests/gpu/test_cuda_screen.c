/* Precision exact with engine `persistent`: screened in half precision, by either way to compute it, scored again in
 * fp32. On the stand-in its arithmetic is that of the kernels, bit for bit. */
#include <criterion/criterion.h>

#include "cuda.h"
#include "screening.h"
#include "standin.h"

TestSuite(cuda_screen, .init = standin_begin);

static const int32_t lengths[] = {0, 1, 2, 29, 30, 31, 40, 54, 17, 9, 33, 3, 60};
static const screen_pair mma = {.ops = &bki_backend_cuda,
                                .fast = BKI_PRECISION_FP16,
                                .persistent = true,
                                .hidden = 16,
                                .lengths = lengths,
                                .n_texts = sizeof lengths / sizeof lengths[0]};

/* Of the size that wgmma is for. On the CPU a step of a block takes as long with one text as with all of these. */
static const int32_t few_lengths[] = {12, 2, 11, 0, 13, 1, 10, 13, 9, 12, 11};
static const screen_pair wgmma = {.ops = &bki_backend_cuda,
                                  .fast = BKI_PRECISION_FP16,
                                  .persistent = true,
                                  .hidden = 128,
                                  .lengths = few_lengths,
                                  .n_texts = sizeof few_lengths / sizeof few_lengths[0]};

static void check(const screen_pair *pair, uint64_t seed, int32_t p) {
  bki_model_config shape = random_config(6, pair->hidden);
  char what[64];
  snprintf(what, sizeof what, "H %d seed %d p %d", pair->hidden, (int)seed, p);
  check_screened(pair, expansive_model(seed, &shape, 1, 0), seed, p, 1e-3, what);
}

Test(cuda_screen, gives_the_best_words_of_fp32) {
  static const int32_t best[] = {1, 5, 9, 600};
  for (uint64_t seed = 0; seed < 8; seed++) {
    check(&mma, seed, best[seed % 4]);
  }
}

Test(cuda_screen, gives_the_best_words_of_fp32_by_wgmma) {
  check(&wgmma, 1, 1);
}

Test(cuda_screen, widens_its_limit_where_errors_are_large) {
  check_widening(&mma, 3);
  check_widening(&wgmma, 1);
}

Test(cuda_screen, is_right_or_gives_up_for_expansive_nets) {
  int screened = 0;
  for (uint64_t seed = 1; seed <= 4; seed++) {
    screened += check_expansive(&mma, seed, 3);
  }
  fprintf(stderr, "%d of 4 expansive nets are screened\n", screened);
}

Test(cuda_screen, tells_near_ties_apart) {
  for (uint64_t seed = 11; seed < 14; seed++) {
    check_near_ties(&mma, seed, 5);
  }
}

Test(cuda_screen, tells_near_ties_apart_by_wgmma) {
  check_near_ties(&wgmma, 11, 1);
}

Test(cuda_screen, ties_of_equal_neighbours_keep_their_order) {
  check_ties(&mma, 5);
  check_ties(&wgmma, 1);
}

/* Elsewhere in a model engine `persistent` refuses a NaN. */
Test(cuda_screen, a_head_that_gives_nan_gives_the_same_classes) {
  bki_model_config shape = random_config(6, mma.hidden);
  bki_model *model = expansive_model(5, &shape, 1, 0);
  bki_model_parameters(model)->output_bias[1] = NAN;
  check_screened(&mma, model, 5, 5, 1e-3, "NaN");
}

Test(cuda_screen, does_not_depend_on_the_batch) {
  check_batches(&mma, 2);
  screen_pair few = wgmma;
  few.n_texts = 3;
  check_batches(&few, 1);
}
