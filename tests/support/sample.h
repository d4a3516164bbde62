/* Scored samples for tests. */
#ifndef BKI_TESTS_SAMPLE_H
#define BKI_TESTS_SAMPLE_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include <bki/dictionary.h>

typedef struct test_sample {
  bki_sample sample;
  bki_words words;
  float *score;
  float *increment;
  uint8_t *word_flags;
} test_sample;

/* Words joined by spaces; scores, increments and flags are zero. */
static inline void test_sample_init(test_sample *s, int64_t index, int32_t label, const char *text) {
  memset(s, 0, sizeof *s);
  bki_words_init(&s->words);
  cr_assert_eq(bki_words_split(&s->words, (bki_str){text, strlen(text)}, NULL), BKI_OK);
  size_t n = (size_t)s->words.n_words;
  s->score = calloc(n + 1, sizeof *s->score);
  s->increment = calloc(n + 1, sizeof *s->increment);
  s->word_flags = calloc(n + 1, sizeof *s->word_flags);
  s->sample = (bki_sample){.index = index,
                           .label = label,
                           .words = &s->words,
                           .score = s->score,
                           .increment = s->increment,
                           .word_flags = s->word_flags};
}

static inline void test_sample_clear(test_sample *s) {
  bki_words_clear(&s->words);
  free(s->score);
  free(s->increment);
  free(s->word_flags);
}

/* splitmix64: a fixed sequence for a fixed seed. */
static inline uint64_t test_random(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

#endif
