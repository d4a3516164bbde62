#include <bki/purify.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bki/stream.h>

#include "array.h"
#include "fail.h"
#include "same_file.h"
#include "store_internal.h"

/* An output, and whether its last record stands without a line end. */
typedef struct output {
  bki_sink *sink; /* NULL: not wanted */
  bool open_line;
} output;

static bki_status check_outputs(const bki_purify_config *config, const char *store_path, bki_error *err) {
  const char *outputs[2] = {config->kept_path, config->removed_path};
  if (outputs[1] != NULL && bki_same_file(outputs[0], outputs[1])) {
    return bki_fail_at(err, BKI_E_USAGE, outputs[0], 0, -1, "expected two different outputs, found one file twice");
  }
  for (size_t i = 0; i < 2; i++) {
    if (outputs[i] != NULL && bki_same_file(outputs[i], store_path)) {
      return bki_fail_at(err, BKI_E_USAGE, outputs[i], 0, -1, "the output is the store");
    }
    for (size_t j = 0; outputs[i] != NULL && j < config->corpus.n_paths; j++) {
      const char *input = config->corpus.paths[j];
      if (strcmp(input, "-") != 0 && bki_same_file(outputs[i], input)) {
        return bki_fail_at(err, BKI_E_USAGE, outputs[i], 0, -1,
                           "the output is one of the inputs: nothing is purified in place");
      }
    }
  }
  return BKI_OK;
}

/* Ascending record indices that the scan passed over. */
typedef struct skipped_list {
  int64_t *index;
  size_t n;
  size_t capacity;
} skipped_list;

static bki_status add_skipped(void *user, const bki_skipped *skipped, bki_error *err) {
  skipped_list *list = user;
  BKI_TRY(bki_array_reserve(&list->index, &list->capacity, list->n + 1, sizeof *list->index, err));
  list->index[list->n++] = skipped->index;
  return BKI_OK;
}

static bki_status write_record(output *out, bki_str raw, bki_error *err) {
  if (out->sink == NULL || raw.size == 0) {
    return BKI_OK;
  }
  if (out->open_line) {
    BKI_TRY(bki_sink_write(out->sink, "\n", 1, err));
  }
  out->open_line = raw.data[raw.size - 1] != '\n';
  return bki_sink_write(out->sink, raw.data, raw.size, err);
}

static bki_status check_scanned(const bki_purify_config *config, const bki_corpus *corpus, const bki_store_state *state,
                                int64_t n_records, bki_error *err) {
  if (n_records != state->n_records) {
    return bki_fail_at(err, BKI_E_USAGE, config->corpus.paths[0], 0, -1,
                       "this is not the corpus that was scanned: expected %lld records, found %lld",
                       (long long)state->n_records, (long long)n_records);
  }
  char found[33];
  bki_corpus_fingerprint(corpus, found);
  if (strcmp(found, state->corpus_prefix_fingerprint) != 0) {
    return bki_fail_at(err, BKI_E_USAGE, config->corpus.paths[0], 0, -1,
                       "this is not the corpus that was scanned: expected fingerprint %s, found %s",
                       state->corpus_prefix_fingerprint, found);
  }
  return BKI_OK;
}

/* Copies every record to the output where it belongs. Flagged and skipped indices ascend, as the records do. */
static bki_status copy_records(bki_corpus *corpus, const bki_analysis *analysis, const skipped_list *skipped,
                               output *kept, output *removed, bki_purify_summary *out, bki_error *err) {
  size_t n_flagged;
  const bki_flagged *flagged = bki_analysis_flagged(analysis, &n_flagged);
  size_t next_flagged = 0;
  size_t next_skipped = 0;
  for (;;) {
    bki_raw_record record;
    bool end = false;
    BKI_TRY(bki_corpus_next(corpus, &record, &end, err));
    if (end) {
      return BKI_OK;
    }
    output *to = removed;
    if (next_flagged < n_flagged && flagged[next_flagged].index == record.index) {
      next_flagged++;
      out->n_flagged++;
    } else if (next_skipped < skipped->n && skipped->index[next_skipped] == record.index) {
      next_skipped++;
      out->n_unscanned++;
    } else {
      out->n_kept++;
      to = kept;
    }
    BKI_TRY(write_record(to, record.raw, err));
  }
}

/* Commits both; the sinks are gone then. */
static bki_status commit_outputs(const bki_purify_config *config, output *kept, output *removed, bki_error *err) {
  bki_status status = BKI_OK;
  if (removed->sink != NULL) {
    status = bki_sink_commit(removed->sink, err);
    removed->sink = NULL;
  }
  if (status == BKI_OK) {
    status = bki_sink_commit(kept->sink, err);
    kept->sink = NULL;
    if (status != BKI_OK && config->removed_path != NULL && strcmp(config->removed_path, "-") != 0) {
      unlink(config->removed_path);
    }
  }
  return status;
}

bki_status bki_purify_run(const bki_purify_config *config, bki_store *store, const bki_analysis *analysis,
                          bki_purify_summary *out, bki_error *err) {
  const bki_store_state *state = bki_store_get_state(store);
  output kept = {0};
  output removed = {0};
  bki_purify_summary summary = {0};
  skipped_list skipped = {0};
  bki_corpus *corpus = NULL;
  bki_status status;
  if (!state->complete) {
    return bki_fail(err, BKI_E_USAGE, "the scan is not complete (%lld records so far): finish it first",
                    (long long)state->n_records);
  }
  BKI_TRY(check_outputs(config, store->path, err));
  BKI_TRY_GOTO(status, done, bki_store_each_skipped(store, add_skipped, &skipped, err));
  BKI_TRY_GOTO(status, done, bki_corpus_open(&corpus, &config->corpus, err));
  BKI_TRY_GOTO(status, done, bki_sink_open(&kept.sink, config->kept_path, config->force, err));
  if (config->removed_path != NULL) {
    BKI_TRY_GOTO(status, done, bki_sink_open(&removed.sink, config->removed_path, config->force, err));
  }
  BKI_TRY_GOTO(status, done, write_record(&kept, bki_corpus_header(corpus), err));
  BKI_TRY_GOTO(status, done, write_record(&removed, bki_corpus_header(corpus), err));
  BKI_TRY_GOTO(status, done, copy_records(corpus, analysis, &skipped, &kept, &removed, &summary, err));
  int64_t n_records = summary.n_kept + summary.n_flagged + summary.n_unscanned;
  BKI_TRY_GOTO(status, done, check_scanned(config, corpus, state, n_records, err));
  BKI_TRY_GOTO(status, done, commit_outputs(config, &kept, &removed, err));
  *out = summary;
done:
  bki_sink_discard(kept.sink);
  bki_sink_discard(removed.sink);
  bki_corpus_close(corpus);
  free(skipped.index);
  return status;
}
