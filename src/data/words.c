#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <bki/tokenizer.h>

#include "array.h"
#include "fail.h"
#include "words.h"

void bki_words_init(bki_words *words) {
  *words = (bki_words){0};
}

void bki_words_clear(bki_words *words) {
  free(words->bytes);
  free(words->start);
  free(words->length);
  bki_words_init(words);
}

bki_str bki_words_get(const bki_words *words, int32_t i) {
  assert(i >= 0 && i < words->n_words);
  return (bki_str){words->bytes + words->start[i], words->length[i]};
}

static bki_status grow(bki_words *words, bki_error *err) {
  if (words->n_words == INT32_MAX) {
    return bki_fail(err, BKI_E_DATA, "expected a text of at most 2^31 - 1 words, found more");
  }
  const size_t need = (size_t)words->n_words + 1;
  size_t capacity = words->capacity_words;
  BKI_TRY(bki_array_reserve(&words->start, &capacity, need, sizeof *words->start, err));
  capacity = words->capacity_words; /* both grow by the same rule to the same capacity */
  BKI_TRY(bki_array_reserve(&words->length, &capacity, need, sizeof *words->length, err));
  words->capacity_words = capacity;
  return BKI_OK;
}

bki_status bki_words_begin(bki_words *words, size_t size_bytes, bki_error *err) {
  if (size_bytes > UINT32_MAX) {
    return bki_fail(err, BKI_E_DATA, "expected a text of less than 4 GiB, found %zu bytes", size_bytes);
  }
  words->n_bytes = 0;
  words->n_words = 0;
  return bki_array_reserve(&words->bytes, &words->capacity_bytes, size_bytes + size_bytes / 2 + 1, 1, err);
}

bki_status bki_words_end_word(bki_words *words, size_t start, size_t end, bki_error *err) {
  if (end > UINT32_MAX) {
    return bki_fail(err, BKI_E_DATA, "expected less than 4 GiB of lower-cased text, found more");
  }
  if ((size_t)words->n_words == words->capacity_words) {
    BKI_TRY(grow(words, err));
  }
  words->start[words->n_words] = (uint32_t)start;
  words->length[words->n_words] = (uint32_t)(end - start);
  words->n_words++;
  words->n_bytes = end;
  return BKI_OK;
}

bki_status bki_words_split(bki_words *words, bki_str joined, bki_error *err) {
  BKI_TRY(bki_words_begin(words, joined.size, err));
  if (joined.size == 0) {
    return BKI_OK;
  }
  const char *end = joined.data + joined.size;
  for (const char *p = joined.data; p != end;) {
    const char *space = memchr(p, ' ', (size_t)(end - p));
    const size_t length = (size_t)((space == NULL ? end : space) - p);
    if (length > 0) {
      const size_t start = words->n_words == 0 ? 0 : words->n_bytes + 1;
      if (start > 0) {
        words->bytes[start - 1] = ' ';
      }
      memcpy(words->bytes + start, p, length);
      BKI_TRY(bki_words_end_word(words, start, start + length, err));
    }
    p = space == NULL ? end : space + 1;
  }
  return BKI_OK;
}

void bki_words_slice(bki_words *words, int32_t first, int32_t n) {
  assert(first >= 0 && n >= 0 && first <= words->n_words - n);
  if (n == 0) {
    words->n_words = 0;
    words->n_bytes = 0;
    return;
  }
  const uint32_t from = words->start[first];
  const uint32_t to = words->start[first + n - 1] + words->length[first + n - 1];
  memmove(words->bytes, words->bytes + from, to - from);
  for (int32_t i = 0; i < n; i++) {
    words->start[i] = words->start[first + i] - from;
    words->length[i] = words->length[first + i];
  }
  words->n_words = n;
  words->n_bytes = to - from;
}
