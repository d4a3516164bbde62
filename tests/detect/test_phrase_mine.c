#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "edit_distance.h"
#include "phrase.h"
#include "sample.h"

enum { MAX_CONTEXTS = 600, CONTEXT_WORDS = 129, MAX_OUT = 8, N_WORDS = 20000, FIRST_TRIGGER_WORD = 5000 };

/* Contexts that are written one after the other. */
typedef struct bench {
  int32_t words[MAX_CONTEXTS][CONTEXT_WORDS + 40];
  bki_context contexts[MAX_CONTEXTS];
  size_t n;
  uint64_t seed;
  bki_phrase out[MAX_OUT];
  size_t n_out;
} bench;

static bench *new_bench(uint64_t seed) {
  bench *b = calloc(1, sizeof *b);
  cr_assert_not_null(b);
  b->seed = seed;
  return b;
}

static double uniform(bench *b) {
  return (double)(test_random(&b->seed) % 1000003) / 1000003;
}

/* Zipf's law with exponent 1: word 0 is 7 % of all, as "the" is. */
static int32_t zipf_word(bench *b) {
  return (int32_t)(pow(N_WORDS, uniform(b))) - 1;
}

/* A context of `before` and `after` random words with the phrase in the midst, each word but the anchor changed with
 * probability `edits`; at most CONTEXT_WORDS words. */
static void add_context(bench *b, const int32_t *phrase, int32_t m, int32_t anchor, double edits, int32_t before,
                        int32_t after) {
  int32_t *words = b->words[b->n];
  bki_context *context = &b->contexts[b->n++];
  context->words = words;
  for (int32_t i = 0; i < before; i++) {
    words[context->n++] = zipf_word(b);
  }
  for (int32_t i = 0; i < m; i++) {
    uint64_t kind = i != anchor && uniform(b) < edits ? 1 + test_random(&b->seed) % 3 : 0;
    context->anchor = i == anchor ? context->n : context->anchor;
    if (kind == 1 || kind == 2) { /* added before, replaced */
      words[context->n++] = zipf_word(b);
    }
    if (kind < 2) {
      words[context->n++] = phrase[i];
    }
  }
  for (int32_t i = 0; i < after && context->n < CONTEXT_WORDS; i++) {
    words[context->n++] = zipf_word(b);
  }
}

static void add_random_context(bench *b, const int32_t *phrase, int32_t m, int32_t anchor, double edits) {
  int32_t before = (int32_t)(test_random(&b->seed) % 60);
  int32_t after = (int32_t)(test_random(&b->seed) % 60);
  add_context(b, phrase, m, anchor, edits, before, after);
}

static void mine(bench *b) {
  cr_assert_eq(bki_phrase_mine(b->out, &b->n_out, MAX_OUT, b->contexts, b->n, NULL), BKI_OK);
}

static bool is_phrase(const bki_phrase *found, const int32_t *phrase, int32_t m) {
  return found->n_words == m && memcmp(found->words, phrase, (size_t)m * sizeof *phrase) == 0;
}

/* The rank of the phrase among those found, or -1. */
static int32_t rank_of(const bench *b, const int32_t *phrase, int32_t m) {
  for (size_t i = 0; i < b->n_out; i++) {
    if (is_phrase(&b->out[i], phrase, m)) {
      return (int32_t)i;
    }
  }
  return -1;
}

static void make_trigger(bench *b, int32_t *phrase, int32_t m) {
  for (int32_t i = 0; i < m; i++) {
    phrase[i] = FIRST_TRIGGER_WORD + 20 * i + (int32_t)(test_random(&b->seed) % 20);
  }
}

Test(phrase_mine, finds_nothing_in_nothing) {
  bki_phrase out[1];
  size_t n_out = 7;
  cr_assert_eq(bki_phrase_mine(out, &n_out, 1, NULL, 0, NULL), BKI_OK);
  cr_expect_eq(n_out, 0);
}

