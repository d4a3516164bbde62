#include "batch.h"

#include <string.h>

#include "array.h"
#include "fail.h"

static void *allocate(bki_arena *arena, size_t count, size_t size) {
  size_t bytes;
  return bki_size_mul(count, size, &bytes) ? bki_arena_alloc(arena, bytes) : NULL;
}

/* Room for the results of one text of `length` words. */
static bki_status reserve_scores(const bki_batch *batch, int32_t length, bki_scores *out, bki_error *err) {
  size_t n = (size_t)length;
  *out = (bki_scores){
      .score = allocate(batch->arena, n, sizeof *out->score),
      .increment = batch->increments ? allocate(batch->arena, n, sizeof *out->increment) : NULL,
      .flip = allocate(batch->arena, n, sizeof *out->flip),
      .screened = allocate(batch->arena, n, sizeof *out->screened),
  };
  bool ok = out->score != NULL && (!batch->increments || out->increment != NULL) && out->flip != NULL &&
            out->screened != NULL;
  return ok ? BKI_OK : bki_fail_memory(err);
}

static bki_status add_sample(const bki_batch *batch, const bki_chunk_record *record, const bki_scores *scores,
                             int32_t *selected, bki_error *err) {
  for (int32_t j = 0; j < record->words.n_words; j++) {
    scores->flip[j] = (uint8_t)((scores->flip[j] ? BKI_WORD_FLIP : 0) | (record->oov[j] ? BKI_WORD_OOV : 0) |
                                (scores->screened[j] ? BKI_WORD_SCREENED : 0));
  }
  const bki_sample sample = {
      .index = record->raw.index,
      .id = record->id,
      .label = record->label,
      .predicted = scores->predicted,
      .words = &record->words,
      .score = scores->score,
      .increment = scores->increment,
      .word_flags = scores->flip,
  };
  int32_t n_selected = bki_rule_select(batch->rule, &sample, selected);
  return bki_store_add(batch->store, &sample, selected, n_selected, err);
}

static bki_status add_records(const bki_batch *batch, const bki_chunk_record *records, size_t n,
                              const bki_scores *scores, int32_t *selected, bki_store_state *state, bki_error *err) {
  for (size_t i = 0; i < n; i++) {
    const bki_chunk_record *record = &records[i];
    if (record->error == NULL) {
      BKI_TRY(add_sample(batch, record, scores++, selected, err));
      state->n_samples++;
      state->work += bki_scorer_work(batch->scorer, record->words.n_words);
    } else {
      BKI_TRY(bki_store_add_skipped(batch->store, record->raw.index, record->error, err));
      state->n_skipped++;
    }
    state->n_records = record->raw.index + 1;
    memcpy(state->corpus_prefix_fingerprint, record->fingerprint, sizeof record->fingerprint);
  }
  return BKI_OK;
}

bki_status bki_batch_run(const bki_batch *batch, const bki_chunk_record *records, size_t n, bki_store_state *state,
                         bki_error *err) {
  bki_arena_reset(batch->arena);
  bki_sequence *sequences = allocate(batch->arena, n, sizeof *sequences);
  bki_scores *scores = allocate(batch->arena, n, sizeof *scores);
  if (sequences == NULL || scores == NULL) {
    return bki_fail_memory(err);
  }
  size_t good = 0;
  int32_t most = 0; /* words that any sample selects */
  for (size_t i = 0; i < n; i++) {
    if (records[i].error == NULL) {
      int32_t length = records[i].words.n_words;
      sequences[good] = (bki_sequence){.ids = records[i].ids, .length = length};
      BKI_TRY(reserve_scores(batch, length, &scores[good++], err));
      most = length > most ? length : most;
    }
  }
  most = most < batch->rule->p ? most : batch->rule->p;
  int32_t *selected = allocate(batch->arena, (size_t)most, sizeof *selected);
  if (selected == NULL) {
    return bki_fail_memory(err);
  }
  BKI_TRY(bki_scorer_score(batch->scorer, sequences, good, scores, err));
  return add_records(batch, records, n, scores, selected, state, err);
}
