#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "lookup.h"
#include "sample.h"

enum { N_CLASSES = 3 };

static bki_dictionary *new_dictionary(const bki_rule *rule) {
  bki_dictionary *dictionary = NULL;
  bki_error err = {0};
  cr_assert_eq(bki_dictionary_create(&dictionary, rule, N_CLASSES, &err), BKI_OK, "%s", err.message);
  return dictionary;
}

static void add(bki_dictionary *dictionary, const test_sample *s) {
  bki_error err = {0};
  cr_assert_eq(bki_dictionary_add(dictionary, &s->sample, &err), BKI_OK, "%s", err.message);
}

static const bki_candidate *rank(bki_dictionary *dictionary, size_t *n) {
  const bki_candidate *candidates = NULL;
  cr_assert_eq(bki_dictionary_rank(dictionary, 0, &candidates, n, NULL), BKI_OK);
  return candidates;
}

static const bki_candidate *find(bki_dictionary *dictionary, const char *word, int32_t label) {
  size_t n;
  const bki_candidate *candidates = rank(dictionary, &n);
  for (size_t i = 0; i < n; i++) {
    if (candidates[i].word.size == strlen(word) && memcmp(candidates[i].word.data, word, strlen(word)) == 0 &&
        candidates[i].label == label) {
      return &candidates[i];
    }
  }
  cr_assert_fail("'%s' (label %d) is not in the dictionary", word, label);
  return NULL;
}

/* "x y x z" with scores 0.5 0.25 1 0: x twice. */
static void repeated_word(test_sample *s, int32_t label) {
  test_sample_init(s, 0, label, "x y x z");
  const float scores[] = {0.5F, 0.25F, 1.0F, 0.0F};
  memcpy(s->score, scores, sizeof scores);
  s->word_flags[0] = BKI_WORD_FLIP;
}

Test(dictionary, paper_counts_every_selected_position) {
  test_sample s;
  repeated_word(&s, 1);
  bki_rule rule;
  bki_rule_init(&rule, BKI_PRESET_PAPER);
  rule.p = 3;
  bki_dictionary *d = new_dictionary(&rule);
  add(d, &s);
  cr_expect_eq(bki_dictionary_size(d), 2);
  const bki_candidate *x = find(d, "x", -1);
  cr_expect_eq(x->count, 2);
  cr_expect_eq(x->n_samples, 1);
  cr_expect_eq(x->n_flips, 1);
  cr_expect_float_eq(x->mean, 0.75, 0);
  cr_expect_float_eq(x->g, 0.75 * log10(2.0), 0);
  const int64_t by_label[] = {0, 1, 0, 0};
  cr_expect_arr_eq(x->label_counts, by_label, sizeof by_label);
  const bki_candidate *y = find(d, "y", -1);
  cr_expect_float_eq(y->g, 0, 0, "a word that was selected once has g = 0");
  cr_expect_eq(y->n_flips, 0);
  bki_dictionary_destroy(d);
  test_sample_clear(&s);
}

Test(dictionary, unique_counts_a_word_once_a_sample_with_its_highest_score) {
  test_sample s;
  repeated_word(&s, -1);
  bki_rule rule;
  bki_rule_init(&rule, BKI_PRESET_PAPER);
  rule.keys = BKI_KEYS_UNIQUE;
  bki_dictionary *d = new_dictionary(&rule);
  add(d, &s);
  add(d, &s);
  const bki_candidate *x = find(d, "x", -1);
  cr_expect_eq(x->count, 2);
  cr_expect_float_eq(x->mean, 1.0, 0);
  cr_expect_eq(x->label_counts[N_CLASSES], 2, "samples without a label are counted last");
  bki_dictionary_destroy(d);
  test_sample_clear(&s);
}

Test(dictionary, journal_averages_within_a_sample_and_keys_by_label) {
  test_sample s;
  repeated_word(&s, 1);
  bki_rule rule;
  bki_rule_init(&rule, BKI_PRESET_JOURNAL);
  bki_dictionary *d = new_dictionary(&rule);
  for (int i = 0; i < 60; i++) {
    s.sample.label = i % 2;
    add(d, &s);
  }
  const bki_candidate *x = find(d, "x", 1);
  cr_expect_eq(x->count, 30);
  cr_expect_float_eq(x->mean, 0.75, 0);
  double s_value = (0.05 * 60) * (0.05 * 60);
  cr_expect_float_eq(x->g, 0.75 * log10(30.0) * log10(s_value / 30), 1e-15);
  cr_expect_lt(x->g, 0, "a key of more samples than s ranks below nothing");
  bki_dictionary_destroy(d);
  test_sample_clear(&s);
}

