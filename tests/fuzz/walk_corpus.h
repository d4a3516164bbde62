/* What holds for a corpus of any bytes: read from its start to its end, every byte is in a record or may be left out.
 */
#ifndef BKI_FUZZ_WALK_CORPUS_H
#define BKI_FUZZ_WALK_CORPUS_H

#include <unistr.h>

#include <bki/corpus.h>

#include "fuzz.h"

static inline void require_text(bki_str text) {
  require(text.data == NULL || memchr(text.data, '\0', text.size) == NULL, "a field holds a NUL");
  require(text.data == NULL || u8_check((const uint8_t *)text.data, text.size) == NULL, "a field is not UTF-8");
}

/* What lies between two records is blank but for a byte order mark at the very start. */
static inline void require_blank(const uint8_t *data, int64_t from, int64_t to, const char *blanks) {
  if (from == 0 && to >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
    from = 3;
  }
  for (int64_t i = from; i < to; i++) {
    require(data[i] != '\0' && strchr(blanks, data[i]) != NULL, "a record does not start where the last one ended");
  }
}

static inline void check_record(const bki_corpus *corpus, const bki_raw_record *record, bki_arena *arena) {
  bki_fields fields = {0};
  bki_error err = {.status = BKI_OK};
  bki_status status = bki_corpus_parse(corpus, record, arena, &fields, &err);
  require(status == BKI_OK || status == BKI_E_DATA, "parse has another status");
  if (status == BKI_OK) {
    require(!record->too_long && fields.text.data != NULL, "a record without a text is good");
    require_text(fields.text);
    require_text(fields.label);
    require_text(fields.id);
  } else {
    require(err.line >= record->line && err.byte >= record->byte, "an error lies before its record");
    require(err.message[0] != '\0', "an error says nothing");
  }
}

/* `config` without paths; `blanks`: the bytes that blank lines hold. */
static inline void walk_corpus(bki_corpus_config *config, const uint8_t *data, size_t size, const char *blanks) {
  const char *path = path_of_bytes(data, size);
  config->paths = &path;
  config->n_paths = 1;
  bki_corpus *corpus;
  bki_error err;
  if (is_compressed(data, size) || bki_corpus_open(&corpus, config, &err) != BKI_OK) {
    return;
  }
  bki_arena *arena = bki_arena_create();
  int64_t at = 0;
  bool at_known = bki_corpus_header(corpus).size == 0; /* blank lines may stand before a header */
  for (int64_t index = 0;; index++) {
    bki_raw_record record;
    bool end;
    require(bki_corpus_next(corpus, &record, &end, &err) == BKI_OK, "next fails on plain bytes");
    if (end) {
      break;
    }
    require(record.index == index && record.line == line_of(data, record.byte), "the position is wrong");
    if (at_known) {
      require_blank(data, at, record.byte, blanks);
    }
    at = record.byte + (int64_t)record.raw.size;
    at_known = !record.too_long;
    require(at <= (int64_t)size &&
                memcmp(data + record.byte, record.raw.data == NULL ? "" : record.raw.data, record.raw.size) == 0,
            "raw bytes differ from the input");
    check_record(corpus, &record, arena);
    bki_arena_reset(arena);
  }
  if (at_known) {
    require_blank(data, at, (int64_t)size, blanks);
  }
  bki_arena_destroy(arena);
  bki_corpus_close(corpus);
}

#endif
