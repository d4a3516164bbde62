/* The work of a group for the persistent kernels: texts for the base kernel, items for the scan kernel. */
#include <stdlib.h>

#include "array.h"
#include "cuda_persistent.h"
#include "persistent_index.h"

static const bki_sequence *text_of(const bki_cuda_job *job, const bki_cuda_group *group, size_t i) {
  return &job->sequences[job->order[group->first + i]];
}

/* The variants of a text that a direction has items for, in its order of reading: of all words or of the picked ones,
 * but for the last word, whose variant the base kernel scores. */
typedef struct variants {
  const bki_picks *picks; /* NULL: every word */
  int32_t length;
  int32_t n;
  int half;
} variants;

static variants variants_of(const bki_cuda_job *job, const bki_cuda_group *group, size_t i, int half) {
  variants v = {.length = text_of(job, group, i)->length, .half = half};
  if (job->extent == BKI_EXTENT_WHOLE || v.length == 0) {
    return v;
  }
  if (job->picks == NULL) {
    v.n = v.length - 1;
    return v;
  }
  v.picks = &job->picks[job->order[group->first + i]];
  const int32_t end = half == 0 ? v.picks->n - 1 : 0; /* that comes last when it is read */
  const int32_t last_word = half == 0 ? v.length - 1 : 0;
  v.n = v.picks->n - (v.picks->n > 0 && v.picks->position[end] == last_word);
  return v;
}

static int32_t variant_at(const variants *v, int32_t k) {
  return v->picks == NULL ? k
         : v->half == 0   ? v->picks->position[k]
                          : v->length - 1 - v->picks->position[v->picks->n - 1 - k];
}

/* An item takes the 8 variants that come next, the last one those that are left. No other way takes fewer steps: those
 * of an item depend on its first variant alone, and with items in the order of these, the one behind n others begins
 * with variant 8 n at the latest, since the others have room for no more. Cut from the end, with those that are left in
 * the first item, all that follow would begin earlier. */
static int32_t items_of(const variants *v) {
  return (v->n + BKI_K_ITEM_ROWS - 1) / BKI_K_ITEM_ROWS;
}

static int32_t steps_of(const variants *v, int32_t item) {
  const int32_t first = variant_at(v, item * BKI_K_ITEM_ROWS);
  return v->length - first / BKI_K_ITEM_ROWS * BKI_K_ITEM_ROWS;
}

static bki_k_item make_item(const bki_k_text *text, const variants *v, int32_t item) {
  const int32_t sign = v->half == 0 ? 1 : -1;
  if (v->picks == NULL) {
    return bki_k_scan_item(text, item, sign);
  }
  int32_t skip[BKI_K_ITEM_ROWS] = {0};
  int32_t n = 0;
  for (int32_t k = item * BKI_K_ITEM_ROWS; n < BKI_K_ITEM_ROWS && k < v->n; k++) {
    skip[n++] = variant_at(v, k);
  }
  return bki_k_make_item(text, skip, n, sign);
}

static int32_t states_of(const bki_cuda_job *job, int32_t length) {
  return job->extent == BKI_EXTENT_WHOLE ? 0 : bki_k_text_states(length);
}

static bki_status reserve(bki_cuda_items *t, bki_cuda_device *d, bki_error *err) {
  for (int half = 0; half < 2; half++) {
    BKI_TRY(bki_cuda_mirror_reserve(d, &t->half[half].texts, t->n_texts, sizeof(bki_k_text), err));
    BKI_TRY(bki_cuda_mirror_reserve(d, &t->half[half].items, t->half[half].n_items, sizeof(bki_k_item), err));
  }
  return bki_cuda_mirror_reserve(d, &t->slots, t->n_texts, sizeof(int32_t), err);
}

