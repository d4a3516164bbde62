/* Exact tests of counts. */
#ifndef BKI_DETECT_STATISTICS_H
#define BKI_DETECT_STATISTICS_H

#include <stdint.h>

/* The regularised incomplete beta function I_x(a, b), a > 0, b > 0; 0 for x <= 0 and 1 for x >= 1. A small value is as
 * exact, relative to itself, as one near 1: about 1e-12 for a and b up to 1e9. Takes O(sqrt(a + b)) steps at worst. */
double bki_beta_inc(double a, double b, double x);

/* P[X >= k], X binomial of n >= 0 trials with 0 <= p <= 1. 1 for k <= 0, 0 for k > n. */
double bki_binomial_tail(int64_t k, int64_t n, double p);

/* One-sided sign test: P[X >= wins], X binomial of wins + losses trials with p = 1/2. Ties are left out by the caller;
 * without wins and losses it is 1. */
double bki_sign_test(int64_t wins, int64_t losses);

#endif
