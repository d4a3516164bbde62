#include <bki/evidence.h>

#include <criterion/criterion.h>
#include <math.h>

#include "sample.h"
#include "statistics.h"

static void expect_near(double found, double expected, double relative, const char *what) {
  cr_expect(fabs(found - expected) <= relative * fabs(expected), "%s: expected %.17g, found %.17g", what, expected,
            found);
}

/* P[X >= k] term by term, in the range of sizes where lgamma still has the digits. */
static double summed_tail(int64_t k, int64_t n, double p) {
  long double sum = 0;
  for (int64_t i = n; i >= k; i--) {
    long double ways = lgammal((long double)n + 1) - lgammal((long double)i + 1) - lgammal((long double)(n - i) + 1);
    sum += expl(ways + (long double)i * logl((long double)p) + (long double)(n - i) * log1pl(-(long double)p));
  }
  return (double)sum;
}

Test(statistics, beta_has_its_closed_forms) {
  const double xs[] = {1e-9, 0.01, 0.3, 0.5, 0.77, 0.999};
  for (size_t i = 0; i < sizeof xs / sizeof *xs; i++) {
    double x = xs[i];
    expect_near(bki_beta_inc(1, 1, x), x, 1e-13, "I_x(1, 1) = x");
    expect_near(bki_beta_inc(7, 1, x), pow(x, 7), 1e-13, "I_x(a, 1) = x^a");
    expect_near(bki_beta_inc(1, 7, x), -expm1(7 * log1p(-x)), 1e-13, "I_x(1, b) = 1 - (1 - x)^b");
    expect_near(bki_beta_inc(0.5, 0.5, x), asin(sqrt(x)) * 2 / acos(-1.0), 1e-13, "the arcsine law");
  }
  cr_expect_eq(bki_beta_inc(2, 3, 0), 0);
  cr_expect_eq(bki_beta_inc(2, 3, -1), 0);
  cr_expect_eq(bki_beta_inc(2, 3, 1), 1);
}

Test(statistics, beta_is_symmetric_and_monotone) {
  uint64_t seed = 5;
  for (int i = 0; i < 2000; i++) {
    double a = 1 + (double)(test_random(&seed) % 5000) / 7;
    double b = 1 + (double)(test_random(&seed) % 5000) / 7;
    double x = (double)(1 + test_random(&seed) % 1023) / 1024; /* 1 - x is exact */
    double value = bki_beta_inc(a, b, x);
    cr_assert(value >= 0 && value <= 1);
    cr_assert_float_eq(value + bki_beta_inc(b, a, 1 - x), 1, 1e-13, "a = %g, b = %g, x = %g", a, b, x);
    cr_assert(bki_beta_inc(a, b, x + 1.0 / 2048) >= value - 1e-14);
    cr_assert(bki_beta_inc(a + 1, b, x) <= value + 1e-14);
  }
}

Test(statistics, tail_is_the_sum_of_its_terms) {
  uint64_t seed = 9;
  for (int i = 0; i < 1000; i++) {
    int64_t n = 1 + (int64_t)(test_random(&seed) % 300);
    int64_t k = 1 + (int64_t)(test_random(&seed) % (uint64_t)n);
    double p = (double)(1 + test_random(&seed) % 999) / 1000;
    double expected = summed_tail(k, n, p);
    cr_assert(fabs(bki_binomial_tail(k, n, p) - expected) <= 1e-12 * expected,
              "k = %d, n = %d, p = %g: %.17g, not %.17g", (int)k, (int)n, p, bki_binomial_tail(k, n, p), expected);
  }
}

/* Expected values: sums of the binomial's terms with 40 decimal digits. */
Test(statistics, tail_keeps_its_digits_for_huge_counts) {
  const struct {
    int64_t k;
    int64_t n;
    double p;
    double tail;
  } rows[] = {
      {34, 300, 0.07, 0.0040426885364207862961},
      {251, 2000, 0.1, 0.00013305176294235240871},
      {1200, 1000000, 1e-3, 4.5896386061007703302e-10},
      {150000, 1000000, 0.149, 0.0025186883605747152208},
      {3, 1000000000, 1e-9, 0.08030139697942434709},
      {10, 1000000000, 1e-9, 1.1142547428361232035e-7},
      {500050000, 1000000000, 0.5, 0.00078278613054190378834},
      {500300000, 1000000000, 0.5, 1.4086742319925638753e-80},
      {999999000, 1000000000, 0.999998, 1.3701493941075107621e-135},
      {1000000000, 1000000000, 0.9999999999, 0.90483741054477705012},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    expect_near(bki_binomial_tail(rows[i].k, rows[i].n, rows[i].p), rows[i].tail, 1e-12, "a tail");
  }
  cr_expect_eq(bki_binomial_tail(900000000, 1000000000, 0.5), 0, "below the smallest double");
  cr_expect_eq(bki_binomial_tail(100000000, 1000000000, 0.5), 1);
}

