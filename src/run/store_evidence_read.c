#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "fail.h"
#include "store_evidence.h"
#include "store_schema.h"

static const char what[] = "read the verdict";

/* Far above what a run finds. Intervals take time, and the file may come from anywhere. */
enum { MAX_FINDINGS = 1 << 16, MAX_RATE_N = INT32_MAX };

/* The evidence on its way out of the store. */
typedef struct reading {
  bki_store *store;
  bki_evidence *out;
  int64_t *left; /* [n_findings] samples that may still stand with it */
} reading;

static bki_status read_copy(const reading *r, sqlite3_stmt *row, int column, bki_str *out, bki_error *err) {
  BKI_TRY(bki_store_text(r->store, row, column, false, out, err));
  out->data = bki_arena_copy(r->out->arena, out->data, out->size);
  return out->data == NULL ? bki_fail_memory(err) : BKI_OK;
}

static bki_status read_int(const reading *r, sqlite3_stmt *row, int column, int32_t min, int32_t max, int32_t *out,
                           bki_error *err) {
  int64_t value;
  BKI_TRY(bki_store_integer(r->store, row, column, min, max, &value, err));
  *out = (int32_t)value;
  return BKI_OK;
}

/* One of n names, as the library spells them. */
static bki_status read_name(const reading *r, sqlite3_stmt *row, int column, const char *const *names, int n, int *out,
                            bki_error *err) {
  bki_str text;
  BKI_TRY(bki_store_text(r->store, row, column, false, &text, err));
  for (int i = 0; i < n; i++) {
    if (strcmp(text.data, names[i]) == 0) { /* SQLite ends texts with a NUL */
      *out = i;
      return BKI_OK;
    }
  }
  char quoted[BKI_QUOTE_SIZE];
  return bki_store_damaged(r->store, err, "column %s: expected a name that bki writes, found %s",
                           sqlite3_column_name(row, column), bki_quote(quoted, text));
}

static bki_status read_verdict(const reading *r, sqlite3_stmt *row, int column, bki_verdict *out, bki_error *err) {
  const char *const names[] = {bki_verdict_name(BKI_VERDICT_NONE), bki_verdict_name(BKI_VERDICT_SUSPICIOUS),
                               bki_verdict_name(BKI_VERDICT_BACKDOOR)};
  int index = 0;
  BKI_TRY(read_name(r, row, column, names, 3, &index, err));
  *out = (bki_verdict)index;
  return BKI_OK;
}

static bki_status read_summary(const reading *r, sqlite3_stmt *row, bki_evidence_config *config, bki_error *err) {
  bki_evidence *e = r->out;
  int64_t too_small;
  int64_t n_samples;
  bki_str settings;
  BKI_TRY(read_verdict(r, row, 0, &e->verdict, err));
  BKI_TRY(bki_store_integer(r->store, row, 1, 0, 1, &too_small, err));
  BKI_TRY(bki_store_integer(r->store, row, 8, 0, INT64_MAX, &n_samples, err));
  BKI_TRY(bki_store_integer(r->store, row, 2, n_samples, n_samples, &e->n_samples, err));
  BKI_TRY(read_int(r, row, 3, 0, INT32_MAX, &e->n_rounds, err));
  BKI_TRY(bki_store_integer(r->store, row, 4, 0, INT64_MAX, &e->n_candidates, err));
  BKI_TRY(bki_store_integer(r->store, row, 5, 0, INT64_MAX, &e->n_phrases, err));
  BKI_TRY(bki_store_integer(r->store, row, 6, 0, INT64_MAX, &e->n_texts, err));
  BKI_TRY(bki_store_text(r->store, row, 7, false, &settings, err));
  e->too_small = too_small == 1;
  if (!bki_evidence_settings_parse(settings, config)) {
    char quoted[BKI_QUOTE_SIZE];
    return bki_store_damaged(r->store, err, "column settings: expected those of a verdict, found %s",
                             bki_quote(quoted, settings));
  }
  return BKI_OK;
}

