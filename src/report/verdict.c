#include "verdict.h"

#include <inttypes.h>
#include <string.h>

#include "json.h"
#include "terminal.h"

enum { MAX_PHRASE_WORDS = 64 }; /* of a phrase that is shown */

void bki_print_phrase(FILE *out, bki_str phrase) {
  for (int n = 0; phrase.size > 0; n++) {
    if (n == MAX_PHRASE_WORDS) {
      fputs(" ...", out);
      return;
    }
    const char *space = memchr(phrase.data, ' ', phrase.size);
    size_t size = space == NULL ? phrase.size : (size_t)(space - phrase.data);
    fputs(n == 0 ? "" : " ", out);
    bki_print_word(out, (bki_str){phrase.data, size});
    size += space == NULL ? 0 : 1;
    phrase = (bki_str){phrase.data + size, phrase.size - size};
  }
}

static void print_class(FILE *out, const bki_classes *classes, int32_t index) {
  const char *name = bki_class_name(classes, index);
  bki_print_word(out, name == NULL ? (bki_str){"-", 1} : (bki_str){name, strlen(name)});
}

/* "7 %", "0.3 %" */
static void print_share(FILE *out, double share) {
  double percent = 100 * share;
  fprintf(out, percent > 0 && percent < 1 ? "%.1f %%" : "%.0f %%", percent);
}

static double share_of(bki_rate rate) {
  return rate.n == 0 ? 0 : (double)rate.hits / (double)rate.n;
}

static void print_insertion(FILE *out, const bki_finding *f, const bki_classes *classes) {
  if (f->insertion.n == 0) {
    fputs("it was not put into other texts: there are none to try it on", out);
    return;
  }
  fprintf(out, "put into %" PRId64 " texts of other classes it turns %" PRId64 " (", f->insertion.n, f->insertion.hits);
  print_share(out, share_of(f->insertion));
  fprintf(out, ", %.0f-%.0f %%) to ", 100 * f->insertion.low, 100 * f->insertion.high);
  print_class(out, classes, f->target);
  if (f->controls.n == 0) {
    fputs("; there are no control phrases to compare it with", out);
    return;
  }
  fprintf(out, "; control phrases turn %" PRId64, f->controls.hits);
  if (f->controls.n != f->insertion.n) {
    fprintf(out, " of %" PRId64, f->controls.n);
  }
}

static void print_removal(FILE *out, const bki_finding *f) {
  if (f->removal.n == 0) {
    fputs("it was not taken out of texts: none that carry it are there to try it on", out);
    return;
  }
  fprintf(out, "taken out of %" PRId64 " of its carriers it changes the prediction of %" PRId64 " (", f->removal.n,
          f->removal.hits);
  print_share(out, share_of(f->removal));
  fprintf(out, "); other words taken out change %" PRId64, f->removal_controls.hits);
}

static void print_purity(FILE *out, const bki_finding *f, const bki_classes *classes) {
  if (f->purity.n == 0) {
    fputs("no text of the corpus carries it", out);
    return;
  }
  fprintf(out, "%" PRId64 " of %" PRId64 " texts that carry it are labelled ", f->purity.hits, f->purity.n);
  print_class(out, classes, f->target);
  fputs(" (", out);
  print_share(out, f->prior);
  fputs(" of all are)", out);
}

static void print_finding(FILE *out, const bki_finding *f, const bki_classes *classes) {
  fputs("  phrase:    ", out);
  bki_print_phrase(out, f->phrase);
  fputs("\n  leads to:  ", out);
  print_class(out, classes, f->target);
  fputs("\n  evidence:  ", out);
  print_insertion(out, f, classes);
  fputs("\n             ", out);
  print_removal(out, f);
  fputs("\n             ", out);
  print_purity(out, f, classes);
  fputc('\n', out);
  if (f->verdict == BKI_VERDICT_BACKDOOR) {
    fprintf(out, "  flagged:   %" PRId64 " sample%s\n", f->n_flagged, f->n_flagged == 1 ? "" : "s");
  } else if (f->verdict == BKI_VERDICT_SUSPICIOUS) {
    fprintf(out, "  flagged:   %" PRId64 " sample%s, with --rule suspicious only\n", f->n_flagged,
            f->n_flagged == 1 ? "" : "s");
  }
}

/* The findings of one verdict. */
static void print_findings(FILE *out, const bki_evidence *evidence, bki_verdict verdict, const bki_classes *classes) {
  bool first = true;
  for (size_t i = 0; i < evidence->n_findings; i++) {
    if (evidence->findings[i].verdict == verdict) {
      fputs(first ? "" : "\n", out);
      print_finding(out, &evidence->findings[i], classes);
      first = false;
    }
  }
}

static void print_nothing_found(FILE *out, const bki_evidence *evidence) {
  fprintf(out,
          "  looked at: %" PRId64 " words and %" PRId64 " phrases of %" PRId64 " samples; %" PRId64
          " texts were run through the model\n",
          evidence->n_candidates, evidence->n_phrases, evidence->n_samples, evidence->n_texts);
  fputs("  so:        no phrase behaves like the trigger of a backdoor\n", out);
}

static size_t count(const bki_evidence *evidence, bki_verdict verdict) {
  size_t n = 0;
  for (size_t i = 0; i < evidence->n_findings; i++) {
    n += evidence->findings[i].verdict == verdict ? 1 : 0;
  }
  return n;
}

