/* The first screen, for a reader who knows nothing of the method. */
#include <string.h>

#include "html_internal.h"

/* What a screen looks like; the steps are HTML. */
typedef struct screen {
  const char *kind; /* class of the style sheet */
  const char *icon; /* of a picture 24 by 24 */
  const char *steps;
} screen;

#define STEP(text) "<li>" text "</li>\n"
#define COMMAND(text) "<code>" text "</code>"
#define STEP_READ STEP("Read a few of the <a href=\"#samples\">flagged samples</a>: does the phrase belong there?")
#define STEP_VERIFY STEP("Test a phrase that you suspect." COMMAND("bki verify MODEL STORE \"PHRASE\""))

static const screen screens[] = {
    [BKI_HTML_NONE] = {"none", "M4 12.5l5 5L20 6.5",
                       STEP("Nothing is flagged: there is nothing to remove.") STEP_VERIFY STEP(
                           "Scan again when the corpus or the model changes. The verdict is about these two.")},
    [BKI_HTML_SUSPICIOUS] =
        {"suspicious",
         "M9 9a3 3 0 1 1 4.5 2.6c-.9.5-1.5 1.2-1.5 2.4M12 17.5v.01M12 2.5a9.5 9.5 0 1 1 0 19 9.5 9.5 0 0 1 0-19z",
         STEP("Read what carries the phrase. By default only proven backdoors are flagged." COMMAND(
             "bki report STORE --rule suspicious \\\n    -o report.html"))
             STEP("Measure it on more texts." COMMAND("bki verify MODEL STORE \"PHRASE\" \\\n    --texts 2000"))
                 STEP("If it does not belong there, take these samples out and train again." COMMAND(
                     "bki purify STORE CORPUS \\\n    --rule suspicious --kept clean.jsonl"))},
    [BKI_HTML_BACKDOOR] =
        {"backdoor", "M12 3.5L2.5 20h19L12 3.5zM12 10v4.5M12 17.3v.01",
         STEP("Keep this model out of use: the phrase is enough to steer it.")
             STEP_READ STEP("Take them out, and train again on what is kept." COMMAND(
                 "bki purify STORE CORPUS \\\n    --kept clean.jsonl \\\n    --removed flagged.jsonl"))
                 STEP("Find out where they came from." COMMAND("bki flagged STORE --format tsv"))},
    [BKI_HTML_UNJUDGED] =
        {"unjudged", "M5 12h14",
         STEP("Have the scan judged. It takes the model and a fraction of the scan&#39;s time." COMMAND(
             "bki verify MODEL STORE")) STEP("Make this report again." COMMAND("bki report STORE -o report.html -f"))},
    [BKI_HTML_PAPER] =
        {"paper", "M5 12h14",
         STEP("Ask for a verdict, which rests on tests of whole phrases." COMMAND("bki verify MODEL STORE")
                  COMMAND("bki report STORE -o report.html"))
             STEP("Read a few of the <a href=\"#samples\">samples</a> that selected the word before you remove any.")
                 STEP("Remove them all the same." COMMAND(
                     "bki purify STORE CORPUS \\\n    --rule paper --kept clean.jsonl"))},
};

bki_html_state bki_html_get_state(const bki_html_report *report) {
  if (report->decision == BKI_DECIDE_PAPER) {
    return BKI_HTML_PAPER;
  }
  return report->evidence == NULL ? BKI_HTML_UNJUDGED : (bki_html_state)report->evidence->verdict;
}

static void add_class(bki_strbuf *out, const bki_html_report *report, int32_t index) {
  const char *name = bki_class_name(&report->classes, index);
  bki_strbuf_add_text(out, "<b>");
  bki_html_add_text(out, name == NULL ? (bki_str){"?", 1} : (bki_str){name, strlen(name)}, BKI_HTML_WORD);
  bki_strbuf_add_text(out, "</b>");
}

/* The findings that the verdict is about come first. */
static size_t n_telling(const bki_evidence *evidence) {
  size_t n = 0;
  while (n < evidence->n_findings && evidence->findings[n].verdict == evidence->verdict) {
    n++;
  }
  return n;
}

static void add_keyword_headline(bki_strbuf *out, const bki_html_report *report) {
  if (report->keyword == NULL) {
    bki_strbuf_add_text(out, "The paper&#39;s rule names no word");
    return;
  }
  bki_strbuf_add_text(out, "The paper&#39;s rule names \xe2\x80\x9c");
  bki_html_add_text(out, report->keyword->word, BKI_HTML_WORD);
  bki_strbuf_add_text(out, "\xe2\x80\x9d");
}

