/* Precision exact: the best words of every text, all that enters the dictionary, as in fp32 to the bit. The screen runs
 * on emulated bf16, which rounds as the units do, so that this is tried on every machine. */
#include <criterion/criterion.h>

#include <math.h>

#include "screening.h"

static const int32_t lengths[] = {0, 1, 5, 29, 30, 31, 40, 50, 64, 80, 33, 3, 47, 70, 38, 90};

static const screen_pair cpu = {.ops = &bki_backend_cpu,
                                .isa = BKI_ISA_PORTABLE,
                                .fast = BKI_PRECISION_BF16,
                                .hidden = 16,
                                .lengths = lengths,
                                .n_texts = sizeof lengths / sizeof lengths[0]};

Test(screen, gives_the_best_words_of_fp32) {
  static const int32_t best[] = {1, 2, 5, 9, 600};
  for (uint64_t seed = 1; seed <= 15; seed++) {
    bki_model_config shape = random_config(6, 12);
    char what[64];
    const int32_t p = best[seed % 5];
    snprintf(what, sizeof what, "seed %d p %d", (int)seed, p);
    check_screened(&cpu, expansive_model(seed, &shape, 1, 0), seed, p, 1e-3, what);
  }
}

Test(screen, gives_the_best_words_of_fp32_for_every_padding_readout_and_depth) {
  for (int i = 0; i < 24; i++) {
    bki_model_config shape = random_config(5, 9);
    shape.readout = (bki_readout)(i % 4);
    shape.pad = (bki_pad)(i / 4 % 3);
    shape.pad_length = shape.pad == BKI_PAD_NONE ? 0 : 100;
    shape.max_words = 100;
    shape.num_layers = 1 + i / 12;
    char what[64];
    snprintf(what, sizeof what, "readout %d pad %d layers %d", i % 4, (int)shape.pad, shape.num_layers);
    check_screened(&cpu, expansive_model((uint64_t)i, &shape, 1, 0), 7, 3, 1e-3, what);
  }
}

Test(screen, widens_its_limit_where_errors_are_large) {
  check_widening(&cpu, 3);
}

Test(screen, is_right_or_gives_up_for_expansive_nets) {
  int screened = 0;
  for (uint64_t seed = 1; seed <= 8; seed++) {
    screened += check_expansive(&cpu, seed, 3);
  }
  fprintf(stderr, "%d of 8 expansive nets are screened\n", screened);
}

/* In five of 400 such nets a word would be missed; in two of these it is not, as its text has others that lead where it
 * does. In the three left nothing shows it: docs/cpu.md tells of them. */
Test(screen, scores_texts_between_two_ends_as_a_whole) {
  static const uint64_t seeds[] = {98, 214};
  for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
    check_bistable(&cpu, seeds[i], 3);
  }
}

Test(screen, knows_two_ends_by_two_words_that_lead_to_one) {
  static const struct {
    int32_t ids[4];
    float score[4];
    bool bistable;
  } cases[] = {
      {{1, 2, 3, 4}, {0.1f, 1.2f, 0.2f, 1.195f}, true},  {{1, 2, 3, 4}, {0.1f, 1.2f, 0.2f, 1.18f}, false},
      {{1, 2, 3, 4}, {0.1f, 0.59f, 0.2f, 0.59f}, false}, {{1, 2, 3, 4}, {0.61f, 0.59f, 0.2f, 0.615f}, true},
      {{1, 2, 2, 4}, {0.1f, 1.2f, 1.2f, 0.1f}, false}, /* the same text is left */
      {{2, 2, 2, 2}, {1.2f, 1.2f, 1.2f, 1.2f}, false},   {{2, 1, 2, 1}, {1.2f, 0, 1.2f, 0}, true},
      {{1, 2, 3, 4}, {NAN, 1.2f, 0.9f, NAN}, false},     {{1, 2, 3, 4}, {0, 0, 0, 0}, false},
  };
  bki_model_config shape = random_config(6, 16);
  rig r = open_rig(&cpu, random_model(1, &shape), 3);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    float buffer[4];
    const bki_sequence text = {cases[i].ids, 4};
    cr_expect_eq(bki_screen_is_bistable(r.screen, &text, cases[i].score, buffer), cases[i].bistable, "case %zu", i);
  }
  close_rig(&r);
}