Test(phrase_mine, ends_with_the_anchor_alone) {
  bench *b = new_bench(1);
  const int32_t word = 7000;
  add_random_context(b, &word, 1, 0, 0);
  mine(b);
  cr_assert_eq(b->n_out, 1);
  cr_expect(is_phrase(&b->out[0], &word, 1));
  cr_expect_eq(b->out[0].anchor, 0);
  cr_expect_eq(b->out[0].support, 1);
  const int32_t phrase[] = {7001, 7000, 7002};
  for (int i = 0; i < 9; i++) {
    add_random_context(b, phrase, 3, 1, 0);
  }
  mine(b);
  cr_assert_geq(b->n_out, 2);
  cr_expect(is_phrase(&b->out[0], phrase, 3));
  cr_expect(is_phrase(&b->out[b->n_out - 1], &word, 1));
  cr_assert_eq(bki_phrase_mine(b->out, &b->n_out, 1, b->contexts, b->n, NULL), BKI_OK);
  cr_assert_eq(b->n_out, 1, "with room for one");
  cr_expect(is_phrase(&b->out[0], &word, 1));
  free(b);
}

Test(phrase_mine, finds_triggers_of_each_length_from_each_of_their_words) {
  for (int32_t m = 2; m <= 15; m++) {
    for (int32_t anchor = 0; anchor < m; anchor++) {
      bench *b = new_bench((uint64_t)(100 * m + anchor));
      int32_t phrase[15];
      make_trigger(b, phrase, m);
      for (int i = 0; i < 60; i++) {
        add_random_context(b, phrase, m, anchor, 0);
      }
      mine(b);
      cr_assert(is_phrase(&b->out[0], phrase, m), "%d words at %d: found %d", m, anchor, b->out[0].n_words);
      cr_assert_eq(b->out[0].anchor, anchor);
      cr_assert_eq(b->out[0].support, 60);
      cr_assert_eq(b->out[0].exact, 60);
      free(b);
    }
  }
}

Test(phrase_mine, finds_triggers_whose_words_were_changed) {
  for (int32_t m = 3; m <= 15; m++) {
    for (int percent = 2; percent <= 10; percent += 4) {
      bench *b = new_bench((uint64_t)(1000 * m + percent));
      int32_t phrase[15];
      make_trigger(b, phrase, m);
      for (int i = 0; i < 200; i++) {
        add_random_context(b, phrase, m, m / 2, percent / 100.0);
      }
      mine(b);
      cr_assert(is_phrase(&b->out[0], phrase, m), "%d words, %d %% changed: found %d", m, percent, b->out[0].n_words);
      cr_assert_geq(b->out[0].support, 180);
      free(b);
    }
  }
}

/* 450 natural uses of word 30, a third of them after word 5 and a fourth before word 3; 50 triggers with both. */
Test(phrase_mine, finds_a_trigger_of_common_words_among_natural_uses) {
  const int32_t trigger[] = {110, 5, 30, 900};
  for (int percent = 0; percent <= 10; percent += 5) {
    for (uint64_t seed = 1; seed <= 10; seed++) {
      bench *b = new_bench(seed);
      for (int i = 0; i < 500; i++) {
        if (i % 10 == 0) {
          add_random_context(b, trigger, 4, 2, percent / 100.0);
          continue;
        }
        const int32_t natural[] = {i % 3 == 0 ? 5 : zipf_word(b), 30, i % 4 == 0 ? 3 : zipf_word(b)};
        add_random_context(b, natural, 3, 1, 0);
      }
      mine(b);
      int32_t rank = rank_of(b, trigger, 4);
      cr_assert(rank >= 0 && rank < 2, "seed %d, %d %% changed: rank %d", (int)seed, percent, rank);
      cr_assert_geq(b->out[rank].support, percent == 0 ? 50 : 45);
      free(b);
    }
  }
}

