/* Words as numbers, for comparing them. */
#ifndef BKI_RUN_LEXICON_H
#define BKI_RUN_LEXICON_H

#include <stddef.h>
#include <stdint.h>

#include <bki/error.h>
#include <bki/text.h>

#include "strmap.h"

/* Initialise with {0}. */
typedef struct bki_lexicon {
  bki_strmap *ids; /* -> int32_t, 1 more than the id */
  bki_arena *arena;
  bki_str *words; /* [n] */
  size_t n;
  size_t capacity;
} bki_lexicon;

bki_status bki_lexicon_init(bki_lexicon *lexicon, bki_error *err);
void bki_lexicon_clear(bki_lexicon *lexicon);
/* The id of a word, which is added where it is not there. */
bki_status bki_lexicon_add(bki_lexicon *lexicon, bki_str word, int32_t *id, bki_error *err);
/* The id, or -1. */
int32_t bki_lexicon_find(const bki_lexicon *lexicon, bki_str word);
bki_str bki_lexicon_word(const bki_lexicon *lexicon, int32_t id);

#endif
