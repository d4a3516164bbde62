/* Which words a row reads: every row of every small text, against the texts themselves. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "cuda_runs.h"
#include "index.h"

enum { MOST = 6, PAD = -1, T = 9 };

/* The words (their positions in the text, PAD for a pad) that slot k of a text of l words reads, in reading order. */
static int expected_words(int *out, const bki_model_config *m, int direction, int32_t l, int32_t k) {
  int words[T];
  int n = 0;
  for (int32_t j = 0; j < (k <= l ? l : k - l - 1); j++) {
    if (k == 0 || k > l || j != k - 1) {
      words[n++] = j;
    }
  }
  const int steps = m->pad == BKI_PAD_NONE ? n : m->pad_length;
  const int lead = m->pad == BKI_PAD_PRE ? steps - n : 0;
  for (int t = 0; t < steps; t++) {
    const int at = direction == 0 ? t : steps - 1 - t;
    out[t] = at < lead || at >= lead + n ? PAD : words[at - lead];
  }
  return steps;
}

static bki_model_config shape(bki_pad pad, bki_readout readout) {
  return (bki_model_config){.pad = pad, .pad_length = pad == BKI_PAD_NONE ? 0 : T, .readout = readout};
}

Test(cuda_index, a_row_of_engine_full_reads_the_text_of_its_slot) {
  for (int pad = BKI_PAD_NONE; pad <= BKI_PAD_POST; pad++) {
    const bki_model_config m = shape((bki_pad)pad, BKI_READOUT_FINAL);
    for (int32_t l = 0; l <= MOST; l++) {
      for (int32_t k = 0; k <= 2 * l; k++) {
        int want[T];
        const int steps = expected_words(want, &m, 0, l, k);
        const int32_t length = k <= l ? l : k - l - 1;
        const int32_t without = k == 0 || k > l ? length : k - 1;
        const int32_t left = length - (without < length);
        const bki_k_row row = {
            .length = length, .without = without, .lead = pad == BKI_PAD_PRE ? T - left : 0, .steps = steps};
        for (int t = 0; t < steps; t++) {
          cr_assert_eq(bki_k_row_word(&row, t), want[t], "pad %d, %d words, slot %d, step %d", pad, l, k, t);
        }
        cr_assert_eq(bki_k_row_word(&row, steps), PAD);
      }
    }
  }
}

/* What a run has read: the history of the state that it takes over, then its own words. */
typedef struct history {
  int words[2 * T];
  int n;
} history;

static void read_run(history *h, const history *states, const bki_k_run *run, history *stores) {
  *h = states[run->source];
  for (int32_t t = run->first; t <= run->end; t++) {
    h->words[h->n++] = (int)bki_k_run_word(run, t);
    if (run->store >= 0) {
      stores[run->store + t - run->first] = *h;
    }
  }
}

/* Words are numbered through the group: text i begins at first_word[i]. */
static void check_slot(const bki_model_config *m, int direction, int32_t l, int32_t k, int first_word,
                       const history *got) {
  int want[T];
  int steps = expected_words(want, m, direction, l, k);
  if (m->readout == BKI_READOUT_LAST && direction == 1 && steps > 1) {
    steps = 1;
  }
  cr_assert_eq(got->n, steps, "pad %d, direction %d, %d words, slot %d: %d steps for %d", (int)m->pad, direction, l, k,
               got->n, steps);
  for (int t = 0; t < steps; t++) {
    cr_assert_eq(got->words[t], want[t] == PAD ? PAD : first_word + want[t],
                 "pad %d, direction %d, %d words, slot %d, step %d", (int)m->pad, direction, l, k, t);
  }
}

