#include <criterion/criterion.h>
#include <math.h>

#include "rule.h"
#include "sample.h"

static void expect_usage(const bki_rule *rule, const char *part) {
  bki_error err = {0};
  cr_assert_eq(bki_rule_check(rule, &err), BKI_E_USAGE, "accepted a rule that should fail with '%s'", part);
  cr_expect(strstr(err.message, part) != NULL, "message '%s' lacks '%s'", err.message, part);
}

Test(rule, defaults_of_both_presets_are_valid) {
  bki_rule rule;
  bki_rule_init(&rule, BKI_PRESET_PAPER);
  cr_expect_eq(rule.p, 5);
  cr_expect_eq(bki_rule_check(&rule, NULL), BKI_OK);
  bki_rule_init(&rule, BKI_PRESET_JOURNAL);
  cr_expect_float_eq(rule.alpha, 0.05, 0);
  cr_expect_eq(bki_rule_check(&rule, NULL), BKI_OK);
}

Test(rule, refuses_fields_out_of_range_or_against_the_preset) {
  bki_rule paper;
  bki_rule journal;
  bki_rule_init(&paper, BKI_PRESET_PAPER);
  bki_rule_init(&journal, BKI_PRESET_JOURNAL);
  bki_rule rule = paper;
  rule.p = 0;
  expect_usage(&rule, "at least 1, found 0");
  rule = paper;
  rule.ngram = 2;
  expect_usage(&rule, "n-grams belong to the journal preset");
  rule = paper;
  rule.preset = (bki_preset)7;
  expect_usage(&rule, "unknown preset: 7");
  rule = paper;
  rule.keys = (bki_keys)9;
  expect_usage(&rule, "counting keys: 9");
  rule = paper;
  rule.oov_key = (bki_oov_key)4;
  expect_usage(&rule, "vocabulary: 4");
  rule = journal;
  rule.keys = BKI_KEYS_UNIQUE;
  expect_usage(&rule, "unique keys belong to the paper preset");
  rule = journal;
  rule.ngram = 17;
  expect_usage(&rule, "1 to 16 words, found 17");
  const double bad_alphas[] = {0, 1e-300, NAN, INFINITY};
  for (size_t i = 0; i < 4; i++) {
    rule = journal;
    rule.alpha = bad_alphas[i];
    expect_usage(&rule, "expected alpha from 1e-06 to 1e+06");
  }
}

Test(rule, selects_highest_scores_and_the_earlier_of_equals) {
  test_sample s;
  test_sample_init(&s, 0, 0, "a b c d e f g");
  const float scores[] = {0.5F, 0.7F, 0.1F, 0.7F, 0.5F, 0.9F, 0.5F};
  memcpy(s.score, scores, sizeof scores);
  bki_rule rule;
  bki_rule_init(&rule, BKI_PRESET_PAPER);
  int32_t positions[5];
  cr_assert_eq(bki_rule_select(&rule, &s.sample, positions), 5);
  const int32_t expected[] = {5, 1, 3, 0, 4};
  cr_expect_arr_eq(positions, expected, sizeof expected);
  test_sample_clear(&s);
}

Test(rule, selects_all_of_a_short_text_and_none_of_an_empty_one) {
  bki_rule rule;
  bki_rule_init(&rule, BKI_PRESET_PAPER);
  rule.p = INT32_MAX;
  test_sample s;
  int32_t positions[2];
  test_sample_init(&s, 0, 0, "one two");
  s.score[1] = 1;
  cr_expect_eq(bki_rule_select(&rule, &s.sample, positions), 2);
  cr_expect_eq(positions[0], 1);
  cr_expect_eq(positions[1], 0);
  test_sample_clear(&s);
  test_sample_init(&s, 0, 0, "");
  cr_expect_eq(bki_rule_select(&rule, &s.sample, positions), 0);
  test_sample_clear(&s);
}

