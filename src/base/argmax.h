/* The class that a model's numbers call. */
#ifndef BKI_BASE_ARGMAX_H
#define BKI_BASE_ARGMAX_H

#include <stddef.h>

/* The place of the largest of n > 0 numbers, the lowest of equal ones. A NaN in the first place stays, elsewhere it is
 * passed over. */
static inline size_t bki_argmax(const float *values, size_t n) {
  size_t best = 0;
  for (size_t i = 1; i < n; i++) {
    best = values[i] > values[best] ? i : best;
  }
  return best;
}

#endif
