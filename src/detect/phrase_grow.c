#include "phrase_grow.h"

#include <stdlib.h>
#include <string.h>

enum { LOST = 2 };

typedef struct growth {
  const bki_context *contexts;
  const int32_t *members; /* [n] */
  size_t n;
  bki_phrase_cursor *cursors; /* [n] */
  int32_t *votes;             /* [n] */
  int32_t step;               /* +1 to the right of the anchor, -1 to the left */
} growth;

static int compare_words(const void *a, const void *b) {
  int32_t x = *(const int32_t *)a;
  int32_t y = *(const int32_t *)b;
  return (x > y) - (x < y);
}

/* Half of the members; of fewer than twelve a third and two more, as three of five often share a word by chance. Never
 * fewer than three. */
static bool enough(const growth *g, size_t votes) {
  return 2 * votes >= g->n && 3 * votes >= g->n + 6;
}

/* The word that most members, and enough of them, have where the phrase goes on, the smaller of equals; -1: none. */
static int32_t next_word(const growth *g) {
  size_t n_votes = 0;
  for (size_t i = 0; i < g->n; i++) {
    const bki_phrase_cursor *cursor = &g->cursors[i];
    /* After a miss the word was more likely replaced than left out. */
    int64_t place = (int64_t)cursor->at + (int64_t)cursor->n_missed * g->step;
    int32_t word = cursor->n_missed == LOST ? -1 : bki_context_word(&g->contexts[g->members[i]], place);
    if (word >= 0) {
      g->votes[n_votes++] = word;
    }
  }
  qsort(g->votes, n_votes, sizeof *g->votes, compare_words);
  int32_t best = -1;
  size_t most = 0;
  for (size_t i = 0, run = 0; i < n_votes; i++) {
    run = i > 0 && g->votes[i] == g->votes[i - 1] ? run + 1 : 1;
    if (run > most) {
      most = run;
      best = g->votes[i];
    }
  }
  return enough(g, most) ? best : -1;
}

/* Where the member holds `word`: at its cursor, or one behind it. In step the one before it was added; after a miss, at
 * the cursor the word missed was left out, and one behind it was replaced. -1: nowhere. */
static int32_t find_word(const growth *g, size_t i, int32_t word) {
  const bki_phrase_cursor *cursor = &g->cursors[i];
  const bki_context *context = &g->contexts[g->members[i]];
  if (cursor->n_missed == LOST) {
    return -1;
  }
  for (int32_t tried = 0; tried < 2; tried++) {
    bool behind = (tried == 0) == (cursor->n_missed > 0);
    int32_t place = cursor->at + (behind ? g->step : 0);
    if (bki_words_equal(bki_context_word(context, place), word)) {
      return place;
    }
  }
  return -1;
}

static int32_t grow_side(growth *g, int32_t step, int32_t *words, int32_t room) {
  g->step = step;
  for (size_t i = 0; i < g->n; i++) {
    g->cursors[i] = (bki_phrase_cursor){.at = g->contexts[g->members[i]].anchor + step};
  }
  for (int32_t n_words = 0; n_words < room; n_words++) {
    int32_t word = next_word(g);
    if (word < 0) {
      return n_words;
    }
    words[n_words] = word;
    for (size_t i = 0; i < g->n; i++) {
      bki_phrase_cursor *cursor = &g->cursors[i];
      int32_t place = find_word(g, i, word);
      if (place >= 0) {
        *cursor = (bki_phrase_cursor){.at = place + step};
      } else if (cursor->n_missed < LOST) {
        cursor->n_missed++;
      }
    }
  }
  return room;
}

void bki_phrase_grow(bki_phrase *out, const bki_context *contexts, const int32_t *members, size_t n,
                     bki_phrase_cursor *cursors, int32_t *votes) {
  growth g = {.contexts = contexts, .members = members, .n = n, .cursors = cursors, .votes = votes};
  const bki_context *first = &contexts[members[0]];
  int32_t right[BKI_MAX_PHRASE_WORDS];
  int32_t left[BKI_MAX_PHRASE_WORDS]; /* outwards */
  int32_t n_right = grow_side(&g, 1, right, BKI_MAX_PHRASE_WORDS - 1);
  int32_t n_left = grow_side(&g, -1, left, BKI_MAX_PHRASE_WORDS - 1 - n_right);
  *out = (bki_phrase){.n_words = n_left + 1 + n_right, .anchor = n_left};
  for (int32_t i = 0; i < n_left; i++) {
    out->words[i] = left[n_left - 1 - i];
  }
  out->words[n_left] = first->words[first->anchor];
  memcpy(out->words + n_left + 1, right, (size_t)n_right * sizeof *right);
}