static bki_status read_rates(const reading *r, sqlite3_stmt *row, bki_finding *finding, bki_error *err) {
  bki_rate *rates[FINDING_N_RATES];
  bki_finding_rates(finding, rates);
  for (int i = 0; i < FINDING_N_RATES; i++) {
    int64_t hits;
    int64_t n;
    BKI_TRY(bki_store_integer(r->store, row, FINDING_RATES + 2 * i + 1, 0, MAX_RATE_N, &n, err));
    BKI_TRY(bki_store_integer(r->store, row, FINDING_RATES + 2 * i, 0, n, &hits, err));
    *rates[i] = bki_rate_of(hits, n);
  }
  return BKI_OK;
}

/* Words joined by single spaces. */
static bki_status check_phrase(const reading *r, const bki_finding *finding, bki_error *err) {
  int32_t n_words = 1;
  bool empty = true; /* the word that is being read */
  for (size_t i = 0; i < finding->phrase.size; i++) {
    bool space = finding->phrase.data[i] == ' ';
    if (space && (empty || n_words == INT32_MAX)) {
      break;
    }
    n_words += space ? 1 : 0;
    empty = space;
  }
  return n_words == finding->n_words && !empty
             ? BKI_OK
             : bki_store_damaged(r->store, err, "column phrase: expected %d words, found others", finding->n_words);
}

static bki_status read_finding(const reading *r, sqlite3_stmt *row, bki_finding *f, bki_error *err) {
  const bki_evidence *e = r->out;
  int64_t index;
  int64_t expected = (int64_t)e->n_findings;
  BKI_TRY(bki_store_integer(r->store, row, FINDING_IDX, expected, expected, &index, err));
  BKI_TRY(read_verdict(r, row, FINDING_VERDICT, &f->verdict, err));
  BKI_TRY(read_copy(r, row, FINDING_PHRASE, &f->phrase, err));
  BKI_TRY(read_int(r, row, FINDING_N_WORDS, 1, INT32_MAX, &f->n_words, err));
  BKI_TRY(check_phrase(r, f, err));
  BKI_TRY(read_int(r, row, FINDING_TARGET, 0, r->store->n_classes - 1, &f->target, err));
  BKI_TRY(read_copy(r, row, FINDING_KEYWORD, &f->keyword, err));
  BKI_TRY(read_int(r, row, FINDING_RANK, 0, INT32_MAX, &f->rank, err));
  BKI_TRY(read_int(r, row, FINDING_ROUND, 1, e->n_rounds, &f->round, err));
  BKI_TRY(read_rates(r, row, f, err));
  BKI_TRY(bki_store_real(r->store, row, FINDING_PRIOR, 0, 1, &f->prior, err));
  BKI_TRY(bki_store_real(r->store, row, FINDING_PURITY_P, 0, 1, &f->purity_p, err));
  BKI_TRY(bki_store_real(r->store, row, FINDING_INSERTION_P, 0, 1, &f->insertion_p, err));
  BKI_TRY(bki_store_integer(r->store, row, FINDING_N_FLAGGED, 0, e->n_samples, &f->n_flagged, err));
  const bki_finding *before = e->n_findings == 0 ? NULL : f - 1;
  if ((before == NULL && f->verdict != e->verdict) || (before != NULL && f->verdict > before->verdict)) {
    return bki_store_damaged(r->store, err, "column verdict: expected %s, found %s",
                             before == NULL ? bki_verdict_name(e->verdict) : "the highest first",
                             bki_verdict_name(f->verdict));
  }
  return BKI_OK;
}

