/* Vectors of V_WIDTH floats as gcc and clang lower them on any machine. */
typedef float vf __attribute__((vector_size(4 * V_WIDTH)));
typedef int vi __attribute__((vector_size(4 * V_WIDTH)));
#define V_KEEP(a)

static inline vf v_load(const float *p) {
  return *(const vf *)(const void *)p;
}
static inline void v_store(float *p, vf a) {
  *(vf *)(void *)p = a;
}
static inline vf v_set1(float a) {
  return a - (vf){0};
}
static inline vf v_fma(vf a, vf b, vf c) {
  return a * b + c;
}
static inline vf v_select(vi mask, vf a, vf b) {
  return (vf)((mask & (vi)a) | (~mask & (vi)b));
}
static inline vf v_min(vf a, vf b) {
  return v_select(a < b, a, b);
}
static inline vf v_max(vf a, vf b) {
  return v_select(a > b, a, b);
}
/* a 2^n, n in the low bits of t */
static inline vf v_scale(vf a, vf t) {
  return (vf)((vi)a + ((vi)t << 23));
}
