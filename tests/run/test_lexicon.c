#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lexicon.h"

static bki_str str(const char *text) {
  return (bki_str){text, strlen(text)};
}

Test(lexicon, numbers_words_in_the_order_in_which_they_come) {
  bki_lexicon lexicon = {0};
  int32_t id;
  cr_assert_eq(bki_lexicon_init(&lexicon, NULL), BKI_OK);
  char word[16];
  for (int round = 0; round < 2; round++) {
    for (int32_t i = 0; i < 5000; i++) {
      snprintf(word, sizeof word, "w%d", (int)i); /* the lexicon keeps a copy */
      cr_assert_eq(bki_lexicon_add(&lexicon, str(word), &id, NULL), BKI_OK);
      cr_assert_eq(id, i);
    }
  }
  cr_expect_eq(lexicon.n, 5000);
  for (int32_t i = 0; i < 5000; i++) {
    bki_str kept = bki_lexicon_word(&lexicon, i);
    snprintf(word, sizeof word, "w%d", (int)i);
    cr_assert(kept.size == strlen(word) && memcmp(kept.data, word, kept.size) == 0);
    cr_assert_eq(bki_lexicon_find(&lexicon, str(word)), i);
  }
  bki_lexicon_clear(&lexicon);
  bki_lexicon_clear(&lexicon);
}

Test(lexicon, tells_words_apart_by_all_their_bytes) {
  bki_lexicon lexicon = {0};
  const bki_str words[] = {{"", 0}, {"a", 1}, {"a\0b", 3}, {"a\0c", 3}, {"ab", 2}, {"A", 1}};
  cr_assert_eq(bki_lexicon_init(&lexicon, NULL), BKI_OK);
  cr_expect_eq(bki_lexicon_find(&lexicon, words[0]), -1);
  for (int32_t i = 0; i < 6; i++) {
    int32_t id;
    cr_assert_eq(bki_lexicon_add(&lexicon, words[i], &id, NULL), BKI_OK);
    cr_expect_eq(id, i);
  }
  cr_expect_eq(bki_lexicon_find(&lexicon, str("b")), -1);
  bki_lexicon_clear(&lexicon);
}
