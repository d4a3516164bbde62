/* Random numbers of the evidence: which stream decides what. A number depends on the seed, its stream and the sample,
 * not on what else is tested. */
#ifndef BKI_RUN_STREAMS_H
#define BKI_RUN_STREAMS_H

#include <stdint.h>

#include "rng.h"

typedef enum bki_stream_use {
  BKI_STREAM_WITNESSES = 1, /* samples whose words are compared */
  BKI_STREAM_BASES,         /* texts into which a phrase is put; a class a stream */
  BKI_STREAM_CONTROLS,      /* texts from which control phrases come; a class a stream */
  BKI_STREAM_REMOVALS,      /* carriers from which a phrase is taken out */
  BKI_STREAM_PLACES,        /* where a phrase is put into a text, or words are taken out of it */
} bki_stream_use;

static inline uint64_t bki_stream_key(uint64_t seed, bki_stream_use use, int32_t which, int64_t index) {
  uint32_t block[4];
  bki_philox(block, seed, (uint64_t)use << 32 | (uint32_t)which, (uint64_t)index);
  return (uint64_t)block[1] << 32 | block[0];
}

#endif
