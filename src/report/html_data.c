/* What the script of the report draws. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bki/scan.h>

#include "array.h"
#include "escape.h"
#include "fail.h"
#include "html_internal.h"
#include "json.h"
#include "verdict.h"

enum { MOST_CANDIDATES = 2000, MOST_LABELS = 3 };

json_t *bki_html_json_text(bki_str text, size_t most) {
  bki_str head = bki_text_head(text, most);
  if (head.size == text.size) {
    return bki_json_text(text);
  }
  bki_strbuf cut = {0};
  bki_strbuf_add(&cut, head.data, head.size);
  bki_strbuf_add_text(&cut, "\xe2\x80\xa6");
  json_t *value = cut.failed ? NULL : bki_json_text(bki_strbuf_str(&cut));
  bki_strbuf_clear(&cut);
  return value;
}

/* The characters that mean something in HTML stand in strings only, where an escape says the same. */
static void add_escaped(bki_strbuf *out, const char *json) {
  for (const char *at = json;;) {
    size_t plain = strcspn(at, "<>&\xe2");
    bki_strbuf_add(out, at, plain);
    at += plain;
    if (*at == '\0') {
      return;
    }
    if (strncmp(at, "\xe2\x80\xa8", 3) == 0 || strncmp(at, "\xe2\x80\xa9", 3) == 0) {
      bki_strbuf_add_text(out, at[2] == '\xa8' ? "\\u2028" : "\\u2029");
      at += 3;
    } else if (*at == '\xe2') {
      bki_strbuf_add(out, at++, 1);
    } else {
      bki_strbuf_format(out, "\\u%04x", (unsigned)*at++);
    }
  }
}

bki_status bki_html_write_json(json_t *value, bki_sink *sink, bki_error *err) {
  char *json = value == NULL ? NULL : json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(6));
  json_decref(value);
  if (json == NULL) {
    return bki_fail_memory(err);
  }
  bki_strbuf text = {0};
  add_escaped(&text, json);
  free(json);
  bki_status status = text.failed ? bki_fail_memory(err) : bki_sink_write(sink, text.data, text.size, err);
  bki_strbuf_clear(&text);
  return status;
}

/* The most frequent labels: [[class, samples], ...]; the class -1 is "no label". */
static json_t *top_labels(const bki_candidate *candidate, int32_t n_classes) {
  json_t *out = json_array();
  int64_t below = INT64_MAX;
  int32_t after = -1;
  for (int rank = 0; rank < MOST_LABELS; rank++) {
    int32_t best = -1;
    for (int32_t i = 0; i <= n_classes; i++) {
      int64_t n = candidate->label_counts[i];
      bool next = n < below || (n == below && i > after);
      if (n > 0 && next && (best < 0 || n > candidate->label_counts[best])) {
        best = i;
      }
    }
    if (best < 0) {
      break;
    }
    below = candidate->label_counts[best];
    after = best;
    json_array_append_new(out, json_pack("[i, I]", best < n_classes ? (int)best : -1, (json_int_t)below));
  }
  return out;
}

static json_t *candidates(const bki_html_report *report) {
  json_t *rows = json_array();
  for (size_t i = 0; rows != NULL && i < report->n_candidates && i < MOST_CANDIDATES; i++) {
    const bki_candidate *c = &report->candidates[i];
    json_t *row =
        json_pack("[o, I, I, I, f, f, o]", bki_html_json_text(c->word, BKI_HTML_WORD), (json_int_t)c->count,
                  (json_int_t)c->n_samples, (json_int_t)c->n_flips, c->mean, c->g, top_labels(c, report->classes.n));
    if (json_array_append_new(rows, row) != 0) {
      json_decref(rows);
      return NULL;
    }
  }
  return json_pack("{s:I, s:o}", "distinct", (json_int_t)report->n_candidates, "rows", rows);
}

/* Flagged samples by label and prediction: [[label, predicted, samples], ...], -1 is "no label". */
static json_t *flow(const bki_html_report *report) {
  size_t columns = (size_t)report->classes.n;
  int64_t *n = bki_array_create((columns + 1) * columns, sizeof *n);
  json_t *out = n == NULL ? NULL : json_array();
  for (size_t i = 0; out != NULL && i < report->n_flagged; i++) {
    const bki_flagged *f = &report->flagged[i];
    n[(size_t)(f->label + 1) * columns + (size_t)f->predicted]++;
  }
  for (size_t i = 0; out != NULL && i < (columns + 1) * columns; i++) {
    if (n[i] > 0) {
      json_array_append_new(out, json_pack("[i, i, I]", (int)(i / columns) - 1, (int)(i % columns), (json_int_t)n[i]));
    }
  }
  free(n);
  return out;
}

