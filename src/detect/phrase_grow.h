/* One phrase from contexts that are taken to share it: star alignment at the anchor. */
#ifndef BKI_DETECT_PHRASE_GROW_H
#define BKI_DETECT_PHRASE_GROW_H

#include "phrase.h"

/* Where a member stands on its way from the anchor outwards. */
typedef struct bki_phrase_cursor {
  int32_t at;       /* in the context, the place of the phrase's next word */
  int32_t n_missed; /* words of the phrase in a row; 2: lost, it supports no more words */
} bki_phrase_cursor;

/* The word `place`, -1 outside of the context. */
static inline int32_t bki_context_word(const bki_context *context, int64_t place) {
  return place >= 0 && place < context->n ? context->words[place] : -1;
}

/* The phrase of the contexts members[0 .. n - 1], n >= 1, with support and exact 0. A word is added while at least half
 * of the members, and three, have it in its place; a member that is one edit off finds back by the words after it.
 * Room: cursors [n], votes [n]. */
void bki_phrase_grow(bki_phrase *out, const bki_context *contexts, const int32_t *members, size_t n,
                     bki_phrase_cursor *cursors, int32_t *votes);

#endif
