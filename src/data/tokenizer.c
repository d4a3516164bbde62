#include <bki/tokenizer.h>

#include <assert.h>
#include <string.h>

#include <unictype.h>
#include <unistr.h>

#include "fail.h"
#include "lowercase.h"
#include "words.h"

/* What an ASCII byte is. */
enum {
  W = 1, /* white space of Python's str.split */
  K = 2, /* white space that keras splits at */
  S = W | K,
  P = 4,    /* punctuation; not the apostrophe: "it's" is one word */
  U = 0x20, /* an upper-case letter: the bit that makes it lower case */
};
static const uint8_t ascii[128] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, S, S, W, W, W, 0, 0, /* tab, line feed, ..., carriage return */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, W, W, W, W, /* the information separators */
    S, P, P, P, P, P, P, 0, P, P, P, P, P, P, P, P, /* !"#$%&'()*+,-./ */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, P, P, P, P, P, P, /* 0-9 :;<=>? */
    P, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, /* @ A-O */
    U, U, U, U, U, U, U, U, U, U, U, P, P, P, P, P, /* P-Z [\]^_ */
    P, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* ` a-o */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, P, P, P, P, 0, /* p-z {|}~ */
};
static const uint8_t separators[] = {
    [BKI_TOKENIZER_WORDS] = W | P, [BKI_TOKENIZER_KERAS] = K | P, [BKI_TOKENIZER_WHITESPACE] = W};

typedef struct splitter {
  const bki_tokenizer_config *config;
  const uint8_t *text;
  size_t size;
  size_t at; /* next byte of the text */
  bki_words *words;
  uint8_t *out;
  size_t start; /* of the current word in `out` */
  size_t n_out;
} splitter;

void bki_tokenizer_config_init(bki_tokenizer_config *config, bki_tokenizer_type type) {
  *config = (bki_tokenizer_config){
      .type = type,
      .lowercase = type != BKI_TOKENIZER_WHITESPACE,
      .strip_html = type == BKI_TOKENIZER_WORDS,
  };
}

/* The length of the line break at text[0] == '<', or 0: what an HTML parser takes for one, `<br` or `</br` in any case,
 * then `>`, or white space or `/` and anything up to `>` (attributes). As a regular expression, case-insensitive:
 * </?br(?:[ \t\n\f\r/][^<>]*)?> */
static size_t line_break_length(const uint8_t *text, size_t size) {
  size_t i = size > 1 && text[1] == '/' ? 2 : 1;
  if (size - i < 3 || (text[i] | 0x20) != 'b' || (text[i + 1] | 0x20) != 'r') {
    return 0;
  }
  i += 2;
  if (text[i] != '\0' && strchr(" \t\n\f\r/", text[i]) != NULL) {
    while (i < size && text[i] != '<' && text[i] != '>') {
      i++;
    }
  }
  return i < size && text[i] == '>' ? i + 1 : 0;
}

/* Ends the current word, if there is one. */
static bki_status end_word(splitter *s, bki_error *err) {
  if (s->n_out == s->start) {
    return BKI_OK;
  }
  BKI_TRY(bki_words_end_word(s->words, s->start, s->n_out, err));
  s->out[s->n_out++] = ' ';
  s->start = s->n_out;
  return BKI_OK;
}

static bki_status refuse_utf8(const splitter *s, size_t at, bki_error *err) {
  return bki_fail_at(err, BKI_E_DATA, NULL, 0, (int64_t)at, "expected UTF-8, found the byte 0x%02x", s->text[at]);
}

static bki_status separate(splitter *s, bki_error *err) {
  const uint8_t *text = s->text + s->at;
  const size_t tag = s->config->strip_html && *text == '<' ? line_break_length(text, s->size - s->at) : 0;
  const uint8_t *invalid = u8_check(text, tag);
  if (invalid != NULL) {
    return refuse_utf8(s, (size_t)(invalid - s->text), err);
  }
  s->at += tag > 0 ? tag : 1;
  return end_word(s, err);
}

/* The code point at `at`, which is not ASCII. */
static bki_status take_code_point(splitter *s, bki_error *err) {
  ucs4_t c;
  int length = u8_mbtoucr(&c, s->text + s->at, s->size - s->at);
  if (length <= 0) {
    return refuse_utf8(s, s->at, err);
  }
  if (s->config->type != BKI_TOKENIZER_KERAS && uc_is_property_white_space(c)) {
    s->at += (size_t)length;
    return end_word(s, err);
  }
  uint8_t *out = s->out + s->n_out;
  if (s->config->lowercase) {
    s->n_out += bki_lowercase(out, s->text, s->size, s->at, (size_t)length, c);
  } else {
    memcpy(out, s->text + s->at, (size_t)length);
    s->n_out += (size_t)length;
  }
  s->at += (size_t)length;
  return BKI_OK;
}

/* Takes the ASCII bytes up to a separator, or up to a byte that is not ASCII. */
static void take_ascii(splitter *s) {
  const uint8_t separates = separators[s->config->type];
  const uint8_t lower = s->config->lowercase ? U : 0;
  size_t at = s->at;
  size_t n_out = s->n_out;
  while (at < s->size && s->text[at] < 0x80 && !(ascii[s->text[at]] & separates)) {
    s->out[n_out++] = s->text[at] | (ascii[s->text[at]] & lower);
    at++;
  }
  s->at = at;
  s->n_out = n_out;
}

static bki_status split(splitter *s, bki_error *err) {
  while (s->at < s->size) {
    take_ascii(s);
    if (s->at < s->size) {
      BKI_TRY(s->text[s->at] < 0x80 ? separate(s, err) : take_code_point(s, err));
    }
  }
  return end_word(s, err);
}

bki_status bki_tokenizer_split(const bki_tokenizer_config *config, bki_str text, bki_words *words, bki_error *err) {
  assert(config->type == BKI_TOKENIZER_WORDS || !config->strip_html);
  assert(config->type != BKI_TOKENIZER_WHITESPACE || !config->lowercase);
  BKI_TRY(bki_words_begin(words, text.size, err));
  splitter s = {
      .config = config,
      .text = (const uint8_t *)text.data,
      .size = text.size,
      .words = words,
      .out = (uint8_t *)words->bytes,
  };
  bki_status status = split(&s, err);
  if (status != BKI_OK) {
    bki_words_slice(words, 0, 0);
  }
  return status;
}
