/* Texts of a batch with a trigger in them, as the model reads them. */
#ifndef BKI_RUN_EVALUATE_TRIGGER_H
#define BKI_RUN_EVALUATE_TRIGGER_H

#include <stddef.h>
#include <stdint.h>

#include <bki/error.h>
#include <bki/model.h>
#include <bki/poison.h>
#include <bki/scorer.h>

#include "chunk.h"
#include "pool.h"

typedef struct bki_triggering bki_triggering;

/* `placement`: max_words and keep are those of the model. Model and pool are borrowed. */
bki_status bki_triggering_create(bki_triggering **out, const bki_model *model, const bki_trigger_config *placement,
                                 uint64_t seed, bki_pool *pool, bki_error *err);
void bki_triggering_destroy(bki_triggering *triggering); /* NULL is allowed */

/* As bki_trigger_check, with the window of the model. */
bki_status bki_triggering_check(const bki_triggering *triggering, const char *trigger, bki_error *err);

/* sequences[i]: records[i]'s text with the trigger. Nothing but the seed and the record's index decides the place. The
 * ids live until the next call. */
bki_status bki_triggering_run(bki_triggering *triggering, const char *trigger, const bki_chunk_record *const *records,
                              size_t n, bki_sequence *sequences, bki_error *err);

#endif
