#include <unistr.h>

#include <bki/tokenizer.h>

#include "fuzz.h"

static void require_tidy(const bki_words *words) {
  size_t at = 0;
  for (int32_t i = 0; i < words->n_words; i++) {
    const bki_str word = bki_words_get(words, i);
    require(words->start[i] == at && word.size > 0, "a word does not follow the one before");
    require(memchr(word.data, ' ', word.size) == NULL, "a word holds a space");
    at += word.size;
    require(at == words->n_bytes || words->bytes[at] == ' ', "words are not joined by a space");
    at++;
  }
  require(words->n_bytes == (words->n_words == 0 ? 0 : at - 1), "the last word does not end the text");
}

static bool same(const bki_words *a, const bki_words *b) {
  return a->n_words == b->n_words && a->n_bytes == b->n_bytes &&
         (a->n_bytes == 0 || memcmp(a->bytes, b->bytes, a->n_bytes) == 0);
}

static void split(const bki_tokenizer_config *config, const char *text, size_t size, bki_words *words) {
  require(bki_tokenizer_split(config, (bki_str){text, size}, words, NULL) == BKI_OK, "good text is refused");
  require_tidy(words);
}

/* Splitting what was split changes nothing. */
static void check_again(const bki_tokenizer_config *config, const bki_words *words) {
  bki_words again;
  bki_words_init(&again);
  split(config, words->bytes, words->n_bytes, &again);
  require(same(words, &again), "splitting twice is not splitting once");
  require(bki_words_split(&again, (bki_str){words->bytes, words->n_bytes}, NULL) == BKI_OK, "joined words are refused");
  require_tidy(&again);
  require(same(words, &again), "joined words do not come back");
  bki_words_clear(&again);
}

/* The words of two texts with a space in between are those of one and those of the other: no state crosses a space. Not
 * so where an HTML tag may span it. */
static void check_halves(bki_tokenizer_config config, const char *text, size_t size) {
  config.strip_html = false;
  const char *space = memchr(text, ' ', size);
  if (space == NULL) {
    return;
  }
  bki_words whole;
  bki_words half;
  bki_words_init(&whole);
  bki_words_init(&half);
  const size_t first = (size_t)(space - text);
  split(&config, text, size, &whole);
  split(&config, text, first, &half);
  const int32_t n_first = half.n_words;
  require(n_first <= whole.n_words && (half.n_bytes == 0 || memcmp(half.bytes, whole.bytes, half.n_bytes) == 0),
          "the first half splits differently alone");
  split(&config, space + 1, size - first - 1, &half);
  require(half.n_words == whole.n_words - n_first, "the second half splits differently alone");
  bki_words_slice(&whole, n_first, half.n_words);
  require_tidy(&whole);
  require(same(&whole, &half), "the second half has other words alone");
  bki_words_clear(&whole);
  bki_words_clear(&half);
}

/* The first byte chooses the settings. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1) {
    return 0;
  }
  bki_tokenizer_config config;
  bki_tokenizer_config_init(&config, (bki_tokenizer_type)(data[0] % 3));
  config.lowercase = config.lowercase && !(data[0] & 0x40);
  config.strip_html = config.strip_html && !(data[0] & 0x80);
  const char *text = (const char *)data + 1;
  const uint8_t *bad = u8_check(data + 1, size - 1);
  bki_words words;
  bki_words_init(&words);
  bki_error err;
  if (bad != NULL) {
    require(bki_tokenizer_split(&config, (bki_str){text, size - 1}, &words, &err) == BKI_E_DATA, "bad UTF-8 is taken");
    require(err.byte == bad - data - 1 && words.n_words == 0, "a failure leaves words or names another byte");
  } else {
    split(&config, text, size - 1, &words);
    check_again(&config, &words);
    check_halves(config, text, size - 1);
  }
  bki_words_clear(&words);
  return 0;
}
