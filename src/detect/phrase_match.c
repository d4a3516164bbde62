#include <assert.h>

#include "phrase.h"

int32_t bki_phrase_max_edits(int32_t m) {
  int32_t half = (m - 1) / 2;
  int32_t third = (m + 2) / 3;
  return half < third ? half : third;
}

/* The edits of a path and the place where it starts, as one number: the smaller is the better, edits first. */
static const int64_t one_edit = (int64_t)1 << 32;

static int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/* Sellers, The Theory and Computation of Evolutionary Distances: Pattern Recognition (1980): a path may start anywhere
 * in the text at no cost. cell[i]: the best path that ends at word j with i words of the phrase. */
bki_phrase_match bki_phrase_find(const int32_t *phrase, int32_t m, const int32_t *text, int32_t l) {
  assert(m >= 1 && m <= BKI_MAX_PHRASE_WORDS && l >= 0);
  int64_t cell[BKI_MAX_PHRASE_WORDS + 1];
  for (int32_t i = 0; i <= m; i++) {
    cell[i] = i * one_edit;
  }
  int64_t best = cell[m];
  int32_t end = 0;
  for (int32_t j = 1; j <= l; j++) {
    int64_t diagonal = cell[0];
    cell[0] = j;
    for (int32_t i = 1; i <= m; i++) {
      int64_t replaced = diagonal + (bki_words_equal(phrase[i - 1], text[j - 1]) ? 0 : one_edit);
      diagonal = cell[i];
      cell[i] = smaller(replaced, smaller(cell[i], cell[i - 1]) + one_edit);
    }
    if (cell[m] < best) {
      best = cell[m];
      end = j;
    }
  }
  int32_t start = (int32_t)(best % one_edit);
  return (bki_phrase_match){.edits = (int32_t)(best / one_edit), .start = start, .length = end - start};
}
