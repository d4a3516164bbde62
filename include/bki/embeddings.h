/* Word vectors in GloVe's text format. */
#ifndef BKI_EMBEDDINGS_H
#define BKI_EMBEDDINGS_H

#include <stdint.h>

#include <bki/error.h>
#include <bki/text.h>
#include <bki/vocabulary.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable once loaded. */
typedef struct bki_embeddings bki_embeddings;

/* Reads `word v1 .. vd`, one word a line, separated by single spaces; plain, gzip or zstd; LF or CRLF, one space at the
 * end of a line is passed over. The first line sets d; a word2vec header line ("count dimension": two integers and
 * nothing else) sets d too, its count is not checked. A word may hold spaces (GloVe 840B): the last d fields are the
 * numbers. But where `dimension` is 0 and there is no header the first line's word must not, and no such word may end
 * in a number: that is a line of too many columns. Numbers are decimal, with a point whatever the locale. The first of
 * two equal words counts. With `only`, other words are checked and passed over (memory for those found). `dimension` 0:
 * any; else it has to be that. Errors: BKI_E_IO; BKI_E_DATA with the line: a wrong number of columns, something that is
 * no number, a number that is not finite in float32, invalid UTF-8, a line of more than 16 MiB, no line at all. On
 * success the caller destroys *out.
 */
BKI_API bki_status bki_embeddings_load(bki_embeddings **out, const char *path, const bki_vocabulary *only,
                                       int32_t dimension, bki_error *err);

/* NULL is allowed. */
BKI_API void bki_embeddings_destroy(bki_embeddings *embeddings);

BKI_API int32_t bki_embeddings_dimension(const bki_embeddings *embeddings);
BKI_API int64_t bki_embeddings_count(const bki_embeddings *embeddings);
/* The vector [dimension] of a word, borrowed, or NULL. */
BKI_API const float *bki_embeddings_find(const bki_embeddings *embeddings, bki_str word);

#ifdef __cplusplus
}
#endif

#endif
