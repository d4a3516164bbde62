#include "rng.h"

void bki_philox(uint32_t out[4], uint64_t seed, uint64_t stream, uint64_t index) {
  uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  uint32_t x[4] = {(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)};
  for (int round = 0; round < 10; round++) {
    const uint64_t a = (uint64_t)0xD2511F53U * x[0];
    const uint64_t b = (uint64_t)0xCD9E8D57U * x[2];
    x[0] = (uint32_t)(b >> 32) ^ x[1] ^ key[0];
    x[1] = (uint32_t)b;
    x[2] = (uint32_t)(a >> 32) ^ x[3] ^ key[1];
    x[3] = (uint32_t)a;
    key[0] += 0x9E3779B9U;
    key[1] += 0xBB67AE85U;
  }
  for (int i = 0; i < 4; i++) {
    out[i] = x[i];
  }
}

void bki_rng_init(bki_rng *rng, uint64_t seed, uint64_t stream) {
  *rng = (bki_rng){.seed = seed, .stream = stream};
}

uint64_t bki_rng_u64(bki_rng *rng) {
  if (rng->left == 0) {
    bki_philox(rng->block, rng->seed, rng->stream, rng->index++);
    rng->left = 4;
  }
  rng->left -= 2;
  const uint32_t *pair = rng->block + 2 - rng->left;
  return (uint64_t)pair[0] | (uint64_t)pair[1] << 32;
}

uint64_t bki_rng_below(bki_rng *rng, uint64_t n) {
  const uint64_t excess = (UINT64_MAX % n + 1) % n; /* 2^64 mod n: the numbers at the top that would favour some */
  uint64_t x = bki_rng_u64(rng);
  while (x > UINT64_MAX - excess) {
    x = bki_rng_u64(rng);
  }
  return x % n;
}

double bki_rng_uniform(bki_rng *rng) {
  return (double)(bki_rng_u64(rng) >> 11) * 0x1p-53;
}

/* Bits a half needs so that both hold 0 .. n - 1. */
static unsigned half_bits(uint64_t n) {
  unsigned bits = 1;
  while (bits < 32 && (n - 1) >> (2 * bits) != 0) {
    bits++;
  }
  return bits;
}

uint64_t bki_permute(uint64_t seed, uint64_t stream, uint64_t n, uint64_t i) {
  enum { ROUNDS = 6 };
  const unsigned bits = half_bits(n);
  const uint64_t mask = ((uint64_t)1 << bits) - 1;
  do {
    uint64_t left = i >> bits;
    uint64_t right = i & mask;
    for (uint64_t round = 0; round < ROUNDS; round++) {
      uint32_t f[4];
      bki_philox(f, seed, stream, round << 32 | right);
      const uint64_t next = left ^ (f[0] & mask);
      left = right;
      right = next;
    }
    i = left << bits | right;
  } while (i >= n);
  return i;
}
