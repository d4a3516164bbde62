/* Random numbers from a counter: Philox4x32-10 (Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011).
 * Integers only, so that a seed means the same on every machine; and any number of a stream is there without those
 * before it, so that threads and resumed runs need no state. */
#ifndef BKI_BASE_RNG_H
#define BKI_BASE_RNG_H

#include <stdint.h>

/* Block `index` of the stream (seed, stream): four independent words. */
void bki_philox(uint32_t out[4], uint64_t seed, uint64_t stream, uint64_t index);

/* A stream read one number after the other. */
typedef struct bki_rng {
  uint64_t seed;
  uint64_t stream;
  uint64_t index;
  uint32_t block[4];
  int left;
} bki_rng;

void bki_rng_init(bki_rng *rng, uint64_t seed, uint64_t stream);
uint64_t bki_rng_u64(bki_rng *rng);
/* Uniform in 0 .. n - 1, without bias; n > 0. */
uint64_t bki_rng_below(bki_rng *rng, uint64_t n);
/* Uniform in [0, 1), 53 bits. */
double bki_rng_uniform(bki_rng *rng);

/* A permutation of 0 .. n - 1 that is never written down: element i of the permutation (seed, stream). A Feistel
 * network over the next power of four, walked until it falls below n. 0 <= i < n. */
uint64_t bki_permute(uint64_t seed, uint64_t stream, uint64_t n, uint64_t i);

#endif
