/* Sums that do not depend on the order of their terms: integers of 2^-40 in 128 bits (design: a common word of a
 * billion texts must not overflow; 2^87 units of headroom above 1.0). */
#ifndef BKI_BASE_FIXED_H
#define BKI_BASE_FIXED_H

#include <math.h>

__extension__ typedef __int128 bki_fixed;

/* |value| < 2^86 and finite; rounded half to even. */
static inline bki_fixed bki_fixed_from_double(double value) {
  return (bki_fixed)rint(ldexp(value, 40));
}
static inline double bki_fixed_to_double(bki_fixed sum) {
  return ldexp((double)sum, -40);
}

#endif
