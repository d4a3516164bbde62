/* Text to words. */
#ifndef BKI_TOKENIZER_H
#define BKI_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bki/error.h>
#include <bki/text.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bki_tokenizer_type {
  /* Unicode lower-casing (Python's str.lower), !"#$%&()*+,-./:;<=>?@[\]^_`{|}~ and tab, newline, carriage return become
   * a space, split on Unicode white space (Python's str.split). */
  BKI_TOKENIZER_WORDS = 0,
  /* Keras `Tokenizer` with its default filters, bit for bit: lower, filters (tab and newline, not carriage return),
   * split on U+0020 only. No HTML handling. */
  BKI_TOKENIZER_KERAS,
  /* Split on Unicode white space, nothing else. */
  BKI_TOKENIZER_WHITESPACE,
} bki_tokenizer_type;

typedef struct bki_tokenizer_config {
  bki_tokenizer_type type;
  bool lowercase; /* words, keras: default true; whitespace: must be false */
  /* HTML line breaks are a space first: `<br` or `</br` in any case, then `>`, or white space or `/` and anything but
   * `<` up to `>`. words: default true; others: must be false */
  bool strip_html;
} bki_tokenizer_config;

/* The defaults of a type. */
BKI_API void bki_tokenizer_config_init(bki_tokenizer_config *config, bki_tokenizer_type type);

/* A list of words that is filled again and again without allocating anew. Word i is bytes[start[i]] .. start[i] +
 * length[i]; the words stand in `bytes` one after the other with a single U+0020 between them (no tokenizer leaves one
 * inside a word), so that `bytes` as a whole is the normalised text. */
typedef struct bki_words {
  char *bytes;
  size_t n_bytes;
  uint32_t *start;
  uint32_t *length;
  int32_t n_words;
  size_t capacity_bytes; /* private */
  size_t capacity_words; /* private */
} bki_words;

BKI_API void bki_words_init(bki_words *words);
/* Frees; the list may be used again. */
BKI_API void bki_words_clear(bki_words *words);
/* Word i, borrowed until the list changes. 0 <= i < n_words. */
BKI_API bki_str bki_words_get(const bki_words *words, int32_t i);
/* Fills the list from words joined by single spaces (as a store keeps them); empty words are dropped.
 * Errors: BKI_E_DATA (4 GiB or more), BKI_E_INTERNAL (out of memory). */
BKI_API bki_status bki_words_split(bki_words *words, bki_str joined, bki_error *err);
/* Keeps n words from `first` on and drops the others (truncation). 0 <= first, first + n <= n_words. */
BKI_API void bki_words_slice(bki_words *words, int32_t first, int32_t n);

/* Replaces `words` by the words of `text`, valid UTF-8; by none on failure. Thread-safe for different `words`.
 * Errors: BKI_E_DATA (invalid UTF-8, with its byte; 4 GiB or more), BKI_E_INTERNAL (out of memory). */
BKI_API bki_status bki_tokenizer_split(const bki_tokenizer_config *config, bki_str text, bki_words *words,
                                       bki_error *err);

#ifdef __cplusplus
}
#endif

#endif
