/* How the texts of a batch are laid out. */
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "cpu_learner.h"
#include "fail.h"

bki_status bki_learner_plan_init(bki_learner_plan *plan, const bki_model_config *model, bki_error *err) {
  const size_t n = (size_t)model->vocabulary_size + 1;
  plan->slot = bki_array_create(n, sizeof *plan->slot);
  if (plan->slot == NULL) {
    return bki_fail_memory(err);
  }
  memset(plan->slot, -1, n * sizeof *plan->slot);
  return BKI_OK;
}

void bki_learner_plan_clear(bki_learner_plan *plan) {
  free(plan->row);
  free(plan->steps);
  free(plan->chunks);
  free(plan->offsets);
  free(plan->word[0]);
  free(plan->word[1]);
  free(plan->use[0]);
  free(plan->use[1]);
  free(plan->first_use);
  free(plan->ids);
  free(plan->slot);
}

static size_t steps_of(const bki_model_config *model, const bki_sequence *sequence) {
  return (size_t)(model->pad == BKI_PAD_NONE ? sequence->length : model->pad_length);
}

typedef struct sort_key {
  size_t steps;
  uint32_t row;
} sort_key;

static int by_steps(const void *a, const void *b) {
  const sort_key *x = a;
  const sort_key *y = b;
  if (x->steps != y->steps) {
    return x->steps > y->steps ? -1 : 1;
  }
  return x->row < y->row ? -1 : x->row > y->row;
}

static bki_status sort_rows(bki_learner_plan *plan, const bki_model_config *model, const bki_minibatch *batch,
                            bki_error *err) {
  sort_key *keys = bki_array_create(batch->n, sizeof *keys);
  bki_status status = keys != NULL ? BKI_OK : bki_fail_memory(err);
  if (status == BKI_OK) {
    status = bki_array_reserve(&plan->row, &plan->rows_capacity, batch->n, sizeof *plan->row, err);
  }
  if (status == BKI_OK) {
    status = bki_array_reserve(&plan->steps, &plan->steps_capacity, batch->n, sizeof *plan->steps, err);
  }
  for (size_t i = 0; status == BKI_OK && i < batch->n; i++) {
    keys[i] = (sort_key){steps_of(model, &batch->sequences[i]), (uint32_t)i};
  }
  if (status == BKI_OK) {
    qsort(keys, batch->n, sizeof *keys, by_steps);
  }
  for (size_t i = 0; status == BKI_OK && i < batch->n; i++) {
    plan->row[i] = keys[i].row;
    plan->steps[i] = keys[i].steps;
  }
  free(keys);
  return status;
}

static bki_status cut_chunks(bki_learner_plan *plan, bki_error *err) {
  plan->n_chunks = (plan->n + BKI_LEARNER_ROWS - 1) / BKI_LEARNER_ROWS;
  BKI_TRY(bki_array_reserve(&plan->chunks, &plan->chunks_capacity, plan->n_chunks, sizeof *plan->chunks, err));
  size_t n_offsets = 0;
  for (size_t i = 0; i < plan->n_chunks; i++) {
    n_offsets += plan->steps[i * BKI_LEARNER_ROWS] + 1;
  }
  BKI_TRY(bki_array_reserve(&plan->offsets, &plan->offsets_capacity, n_offsets, sizeof *plan->offsets, err));
  size_t *offset = plan->offsets;
  size_t at = 0;
  for (size_t i = 0; i < plan->n_chunks; i++) {
    const size_t first = i * BKI_LEARNER_ROWS;
    const size_t rows = plan->n - first < BKI_LEARNER_ROWS ? plan->n - first : BKI_LEARNER_ROWS;
    const size_t steps = plan->steps[first];
    plan->chunks[i] = (bki_learner_chunk){first, rows, steps, offset};
    size_t active = rows;
    for (size_t t = 0; t <= steps; t++) {
      *offset++ = at;
      while (active > 0 && plan->steps[first + active - 1] <= t) {
        active--;
      }
      at += active;
    }
  }
  plan->n_steps = at;
  return BKI_OK;
}