static bki_status read_findings(reading *r, sqlite3_stmt *statement, bki_error *err) {
  bki_evidence *e = r->out;
  size_t capacity = 0;
  for (;;) {
    bool row;
    BKI_TRY(bki_store_step(r->store, statement, what, &row, err));
    if (!row) {
      break;
    }
    if (e->n_findings == MAX_FINDINGS) {
      return bki_store_damaged(r->store, err, "expected at most %d findings, found more", MAX_FINDINGS);
    }
    BKI_TRY(bki_array_reserve(&e->findings, &capacity, e->n_findings + 1, sizeof *e->findings, err));
    bki_error cause = {0};
    bki_status status = read_finding(r, statement, &e->findings[e->n_findings], &cause);
    if (status != BKI_OK) {
      return bki_fail_at(err, status, r->store->path, 0, -1, "finding %zu: %s", e->n_findings, cause.message);
    }
    e->n_findings++;
  }
  if (e->n_findings == 0 && e->verdict != BKI_VERDICT_NONE) {
    return bki_store_damaged(r->store, err, "verdict %s: expected findings, found none", bki_verdict_name(e->verdict));
  }
  r->left = bki_array_create(e->n_findings, sizeof *r->left);
  for (size_t i = 0; r->left != NULL && i < e->n_findings; i++) {
    r->left[i] = e->findings[i].n_flagged;
  }
  return r->left == NULL ? bki_fail_memory(err) : BKI_OK;
}

static bki_status read_flagged(const reading *r, sqlite3_stmt *row, int64_t first, bki_evidence_sample *s,
                               bki_error *err) {
  static const bki_reason reasons[] = {BKI_REASON_KEYWORD, BKI_REASON_PHRASE, BKI_REASON_PART};
  const char *const names[] = {bki_reason_name(reasons[0]), bki_reason_name(reasons[1]), bki_reason_name(reasons[2])};
  int reason = 0;
  int32_t words;
  BKI_TRY(bki_store_integer(r->store, row, 0, first, INT64_MAX - 1, &s->index, err));
  BKI_TRY(read_int(r, row, 1, 0, (int32_t)r->out->n_findings - 1, &s->finding, err));
  BKI_TRY(read_int(r, row, 7, 1, INT32_MAX, &words, err)); /* NULL: there is no such sample */
  BKI_TRY(read_int(r, row, 2, 0, words - 1, &s->position, err));
  BKI_TRY(read_int(r, row, 3, 1, words - s->position, &s->n_words, err));
  BKI_TRY(read_int(r, row, 4, 0, INT32_MAX, &s->edits, err));
  BKI_TRY(read_name(r, row, 5, names, 3, &reason, err));
  BKI_TRY(bki_store_real(r->store, row, 6, 0, 1, &s->confidence, err));
  s->reason = reasons[reason];
  if (r->left[s->finding]-- == 0) {
    return bki_store_damaged(r->store, err, "finding %d: expected %lld flagged samples, found more", s->finding,
                             (long long)r->out->findings[s->finding].n_flagged);
  }
  return BKI_OK;
}

static bki_status read_samples(reading *r, sqlite3_stmt *statement, bki_error *err) {
  bki_evidence *e = r->out;
  size_t capacity = 0;
  int64_t next = 0;
  for (;;) {
    bool row;
    BKI_TRY(bki_store_step(r->store, statement, what, &row, err));
    if (!row) {
      return BKI_OK;
    }
    BKI_TRY(bki_array_reserve(&e->samples, &capacity, e->n_flagged + 1, sizeof *e->samples, err));
    bki_error cause = {0};
    bki_status status = read_flagged(r, statement, next, &e->samples[e->n_flagged], &cause);
    if (status != BKI_OK) {
      return bki_fail_at(err, status, r->store->path, 0, -1, "flagged sample %lld: %s",
                         (long long)sqlite3_column_int64(statement, 0), cause.message);
    }
    next = e->samples[e->n_flagged++].index + 1;
  }
}

