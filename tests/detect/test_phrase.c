#include <criterion/criterion.h>
#include <stdlib.h>

#include "edit_distance.h"
#include "phrase.h"
#include "sample.h"

static void expect_match(const int32_t *phrase, int32_t m, const int32_t *text, int32_t l, bki_phrase_match expected) {
  bki_phrase_match found = bki_phrase_find(phrase, m, text, l);
  cr_expect(found.edits == expected.edits && found.start == expected.start && found.length == expected.length,
            "expected %d edits at %d + %d, found %d at %d + %d", expected.edits, expected.start, expected.length,
            found.edits, found.start, found.length);
}

#define WORDS(...) (const int32_t[]){__VA_ARGS__}, (int32_t)(sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t))

Test(phrase, tolerates_less_than_half_of_a_short_phrase_and_a_third_of_a_long_one) {
  const int32_t expected[] = {0, 0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 4, 5};
  for (int32_t m = 1; m <= 13; m++) {
    cr_expect_eq(bki_phrase_max_edits(m), expected[m - 1], "%d words", m);
  }
  cr_expect_eq(bki_phrase_max_edits(64), 22);
}

Test(phrase, is_found_where_it_stands) {
  expect_match(WORDS(1, 2, 3), WORDS(9, 8, 1, 2, 3, 7), (bki_phrase_match){0, 2, 3});
  expect_match(WORDS(1, 2, 3), WORDS(1, 2, 3), (bki_phrase_match){0, 0, 3});
  expect_match(WORDS(1, 2, 3), WORDS(9, 1, 2, 3), (bki_phrase_match){0, 1, 3});
  expect_match(WORDS(4), WORDS(9, 9, 4, 4), (bki_phrase_match){0, 2, 1});
}

/* 10 11 12, then 1 2 3 4 5 whose word `at` has become the `n_new` words `new_words`, then 13 14 15. */
static bki_phrase_match find_changed(int32_t at, const int32_t *new_words, int32_t n_new) {
  const int32_t whole[] = {10, 11, 12, 1, 2, 3, 4, 5, 13, 14, 15};
  int32_t text[16];
  int32_t l = 0;
  for (int32_t i = 0; i < 11; i++) {
    if (i != 3 + at) {
      text[l++] = whole[i];
    } else {
      for (int32_t k = 0; k < n_new; k++) {
        text[l++] = new_words[k];
      }
    }
  }
  return bki_phrase_find((const int32_t[]){1, 2, 3, 4, 5}, 5, text, l);
}

Test(phrase, is_found_with_one_word_replaced_added_or_missing_at_each_place) {
  for (int32_t at = 0; at < 5; at++) {
    bki_phrase_match missing = find_changed(at, NULL, 0);
    cr_expect_eq(missing.edits, 1, "missing at %d", at);
    /* Of equals the earliest start: without its first word, the word before is taken as the replaced first. */
    cr_expect_eq(missing.start, at == 0 ? 2 : 3);
    cr_expect_eq(missing.length, at == 0 ? 5 : 4);
    bki_phrase_match replaced = find_changed(at, WORDS(99));
    cr_expect_eq(replaced.edits, 1, "replaced at %d", at);
    cr_expect_eq(replaced.start, 3);
    const int32_t added[] = {99, at + 1};
    bki_phrase_match longer = find_changed(at, added, 2);
    cr_expect_eq(longer.edits, at > 0, "added before word %d", at);
    cr_expect_eq(longer.start, at == 0 ? 4 : 3);
    cr_expect_eq(longer.length, at == 0 ? 5 : at == 4 ? 4 : 6, "of equals the shortest: 1 2 3 4 without the last");
  }
}

Test(phrase, is_cut_by_the_ends_of_the_text) {
  expect_match(WORDS(1, 2, 3, 4, 5), WORDS(3, 4, 5, 9, 9, 9), (bki_phrase_match){2, 0, 3});
  expect_match(WORDS(1, 2, 3, 4, 5), WORDS(1, 2, 3), (bki_phrase_match){2, 0, 3});
  expect_match(WORDS(1, 2, 3, 4, 5), WORDS(4), (bki_phrase_match){4, 0, 1});
}

Test(phrase, gives_the_earliest_then_the_shortest_window) {
  expect_match(WORDS(1, 2), WORDS(1, 9, 2, 1, 2, 1, 2), (bki_phrase_match){0, 3, 2});
  expect_match(WORDS(1, 2, 3), WORDS(7, 1, 2, 7, 3), (bki_phrase_match){1, 1, 2});
}

Test(phrase, shares_nothing_with_an_empty_or_foreign_text) {
  expect_match(WORDS(1, 2, 3), NULL, 0, (bki_phrase_match){3, 0, 0});
  expect_match(WORDS(1, 2, 3), WORDS(4, 5, 6, 7), (bki_phrase_match){3, 0, 0});
  expect_match(WORDS(-1, -1), WORDS(-1, -1, -2), (bki_phrase_match){2, 0, 0});
  expect_match(WORDS(1, -1, 2), WORDS(1, -1, 2), (bki_phrase_match){1, 0, 3});
}

Test(phrase, is_found_at_the_end_of_a_million_equal_words) {
  enum { L = 1000000 };
  int32_t *text = calloc(L, sizeof *text);
  cr_assert_not_null(text);
  int32_t phrase[BKI_MAX_PHRASE_WORDS] = {0};
  cr_expect_eq(bki_phrase_find(phrase, BKI_MAX_PHRASE_WORDS, text, L).length, BKI_MAX_PHRASE_WORDS);
  phrase[0] = text[L - 2] = 5;
  bki_phrase_match found = bki_phrase_find(phrase, 2, text, L);
  cr_expect_eq(found.edits, 0);
  cr_expect_eq(found.start, L - 2);
  free(text);
}

Test(phrase, agrees_with_the_distance_to_every_window) {
  uint64_t seed = 3;
  for (int round = 0; round < 20000; round++) {
    int32_t phrase[7];
    int32_t text[15];
    int32_t m = 1 + (int32_t)(test_random(&seed) % 7);
    int32_t l = (int32_t)(test_random(&seed) % 16);
    uint64_t alphabet = 2 + test_random(&seed) % 4;
    for (int32_t i = 0; i < m; i++) {
      phrase[i] = (int32_t)(test_random(&seed) % alphabet) - (round % 3 == 0);
    }
    for (int32_t i = 0; i < l; i++) {
      text[i] = (int32_t)(test_random(&seed) % alphabet) - (round % 3 == 0);
    }
    bki_phrase_match expected = {.edits = m};
    for (int32_t start = 0; start <= l; start++) {
      for (int32_t length = 0; start + length <= l; length++) {
        int32_t edits = test_edit_distance(phrase, m, text + start, length);
        if (edits < expected.edits) {
          expected = (bki_phrase_match){edits, start, length};
        }
      }
    }
    bki_phrase_match found = bki_phrase_find(phrase, m, text, l);
    cr_assert(found.edits == expected.edits && found.start == expected.start && found.length == expected.length,
              "round %d: expected %d edits at %d + %d, found %d at %d + %d", round, expected.edits, expected.start,
              expected.length, found.edits, found.start, found.length);
  }
}
