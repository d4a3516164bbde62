/* Text and numbers as HTML. */
#include <inttypes.h>
#include <math.h>

#include "escape.h"
#include "html_internal.h"

void bki_html_add_text(bki_strbuf *out, bki_str text, size_t most) {
  bki_strbuf safe = {0};
  bki_str head = bki_text_head(text, most);
  bki_escape(&safe, head, false);
  out->failed = out->failed || safe.failed;
  for (size_t i = 0; i < safe.size; i++) {
    switch (safe.data[i]) {
      case '&': bki_strbuf_add_text(out, "&amp;"); break;
      case '<': bki_strbuf_add_text(out, "&lt;"); break;
      case '>': bki_strbuf_add_text(out, "&gt;"); break;
      case '"': bki_strbuf_add_text(out, "&quot;"); break;
      case '\'': bki_strbuf_add_text(out, "&#39;"); break;
      default: bki_strbuf_add(out, &safe.data[i], 1);
    }
  }
  bki_strbuf_add_text(out, head.size < text.size ? "\xe2\x80\xa6" : "");
  bki_strbuf_clear(&safe);
}

void bki_html_add_count(bki_strbuf *out, int64_t value) {
  char digits[24];
  int n = snprintf(digits, sizeof digits, "%" PRId64, value);
  for (int i = 0; i < n; i++) {
    bki_strbuf_add_text(out, i > 0 && (n - i) % 3 == 0 ? "\xe2\x80\xaf" : "");
    bki_strbuf_add(out, &digits[i], 1);
  }
}

void bki_html_add_percent(bki_strbuf *out, int64_t hits, int64_t n) {
  double tenths = n == 0 ? 0 : floor(1000 * (double)hits / (double)n + 0.5);
  tenths = hits > 0 && tenths < 1 ? 1 : hits < n && tenths > 999 ? 999 : tenths;
  bki_strbuf_format(out, "%.*f&nbsp;%%", fmod(tenths, 10) == 0 ? 0 : 1, tenths / 10);
}

void bki_html_add_rate(bki_strbuf *out, int64_t hits, int64_t n) {
  bki_html_add_count(out, hits);
  bki_strbuf_add_text(out, " of ");
  bki_html_add_count(out, n);
  bki_strbuf_add_text(out, " (");
  bki_html_add_percent(out, hits, n);
  bki_strbuf_add_text(out, ")");
}
