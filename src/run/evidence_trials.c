/* The trials of a phrase. Insertion: texts of other classes, which the model calls other classes, with the phrase put
 * in, against the same texts with a control phrase in the same place. Removal: carriers of the target's class, which
 * the model calls the target, without the phrase, against the same texts without as many words elsewhere. */
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "evidence_internal.h"
#include "evidence_texts.h"
#include "fail.h"
#include "lookup.h"
#include "streams.h"

/* A first look with a fifth of the texts: what turns less than a tenth of them is no trigger of any use, and most
 * natural phrases end here. */
enum { FIRST_LOOK = 5, FIRST_LOOK_TURNS = 10 };

/* Texts for the trials of one target. */
typedef struct supply {
  int32_t target;
  bki_bottom_k bases;    /* of other classes, called other classes */
  bki_bottom_k controls; /* of the target's class: where control phrases come from */
  bki_texts base_texts;
} supply;

typedef struct trials {
  bki_inquiry *inquiry;
  supply *supplies; /* one a target */
  size_t n_supplies;
} trials;

static bool is_due(const bki_inquiry *inquiry, const bki_case *c) {
  return !c->tested && !c->accepted && (c->named || bki_case_is_pure(inquiry, c, (double)inquiry->n_cases));
}

static supply *find_supply(trials *t, int32_t target) {
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
      supply *s = &t->supplies[t->n_supplies++];
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
    supply *s = &t->supplies[i];
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

static bool locate_phrase(const bki_inquiry *inquiry, const bki_case *c, const bki_reading *reading,
                          const bki_sample *sample, bki_text *text) {
  (void)inquiry;
  bki_carried carried;
  if (!bki_reading_carries(reading, c, sample, &carried)) {
    return false;
  }
  text->position = carried.position;
  text->length = carried.n_words;
  return true;
}

/* As many words as the phrase has, around that one of the selected words which the dictionary has about as often as the
 * keyword: as long, as frequent and as telling as a natural phrase can be. */
static bool locate_control(const bki_inquiry *inquiry, const bki_case *c, const bki_reading *reading,
                           const bki_sample *sample, bki_text *text) {
  bki_carried carried;
  if (bki_reading_carries(reading, c, sample, &carried)) {
    return false;
  }
  int64_t wanted = bki_dictionary_count(inquiry->dictionary, c->keyword, c->target);
  int64_t nearest = INT64_MAX;
  int32_t at = 0;
  for (int32_t i = 0; i < reading->n_selected; i++) {
    int32_t position = reading->selected[i];
    int64_t count = bki_dictionary_count_unit(inquiry->dictionary, sample, position, c->target);
    int64_t distance = count > wanted ? count - wanted : wanted - count;
    if (distance < nearest) {
      nearest = distance;
      at = position;
    }
  }
  text->length = c->n_words < text->n ? c->n_words : text->n;
  int32_t first = at - text->length / 2;
  int32_t last = text->n - text->length;
  text->position = first < 0 ? 0 : first > last ? last : first;
  return true;
}

static int64_t count_true(const bool *values, size_t n) {
  int64_t count = 0;
  for (size_t i = 0; i < n; i++) {
    count += values[i];
  }
  return count;
}

/* The phrase as the model reads it; *n words. */
static void phrase_ids(const bki_inquiry *inquiry, const bki_case *c, int32_t ids[BKI_MAX_PHRASE_WORDS], int32_t *n) {
  *n = 0;
  for (int32_t i = 0; i < c->n_words; i++) {
    int32_t id = bki_texts_model_id(inquiry, bki_lexicon_word(&inquiry->lexicon, c->words[i]));
    if (id >= 0) {
      ids[(*n)++] = id;
    }
  }
}

/* turned[first .. end): whether base text i with the phrase in it is called the target. */
static bki_status insert_phrase(bki_inquiry *inquiry, const bki_case *c, const supply *s, size_t first, size_t end,
                                bool *turned, bki_error *err) {
  int32_t ids[BKI_MAX_PHRASE_WORDS];
  int32_t n;
  bki_texts changed = {0};
  bki_status status = BKI_OK;
  phrase_ids(inquiry, c, ids, &n);
  for (size_t i = first; i < end && status == BKI_OK; i++) {
    status = bki_texts_put_in(&changed, inquiry, &s->base_texts.items[i], ids, n, err);
  }
  if (status == BKI_OK) {
    status = bki_texts_run(&changed, inquiry, c->target, turned + first, err);
  }
  bki_texts_clear(&changed);
  return status;
}

/* turned[i] for base text i with the i-th control phrase, *n of them. */
static bki_status insert_controls(bki_inquiry *inquiry, const bki_case *c, supply *s, bool *turned, size_t *n,
                                  bki_error *err) {
  bki_texts controls = {0};
  bki_texts changed = {0};
  bki_status status = bki_texts_fetch(&controls, inquiry, c, &s->controls, s->base_texts.n, locate_control, err);
  *n = controls.n;
  for (size_t i = 0; i < controls.n && status == BKI_OK; i++) {
    const bki_text *from = &controls.items[i];
    status =
        bki_texts_put_in(&changed, inquiry, &s->base_texts.items[i], from->ids + from->position, from->length, err);
  }
  if (status == BKI_OK) {
    status = bki_texts_run(&changed, inquiry, c->target, turned, err);
  }
  bki_texts_clear(&controls);
  bki_texts_clear(&changed);
  return status;
}

static bki_status try_insertion(bki_inquiry *inquiry, bki_case *c, supply *s, bki_error *err) {
  size_t n = s->base_texts.n;
  size_t n_first = c->named ? n : n / FIRST_LOOK;
  size_t n_controls = 0;
  bki_status status;
  bool *turned = bki_array_create(2 * n, sizeof *turned);
  if (turned == NULL) {
    return bki_fail_memory(err);
  }
  bool *control = turned + n;
  BKI_TRY_GOTO(status, done, insert_phrase(inquiry, c, s, 0, n_first, turned, err));
  if (!c->named && count_true(turned, n_first) * FIRST_LOOK_TURNS < (int64_t)n_first) {
    n = n_first;
  } else {
    BKI_TRY_GOTO(status, done, insert_phrase(inquiry, c, s, n_first, n, turned, err));
    BKI_TRY_GOTO(status, done, insert_controls(inquiry, c, s, control, &n_controls, err));
  }
  c->insertion = bki_rate_of(count_true(turned, n), (int64_t)n);
  c->controls = bki_rate_of(count_true(control, n_controls), (int64_t)n_controls);
  for (size_t i = 0; i < n_controls; i++) {
    c->wins += turned[i] && !control[i];
    c->losses += control[i] && !turned[i];
  }
done:
  free(turned);
  return status;
}

/* Where as many words are taken from a carrier as the phrase has there, beside it: before or after it as it comes. */
static int32_t elsewhere(const bki_inquiry *inquiry, const bki_text *text) {
  int32_t before = text->position - text->length + 1; /* places before the phrase, none if negative */
  int32_t after = text->n - 2 * text->length - text->position + 1;
  before = before > 0 ? before : 0;
  after = after > 0 ? after : 0;
  if (before + after == 0) {
    return -1;
  }
  int32_t at = bki_texts_place(inquiry, text->index, before + after - 1);
  return at < before ? at : text->position + text->length + at - before;
}

/* How many of `changed` are no longer called the target. */
static bki_status count_left(bki_inquiry *inquiry, const bki_texts *changed, int32_t target, bki_rate *out,
                             bki_error *err) {
  bool *is_target = bki_array_create(changed->n, sizeof *is_target);
  bki_status status =
      is_target == NULL ? bki_fail_memory(err) : bki_texts_run(changed, inquiry, target, is_target, err);
  if (status == BKI_OK) {
    *out = bki_rate_of((int64_t)changed->n - count_true(is_target, changed->n), (int64_t)changed->n);
  }
  free(is_target);
  return status;
}

/* Only with carriers that have room for the control: a text that is hardly more than the phrase is called something
 * else without it, whatever the phrase. */
static bki_status try_removal(bki_inquiry *inquiry, bki_case *c, bki_error *err) {
  bki_texts carriers = {0};
  bki_texts without = {0};
  bki_texts controls = {0};
  bki_status status;
  BKI_TRY_GOTO(status, done, bki_texts_fetch(&carriers, inquiry, c, &c->exact, c->exact.n, locate_phrase, err));
  for (size_t i = 0; i < carriers.n; i++) {
    const bki_text *text = &carriers.items[i];
    int32_t at = elsewhere(inquiry, text);
    if (at >= 0) {
      BKI_TRY_GOTO(status, done, bki_texts_take_away(&without, text, text->position, text->length, err));
      BKI_TRY_GOTO(status, done, bki_texts_take_away(&controls, text, at, text->length, err));
    }
  }
  BKI_TRY_GOTO(status, done, count_left(inquiry, &without, c->target, &c->removal, err));
  BKI_TRY_GOTO(status, done, count_left(inquiry, &controls, c->target, &c->removal_controls, err));
done:
  bki_texts_clear(&carriers);
  bki_texts_clear(&without);
  bki_texts_clear(&controls);
  return status;
}

static bki_status try_case(bki_inquiry *inquiry, bki_case *c, supply *s, bki_error *err) {
  BKI_TRY(bki_inquiry_check_stop(inquiry, err));
  if (s->base_texts.n == 0) {
    BKI_TRY(bki_texts_fetch(&s->base_texts, inquiry, c, &s->bases, s->bases.n, NULL, err));
  }
  BKI_TRY(try_insertion(inquiry, c, s, err));
  c->tested = true;
  /* After a first look that ended it there are no controls. */
  return c->controls.n > 0 || c->named ? try_removal(inquiry, c, err) : BKI_OK;
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
    }
  }
  close_supplies(&t);
  return status;
}