Test(dictionary, journal_refuses_a_sample_without_increments) {
  test_sample s;
  repeated_word(&s, 1);
  s.sample.increment = NULL;
  bki_rule rule;
  bki_rule_init(&rule, BKI_PRESET_JOURNAL);
  bki_dictionary *d = new_dictionary(&rule);
  bki_error err = {0};
  cr_expect_eq(bki_dictionary_add(d, &s.sample, &err), BKI_E_USAGE);
  cr_expect(strstr(err.message, "increments") != NULL);
  cr_expect_eq(bki_dictionary_n_samples(d), 0);
  bki_dictionary_destroy(d);
  test_sample_clear(&s);
}

static int64_t count_of(bki_dictionary *dictionary, const char *word, int32_t label) {
  return bki_dictionary_count(dictionary, (bki_str){word, strlen(word)}, label);
}

Test(dictionary, paper_looks_a_word_up_whatever_the_label) {
  test_sample s;
  repeated_word(&s, 1);
  bki_rule rule;
  bki_rule_init(&rule, BKI_PRESET_PAPER);
  rule.p = 3;
  bki_dictionary *d = new_dictionary(&rule);
  cr_expect_eq(count_of(d, "x", 1), 0);
  add(d, &s);
  size_t n;
  rank(d, &n);
  for (int32_t label = -1; label < N_CLASSES; label++) {
    cr_expect_eq(count_of(d, "x", label), 2);
    cr_expect_eq(count_of(d, "y", label), 1);
    cr_expect_eq(count_of(d, "z", label), 0, "not among the best three");
    cr_expect_eq(count_of(d, "", label), 0);
    cr_expect_eq(count_of(d, "x y", label), 0);
  }
  size_t again;
  rank(d, &again);
  cr_expect(n == 2 && again == 2, "looking up adds nothing");
  bki_dictionary_destroy(d);
  test_sample_clear(&s);
}

Test(dictionary, journal_looks_a_unit_up_with_its_label) {
  test_sample s;
  repeated_word(&s, 1);
  bki_rule rule;
  bki_rule_init(&rule, BKI_PRESET_JOURNAL);
  rule.ngram = 2;
  bki_dictionary *d = new_dictionary(&rule);
  add(d, &s);
  add(d, &s);
  cr_expect_eq(count_of(d, "x y", 1), 2);
  cr_expect_eq(count_of(d, "x y", 0), 0);
  cr_expect_eq(count_of(d, "x y", -1), 0);
  cr_expect_eq(count_of(d, "x", 1), 0);
  cr_expect_eq(bki_dictionary_count_unit(d, &s.sample, 0, 1), 2);
  cr_expect_eq(bki_dictionary_count_unit(d, &s.sample, 0, 0), 0);
  bki_dictionary_destroy(d);
  test_sample_clear(&s);
}

Test(dictionary, looks_a_unit_up_by_the_key_that_unknown_words_share) {
  test_sample s;
  repeated_word(&s, 1);
  s.word_flags[1] = s.word_flags[3] = BKI_WORD_OOV;
  bki_rule rule;
  bki_rule_init(&rule, BKI_PRESET_PAPER);
  rule.oov_key = BKI_OOV_SHARED;
  bki_dictionary *d = new_dictionary(&rule);
  add(d, &s);
  cr_expect_eq(bki_dictionary_count_unit(d, &s.sample, 0, 1), 2);
  cr_expect_eq(bki_dictionary_count_unit(d, &s.sample, 1, 1), 2);
  cr_expect_eq(count_of(d, "y", 1), 0);
  cr_expect_eq(count_of(d, "<oov>", 1), 2);
  bki_dictionary_destroy(d);
  test_sample_clear(&s);
}

