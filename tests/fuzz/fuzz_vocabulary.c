#include <unistr.h>

#include <bki/vocabulary.h>

#include "fuzz.h"

/* The words are the lines: joined again they are the input. */
static void check_words(const bki_vocabulary *vocabulary, const uint8_t *data, size_t size) {
  size_t at = 0;
  bool crlf = false;
  for (int32_t id = 0; id < bki_vocabulary_size(vocabulary); id++) {
    const bki_str word = bki_vocabulary_word(vocabulary, id);
    require(word.size > 0 && word.size <= size - at && memcmp(data + at, word.data, word.size) == 0,
            "a word differs from its line");
    require(memchr(word.data, ' ', word.size) == NULL && memchr(word.data, '\0', word.size) == NULL &&
                memchr(word.data, '\n', word.size) == NULL,
            "a word holds what no word holds");
    require(u8_check((const uint8_t *)word.data, word.size) == NULL, "a word is not UTF-8");
    require(bki_vocabulary_find(vocabulary, word) == id, "a word has another id");
    at += word.size;
    crlf = id == 0 ? at < size && data[at] == '\r' : crlf;
    at += crlf && at < size && data[at] == '\r' ? 1 : 0;
    require(at == size || data[at] == '\n', "a line goes on behind its word");
    at += at < size ? 1 : 0;
  }
  require(at == size, "lines are missing");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  bki_vocabulary *vocabulary;
  bki_error err;
  bki_status status = bki_vocabulary_load(&vocabulary, path_of_bytes(data, size), &err);
  if (status == BKI_OK) {
    if (!is_compressed(data, size)) {
      check_words(vocabulary, data, size);
    }
    bki_vocabulary_destroy(vocabulary);
  } else if (!is_compressed(data, size)) {
    require(status == BKI_E_DATA && err.message[0] != '\0', "a failure says nothing");
    require(err.line >= 1 && err.line <= line_of(data, (int64_t)size), "a failure names no line");
  }
  return 0;
}