static bki_status read_rows(reading *r, const char *sql, bki_status (*fn)(reading *, sqlite3_stmt *, bki_error *),
                            bki_error *err) {
  sqlite3_stmt *statement;
  BKI_TRY(bki_store_prepare(r->store, sql, &statement, err));
  bki_status status = fn(r, statement, err);
  sqlite3_finalize(statement);
  return status;
}

static bki_status read_first(const reading *r, bool *found, bki_evidence_config *config, bki_error *err) {
  sqlite3_stmt *statement;
  BKI_TRY(bki_store_prepare(r->store,
                            "SELECT e.verdict, e.too_small, e.n_samples, e.n_rounds, e.n_candidates, e.n_phrases,"
                            " e.n_texts, e.settings, p.n_samples FROM evidence e, progress p",
                            &statement, err));
  bki_status status = bki_store_step(r->store, statement, what, found, err);
  if (status == BKI_OK && *found) {
    status = read_summary(r, statement, config, err);
  }
  sqlite3_finalize(statement);
  return status;
}

static bki_status read_all(reading *r, bool *found, bki_evidence_config *config, bki_error *err) {
  BKI_TRY(read_first(r, found, config, err));
  if (!*found) {
    return BKI_OK;
  }
  BKI_TRY(read_rows(r, "SELECT " BKI_FINDING_COLUMNS " FROM finding ORDER BY idx", read_findings, err));
  return read_rows(r,
                   "SELECT f.idx, f.finding, f.position, f.n_words, f.edits, f.reason, f.confidence,"
                   " s.n_words AS sample_words FROM flagged f LEFT JOIN sample s ON s.idx = f.idx ORDER BY f.idx",
                   read_samples, err);
}

bki_status bki_store_read_evidence(bki_store *store, bki_evidence *out, bool *found, bki_evidence_config *config,
                                   bki_error *err) {
  bki_evidence evidence = {.arena = bki_arena_create()};
  reading r = {.store = store, .out = &evidence};
  *out = (bki_evidence){0};
  *found = false;
  bki_status status = evidence.arena == NULL ? bki_fail_memory(err) : read_all(&r, found, config, err);
  free(r.left);
  if (status != BKI_OK || !*found) {
    bki_evidence_clear(&evidence);
  }
  *found = *found && status == BKI_OK;
  *out = evidence;
  return status;
}

/* What was opened as a store of version 1 may have been judged since. */
static bki_status read_current(bki_store *store, bki_evidence *out, bool *found, bki_evidence_config *config,
                               bki_error *err) {
  int64_t version;
  BKI_TRY(bki_store_schema_check(store, &version, err));
  return version < 2 ? BKI_OK : bki_store_read_evidence(store, out, found, config, err);
}

/* One transaction, unless the handle writes and is in one: a verdict may be replaced meanwhile. */
static bki_status load(bki_store *store, bki_evidence *out, bool *found, bki_evidence_config *config, bki_error *err) {
  *out = (bki_evidence){0};
  *found = false;
  bool own = sqlite3_get_autocommit(store->db) != 0;
  if (own) {
    BKI_TRY(bki_store_exec(store, "BEGIN", what, err));
  }
  bki_status status = read_current(store, out, found, config, err);
  if (own) {
    sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL); /* of a reader: it only lets go of the file */
  }
  return status;
}

bki_status bki_evidence_load(bki_evidence *out, bool *found, bki_rule *rule, bki_store *store, bki_error *err) {
  bki_evidence_config config;
  BKI_TRY(load(store, out, found, &config, err));
  if (*found && rule != NULL) {
    *rule = config.rule;
  }
  return BKI_OK;
}

bki_status bki_evidence_load_config(bki_evidence_config *out, bool *found, bki_store *store, bki_error *err) {
  bki_evidence evidence;
  bki_evidence_config config;
  BKI_TRY(load(store, &evidence, found, &config, err));
  if (*found) {
    *out = config;
  }
  bki_evidence_clear(&evidence);
  return BKI_OK;
}
