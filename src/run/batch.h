/* Scoring and storing a run of records. */
#ifndef BKI_RUN_BATCH_H
#define BKI_RUN_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include <bki/dictionary.h>
#include <bki/error.h>
#include <bki/scorer.h>
#include <bki/store.h>
#include <bki/text.h>

#include "chunk.h"

/* Everything is borrowed; the arena is reset by each batch. */
typedef struct bki_batch {
  bki_scorer *scorer;
  bki_store *store;
  const bki_rule *rule; /* chooses the stored selection */
  bool increments;
  bki_arena *arena;
} bki_batch;

/* Scores the good ones of n records, adds all of them to the store in their order, and brings the state up to them. On
 * failure the store may hold more than the state says: it must not be committed. */
bki_status bki_batch_run(const bki_batch *batch, const bki_chunk_record *records, size_t n, bki_store_state *state,
                         bki_error *err);

#endif
