// Numbers as devices hold them, read into double precision and rounded when stored.
#ifndef BKI_TESTS_STANDIN_NUMBERS_H
#define BKI_TESTS_STANDIN_NUMBERS_H

#include <cstdint>
#include <cstring>
#include <vector>

#include <cuda_fp16.h>

namespace standin {

enum class number { FLOAT, HALF };

inline size_t size_of(number type) {
  return type == number::FLOAT ? sizeof(float) : sizeof(__half);
}

inline double load(const void *from, size_t i, number type) {
  return type == number::FLOAT ? static_cast<const float *>(from)[i]
                               : __half2float(static_cast<const __half *>(from)[i]);
}

inline void store(void *to, size_t i, number type, double x) {
  if (type == number::FLOAT) {
    static_cast<float *>(to)[i] = static_cast<float>(x);
  } else {
    static_cast<__half *>(to)[i] = __float2half_rn(static_cast<float>(x));
  }
}

// As it comes back once stored.
inline double rounded(double x, number type) {
  const float f = static_cast<float>(x);
  return type == number::FLOAT ? f : __half2float(__float2half_rn(f));
}

// What a tensor core in TF32 mode reads: 10 bits of mantissa, ties away from zero.
inline double tf32(double x) {
  const float f = static_cast<float>(x);
  uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  if ((bits & 0x7f800000u) == 0x7f800000u) {
    return x;
  }
  bits = (bits + 0x1000u) & ~0x1fffu;
  float out;
  std::memcpy(&out, &bits, sizeof out);
  return out;
}

inline std::vector<double> read(const void *from, size_t n, number type, bool as_tf32) {
  std::vector<double> out(n);
  for (size_t i = 0; i < n; i++) {
    out[i] = as_tf32 ? tf32(load(from, i, type)) : load(from, i, type);
  }
  return out;
}

}  // namespace standin

#endif
