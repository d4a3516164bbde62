/* AVX2 and FMA: a tile of 3 rows x 4 vectors of 8, 12 of the 16 registers. */
#include <immintrin.h>

#define V_WIDTH 8
#define V_ROWS 3
typedef __m256 vf;
/* Keeps a loaded value in its register: gcc would load it again for each use. */
#define V_KEEP(a) __asm__("" : "+x"(a))

static inline vf v_load(const float *p) {
  return _mm256_load_ps(p);
}
static inline void v_store(float *p, vf a) {
  _mm256_store_ps(p, a);
}
static inline vf v_set1(float a) {
  return _mm256_set1_ps(a);
}
static inline vf v_fma(vf a, vf b, vf c) {
  return _mm256_fmadd_ps(a, b, c);
}
static inline vf v_min(vf a, vf b) {
  return _mm256_min_ps(a, b);
}
static inline vf v_max(vf a, vf b) {
  return _mm256_max_ps(a, b);
}
/* a 2^n, n in the low bits of t */
static inline vf v_scale(vf a, vf t) {
  const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(t), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), n));
}

#include "cpu_kernels_template.h"
#include "cpu_learner_template.h"

const bki_cpu_kernels bki_cpu_kernels_avx2 = {
    .width = V_WIDTH,
    .product = product,
    .step = step,
    .step_bf16 = step_bf16,
    .train_step = train_step,
    .train_back = train_back,
    .train_outer = train_outer,
    .train_sum = train_sum,
};
