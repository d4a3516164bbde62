#include "scan_settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "rule_settings.h"
#include "scan_screening.h"
#include "strbuf.h"

static const char *const format_names[] = {"auto", "jsonl", "csv", "tsv"};
static const char *const quoting_names[] = {"auto", "double", "none"};
static const char *const header_names[] = {"auto", "present", "absent"};
static const char *const on_error_names[] = {"fail", "skip"};

/* A row of the store's table of settings. */
typedef struct setting {
  const char *key;
  const char *value;    /* NULL: not set */
  const char *fallback; /* what that means, in the canonical text */
} setting;

enum { N_CORPUS = 7, N_RULE = BKI_RULE_N_SETTINGS, NUMBER_SIZE = 32 };

/* What the rows point to. */
typedef struct texts {
  char max_record_bytes[NUMBER_SIZE];
  char rule[N_RULE][BKI_RULE_VALUE_SIZE];
} texts;

/* The settings that decide what the records are, with what "auto" came to. */
static void corpus_settings(setting out[N_CORPUS], const bki_corpus_config *config, const bki_corpus *corpus,
                            texts *text) {
  bki_format format = bki_corpus_format(corpus);
  bki_quoting quoting = config->quoting;
  bki_header header = BKI_HEADER_AUTO;
  if (format == BKI_FORMAT_JSONL) {
    quoting = BKI_QUOTING_AUTO; /* neither matters */
  } else {
    header = bki_corpus_header(corpus).size > 0 ? BKI_HEADER_PRESENT : BKI_HEADER_ABSENT;
    if (quoting == BKI_QUOTING_AUTO) {
      quoting = format == BKI_FORMAT_CSV ? BKI_QUOTING_DOUBLE : BKI_QUOTING_NONE;
    }
  }
  snprintf(text->max_record_bytes, NUMBER_SIZE, "%zu", config->max_record_bytes);
  const setting all[N_CORPUS] = {
      {"format", format_names[format], NULL},
      {"quoting", quoting_names[quoting], NULL},
      {"header", header_names[header], NULL},
      {"text_field", config->text_field, "text"},
      {"label_field", config->label_field, "[label]"},
      {"id_field", config->id_field, "[id]"},
      {"max_record_bytes", text->max_record_bytes, NULL},
  };
  memcpy(out, all, sizeof all);
}

static void rule_settings(setting out[N_RULE], const bki_rule *rule, texts *text) {
  for (int i = 0; i < N_RULE; i++) {
    bki_rule_setting_format(rule, i, text->rule[i]);
    out[i] = (setting){bki_rule_setting_keys[i], text->rule[i], NULL};
  }
}

static void add_canonical(bki_strbuf *buf, const setting *settings, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const char *value = settings[i].value == NULL ? settings[i].fallback : settings[i].value;
    bki_strbuf_format(buf, "%s%s=%s", buf->size == 0 ? "" : " ", settings[i].key, value);
  }
}

static bki_status save_settings(bki_store *store, const setting *settings, size_t n, bki_error *err) {
  for (size_t i = 0; i < n; i++) {
    if (settings[i].value != NULL) {
      BKI_TRY(bki_store_set(store, settings[i].key, settings[i].value, err));
    }
  }
  return BKI_OK;
}

/* The stored selections have to come from one rule. */
static bki_status check_rule(bki_store *store, const char *path, const setting rule[N_RULE], bki_error *err) {
  for (size_t i = 0; i < N_RULE; i++) {
    const char *stored = bki_store_setting(store, rule[i].key);
    if (stored == NULL || strcmp(stored, rule[i].value) != 0) {
      return bki_fail_at(
          err, BKI_E_USAGE, path, 0, -1,
          "the store was begun with %s = %s, found %s; go on with that, any other rule can be applied later",
          rule[i].key, stored == NULL ? "nothing" : stored, rule[i].value);
    }
  }
  return BKI_OK;
}

