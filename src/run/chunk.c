#include "chunk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bki/text.h>

#include "array.h"
#include "fail.h"

enum { MAX_RECORDS = 4096, MAX_BYTES = 16 << 20, PARSE_BLOCK = 16 };

/* A thread's memory. */
typedef struct scratch {
  bki_arena *kept;       /* until the next chunk */
  bki_arena *fields;     /* until the next record */
  bki_encoding encoding; /* until the next record */
  bki_status status;     /* what ended the work: no bad record, but no memory */
  bki_error error;
} scratch;

typedef struct chunk_settings {
  const bki_model *model;                /* NULL: words only */
  const bki_tokenizer_config *tokenizer; /* NULL: labels are the model's */
  const char *const *paths;
  bki_pool *pool;
  bool texts; /* are kept */
} chunk_settings;

struct bki_chunk {
  chunk_settings set;
  const bki_corpus *corpus;
  bki_arena *raw;
  scratch *scratch; /* [threads] */
  bki_chunk_record records[MAX_RECORDS];
  size_t n;
  bki_status pending; /* the error that ended the corpus */
  bki_error pending_error;
};

static bki_status create(bki_chunk **out, const chunk_settings *settings, bki_error *err) {
  bki_chunk *chunk = bki_array_create(1, sizeof *chunk);
  if (chunk == NULL) {
    return bki_fail_memory(err);
  }
  *chunk = (bki_chunk){.set = *settings, .raw = bki_arena_create()};
  int32_t threads = bki_pool_threads(chunk->set.pool);
  chunk->scratch = bki_array_create((size_t)threads, sizeof *chunk->scratch);
  bool ok = chunk->raw != NULL && chunk->scratch != NULL;
  for (int32_t i = 0; ok && i < threads; i++) {
    scratch *s = &chunk->scratch[i];
    bki_encoding_init(&s->encoding);
    s->kept = bki_arena_create();
    s->fields = bki_arena_create();
    ok = s->kept != NULL && s->fields != NULL;
  }
  if (!ok) {
    bki_chunk_destroy(chunk);
    return bki_fail_memory(err);
  }
  *out = chunk;
  return BKI_OK;
}

bki_status bki_chunk_create(bki_chunk **out, const bki_model *model, const char *const *paths, bki_pool *pool,
                            bki_error *err) {
  const chunk_settings settings = {.model = model, .paths = paths, .pool = pool};
  return create(out, &settings, err);
}

bki_status bki_chunk_create_labelled(bki_chunk **out, const bki_model *model, const bki_tokenizer_config *tokenizer,
                                     const char *const *paths, bki_pool *pool, bki_error *err) {
  const chunk_settings settings = {.model = model, .tokenizer = tokenizer, .paths = paths, .pool = pool};
  return create(out, &settings, err);
}

void bki_chunk_destroy(bki_chunk *chunk) {
  if (chunk == NULL) {
    return;
  }
  for (int32_t i = 0; chunk->scratch != NULL && i < bki_pool_threads(chunk->set.pool); i++) {
    bki_arena_destroy(chunk->scratch[i].kept);
    bki_arena_destroy(chunk->scratch[i].fields);
    bki_encoding_clear(&chunk->scratch[i].encoding);
  }
  free(chunk->scratch);
  bki_arena_destroy(chunk->raw);
  free(chunk);
}

void bki_chunk_keep_texts(bki_chunk *chunk) {
  chunk->set.texts = true;
}

/* Raw records until the chunk is full, the corpus ends, or it cannot be read on. */
static bki_status read_raw(bki_chunk *chunk, bki_corpus *corpus, bki_error *err) {
  bool end = false;
  while (chunk->n < MAX_RECORDS && bki_arena_used(chunk->raw) < MAX_BYTES) {
    bki_chunk_record *record = &chunk->records[chunk->n];
    *record = (bki_chunk_record){.label = -1};
    chunk->pending = bki_corpus_next(corpus, &record->raw, &end, &chunk->pending_error);
    if (chunk->pending != BKI_OK || end) {
      return BKI_OK;
    }
    char *copy = bki_arena_copy(chunk->raw, record->raw.raw.data, record->raw.raw.size);
    if (copy == NULL) {
      return bki_fail_memory(err);
    }
    record->raw.raw.data = copy;
    bki_corpus_fingerprint(corpus, record->fingerprint);
    chunk->n++;
  }
  return BKI_OK;
}

static void *keep(scratch *s, const void *data, size_t size) {
  void *copy = bki_arena_alloc(s->kept, size);
  if (copy != NULL && size > 0) {
    memcpy(copy, data, size);
  }
  return copy;
}

/* The part of the encoding that lasts: texts are cut to the model's window, so this is small. */
static bki_status keep_encoding(const bki_chunk *chunk, scratch *s, bki_chunk_record *record, bki_error *err) {
  const bki_encoding *encoding = &s->encoding;
  size_t n = (size_t)encoding->words.n_words;
  record->words = (bki_words){
      .bytes = keep(s, encoding->words.bytes, encoding->words.n_bytes),
      .n_bytes = encoding->words.n_bytes,
      .start = keep(s, encoding->words.start, n * sizeof *encoding->words.start),
      .length = keep(s, encoding->words.length, n * sizeof *encoding->words.length),
      .n_words = encoding->words.n_words,
  };
  bool ok = record->words.bytes != NULL && record->words.start != NULL && record->words.length != NULL;
  if (chunk->set.model != NULL) {
    record->ids = keep(s, encoding->ids, n * sizeof *encoding->ids);
    record->oov = keep(s, encoding->oov, n * sizeof *encoding->oov);
    ok = ok && record->ids != NULL && record->oov != NULL;
  }
  return ok ? BKI_OK : bki_fail_memory(err);
}

