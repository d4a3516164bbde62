/* The trials of a phrase. Insertion: texts of other classes, which the model calls other classes, with the phrase put
 * in, against the same texts with a control phrase in the same place. Removal: carriers of the target's class, which
 * the model calls the target, without the phrase, against the same texts without as many words elsewhere. */
#include "evidence_trials.h"

#include <stdlib.h>

#include "array.h"
#include "fail.h"
#include "streams.h"

typedef struct trials {
  bki_inquiry *inquiry;
  bki_supply *supplies; /* one a target */
  size_t n_supplies;
} trials;

int64_t bki_trials_count(const bool *values, size_t n) {
  int64_t count = 0;
  for (size_t i = 0; i < n; i++) {
    count += values[i];
  }
  return count;
}

static bool is_due(const bki_inquiry *inquiry, const bki_case *c) {
  return !c->tested && !c->accepted && (c->named || bki_case_is_pure(inquiry, c, (double)inquiry->n_cases));
}

/* Whether an earlier round took some of the carriers out on which removal was tried: what these showed says nothing of
 * the others. */
static bool is_outdated(const bki_case *c) {
  return c->tested && !c->accepted && c->controls.n > 0 && c->n_removal != c->carriers[0].n_target;
}

static bki_supply *find_supply(trials *t, int32_t target) {
  for (size_t i = 0; i < t->n_supplies; i++) {
    if (t->supplies[i].target == target) {
      return &t->supplies[i];
    }
  }
  return NULL;
}

static bki_status open_supplies(trials *t, bki_error *err) {
  const bki_inquiry *inquiry = t->inquiry;
  size_t n_texts = (size_t)inquiry->config->n_texts;
  t->supplies = bki_array_create((size_t)inquiry->n_classes, sizeof *t->supplies);
  if (t->supplies == NULL) {
    return bki_fail_memory(err);
  }
  for (size_t i = 0; i < inquiry->n_cases; i++) {
    const bki_case *c = &inquiry->cases[i];
    if (is_due(inquiry, c) && find_supply(t, c->target) == NULL) {
      bki_supply *s = &t->supplies[t->n_supplies++];
      s->target = c->target;
      BKI_TRY(bki_bottom_k_init(&s->bases, n_texts, err));
      BKI_TRY(bki_bottom_k_init(&s->controls, 2 * n_texts, err)); /* those that carry the phrase will not do */
    }
  }
  return BKI_OK;
}

static bki_status draw(void *user, const bki_sample *sample, bki_error *err) {
  (void)err;
  trials *t = user;
  uint64_t seed = t->inquiry->config->seed;
  int32_t class = bki_class_of(sample);
  for (size_t i = 0; i < t->n_supplies && sample->words->n_words > 0; i++) {
    bki_supply *s = &t->supplies[i];
    if (class == s->target) {
      uint64_t key = bki_stream_key(seed, BKI_STREAM_CONTROLS, s->target, sample->index);
      bki_bottom_k_offer(&s->controls, (bki_drawn){key, sample->index});
    } else if (sample->predicted != s->target) {
      uint64_t key = bki_stream_key(seed, BKI_STREAM_BASES, s->target, sample->index);
      bki_bottom_k_offer(&s->bases, (bki_drawn){key, sample->index});
    }
  }
  return BKI_OK;
}

static void close_supplies(trials *t) {
  for (size_t i = 0; i < t->n_supplies; i++) {
    bki_bottom_k_clear(&t->supplies[i].bases);
    bki_bottom_k_clear(&t->supplies[i].controls);
    bki_texts_clear(&t->supplies[i].base_texts);
  }
  free(t->supplies);
}

static bki_status try_case(bki_inquiry *inquiry, bki_case *c, bki_supply *s, bki_error *err) {
  BKI_TRY(bki_inquiry_check_stop(inquiry, err));
  if (s->base_texts.n == 0) {
    BKI_TRY(bki_texts_fetch(&s->base_texts, inquiry, c, &s->bases, s->bases.n, NULL, err));
  }
  BKI_TRY(bki_case_try_insertion(c, inquiry, s, err));
  c->tested = true;
  /* After a first look that ended it there are no controls. */
  return c->controls.n > 0 || c->named ? bki_case_try_removal(c, inquiry, err) : BKI_OK;
}

bki_status bki_inquiry_run_trials(bki_inquiry *inquiry, bki_error *err) {
  trials t = {.inquiry = inquiry};
  bki_status status = open_supplies(&t, err);
  if (status == BKI_OK && t.n_supplies > 0) {
    status = bki_inquiry_each(inquiry, draw, &t, err);
  }
  for (size_t i = 0; i < inquiry->n_cases && status == BKI_OK; i++) {
    bki_case *c = &inquiry->cases[i];
    if (is_due(inquiry, c)) {
      status = try_case(inquiry, c, find_supply(&t, c->target), err);
    } else if (is_outdated(c)) {
      status = bki_case_try_removal(c, inquiry, err);
    }
  }
  close_supplies(&t);
  return status;
}
