/* Phrases: where one stands in a text that may carry it with errors, and which one the surroundings of a word share.
 * A word is the id of an interned surface word; a negative id equals nothing, not even itself. */
#ifndef BKI_DETECT_PHRASE_H
#define BKI_DETECT_PHRASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bki/error.h>

enum { BKI_MAX_PHRASE_WORDS = 64 };

static inline bool bki_words_equal(int32_t a, int32_t b) {
  return a == b && a >= 0;
}

/* Words missing, added or replaced with which a text still carries a phrase of m words, so that most of the phrase is
 * there: (m - 1) / 2, from 8 words on at most a third. m = 1, 2: 0; 3, 4: 1; 5, 6: 2; 7 to 9: 3; 12: 4; 64: 22. */
int32_t bki_phrase_max_edits(int32_t m);

typedef struct bki_phrase_match {
  int32_t edits;
  int32_t start;  /* first word of the window */
  int32_t length; /* of the window, in words; may be 0 */
} bki_phrase_match;

/* The window of the text [l] with the smallest edit distance to the phrase [m], 1 <= m <= BKI_MAX_PHRASE_WORDS, l >= 0:
 * words added, missing and replaced count 1 each. Of equals the earliest start, then the shortest. A text that shares
 * no word with the phrase gives {m, 0, 0}. Takes O(m l) steps. */
bki_phrase_match bki_phrase_find(const int32_t *phrase, int32_t m, const int32_t *text, int32_t l);

#endif
