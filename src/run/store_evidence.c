#include "store_evidence.h"

#include <stdlib.h>

#include "fail.h"

static const char what[] = "write the verdict";

static bki_status insert(bki_store *store, sqlite3_stmt *statement, bki_error *err) {
  bool row;
  bki_status status = bki_store_step(store, statement, what, &row, err);
  sqlite3_reset(statement);
  return status;
}

static bki_status insert_evidence(bki_store *store, const bki_evidence *evidence, const bki_evidence_config *config,
                                  bki_error *err) {
  sqlite3_stmt *statement;
  bki_strbuf settings = {0};
  bki_evidence_settings_format(config, &settings);
  if (settings.failed) {
    return bki_fail_memory(err);
  }
  bki_status status = bki_store_prepare(store,
                                        "INSERT INTO evidence (one, verdict, too_small, n_samples, n_rounds,"
                                        " n_candidates, n_phrases, n_texts, settings)"
                                        " VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)",
                                        &statement, err);
  if (status == BKI_OK) {
    sqlite3_bind_text(statement, 1, bki_verdict_name(evidence->verdict), -1, SQLITE_STATIC);
    sqlite3_bind_int(statement, 2, evidence->too_small);
    sqlite3_bind_int64(statement, 3, evidence->n_samples);
    sqlite3_bind_int(statement, 4, evidence->n_rounds);
    sqlite3_bind_int64(statement, 5, evidence->n_candidates);
    sqlite3_bind_int64(statement, 6, evidence->n_phrases);
    sqlite3_bind_int64(statement, 7, evidence->n_texts);
    bki_store_bind_str(statement, 8, bki_strbuf_str(&settings));
    status = insert(store, statement, err);
    sqlite3_finalize(statement);
  }
  bki_strbuf_clear(&settings);
  return status;
}

/* Parameters count from 1, columns from 0. */
static void bind_finding(sqlite3_stmt *statement, size_t index, const bki_finding *finding) {
  bki_finding copy = *finding;
  bki_rate *rates[FINDING_N_RATES];
  bki_finding_rates(&copy, rates);
  sqlite3_bind_int64(statement, FINDING_IDX + 1, (sqlite3_int64)index);
  sqlite3_bind_text(statement, FINDING_VERDICT + 1, bki_verdict_name(finding->verdict), -1, SQLITE_STATIC);
  bki_store_bind_str(statement, FINDING_PHRASE + 1, finding->phrase);
  sqlite3_bind_int(statement, FINDING_N_WORDS + 1, finding->n_words);
  sqlite3_bind_int(statement, FINDING_TARGET + 1, finding->target);
  bki_store_bind_str(statement, FINDING_KEYWORD + 1, finding->keyword);
  sqlite3_bind_int(statement, FINDING_RANK + 1, finding->rank);
  sqlite3_bind_int(statement, FINDING_ROUND + 1, finding->round);
  for (int i = 0; i < FINDING_N_RATES; i++) {
    sqlite3_bind_int64(statement, FINDING_RATES + 2 * i + 1, rates[i]->hits);
    sqlite3_bind_int64(statement, FINDING_RATES + 2 * i + 2, rates[i]->n);
  }
  sqlite3_bind_double(statement, FINDING_PRIOR + 1, finding->prior);
  sqlite3_bind_double(statement, FINDING_PURITY_P + 1, finding->purity_p);
  sqlite3_bind_double(statement, FINDING_INSERTION_P + 1, finding->insertion_p);
  sqlite3_bind_int64(statement, FINDING_N_FLAGGED + 1, finding->n_flagged);
}

static bki_status insert_findings(bki_store *store, const bki_evidence *evidence, bki_error *err) {
  sqlite3_stmt *statement;
  BKI_TRY(bki_store_prepare(store,
                            "INSERT INTO finding (" BKI_FINDING_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
                            " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                            &statement, err));
  bki_status status = BKI_OK;
  for (size_t i = 0; i < evidence->n_findings && status == BKI_OK; i++) {
    bind_finding(statement, i, &evidence->findings[i]);
    status = insert(store, statement, err);
  }
  sqlite3_finalize(statement);
  return status;
}

static bki_status insert_flagged(bki_store *store, const bki_evidence *evidence, bki_error *err) {
  sqlite3_stmt *statement;
  BKI_TRY(bki_store_prepare(store,
                            "INSERT INTO flagged (idx, finding, position, n_words, edits, reason, confidence)"
                            " VALUES (?, ?, ?, ?, ?, ?, ?)",
                            &statement, err));
  bki_status status = BKI_OK;
  for (size_t i = 0; i < evidence->n_flagged && status == BKI_OK; i++) {
    const bki_evidence_sample *s = &evidence->samples[i];
    sqlite3_bind_int64(statement, 1, s->index);
    sqlite3_bind_int(statement, 2, s->finding);
    sqlite3_bind_int(statement, 3, s->position);
    sqlite3_bind_int(statement, 4, s->n_words);
    sqlite3_bind_int(statement, 5, s->edits);
    sqlite3_bind_text(statement, 6, bki_reason_name(s->reason), -1, SQLITE_STATIC);
    sqlite3_bind_double(statement, 7, s->confidence);
    status = insert(store, statement, err);
  }
  sqlite3_finalize(statement);
  return status;
}

/* Replaces the verdict, and sees that what stands there now can be read: evidence that contradicts itself would make
 * the store a damaged one. */
static bki_status replace(bki_store *store, const bki_evidence *evidence, const bki_evidence_config *config,
                          bki_error *err) {
  bki_evidence again;
  bki_evidence_config settings;
  bool found;
  BKI_TRY(bki_store_drop_evidence(store, err));
  BKI_TRY(insert_evidence(store, evidence, config, err));
  BKI_TRY(insert_findings(store, evidence, err));
  BKI_TRY(insert_flagged(store, evidence, err));
  BKI_TRY(bki_store_read_evidence(store, &again, &found, &settings, err));
  bki_evidence_clear(&again);
  return BKI_OK;
}

bki_status bki_evidence_save(const bki_evidence *evidence, const bki_evidence_config *config, bki_store *store,
                             bki_error *err) {
  BKI_TRY(bki_rule_check(&config->rule, err));
  BKI_TRY(bki_store_check_writable(store, err));
  if (store->n_samples_added + store->n_skipped_added > 0) {
    return bki_fail_at(err, BKI_E_USAGE, store->path, 0, -1, "expected all samples to be committed before the verdict");
  }
  bki_error cause = {.byte = -1};
  bki_status status = replace(store, evidence, config, &cause);
  if (status == BKI_OK) {
    return bki_store_commit_changes(store, err);
  }
  if (status == BKI_E_DATA) {
    status = bki_fail_at(err, BKI_E_INTERNAL, store->path, 0, -1, "a verdict that cannot be kept: %s", cause.message);
  } else if (err != NULL) {
    *err = cause;
  }
  return bki_store_lose_batch(store, status);
}

void bki_evidence_clear(bki_evidence *evidence) {
  free(evidence->findings);
  free(evidence->samples);
  bki_arena_destroy(evidence->arena);
  *evidence = (bki_evidence){0};
}
