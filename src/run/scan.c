#include <bki/scan.h>

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "batch.h"
#include "chunk.h"
#include "fail.h"
#include "log.h"
#include "log_backend.h"
#include "pool.h"
#include "same_file.h"
#include "scan_judge.h"
#include "scan_screening.h"
#include "scan_settings.h"
#include "strmap.h"

/* A batch is what runs between two questions for `stop`. */
#define BATCH_SECONDS 2.0

typedef struct scan {
  const bki_scan_config *config;
  bki_corpus *corpus;
  bki_scorer *scorer;
  bki_pool *pool;
  bki_chunk *chunk;
  bki_store *store;
  bki_batch batch;
  bki_store_state state;
  bki_progress progress;
  bki_screening screened_before; /* by earlier runs */
  char surveyed_fingerprint[33]; /* "" without a survey */
  double batch_work;             /* row-steps that take about BATCH_SECONDS */
  double begun;
  double committed;
  bool dirty; /* something was added since the last commit */
} scan;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void bki_scan_config_init(bki_scan_config *config) {
  *config = (bki_scan_config){.judge = true, .commit_seconds = 5};
  bki_corpus_config_init(&config->corpus);
  bki_scorer_config_init(&config->scorer);
  config->scorer.precision = BKI_PRECISION_AUTO;
  bki_rule_init(&config->rule, BKI_PRESET_PAPER);
  bki_evidence_config_init(&config->evidence);
}

static bki_status interrupted(const scan *s, bki_error *err) {
  return bki_fail(err, BKI_E_INTERRUPTED, "stopped after %lld record%s: the same command goes on from there",
                  (long long)s->state.n_records, s->state.n_records == 1 ? "" : "s");
}

/* Counts of earlier runs and this one. */
static bki_screening count_screening(const scan *s) {
  bki_screening sum = *bki_scorer_screening(s->scorer);
  sum.n_short += s->screened_before.n_short;
  sum.n_screened += s->screened_before.n_screened;
  sum.n_words += s->screened_before.n_words;
  sum.n_rescored += s->screened_before.n_rescored;
  sum.n_widened += s->screened_before.n_widened;
  return sum;
}

static void measure(scan *s) {
  bki_progress *p = &s->progress;
  p->bytes_done = bki_corpus_position(s->corpus);
  p->bytes_total = bki_corpus_size(s->corpus);
  p->seconds = p->surveying ? 0 : now() - s->begun;
  if (!p->surveying) {
    p->n_records = s->state.n_records;
    p->n_samples = s->state.n_samples;
    p->n_skipped = s->state.n_skipped;
    p->work_done = s->state.work;
    p->screening = count_screening(s);
  }
}

/* Tells where the run stands and asks whether to go on. */
static bki_status between(scan *s, bki_error *err) {
  measure(s);
  if (s->config->progress != NULL) {
    s->config->progress(s->config->user, &s->progress);
  }
  bool stop = s->config->stop != NULL && s->config->stop(s->config->user);
  return stop ? interrupted(s, err) : BKI_OK;
}

static bki_status commit(scan *s, bki_error *err) {
  s->dirty = false;
  s->committed = now();
  if (bki_scorer_screens(s->scorer)) {
    const bki_screening screening = count_screening(s);
    BKI_TRY(bki_scan_set_screening(s->store, &screening, err));
  }
  return bki_store_commit(s->store, &s->state, err);
}

/* Passes over the records that the store has and makes sure that they are the same ones. */
static bki_status pass_prefix(scan *s, bki_error *err) {
  const char *path = s->config->store_path;
  for (int64_t i = 0; i < s->state.n_records; i++) {
    bki_raw_record record;
    bool end = false;
    BKI_TRY(bki_corpus_next(s->corpus, &record, &end, err));
    if (end) {
      return bki_fail_at(err, BKI_E_USAGE, path, 0, -1,
                         "the store is of another corpus: it has %lld records, found %lld",
                         (long long)s->state.n_records, (long long)i);
    }
    if (i % 65536 == 0 && s->config->stop != NULL && s->config->stop(s->config->user)) {
      return interrupted(s, err);
    }
  }
  char found[33];
  bki_corpus_fingerprint(s->corpus, found);
  if (s->state.n_records > 0 && strcmp(found, s->state.corpus_prefix_fingerprint) != 0) {
    return bki_fail_at(err, BKI_E_USAGE, path, 0, -1,
                       "the store is of another corpus: the first %lld records have fingerprint %s, found %s",
                       (long long)s->state.n_records, s->state.corpus_prefix_fingerprint, found);
  }
  return BKI_OK;
}

static bki_status check_complete(scan *s, bki_error *err) {
  bki_raw_record record;
  bool end = false;
  BKI_TRY(bki_corpus_next(s->corpus, &record, &end, err));
  if (!end) {
    return bki_fail_at(err, BKI_E_USAGE, s->config->store_path, 0, -1,
                       "the store is of another corpus: it is complete with %lld records, found more",
                       (long long)s->state.n_records);
  }
  return BKI_OK;
}

