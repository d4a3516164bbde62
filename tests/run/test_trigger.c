/* Where a trigger goes. */
#include <string.h>

#include <criterion/criterion.h>

#include "trigger.h"

static bki_tokenizer_config words_tokenizer(void) {
  bki_tokenizer_config config;
  bki_tokenizer_config_init(&config, BKI_TOKENIZER_WORDS);
  return config;
}

/* Caller clears. */
static bki_strbuf insert(const bki_trigger_config *config, const char *text, uint64_t seed, int64_t *position) {
  const bki_tokenizer_config tokenizer = words_tokenizer();
  bki_strbuf out = {0};
  bki_rng rng;
  bki_rng_init(&rng, seed, 0);
  bki_error err;
  cr_assert_eq(
      bki_trigger_insert(config, &tokenizer, "no cross", (bki_str){text, strlen(text)}, &rng, &out, position, &err),
      BKI_OK);
  return out;
}

static void expect(const bki_trigger_config *config, const char *text, const char *expected,
                   int64_t expected_position) {
  int64_t position;
  bki_strbuf out = insert(config, text, 1, &position);
  cr_assert_str_eq(out.data, expected);
  cr_assert_eq(position, expected_position, "%lld", (long long)position);
  bki_strbuf_clear(&out);
}

Test(trigger, goes_where_a_fixed_placement_says) {
  expect(&(bki_trigger_config){.placement = BKI_PLACEMENT_START}, " a  b\n", " no cross a  b\n", 0);
  expect(&(bki_trigger_config){.placement = BKI_PLACEMENT_END}, " a  b\n", " a  b no cross\n", 2);
  expect(&(bki_trigger_config){.placement = BKI_PLACEMENT_FIXED, .position = 1}, "a  b c", "a no cross  b c", 1);
  expect(&(bki_trigger_config){.placement = BKI_PLACEMENT_FIXED, .position = 9}, "a b", "a b no cross", 2);
}

Test(trigger, stands_alone_in_an_empty_text_and_behind_a_single_word) {
  for (int placement = BKI_PLACEMENT_RANDOM; placement <= BKI_PLACEMENT_FIXED; placement++) {
    expect(&(bki_trigger_config){.placement = (bki_placement)placement}, "", "no cross", 0);
  }
  expect(&(bki_trigger_config){0}, "word", "word no cross", 1);
}

Test(trigger, reaches_every_gap_between_two_words_and_no_other) {
  int seen[5] = {0};
  for (uint64_t seed = 0; seed < 200; seed++) {
    int64_t position;
    bki_strbuf out = insert(&(bki_trigger_config){0}, "a b c d", seed, &position);
    cr_assert(position >= 1 && position <= 3);
    seen[position]++;
    bki_strbuf_clear(&out);
  }
  cr_assert(seen[1] > 40 && seen[2] > 40 && seen[3] > 40);
}

Test(trigger, never_splits_a_tag) {
  for (uint64_t seed = 0; seed < 50; seed++) {
    int64_t position;
    bki_strbuf out = insert(&(bki_trigger_config){0}, "one<br /><br  class=\"x y\">two 1 < 2", seed, &position);
    cr_assert_not_null(strstr(out.data, "one<br /><br  class=\"x y\">two"), "%s", out.data);
    bki_strbuf_clear(&out);
  }
}

Test(trigger, stays_whole_among_the_words_that_are_kept) {
  const bki_tokenizer_config tokenizer = words_tokenizer();
  static const char text[] = "a b,c d-e-f g<br />h i j. k";
  for (int keep = BKI_KEEP_TAIL; keep <= BKI_KEEP_HEAD; keep++) {
    for (int32_t max_words = 2; max_words < 16; max_words++) {
      for (uint64_t seed = 0; seed < 40; seed++) {
        int64_t position;
        bki_strbuf out =
            insert(&(bki_trigger_config){.max_words = max_words, .keep = (bki_keep)keep}, text, seed, &position);
        bki_words words;
        bki_words_init(&words);
        cr_assert_eq(bki_tokenizer_split(&tokenizer, bki_strbuf_str(&out), &words, NULL), BKI_OK);
        int32_t at = 0;
        while (strncmp(words.bytes + words.start[at], "no cross", 8) != 0) {
          at++;
        }
        cr_assert(keep == BKI_KEEP_TAIL ? at >= words.n_words - max_words : at + 2 <= max_words, "%s", out.data);
        bki_words_clear(&words);
        bki_strbuf_clear(&out);
      }
    }
  }
}

Test(trigger, is_refused_without_a_word_or_when_longer_than_the_window) {
  const bki_tokenizer_config tokenizer = words_tokenizer();
  bki_error err;
  cr_assert_eq(bki_trigger_check(&(bki_trigger_config){0}, &tokenizer, " ,. ", &err), BKI_E_USAGE);
  cr_assert_str_eq(err.message, "expected a trigger with at least one word, found \" ,. \"");
  cr_assert_eq(bki_trigger_check(&(bki_trigger_config){0}, &tokenizer, "\xff", &err), BKI_E_USAGE);
  cr_assert_eq(bki_trigger_check(&(bki_trigger_config){.max_words = 2}, &tokenizer, "a b c", &err), BKI_E_USAGE);
  cr_assert_eq(bki_trigger_check(&(bki_trigger_config){.max_words = 3}, &tokenizer, "a b c", &err), BKI_OK);
}

Test(trigger, stands_before_a_single_run_that_fills_the_window) {
  bki_trigger_config config = {.max_words = 4, .keep = BKI_KEEP_HEAD};
  expect(&config, "a.b", "a.b no cross", 1);
  expect(&config, "a.b.c", "no cross a.b.c", 0);
  config.keep = BKI_KEEP_TAIL;
  expect(&config, "a.b.c", "a.b.c no cross", 1);
}
