/* Which samples a step takes. Nothing but the seed, the epoch and the step decides it, so that there is no state to
 * keep: the samples of an epoch stand in the order of a random permutation, POOL_BATCHES batches of them at a time are
 * sorted by (length, index) and cut into batches, and the batches of a pool go in a random order. */
#ifndef BKI_RUN_TRAIN_SAMPLER_H
#define BKI_RUN_TRAIN_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bki/error.h>

#include "learner.h"
#include "train_spool.h"

/* The streams of random numbers of a training, apart from each other and from those of dropout. */
enum { BKI_STREAM_ORDER = 0xb1, BKI_STREAM_BATCHES, BKI_STREAM_SPLIT, BKI_STREAM_INITIAL };
static inline uint64_t bki_train_stream(int kind, uint64_t number) {
  return (uint64_t)kind << 56 | number;
}

typedef struct bki_sampler bki_sampler;

/* `spool` is borrowed and finished. */
bki_status bki_sampler_create(bki_sampler **out, const bki_spool *spool, size_t batch_size, uint64_t seed,
                              bki_error *err);
void bki_sampler_destroy(bki_sampler *sampler); /* NULL is allowed */

/* Steps of an epoch. */
size_t bki_sampler_steps(const bki_sampler *sampler);
/* The batch of a step of an epoch, 0-based; borrowed until the next call. Its `step` is that of the whole training.
 * Errors: BKI_E_IO. */
bki_status bki_sampler_get(bki_sampler *sampler, uint64_t epoch, size_t step, bki_minibatch *out, bki_error *err);

#endif
