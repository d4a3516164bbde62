#include <bki/analysis.h>

#include <stdlib.h>

#include <bki/scan.h>

#include "array.h"
#include "fail.h"
#include "rule.h"

struct bki_analysis {
  bki_dictionary *dictionary;
  const bki_candidate *candidates; /* borrowed from it */
  size_t n_candidates;
  bki_flagged *flagged;
  size_t n_flagged;
  size_t flagged_capacity;
  bki_arena *ids;
};

typedef bki_status (*sample_fn)(void *user, const bki_sample *sample, bki_error *err);

/* Calls fn for the samples up to *last_index, in order; *last_index becomes the last one seen. */
static bki_status each_sample(bki_store *store, int64_t *last_index, sample_fn fn, void *user, bki_error *err) {
  bki_store_cursor *cursor;
  BKI_TRY(bki_store_cursor_open(&cursor, store, 0, err));
  int64_t limit = *last_index;
  bki_status status;
  for (;;) {
    bki_sample sample;
    bool end;
    BKI_TRY_GOTO(status, done, bki_store_cursor_next(cursor, &sample, &end, err));
    if (end || sample.index > limit) {
      break;
    }
    *last_index = sample.index;
    BKI_TRY_GOTO(status, done, fn(user, &sample, err));
  }
done:
  bki_store_cursor_close(cursor);
  return status;
}

static bki_status count(void *user, const bki_sample *sample, bki_error *err) {
  return bki_dictionary_add(user, sample, err);
}

typedef struct flagging {
  bki_analysis *analysis;
  const bki_rule *rule;
  const bki_candidate *keyword;
} flagging;

static bki_status flag(void *user, const bki_sample *sample, bki_error *err) {
  const flagging *f = user;
  bki_analysis *analysis = f->analysis;
  int32_t position = bki_rule_locate(f->rule, f->keyword, sample);
  if (position < 0) {
    return BKI_OK;
  }
  bki_str id = sample->id;
  if (id.data != NULL) {
    id.data = bki_arena_copy(analysis->ids, id.data, id.size);
    if (id.data == NULL) {
      return bki_fail_memory(err);
    }
  }
  BKI_TRY(bki_array_reserve(&analysis->flagged, &analysis->flagged_capacity, analysis->n_flagged + 1,
                            sizeof *analysis->flagged, err));
  analysis->flagged[analysis->n_flagged++] =
      (bki_flagged){.index = sample->index,
                    .id = id,
                    .label = sample->label,
                    .predicted = sample->predicted,
                    .position = position,
                    .score = (float)bki_rule_unit_score(f->rule, sample, position)};
  return BKI_OK;
}

static bki_status run(bki_analysis *analysis, bki_store *store, const bki_rule *rule, bki_error *err) {
  int64_t last_index = INT64_MAX;
  BKI_TRY(bki_scan_check_rule(store, rule, err));
  BKI_TRY(bki_dictionary_create(&analysis->dictionary, rule, bki_store_n_classes(store), err));
  analysis->ids = bki_arena_create();
  if (analysis->ids == NULL) {
    return bki_fail_memory(err);
  }
  BKI_TRY(each_sample(store, &last_index, count, analysis->dictionary, err));
  BKI_TRY(bki_dictionary_rank(analysis->dictionary, 0, &analysis->candidates, &analysis->n_candidates, err));
  const bki_candidate *keyword = bki_analysis_keyword(analysis);
  if (keyword == NULL) {
    return BKI_OK;
  }
  /* A scan that goes on meanwhile appends: the second pass ends where the first one did. */
  flagging f = {analysis, rule, keyword};
  return each_sample(store, &last_index, flag, &f, err);
}

bki_status bki_analysis_run(bki_analysis **out, bki_store *store, const bki_rule *rule, bki_error *err) {
  bki_analysis *analysis = bki_array_create(1, sizeof *analysis);
  if (analysis == NULL) {
    return bki_fail_memory(err);
  }
  bki_status status = run(analysis, store, rule, err);
  if (status != BKI_OK) {
    bki_analysis_destroy(analysis);
    return status;
  }
  *out = analysis;
  return BKI_OK;
}

void bki_analysis_destroy(bki_analysis *analysis) {
  if (analysis == NULL) {
    return;
  }
  bki_dictionary_destroy(analysis->dictionary);
  bki_arena_destroy(analysis->ids);
  free(analysis->flagged);
  free(analysis);
}

const bki_candidate *bki_analysis_keyword(const bki_analysis *analysis) {
  return analysis->n_candidates > 0 && analysis->candidates[0].g > 0 ? &analysis->candidates[0] : NULL;
}

const bki_candidate *bki_analysis_candidates(const bki_analysis *analysis, size_t *n) {
  *n = analysis->n_candidates;
  return analysis->candidates;
}

const bki_flagged *bki_analysis_flagged(const bki_analysis *analysis, size_t *n) {
  *n = analysis->n_flagged;
  return analysis->flagged;
}

int64_t bki_analysis_n_samples(const bki_analysis *analysis) {
  return bki_dictionary_n_samples(analysis->dictionary);
}
