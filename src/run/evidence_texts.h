/* Texts of the store, changed and run through the model. */
#ifndef BKI_RUN_EVIDENCE_TEXTS_H
#define BKI_RUN_EVIDENCE_TEXTS_H

#include "evidence_internal.h"

/* A text as the model reads it. */
typedef struct bki_text {
  int64_t index;
  int32_t *ids; /* [n] */
  int32_t n;
  int32_t position; /* what was located in it: `length` words; 0 of them: nothing */
  int32_t length;
} bki_text;

/* Initialise with {0}. */
typedef struct bki_texts {
  bki_text *items; /* [n] */
  size_t n;
  size_t capacity;
} bki_texts;

void bki_texts_clear(bki_texts *texts);

/* Sets position and length of a fetched text; false: the text is left out. */
typedef bool (*bki_locate_fn)(const bki_inquiry *inquiry, const bki_case *c, const bki_reading *reading,
                              const bki_sample *sample, bki_text *text);

/* Adds the drawn samples in the order of their keys, at most `most`. locate NULL: nothing is located. */
bki_status bki_texts_fetch(bki_texts *out, const bki_inquiry *inquiry, const bki_case *c, bki_bottom_k *drawn,
                           size_t most, bki_locate_fn locate, bki_error *err);

/* Adds `base` with n words put in at a place of its own, the same whatever they are. What the model does not keep is
 * lost at the end where it cuts, before the words are put in. */
bki_status bki_texts_put_in(bki_texts *out, const bki_inquiry *inquiry, const bki_text *base, const int32_t *ids,
                            int32_t n, bki_error *err);

/* Adds `from` without `length` words from `position` on. */
bki_status bki_texts_take_away(bki_texts *out, const bki_text *from, int32_t position, int32_t length, bki_error *err);

/* A number from 0 to n that belongs to a sample. */
int32_t bki_texts_place(const bki_inquiry *inquiry, int64_t index, int32_t n);

/* Appends the sample's text without `length` words from `position` on; some are left. */
bki_status bki_texts_add_without(bki_texts *out, const bki_inquiry *inquiry, const bki_sample *sample, int32_t position,
                                 int32_t length, bki_error *err);

/* is_target[i]: the model calls text i the target. */
bki_status bki_texts_run(const bki_texts *texts, bki_inquiry *inquiry, int32_t target, bool *is_target, bki_error *err);

/* The id with which the model reads a word; -1: it drops unknown words, and this is one. */
int32_t bki_texts_model_id(const bki_inquiry *inquiry, bki_str word);

#endif
