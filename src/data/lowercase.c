/* libunistring's u8_tolower is not used: its final-sigma rule differs from Python's around 201 code points that are
 * both cased and ignorable or an apostrophe, and it reaches 18 MB/s. Its tables, read here, agree with Python's at each
 * code point (tests/data/tokenizer). */
#include "lowercase.h"

#include <stdbool.h>
#include <string.h>

#include <unicase.h>
#include <unictype.h>
#include <unistr.h>

enum { CAPITAL_I_WITH_DOT = 0x0130, CAPITAL_SIGMA = 0x03a3, SMALL_FINAL_SIGMA = 0x03c2 };

static bool is_ignorable(ucs4_t c) {
  return uc_is_property_case_ignorable(c);
}

/* Unicode's Final_Sigma: a cased letter before, none after, case-ignorable code points in between passed over. Another
 * sigma is cased and ends the search: whatever the text, each byte is passed over twice at most. */
static bool is_final_sigma(const uint8_t *text, size_t size, size_t at, size_t length) {
  ucs4_t c = 0;
  const uint8_t *before = text + at;
  do {
    before = u8_prev(&c, before, text);
  } while (before != NULL && is_ignorable(c));
  if (before == NULL || !uc_is_property_cased(c)) {
    return false;
  }
  for (size_t i = at + length; i < size;) {
    int step = u8_mbtoucr(&c, text + i, size - i);
    if (step <= 0) {
      return true; /* invalid UTF-8: the caller gets there */
    }
    if (!is_ignorable(c)) {
      return !uc_is_property_cased(c);
    }
    i += (size_t)step;
  }
  return true;
}

size_t bki_lowercase(uint8_t out[BKI_LOWERCASE_MAX], const uint8_t *text, size_t size, size_t at, size_t length,
                     uint32_t code_point) {
  ucs4_t lower = uc_tolower(code_point);
  if (code_point == CAPITAL_I_WITH_DOT) {
    memcpy(out, "i\xcc\x87", 3); /* i, combining dot above */
    return 3;
  }
  if (code_point == CAPITAL_SIGMA && is_final_sigma(text, size, at, length)) {
    lower = SMALL_FINAL_SIGMA;
  }
  return (size_t)u8_uctomb(out, lower, BKI_LOWERCASE_MAX);
}