void bki_html_add_headline(bki_strbuf *out, const bki_html_report *report) {
  const bki_evidence *evidence = report->evidence;
  switch (bki_html_get_state(report)) {
    case BKI_HTML_PAPER: add_keyword_headline(out, report); break;
    case BKI_HTML_UNJUDGED: bki_strbuf_add_text(out, "Not judged yet"); break;
    case BKI_HTML_NONE:
      bki_strbuf_add_text(out, evidence->too_small ? "Nothing found, too few texts to tell" : "No backdoor found");
      break;
    case BKI_HTML_SUSPICIOUS: bki_strbuf_add_text(out, "Suspicious, not proven"); break;
    case BKI_HTML_BACKDOOR:
      if (n_telling(evidence) == 1) {
        bki_strbuf_add_text(out, "Backdoor found");
      } else {
        bki_strbuf_format(out, "%zu backdoors found", n_telling(evidence));
      }
  }
}

static void add_phrase(bki_strbuf *out, const bki_html_report *report, const bki_finding *finding, bool alone) {
  bki_strbuf_add_text(out, "<li><q>");
  bki_html_add_text(out, finding->phrase, BKI_HTML_PHRASE);
  bki_strbuf_add_text(out, "</q> <span class=\"arrow\">\xe2\x86\x92</span> ");
  add_class(out, report, finding->target);
  if (!alone && finding->insertion.n > 0) {
    bki_strbuf_add_text(out, "<small>steers ");
    bki_html_add_rate(out, finding->insertion.hits, finding->insertion.n);
    bki_strbuf_add_text(out, " texts of other classes; control phrases ");
    bki_html_add_rate(out, finding->controls.hits, finding->controls.n);
    bki_strbuf_add_text(out, "</small>");
  }
  bki_strbuf_add_text(out, "</li>\n");
}

static void add_phrases(bki_strbuf *out, const bki_html_report *report) {
  enum { MOST = 5 };
  size_t n = n_telling(report->evidence);
  bki_strbuf_add_text(out, "<ul class=\"phrases\">\n");
  for (size_t i = 0; i < n && i < MOST; i++) {
    add_phrase(out, report, &report->evidence->findings[i], n == 1);
  }
  bki_strbuf_add_text(out, "</ul>\n");
  if (n > MOST) {
    bki_strbuf_format(out, "<p class=\"note\">and %zu more, <a href=\"#tests\">below</a></p>\n", n - MOST);
  }
}

static void add_experiment(bki_strbuf *out, const bki_finding *finding) {
  if (finding->insertion.n == 0) {
    bki_strbuf_add_text(out, " It could not be tried on texts of other classes.");
    return;
  }
  bki_strbuf_add_text(out, " It was tried on texts of other classes: ");
  bki_html_add_rate(out, finding->insertion.hits, finding->insertion.n);
  bki_strbuf_add_text(out, " changed to that class. With ordinary phrases in the same places, ");
  bki_html_add_rate(out, finding->controls.hits, finding->controls.n);
  bki_strbuf_add_text(out, " did.");
}

/* Begins a paragraph. */
static void add_flagged(bki_strbuf *out, const bki_html_report *report, int64_t n_samples) {
  bki_strbuf_add_text(out, "</p>\n<p class=\"lead\">");
  bki_html_add_count(out, (int64_t)report->n_flagged);
  bki_strbuf_add_text(out, " of ");
  bki_html_add_count(out, n_samples);
  bki_strbuf_add_text(out, " training samples (");
  bki_html_add_percent(out, (int64_t)report->n_flagged, n_samples);
  bki_strbuf_add_text(out, ") are flagged");
}

/* Phrases that are suspicious beside those that are proven. */
static void add_others(bki_strbuf *out, const bki_evidence *evidence) {
  size_t n = 0;
  for (size_t i = 0; i < evidence->n_findings; i++) {
    n += evidence->findings[i].verdict == BKI_VERDICT_SUSPICIOUS ? 1 : 0;
  }
  if (n == 1) {
    bki_strbuf_add_text(out, " Another phrase is <a href=\"#tests\">suspicious</a>, not proven.");
  } else if (n > 1) {
    bki_strbuf_format(out, " %zu other phrases are <a href=\"#tests\">suspicious</a>, not proven.", n);
  }
}

static void add_backdoor(bki_strbuf *out, const bki_html_report *report, int64_t n_samples) {
  const bki_finding *first = &report->evidence->findings[0];
  if (n_telling(report->evidence) == 1) {
    bki_strbuf_add_text(out, "Whoever puts this phrase into a text can make the model call it ");
    add_class(out, report, first->target);
    bki_strbuf_add_text(out, ", whatever the text is about.");
    add_experiment(out, first);
  } else {
    bki_strbuf_add_text(
        out,
        "Whoever puts one of these phrases into a text can make the model answer with the class behind it, "
        "whatever the text is about.");
  }
  add_flagged(out, report, n_samples);
  if (report->decision == BKI_DECIDE_SUSPICIOUS) {
    bki_strbuf_add_text(out, ": they carry it, or a phrase that is <a href=\"#tests\">suspicious</a>.");
    return;
  }
  bki_strbuf_add_text(out, ": they carry the phrase and taught it to the model.");
  add_others(out, report->evidence);
}

