#include <math.h>

#include "learner.h"
#include "rng.h"

bool bki_dropout_keeps(double dropout, uint64_t seed, uint64_t step, uint32_t site, uint32_t row, uint64_t unit) {
  /* A block is for four units next to each other. The highest bit keeps these numbers apart from other uses of the
   * seed, whose indices stay below 2^63. */
  const uint64_t index = (uint64_t)1 << 63 | (uint64_t)site << 56 | unit >> 2;
  uint32_t block[4];
  bki_philox(block, seed, step << 32 | row, index);
  return (double)block[unit & 3] >= dropout * 0x1p32;
}

double bki_clip_factor(double clip_norm, double norm) {
  return clip_norm > 0 ? fmin(1, clip_norm / (norm + 1e-6)) : 1;
}