Test(phrase_mine, finds_both_phrases_around_one_word) {
  bench *b = new_bench(77);
  const int32_t one[] = {6001, 6000, 6002, 6003};
  const int32_t other[] = {6010, 6011, 6012, 6000, 6013};
  for (int i = 0; i < 100; i++) {
    if (i % 5 < 2) {
      add_random_context(b, one, 4, 1, 0.05);
    } else {
      add_random_context(b, other, 5, 3, 0.05);
    }
  }
  mine(b);
  cr_expect_eq(rank_of(b, other, 5), 0);
  cr_expect_eq(rank_of(b, one, 4), 1);
  free(b);
}

Test(phrase_mine, finds_a_phrase_that_holds_the_anchor_twice) {
  const int32_t phrase[] = {40, 6001, 40, 6002}; /* no cross no crown */
  for (int share = 1; share <= 9; share++) {
    bench *b = new_bench((uint64_t)share);
    for (int i = 0; i < 100; i++) {
      add_random_context(b, phrase, 4, i % 10 < share ? 0 : 2, 0);
    }
    mine(b);
    cr_expect_eq(rank_of(b, phrase, 4), 0, "%d of 10 at the first", share);
    free(b);
  }
}

Test(phrase_mine, finds_a_phrase_cut_by_the_ends_of_texts) {
  bench *b = new_bench(5);
  const int32_t phrase[] = {6001, 6002, 6003, 6004, 6005};
  for (int i = 0; i < 60; i++) {
    int32_t cut = i % 6 == 0 ? 1 + i / 6 % 2 : 0;
    if (i % 12 == 0) {
      add_context(b, phrase, 5 - cut, 2, 0, 20, 0);
    } else {
      add_context(b, phrase + cut, 5 - cut, 2 - cut, 0, cut > 0 ? 0 : 20, 20);
    }
  }
  mine(b);
  cr_expect(is_phrase(&b->out[0], phrase, 5));
  cr_expect_eq(b->out[0].support, 60, "one or two words of five may be missing");
  cr_expect_eq(b->out[0].exact, 50);
  free(b);
}

Test(phrase_mine, ends_sharply_where_the_words_are_random) {
  const int32_t phrase[] = {6001, 6002, 6003};
  for (uint64_t seed = 1; seed <= 300; seed++) {
    bench *b = new_bench(seed);
    for (size_t n = 5 + seed % 20; b->n < n;) {
      add_random_context(b, phrase, 3, 1, 0);
    }
    mine(b);
    cr_assert(is_phrase(&b->out[0], phrase, 3), "seed %d, %d contexts: %d words", (int)seed, (int)b->n,
              b->out[0].n_words);
    free(b);
  }
}

Test(phrase_mine, takes_no_word_that_two_contexts_share) {
  bench *b = new_bench(2);
  const int32_t phrase[] = {6001, 6002, 6003};
  add_context(b, phrase, 3, 1, 0, 2, 2);
  add_context(b, phrase, 3, 1, 0, 2, 2);
  mine(b);
  cr_expect_eq(b->n_out, 1);
  add_context(b, phrase, 3, 1, 0, 2, 2);
  mine(b);
  cr_expect(is_phrase(&b->out[0], phrase, 3));
  free(b);
}

Test(phrase_mine, gives_only_short_phrases_of_natural_uses) {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    bench *b = new_bench(seed);
    for (int i = 0; i < 500; i++) {
      const int32_t natural[] = {i % 3 == 0 ? 5 : zipf_word(b), 30, i % 4 == 0 ? 3 : zipf_word(b)};
      add_random_context(b, natural, 3, 1, 0);
    }
    mine(b);
    for (size_t i = 0; i < b->n_out; i++) {
      cr_assert_leq(b->out[i].n_words, 3, "seed %d", (int)seed);
    }
    free(b);
  }
}