/* next [most steps + 1]: where the first item of so many steps goes, when those of more steps are in front of it. */
static void find_places(size_t *next, const bki_cuda_job *job, const bki_cuda_group *group, int half, int32_t most) {
  for (size_t i = 0; i < group->n; i++) {
    const variants v = variants_of(job, group, i, half);
    for (int32_t k = 0; k < items_of(&v); k++) {
      next[steps_of(&v, k)]++;
    }
  }
  size_t more = 0;
  for (int32_t steps = most; steps >= 0; steps--) {
    const size_t equal = next[steps];
    next[steps] = more;
    more += equal;
  }
}

/* Text `number` of the group in a direction: its first word in the group's ids, its own slot, the first of its states,
 * and its items. The score of a text that has no slots for variants goes to its own, where nobody reads it. */
static void add_text(bki_cuda_items *t, const bki_cuda_job *job, const variants *v, size_t number, size_t word,
                     size_t slot, size_t state, size_t *next) {
  bki_k_text text = bki_k_make_text((int64_t)word, (int64_t)slot + 1, v->length, (int32_t)number, (int64_t)state,
                                    v->half == 0 ? 1 : -1);
  text.score = job->extent == BKI_EXTENT_WHOLE ? (int64_t)slot : text.score;
  ((bki_k_text *)t->half[v->half].texts.host.data)[number] = text;
  for (int32_t k = 0; k < items_of(v); k++) {
    ((bki_k_item *)t->half[v->half].items.host.data)[next[steps_of(v, k)]++] = make_item(&text, v, k);
  }
}

static void fill(bki_cuda_items *t, const bki_cuda_job *job, const bki_cuda_group *group, int half, size_t *next) {
  size_t word = 0;
  size_t slot = 0;
  size_t state = 0;
  for (size_t i = 0; i < t->n_texts; i++) { /* longest first: those of no words are the last */
    const variants v = variants_of(job, group, i, half);
    ((int32_t *)t->slots.host.data)[i] = (int32_t)slot;
    add_text(t, job, &v, i, word, slot, state, next);
    word += (size_t)v.length;
    slot += bki_plan_slots(job->extent, v.length);
    state += (size_t)states_of(job, v.length);
  }
}

static void add_load(bki_k_load *load, int32_t steps) {
  load->steps += steps;
  load->longest = steps > load->longest ? steps : load->longest;
}

static void count(bki_cuda_items *t, const bki_cuda_job *job, const bki_cuda_group *group) {
  t->n_texts = t->n_states = t->half[0].n_items = t->half[1].n_items = 0;
  t->base = t->scan = (bki_k_load){0};
  for (size_t i = 0; i < group->n; i++) {
    const int32_t length = text_of(job, group, i)->length;
    for (int half = 0; half < 2; half++) {
      const variants v = variants_of(job, group, i, half);
      t->half[half].n_items += (size_t)items_of(&v);
      for (int32_t k = 0; k < items_of(&v); k++) {
        add_load(&t->scan, steps_of(&v, k));
      }
      if (i % BKI_K_ITEM_ROWS == 0) { /* the longest of 8 */
        add_load(&t->base, length);
      }
    }
    t->n_texts += length > 0;
    t->n_states += (size_t)states_of(job, length);
  }
}

bki_status bki_cuda_items_make(bki_cuda_items *items, bki_cuda_device *device, const bki_cuda_job *job,
                               const bki_cuda_group *group, bki_error *err) {
  const int32_t most = text_of(job, group, 0)->length;
  count(items, job, group);
  BKI_TRY(reserve(items, device, err));
  for (int half = 0; half < 2; half++) {
    size_t *next = bki_array_create((size_t)most + 1, sizeof *next);
    if (next == NULL) {
      return bki_fail_memory(err);
    }
    find_places(next, job, group, half, most);
    fill(items, job, group, half, next);
    free(next);
  }
  return BKI_OK;
}

void bki_cuda_items_clear(bki_cuda_items *items) {
  for (int half = 0; half < 2; half++) {
    bki_cuda_mirror_release(&items->half[half].texts);
    bki_cuda_mirror_release(&items->half[half].items);
  }
  bki_cuda_mirror_release(&items->slots);
}