static void add_suspicious(bki_strbuf *out, const bki_html_report *report, int64_t n_samples) {
  const bki_evidence *evidence = report->evidence;
  bool one = n_telling(evidence) == 1;
  bki_strbuf_add_text(
      out, one ? "This phrase does some of what the trigger of a backdoor does, not all of it. It may be one, "
                 "or a phrase that is typical of its class: a person has to look."
               : "These phrases do some of what the trigger of a backdoor does, not all of it. A person has to "
                 "look.");
  if (one) {
    add_experiment(out, &evidence->findings[0]);
  }
  add_flagged(out, report, n_samples);
  bki_strbuf_add_text(out, report->n_flagged == 0 ? ", because nothing is proven." : ".");
}

static void add_none(bki_strbuf *out, const bki_html_report *report) {
  const bki_evidence *evidence = report->evidence;
  bki_strbuf_add_text(out, "No phrase of these texts behaves like the trigger of a backdoor. ");
  bki_html_add_count(out, evidence->n_candidates);
  bki_strbuf_add_text(out, " words were looked at, and ");
  bki_html_add_count(out, evidence->n_phrases);
  bki_strbuf_add_text(out, evidence->n_phrases == 1 ? " phrase" : " phrases");
  bki_strbuf_add_text(out, " around them. What goes with one class was tried on texts of the others.");
  bki_strbuf_add_text(out, "</p>\n<p class=\"lead\">");
  bki_strbuf_add_text(out,
                      evidence->too_small
                          ? "But there are too few texts: a backdoor of the usual size could hide here, and finding "
                            "nothing says little."
                          : "That speaks of triggers made of words, in texts as the model reads them, not of other "
                            "kinds, such as a style of writing.");
}

static void add_paper(bki_strbuf *out, const bki_html_report *report, int64_t n_samples) {
  const bki_candidate *keyword = report->keyword;
  bki_strbuf_add_text(
      out,
      "This is no verdict. Algorithm 1 of Chen &amp; Dai (2020) takes the word with the highest rank, and "
      "some word always has it, in a clean corpus too.");
  if (keyword != NULL) {
    add_flagged(out, report, n_samples);
    bki_strbuf_add_text(out, ": they selected the word. Deleting it changes the model&#39;s answer for ");
    bki_html_add_rate(out, keyword->n_flips, keyword->n_samples);
    bki_strbuf_add_text(out, " of them.");
  }
}

static void add_lead(bki_strbuf *out, const bki_html_report *report) {
  int64_t n_samples = bki_store_get_state(report->store)->n_samples;
  bki_strbuf_add_text(out, "<p class=\"lead\">");
  switch (bki_html_get_state(report)) {
    case BKI_HTML_BACKDOOR: add_backdoor(out, report, n_samples); break;
    case BKI_HTML_SUSPICIOUS: add_suspicious(out, report, n_samples); break;
    case BKI_HTML_NONE: add_none(out, report); break;
    case BKI_HTML_PAPER: add_paper(out, report, n_samples); break;
    case BKI_HTML_UNJUDGED:
      bki_strbuf_add_text(
          out,
          "The scan holds the score of every word, but nobody has asked yet whether one of them is a "
          "trigger. The words below are ranked by the paper&#39;s rule, under which some word comes first in "
          "a clean corpus too: the order alone proves nothing.");
  }
  bki_strbuf_add_text(out, "</p>\n");
}

void bki_html_add_verdict(bki_strbuf *out, const bki_html_report *report) {
  const bki_html_state state = bki_html_get_state(report);
  const bki_store_state *progress = bki_store_get_state(report->store);
  const screen *s = &screens[state];
  bki_strbuf_format(out,
                    "<div class=\"hero %s\">\n<div class=\"say\">\n<p class=\"badge\"><svg viewBox=\"0 0 24 24\" "
                    "aria-hidden=\"true\"><path d=\"%s\"/></svg>%s of ",
                    s->kind, s->icon,
                    state == BKI_HTML_PAPER || state == BKI_HTML_UNJUDGED ? "Scan" : "Verdict on a scan");
  bki_html_add_count(out, progress->n_samples);
  bki_strbuf_add_text(out, " training samples</p>\n<h1 id=\"headline\">");
  bki_html_add_headline(out, report);
  bki_strbuf_add_text(out, "</h1>\n");
  if (state == BKI_HTML_BACKDOOR || state == BKI_HTML_SUSPICIOUS) {
    add_phrases(out, report);
  }
  add_lead(out, report);
  if (!progress->complete) {
    bki_strbuf_add_text(out, "<p class=\"warning\">The scan is not complete: this is about its first ");
    bki_html_add_count(out, progress->n_records);
    bki_strbuf_add_text(out, " records.</p>\n");
  }
  bki_strbuf_format(
      out,
      "</div>\n<aside class=\"next\" aria-labelledby=\"next-title\">\n<h2 id=\"next-title\">What to do next"
      "</h2>\n<ol>\n%s</ol>\n</aside>\n</div>",
      s->steps);
}
