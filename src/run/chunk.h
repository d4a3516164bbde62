/* A stretch of the corpus in memory: records read in order, then parsed and encoded by all threads. */
#ifndef BKI_RUN_CHUNK_H
#define BKI_RUN_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bki/corpus.h>
#include <bki/error.h>
#include <bki/model.h>

#include "pool.h"

/* Everything lives until the chunk's next read. */
typedef struct bki_chunk_record {
  bki_raw_record raw;     /* raw.raw is gone once the record is encoded */
  char fingerprint[33];   /* of the corpus up to and including this record */
  const bki_error *error; /* NULL, or why this is a bad record; then nothing below is set */
  bki_str id;             /* data NULL: none */
  int32_t label;          /* class, or -1 */
  bki_str label_text;     /* of a labelled chunk; then label is -1 */
  bki_str text;           /* as it stands in the record, when texts are kept */
  bki_words words;        /* borrowed: never cleared */
  int32_t *ids;           /* [words.n_words] */
  uint8_t *oov;           /* [words.n_words] */
} bki_chunk_record;

typedef struct bki_chunk bki_chunk;

/* `paths` are the corpus's, for the positions in errors. All arguments have to outlive the chunk. */
bki_status bki_chunk_create(bki_chunk **out, const bki_model *model, const char *const *paths, bki_pool *pool,
                            bki_error *err);
/* For training, where the labels make the classes: a record without a label is a bad one. Without a model (NULL) texts
 * become words only, all of them, and ids and oov are NULL. The tokenizer is the model's. */
bki_status bki_chunk_create_labelled(bki_chunk **out, const bki_model *model, const bki_tokenizer_config *tokenizer,
                                     const char *const *paths, bki_pool *pool, bki_error *err);
void bki_chunk_destroy(bki_chunk *chunk); /* NULL is allowed */

/* Records keep their texts from the next read on. */
void bki_chunk_keep_texts(bki_chunk *chunk);

/* Replaces the chunk by the next records of the corpus, none at its end. A bad record is a record with an error. When
 * the corpus cannot be read on, the records before that come first and the error with the next call. */
bki_status bki_chunk_read(bki_chunk *chunk, bki_corpus *corpus, bki_error *err);

bki_chunk_record *bki_chunk_records(bki_chunk *chunk, size_t *n);

/* Makes a record a bad one; the error (copied) gets the record's position when it has none. */
bki_status bki_chunk_reject(bki_chunk *chunk, bki_chunk_record *record, const bki_error *reason, bki_error *err);

#endif
