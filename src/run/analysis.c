#include <bki/analysis.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <bki/scan.h>

#include "array.h"
#include "fail.h"
#include "rule.h"
#include "rule_settings.h"
#include "store_internal.h"

struct bki_analysis {
  bki_dictionary *dictionary;
  const bki_candidate *candidates; /* borrowed from it */
  size_t n_candidates;
  int64_t n_labelled;
  int64_t n_agreeing;
  bool judged;
  bki_evidence evidence;
  bki_flagged *flagged;
  size_t n_flagged;
  size_t flagged_capacity;
  bki_arena *ids;
  int32_t *positions; /* that a flagged sample selects */
  size_t positions_capacity;
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

typedef struct flagging {
  bki_analysis *analysis;
  const bki_rule *rule;
  bki_verdict least;            /* evidence: the lowest verdict of a finding whose samples are flagged */
  size_t next;                  /* evidence: sample that comes next */
  const bki_candidate *keyword; /* paper */
} flagging;

/* Adds a flagged sample; what the sample itself says is filled in here. */
static bki_status add_flagged(bki_analysis *analysis, const bki_sample *sample, bki_flagged flagged, bki_error *err) {
  flagged.index = sample->index;
  flagged.label = sample->label;
  flagged.predicted = sample->predicted;
  flagged.id = sample->id;
  if (sample->id.data != NULL) {
    flagged.id.data = bki_arena_copy(analysis->ids, sample->id.data, sample->id.size);
    if (flagged.id.data == NULL) {
      return bki_fail_memory(err);
    }
  }
  BKI_TRY(bki_array_reserve(&analysis->flagged, &analysis->flagged_capacity, analysis->n_flagged + 1,
                            sizeof *analysis->flagged, err));
  analysis->flagged[analysis->n_flagged++] = flagged;
  return BKI_OK;
}

/* The highest f among the words of a phrase that the sample selects; NaN: it selects none. The scores of other words
 * may be screened ones. */
static bki_status score_phrase(bki_analysis *analysis, const bki_rule *rule, const bki_sample *sample,
                               const bki_evidence_sample *phrase, float *out, bki_error *err) {
  const int32_t n_words = sample->words->n_words;
  const size_t most = (size_t)(rule->p < n_words ? rule->p : n_words);
  BKI_TRY(bki_array_reserve(&analysis->positions, &analysis->positions_capacity, most + 1, sizeof *analysis->positions,
                            err));
  const int32_t n = bki_rule_select(rule, sample, analysis->positions);
  *out = NAN;
  for (int32_t i = 0; i < n; i++) {
    for (int32_t k = 0; k < rule->ngram; k++) {
      const int32_t at = analysis->positions[i] + k;
      if (at >= phrase->position && at - phrase->position < phrase->n_words) {
        *out = fmaxf(*out, sample->score[at]);
      }
    }
  }
  return BKI_OK;
}

static bki_status flag_by_evidence(flagging *f, const bki_sample *sample, bki_error *err) {
  const bki_evidence *evidence = &f->analysis->evidence;
  if (f->next == evidence->n_flagged || evidence->samples[f->next].index != sample->index) {
    return BKI_OK;
  }
  const bki_evidence_sample *s = &evidence->samples[f->next++];
  if (evidence->findings[s->finding].verdict < f->least) {
    return BKI_OK;
  }
  float score;
  BKI_TRY(score_phrase(f->analysis, f->rule, sample, s, &score, err));
  const bki_flagged flagged = {.position = s->position,
                               .n_words = s->n_words,
                               .score = score,
                               .reason = s->reason,
                               .confidence = s->confidence,
                               .finding = s->finding};
  return add_flagged(f->analysis, sample, flagged, err);
}

static bki_status count(void *user, const bki_sample *sample, bki_error *err) {
  flagging *f = user;
  f->analysis->n_labelled += sample->label >= 0;
  f->analysis->n_agreeing += sample->label == sample->predicted;
  BKI_TRY(bki_dictionary_add(f->analysis->dictionary, sample, err));
  return f->analysis->judged ? flag_by_evidence(f, sample, err) : BKI_OK;
}

static bki_status flag_by_keyword(void *user, const bki_sample *sample, bki_error *err) {
  const flagging *f = user;
  int32_t position = bki_rule_locate(f->rule, f->keyword, sample);
  if (position < 0) {
    return BKI_OK;
  }
  const bki_flagged flagged = {.position = position,
                               .n_words = f->rule->ngram,
                               .score = (float)bki_rule_unit_score(f->rule, sample, position),
                               .reason = BKI_REASON_KEYWORD,
                               .confidence = NAN,
                               .finding = -1};
  return add_flagged(f->analysis, sample, flagged, err);
}

/* Evidence says what it says of one rule only. */
static bki_status check_rule(const bki_store *store, const bki_rule *judged, const bki_rule *rule, bki_error *err) {
  for (int i = 0; i < BKI_RULE_N_SETTINGS; i++) {
    char expected[BKI_RULE_VALUE_SIZE];
    char found[BKI_RULE_VALUE_SIZE];
    bki_rule_setting_format(judged, i, expected);
    bki_rule_setting_format(rule, i, found);
    if (strcmp(expected, found) != 0) {
      bki_rule_setting_show(judged, i, expected);
      bki_rule_setting_show(rule, i, found);
      return bki_fail_at(err, BKI_E_USAGE, store->path, 0, -1,
                         "the verdict was reached with %s = %s, found %s: judge anew (bki verify MODEL STORE %s %s) or "
                         "take --rule paper",
                         bki_rule_setting_keys[i], expected, found, bki_rule_setting_options[i], found);
    }
  }
  return BKI_OK;
}

static bki_status load_evidence(bki_analysis *analysis, bki_store *store, const bki_rule *rule, bki_error *err) {
  bki_rule judged;
  BKI_TRY(bki_evidence_load(&analysis->evidence, &analysis->judged, &judged, store, err));
  return analysis->judged ? check_rule(store, &judged, rule, err) : BKI_OK;
}

static bki_status run(bki_analysis *analysis, bki_store *store, const bki_rule *rule, bki_decision decision,
                      bki_error *err) {
  flagging f = {.analysis = analysis, .rule = rule};
  f.least = decision == BKI_DECIDE_EVIDENCE ? BKI_VERDICT_BACKDOOR : BKI_VERDICT_SUSPICIOUS;
  int64_t last_index = INT64_MAX;
  BKI_TRY(bki_scan_check_rule(store, rule, err));
  BKI_TRY(bki_dictionary_create(&analysis->dictionary, rule, bki_store_n_classes(store), err));
  analysis->ids = bki_arena_create();
  if (analysis->ids == NULL) {
    return bki_fail_memory(err);
  }
  if (decision != BKI_DECIDE_PAPER) {
    BKI_TRY(load_evidence(analysis, store, rule, err));
  }
  BKI_TRY(each_sample(store, &last_index, count, &f, err));
  if (f.next < analysis->evidence.n_flagged) {
    return bki_store_damaged(store, err, "flagged sample %lld: expected a sample, found none",
                             (long long)analysis->evidence.samples[f.next].index);
  }
  BKI_TRY(bki_dictionary_rank(analysis->dictionary, 0, &analysis->candidates, &analysis->n_candidates, err));
  f.keyword = bki_analysis_keyword(analysis);
  if (decision != BKI_DECIDE_PAPER || f.keyword == NULL) {
    return BKI_OK;
  }
  /* A scan that goes on meanwhile appends: the second pass ends where the first one did. */
  return each_sample(store, &last_index, flag_by_keyword, &f, err);
}

bki_status bki_analysis_run(bki_analysis **out, bki_store *store, const bki_rule *rule, bki_decision decision,
                            bki_error *err) {
  bki_analysis *analysis = bki_array_create(1, sizeof *analysis);
  if (analysis == NULL) {
    return bki_fail_memory(err);
  }
  bki_status status = run(analysis, store, rule, decision, err);
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
  bki_evidence_clear(&analysis->evidence);
  bki_arena_destroy(analysis->ids);
  free(analysis->flagged);
  free(analysis->positions);
  free(analysis);
}

const bki_evidence *bki_analysis_evidence(const bki_analysis *analysis) {
  return analysis->judged ? &analysis->evidence : NULL;
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

int64_t bki_analysis_n_labelled(const bki_analysis *analysis) {
  return analysis->n_labelled;
}

int64_t bki_analysis_n_agreeing(const bki_analysis *analysis) {
  return analysis->n_agreeing;
}
