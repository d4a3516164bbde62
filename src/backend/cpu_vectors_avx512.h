/* Vectors of 16 floats. */
#include <immintrin.h>

#define V_WIDTH 16
typedef __m512 vf;
/* Keeps a loaded value in its register: gcc would load it again for each use. */
#define V_KEEP(a) __asm__("" : "+v"(a))

static inline vf v_load(const float *p) {
  return _mm512_load_ps(p);
}
static inline void v_store(float *p, vf a) {
  _mm512_store_ps(p, a);
}
static inline vf v_set1(float a) {
  return _mm512_set1_ps(a);
}
static inline vf v_fma(vf a, vf b, vf c) {
  return _mm512_fmadd_ps(a, b, c);
}
static inline vf v_min(vf a, vf b) {
  return _mm512_min_ps(a, b);
}
static inline vf v_max(vf a, vf b) {
  return _mm512_max_ps(a, b);
}
/* a 2^n, n in the low bits of t */
static inline vf v_scale(vf a, vf t) {
  const __m512i n = _mm512_slli_epi32(_mm512_castps_si512(t), 23);
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), n));
}
