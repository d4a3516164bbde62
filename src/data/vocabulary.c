#include <bki/vocabulary.h>

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <unistr.h>

#include <bki/stream.h>

#include "array.h"
#include "fail.h"
#include "lines.h"
#include "strmap.h"
#include "vocabulary_builder.h"

struct bki_vocabulary {
  bki_strmap *ids; /* word -> int32_t, in the order of the ids; owns the words */
  bki_str *words;  /* [count of ids], once finished */
};

bki_status bki_vocabulary_create(bki_vocabulary **out, bki_error *err) {
  bki_vocabulary *vocabulary = bki_array_create(1, sizeof *vocabulary);
  if (vocabulary == NULL) {
    return bki_fail_memory(err);
  }
  bki_status status = bki_strmap_create(&vocabulary->ids, sizeof(int32_t), err);
  if (status != BKI_OK) {
    free(vocabulary);
    return status;
  }
  *out = vocabulary;
  return BKI_OK;
}

void bki_vocabulary_destroy(bki_vocabulary *vocabulary) {
  if (vocabulary != NULL) {
    bki_strmap_destroy(vocabulary->ids);
    free(vocabulary->words);
    free(vocabulary);
  }
}

bki_status bki_vocabulary_add(bki_vocabulary *vocabulary, bki_str word, int32_t *id, bool *added, bki_error *err) {
  const size_t next = bki_strmap_count(vocabulary->ids);
  if (next == INT32_MAX) {
    return bki_fail(err, BKI_E_DATA, "expected at most 2^31 - 1 words, found more");
  }
  int32_t *value;
  BKI_TRY(bki_strmap_put(vocabulary->ids, word, &value, added, err));
  if (*added) {
    *value = (int32_t)next;
  }
  *id = *value;
  return BKI_OK;
}

bki_status bki_vocabulary_finish(bki_vocabulary *vocabulary, bki_error *err) {
  vocabulary->words = bki_array_create(bki_strmap_count(vocabulary->ids), sizeof *vocabulary->words);
  if (vocabulary->words == NULL) {
    return bki_fail_memory(err);
  }
  void *cursor = NULL;
  bki_str word;
  for (int32_t *id; bki_strmap_next(vocabulary->ids, &cursor, &word, &id);) {
    vocabulary->words[*id] = word;
  }
  return BKI_OK;
}

/* What keeps a word from standing on a line of its own, or NULL. */
static const char *find_fault(bki_str word) {
  if (word.size == 0) {
    return "nothing";
  }
  if (u8_check((const uint8_t *)word.data, word.size) != NULL) {
    return "invalid UTF-8";
  }
  if (memchr(word.data, '\0', word.size) != NULL) {
    return "a NUL";
  }
  if (memchr(word.data, ' ', word.size) != NULL) {
    return "a space";
  }
  return memchr(word.data, '\n', word.size) != NULL ? "a line feed" : NULL;
}

static bki_status add_line(bki_vocabulary *vocabulary, const bki_lines *lines, bki_str word, bki_error *err) {
  const char *path = bki_stream_name(lines->window.stream);
  char quoted[BKI_QUOTE_SIZE];
  const char *fault = find_fault(word);
  if (fault != NULL) {
    return bki_fail_at(err, BKI_E_DATA, path, lines->number, -1, "expected one word on the line, found %s in %s", fault,
                       bki_quote(quoted, word));
  }
  int32_t id = 0;
  bool added;
  BKI_TRY(bki_vocabulary_add(vocabulary, word, &id, &added, err));
  return added ? BKI_OK
               : bki_fail_at(err, BKI_E_DATA, path, lines->number, -1,
                             "expected each word once, found %s again (first on line %" PRId64 ")",
                             bki_quote(quoted, word), (int64_t)id + 1);
}

/* The first line decides whether the lines end with CRLF: elsewhere a CR may be the end of a word (keras keeps it). */
static bki_status read_lines(bki_vocabulary *vocabulary, bki_lines *lines, bki_error *err) {
  bki_str line;
  bool found;
  BKI_TRY(bki_lines_next(lines, &line, &found, err));
  const bool crlf = line.size > 0 && line.data[line.size - 1] == '\r';
  while (found) {
    if (crlf && line.size > 0 && line.data[line.size - 1] == '\r') {
      line.size--;
    }
    BKI_TRY(add_line(vocabulary, lines, line, err));
    BKI_TRY(bki_lines_next(lines, &line, &found, err));
  }
  return bki_vocabulary_finish(vocabulary, err);
}

bki_status bki_vocabulary_load(bki_vocabulary **out, const char *path, bki_error *err) {
  bki_vocabulary *vocabulary = NULL;
  BKI_TRY(bki_vocabulary_create(&vocabulary, err));
  bki_lines lines = {0};
  bki_status status = bki_lines_open(&lines, path, err);
  if (status == BKI_OK) {
    status = read_lines(vocabulary, &lines, err);
  }
  bki_lines_close(&lines);
  if (status != BKI_OK) {
    bki_vocabulary_destroy(vocabulary);
    return status;
  }
  *out = vocabulary;
  return BKI_OK;
}

static bki_status write_words(const bki_vocabulary *vocabulary, bki_sink *sink, bki_error *err) {
  const int32_t size = bki_vocabulary_size(vocabulary);
  for (int32_t id = 0; id < size; id++) {
    const bki_str word = vocabulary->words[id];
    const char *fault = find_fault(word);
    if (fault != NULL) {
      char quoted[BKI_QUOTE_SIZE];
      return bki_fail(err, BKI_E_DATA, "expected words that fit a line each, found %s in %s", fault,
                      bki_quote(quoted, word));
    }
    BKI_TRY(bki_sink_write(sink, word.data, word.size, err));
    BKI_TRY(bki_sink_write(sink, "\n", 1, err));
  }
  return BKI_OK;
}

bki_status bki_vocabulary_save(const bki_vocabulary *vocabulary, const char *path, bki_error *err) {
  bki_sink *sink;
  BKI_TRY(bki_sink_open(&sink, path, true, err));
  bki_status status = write_words(vocabulary, sink, err);
  if (status != BKI_OK) {
    bki_sink_discard(sink);
    return status;
  }
  return bki_sink_commit(sink, err);
}

int32_t bki_vocabulary_size(const bki_vocabulary *vocabulary) {
  return (int32_t)bki_strmap_count(vocabulary->ids);
}

int32_t bki_vocabulary_find(const bki_vocabulary *vocabulary, bki_str word) {
  const int32_t *id = bki_strmap_get(vocabulary->ids, word);
  return id == NULL ? -1 : *id;
}

bki_str bki_vocabulary_word(const bki_vocabulary *vocabulary, int32_t id) {
  assert(id >= 0 && id < bki_vocabulary_size(vocabulary));
  return vocabulary->words[id];
}