/* The precision that scorer_settings tell of; AUTO: none. */
static bki_precision precision_in(const char *scorer_settings) {
  static const char key[] = "precision=";
  const char *at = scorer_settings == NULL ? NULL : strstr(scorer_settings, key);
  for (int i = 0; at != NULL && i < BKI_PRECISION_AUTO; i++) {
    const char *name = bki_precision_name((bki_precision)i);
    const size_t n = strlen(name);
    if (strncmp(at + strlen(key), name, n) == 0 && at[strlen(key) + n] == ' ') {
      return (bki_precision)i;
    }
  }
  return BKI_PRECISION_AUTO;
}

bki_scorer_config bki_scan_scorer_config(const bki_scan_config *config) {
  bki_scorer_config out = config->scorer;
  bki_store *store = NULL;
  bki_screening screening;
  out.top_words = config->rule.p;
  if (bki_store_open(&store, config->store_path, NULL) == BKI_OK) { /* what is wrong with it is told later */
    if (out.precision == BKI_PRECISION_AUTO) {
      out.precision = precision_in(bki_store_setting(store, "scorer_settings"));
    }
    if (bki_scan_get_screening(store, &screening, NULL) == BKI_OK && screening.top_words > 0) {
      out.top_words = screening.top_words;
    }
    bki_store_close(store);
  }
  if (out.precision == BKI_PRECISION_AUTO) {
    out.precision = BKI_PRECISION_EXACT;
  }
  return out;
}

/* A new store gets the settings, and can be read from then on; one with records has to have the same rule. */
static bki_status settle(bki_store *store, const bki_scan_config *config, const bki_scorer *scorer,
                         const setting *corpus, const setting *rule, bki_error *err) {
  const bki_store_state state = *bki_store_get_state(store);
  /* The store of another rule may have no records yet. */
  BKI_TRY(bki_scan_check_top_words(bki_scorer_screening(scorer), &config->rule, err));
  if (state.n_records > 0) {
    return check_rule(store, config->store_path, rule, err);
  }
  BKI_TRY(save_settings(store, corpus, N_CORPUS, err));
  BKI_TRY(save_settings(store, rule, N_RULE, err));
  if (bki_scorer_screens(scorer)) {
    const bki_screening *screening = bki_scorer_screening(scorer);
    const bki_screening nothing_yet = {.epsilon = screening->epsilon, .top_words = screening->top_words};
    BKI_TRY(bki_scan_set_screening(store, &nothing_yet, err));
  }
  return bki_store_commit(store, &state, err);
}

bki_status bki_scan_open_store(bki_store **out, const bki_scan_config *config, const bki_corpus *corpus,
                               const bki_scorer *scorer, bki_error *err) {
  texts text;
  setting corpus_rows[N_CORPUS];
  setting rule_rows[N_RULE];
  bki_strbuf corpus_text = {0};
  bki_strbuf scorer_text = {0};
  bki_store *store = NULL;
  bki_status status;
  corpus_settings(corpus_rows, &config->corpus, corpus, &text);
  rule_settings(rule_rows, &config->rule, &text);
  add_canonical(&corpus_text, corpus_rows, N_CORPUS);
  bki_strbuf_format(&scorer_text, "backend=%s engine=%s precision=%s isa=%s increments=%s", bki_scorer_backend(scorer),
                    bki_scorer_engine(scorer), bki_scorer_precision(scorer), bki_scorer_isa(scorer),
                    config->scorer.increments ? "yes" : "no");
  if (bki_scorer_screens(scorer)) {
    const bki_screening *screening = bki_scorer_screening(scorer);
    bki_strbuf_format(&scorer_text, " top_words=%" PRId32 " epsilon=%.6g", screening->top_words, screening->epsilon);
  }
  if (corpus_text.failed || scorer_text.failed) {
    status = bki_fail_memory(err);
    goto done;
  }
  const bki_store_identity identity = {.model_fingerprint = bki_model_fingerprint(config->model),
                                       .corpus_settings = corpus_text.data,
                                       .scorer_settings = scorer_text.data,
                                       .on_error = on_error_names[config->on_error],
                                       .why_fp32 = bki_scorer_screening(scorer)->reason};
  const bki_model_config *model = bki_model_get_config(config->model);
  BKI_TRY_GOTO(status, done,
               bki_store_create(&store, config->store_path, &identity, model->n_classes, model->classes, err));
  BKI_TRY_GOTO(status, done, settle(store, config, scorer, corpus_rows, rule_rows, err));
  *out = store;
  store = NULL;
done:
  bki_store_close(store);
  bki_strbuf_clear(&corpus_text);
  bki_strbuf_clear(&scorer_text);
  return status;
}