Test(dictionary, ties_go_to_the_larger_count_then_to_byte_order) {
  bki_rule rule;
  bki_rule_init(&rule, BKI_PRESET_PAPER);
  rule.p = 10;
  bki_dictionary *d = new_dictionary(&rule);
  test_sample s;
  test_sample_init(&s, 0, 0, "b a ab \xc3\xa9 q q q p p"); /* all scores zero: g = 0 throughout */
  add(d, &s);
  size_t n;
  const bki_candidate *c = rank(d, &n);
  const char *const expected[] = {"q", "p", "a", "ab", "b", "\xc3\xa9"};
  cr_assert_eq(n, 6);
  for (size_t i = 0; i < n; i++) {
    cr_expect_eq(c[i].word.size, strlen(expected[i]));
    cr_expect_arr_eq(c[i].word.data, expected[i], c[i].word.size, "rank %zu is not '%s'", i, expected[i]);
  }
  cr_expect_eq(bki_dictionary_rank(d, 2, &c, &n, NULL), BKI_OK);
  cr_expect_eq(n, 2);
  bki_dictionary_destroy(d);
  test_sample_clear(&s);
}

Test(dictionary, g_is_a_number_for_extreme_alphas_and_zero_scores) {
  const double alphas[] = {1e-6, 0.05, 1e6};
  for (size_t i = 0; i < 3; i++) {
    bki_rule rule;
    bki_rule_init(&rule, BKI_PRESET_JOURNAL);
    rule.alpha = alphas[i];
    bki_dictionary *d = new_dictionary(&rule);
    test_sample s;
    test_sample_init(&s, 0, 0, "word");
    add(d, &s);
    add(d, &s);
    cr_expect_eq(find(d, "word", 0)->g, 0);
    cr_expect_eq(signbit(find(d, "word", 0)->g), 0);
    bki_dictionary_destroy(d);
    test_sample_clear(&s);
  }
}

Test(dictionary, empty_one_ranks_nothing) {
  bki_rule rule;
  bki_rule_init(&rule, BKI_PRESET_PAPER);
  bki_dictionary *d = new_dictionary(&rule);
  test_sample s;
  test_sample_init(&s, 0, 0, "");
  add(d, &s);
  size_t n = 9;
  rank(d, &n);
  cr_expect_eq(n, 0);
  cr_expect_eq(bki_dictionary_n_samples(d), 1, "an empty text is a sample");
  bki_dictionary_destroy(d);
  bki_dictionary_destroy(NULL);
  test_sample_clear(&s);
}

Test(dictionary, refuses_bad_rules_and_merging_different_ones) {
  bki_rule rule;
  bki_rule_init(&rule, BKI_PRESET_PAPER);
  bki_dictionary *a = new_dictionary(&rule);
  rule.p = 6;
  bki_dictionary *b = new_dictionary(&rule);
  bki_error err = {0};
  cr_expect_eq(bki_dictionary_merge(a, b, &err), BKI_E_USAGE);
  bki_dictionary *c = NULL;
  cr_expect_eq(bki_dictionary_create(&c, &rule, 0, &err), BKI_E_USAGE);
  rule.p = -1;
  cr_expect_eq(bki_dictionary_create(&c, &rule, 2, &err), BKI_E_USAGE);
  cr_expect_null(c);
  bki_dictionary_destroy(a);
  bki_dictionary_destroy(b);
}

/* Random corpora against a brute force that shares no code with the dictionary. */

enum { N_SAMPLES = 150, MAX_WORDS = 12 };

static void random_samples(test_sample *samples, uint64_t seed) {
  for (int i = 0; i < N_SAMPLES; i++) {
    char text[MAX_WORDS * 4] = "";
    int n = (int)(test_random(&seed) % (MAX_WORDS + 1));
    for (int w = 0; w < n; w++) {
      uint64_t r = test_random(&seed);
      uint64_t word = (r % 40) * (r / 64 % 40) / 40; /* some words are frequent */
      snprintf(text + strlen(text), sizeof text - strlen(text), "%s%c%c", w == 0 ? "" : " ", (int)('a' + word % 26),
               (int)('a' + word / 26));
    }
    test_sample_init(&samples[i], i, (int32_t)(test_random(&seed) % (N_CLASSES + 1)) - 1, text);
    for (int w = 0; w < n; w++) {
      /* Coarse steps, so that equal scores occur. */
      samples[i].score[w] = (float)(test_random(&seed) % 32) / 31.0F;
      samples[i].increment[w] = (float)(test_random(&seed) % 32) / 31.0F;
      samples[i].word_flags[w] = (uint8_t)(test_random(&seed) % 4);
    }
  }
}

