/* Settings of the optimizers and the mask of dropout. */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "learner.h"

static bki_optimizer_config defaults(bki_optimizer_type type, bki_convention convention) {
  bki_optimizer_config config;
  bki_optimizer_config_init(&config, type, convention);
  return config;
}

Test(optimizer, has_the_defaults_of_its_convention) {
  const struct {
    bki_optimizer_type type;
    bki_convention convention;
    double learning_rate, beta2, epsilon;
  } expected[] = {
      {BKI_OPTIMIZER_ADAM, BKI_CONVENTION_PYTORCH, 0.001, 0.999, 1e-8},
      {BKI_OPTIMIZER_ADAM, BKI_CONVENTION_KERAS, 0.001, 0.999, 1e-7},
      {BKI_OPTIMIZER_RMSPROP, BKI_CONVENTION_PYTORCH, 0.01, 0.99, 1e-8},
      {BKI_OPTIMIZER_RMSPROP, BKI_CONVENTION_KERAS, 0.001, 0.9, 1e-7},
  };
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
    const bki_optimizer_config config = defaults(expected[i].type, expected[i].convention);
    cr_assert_eq(config.type, expected[i].type);
    cr_assert_eq(config.convention, expected[i].convention);
    cr_assert_eq(config.learning_rate, expected[i].learning_rate);
    cr_assert_eq(config.beta1, 0.9);
    cr_assert_eq(config.beta2, expected[i].beta2);
    cr_assert_eq(config.epsilon, expected[i].epsilon);
    cr_assert_eq(config.clip_norm, 0.0);
    cr_assert_eq(bki_optimizer_config_check(&config, NULL), BKI_OK);
  }
}

static void expect_refused(const bki_optimizer_config *config, const char *message) {
  bki_error err;
  cr_assert_eq(bki_optimizer_config_check(config, &err), BKI_E_USAGE, "expected: %s", message);
  cr_assert_str_eq(err.message, message);
}

Test(optimizer, refuses_numbers_out_of_range) {
  const bki_optimizer_config good = defaults(BKI_OPTIMIZER_ADAM, BKI_CONVENTION_PYTORCH);
  bki_optimizer_config bad = good;
  bad.learning_rate = 0;
  expect_refused(&bad, "learning rate: expected a number above 0, found 0");
  bad.learning_rate = INFINITY;
  expect_refused(&bad, "learning rate: expected a number above 0, found inf");
  bad = good;
  bad.beta1 = 1;
  expect_refused(&bad, "beta1: expected a number from 0 to below 1, found 1");
  bad = good;
  bad.beta2 = -0.5;
  expect_refused(&bad, "beta2: expected a number from 0 to below 1, found -0.5");
  bad = good;
  bad.epsilon = 0;
  expect_refused(&bad, "epsilon: expected a number above 0, found 0");
  bad = good;
  bad.clip_norm = -1;
  expect_refused(&bad, "clip norm: expected a number of at least 0, found -1");
  bad = good;
  bad.clip_norm = (double)NAN;
  cr_assert_eq(bki_optimizer_config_check(&bad, NULL), BKI_E_USAGE);
}

Test(optimizer, refuses_unknown_types_and_conventions) {
  bki_optimizer_config bad = defaults(BKI_OPTIMIZER_ADAM, BKI_CONVENTION_PYTORCH);
  bad.type = (bki_optimizer_type)2;
  expect_refused(&bad, "expected optimizer adam or rmsprop, found number 2");
  bad.type = BKI_OPTIMIZER_RMSPROP;
  bad.convention = (bki_convention)2;
  expect_refused(&bad, "expected convention pytorch or keras, found number 2");
}

/* Units kept of 32768 at one place. */
static int count_kept(double dropout, uint64_t seed, uint64_t step, uint32_t site, uint32_t row) {
  int kept = 0;
  for (uint64_t unit = 0; unit < 32768; unit++) {
    kept += bki_dropout_keeps(dropout, seed, step, site, row, unit);
  }
  return kept;
}

Test(dropout, keeps_everything_at_zero) {
  cr_assert_eq(count_kept(0, 1, 2, 3, 4), 32768);
}

Test(dropout, drops_its_share) {
  for (uint64_t seed = 0; seed < 4; seed++) {
    const double dropouts[] = {0.1, 0.5, 0.9};
    for (size_t i = 0; i < 3; i++) {
      /* five standard deviations of a binomial distribution, at most 5 * sqrt(32768 / 4) = 453 */
      cr_assert_float_eq(count_kept(dropouts[i], seed, 7, 1, 63), 32768 * (1 - dropouts[i]), 453.0);
    }
  }
}

/* Units of 4096 on which two masks of p = 0.5 agree. */
static int count_equal(const uint64_t a[4], const uint64_t b[4]) {
  int equal = 0;
  for (uint64_t unit = 0; unit < 4096; unit++) {
    equal += bki_dropout_keeps(0.5, a[0], a[1], (uint32_t)a[2], (uint32_t)a[3], unit) ==
             bki_dropout_keeps(0.5, b[0], b[1], (uint32_t)b[2], (uint32_t)b[3], unit);
  }
  return equal;
}

Test(dropout, has_another_mask_for_each_seed_step_site_and_row) {
  const uint64_t first[4] = {1, 2, 0, 3};
  cr_assert_eq(count_equal(first, first), 4096);
  for (size_t i = 0; i < 4; i++) {
    uint64_t other[4] = {1, 2, 0, 3};
    other[i] += 1;
    cr_assert_float_eq(count_equal(first, other), 2048, 160.0, "argument %zu", i); /* five standard deviations */
  }
}

/* A promise: resumed trainings and other backends need the same mask. */
Test(dropout, has_the_mask_it_always_had) {
  char mask[17] = {0};
  for (uint64_t unit = 0; unit < 16; unit++) {
    mask[unit] = bki_dropout_keeps(0.5, 42, 3, 1, 5, unit) ? '1' : '0';
  }
  cr_assert_str_eq(mask, "1111100100110000");
}