static bki_status bad_setting(bki_error *err, const char *key, const char *value) {
  char quoted[BKI_QUOTE_SIZE];
  return bki_fail(err, BKI_E_DATA, "setting %s of the store: expected a value that a scan writes, found %s", key,
                  value == NULL ? "none" : bki_quote(quoted, (bki_str){value, strlen(value)}));
}

static bki_status get_name(const bki_store *store, const char *key, const char *const *names, int n, int *out,
                           bki_error *err) {
  const char *value = bki_store_setting(store, key);
  for (int i = 0; value != NULL && i < n; i++) {
    if (strcmp(value, names[i]) == 0) {
      *out = i;
      return BKI_OK;
    }
  }
  return bad_setting(err, key, value);
}
#define GET_NAME(store, key, names, out, err) \
  get_name(store, key, names, (int)(sizeof(names) / sizeof *(names)), out, err)

static bki_status get_number(const bki_store *store, const char *key, int64_t max, int64_t *out, bki_error *err) {
  const char *value = bki_store_setting(store, key);
  char *end = NULL;
  errno = 0;
  long long number = value == NULL ? 0 : strtoll(value, &end, 10);
  if (value == NULL || end == value || *end != '\0' || errno != 0 || number < 1 || number > max) {
    return bad_setting(err, key, value);
  }
  *out = number;
  return BKI_OK;
}

static bki_status get_corpus(const bki_store *store, bki_corpus_config *out, bki_error *err) {
  int format;
  int quoting;
  int header;
  int64_t max_record_bytes = 0;
  BKI_TRY(GET_NAME(store, "format", format_names, &format, err));
  BKI_TRY(GET_NAME(store, "quoting", quoting_names, &quoting, err));
  BKI_TRY(GET_NAME(store, "header", header_names, &header, err));
  BKI_TRY(get_number(store, "max_record_bytes", INT64_C(1) << 30, &max_record_bytes, err));
  bki_corpus_config_init(out);
  out->format = (bki_format)format;
  out->quoting = (bki_quoting)quoting;
  out->header = (bki_header)header;
  out->text_field = bki_store_setting(store, "text_field");
  out->label_field = bki_store_setting(store, "label_field");
  out->id_field = bki_store_setting(store, "id_field");
  out->max_record_bytes = (size_t)max_record_bytes;
  return BKI_OK;
}

static bki_status get_rule(const bki_store *store, bki_rule *out, bki_error *err) {
  bki_rule rule;
  bki_rule_init(&rule, BKI_PRESET_PAPER);
  for (int i = 0; i < N_RULE; i++) {
    const char *value = bki_store_setting(store, bki_rule_setting_keys[i]);
    if (value == NULL || !bki_rule_setting_parse(&rule, i, value)) {
      return bad_setting(err, bki_rule_setting_keys[i], value);
    }
  }
  bki_error reason;
  if (bki_rule_check(&rule, &reason) != BKI_OK) {
    return bki_fail(err, BKI_E_DATA, "settings of the store: %s", reason.message);
  }
  *out = rule;
  return BKI_OK;
}

bki_status bki_scan_get_settings(const bki_store *store, bki_corpus_config *corpus, bki_rule *rule, bki_error *err) {
  bki_corpus_config stored_corpus;
  bki_rule stored_rule;
  BKI_TRY(get_corpus(store, &stored_corpus, err));
  BKI_TRY(get_rule(store, &stored_rule, err));
  if (corpus != NULL) {
    *corpus = stored_corpus;
  }
  if (rule != NULL) {
    *rule = stored_rule;
  }
  return BKI_OK;
}
