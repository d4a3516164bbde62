// kernels/ptx.cuh for the host. Special functions are exact to rounding here; asynchronous copies are there at once.
#ifndef BKI_TESTS_SIMT_PTX_H
#define BKI_TESTS_SIMT_PTX_H

#include "simt.h"

inline float bki_ptx_ex2(float x) {
  return std::exp2(x);
}
inline float bki_ptx_rcp(float x) {
  return 1.0f / x;
}
inline float bki_ptx_tanh(float x) {
  return std::tanh(x);
}

inline void bki_ptx_copy16(void *shared, const void *global) {
  std::memcpy(shared, global, 16);
}
inline void bki_ptx_copies_wait() {}

#endif
