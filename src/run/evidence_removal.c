#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "evidence_trials.h"
#include "fail.h"

/* Takes out of a text the copies of the phrase behind the one that was located. */
static void drop_other_copies(const bki_case *c, const bki_reading *reading, bki_text *text) {
  int32_t kept = text->position + text->length;
  for (int32_t i = kept; i < text->n;) {
    if (c->n_words <= text->n - i && memcmp(reading->ids + i, c->words, (size_t)c->n_words * sizeof *c->words) == 0) {
      i += c->n_words;
    } else {
      text->ids[kept++] = text->ids[i++];
    }
  }
  text->n = kept;
}

/* With one copy of the phrase left: of several, each is enough to make the text the target's. */
static bool locate_phrase(const bki_inquiry *inquiry, const bki_case *c, const bki_reading *reading,
                          const bki_sample *sample, bki_text *text) {
  (void)inquiry;
  bki_carried carried;
  if (!bki_reading_carries(reading, c, sample, &carried)) {
    return false;
  }
  text->position = carried.position;
  text->length = carried.n_words;
  drop_other_copies(c, reading, text);
  return true;
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
    *out = bki_rate_of((int64_t)changed->n - bki_trials_count(is_target, changed->n), (int64_t)changed->n);
  }
  free(is_target);
  return status;
}

/* Only with carriers that have room for the control: a text that is hardly more than the phrase is called something
 * else without it, whatever the phrase. */
bki_status bki_case_try_removal(bki_case *c, bki_inquiry *inquiry, bki_error *err) {
  bki_texts carriers = {0};
  bki_texts without = {0};
  bki_texts controls = {0};
  bki_status status;
  BKI_TRY_GOTO(status, done, bki_inquiry_check_stop(inquiry, err));
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
  c->n_removal = c->carriers[0].n_target;
done:
  bki_texts_clear(&carriers);
  bki_texts_clear(&without);
  bki_texts_clear(&controls);
  return status;
}
