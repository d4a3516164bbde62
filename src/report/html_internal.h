/* The parts of the HTML report. */
#ifndef BKI_REPORT_HTML_INTERNAL_H
#define BKI_REPORT_HTML_INTERNAL_H

#include <jansson.h>

#include "html.h"
#include "strbuf.h"

/* What the build put into the program. */
typedef struct bki_html_asset {
  const char *data;
  size_t size;
} bki_html_asset;
bki_html_asset bki_html_template(void);
bki_html_asset bki_html_style(void);
bki_html_asset bki_html_script(void);
bki_html_asset bki_html_chart(void);
bki_html_asset bki_html_licence(void);

/* What the first screen says. */
typedef enum bki_html_state {
  BKI_HTML_NONE = BKI_VERDICT_NONE,
  BKI_HTML_SUSPICIOUS = BKI_VERDICT_SUSPICIOUS,
  BKI_HTML_BACKDOOR = BKI_VERDICT_BACKDOOR,
  BKI_HTML_UNJUDGED,
  BKI_HTML_PAPER,
} bki_html_state;
bki_html_state bki_html_get_state(const bki_html_report *report);

/* Words of a text are cut to so many bytes, with an ellipsis; ids and phrases to more. */
enum { BKI_HTML_WORD = 100, BKI_HTML_ID = 200, BKI_HTML_PHRASE = 600 };

/* Text that a corpus wrote, cut and escaped twice: for eyes, then for HTML. */
void bki_html_add_text(bki_strbuf *out, bki_str text, size_t most);
/* "14 280": groups of three, thin spaces between them. */
void bki_html_add_count(bki_strbuf *out, int64_t value);
/* "98.5 %", "95 %"; nothing else than none is 0 %, and than all 100 %. As dom.js has it. */
void bki_html_add_percent(bki_strbuf *out, int64_t hits, int64_t n);
/* "190 of 200 (95 %)" */
void bki_html_add_rate(bki_strbuf *out, int64_t hits, int64_t n);

/* The headline, which is the title too; and the first screen, readable without a script. */
void bki_html_add_headline(bki_strbuf *out, const bki_html_report *report);
void bki_html_add_verdict(bki_strbuf *out, const bki_html_report *report);

/* Cut as above, as a JSON string; NULL when out of memory. */
json_t *bki_html_json_text(bki_str text, size_t most);
/* JSON that may stand in a script element: nothing in it ends the element or begins a comment. Releases `value`; NULL
 * is out of memory. */
bki_status bki_html_write_json(json_t *value, bki_sink *sink, bki_error *err);
/* Everything but the texts. NULL: out of memory. */
json_t *bki_html_data(const bki_html_report *report);
/* What was run: [[title, [[name, value], ...]], ...]. NULL: out of memory. */
json_t *bki_html_run(const bki_html_report *report);
/* The flagged samples, an array. */
bki_status bki_html_write_samples(const bki_html_report *report, bki_sink *sink, bki_error *err);

/* Words of a flagged sample's phrase that are missing, added or replaced; asked in ascending order of index, from
 * {0}. */
typedef struct bki_html_edits {
  size_t at;
} bki_html_edits;
int32_t bki_html_edits_of(bki_html_edits *edits, const bki_html_report *report, int64_t index);

/* Samples whose texts the report holds. */
static inline size_t bki_html_n_shown(const bki_html_report *report) {
  return report->limit > 0 && report->limit < report->n_flagged ? report->limit : report->n_flagged;
}

#endif