typedef struct unit {
  char key[MAX_WORDS * 6];
  double score;
  int position;
  bool flips;
} unit;

static int by_score(const void *left, const void *right) {
  const unit *a = left;
  const unit *b = right;
  return a->score != b->score ? (a->score > b->score ? -1 : 1) : a->position - b->position;
}

static int brute_select(const bki_rule *rule, const test_sample *s, unit *units) {
  int n = 0;
  for (int i = 0; i + rule->ngram <= s->words.n_words; i++) {
    unit *u = &units[n++];
    *u = (unit){.position = i};
    for (int w = i; w < i + rule->ngram; w++) {
      bki_str word = bki_words_get(&s->words, w);
      bool shared = rule->oov_key == BKI_OOV_SHARED && (s->word_flags[w] & BKI_WORD_OOV) != 0;
      snprintf(u->key + strlen(u->key), sizeof u->key - strlen(u->key), "%s%.*s", w == i ? "" : " ",
               shared ? 5 : (int)word.size, shared ? "<oov>" : word.data);
      u->score += s->score[w] + (rule->preset == BKI_PRESET_JOURNAL ? (double)s->increment[w] : 0);
      u->flips |= (s->word_flags[w] & BKI_WORD_FLIP) != 0;
    }
    u->score /= rule->ngram;
  }
  qsort(units, (size_t)n, sizeof *units, by_score);
  return n < rule->p ? n : rule->p;
}

typedef struct expected {
  double sum;
  int64_t count, n_samples, n_flips, labels[N_CLASSES + 1];
} expected;

/* Walks all samples for one key. */
static expected brute_count(const bki_rule *rule, const test_sample *samples, const bki_candidate *c) {
  expected e = {0};
  for (int i = 0; i < N_SAMPLES; i++) {
    const test_sample *s = &samples[i];
    if (rule->preset == BKI_PRESET_JOURNAL && s->sample.label != c->label) {
      continue;
    }
    unit units[MAX_WORDS];
    int n = brute_select(rule, s, units);
    double sum = 0, best = 0;
    int found = 0;
    bool flips = false;
    for (int u = 0; u < n; u++) {
      if (strlen(units[u].key) == c->word.size && memcmp(units[u].key, c->word.data, c->word.size) == 0) {
        sum += units[u].score;
        best = fmax(best, units[u].score);
        flips |= units[u].flips;
        found++;
      }
    }
    if (found > 0) {
      bool journal = rule->preset == BKI_PRESET_JOURNAL;
      bool once = journal || rule->keys == BKI_KEYS_UNIQUE;
      e.sum += journal ? sum / found : once ? best : sum;
      e.count += once ? 1 : found;
      e.n_samples++;
      e.n_flips += flips;
      e.labels[s->sample.label < 0 ? N_CLASSES : s->sample.label]++;
    }
  }
  return e;
}

static void rule_of(int variant, bki_rule *rule) {
  bki_rule_init(rule, variant % 2 == 0 ? BKI_PRESET_PAPER : BKI_PRESET_JOURNAL);
  rule->p = 1 + variant % 5;
  rule->oov_key = variant / 2 % 2 == 0 ? BKI_OOV_SURFACE : BKI_OOV_SHARED;
  if (rule->preset == BKI_PRESET_PAPER) {
    rule->keys = variant / 4 % 2 == 0 ? BKI_KEYS_POSITIONS : BKI_KEYS_UNIQUE;
  } else {
    rule->ngram = 1 + variant / 4 % 3;
    rule->alpha = 0.5;
  }
}

enum { N_VARIANTS = 24 };

