/* bfloat16: the upper half of a float. */
#ifndef BKI_BACKEND_CPU_BF16_H
#define BKI_BACKEND_CPU_BF16_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The upper 16 bits of a finite float rounded to the nearest bfloat16, ties to even. */
static inline uint16_t bki_cpu_to_bf16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return (uint16_t)((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

/* out[i] = in[i] rounded to bfloat16; in may be out. */
static inline void bki_cpu_round_bf16(float *out, const float *in, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t bits = (uint32_t)bki_cpu_to_bf16(in[i]) << 16;
    memcpy(&out[i], &bits, sizeof bits);
  }
}

#endif