Test(screen, tells_near_ties_apart) {
  for (uint64_t seed = 11; seed < 14; seed++) {
    check_near_ties(&cpu, seed, 5);
  }
}

Test(screen, ties_of_equal_neighbours_keep_their_order) {
  check_ties(&cpu, 5);
}

Test(screen, does_not_depend_on_the_batch) {
  check_batches(&cpu, 2);
}

/* NaN before all numbers. */
static bool is_better(float a, float b) {
  return !isnan(b) && (isnan(a) || a > b);
}

Test(screen, finds_the_pth_best_of_ties_and_nans) {
  enum { MOST = 40 };
  uint64_t state = 8;
  for (int round = 0; round < 2000; round++) {
    float score[MOST];
    float buffer[MOST];
    const size_t n = 1 + (size_t)round % MOST;
    for (size_t i = 0; i < n; i++) {
      const float value = floorf(random_uniform(&state, 5));
      score[i] = value == 3 && round % 3 == 0 ? NAN : value;
    }
    for (int32_t p = 1; p <= MOST + 1; p++) {
      const float found = bki_screen_pth_best(score, n, p, buffer);
      size_t n_better = 0;
      size_t n_as_good = 0;
      for (size_t i = 0; i < n; i++) {
        n_better += is_better(score[i], found);
        n_as_good += !is_better(found, score[i]);
      }
      const size_t rank = (size_t)p < n ? (size_t)p : n;
      cr_assert(n_better < rank && rank <= n_as_good, "%g has %zu better ones and %zu as good, p %d of %zu",
                (double)found, n_better, n_as_good, p, n);
    }
  }
}

static bki_screening calibrate(bki_model *model, int32_t p) {
  rig r = open_rig(&cpu, model, p);
  cr_assert_eq(bki_screen_calibrate(r.screen, NULL), BKI_OK);
  bki_screening first = *bki_screen_get(r.screen);
  cr_assert_eq(bki_screen_calibrate(r.screen, NULL), BKI_OK);
  const bki_screening *second = bki_screen_get(r.screen);
  cr_assert(first.epsilon == second->epsilon && first.model_error == second->model_error &&
                first.model_share == second->model_share && strcmp(first.reason, second->reason) == 0,
            "it depends on the model alone");
  close_rig(&r);
  return first;
}

Test(screen, finds_epsilon_for_a_calm_net) {
  bki_model_config shape = random_config(6, 12);
  shape.max_words = 64;
  const bki_screening s = calibrate(expansive_model(1, &shape, 1, 0), 2);
  cr_assert_eq(s.top_words, 2);
  cr_assert(s.epsilon >= 1e-4 && s.epsilon < 0.1 && s.reason[0] == '\0', "%g %s", s.epsilon, s.reason);
  cr_assert(s.model_error > 0 && s.model_share > 0 && s.model_share <= 0.25);
}

Test(screen, leaves_expansive_nets_to_fp32) {
  bki_model_config shape = random_config(20, 32);
  shape.max_words = 64;
  const bki_screening s = calibrate(expansive_model(2, &shape, 6, 6), 5);
  cr_assert_eq(s.top_words, 0);
  cr_assert(s.epsilon == 0 && strstr(s.reason, "expansive") != NULL, "%g %s", s.epsilon, s.reason);
}

Test(screen, leaves_models_of_short_texts_to_fp32) {
  bki_model_config shape = random_config(6, 12);
  shape.max_words = 29;
  const bki_screening s = calibrate(expansive_model(1, &shape, 1, 0), 5);
  cr_assert(s.epsilon == 0 && strcmp(s.reason, "texts of 30 words at least are screened for the best 5") == 0, "%s",
            s.reason);
  const bki_screening most = calibrate(expansive_model(1, &shape, 1, 0), INT32_MAX);
  cr_assert_str_eq(most.reason, "texts of 12884901882 words at least are screened for the best 2147483647");
}