/* Reads all that is left, without scoring: bad records end the run now and not after hours, and the work is known. */
static bki_status survey(scan *s, bki_error *err) {
  int64_t work = s->state.work;
  int64_t n_records = s->state.n_records;
  size_t n = 1;
  s->progress.surveying = true;
  while (n > 0) {
    BKI_TRY(bki_chunk_read(s->chunk, s->corpus, err));
    const bki_chunk_record *records = bki_chunk_records(s->chunk, &n);
    for (size_t i = 0; i < n; i++) {
      if (records[i].error == NULL) {
        work += bki_scorer_work(s->scorer, records[i].words.n_words);
      } else if (s->config->on_error == BKI_ON_ERROR_FAIL) {
        *err = *records[i].error;
        return err->status;
      }
    }
    n_records += (int64_t)n;
    s->progress.n_records = n_records;
    BKI_TRY(between(s, err));
  }
  bki_corpus_fingerprint(s->corpus, s->surveyed_fingerprint);
  s->progress.work_total = work;
  s->progress.surveying = false;
  return BKI_OK;
}

static bki_status reject_duplicate(scan *s, bki_chunk_record *record, bki_strmap *seen, bki_error *err) {
  bool added = false;
  bool stored = false;
  char *value;
  BKI_TRY(bki_strmap_put(seen, record->id, &value, &added, err));
  BKI_TRY(bki_store_has_id(s->store, record->id, &stored, err));
  if (added && !stored) {
    return BKI_OK;
  }
  bki_error reason;
  char quoted[BKI_QUOTE_SIZE];
  bki_fail(&reason, BKI_E_DATA, "expected an id of its own, found %s a second time", bki_quote(quoted, record->id));
  return bki_chunk_reject(s->chunk, record, &reason, err);
}

static bki_status reject_duplicates(scan *s, bki_chunk_record *records, size_t n, bki_error *err) {
  bki_strmap *seen = NULL;
  BKI_TRY(bki_strmap_create(&seen, 1, err));
  bki_status status = BKI_OK;
  for (size_t i = 0; i < n && status == BKI_OK; i++) {
    if (records[i].error == NULL && records[i].id.data != NULL) {
      status = reject_duplicate(s, &records[i], seen, err);
    }
  }
  bki_strmap_destroy(seen);
  return status;
}

/* Records from `first` on that make a batch; at least one. A bad record that ends the run ends the batch before it. */
static size_t batch_size(const scan *s, const bki_chunk_record *records, size_t n) {
  double work = 0;
  size_t i = 0;
  while (i < n && (i == 0 || work < s->batch_work)) {
    if (records[i].error == NULL) {
      work += (double)bki_scorer_work(s->scorer, records[i].words.n_words);
    } else if (s->config->on_error == BKI_ON_ERROR_FAIL) {
      break;
    }
    i++;
  }
  return i;
}

static bki_status run_batch(scan *s, const bki_chunk_record *records, size_t n, bki_error *err) {
  int64_t work_before = s->state.work;
  double start = now();
  s->dirty = false; /* when it fails there are half a batch in the store and no state to commit */
  BKI_TRY(bki_batch_run(&s->batch, records, n, &s->state, err));
  s->dirty = true;
  double seconds = now() - start;
  double work = (double)(s->state.work - work_before);
  if (work > 0 && seconds > 0) {
    double target = work / seconds * BATCH_SECONDS;
    s->batch_work = target > 4 * s->batch_work ? 4 * s->batch_work : target;
  }
  if (now() - s->committed >= s->config->commit_seconds) {
    BKI_TRY(commit(s, err));
  }
  return between(s, err);
}

static bki_status score_chunk(scan *s, bki_chunk_record *records, size_t n, bki_error *err) {
  BKI_TRY(reject_duplicates(s, records, n, err));
  for (size_t first = 0; first < n;) {
    size_t size = batch_size(s, records + first, n - first);
    if (size == 0) {
      *err = *records[first].error;
      return err->status;
    }
    BKI_TRY(run_batch(s, records + first, size, err));
    first += size;
  }
  return BKI_OK;
}

static bki_status score_corpus(scan *s, bki_error *err) {
  s->begun = s->committed = now();
  s->progress.work_done_before = s->state.work;
  s->progress.samples_before = s->state.n_samples;
  s->batch_work = bki_scorer_second_of_work(s->scorer); /* a guess, then it is measured */
  size_t n = 1;
  while (n > 0) {
    BKI_TRY(bki_chunk_read(s->chunk, s->corpus, err));
    bki_chunk_record *records = bki_chunk_records(s->chunk, &n);
    BKI_TRY(score_chunk(s, records, n, err));
  }
  bki_corpus_fingerprint(s->corpus, s->state.corpus_prefix_fingerprint);
  if (s->surveyed_fingerprint[0] != '\0' && strcmp(s->surveyed_fingerprint, s->state.corpus_prefix_fingerprint) != 0) {
    return bki_fail_at(err, BKI_E_DATA, s->config->corpus.paths[0], 0, -1,
                       "the corpus has changed during the scan: expected fingerprint %s, found %s",
                       s->surveyed_fingerprint, s->state.corpus_prefix_fingerprint);
  }
  s->state.complete = true;
  return commit(s, err);
}