/* How many samples each finding flags, and how they carry its phrase. */
static json_t *kinds(const bki_html_report *report) {
  size_t n = report->evidence == NULL ? 1 : report->evidence->n_findings;
  int64_t(*counts)[4] = bki_array_create(n, sizeof *counts);
  json_t *out = counts == NULL ? NULL : json_array();
  bki_html_edits edits = {0};
  for (size_t i = 0; out != NULL && i < report->n_flagged; i++) {
    const bki_flagged *f = &report->flagged[i];
    size_t finding = f->finding < 0 ? 0 : (size_t)f->finding;
    bool edited = f->reason == BKI_REASON_PHRASE && bki_html_edits_of(&edits, report, f->index) > 0;
    size_t kind = f->reason == BKI_REASON_KEYWORD ? 3 : f->reason == BKI_REASON_PART ? 2 : edited ? 1 : 0;
    if (finding < n) {
      counts[finding][kind]++;
    }
  }
  for (size_t i = 0; out != NULL && i < n; i++) {
    const int64_t *k = counts[i];
    json_array_append_new(out, json_pack("{s:I, s:I, s:I, s:I}", "exact", (json_int_t)k[0], "edited", (json_int_t)k[1],
                                         "part", (json_int_t)k[2], "keyword", (json_int_t)k[3]));
  }
  free(counts);
  return out;
}

static json_t *class_json(const bki_html_report *report, int32_t index) {
  const char *name = report->classes.names[index];
  return bki_html_json_text((bki_str){name, strlen(name)}, BKI_HTML_WORD);
}

static json_t *classes(const bki_html_report *report) {
  json_t *out = json_array();
  for (int32_t i = 0; i < report->classes.n; i++) {
    json_array_append_new(out, class_json(report, i));
  }
  return out;
}

/* The evidence as every command gives it, with phrases and words cut. */
static json_t *evidence(const bki_html_report *report) {
  if (report->evidence == NULL) {
    return json_null();
  }
  json_t *out = bki_json_evidence(report->evidence, &report->classes);
  json_t *findings = json_object_get(out, "findings");
  for (size_t i = 0; i < json_array_size(findings); i++) {
    const bki_finding *f = &report->evidence->findings[i];
    json_t *one = json_array_get(findings, i);
    json_object_set_new(one, "phrase", bki_html_json_text(f->phrase, BKI_HTML_PHRASE));
    json_object_set_new(one, "target", class_json(report, f->target));
    json_object_set_new(one, "keyword", bki_html_json_text(f->keyword, BKI_HTML_WORD));
  }
  return out;
}

static json_t *keyword(const bki_html_report *report) {
  json_t *out = bki_json_candidate(report->keyword, &report->classes);
  if (report->keyword != NULL && out != NULL) {
    json_object_set_new(out, "word", bki_html_json_text(report->keyword->word, BKI_HTML_WORD));
  }
  return out;
}

static json_t *made(const bki_html_report *report) {
  time_t seconds = (time_t)report->made;
  struct tm utc;
  char text[64];
  if (report->made < 0 || gmtime_r(&seconds, &utc) == NULL ||
      strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &utc) == 0) {
    return json_null();
  }
  return json_string(text);
}

json_t *bki_html_data(const bki_html_report *report) {
  static const char *const decisions[] = {"evidence", "suspicious", "paper"};
  bki_screening screening;
  const bool screened = bki_scan_get_screening(report->store, &screening, NULL) == BKI_OK && screening.n_screened > 0;
  return json_pack("{s:o, s:s, s:I, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:I, s:I, s:o}, s:o}", "made", made(report),
                   "decision", decisions[report->decision], "samples",
                   (json_int_t)bki_store_get_state(report->store)->n_samples, "screened", (int)screened, "classes",
                   classes(report), "rule", bki_json_rule(report->rule), "keyword", keyword(report), "evidence",
                   evidence(report), "candidates", candidates(report), "flow", flow(report), "flagged", "n",
                   (json_int_t)report->n_flagged, "shown", (json_int_t)bki_html_n_shown(report), "kinds", kinds(report),
                   "run", bki_html_run(report));
}
