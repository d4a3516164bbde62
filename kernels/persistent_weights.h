// Images of W_hh, one a kind, made on the host. A kernel loads its image as it lies.
#ifndef BKI_KERNELS_PERSISTENT_WEIGHTS_H
#define BKI_KERNELS_PERSISTENT_WEIGHTS_H

#include <math.h>

#include "persistent_index.h"

// Numbers that make an image, in C of the host.

static inline uint32_t bki_k_float_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

// Bits of x in half precision, rounded to nearest even; beyond its range infinite. x is a number.
static inline uint16_t bki_k_half_bits(float x) {
  const uint32_t bits = bki_k_float_bits(x);
  const uint32_t sign = bits >> 16 & 0x8000;
  const int32_t exponent = (int32_t)(bits >> 23 & 0xff) - 127;
  if (exponent < -25) {
    return (uint16_t)sign;
  }
  // The significand 1.23 bits, of which `drop` go; below 2^-14 the half is subnormal and more of them go.
  const uint32_t significand = (bits & 0x7fffff) | 0x800000;
  const uint32_t drop = exponent < -14 ? (uint32_t)(13 - 14 - exponent) : 13;
  const uint32_t half = (uint32_t)1 << (drop - 1);
  const uint32_t kept = significand >> drop;
  const uint32_t rest = significand & (2 * half - 1);
  const uint32_t rounded = kept + (rest > half || (rest == half && (kept & 1) != 0) ? 1 : 0);
  const uint32_t magnitude = exponent < -14 ? rounded : rounded + ((uint32_t)(exponent + 14) << 10);
  return (uint16_t)(sign | (exponent > 15 || magnitude > 0x7c00 ? 0x7c00 : magnitude));
}