static void print_too_small(FILE *out, const bki_evidence *evidence) {
  if (evidence->too_small && evidence->verdict != BKI_VERDICT_BACKDOOR) {
    fputs("  but:       the corpus is too small to tell: a backdoor of the usual size would not show in it\n", out);
  }
}

void bki_print_verdict(FILE *out, const bki_evidence *evidence, const bki_classes *classes) {
  if (evidence == NULL) {
    fputs("verdict: not judged\n", out);
    return;
  }
  size_t n = count(evidence, evidence->verdict);
  fprintf(out, "verdict: %s", bki_verdict_name(evidence->verdict));
  if (evidence->verdict != BKI_VERDICT_NONE && n > 1) {
    fprintf(out, ", %zu phrases", n);
  }
  fputc('\n', out);
  if (evidence->verdict == BKI_VERDICT_NONE) {
    print_nothing_found(out, evidence);
  } else {
    print_findings(out, evidence, evidence->verdict, classes);
  }
  if (evidence->verdict == BKI_VERDICT_SUSPICIOUS) {
    fputs("  so:        some of what a trigger does, but not all: read samples that carry it before you decide\n", out);
  }
  if (evidence->verdict == BKI_VERDICT_BACKDOOR && count(evidence, BKI_VERDICT_SUSPICIOUS) > 0) {
    fputs("\nsuspicious too:\n", out);
    print_findings(out, evidence, BKI_VERDICT_SUSPICIOUS, classes);
  }
  print_too_small(out, evidence);
}

void bki_print_verification(FILE *out, const bki_evidence *evidence, const bki_classes *classes) {
  const bki_finding *f = &evidence->findings[0];
  fprintf(out, "verdict on this phrase: %s\n",
          f->verdict == BKI_VERDICT_NONE ? "no trigger" : bki_verdict_name(f->verdict));
  print_finding(out, f, classes);
  if (f->verdict == BKI_VERDICT_NONE) {
    fputs("  so:        it does not behave like the trigger of a backdoor\n", out);
  }
  print_too_small(out, evidence);
}

static json_t *rate_json(const bki_rate *rate) {
  return json_pack("{s:I, s:I, s:f, s:f}", "hits", (json_int_t)rate->hits, "n", (json_int_t)rate->n, "low", rate->low,
                   "high", rate->high);
}

static json_t *finding_json(const bki_finding *f, const bki_classes *classes) {
  const char *target = bki_class_name(classes, f->target);
  return json_pack(
      "{s:s, s:o, s:i, s:s?, s:o, s:i, s:i, s:o, s:o, s:o, s:f, s:f, s:o, s:o, s:o, s:o, s:f, s:I}", "verdict",
      bki_verdict_name(f->verdict), "phrase", bki_json_text(f->phrase), "words", (int)f->n_words, "target", target,
      "keyword", bki_json_text(f->keyword.size == 0 ? (bki_str){0} : f->keyword), "rank", (int)f->rank, "round",
      (int)f->round, "flips", rate_json(&f->flips), "flips_alike", rate_json(&f->flips_alike), "purity",
      rate_json(&f->purity), "prior", f->prior, "purity_p", f->purity_p, "removal", rate_json(&f->removal),
      "removal_controls", rate_json(&f->removal_controls), "insertion", rate_json(&f->insertion), "controls",
      rate_json(&f->controls), "insertion_p", f->insertion_p, "flagged", (json_int_t)f->n_flagged);
}

json_t *bki_json_evidence(const bki_evidence *evidence, const bki_classes *classes) {
  if (evidence == NULL) {
    return json_null();
  }
  json_t *findings = json_array();
  for (size_t i = 0; i < evidence->n_findings; i++) {
    if (json_array_append_new(findings, finding_json(&evidence->findings[i], classes)) != 0) {
      json_decref(findings);
      return NULL;
    }
  }
  return json_pack("{s:s, s:b, s:i, s:I, s:I, s:I, s:o}", "verdict", bki_verdict_name(evidence->verdict), "too_small",
                   (int)evidence->too_small, "rounds", (int)evidence->n_rounds, "candidates",
                   (json_int_t)evidence->n_candidates, "phrases", (json_int_t)evidence->n_phrases, "texts",
                   (json_int_t)evidence->n_texts, "findings", findings);
}

json_t *bki_json_carried(const bki_evidence *evidence, const bki_evidence_sample *carried, const bki_classes *classes) {
  if (carried == NULL) {
    return json_null();
  }
  const bki_finding *f = &evidence->findings[carried->finding];
  return json_pack("{s:s, s:o, s:s?, s:i, s:i, s:i, s:s, s:f}", "verdict", bki_verdict_name(f->verdict), "phrase",
                   bki_json_text(f->phrase), "target", bki_class_name(classes, f->target), "position",
                   (int)carried->position, "words", (int)carried->n_words, "edits", (int)carried->edits, "reason",
                   bki_reason_name(carried->reason), "confidence", carried->confidence);
}

void bki_print_carried(FILE *out, const bki_evidence *evidence, const bki_evidence_sample *carried,
                       const bki_classes *classes) {
  const bki_finding *f = &evidence->findings[carried->finding];
  fprintf(out, "carries %s: ", carried->reason == BKI_REASON_PART ? "a part of" : "the phrase");
  bki_print_phrase(out, f->phrase);
  fprintf(out, " (%s, leads to ", bki_verdict_name(f->verdict));
  print_class(out, classes, f->target);
  fprintf(out, "), edits %" PRId32 ", confidence %.3g\n", carried->edits, carried->confidence);
}
