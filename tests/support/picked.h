/* Scores of picked words: the bytes of a score of all words, and nothing else is written. */
#ifndef BKI_TESTS_PICKED_H
#define BKI_TESTS_PICKED_H

#include <string.h>

#include "backend.h"
#include "random_model.h"

/* Which words of a text are picked. */
typedef enum pick_way {
  PICK_THIRD,
  PICK_ALL,
  PICK_NONE,
  PICK_FIRST,
  PICK_LAST,
  PICK_ENDS,
  PICK_ONE,
  PICK_WAYS
} pick_way;

static inline bool is_picked(pick_way way, int32_t j, int32_t one, int32_t length, uint64_t *seed) {
  switch (way) {
    case PICK_THIRD: return random_below(seed, 3) == 0;
    case PICK_ALL: return true;
    case PICK_FIRST: return j == 0;
    case PICK_LAST: return j == length - 1;
    case PICK_ENDS: return j == 0 || j == length - 1;
    case PICK_ONE: return j == one;
    default: return false;
  }
}

/* Words of each text: of text i in the way i + round. */
static inline bki_picks *make_picks(const corpus *c, size_t round, uint64_t seed) {
  bki_picks *picks = calloc(c->n + 1, sizeof *picks);
  for (size_t i = 0; i < c->n; i++) {
    const int32_t l = c->sequences[i].length;
    const int32_t one = l > 0 ? random_below(&seed, l) : 0;
    int32_t *positions = malloc(sizeof *positions * ((size_t)l + 1));
    picks[i].position = positions;
    for (int32_t j = 0; j < l; j++) {
      if (is_picked((pick_way)((i + round) % PICK_WAYS), j, one, l, &seed)) {
        positions[picks[i].n++] = j;
      }
    }
  }
  return picks;
}

static inline void free_picks(bki_picks *picks, size_t n) {
  for (size_t i = 0; i < n; i++) {
    free((void *)(uintptr_t)picks[i].position);
  }
  free(picks);
}

static inline void check_picked_text(const corpus *all, const corpus *some, const bki_picks *picks, size_t i,
                                     const char *what) {
  const bki_scores *want = &all->scores[i];
  const bki_scores *got = &some->scores[i];
  cr_assert_eq(got->predicted, want->predicted, "%s: text %zu: predicted", what, i);
  int32_t k = 0;
  for (int32_t j = 0; j < all->sequences[i].length; j++) {
    const bool picked = k < picks[i].n && picks[i].position[k] == j;
    k += picked;
    const float expected = picked ? want->score[j] : -1;
    cr_assert(memcmp(&got->score[j], &expected, sizeof expected) == 0, "%s: text %zu, word %d: %.9g for %.9g", what, i,
              j, (double)got->score[j], (double)expected);
    cr_assert_eq(got->flip[j], picked ? want->flip[j] : 7, "%s: text %zu, word %d", what, i, j);
  }
}

/* Scores picked words of the texts of `all`, which are scored; `some` has room for it. */
static inline void check_round(bki_backend *backend, const bki_model_config *model, const corpus *all, corpus *some,
                               size_t round, const char *what) {
  bki_picks *picks = make_picks(all, round, round);
  for (size_t i = 0; i < some->n; i++) {
    for (int32_t j = 0; j < some->sequences[i].length; j++) {
      some->scores[i].score[j] = -1;
      some->scores[i].flip[j] = 7;
    }
  }
  bki_error err;
  cr_assert_eq(bki_backend_score_some(backend, model, all->sequences, picks, all->n, some->scores, &err), BKI_OK, "%s",
               err.message);
  for (size_t i = 0; i < all->n; i++) {
    check_picked_text(all, some, picks, i, what);
  }
  free_picks(picks, all->n);
}

/* Every text with words picked in every way. */
static inline void check_picks(bki_backend *backend, const bki_model_config *model, const int32_t *lengths, size_t n,
                               const char *what) {
  corpus all = random_corpus(5, model->vocabulary_size, lengths, n, false);
  corpus some = random_corpus(5, model->vocabulary_size, lengths, n, false);
  bki_error err;
  cr_assert_eq(backend->ops->score(backend, all.sequences, n, all.scores, &err), BKI_OK, "%s", err.message);
  for (size_t round = 0; round < PICK_WAYS; round++) {
    check_round(backend, model, &all, &some, round, what);
  }
  corpus_free(&all);
  corpus_free(&some);
}

#endif
