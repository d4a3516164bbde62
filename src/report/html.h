/* The report: one HTML file that needs nothing else. */
#ifndef BKI_REPORT_HTML_H
#define BKI_REPORT_HTML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bki/analysis.h>
#include <bki/dictionary.h>
#include <bki/error.h>
#include <bki/evidence.h>
#include <bki/store.h>
#include <bki/stream.h>

#include "names.h"

/* What is reported; everything is borrowed. */
typedef struct bki_html_report {
  bki_store *store;
  bki_classes classes;
  const bki_rule *rule;
  bki_decision decision;
  const bki_evidence *evidence;      /* NULL: the store was never judged, or BKI_DECIDE_PAPER */
  const bki_evidence_config *config; /* how it was reached; NULL with `evidence` */
  const bki_candidate *keyword;      /* NULL: none */
  const bki_candidate *candidates;   /* ranked */
  size_t n_candidates;
  const bki_flagged *flagged; /* ascending index */
  size_t n_flagged;
  int64_t n_labelled; /* samples with a label, and those of them whose label the model predicts */
  int64_t n_agreeing;
  size_t limit; /* flagged samples whose texts stand in the file, the first ones; 0: all */
  int64_t made; /* when, in seconds since 1970; negative: the report does not say */
} bki_html_report;

/* Writes it to `path` (bki_sink_open), which appears when all of it is there. The same report gives the same bytes.
 * Errors: those of the store and the sink; BKI_E_USAGE: `path` is the store, at store_path, whatever `force` says. */
bki_status bki_html_save(const bki_html_report *report, const char *path, const char *store_path, bool force,
                         bki_error *err);

#endif
