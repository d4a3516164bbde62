/* The flagged samples, with a digit a word for its score. */
#include <math.h>
#include <stdlib.h>

#include "array.h"
#include "escape.h"
#include "fail.h"
#include "html_internal.h"
#include "json.h"

/* Words of a text that the report shows; of a longer one, those around the phrase. */
enum { MOST_WORDS = 600, BEFORE = 300 };

int32_t bki_html_edits_of(bki_html_edits *edits, const bki_html_report *report, int64_t index) {
  const bki_evidence *evidence = report->evidence;
  size_t n = evidence == NULL ? 0 : evidence->n_flagged;
  while (edits->at < n && evidence->samples[edits->at].index < index) {
    edits->at++;
  }
  return edits->at < n && evidence->samples[edits->at].index == index ? evidence->samples[edits->at].edits : 0;
}

/* Words first <= i < end are shown. */
typedef struct window {
  int32_t first;
  int32_t end;
} window;

static window window_of(const bki_flagged *flagged, int32_t n_words) {
  int32_t latest = n_words > MOST_WORDS ? n_words - MOST_WORDS : 0;
  int32_t first = flagged->position - BEFORE;
  first = first < 0 ? 0 : first > latest ? latest : first;
  return (window){first, n_words - first > MOST_WORDS ? first + MOST_WORDS : n_words};
}

/* Joined by spaces, which no word holds. */
static json_t *words_json(const bki_sample *sample, window shown) {
  bki_strbuf joined = {0};
  for (int32_t i = shown.first; i < shown.end; i++) {
    bki_str word = bki_words_get(sample->words, i);
    bki_str head = bki_text_head(word, BKI_HTML_WORD);
    bki_strbuf_add_text(&joined, i == shown.first ? "" : " ");
    bki_strbuf_add(&joined, head.data, head.size);
    bki_strbuf_add_text(&joined, head.size < word.size ? "\xe2\x80\xa6" : "");
  }
  json_t *value = joined.failed ? NULL : bki_json_text((bki_str){joined.data == NULL ? "" : joined.data, joined.size});
  bki_strbuf_clear(&joined);
  return value;
}

/* A digit a word: nine times its share of the text's highest score, rounded. */
static json_t *levels_json(const bki_sample *sample, window shown) {
  char digits[MOST_WORDS];
  float highest = 0;
  for (int32_t i = 0; i < sample->words->n_words; i++) {
    highest = fmaxf(highest, sample->score[i]);
  }
  for (int32_t i = shown.first; i < shown.end; i++) {
    long level = highest > 0 ? lroundf(9.0F * sample->score[i] / highest) : 0;
    digits[i - shown.first] = (char)('0' + (level < 0 ? 0 : level > 9 ? 9 : level));
  }
  return json_stringn(digits, (size_t)(shown.end - shown.first));
}

/* What the sample selected, best first: [[words, score], ...]. */
static json_t *selected_json(const bki_sample *sample, const bki_rule *rule) {
  enum { MOST = 10 };
  int32_t room = rule->p < sample->words->n_words ? rule->p : sample->words->n_words;
  int32_t *positions = bki_array_create((size_t)room + 1, sizeof *positions);
  json_t *out = positions == NULL ? NULL : json_array();
  int32_t n = out == NULL ? 0 : bki_rule_select(rule, sample, positions);
  for (int32_t i = 0; i < n && i < MOST; i++) {
    json_array_append_new(out,
                          json_pack("[o, f]", words_json(sample, (window){positions[i], positions[i] + rule->ngram}),
                                    bki_rule_unit_score(rule, sample, positions[i])));
  }
  free(positions);
  return out;
}

static json_t *sample_json(const bki_html_report *report, const bki_flagged *flagged, const bki_sample *sample,
                           int32_t edits) {
  const window shown = window_of(flagged, sample->words->n_words);
  return json_pack("{s:I, s:o, s:i, s:i, s:i, s:s, s:i, s:o, s:i, s:i, s:i, s:i, s:o, s:o, s:o}", "index",
                   (json_int_t)flagged->index, "id", bki_html_json_text(flagged->id, BKI_HTML_ID), "label",
                   (int)flagged->label, "predicted", (int)flagged->predicted, "finding", (int)flagged->finding,
                   "reason", bki_reason_name(flagged->reason), "edits", (int)edits, "confidence",
                   isnan(flagged->confidence) ? json_null() : json_real(flagged->confidence), "at",
                   (int)flagged->position, "n", (int)flagged->n_words, "offset", (int)shown.first, "length",
                   (int)sample->words->n_words, "words", words_json(sample, shown), "levels",
                   levels_json(sample, shown), "selected", selected_json(sample, report->rule));
}

static bki_status write_sample(const bki_html_report *report, const bki_flagged *flagged, int32_t edits, bki_sink *sink,
                               bki_error *err) {
  bki_store_cursor *cursor;
  bki_sample sample;
  bool end;
  bki_status status;
  BKI_TRY(bki_store_cursor_open(&cursor, report->store, flagged->index, err));
  BKI_TRY_GOTO(status, done, bki_store_cursor_next(cursor, &sample, &end, err));
  if (end || sample.index != flagged->index) {
    status = bki_fail(err, BKI_E_DATA, "the store holds no sample %lld, which its evidence flags",
                      (long long)flagged->index);
    goto done;
  }
  status = bki_html_write_json(sample_json(report, flagged, &sample, edits), sink, err);
done:
  bki_store_cursor_close(cursor);
  return status;
}

bki_status bki_html_write_samples(const bki_html_report *report, bki_sink *sink, bki_error *err) {
  bki_html_edits edits = {0};
  size_t n = bki_html_n_shown(report);
  BKI_TRY(bki_sink_write(sink, "[", 1, err));
  for (size_t i = 0; i < n; i++) {
    const bki_flagged *f = &report->flagged[i];
    BKI_TRY(bki_sink_write(sink, i == 0 ? "\n" : ",\n", i == 0 ? 1 : 2, err));
    BKI_TRY(write_sample(report, f, bki_html_edits_of(&edits, report, f->index), sink, err));
  }
  return bki_sink_write(sink, "]", 1, err);
}
