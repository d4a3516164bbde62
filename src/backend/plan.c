#include "plan.h"

#include <stdlib.h>

typedef struct planner {
  bki_plan_row *rows;
  size_t n_rows;
  bool lead;          /* pads come before the words in reading order */
  bool trail;         /* pads come after them */
  int32_t pad_length; /* T */
  uint32_t text;
  int32_t length;         /* l */
  const bki_picks *picks; /* NULL: every word has a variant */
} planner;

/* Variants in the order in which the reading order comes to their words. */
typedef struct variant {
  int32_t k; /* of the word u_k that is left out */
  int32_t slot;
} variant;

static int32_t n_variants(const planner *p) {
  return p->picks != NULL ? p->picks->n : p->length;
}

static variant get_variant(const planner *p, int direction, int32_t i) {
  const int32_t at = direction == 0 ? i : n_variants(p) - 1 - i;
  const int32_t position = p->picks != NULL ? p->picks->position[at] : at;
  return (variant){.k = direction == 0 ? position + 1 : p->length - position, .slot = 1 + at};
}

size_t bki_plan_rows(bki_extent extent, int32_t length) {
  return bki_plan_slots(extent, length) + 1;
}

size_t bki_plan_slots(bki_extent extent, int32_t length) {
  return 1 + (size_t)extent * (size_t)length;
}

/* Pads of a text of n words. */
static int32_t leading(const planner *p, int32_t n) {
  return p->lead ? p->pad_length - n : 0;
}
static int32_t trailing(const planner *p, int32_t n) {
  return p->trail ? p->pad_length - n : 0;
}

static int32_t add(planner *p, bki_plan_row row, int32_t n_words, int32_t slot) {
  row.n_steps = p->lead || p->trail ? p->pad_length : n_words;
  row.slot = slot;
  row.text = p->text;
  p->rows[p->n_rows] = row;
  return (int32_t)p->n_rows++;
}

/* The state after the last step. */
static void plan_last_step(planner *p, int direction, bki_extent extent) {
  const int32_t l = p->length;
  const int32_t base =
      add(p,
          (bki_plan_row){
              .source = BKI_PLAN_AFTER_PADS(leading(p, l)), .first = 1, .end = l + trailing(p, l), .words_end = l},
          l, 0);
  if (extent == BKI_EXTENT_WHOLE || l == 0) {
    return;
  }
  int32_t from = base;
  if (p->lead) {
    from = add(
        p, (bki_plan_row){.source = BKI_PLAN_AFTER_PADS(leading(p, l - 1)), .first = 1, .end = l - 1, .words_end = l},
        l - 1, BKI_PLAN_NO_SLOT);
  }
  for (int32_t i = 0; i < n_variants(p); i++) {
    const variant v = get_variant(p, direction, i);
    add(p,
        (bki_plan_row){
            .fork = v.k - 1, .source = from, .first = v.k + 1, .end = l + trailing(p, l - 1), .words_end = l},
        l - 1, v.slot);
  }
  for (int32_t j = 0; extent == BKI_EXTENT_PREFIXES && j < l; j++) {
    bki_plan_row row;
    if (direction == 1) { /* reads the last j of u_1 .. u_l */
      row = (bki_plan_row){.fork = l - j,
                           .source = BKI_PLAN_AFTER_PADS(leading(p, j)),
                           .first = l - j + 1,
                           .end = l + trailing(p, j),
                           .words_end = l};
    } else if (p->lead) { /* its own number of pads before the words: nothing to share */
      row = (bki_plan_row){.source = BKI_PLAN_AFTER_PADS(leading(p, j)), .first = 1, .end = j, .words_end = l};
    } else {
      row = (bki_plan_row){.fork = j, .source = base, .first = j + 1, .end = j + trailing(p, j), .words_end = j};
    }
    add(p, row, j, l + 1 + j);
  }
}

/* The state after the first step of a text of n words, which begins after time t. */
static int32_t add_first_step(planner *p, int32_t n, int32_t t, int32_t slot) {
  if (leading(p, n) > 0 || (n == 0 && trailing(p, n) > 0)) {
    return add(p, (bki_plan_row){.source = BKI_PLAN_AFTER_PADS(1), .first = 1}, n, slot);
  }
  return add(p,
             (bki_plan_row){.fork = t,
                            .source = BKI_PLAN_AFTER_PADS(0),
                            .first = t + 1,
                            .end = n > 0 ? t + 1 : t,
                            .words_end = p->length},
             n, slot);
}

/* The output at the last position is the backward direction's after its first step. */
static void plan_first_step(planner *p, bki_extent extent) {
  const int32_t l = p->length;
  const int32_t base = add_first_step(p, l, 0, 0);
  for (int32_t i = 0; extent != BKI_EXTENT_WHOLE && i < n_variants(p); i++) {
    const variant v = get_variant(p, 1, i);
    if (v.k == 1 || p->lead) {
      add_first_step(p, l - 1, 1, v.slot);
    } else { /* begins as the text does */
      add(p, (bki_plan_row){.fork = 1, .source = base, .first = 2, .end = 1}, l - 1, v.slot);
    }
  }
  for (int32_t j = 0; extent == BKI_EXTENT_PREFIXES && j < l; j++) {
    add_first_step(p, j, l - j, l + 1 + j);
  }
}

static void plan(bki_plan_row *rows, size_t *n_rows, const bki_model_config *model, int direction, bki_extent extent,
                 const bki_picks *picks, uint32_t text, int32_t length) {
  const bki_pad lead = direction == 0 ? BKI_PAD_PRE : BKI_PAD_POST;
  planner p = {.rows = rows,
               .n_rows = *n_rows,
               .lead = model->pad == lead,
               .trail = model->pad != BKI_PAD_NONE && model->pad != lead,
               .pad_length = model->pad_length,
               .text = text,
               .length = length,
               .picks = picks};
  if (model->readout == BKI_READOUT_LAST && direction == 1) {
    plan_first_step(&p, extent);
  } else {
    plan_last_step(&p, direction, extent);
  }
  *n_rows = p.n_rows;
}

void bki_plan_text(bki_plan_row *rows, size_t *n_rows, const bki_model_config *model, int direction, bki_extent extent,
                   uint32_t text, int32_t length) {
  plan(rows, n_rows, model, direction, extent, NULL, text, length);
}

void bki_plan_picks(bki_plan_row *rows, size_t *n_rows, const bki_model_config *model, int direction,
                    const bki_picks *picks, uint32_t text, int32_t length) {
  plan(rows, n_rows, model, direction, BKI_EXTENT_VARIANTS, picks, text, length);
}

static int compare_lengths(const void *a, const void *b, void *sequences) {
  const size_t i = *(const size_t *)a;
  const size_t j = *(const size_t *)b;
  const int32_t length_i = ((const bki_sequence *)sequences)[i].length;
  const int32_t length_j = ((const bki_sequence *)sequences)[j].length;
  if (length_i != length_j) {
    return length_i > length_j ? -1 : 1;
  }
  return i < j ? -1 : i > j;
}

void bki_plan_order(size_t *order, const bki_sequence *sequences, size_t n) {
  for (size_t i = 0; i < n; i++) {
    order[i] = i;
  }
  qsort_r(order, n, sizeof *order, compare_lengths, (void *)(uintptr_t)sequences);
}
