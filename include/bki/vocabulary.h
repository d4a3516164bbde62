/* Words and their ids. */
#ifndef BKI_VOCABULARY_H
#define BKI_VOCABULARY_H

#include <stdbool.h>
#include <stdint.h>

#include <bki/error.h>
#include <bki/text.h>
#include <bki/tokenizer.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable once made; all functions on a const vocabulary are thread-safe. */
typedef struct bki_vocabulary bki_vocabulary;

/* One word a line, line number (from 0) = id, the last line end optional; plain, gzip or zstd. Lines end with CRLF
 * where the first one does, else with LF (a CR is then part of its word: the keras tokenizer leaves such words).
 * Errors: BKI_E_IO; BKI_E_DATA with the line: an empty line, a word twice, invalid UTF-8, a NUL, a space in a word,
 * more than 2^31 - 1 words. On success the caller destroys *out. */
BKI_API bki_status bki_vocabulary_load(bki_vocabulary **out, const char *path, bki_error *err);

/* Writes it as bki_vocabulary_load reads it, over what stands at `path`. Errors: BKI_E_IO; BKI_E_DATA for a word that
 * would not come back (invalid UTF-8, a NUL, a line feed). */
BKI_API bki_status bki_vocabulary_save(const bki_vocabulary *vocabulary, const char *path, bki_error *err);

/* NULL is allowed. */
BKI_API void bki_vocabulary_destroy(bki_vocabulary *vocabulary);

BKI_API int32_t bki_vocabulary_size(const bki_vocabulary *vocabulary);
/* The id of a word, or -1. */
BKI_API int32_t bki_vocabulary_find(const bki_vocabulary *vocabulary, bki_str word);
/* The word of an id, borrowed. 0 <= id < size. */
BKI_API bki_str bki_vocabulary_word(const bki_vocabulary *vocabulary, int32_t id);

/* Counts words to make a vocabulary of the most frequent ones. Not thread-safe. */
typedef struct bki_word_counter bki_word_counter;

BKI_API bki_status bki_word_counter_create(bki_word_counter **out, bki_error *err);
BKI_API void bki_word_counter_destroy(bki_word_counter *counter);
BKI_API bki_status bki_word_counter_add(bki_word_counter *counter, const bki_words *words, bki_error *err);
/* The vocabulary of at most max_words counted words (count descending, then byte order) after the two special entries:
 * id 0 "<pad>", id 1 "<oov>" (which have no second place where they were counted). max_words 0: all. On success the
 * caller destroys *out. */
BKI_API bki_status bki_word_counter_build(const bki_word_counter *counter, int32_t max_words, bki_vocabulary **out,
                                          bki_error *err);

#ifdef __cplusplus
}
#endif

#endif
