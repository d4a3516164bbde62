#include "cuda_runs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "index.h"

static int32_t steps_of(const bki_plan_row *row) {
  return row->end < row->first ? 0 : row->end - row->first + 1;
}

static bki_status plan_rows(bki_cuda_runs *r, const bki_model_config *model, const bki_cuda_job *job,
                            const bki_cuda_group *group, int direction, bki_error *err) {
  const size_t most = group->n_slots + group->n; /* bki_plan_rows: a row a slot and one more a text */
  BKI_TRY(bki_array_reserve(&r->rows, &r->rows_capacity, most, sizeof *r->rows, err));
  BKI_TRY(bki_array_reserve(&r->runs, &r->runs_capacity, most, sizeof *r->runs, err));
  BKI_TRY(bki_array_reserve(&r->store, &r->store_capacity, most, sizeof *r->store, err));
  r->n = 0;
  for (size_t i = 0; i < group->n; i++) {
    const bki_sequence *text = &job->sequences[job->order[group->first + i]];
    bki_plan_text(r->rows, &r->n, model, direction, job->extent, (uint32_t)i, text->length);
  }
  return BKI_OK;
}

/* Gives the rows that others take over from a place for their states. */
static void place_states(bki_cuda_runs *r, size_t n_pads) {
  memset(r->store, -1, r->n * sizeof *r->store);
  for (size_t i = 0; i < r->n; i++) {
    if (r->rows[i].source >= 0) {
      r->store[r->rows[i].source] = 0;
    }
  }
  r->n_states = n_pads;
  for (size_t i = 0; i < r->n; i++) {
    if (r->store[i] == 0) {
      r->store[i] = (int32_t)r->n_states;
      r->n_states += (size_t)steps_of(&r->rows[i]);
    }
  }
}

/* Where the state of a row at time t is: before its first step it is that of its source. */
static int32_t state_at(const bki_cuda_runs *r, int32_t source, int32_t t) {
  if (source < 0) {
    return -1 - source;
  }
  const bki_plan_row *row = &r->rows[source];
  assert(row->source < 0);
  return t < row->first ? -1 - row->source : r->store[source] + (t - row->first);
}

/* Counts the runs of a level by their steps, and finds where in the level those of each number of steps begin. */
static bki_status count_level(bki_cuda_runs *r, int number, bki_error *err) {
  bki_cuda_level *level = &r->levels[number];
  *level = (bki_cuda_level){.active = level->active, .active_capacity = level->active_capacity};
  for (size_t i = 0; i < r->n; i++) {
    if ((r->store[i] < 0) == (number == 1)) {
      const int32_t steps = steps_of(&r->rows[i]);
      level->most_steps = steps > level->most_steps ? steps : level->most_steps;
      level->n++;
    }
  }
  const size_t most = (size_t)level->most_steps + 1;
  BKI_TRY(bki_array_reserve(&level->active, &level->active_capacity, most, sizeof *level->active, err));
  memset(level->active, 0, most * sizeof *level->active);
  for (size_t i = 0; i < r->n; i++) {
    if ((r->store[i] < 0) == (number == 1)) {
      level->active[steps_of(&r->rows[i])]++;
    }
  }
  int64_t more = 0; /* runs of more steps */
  for (size_t s = most; s-- > 0;) {
    const int64_t equal = level->active[s];
    level->active[s] = more;
    more += equal;
  }
  return BKI_OK;
}

/* Puts the runs into their places: by steps, most first, in the order of the rows where those are equal. active[s] is
 * then the number of runs of at least s steps, and becomes that of left = s + 1. */
static void fill_level(bki_cuda_runs *r, int number, const size_t *first_word, const size_t *first_slot,
                       const bki_sequence *const *texts, int direction) {
  bki_cuda_level *level = &r->levels[number];
  for (size_t i = 0; i < r->n; i++) {
    if ((r->store[i] < 0) != (number == 1)) {
      continue;
    }
    const bki_plan_row *row = &r->rows[i];
    const size_t at = level->first + (size_t)level->active[steps_of(row)]++;
    const size_t l = (size_t)texts[row->text]->length;
    r->runs[at] = (bki_k_run){
        .words = (int64_t)(first_word[row->text] + (direction == 0 || l == 0 ? 0 : l - 1)),
        .direction = direction == 0 ? 1 : -1,
        .words_end = row->words_end,
        .first = row->first,
        .end = row->end,
        .source = state_at(r, row->source, row->fork),
        .store = r->store[i],
        .slot = row->slot == BKI_PLAN_NO_SLOT ? -1 : (int32_t)(first_slot[row->text] + (size_t)row->slot),
    };
  }
  for (int32_t s = 0; s < level->most_steps; s++) {
    level->active[s] = level->active[s + 1];
  }
}

bki_status bki_cuda_runs_make(bki_cuda_runs *runs, const bki_model_config *model, const bki_cuda_job *job,
                              const bki_cuda_group *group, int direction, size_t n_pads, bki_error *err) {
  BKI_TRY(plan_rows(runs, model, job, group, direction, err));
  place_states(runs, n_pads);
  size_t *first_word = bki_array_create(group->n, sizeof *first_word);
  size_t *first_slot = bki_array_create(group->n, sizeof *first_slot);
  const bki_sequence **texts = bki_array_create(group->n, sizeof *texts);
  bki_status status = first_word == NULL || first_slot == NULL || texts == NULL ? bki_fail_memory(err) : BKI_OK;
  for (size_t i = 0, word = 0, slot = 0; status == BKI_OK && i < group->n; i++) {
    texts[i] = &job->sequences[job->order[group->first + i]];
    first_word[i] = word;
    first_slot[i] = slot;
    word += (size_t)texts[i]->length;
    slot += bki_plan_slots(job->extent, texts[i]->length);
  }
  for (int number = 0; status == BKI_OK && number < BKI_CUDA_LEVELS; number++) {
    status = count_level(runs, number, err);
    if (status == BKI_OK) {
      runs->levels[number].first = number == 0 ? 0 : runs->levels[0].n;
      fill_level(runs, number, first_word, first_slot, texts, direction);
    }
  }
  free(first_word);
  free(first_slot);
  free(texts);
  return status;
}

void bki_cuda_runs_clear(bki_cuda_runs *runs) {
  for (int i = 0; i < BKI_CUDA_LEVELS; i++) {
    free(runs->levels[i].active);
  }
  free(runs->runs);
  free(runs->rows);
  free(runs->store);
  *runs = (bki_cuda_runs){0};
}