Test(statistics, tail_at_the_ends) {
  cr_expect_eq(bki_binomial_tail(0, 0, 0.5), 1);
  cr_expect_eq(bki_binomial_tail(1, 0, 0.5), 0);
  cr_expect_eq(bki_binomial_tail(0, 10, 0), 1);
  cr_expect_eq(bki_binomial_tail(-3, 10, 0), 1);
  cr_expect_eq(bki_binomial_tail(1, 10, 0), 0);
  cr_expect_eq(bki_binomial_tail(10, 10, 1), 1);
  cr_expect_eq(bki_binomial_tail(11, 10, 1), 0);
  expect_near(bki_binomial_tail(10, 10, 0.5), 1.0 / 1024, 1e-14, "all of ten");
  expect_near(bki_binomial_tail(1, 10, 0.5), 1023.0 / 1024, 1e-14, "one of ten");
}

Test(statistics, sign_test_counts_wins) {
  cr_expect_eq(bki_sign_test(0, 0), 1);
  cr_expect_eq(bki_sign_test(0, 12), 1);
  expect_near(bki_sign_test(8, 0), 1.0 / 256, 1e-14, "eight wins");
  expect_near(bki_sign_test(9, 1), 11.0 / 1024, 1e-13, "nine of ten");
  cr_expect_gt(bki_sign_test(50, 50), 0.5);
  cr_expect_lt(bki_sign_test(400, 3), 1e-100);
}

/* Published: Brown, Cai & DasGupta 2001 and the exact intervals of R's binom.test. */
Test(statistics, rate_has_the_published_interval) {
  const struct {
    int64_t hits;
    int64_t n;
    double low;
    double high;
  } rows[] = {
      {0, 10, 0, 0.3084971},
      {1, 10, 0.002528579, 0.4450161},
      {5, 10, 0.1870860, 0.8129140},
      {9, 10, 0.5549839, 0.9974714},
      {10, 10, 0.6915029, 1},
      {0, 1, 0, 0.975},
      {682, 925, 0.7076683, 0.7654066},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    bki_rate rate = bki_rate_of(rows[i].hits, rows[i].n);
    cr_expect_eq(rate.hits, rows[i].hits);
    cr_expect_eq(rate.n, rows[i].n);
    expect_near(rate.low, rows[i].low, 1e-6, "low");
    expect_near(rate.high, rows[i].high, 1e-6, "high");
  }
}

Test(statistics, rate_of_nothing_is_unknown) {
  bki_rate rate = bki_rate_of(0, 0);
  cr_expect_eq(rate.low, 0);
  cr_expect_eq(rate.high, 1);
}

Test(statistics, ends_of_a_rate_have_tails_of_a_fortieth) {
  uint64_t seed = 17;
  for (int i = 0; i < 500; i++) {
    int64_t n = 1 + (int64_t)(test_random(&seed) % 1000);
    n *= i % 5 == 0 ? 1000000 : 1;
    int64_t hits = (int64_t)(test_random(&seed) % ((uint64_t)n + 1));
    bki_rate rate = bki_rate_of(hits, n);
    bki_rate mirrored = bki_rate_of(n - hits, n);
    cr_assert(rate.low <= (double)hits / (double)n && (double)hits / (double)n <= rate.high);
    cr_assert_float_eq(rate.low, 1 - mirrored.high, 1e-12);
    if (hits > 0) {
      cr_assert_float_eq(bki_binomial_tail(hits, n, rate.low), 0.025, 1e-9, "%d of %d", (int)hits, (int)n);
    }
    if (hits < n) {
      cr_assert_float_eq(1 - bki_binomial_tail(hits + 1, n, rate.high), 0.025, 1e-9, "%d of %d", (int)hits, (int)n);
    }
  }
}

Test(statistics, a_rate_of_one_in_a_billion_has_an_interval) {
  bki_rate rate = bki_rate_of(1, 1000000000);
  expect_near(rate.low, 2.5317807983969e-11, 1e-10, "low");
  expect_near(rate.high, 5.5716433782e-09, 1e-8, "high");
}

Test(evidence_names, are_those_of_the_reports) {
  cr_expect_str_eq(bki_verdict_name(BKI_VERDICT_NONE), "none found");
  cr_expect_str_eq(bki_verdict_name(BKI_VERDICT_SUSPICIOUS), "suspicious");
  cr_expect_str_eq(bki_verdict_name(BKI_VERDICT_BACKDOOR), "backdoor");
  cr_expect_str_eq(bki_reason_name(BKI_REASON_KEYWORD), "keyword");
  cr_expect_str_eq(bki_reason_name(BKI_REASON_PHRASE), "phrase");
  cr_expect_str_eq(bki_reason_name(BKI_REASON_PART), "part");
}
