#include "statistics.h"

#include <assert.h>
#include <math.h>

#include <bki/evidence.h>

static const double half_log_2pi = 0.91893853320467274178;
static const double each_side = 0.025; /* of a 95 % interval */

/* log z! minus Stirling's formula for it, z > 0. */
static double stirling_error(double z) {
  if (z < 16) {
    return lgamma(z + 1) - (z + 0.5) * log(z) + z - half_log_2pi;
  }
  double r = 1 / (z * z);
  return (1.0 / 12 - r * (1.0 / 360 - r * (1.0 / 1260 - r * (1.0 / 1680 - r * (1.0 / 1188 - r * 691 / 360360))))) / z;
}

/* k log(k / m) + m - k for k > 0, m = mean + rest > 0, without cancellation where k is near m. */
static double deviance(double k, double mean, double rest) {
  double v = (k - mean) / (k + mean);
  if (fabs(v) > 0.1) {
    return k * log(k / mean) + mean - k;
  }
  /* log(k / m) = 2 atanh(v); the last bits of the mean count by the slope. */
  double sum = (k - mean) * v + (1 - k / mean) * rest;
  double term = 2 * k * v;
  for (int i = 3;; i += 2) {
    term *= v * v;
    double next = sum + term / i;
    if (next == sum) {
      return sum;
    }
    sum = next;
  }
}

/* x^a y^b / B(a, b), y = 1 - x, by the saddle point of Loader, Fast and Accurate Computation of Binomial Probabilities
 * (2000): the logarithms of gamma functions near 1e9 have no digits left for their difference. */
static double power_term(double a, double b, double x, double y) {
  double n = a + b;
  double exponent = stirling_error(n) - stirling_error(a) - stirling_error(b) -
                    deviance(a, n * x, fma(n, x, -(n * x))) - deviance(b, n * y, fma(n, y, -(n * y)));
  return exp(exponent - half_log_2pi) * sqrt(a / n * b);
}

/* The continued fraction DLMF 8.17.22, even part, by Lentz's method as modified by Thompson & Barnett (1986). It
 * converges in O(sqrt(max(a, b))) steps for x below the mean a / (a + b). */
static double fraction(double a, double b, double x, double y) {
  enum { MAX_STEPS = 10000000 };
  const double tiny = 1e-300;
  double value = a * (a * y - b * x + 1) / (a + 1);
  value = fabs(value) < tiny ? tiny : value;
  double c = value;
  double d = 0;
  for (double m = 1; m < MAX_STEPS; m++) {
    double s = a + 2 * m;
    double numerator = (a + m - 1) / (s - 1) * ((a + b + m - 1) / (s - 1)) * m * (b - m) * x * x;
    double denominator = m + m * (b - m) * x / (s - 1) + (a + m) * (a * y - b * x + 1 + m * (1 + y)) / (s + 1);
    d = denominator + numerator * d;
    c = denominator + numerator / c;
    d = 1 / (fabs(d) < tiny ? tiny : d);
    c = fabs(c) < tiny ? tiny : c;
    value *= c * d;
    if (fabs(c * d - 1) <= 1e-16) {
      break;
    }
  }
  return value;
}

/* I_x(a, b) and its derivative, 0 < x < 1. */
static double beta_inc(double a, double b, double x, double *density) {
  double y = 1 - x;
  double power = power_term(a, b, x, y);
  *density = power / (x * y);
  return x <= a / (a + b) ? power / fraction(a, b, x, y) : 1 - power / fraction(b, a, y, x);
}

double bki_beta_inc(double a, double b, double x) {
  assert(a > 0 && b > 0);
  if (!(x > 0 && x < 1)) {
    return x >= 1 ? 1 : 0;
  }
  double density;
  return beta_inc(a, b, x, &density);
}

double bki_binomial_tail(int64_t k, int64_t n, double p) {
  assert(n >= 0 && p >= 0 && p <= 1);
  if (k <= 0 || k > n) {
    return k <= 0 ? 1 : 0;
  }
  return bki_beta_inc((double)k, (double)(n - k) + 1, p);
}

double bki_sign_test(int64_t wins, int64_t losses) {
  return bki_binomial_tail(wins, wins + losses, 0.5);
}

/* The x with I_x(a, b) = share: Newton's steps, halving the bracket where they leave it. */
static double beta_quantile(double a, double b, double share) {
  double low = 0;
  double high = 1;
  double x = a / (a + b);
  for (int i = 0; i < 200; i++) {
    double density;
    double excess = beta_inc(a, b, x, &density) - share;
    *(excess < 0 ? &low : &high) = x;
    double next = x - excess / density;
    if (!(next > low && next < high)) { /* true for NaN */
      next = low + (high - low) / 2;
    }
    if (fabs(next - x) <= 1e-15 * x) {
      return next;
    }
    x = next;
  }
  return x;
}

bki_rate bki_rate_of(int64_t hits, int64_t n) {
  assert(hits >= 0 && hits <= n);
  bki_rate rate = {.hits = hits, .n = n, .low = 0, .high = 1};
  if (n == 0) {
    return rate;
  }
  double all = (double)n;
  if (hits == n) {
    rate.low = exp(log(each_side) / all);
  } else if (hits > 0) {
    rate.low = beta_quantile((double)hits, all - (double)hits + 1, each_side);
  }
  if (hits == 0) {
    rate.high = -expm1(log(each_side) / all);
  } else if (hits < n) {
    rate.high = beta_quantile((double)hits + 1, all - (double)hits, 1 - each_side);
  }
  return rate;
}