static inline float bki_k_half_value(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int significand = bits & 1023;
  const float magnitude = exponent == 31  ? (significand == 0 ? INFINITY : NAN)
                          : exponent == 0 ? ldexpf((float)significand, -24)
                                          : ldexpf((float)(significand | 1024), exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

// Places in the images.

// Units that a thread of the fp32 kernel has of a chunk; 16 threads have the chunk.
BKI_HD int32_t bki_k_fp32_units(int32_t H) {
  return H % 32 == 0 ? 2 : 1;
}

// The slot of a thread of the fp32 kernel, and which of the slot's 16 threads it is. A warp is 4 slots x 8 threads, and
// an instruction that reads 16 bytes a lane takes 4 wavefronts, or 2 where all lanes l and l ^ 1, or all l and l ^ 2,
// read the same: so the lowest bit of a lane is one of the slot, and the next one of the thread.
BKI_HD int32_t bki_k_fp32_slot(int32_t thread) {
  const int32_t lane = thread % 32;
  return thread / 64 * 4 + lane / 16 * 2 + lane % 2;
}
BKI_HD int32_t bki_k_fp32_wide(int32_t thread) {
  return thread / 32 % 2 * 8 + thread % 16 / 2;
}

// FP32: float [chunks, H (k), units of a thread, 16 threads, 4]: what the threads of a slot read with an instruction
// lies side by side. The 4 units of numbers that a thread finds are [4 gates, units].
BKI_HD int32_t bki_k_fp32_place(int32_t H, int32_t u, int32_t gate, int32_t k) {
  const int32_t units = bki_k_fp32_units(H);
  const int32_t thread = u % (16 * units) / units;
  const int32_t number = gate * units + u % units;
  return (((u / (16 * units) * H + k) * units + number / 4) * 16 + thread) * 4 + number % 4;
}

// HALF: the B fragments of mma.sync.m16n8k16, [H / 8 blocks of units, 4 gates, H / 16 slices of k, 32 lanes, 2
// registers, 2 halves]: lane l has column n = l / 4 (unit 8 block + n) and k = 2 (l % 4) + 8 register + half.
BKI_HD int32_t bki_k_half_place(int32_t H, int32_t u, int32_t gate, int32_t k) {
  const int32_t lane = u % 8 * 4 + k % 8 / 2;
  const int32_t fragment = (u / 8 * 4 + gate) * (H / 16) + k / 16;
  return ((fragment * 32 + lane) * 2 + k % 16 / 8) * 2 + k % 2;
}

// HALF_WG: 2 panels of 64 k, each [4H columns n, 64], n = 32 block + 8 gate + unit % 8, 128 bytes a row: "K-major,
// 128-byte swizzle", in which the 16-byte parts of row n change places by n % 8.
BKI_HD int32_t bki_k_half_wg_place(int32_t H, int32_t u, int32_t gate, int32_t k) {
  const int32_t n = u / 8 * 32 + gate * 8 + u % 8;
  const int32_t part = (k % 64 / 8) ^ (n % 8);
  return (k / 64 * 4 * H + n) * 64 + part * 8 + k % 8;
}

// Descriptor of the HALF_WG image for wgmma: the 128 columns 128 chunk .., slice 0 .. H / 16 - 1 of k; `start` is the
// shared address of the image, a multiple of 1024. Fields: address / 16, 1 (not used with a swizzle), 1024 / 16 from 8
// rows to the next, and 1 in the highest two bits for the 128-byte swizzle. No field overflows into the next one: a sum
// of what all descriptors share and a constant is one instruction for each.
BKI_HD uint64_t bki_k_half_wg_descriptor(uint32_t start, int32_t H, int32_t chunk, int32_t slice) {
  const uint32_t from_start = (uint32_t)(slice / 4 * 4 * H * 128 + chunk * 128 * 128 + slice % 4 * 32);
  const uint32_t low = ((start & 0x3ffff) >> 4) + (from_start / 16 + (1 << 16));
  const uint32_t high = 64 | (uint32_t)1 << 30;
  return (uint64_t)high << 32 | low;
}

// Bytes of an image. SPLIT: the image of the high halves, that of the low halves, and 4 floats (one is used): what
// sums are multiplied by, since the weights in it are scaled so that low halves are not subnormal.
static inline int64_t bki_k_weights_bytes(bki_k_kind kind, int32_t H) {
  const int64_t n = (int64_t)4 * H * H;
  return kind == BKI_K_FP32 ? 4 * n : kind == BKI_K_SPLIT ? 4 * n + 16 : 2 * n;
}

// The power of two that brings the largest of n weights to [2^13, 2^14).
static inline float bki_k_split_scale(const float *w, int64_t n) {
  float largest = 0;
  for (int64_t i = 0; i < n; i++) {
    largest = fmaxf(largest, fabsf(w[i]));
  }
  int exponent = 0;
  frexpf(largest, &exponent);
  return largest == 0 ? 1.0f : ldexpf(1.0f, exponent < -90 ? 104 : 14 - exponent);
}

static inline void bki_k_pack_weight(bki_k_kind kind, void *image, int32_t H, int32_t u, int32_t gate, int32_t k,
                                     float w) {
  uint16_t *halves = (uint16_t *)image;
  if (kind == BKI_K_FP32) {
    ((float *)image)[bki_k_fp32_place(H, u, gate, k)] = w;
  } else if (kind == BKI_K_HALF_WG) {
    halves[bki_k_half_wg_place(H, u, gate, k)] = bki_k_half_bits(w);
  } else {
    const int32_t place = bki_k_half_place(H, u, gate, k);
    halves[place] = bki_k_half_bits(w);
    if (kind == BKI_K_SPLIT) {
      halves[4 * H * H + place] = bki_k_half_bits(w - bki_k_half_value(halves[place]));
    }
  }
}

// Whether the kind can hold W_hh [4H, H]: weights are finite, and in half precision too.
static inline int bki_k_weights_fit(bki_k_kind kind, const float *w_hh, int32_t H) {
  const int64_t n = (int64_t)4 * H * H;
  for (int64_t i = 0; i < n; i++) {
    if (!isfinite(w_hh[i]) || (kind != BKI_K_FP32 && kind != BKI_K_SPLIT && fabsf(w_hh[i]) > 65504.0f)) {
      return 0;
    }
  }
  return 1;
}

// Image of W_hh [4H, H] (rows i, f, g, o of H units each) that fits, bki_k_weights_bytes, aligned as malloc does.
static inline void bki_k_pack_weights(bki_k_kind kind, void *image, const float *w_hh, int32_t H) {
  const int64_t n = (int64_t)4 * H * H;
  const float scale = kind == BKI_K_SPLIT ? bki_k_split_scale(w_hh, n) : 1.0f;
  for (int32_t gate = 0; gate < 4; gate++) {
    for (int32_t u = 0; u < H; u++) {
      for (int32_t k = 0; k < H; k++) {
        const float w = w_hh[((int64_t)gate * H + u) * H + k];
        bki_k_pack_weight(kind, image, H, u, gate, k, w * bki_k_gate_scale(gate) * scale);
      }
    }
  }
  if (kind == BKI_K_SPLIT) {
    const float back[4] = {1.0f / scale, 0, 0, 0};
    memcpy((char *)image + 4 * n, back, sizeof back);
  }
}

#endif