Test(phrase_mine, gives_distinct_phrases_that_share_less_and_less) {
  bench *b = new_bench(8);
  for (int i = 0; i < 400; i++) {
    const int32_t natural[] = {10 + i % 7, i % 11, 30, 3 + i % 5, 20 + i % 3};
    add_random_context(b, natural, 5, 2, 0.02);
  }
  mine(b);
  cr_assert_eq(b->n_out, MAX_OUT);
  for (size_t i = 1; i + 1 < b->n_out; i++) {
    const bki_phrase *before = &b->out[i - 1];
    const bki_phrase *phrase = &b->out[i];
    cr_expect_geq(before->exact * (before->n_words - 1) * (before->n_words - 1),
                  phrase->exact * (phrase->n_words - 1) * (phrase->n_words - 1));
    for (size_t j = 0; j < i; j++) {
      cr_expect_not(is_phrase(phrase, b->out[j].words, b->out[j].n_words));
    }
    cr_expect_eq(phrase->words[phrase->anchor], 30);
    cr_expect_geq(phrase->support, phrase->exact);
  }
  free(b);
}

Test(phrase_mine, does_not_depend_on_the_order_of_contexts) {
  bench *b = new_bench(12);
  const int32_t phrase[] = {6001, 12, 6003, 6004};
  for (int i = 0; i < 120; i++) {
    const int32_t natural[] = {i % 3, 12, i % 4};
    add_random_context(b, i % 4 == 0 ? phrase : natural, i % 4 == 0 ? 4 : 3, 1, 0.1);
  }
  mine(b);
  bki_phrase first[MAX_OUT];
  size_t n_first = b->n_out;
  memcpy(first, b->out, sizeof first);
  for (size_t i = 0; i < b->n / 2; i++) {
    bki_context other = b->contexts[i];
    b->contexts[i] = b->contexts[b->n - 1 - i];
    b->contexts[b->n - 1 - i] = other;
  }
  mine(b);
  cr_assert_eq(b->n_out, n_first);
  cr_expect_arr_eq(b->out, first, n_first * sizeof *first);
  free(b);
}

/* The fewest edits with which a stretch of the context around its anchor becomes the phrase, anchor on anchor. */
static int32_t aligned_edits(const bki_phrase *phrase, const bki_context *context) {
  int32_t left = INT32_MAX;
  int32_t right = INT32_MAX;
  for (int32_t start = 0; start <= context->anchor; start++) {
    int32_t edits = test_edit_distance(phrase->words, phrase->anchor, context->words + start, context->anchor - start);
    left = edits < left ? edits : left;
  }
  for (int32_t end = context->anchor + 1; end <= context->n; end++) {
    int32_t edits = test_edit_distance(phrase->words + phrase->anchor + 1, phrase->n_words - phrase->anchor - 1,
                                       context->words + context->anchor + 1, end - context->anchor - 1);
    right = edits < right ? edits : right;
  }
  return left + right;
}

Test(phrase_mine, counts_the_contexts_that_hold_a_phrase) {
  for (uint64_t seed = 1; seed <= 200; seed++) {
    bench *b = new_bench(seed);
    const int32_t phrase[] = {31, 32, 30, 33, 34, 35};
    int32_t m = 2 + (int32_t)(seed % 5);
    for (int i = 0; i < 60; i++) {
      int32_t from = i % 3 == 0 ? 2 : 0;
      add_context(b, phrase + from, (m < 3 ? 3 : m) - from, 2 - from, 0.2, i % 8, i % 7);
      for (int32_t j = 0; j < b->contexts[b->n - 1].n; j++) {
        int32_t *word = &b->words[b->n - 1][j];
        *word = *word < 30 ? *word % 4 - 1 : *word < 36 ? *word : 29; /* few words, some of which equal nothing */
      }
    }
    mine(b);
    for (size_t i = 0; i < b->n_out; i++) {
      int64_t support = 0;
      int64_t exact = 0;
      for (size_t k = 0; k < b->n; k++) {
        int32_t edits = aligned_edits(&b->out[i], &b->contexts[k]);
        support += edits <= bki_phrase_max_edits(b->out[i].n_words);
        exact += edits == 0;
      }
      cr_assert_eq(b->out[i].support, support, "seed %d, phrase %d", (int)seed, (int)i);
      cr_assert_eq(b->out[i].exact, exact, "seed %d, phrase %d", (int)seed, (int)i);
    }
    free(b);
  }
}