static bki_status check_config(const bki_scan_config *config, bki_error *err) {
  BKI_TRY(bki_rule_check(&config->rule, err));
  BKI_TRY(bki_scan_judge_check(config, err));
  if (config->rule.preset == BKI_PRESET_JOURNAL && !config->scorer.increments) {
    return bki_fail(err, BKI_E_USAGE, "the journal preset needs the prefix increments: expected increments to be on");
  }
  if (!(config->commit_seconds >= 0)) {
    return bki_fail(err, BKI_E_USAGE, "expected commit_seconds of at least 0, found %g", config->commit_seconds);
  }
  for (size_t i = 0; i < config->corpus.n_paths; i++) {
    if (bki_same_file(config->store_path, config->corpus.paths[i])) {
      return bki_fail_at(err, BKI_E_USAGE, config->store_path, 0, -1, "the store would be one of the inputs");
    }
  }
  return BKI_OK;
}

static bki_status open_parts(scan *s, bki_error *err) {
  const bki_scan_config *config = s->config;
  BKI_TRY(bki_corpus_open(&s->corpus, &config->corpus, err));
  const bki_scorer_config scorer = bki_scan_scorer_config(config);
  BKI_TRY(bki_scorer_create(&s->scorer, config->model, &scorer, err));
  BKI_TRY(bki_pool_create(&s->pool, bki_scorer_threads(s->scorer), err));
  BKI_TRY(bki_chunk_create(&s->chunk, config->model, config->corpus.paths, s->pool, err));
  BKI_TRY(bki_scan_open_store(&s->store, config, s->corpus, s->scorer, err));
  s->state = *bki_store_get_state(s->store);
  BKI_TRY(bki_scan_get_screening(s->store, &s->screened_before, err));
  s->batch = (bki_batch){.scorer = s->scorer,
                         .store = s->store,
                         .rule = &config->rule,
                         .increments = config->scorer.increments,
                         .arena = bki_arena_create()};
  return s->batch.arena == NULL ? bki_fail_memory(err) : BKI_OK;
}

/* The corpus is scored to its end. */
static bki_status score(scan *s, bki_error *err) {
  BKI_TRY(check_config(s->config, err));
  BKI_TRY(open_parts(s, err));
  bki_log_scorer(&s->config->logger, s->scorer);
  if (s->state.n_records > 0 && !s->state.complete) {
    bki_log(&s->config->logger, BKI_LOG_INFO, "going on after %lld records", (long long)s->state.n_records);
  }
  BKI_TRY(pass_prefix(s, err));
  if (s->state.complete) {
    s->progress.work_total = s->state.work;
    s->progress.work_done_before = s->state.work;
    s->progress.samples_before = s->state.n_samples;
    return check_complete(s, err);
  }
  if (bki_corpus_size(s->corpus) >= 0) {
    BKI_TRY(survey(s, err));
    bki_corpus_close(s->corpus);
    s->corpus = NULL;
    BKI_TRY(bki_corpus_open(&s->corpus, &s->config->corpus, err));
    BKI_TRY(pass_prefix(s, err));
  }
  return score_corpus(s, err);
}

static bki_status run(scan *s, bki_error *err) {
  BKI_TRY(score(s, err));
  if (!s->config->judge) {
    return BKI_OK;
  }
  s->progress.judging = true;
  BKI_TRY(between(s, err));
  return bki_scan_judge(s->config, s->store, s->scorer, err);
}

bki_status bki_scan_run(const bki_scan_config *config, bki_progress *progress, bki_error *err) {
  bki_error ignored;
  err = err == NULL ? &ignored : err;
  bool existed = access(config->store_path, F_OK) == 0;
  scan s = {.config = config, .progress = {.work_total = -1}, .begun = now()};
  bki_status status = run(&s, err);
  if (s.dirty) { /* what was done before it ended stays; if that fails too the first reason is the one to tell */
    bki_status ended = status;
    bki_error reason = *err;
    status = commit(&s, err);
    if (status == BKI_OK) {
      status = ended;
      *err = reason;
    }
  }
  if (progress != NULL && s.store != NULL) {
    s.progress.surveying = false;
    measure(&s);
    *progress = s.progress;
  }
  bki_store_close(s.store);
  if (status != BKI_OK && s.store != NULL && !existed && s.state.n_records == 0) {
    unlink(config->store_path); /* an empty store would only stand in the way of better settings */
  }
  bki_arena_destroy(s.batch.arena);
  bki_chunk_destroy(s.chunk);
  bki_pool_destroy(s.pool);
  bki_scorer_destroy(s.scorer);
  bki_corpus_close(s.corpus);
  return status;
}