Test(dictionary, agrees_with_brute_force) {
  test_sample samples[N_SAMPLES];
  random_samples(samples, 5);
  for (int variant = 0; variant < N_VARIANTS; variant++) {
    bki_rule rule;
    rule_of(variant, &rule);
    bki_dictionary *d = new_dictionary(&rule);
    int64_t n_selecting = 0; /* sum over samples of distinct keys */
    for (int i = 0; i < N_SAMPLES; i++) {
      add(d, &samples[i]);
      unit units[MAX_WORDS];
      int n = brute_select(&rule, &samples[i], units);
      for (int u = 0; u < n; u++) {
        bool first = true;
        for (int v = 0; v < u; v++) {
          first = first && strcmp(units[u].key, units[v].key) != 0;
        }
        n_selecting += first;
      }
    }
    size_t n;
    const bki_candidate *c = rank(d, &n);
    for (size_t i = 0; i < n; i++) {
      expected e = brute_count(&rule, samples, &c[i]);
      cr_assert_eq(c[i].count, e.count, "variant %d, '%.*s'", variant, (int)c[i].word.size, c[i].word.data);
      cr_assert_eq(c[i].n_samples, e.n_samples);
      cr_assert_eq(c[i].n_flips, e.n_flips);
      cr_assert_arr_eq(c[i].label_counts, e.labels, sizeof e.labels);
      cr_assert_float_eq(c[i].mean, e.sum / (double)e.count, 1e-11); /* 2^-40 steps */
      double g = c[i].mean * log10((double)e.count);
      if (rule.preset == BKI_PRESET_JOURNAL) {
        g *= log10(pow(0.5 * N_SAMPLES, 2) / (double)e.count);
      }
      cr_assert_float_eq(c[i].g, g, 1e-12);
      cr_assert(i == 0 || c[i - 1].g >= c[i].g, "not ranked");
      n_selecting -= c[i].n_samples;
    }
    cr_assert_eq(n_selecting, 0, "variant %d: keys are missing", variant);
    bki_dictionary_destroy(d);
  }
  for (int i = 0; i < N_SAMPLES; i++) {
    test_sample_clear(&samples[i]);
  }
}

static void expect_same_bytes(bki_dictionary *a, bki_dictionary *b) {
  size_t n_a;
  size_t n_b;
  const bki_candidate *x = rank(a, &n_a);
  const bki_candidate *y = rank(b, &n_b);
  cr_assert_eq(n_a, n_b);
  cr_assert_eq(bki_dictionary_n_samples(a), bki_dictionary_n_samples(b));
  for (size_t i = 0; i < n_a; i++) {
    cr_assert_eq(x[i].word.size, y[i].word.size);
    cr_assert_arr_eq(x[i].word.data, y[i].word.data, x[i].word.size);
    cr_assert(x[i].label == y[i].label && x[i].count == y[i].count && x[i].n_samples == y[i].n_samples &&
              x[i].n_flips == y[i].n_flips);
    cr_assert_eq(memcmp(&x[i].mean, &y[i].mean, sizeof(double)), 0);
    cr_assert_eq(memcmp(&x[i].g, &y[i].g, sizeof(double)), 0);
    cr_assert_arr_eq(x[i].label_counts, y[i].label_counts, (N_CLASSES + 1) * sizeof(int64_t));
  }
}

Test(dictionary, order_and_shards_do_not_change_a_bit) {
  test_sample samples[N_SAMPLES];
  random_samples(samples, 6);
  uint64_t seed = 7;
  for (int variant = 0; variant < N_VARIANTS; variant++) {
    bki_rule rule;
    rule_of(variant, &rule);
    bki_dictionary *in_order = new_dictionary(&rule);
    bki_dictionary *merged = new_dictionary(&rule);
    bki_dictionary *shards[7];
    for (int k = 0; k < 7; k++) {
      shards[k] = new_dictionary(&rule);
    }
    int shuffled[N_SAMPLES];
    for (int i = 0; i < N_SAMPLES; i++) {
      add(in_order, &samples[i]);
      int j = (int)(test_random(&seed) % (uint64_t)(i + 1));
      shuffled[i] = shuffled[j];
      shuffled[j] = i;
    }
    for (int i = 0; i < N_SAMPLES; i++) {
      add(shards[test_random(&seed) % 7], &samples[shuffled[i]]);
    }
    for (int k = 6; k >= 0; k--) {
      cr_assert_eq(bki_dictionary_merge(merged, shards[k], NULL), BKI_OK);
      bki_dictionary_destroy(shards[k]);
    }
    expect_same_bytes(in_order, merged);
    bki_dictionary_destroy(in_order);
    bki_dictionary_destroy(merged);
  }
  for (int i = 0; i < N_SAMPLES; i++) {
    test_sample_clear(&samples[i]);
  }
}
