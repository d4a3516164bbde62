/* The edit distance by its definition, for short stretches of words: what the faster searches are held against. */
#ifndef BKI_TEST_EDIT_DISTANCE_H
#define BKI_TEST_EDIT_DISTANCE_H

#include <criterion/criterion.h>
#include <stdint.h>

enum { TEST_MAX_DISTANCE_WORDS = 31 };

/* Words added, missing and replaced between a [m] and b [n]; a negative word equals nothing. */
static inline int32_t test_edit_distance(const int32_t *a, int32_t m, const int32_t *b, int32_t n) {
  int32_t d[TEST_MAX_DISTANCE_WORDS + 1][TEST_MAX_DISTANCE_WORDS + 1];
  cr_assert(m <= TEST_MAX_DISTANCE_WORDS && n <= TEST_MAX_DISTANCE_WORDS);
  for (int32_t i = 0; i <= m; i++) {
    for (int32_t j = 0; j <= n; j++) {
      int32_t best = i == 0 ? j : d[i - 1][j] + 1;
      if (i > 0 && j > 0) {
        int32_t kept = d[i - 1][j - 1] + (a[i - 1] != b[j - 1] || a[i - 1] < 0);
        best = kept < best ? kept : best;
      }
      if (j > 0) {
        best = d[i][j - 1] + 1 < best ? d[i][j - 1] + 1 : best;
      }
      d[i][j] = best;
    }
  }
  return d[m][n];
}

#endif
