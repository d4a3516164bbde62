#include "truth.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include <bki/corpus.h>

#include "fail.h"
#include "strbuf.h"
#include "strmap.h"

typedef struct truth {
  const char *path;
  bki_store *store;
  bki_strmap *keys; /* see add_key */
  bki_strbuf key;
} truth;

/* An id and an index never meet: "=abc", "#12". */
static void format_id(bki_strbuf *key, bki_str id) {
  bki_strbuf_truncate(key, 0);
  bki_strbuf_add_text(key, "=");
  bki_strbuf_add(key, id.data, id.size);
}

static void format_index(bki_strbuf *key, int64_t index) {
  bki_strbuf_truncate(key, 0);
  bki_strbuf_format(key, "#%" PRId64, index);
}

static bki_status bad_line(const truth *t, const bki_raw_record *record, bki_error *err, const char *message) {
  return bki_fail_at(err, BKI_E_DATA, t->path, record->line, record->byte, "%s", message);
}

static bki_status check_known(const truth *t, const bki_raw_record *record, bki_str id, bki_error *err) {
  bool known = false;
  BKI_TRY(bki_store_has_id(t->store, id, &known, err));
  if (known || bki_store_get_state(t->store)->n_skipped > 0) {
    return BKI_OK;
  }
  char quoted[BKI_QUOTE_SIZE];
  return bki_fail_at(err, BKI_E_DATA, t->path, record->line, record->byte,
                     "expected the id of a sample of the corpus, found %s", bki_quote(quoted, id));
}

/* The key of one line into t->key. */
static bki_status read_key(truth *t, const bki_raw_record *record, const json_t *line, bki_error *err) {
  const json_t *id = json_object_get(line, "id");
  const json_t *index = json_object_get(line, "index");
  char number[32];
  if (id != NULL && !json_is_null(id)) {
    snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(id));
    bki_str text = json_is_integer(id) ? (bki_str){number, strlen(number)}
                                       : (bki_str){json_string_value(id), json_string_length(id)};
    if (text.data == NULL) {
      return bad_line(t, record, err, "expected \"id\" to be a string or a whole number, found something else");
    }
    format_id(&t->key, text);
    return check_known(t, record, text, err);
  }
  if (!json_is_integer(index)) {
    return bad_line(t, record, err, "expected an object with \"id\" or a whole number \"index\", found neither");
  }
  int64_t n_records = bki_store_get_state(t->store)->n_records;
  int64_t value = json_integer_value(index);
  if (value < 0 || value >= n_records) {
    return bki_fail_at(err, BKI_E_DATA, t->path, record->line, record->byte,
                       "expected the index of a record of the corpus, 0 to %" PRId64 ", found %" PRId64, n_records - 1,
                       value);
  }
  format_index(&t->key, value);
  return BKI_OK;
}

static bki_status add_key(truth *t, const bki_raw_record *record, bki_error *err) {
  char *value;
  bool added = false;
  if (t->key.failed) {
    return bki_fail_memory(err);
  }
  BKI_TRY(bki_strmap_put(t->keys, bki_strbuf_str(&t->key), &value, &added, err));
  if (!added) {
    char quoted[BKI_QUOTE_SIZE];
    return bki_fail_at(err, BKI_E_DATA, t->path, record->line, record->byte,
                       "expected each sample once, found %s a second time",
                       bki_quote(quoted, (bki_str){t->key.data + 1, t->key.size - 1}));
  }
  return BKI_OK;
}

static bki_status read_line(truth *t, const bki_raw_record *record, bki_error *err) {
  json_error_t reason;
  if (record->too_long) {
    return bad_line(t, record, err, "expected a short line, found a record that is too long");
  }
  json_t *line = json_loadb(record->raw.data, record->raw.size, JSON_REJECT_DUPLICATES, &reason);
  if (!json_is_object(line)) {
    json_decref(line);
    return bad_line(t, record, err, "expected a JSON object, found something else");
  }
  bki_status status = read_key(t, record, line, err);
  if (status == BKI_OK) {
    status = add_key(t, record, err);
  }
  json_decref(line);
  return status;
}

static bki_status read_lines(truth *t, bki_error *err) {
  bki_corpus_config config;
  bki_corpus *lines = NULL;
  bool end = false;
  bki_corpus_config_init(&config);
  config.paths = &t->path;
  config.n_paths = 1;
  config.format = BKI_FORMAT_JSONL;
  BKI_TRY(bki_corpus_open(&lines, &config, err));
  bki_status status = BKI_OK;
  while (status == BKI_OK && !end) {
    bki_raw_record record;
    status = bki_corpus_next(lines, &record, &end, err);
    if (status == BKI_OK && !end) {
      status = read_line(t, &record, err);
    }
  }
  bki_corpus_close(lines);
  return status;
}

static int64_t count_flagged(truth *t, const bki_analysis *analysis) {
  size_t n;
  int64_t found = 0;
  const bki_flagged *flagged = bki_analysis_flagged(analysis, &n);
  for (size_t i = 0; i < n; i++) {
    format_index(&t->key, flagged[i].index);
    bool poisoned = bki_strmap_get(t->keys, bki_strbuf_str(&t->key)) != NULL;
    if (!poisoned && flagged[i].id.data != NULL) {
      format_id(&t->key, flagged[i].id);
      poisoned = bki_strmap_get(t->keys, bki_strbuf_str(&t->key)) != NULL;
    }
    found += poisoned ? 1 : 0;
  }
  return found;
}

bki_status bki_truth_compare(bki_truth_counts *out, const char *path, bki_store *store, const bki_analysis *analysis,
                             bki_error *err) {
  truth t = {.path = path, .store = store};
  bki_status status = bki_strmap_create(&t.keys, 1, err);
  if (status == BKI_OK) {
    status = read_lines(&t, err);
  }
  if (status == BKI_OK) {
    *out =
        (bki_truth_counts){.n_poisoned = (int64_t)bki_strmap_count(t.keys), .n_flagged = count_flagged(&t, analysis)};
    status = t.key.failed ? bki_fail_memory(err) : BKI_OK;
  }
  bki_strmap_destroy(t.keys);
  bki_strbuf_clear(&t.key);
  return status;
}
