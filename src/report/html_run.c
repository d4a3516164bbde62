/* What was run: everything that decided the numbers of a report. */
#include <inttypes.h>
#include <string.h>

#include <bki/version.h>

#include "html_internal.h"

/* A row of the store's table of settings, and what it is called. */
typedef struct setting {
  const char *key;
  const char *name;
} setting;

static const setting scan_settings[] = {
    {"model_fingerprint", "model"}, {"scorer_settings", "scoring"}, {"bki_version", "scanned by bki"}};
static const setting corpus_settings[] = {{"corpus_settings", "settings"}, {"on_error", "on a bad record"}};

static void add(json_t *rows, const char *name, const char *value) {
  if (value != NULL) {
    json_array_append_new(rows, json_pack("[s, o]", name, bki_html_json_text((bki_str){value, strlen(value)}, 400)));
  }
}

static void add_number(json_t *rows, const char *name, int64_t value) {
  char text[32];
  snprintf(text, sizeof text, "%" PRId64, value);
  add(rows, name, text);
}

static void add_settings(json_t *rows, const bki_store *store, const setting *settings, size_t n) {
  for (size_t i = 0; i < n; i++) {
    add(rows, settings[i].name, bki_store_setting(store, settings[i].key));
  }
}

static json_t *corpus(const bki_html_report *report) {
  json_t *rows = json_array();
  const bki_store_state *state = bki_store_get_state(report->store);
  add(rows, "fingerprint", state->corpus_prefix_fingerprint);
  add_number(rows, "records", state->n_records);
  add_number(rows, "samples scored", state->n_samples);
  add_number(rows, "samples with a label", report->n_labelled);
  add_number(rows, "labels that the model predicts", report->n_agreeing);
  add_number(rows, "records skipped", state->n_skipped);
  add(rows, "scan", state->complete ? "complete" : "not complete");
  add_settings(rows, report->store, corpus_settings, sizeof corpus_settings / sizeof *corpus_settings);
  return rows;
}

static json_t *scan(const bki_html_report *report) {
  json_t *rows = json_array();
  add_settings(rows, report->store, scan_settings, sizeof scan_settings / sizeof *scan_settings);
  add_number(rows, "classes", report->classes.n);
  add_number(rows, "row-steps computed", bki_store_get_state(report->store)->work);
  return rows;
}

static json_t *rule(const bki_html_report *report) {
  json_t *rows = json_array();
  char alpha[32];
  add(rows, "samples are flagged by", bki_decision_names[report->decision]);
  add(rows, "preset", bki_preset_names[report->rule->preset]);
  add_number(rows, "words that a text nominates (p)", report->rule->p);
  if (report->rule->preset == BKI_PRESET_PAPER) {
    add(rows, "keys", bki_keys_names[report->rule->keys]);
  } else {
    snprintf(alpha, sizeof alpha, "%g", report->rule->alpha);
    add_number(rows, "words of a unit (ngram)", report->rule->ngram);
    add(rows, "alpha", alpha);
  }
  add(rows, "unknown words (oov-key)", bki_oov_key_names[report->rule->oov_key]);
  add_number(rows, "distinct words nominated", (int64_t)report->n_candidates);
  return rows;
}

static json_t *verdict(const bki_html_report *report) {
  json_t *rows = json_array();
  const bki_evidence *evidence = report->evidence;
  const bki_evidence_config *config = report->config;
  char seed[32];
  add(rows, "verdict", evidence == NULL ? "none was asked for" : bki_verdict_name(evidence->verdict));
  if (evidence != NULL) {
    add(rows, "corpus large enough to tell", evidence->too_small ? "no" : "yes");
    add_number(rows, "rounds", evidence->n_rounds);
    add_number(rows, "words looked at", evidence->n_candidates);
    add_number(rows, "phrases tested (p-values are corrected for)", evidence->n_phrases);
    add_number(rows, "texts run through the model", evidence->n_texts);
  }
  if (config != NULL) {
    add_number(rows, "words a round looks at", config->n_candidates);
    add_number(rows, "texts of a test", config->n_texts);
    add_number(rows, "backdoors at most", config->max_backdoors);
    snprintf(seed, sizeof seed, "%" PRIu64, config->seed);
    add(rows, "seed", seed);
  }
  return rows;
}

json_t *bki_html_run(const bki_html_report *report) {
  json_t *out = json_pack("[[s, o], [s, o], [s, o], [s, o]]", "Corpus", corpus(report), "Model and scan", scan(report),
                          "Rule", rule(report), "Verdict", verdict(report));
  if (out != NULL) {
    json_t *rows = json_array();
    add(rows, "made by bki", bki_version());
    add_number(rows, "flagged samples", (int64_t)report->n_flagged);
    add_number(rows, "of these, texts in this file", (int64_t)bki_html_n_shown(report));
    json_array_append_new(out, json_pack("[s, o]", "Report", rows));
  }
  return out;
}