static bki_status keep_text(scratch *s, bki_str text, bki_str *out, bki_error *err) {
  *out = (bki_str){bki_arena_copy(s->kept, text.data, text.size), text.size};
  return out->data == NULL ? bki_fail_memory(err) : BKI_OK;
}

static bki_status keep_label(scratch *s, bki_str label, bki_str *out, bki_error *err) {
  if (label.size == 0) {
    return bki_fail(err, BKI_E_DATA, "expected a label, found %s", label.data == NULL ? "none" : "an empty one");
  }
  return keep_text(s, label, out, err);
}

static bki_status find_label(const bki_model *model, bki_str label, int32_t *out, bki_error *err) {
  *out = -1;
  return label.data == NULL ? BKI_OK : bki_model_expect_class(model, label, "a label", BKI_E_DATA, out, err);
}

static bki_status encode(bki_chunk *chunk, scratch *s, bki_chunk_record *record, bki_error *err) {
  bki_fields fields;
  bki_arena_reset(s->fields);
  BKI_TRY(bki_corpus_parse(chunk->corpus, &record->raw, s->fields, &fields, err));
  if (chunk->set.tokenizer != NULL) {
    BKI_TRY(keep_label(s, fields.label, &record->label_text, err));
  } else {
    BKI_TRY(find_label(chunk->set.model, fields.label, &record->label, err));
  }
  BKI_TRY(chunk->set.model == NULL ? bki_tokenizer_split(chunk->set.tokenizer, fields.text, &s->encoding.words, err)
                                   : bki_model_encode(chunk->set.model, fields.text, &s->encoding, err));
  if (fields.id.data != NULL) {
    BKI_TRY(keep_text(s, fields.id, &record->id, err));
  }
  if (chunk->set.texts) {
    BKI_TRY(keep_text(s, fields.text, &record->text, err));
  }
  return keep_encoding(chunk, s, record, err);
}

static bki_status reject(bki_chunk *chunk, scratch *s, bki_chunk_record *record, const bki_error *reason,
                         bki_error *err) {
  bki_error *copy = keep(s, reason, sizeof *reason);
  if (copy == NULL) {
    return bki_fail_memory(err);
  }
  if (copy->file[0] == '\0') {
    const char *path = chunk->set.paths[record->raw.path];
    snprintf(copy->file, sizeof copy->file, "%s", strcmp(path, "-") == 0 ? "<stdin>" : path);
    copy->line = record->raw.line;
    copy->byte = record->raw.byte;
  }
  record->error = copy;
  return BKI_OK;
}

bki_status bki_chunk_reject(bki_chunk *chunk, bki_chunk_record *record, const bki_error *reason, bki_error *err) {
  return reject(chunk, &chunk->scratch[0], record, reason, err);
}

static void encode_record(bki_chunk *chunk, scratch *s, bki_chunk_record *record) {
  bki_error error;
  bki_status status = encode(chunk, s, record, &error);
  record->raw.raw = (bki_str){NULL, 0};
  if (status == BKI_E_DATA) {
    const bki_error reason = error;
    status = reject(chunk, s, record, &reason, &error);
  }
  if (status != BKI_OK && s->status == BKI_OK) {
    s->status = status;
    s->error = error;
  }
}

static void encode_block(void *context, size_t block, int32_t worker) {
  bki_chunk *chunk = context;
  size_t end = (block + 1) * PARSE_BLOCK < chunk->n ? (block + 1) * PARSE_BLOCK : chunk->n;
  for (size_t i = block * PARSE_BLOCK; i < end; i++) {
    encode_record(chunk, &chunk->scratch[worker], &chunk->records[i]);
  }
}

bki_status bki_chunk_read(bki_chunk *chunk, bki_corpus *corpus, bki_error *err) {
  chunk->n = 0;
  if (chunk->pending != BKI_OK) {
    *err = chunk->pending_error;
    return chunk->pending;
  }
  int32_t threads = bki_pool_threads(chunk->set.pool);
  bki_arena_reset(chunk->raw);
  for (int32_t i = 0; i < threads; i++) {
    bki_arena_reset(chunk->scratch[i].kept);
  }
  BKI_TRY(read_raw(chunk, corpus, err));
  if (chunk->n == 0 && chunk->pending != BKI_OK) {
    *err = chunk->pending_error;
    return chunk->pending;
  }
  chunk->corpus = corpus;
  bki_pool_for(chunk->set.pool, (chunk->n + PARSE_BLOCK - 1) / PARSE_BLOCK, encode_block, chunk);
  bki_status status = BKI_OK;
  for (int32_t i = 0; i < threads; i++) {
    scratch *s = &chunk->scratch[i];
    bki_encoding_clear(&s->encoding); /* one huge record must not stay in every thread's memory */
    if (s->status != BKI_OK && status == BKI_OK) {
      status = s->status;
      *err = s->error;
    }
  }
  return status;
}

bki_chunk_record *bki_chunk_records(bki_chunk *chunk, size_t *n) {
  *n = chunk->n;
  return chunk->records;
}
