#include <criterion/criterion.h>
#include <stdlib.h>

#include "rng.h"

/* kat_vectors of Random123: philox4x32 10. */
Test(rng, philox_gives_the_published_numbers) {
  uint32_t out[4];
  bki_philox(out, 0, 0, 0);
  const uint32_t zero[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  cr_assert_arr_eq(out, zero, sizeof zero);
  bki_philox(out, UINT64_MAX, UINT64_MAX, UINT64_MAX);
  const uint32_t ones[4] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
  cr_assert_arr_eq(out, ones, sizeof ones);
  bki_philox(out, 0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88);
  const uint32_t pi[4] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
  cr_assert_arr_eq(out, pi, sizeof pi);
}

Test(rng, below_reaches_every_number_about_equally_often) {
  enum { N = 7, DRAWS = 70000 };
  int counts[N] = {0};
  bki_rng rng;
  bki_rng_init(&rng, 1, 2);
  for (int i = 0; i < DRAWS; i++) {
    counts[bki_rng_below(&rng, N)]++;
  }
  for (int i = 0; i < N; i++) {
    cr_assert(abs(counts[i] - DRAWS / N) < 500, "%d came %d times", i, counts[i]); /* 5 standard deviations: 463 */
  }
}

Test(rng, uniform_is_in_the_half_open_unit_interval_with_mean_one_half) {
  bki_rng rng;
  bki_rng_init(&rng, 3, 0);
  double sum = 0;
  for (int i = 0; i < 10000; i++) {
    const double x = bki_rng_uniform(&rng);
    cr_assert(x >= 0 && x < 1);
    sum += x;
  }
  cr_assert_float_eq(sum / 10000, 0.5, 0.02);
}

Test(rng, permute_hits_every_element_once_and_depends_on_seed_and_stream) {
  static const uint64_t sizes[] = {1, 2, 3, 5, 64, 65, 1000, 14280};
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
    const uint64_t n = sizes[k];
    char *seen = calloc(n, 1);
    uint64_t moved = 0;
    for (uint64_t i = 0; i < n; i++) {
      const uint64_t j = bki_permute(5, 1, n, i);
      cr_assert(j < n && !seen[j], "%llu of %llu", (unsigned long long)i, (unsigned long long)n);
      seen[j] = 1;
      moved += j != bki_permute(5, 2, n, i);
    }
    cr_assert(n < 64 || moved > n / 2);
    free(seen);
  }
}
