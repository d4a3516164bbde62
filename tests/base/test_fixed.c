/* Sums that do not depend on the order of their terms. */
#include <criterion/criterion.h>

#include "fixed.h"
#include "sample.h"

Test(fixed, keeps_floats_down_to_their_last_bit) {
  uint64_t seed = 1;
  for (int i = 0; i < 10000; i++) {
    /* Scores lie in [0, 2]; a float of at least 2^-16 has no bit below 2^-40. */
    float score = (float)(test_random(&seed) >> 40) * 0x1p-23F;
    if (score >= 0x1p-16F) {
      cr_assert_eq((float)bki_fixed_to_double(bki_fixed_from_double((double)score)), score);
    }
  }
}

Test(fixed, rounds_half_to_even_below_its_step) {
  cr_expect_eq((int64_t)bki_fixed_from_double(0x1p-40), 1);
  cr_expect_eq((int64_t)bki_fixed_from_double(0x1p-41), 0);
  cr_expect_eq((int64_t)bki_fixed_from_double(0x3p-41), 2);
  cr_expect_eq((int64_t)bki_fixed_from_double(-0x1p-40), -1);
}

Test(fixed, sum_is_the_same_in_every_order) {
  enum { N = 5000 };
  double terms[N];
  uint64_t seed = 2;
  bki_fixed forward = 0;
  for (int i = 0; i < N; i++) {
    /* Sixty binary orders of magnitude: a sum of doubles would differ. */
    terms[i] = ldexp((double)(test_random(&seed) >> 11), (int)(test_random(&seed) % 60) - 60);
    forward += bki_fixed_from_double(terms[i]);
  }
  for (int round = 0; round < 20; round++) {
    bki_fixed sums[4] = {0};
    for (int i = N - 1; i > 0; i--) {
      int j = (int)(test_random(&seed) % (uint64_t)(i + 1));
      double t = terms[i];
      terms[i] = terms[j];
      terms[j] = t;
    }
    for (int i = 0; i < N; i++) {
      sums[test_random(&seed) % 4] += bki_fixed_from_double(terms[i]);
    }
    cr_assert(sums[3] + sums[1] + sums[0] + sums[2] == forward);
  }
}

Test(fixed, holds_a_common_word_of_a_billion_texts) {
  bki_fixed sum = bki_fixed_from_double(2.0) * 500 * 1000000000; /* 500 times in each */
  cr_expect_float_eq(bki_fixed_to_double(sum), 1e12, 0);
  cr_expect_float_eq(bki_fixed_to_double(sum + bki_fixed_from_double(0x1p-10)), 1e12 + 0x1p-10, 0);
}
