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

/* A stretch of a text around an occurrence of a word. */
typedef struct bki_context {
  const int32_t *words; /* [n], borrowed */
  int32_t n;
  int32_t anchor; /* the place of the word: 0 <= anchor < n */
} bki_context;

typedef struct bki_phrase {
  int32_t words[BKI_MAX_PHRASE_WORDS];
  int32_t n_words;
  int32_t anchor;  /* the place of the word that the contexts are of */
  int64_t support; /* contexts that hold the phrase around their anchor with at most bki_phrase_max_edits edits */
  int64_t exact;   /* those that hold it with none */
} bki_phrase;

/* The phrases that contexts of one word share: those that grow around the anchor while at least half of their members
 * hold the next word. Members are all contexts, and besides every group of contexts with the same word up to three
 * words from the anchor: a trigger of common words is a minority among the natural uses of each of them. A group has at
 * least 5 contexts, 5 % of all, and is twice as large as chance makes it.
 * The phrases are distinct. Those come first that share most, by exact (n_words - 1)^2, so that a rare long phrase
 * stands before a common pair of words; a part of a longer one is left out when half of those that hold it hold the
 * longer one. The last is the anchor alone. No contexts, no phrase.
 * max_out >= 1, room in `out`; all anchors hold the same word, which is not negative. The order of the contexts changes
 * nothing. Takes O(n log n) steps for n words in all. Errors: BKI_E_INTERNAL: out of memory. */
bki_status bki_phrase_mine(bki_phrase *out, size_t *n_out, size_t max_out, const bki_context *contexts, size_t n,
                           bki_error *err);

#endif
