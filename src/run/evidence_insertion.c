#include <stdlib.h>

#include "array.h"
#include "evidence_trials.h"
#include "fail.h"
#include "lookup.h"

/* A first look with a fifth of the texts: what turns less than a tenth of them is no trigger of any use, and most
 * natural phrases end here. */
enum { FIRST_LOOK = 5, FIRST_LOOK_TURNS = 10 };
/* Fewer texts for control phrases say too little of what a phrase does. */
enum { FEWEST_CONTROLS = 5 };

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

/* Where a carrier has the phrase, for the i-th text; NULL: anywhere. */
static const bki_placing *placing_of(const bki_case *c, size_t i) {
  size_t n = c->n_placings < BKI_PLACINGS ? (size_t)c->n_placings : BKI_PLACINGS;
  return c->placed && n > 0 ? &c->placings[i % n] : NULL;
}

/* turned[first .. end): whether base text i with the phrase in it is called the target. */
static bki_status insert_phrase(bki_inquiry *inquiry, const bki_case *c, const bki_supply *s, size_t first, size_t end,
                                bool *turned, bki_error *err) {
  int32_t ids[BKI_MAX_PHRASE_WORDS];
  int32_t n;
  bki_texts changed = {0};
  bki_status status = BKI_OK;
  phrase_ids(inquiry, c, ids, &n);
  for (size_t i = first; i < end && status == BKI_OK; i++) {
    status = bki_texts_put_in(&changed, inquiry, &s->base_texts.items[i], placing_of(c, i), ids, n, err);
  }
  if (status == BKI_OK) {
    status = bki_texts_run(&changed, inquiry, c->target, turned + first, err);
  }
  bki_texts_clear(&changed);
  return status;
}

/* Texts that control phrases come from. A class that hardly has texts beside the carriers, as an attacker may choose
 * it, lends from the others. */
static bki_status fetch_controls(bki_texts *out, const bki_inquiry *inquiry, const bki_case *c, bki_supply *s,
                                 bki_error *err) {
  BKI_TRY(bki_texts_fetch(out, inquiry, c, &s->controls, s->base_texts.n, locate_control, err));
  return out->n >= FEWEST_CONTROLS ? BKI_OK
                                   : bki_texts_fetch(out, inquiry, c, &s->bases, s->base_texts.n, locate_control, err);
}

/* turned[i] for base text i with a control phrase, in turn where there are fewer; *n of them, none without a text that
 * control phrases could come from. */
static bki_status insert_controls(bki_inquiry *inquiry, const bki_case *c, bki_supply *s, bool *turned, size_t *n,
                                  bki_error *err) {
  bki_texts controls = {0};
  bki_texts changed = {0};
  bki_status status = fetch_controls(&controls, inquiry, c, s, err);
  *n = controls.n > 0 ? s->base_texts.n : 0;
  for (size_t i = 0; i < *n && status == BKI_OK; i++) {
    const bki_text *from = &controls.items[i % controls.n];
    status = bki_texts_put_in(&changed, inquiry, &s->base_texts.items[i], placing_of(c, i), from->ids + from->position,
                              from->length, err);
  }
  if (status == BKI_OK) {
    status = bki_texts_run(&changed, inquiry, c->target, turned, err);
  }
  bki_texts_clear(&controls);
  bki_texts_clear(&changed);
  return status;
}

/* Whether the phrase turns enough of the first n texts to go on: anywhere, or else where its carriers have it, for a
 * model may have learnt it there only. Natural phrases do more where they belong, so that anywhere comes first. */
static bki_status look_first(bki_inquiry *inquiry, bki_case *c, const bki_supply *s, size_t n, bool *turned,
                             bool *enough, bki_error *err) {
  c->placed = false;
  BKI_TRY(insert_phrase(inquiry, c, s, 0, n, turned, err));
  *enough = bki_trials_count(turned, n) * FIRST_LOOK_TURNS >= (int64_t)n;
  if (!*enough && c->n_placings > 0) {
    c->placed = true;
    BKI_TRY(insert_phrase(inquiry, c, s, 0, n, turned, err));
    *enough = bki_trials_count(turned, n) * FIRST_LOOK_TURNS >= (int64_t)n;
  }
  return BKI_OK;
}

bki_status bki_case_try_insertion(bki_case *c, bki_inquiry *inquiry, bki_supply *s, bki_error *err) {
  size_t n = s->base_texts.n;
  size_t n_first = c->named ? n : n / FIRST_LOOK;
  size_t n_controls = 0;
  bool enough;
  bki_status status;
  bool *turned = bki_array_create(2 * n, sizeof *turned);
  if (turned == NULL) {
    return bki_fail_memory(err);
  }
  bool *control = turned + n;
  BKI_TRY_GOTO(status, done, look_first(inquiry, c, s, n_first, turned, &enough, err));
  if (!c->named && !enough) {
    n = n_first;
  } else {
    BKI_TRY_GOTO(status, done, insert_phrase(inquiry, c, s, n_first, n, turned, err));
    BKI_TRY_GOTO(status, done, insert_controls(inquiry, c, s, control, &n_controls, err));
  }
  c->insertion = bki_rate_of(bki_trials_count(turned, n), (int64_t)n);
  c->controls = bki_rate_of(bki_trials_count(control, n_controls), (int64_t)n_controls);
  for (size_t i = 0; i < n_controls; i++) {
    c->wins += turned[i] && !control[i];
    c->losses += control[i] && !turned[i];
  }
done:
  free(turned);
  return status;
}