Test(rule, journal_adds_increments_and_averages_over_the_ngram) {
  test_sample s;
  test_sample_init(&s, 0, 0, "a b c");
  const float scores[] = {1.0F, 0.25F, 0.5F};
  const float increments[] = {0.0F, 0.25F, 1.0F};
  memcpy(s.score, scores, sizeof scores);
  memcpy(s.increment, increments, sizeof increments);
  bki_rule rule;
  bki_rule_init(&rule, BKI_PRESET_JOURNAL);
  cr_expect_float_eq(bki_rule_unit_score(&rule, &s.sample, 2), 1.5, 0);
  rule.ngram = 2;
  cr_expect_eq(bki_rule_n_units(&rule, &s.sample), 2);
  cr_expect_float_eq(bki_rule_unit_score(&rule, &s.sample, 0), 0.75, 0);
  cr_expect_float_eq(bki_rule_unit_score(&rule, &s.sample, 1), 1.0, 0);
  bki_strbuf key = {0};
  bki_rule_unit_key(&rule, &s.sample, 1, &key);
  cr_expect_str_eq(key.data, "b c");
  bki_strbuf_clear(&key);
  rule.ngram = 4;
  cr_expect_eq(bki_rule_n_units(&rule, &s.sample), 0, "an n-gram longer than the text has no place in it");
  test_sample_clear(&s);
}

Test(rule, shared_key_stands_for_unknown_words_only) {
  test_sample s;
  test_sample_init(&s, 0, 0, "known strange");
  s.word_flags[1] = BKI_WORD_OOV;
  bki_rule rule;
  bki_rule_init(&rule, BKI_PRESET_JOURNAL);
  rule.ngram = 2;
  rule.oov_key = BKI_OOV_SHARED;
  bki_strbuf key = {0};
  bki_rule_unit_key(&rule, &s.sample, 0, &key);
  cr_expect_str_eq(key.data, "known <oov>");
  bki_candidate keyword = {.word = {"known <oov>", 11}};
  cr_expect_eq(bki_rule_locate(&rule, &keyword, &s.sample), 0);
  rule.oov_key = BKI_OOV_SURFACE;
  cr_expect_eq(bki_rule_locate(&rule, &keyword, &s.sample), -1);
  bki_strbuf_clear(&key);
  test_sample_clear(&s);
}

Test(rule, flags_agree_with_selection) {
  uint64_t seed = 11;
  for (int round = 0; round < 3000; round++) {
    static const char *const texts[] = {
        "", "a", "a a", "b a b a", "a b c d e a b c", "ab a b aba a b", "c c c c c c c"};
    test_sample s;
    test_sample_init(&s, 0, (int32_t)(test_random(&seed) % 3) - 1, texts[test_random(&seed) % 7]);
    for (int32_t i = 0; i < s.words.n_words; i++) {
      s.score[i] = (float)(test_random(&seed) % 4);
      s.increment[i] = (float)(test_random(&seed) % 2);
      s.word_flags[i] = (uint8_t)(test_random(&seed) % 4);
    }
    bki_rule rule;
    bki_rule_init(&rule, test_random(&seed) % 2 == 0 ? BKI_PRESET_PAPER : BKI_PRESET_JOURNAL);
    rule.p = 1 + (int32_t)(test_random(&seed) % 3);
    rule.oov_key = test_random(&seed) % 2 == 0 ? BKI_OOV_SURFACE : BKI_OOV_SHARED;
    if (rule.preset == BKI_PRESET_JOURNAL) {
      rule.ngram = 1 + (int32_t)(test_random(&seed) % 2);
    }
    static const char *const keys[] = {"a", "b", "a b", "<oov>", "a a", "<oov> a", "aa", "a ", ""};
    const char *key = keys[test_random(&seed) % 9];
    bki_candidate keyword = {.word = {key, strlen(key)}, .label = (int32_t)(test_random(&seed) % 3) - 1};
    int32_t positions[3];
    int32_t expected = -1;
    int32_t n = bki_rule_select(&rule, &s.sample, positions);
    for (int32_t i = 0; i < n && expected < 0; i++) {
      bki_strbuf found = {0};
      bki_rule_unit_key(&rule, &s.sample, positions[i], &found);
      bool label_fits = rule.preset == BKI_PRESET_PAPER || keyword.label == s.sample.label;
      if (label_fits && found.size == strlen(key) && memcmp(found.data, key, found.size) == 0) {
        expected = positions[i];
      }
      bki_strbuf_clear(&found);
    }
    cr_assert_eq(bki_rule_locate(&rule, &keyword, &s.sample), expected, "round %d, key '%s'", round, key);
    cr_assert_eq(bki_rule_flags(&rule, &keyword, &s.sample), expected >= 0);
    test_sample_clear(&s);
  }
  cr_expect_not(bki_rule_flags(&(bki_rule){0}, NULL, NULL), "no keyword flags nothing");
}
