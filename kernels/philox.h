// Dropout's random numbers, in functions of host and device: those of bki_philox and bki_dropout_keeps of the host,
// which the tests compare.
#ifndef BKI_KERNELS_PHILOX_H
#define BKI_KERNELS_PHILOX_H

#include "index.h"
#include "train.h"

// Word `word` (0 .. 3) of block `index` of the stream (seed, stream): Philox4x32-10.
BKI_HD uint32_t bki_k_philox(uint64_t seed, uint64_t stream, uint64_t index, uint32_t word) {
  uint32_t key0 = (uint32_t)seed;
  uint32_t key1 = (uint32_t)(seed >> 32);
  uint32_t x0 = (uint32_t)index;
  uint32_t x1 = (uint32_t)(index >> 32);
  uint32_t x2 = (uint32_t)stream;
  uint32_t x3 = (uint32_t)(stream >> 32);
  for (int round = 0; round < 10; round++) {
    const uint64_t a = (uint64_t)0xD2511F53U * x0;
    const uint64_t b = (uint64_t)0xCD9E8D57U * x2;
    x0 = (uint32_t)(b >> 32) ^ x1 ^ key0;
    x1 = (uint32_t)b;
    x2 = (uint32_t)(a >> 32) ^ x3 ^ key1;
    x3 = (uint32_t)a;
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  return word == 0 ? x0 : word == 1 ? x1 : word == 2 ? x2 : x3;
}

// What a unit is multiplied by. Site, row and unit are those of bki_dropout_keeps.
BKI_HD float bki_k_dropout_factor(const bki_k_dropout_mask *d, uint32_t site, uint32_t row, uint64_t unit) {
  if (d->threshold == 0) {
    return 1;
  }
  const uint64_t index = (uint64_t)1 << 63 | (uint64_t)site << 56 | unit >> 2;
  const uint32_t bits = bki_k_philox(d->seed, d->step << 32 | row, index, (uint32_t)unit & 3);
  return (uint64_t)bits >= d->threshold ? d->scale : 0;
}

#endif