/* Does the runs of a group as the engine does them, and compares what each slot has read. */
static void check_group(const bki_model_config *m, int direction, const bki_cuda_job *job) {
  const bki_cuda_group *g = &job->groups[0];
  const size_t n_pads = m->pad == BKI_PAD_NONE ? 1 : T + 1;
  bki_cuda_runs plan = {0};
  bki_error err;
  cr_assert_eq(bki_cuda_runs_make(&plan, m, job, g, direction, n_pads, &err), BKI_OK);
  history *states = calloc(plan.n_states, sizeof *states);
  history *slots = calloc(g->n_slots, sizeof *slots);
  int *reads = calloc(g->n_slots, sizeof *reads);
  for (size_t p = 0; p < n_pads; p++) {
    states[p].n = (int)p;
    memset(states[p].words, 0xff, sizeof states[p].words);
  }
  cr_assert_eq(plan.levels[0].n + plan.levels[1].n, plan.n);
  for (int i = 0; i < BKI_CUDA_LEVELS; i++) {
    const bki_cuda_level *level = &plan.levels[i];
    for (size_t r = level->first; r < level->first + level->n; r++) {
      history h;
      read_run(&h, states, &plan.runs[r], states);
      if (plan.runs[r].slot >= 0) {
        slots[plan.runs[r].slot] = h;
        reads[plan.runs[r].slot]++;
      }
    }
    for (int32_t left = 1; left <= level->most_steps; left++) { /* those at work are a prefix */
      for (size_t r = 0; r < level->n; r++) {
        cr_assert_eq(bki_k_run_steps(&plan.runs[level->first + r]) >= left, (int64_t)r < level->active[left - 1]);
      }
    }
  }
  size_t slot = 0;
  int word = 0;
  for (size_t i = 0; i < g->n; i++) {
    const int32_t l = job->sequences[job->order[i]].length;
    for (int32_t k = 0; k < (int32_t)bki_plan_slots(job->extent, l); k++, slot++) {
      cr_assert_eq(reads[slot], 1);
      check_slot(m, direction, l, k, word, &slots[slot]);
    }
    word += l;
  }
  free(states);
  free(slots);
  free(reads);
  bki_cuda_runs_clear(&plan);
}

Test(cuda_index, runs_of_engine_incremental_read_the_texts_of_their_slots) {
  bki_sequence texts[MOST + 1] = {{0}};
  for (int32_t l = 0; l <= MOST; l++) {
    texts[l].length = (l * 3) % (MOST + 1);
  }
  for (int extent = BKI_EXTENT_WHOLE; extent <= BKI_EXTENT_PREFIXES; extent++) {
    for (int pad = BKI_PAD_NONE; pad <= BKI_PAD_POST; pad++) {
      for (int readout = BKI_READOUT_FINAL; readout <= BKI_READOUT_LAST; readout++) {
        const bki_model_config m = shape((bki_pad)pad, (bki_readout)readout);
        bki_cuda_job job = {.sequences = texts, .extent = (bki_extent)extent};
        bki_error err;
        cr_assert_eq(bki_cuda_job_plan(&job, MOST + 1, 1000, &err), BKI_OK);
        cr_assert_eq(job.n_groups, 1);
        check_group(&m, 0, &job);
        check_group(&m, 1, &job);
        bki_cuda_job_clear(&job);
      }
    }
  }
}

Test(cuda_index, groups_hold_every_text_once_longest_first) {
  bki_sequence texts[50];
  for (int32_t i = 0; i < 50; i++) {
    texts[i] = (bki_sequence){.length = i * 37 % 50};
  }
  for (size_t most = 1; most < 300; most += 13) {
    bki_cuda_job job = {.sequences = texts, .extent = BKI_EXTENT_VARIANTS};
    bki_error err;
    int seen[50] = {0};
    int32_t before = 50;
    size_t next = 0;
    cr_assert_eq(bki_cuda_job_plan(&job, 50, most, &err), BKI_OK);
    for (size_t g = 0; g < job.n_groups; g++) {
      size_t slots = 0;
      cr_assert_eq(job.groups[g].first, next);
      for (size_t i = 0; i < job.groups[g].n; i++) {
        const size_t text = job.order[next++];
        seen[text]++;
        cr_assert_leq(texts[text].length, before);
        before = texts[text].length;
        slots += (size_t)texts[text].length + 1;
      }
      cr_assert_eq(slots, job.groups[g].n_slots);
      cr_assert(slots <= most || job.groups[g].n == 1);
    }
    for (int i = 0; i < 50; i++) {
      cr_assert_eq(seen[i], 1);
    }
    bki_cuda_job_clear(&job);
  }
}