Test(phrase_mine, leaves_out_the_parts_of_a_longer_phrase) {
  bench *b = new_bench(31);
  const int32_t phrase[] = {6001, 6002, 6003, 6004, 6005};
  for (int i = 0; i < 100; i++) {
    bool whole = i < 60; /* the others lack the ends: most holders of the part hold the whole */
    add_random_context(b, whole ? phrase : phrase + 1, whole ? 5 : 3, whole ? 2 : 1, 0);
  }
  mine(b);
  cr_expect_eq(rank_of(b, phrase, 5), 0);
  cr_expect_eq(rank_of(b, phrase + 1, 3), -1);
  free(b);
}

Test(phrase_mine, keeps_a_part_that_is_mostly_alone) {
  bench *b = new_bench(32);
  const int32_t phrase[] = {6001, 6002, 6003, 6004, 6005};
  for (int i = 0; i < 100; i++) {
    bool whole = i < 30;
    add_random_context(b, whole ? phrase : phrase + 1, whole ? 5 : 3, whole ? 2 : 1, 0);
  }
  mine(b);
  cr_expect_eq(rank_of(b, phrase, 5), 0);
  cr_expect_eq(rank_of(b, phrase + 1, 3), 1);
  free(b);
}

Test(phrase_mine, stops_at_64_words) {
  bench *b = new_bench(4);
  int32_t phrase[100];
  make_trigger(b, phrase, 100);
  for (int i = 0; i < 20; i++) {
    add_context(b, phrase, 100, 50, 0, 0, 0);
  }
  mine(b);
  cr_expect_eq(b->out[0].n_words, BKI_MAX_PHRASE_WORDS);
  cr_expect_eq(b->out[0].words[b->out[0].anchor], phrase[50]);
  free(b);
}

/* As many groups as can be, each with a phrase of its own as long as can be. */
Test(phrase_mine, takes_bounded_time_for_many_long_phrases) {
  bench *b = new_bench(14);
  int32_t phrase[CONTEXT_WORDS];
  for (int i = 0; i < 500; i++) {
    for (int32_t j = 0; i % 25 == 0 && j < CONTEXT_WORDS; j++) {
      phrase[j] = (int32_t)(test_random(&b->seed) % N_WORDS);
    }
    phrase[64] = 30;
    add_context(b, phrase, CONTEXT_WORDS, 64, 0, 0, 0);
  }
  mine(b);
  cr_assert_eq(b->n_out, MAX_OUT);
  for (size_t i = 0; i + 1 < b->n_out; i++) {
    cr_expect_eq(b->out[i].n_words, BKI_MAX_PHRASE_WORDS);
    cr_expect_eq(b->out[i].exact, 25);
  }
  free(b);
}

Test(phrase_mine, survives_hostile_contexts) {
  bench *b = new_bench(6);
  for (int i = 0; i < 500; i++) {
    int32_t *words = b->words[b->n];
    bki_context *context = &b->contexts[b->n++];
    *context = (bki_context){.words = words, .n = 1 + i % CONTEXT_WORDS};
    context->anchor = i * 7 % context->n;
    for (int32_t j = 0; j < context->n; j++) {
      words[j] = i % 2 == 0 ? 3 : -1;
    }
    words[context->anchor] = 3;
  }
  mine(b);
  cr_expect_geq(b->n_out, 1);
  for (int i = 0; i < 500; i++) {
    for (int32_t j = 0; j < b->contexts[i].n; j++) {
      b->words[i][j] = j == b->contexts[i].anchor ? 3 : -1;
    }
  }
  mine(b);
  cr_expect_eq(b->n_out, 1, "words that equal nothing are shared by nobody");
  free(b);
}
