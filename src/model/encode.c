/* A text as the model reads it. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "fail.h"
#include "model.h"

void bki_encoding_init(bki_encoding *encoding) {
  *encoding = (bki_encoding){0};
  bki_words_init(&encoding->words);
}

void bki_encoding_clear(bki_encoding *encoding) {
  bki_words_clear(&encoding->words);
  free(encoding->ids);
  free(encoding->oov);
  bki_encoding_init(encoding);
}

/* Takes the unknown words out of the list and closes the gaps. */
static void drop_unknown(const bki_vocabulary *vocabulary, bki_words *words) {
  int32_t n = 0;
  size_t end = 0;
  for (int32_t i = 0; i < words->n_words; i++) {
    const bki_str word = bki_words_get(words, i);
    if (bki_vocabulary_find(vocabulary, word) < 0) {
      continue;
    }
    if (n > 0) {
      words->bytes[end++] = ' ';
    }
    memmove(words->bytes + end, word.data, word.size);
    words->start[n] = (uint32_t)end;
    words->length[n] = (uint32_t)word.size;
    end += word.size;
    n++;
  }
  words->n_words = n;
  words->n_bytes = end;
}

static bki_status reserve(bki_encoding *out, size_t n, bki_error *err) {
  size_t capacity = out->capacity; /* both arrays have it, but for a failure in between */
  BKI_TRY(bki_array_reserve(&out->ids, &capacity, n, sizeof *out->ids, err));
  return bki_array_reserve(&out->oov, &out->capacity, n, sizeof *out->oov, err);
}

bki_status bki_model_encode(const bki_model *model, bki_str text, bki_encoding *out, bki_error *err) {
  assert(model->vocabulary != NULL);
  const bki_model_config *config = &model->config;
  BKI_TRY(bki_tokenizer_split(&config->tokenizer, text, &out->words, err));
  if (config->oov_id < 0) {
    drop_unknown(model->vocabulary, &out->words);
  }
  const int32_t excess = out->words.n_words - config->max_words;
  if (excess > 0) {
    bki_words_slice(&out->words, config->keep == BKI_KEEP_TAIL ? excess : 0, config->max_words);
  }
  const int32_t n = out->words.n_words;
  BKI_TRY(reserve(out, (size_t)n, err));
  for (int32_t i = 0; i < n; i++) {
    const int32_t id = bki_vocabulary_find(model->vocabulary, bki_words_get(&out->words, i));
    out->oov[i] = id < 0;
    out->ids[i] = id < 0 ? config->oov_id : id;
  }
  return BKI_OK;
}
