#include "escape.h"

#include <unictype.h>
#include <unistr.h>

/* Controls, formatting and bidirectional characters, surrogates, line and paragraph separators; what shows as nothing:
 * two words that look the same are not always one. */
static bool is_hostile(ucs4_t c) {
  return uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Cf | UC_CATEGORY_MASK_Cs |
                                                 UC_CATEGORY_MASK_Zl | UC_CATEGORY_MASK_Zp) ||
         uc_is_property_default_ignorable_code_point(c);
}

static void add_escaped(bki_strbuf *out, ucs4_t c) {
  switch (c) {
    case '\n': bki_strbuf_add_text(out, "\\n"); break;
    case '\r': bki_strbuf_add_text(out, "\\r"); break;
    case '\t': bki_strbuf_add_text(out, "\\t"); break;
    case '\\': bki_strbuf_add_text(out, "\\\\"); break;
    default: bki_strbuf_format(out, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)c);
  }
}

void bki_escape(bki_strbuf *out, bki_str text, bool quoted) {
  const uint8_t *data = (const uint8_t *)text.data;
  for (size_t i = 0; i < text.size;) {
    ucs4_t c;
    int n = u8_mbtoucr(&c, data + i, text.size - i);
    if (n < 0) {
      add_escaped(out, data[i]);
      n = 1;
    } else if ((c == '\\' && !quoted) || is_hostile(c)) {
      add_escaped(out, c);
    } else {
      bki_strbuf_add(out, text.data + i, (size_t)n);
    }
    i += (size_t)n;
  }
}

bki_str bki_text_head(bki_str text, size_t most) {
  size_t size = text.size;
  if (size > most) {
    size = most;
    while (size > 0 && most - size < 4 && ((unsigned char)text.data[size] & 0xc0) == 0x80) {
      size--;
    }
  }
  return (bki_str){text.data, size};
}
