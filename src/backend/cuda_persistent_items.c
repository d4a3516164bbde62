/* The work of a group for the persistent kernels: texts for the base kernel, items for the scan kernel. */
#include <stdlib.h>

#include "array.h"
#include "cuda_persistent.h"
#include "persistent_index.h"

static const bki_sequence *text_of(const bki_cuda_job *job, const bki_cuda_group *group, size_t i) {
  return &job->sequences[job->order[group->first + i]];
}

static int32_t items_of(const bki_cuda_job *job, int32_t length) {
  return job->extent == BKI_EXTENT_WHOLE ? 0 : bki_k_text_items(length);
}

static int32_t states_of(const bki_cuda_job *job, int32_t length) {
  return job->extent == BKI_EXTENT_WHOLE ? 0 : bki_k_text_states(length);
}

static bki_status reserve(bki_cuda_items *t, bki_cuda_device *d, bki_error *err) {
  for (int half = 0; half < 2; half++) {
    BKI_TRY(bki_cuda_mirror_reserve(d, &t->half[half].texts, t->n_texts, sizeof(bki_k_text), err));
    BKI_TRY(bki_cuda_mirror_reserve(d, &t->half[half].items, t->n_items, sizeof(bki_k_item), err));
  }
  return bki_cuda_mirror_reserve(d, &t->slots, t->n_texts, sizeof(int32_t), err);
}

/* next [most steps + 1]: where the first item of so many steps goes, when those of more steps are in front of it. */
static void find_places(size_t *next, const bki_cuda_job *job, const bki_cuda_group *group, int32_t most) {
  for (size_t i = 0; i < group->n; i++) {
    const int32_t length = text_of(job, group, i)->length;
    for (int32_t k = 0; k < items_of(job, length); k++) {
      next[length - k * BKI_K_ITEM_ROWS]++;
    }
  }
  size_t more = 0;
  for (int32_t steps = most; steps >= 0; steps--) {
    const size_t equal = next[steps];
    next[steps] = more;
    more += equal;
  }
}

/* A text of the group in both directions: its first word in the group's ids, its own slot, and the first of its states.
 * The score of a text that has no slots for variants goes to its own, where nobody reads it. */
static void add_text(bki_cuda_items *t, const bki_cuda_job *job, int32_t length, size_t number, size_t word,
                     size_t slot, size_t state, size_t *next) {
  const bool whole = job->extent == BKI_EXTENT_WHOLE;
  ((int32_t *)t->slots.host.data)[number] = (int32_t)slot;
  bki_k_text texts[2];
  for (int half = 0; half < 2; half++) {
    const int32_t sign = half == 0 ? 1 : -1;
    texts[half] = bki_k_make_text((int64_t)word, (int64_t)slot + 1, length, (int32_t)number, (int64_t)state, sign);
    texts[half].score = whole ? (int64_t)slot : texts[half].score;
    ((bki_k_text *)t->half[half].texts.host.data)[number] = texts[half];
  }
  for (int32_t k = 0; k < items_of(job, length); k++) {
    const size_t at = next[length - k * BKI_K_ITEM_ROWS]++;
    for (int half = 0; half < 2; half++) {
      ((bki_k_item *)t->half[half].items.host.data)[at] = bki_k_scan_item(&texts[half], k, half == 0 ? 1 : -1);
    }
  }
}

static void fill(bki_cuda_items *t, const bki_cuda_job *job, const bki_cuda_group *group, size_t *next) {
  size_t word = 0;
  size_t slot = 0;
  size_t state = 0;
  for (size_t i = 0; i < t->n_texts; i++) { /* longest first: those of no words are the last */
    const int32_t length = text_of(job, group, i)->length;
    add_text(t, job, length, i, word, slot, state, next);
    word += (size_t)length;
    slot += bki_plan_slots(job->extent, length);
    state += (size_t)states_of(job, length);
  }
}

bki_status bki_cuda_items_make(bki_cuda_items *items, bki_cuda_device *device, const bki_cuda_job *job,
                               const bki_cuda_group *group, bki_error *err) {
  const int32_t most = text_of(job, group, 0)->length;
  items->n_texts = items->n_items = items->n_states = 0;
  for (size_t i = 0; i < group->n; i++) {
    const int32_t length = text_of(job, group, i)->length;
    items->n_texts += length > 0;
    items->n_items += (size_t)items_of(job, length);
    items->n_states += (size_t)states_of(job, length);
  }
  BKI_TRY(reserve(items, device, err));
  size_t *next = bki_array_create((size_t)most + 1, sizeof *next);
  if (next == NULL) {
    return bki_fail_memory(err);
  }
  find_places(next, job, group, most);
  fill(items, job, group, next);
  free(next);
  return BKI_OK;
}

void bki_cuda_items_clear(bki_cuda_items *items) {
  for (int half = 0; half < 2; half++) {
    bki_cuda_mirror_release(&items->half[half].texts);
    bki_cuda_mirror_release(&items->half[half].items);
  }
  bki_cuda_mirror_release(&items->slots);
}
