/* Items of picked words: each of them is left out once, and no other way to cut them into items takes fewer steps. */
#include <criterion/criterion.h>

#include "cuda_persistent.h"
#include "picked.h"
#include "standin.h"

enum { N = 40, LONGEST = 60 };

/* A group of all texts of a corpus with picked words. */
typedef struct rig {
  corpus texts;
  bki_picks *picks;
  bki_cuda_job job;
  bki_cuda_items items;
} rig;

static rig make_rig(size_t round) {
  int32_t lengths[N];
  uint64_t seed = round;
  for (size_t i = 0; i < N; i++) {
    lengths[i] = random_below(&seed, LONGEST + 1);
  }
  rig r = {.texts = random_corpus(round, 50, lengths, N, false)};
  r.picks = make_picks(&r.texts, round, round);
  r.job = (bki_cuda_job){.sequences = r.texts.sequences, .extent = BKI_EXTENT_VARIANTS, .picks = r.picks};
  bki_cuda_device device = {0};
  bki_error err;
  cr_assert_eq(bki_cuda_job_plan(&r.job, N, SIZE_MAX, &err), BKI_OK);
  cr_assert_eq(bki_cuda_items_make(&r.items, &device, &r.job, &r.job.groups[0], &err), BKI_OK, "%s", err.message);
  return r;
}

static void clear_rig(rig *r) {
  bki_cuda_items_clear(&r->items);
  bki_cuda_job_clear(&r->job);
  free_picks(r->picks, N);
  corpus_free(&r->texts);
}

/* How often each slot of the group gets a score in a direction. The longest text is the first. */
static void count_scores(int *counts, const rig *r, int half) {
  const bki_k_item *items = r->items.half[half].items.host.data;
  const int32_t sign = half == 0 ? 1 : -1;
  int32_t most = LONGEST;
  for (size_t i = 0; i < r->items.half[half].n_items; i++) {
    cr_assert_leq(items[i].steps, most);
    most = items[i].steps;
    for (int k = 0; k < BKI_K_ITEM_ROWS; k++) {
      if (items[i].skip[k] >= 0) {
        cr_assert_leq(items[i].skip[k], items[i].steps - 2);
        counts[items[i].score + (int64_t)sign * items[i].skip[k]]++;
      }
    }
  }
}

/* All steps of a kernel's pieces, and the most of one. */
static void check_load(const bki_k_load *load, int64_t steps, int32_t longest) {
  cr_assert(load->steps == steps && load->longest == longest);
}

Test(cuda_items, loads_are_those_of_items_and_of_eight_texts_at_a_time) {
  standin_reset(1, 0);
  for (size_t round = 0; round < PICK_WAYS; round++) {
    rig r = make_rig(round);
    int64_t base = 0;
    int64_t scan = 0;
    int32_t longest = 0;
    for (int half = 0; half < 2; half++) {
      const bki_k_text *texts = r.items.half[half].texts.host.data;
      const bki_k_item *items = r.items.half[half].items.host.data;
      for (size_t i = 0; i < r.items.n_texts; i += BKI_K_ITEM_ROWS) {
        base += texts[i].length;
      }
      for (size_t i = 0; i < r.items.half[half].n_items; i++) {
        scan += items[i].steps;
        longest = items[i].steps > longest ? items[i].steps : longest;
      }
    }
    check_load(&r.items.base, base, ((bki_k_text *)r.items.half[0].texts.host.data)->length);
    check_load(&r.items.scan, scan, longest);
    clear_rig(&r);
  }
}

Test(cuda_items, a_picked_word_is_left_out_once_in_each_direction_but_the_last_one) {
  standin_reset(1, 0);
  for (size_t round = 0; round < PICK_WAYS; round++) {
    rig r = make_rig(round);
    for (int half = 0; half < 2; half++) {
      int counts[N * (LONGEST + 1)] = {0};
      count_scores(counts, &r, half);
      size_t slot = 0;
      for (size_t i = 0; i < N; i++) {
        const int32_t l = r.texts.sequences[r.job.order[i]].length;
        const bki_picks *picks = &r.picks[r.job.order[i]];
        for (int32_t k = 0; k < picks->n; k++) {
          const int32_t j = picks->position[k];
          cr_assert_eq(counts[slot + 1 + (size_t)j]--, j == (half == 0 ? l - 1 : 0) ? 0 : 1);
        }
        slot += (size_t)l + 1;
      }
      int others = 0;
      for (size_t s = 0; s < slot; s++) {
        others += counts[s] > 0;
      }
      cr_assert_eq(others, 0);
    }
    clear_rig(&r);
  }
}

/* The fewest steps for the variants p[0 .. n) of a text, over all ways to cut them. */
static int32_t fewest_steps(const int32_t *p, int32_t n, int32_t length) {
  int32_t best[LONGEST + 1] = {0}; /* of the variants from i on */
  for (int32_t i = n - 1; i >= 0; i--) {
    best[i] = INT32_MAX;
    for (int32_t k = i + 1; k <= n && k - i <= BKI_K_ITEM_ROWS; k++) {
      const int32_t steps = length - p[i] / BKI_K_ITEM_ROWS * BKI_K_ITEM_ROWS + best[k];
      best[i] = steps < best[i] ? steps : best[i];
    }
  }
  return best[0];
}

Test(cuda_items, picked_words_take_as_few_steps_as_any_cut) {
  standin_reset(1, 0);
  for (size_t round = 0; round < PICK_WAYS; round++) {
    rig r = make_rig(round);
    for (int half = 0; half < 2; half++) {
      const bki_k_item *items = r.items.half[half].items.host.data;
      int64_t steps = 0;
      for (size_t i = 0; i < r.items.half[half].n_items; i++) {
        steps += items[i].steps;
      }
      for (size_t i = 0; i < N; i++) {
        const int32_t l = r.texts.sequences[i].length;
        int32_t p[LONGEST];
        int32_t n = 0;
        for (int32_t k = 0; k < r.picks[i].n; k++) {
          const int32_t at = half == 0 ? k : r.picks[i].n - 1 - k;
          const int32_t read = half == 0 ? r.picks[i].position[at] : l - 1 - r.picks[i].position[at];
          if (read < l - 1) {
            p[n++] = read;
          }
        }
        steps -= fewest_steps(p, n, l);
      }
      cr_assert_eq(steps, 0, "round %zu, direction %d", round, half);
    }
    clear_rig(&r);
  }
}