/* Which of the U words an id is; -1 is the zero vector. */
static uint32_t find_word(bki_learner_plan *plan, int32_t vocabulary, int32_t id) {
  int32_t *slot = &plan->slot[id < 0 ? vocabulary : id];
  if (*slot < 0) {
    *slot = (int32_t)plan->n_words;
    plan->ids[plan->n_words++] = id;
  }
  return (uint32_t)*slot;
}

static void forget_words(bki_learner_plan *plan, int32_t vocabulary) {
  for (size_t i = 0; i < plan->n_words; i++) {
    plan->slot[plan->ids[i] < 0 ? vocabulary : plan->ids[i]] = -1;
  }
  plan->n_words = 0;
}

static void place_words(bki_learner_plan *plan, const bki_model_config *model, const bki_minibatch *batch) {
  const int32_t pad = model->pad_vector == BKI_PAD_VECTOR_ZERO ? -1 : model->pad_id;
  for (size_t i = 0; i < plan->n; i++) {
    const bki_learner_chunk *chunk = &plan->chunks[i / BKI_LEARNER_ROWS];
    const size_t r = i - chunk->first;
    const bki_sequence *sequence = &batch->sequences[plan->row[i]];
    const size_t length = (size_t)sequence->length;
    const size_t steps = plan->steps[i];
    const size_t first = model->pad == BKI_PAD_PRE ? steps - length : 0;
    for (size_t t = 0; t < steps; t++) {
      const bool is_word = t >= first && t < first + length;
      const uint32_t word = find_word(plan, model->vocabulary_size, is_word ? sequence->ids[t - first] : pad);
      plan->word[0][chunk->offset[t] + r] = word;
      plan->word[1][chunk->offset[steps - 1 - t] + r] = word;
    }
  }
}

/* Counting sort: use and first_use. */
static bki_status sort_uses(bki_learner_plan *plan, bki_error *err) {
  const size_t U = plan->n_words;
  BKI_TRY(bki_array_reserve(&plan->first_use, &plan->first_use_capacity, U + 2, sizeof *plan->first_use, err));
  for (size_t d = 0; d < 2; d++) {
    BKI_TRY(bki_array_reserve(&plan->use[d], &plan->use_capacity[d], plan->n_steps, sizeof *plan->use[d], err));
    size_t *next = plan->first_use + 1; /* of word w at next[w]; in the end where w + 1 begins */
    memset(plan->first_use, 0, (U + 2) * sizeof *plan->first_use);
    for (size_t s = 0; s < plan->n_steps; s++) {
      next[plan->word[d][s] + 1]++;
    }
    for (size_t w = 0; w < U; w++) {
      next[w + 1] += next[w];
    }
    for (size_t s = 0; s < plan->n_steps; s++) {
      plan->use[d][next[plan->word[d][s]]++] = (uint32_t)s;
    }
  }
  return BKI_OK;
}

bki_status bki_learner_plan_make(bki_learner_plan *plan, const bki_model_config *model, const bki_minibatch *batch,
                                 bki_error *err) {
  forget_words(plan, model->vocabulary_size);
  plan->n = batch->n;
  BKI_TRY(sort_rows(plan, model, batch, err));
  BKI_TRY(cut_chunks(plan, err));
  const size_t most = plan->n_steps < (size_t)model->vocabulary_size ? plan->n_steps : (size_t)model->vocabulary_size;
  BKI_TRY(bki_array_reserve(&plan->ids, &plan->ids_capacity, most + 1, sizeof *plan->ids, err));
  for (size_t d = 0; d < 2; d++) {
    BKI_TRY(bki_array_reserve(&plan->word[d], &plan->word_capacity[d], plan->n_steps, sizeof *plan->word[d], err));
  }
  place_words(plan, model, batch);
  return sort_uses(plan, err);
}
