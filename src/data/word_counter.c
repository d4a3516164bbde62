#include <bki/vocabulary.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "fail.h"
#include "strmap.h"
#include "vocabulary_builder.h"

struct bki_word_counter {
  bki_strmap *counts; /* word -> uint64_t */
};

typedef struct counted_word {
  bki_str word;
  uint64_t count;
} counted_word;

bki_status bki_word_counter_create(bki_word_counter **out, bki_error *err) {
  bki_word_counter *counter = bki_array_create(1, sizeof *counter);
  if (counter == NULL) {
    return bki_fail_memory(err);
  }
  bki_status status = bki_strmap_create(&counter->counts, sizeof(uint64_t), err);
  if (status != BKI_OK) {
    free(counter);
    return status;
  }
  *out = counter;
  return BKI_OK;
}

void bki_word_counter_destroy(bki_word_counter *counter) {
  if (counter != NULL) {
    bki_strmap_destroy(counter->counts);
    free(counter);
  }
}

bki_status bki_word_counter_add(bki_word_counter *counter, const bki_words *words, bki_error *err) {
  for (int32_t i = 0; i < words->n_words; i++) {
    uint64_t *count;
    BKI_TRY(bki_strmap_put(counter->counts, bki_words_get(words, i), &count, NULL, err));
    ++*count;
  }
  return BKI_OK;
}

/* Count descending, then byte order. */
static int compare_rank(const void *left, const void *right) {
  const counted_word *a = left;
  const counted_word *b = right;
  if (a->count != b->count) {
    return a->count > b->count ? -1 : 1;
  }
  const size_t shared = a->word.size < b->word.size ? a->word.size : b->word.size;
  const int order = memcmp(a->word.data, b->word.data, shared);
  return order != 0 ? order : (a->word.size > b->word.size) - (a->word.size < b->word.size);
}

static counted_word *rank_words(const bki_word_counter *counter) {
  const size_t n = bki_strmap_count(counter->counts);
  counted_word *ranked = bki_array_create(n, sizeof *ranked);
  if (ranked == NULL) {
    return NULL;
  }
  void *cursor = NULL;
  bki_str word;
  uint64_t *count;
  for (size_t i = 0; bki_strmap_next(counter->counts, &cursor, &word, &count); i++) {
    ranked[i] = (counted_word){word, *count};
  }
  qsort(ranked, n, sizeof *ranked, compare_rank);
  return ranked;
}

bki_status bki_word_counter_build(const bki_word_counter *counter, int32_t max_words, bki_vocabulary **out,
                                  bki_error *err) {
  assert(max_words >= 0);
  bki_vocabulary *vocabulary = NULL;
  counted_word *ranked = rank_words(counter);
  bki_status status = ranked == NULL ? bki_fail_memory(err) : bki_vocabulary_create(&vocabulary, err);
  int32_t id;
  bool added;
  const bki_str special[] = {{"<pad>", 5}, {"<oov>", 5}};
  for (size_t i = 0; i < 2 && status == BKI_OK; i++) {
    status = bki_vocabulary_add(vocabulary, special[i], &id, &added, err);
  }
  const size_t n = bki_strmap_count(counter->counts);
  for (size_t i = 0; i < n && status == BKI_OK; i++) {
    if (max_words > 0 && bki_vocabulary_size(vocabulary) - 2 == max_words) {
      break;
    }
    status = bki_vocabulary_add(vocabulary, ranked[i].word, &id, &added, err);
  }
  if (status == BKI_OK) {
    status = bki_vocabulary_finish(vocabulary, err);
  }
  free(ranked);
  if (status != BKI_OK) {
    bki_vocabulary_destroy(vocabulary);
    return status;
  }
  *out = vocabulary;
  return BKI_OK;
}
