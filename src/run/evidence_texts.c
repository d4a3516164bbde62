#include "evidence_texts.h"

#include <stdlib.h>
#include <string.h>

#include "argmax.h"
#include "array.h"
#include "fail.h"
#include "store_internal.h"
#include "streams.h"

void bki_texts_clear(bki_texts *texts) {
  for (size_t i = 0; i < texts->n; i++) {
    free(texts->items[i].ids);
  }
  free(texts->items);
  *texts = (bki_texts){0};
}

/* Appends a text with room for n ids. */
static bki_status add(bki_texts *texts, int64_t index, int32_t n, bki_text **out, bki_error *err) {
  BKI_TRY(bki_array_reserve(&texts->items, &texts->capacity, texts->n + 1, sizeof *texts->items, err));
  int32_t *ids = bki_array_create((size_t)n, sizeof *ids);
  if (ids == NULL) {
    return bki_fail_memory(err);
  }
  *out = &texts->items[texts->n++];
  **out = (bki_text){.index = index, .ids = ids, .n = n};
  return BKI_OK;
}

int32_t bki_texts_model_id(const bki_inquiry *inquiry, bki_str word) {
  int32_t id = bki_vocabulary_find(bki_model_vocabulary(inquiry->model), word);
  return id >= 0 ? id : bki_model_get_config(inquiry->model)->oov_id;
}

/* The ids of `n` words of the sample from `first` on. */
static bki_status look_up(int32_t *ids, const bki_inquiry *inquiry, const bki_sample *sample, int32_t first, int32_t n,
                          bki_error *err) {
  int32_t max_words = bki_model_get_config(inquiry->model)->max_words;
  if (sample->words->n_words > max_words) {
    return bki_store_damaged(inquiry->store, err,
                             "sample %lld: expected at most the %d words that the model reads, found %d",
                             (long long)sample->index, max_words, sample->words->n_words);
  }
  for (int32_t i = 0; i < n; i++) {
    ids[i] = bki_texts_model_id(inquiry, bki_words_get(sample->words, first + i));
    if (ids[i] < 0) {
      return bki_store_damaged(inquiry->store, err,
                               "sample %lld: expected words that the model reads, found one that it drops",
                               (long long)sample->index);
    }
  }
  return BKI_OK;
}

static bki_status add_sample(bki_texts *texts, const bki_inquiry *inquiry, const bki_case *c, const bki_sample *sample,
                             bki_reading *reading, bki_locate_fn locate, bki_error *err) {
  bki_text *text = NULL;
  BKI_TRY(add(texts, sample->index, sample->words->n_words, &text, err));
  BKI_TRY(look_up(text->ids, inquiry, sample, 0, text->n, err));
  if (locate != NULL) {
    BKI_TRY(bki_reading_take(reading, inquiry, sample, err));
    if (!locate(inquiry, c, reading, sample, text)) {
      free(text->ids);
      texts->n--;
    }
  }
  return BKI_OK;
}

bki_status bki_texts_add_without(bki_texts *out, const bki_inquiry *inquiry, const bki_sample *sample, int32_t position,
                                 int32_t length, bki_error *err) {
  bki_text *text = NULL;
  BKI_TRY(add(out, sample->index, sample->words->n_words - length, &text, err));
  BKI_TRY(look_up(text->ids, inquiry, sample, 0, position, err));
  return look_up(text->ids + position, inquiry, sample, position + length, text->n - position, err);
}

bki_status bki_texts_fetch(bki_texts *out, const bki_inquiry *inquiry, const bki_case *c, bki_bottom_k *drawn,
                           size_t most, bki_locate_fn locate, bki_error *err) {
  bki_reading reading = {0};
  bki_status status = BKI_OK;
  bki_bottom_k_sort(drawn);
  for (size_t i = 0; i < drawn->n && out->n < most && status == BKI_OK; i++) {
    bki_store_cursor *cursor;
    bki_sample sample;
    bool end = true;
    status = bki_store_cursor_open(&cursor, inquiry->store, drawn->heap[i].index, err);
    if (status != BKI_OK) {
      break;
    }
    status = bki_store_cursor_next(cursor, &sample, &end, err);
    if (status == BKI_OK && !end) {
      status = add_sample(out, inquiry, c, &sample, &reading, locate, err);
    }
    bki_store_cursor_close(cursor);
  }
  bki_reading_clear(&reading);
  return status;
}

__extension__ typedef unsigned __int128 wide;

int32_t bki_texts_place(const bki_inquiry *inquiry, int64_t index, int32_t n) {
  uint64_t key = bki_stream_key(inquiry->config->seed, BKI_STREAM_PLACES, 0, index);
  return (int32_t)(((wide)key * (wide)(n + 1)) >> 64);
}

/* How many of `kept` words stand before what is put in. */
static int32_t words_before(const bki_placing *placing, int32_t kept) {
  if (placing->before <= placing->behind) {
    return placing->before < kept ? placing->before : kept;
  }
  return placing->behind < kept ? kept - placing->behind : 0;
}

bki_status bki_texts_put_in(bki_texts *out, const bki_inquiry *inquiry, const bki_text *base,
                            const bki_placing *placing, const int32_t *ids, int32_t n, bki_error *err) {
  const bki_model_config *model = bki_model_get_config(inquiry->model);
  int32_t n_put = n < model->max_words ? n : model->max_words;
  int32_t room = model->max_words - n_put;
  int32_t kept = base->n < room ? base->n : room;
  const int32_t *first = base->ids + (model->keep == BKI_KEEP_TAIL ? base->n - kept : 0);
  int32_t at = placing != NULL ? words_before(placing, kept) : bki_texts_place(inquiry, base->index, kept);
  bki_text *text = NULL;
  BKI_TRY(add(out, base->index, kept + n_put, &text, err));
  memcpy(text->ids, first, (size_t)at * sizeof *ids);
  memcpy(text->ids + at, ids, (size_t)n_put * sizeof *ids);
  memcpy(text->ids + at + n_put, first + at, (size_t)(kept - at) * sizeof *ids);
  return BKI_OK;
}

bki_status bki_texts_take_away(bki_texts *out, const bki_text *from, int32_t position, int32_t length, bki_error *err) {
  bki_text *text = NULL;
  BKI_TRY(add(out, from->index, from->n - length, &text, err));
  memcpy(text->ids, from->ids, (size_t)position * sizeof *text->ids);
  memcpy(text->ids + position, from->ids + position + length, (size_t)(text->n - position) * sizeof *text->ids);
  return BKI_OK;
}

bki_status bki_texts_run(const bki_texts *texts, bki_inquiry *inquiry, int32_t target, bool *is_target,
                         bki_error *err) {
  size_t n_classes = (size_t)inquiry->n_classes;
  bki_sequence *sequences = bki_array_create(texts->n, sizeof *sequences);
  float *logits = bki_array_create(texts->n, n_classes * sizeof *logits);
  bki_status status = sequences == NULL || logits == NULL ? bki_fail_memory(err) : BKI_OK;
  for (size_t i = 0; status == BKI_OK && i < texts->n; i++) {
    sequences[i] = (bki_sequence){texts->items[i].ids, texts->items[i].n};
  }
  if (status == BKI_OK && texts->n > 0) {
    status = bki_scorer_forward(inquiry->scorer, sequences, texts->n, NULL, logits, err);
  }
  for (size_t i = 0; status == BKI_OK && i < texts->n; i++) {
    is_target[i] = bki_argmax(logits + i * n_classes, n_classes) == (size_t)target;
  }
  inquiry->n_texts += (int64_t)texts->n;
  free(sequences);
  free(logits);
  return status;
}
