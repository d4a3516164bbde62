/* The kernels, written once for every vector width. The file that includes this has defined
 *   V_WIDTH and the vectors of cpu_vectors_*.h; V_ROWS, 3 or 6: a register tile accumulates V_ROWS x 4 vectors.
 * It puts `product`, `step` and `step_bf16` into a table. */
#include <stdbool.h>

#include "cpu_bf16.h"
#include "cpu_kernels.h"

#define V_INLINE static inline __attribute__((always_inline))
/* Loops over register arrays: rolled up, they would keep the array in memory. */
#ifdef __clang__
#define V_UNROLL _Pragma("clang loop unroll(full)")
#else
#define V_UNROLL _Pragma("GCC unroll 8")
#endif

#define LOG2_E 1.44269504F

/* x[j] <- 2^(scale[j] x[j]) for scales of -LOG2_E and -2 LOG2_E, the exponent clamped to [-126, 42]: exp(-x), exp(-2
 * x). 2^n 2^r with n the nearest integer and 2^r = 1 + r q(r), q minimax of degree 4 on [-1/2, 1/2]: relative error
 * below 2e-7 before the rounding of `scale`. At x = 0 it is exactly 1. Four at a time, since one chain of dependent
 * operations would leave the units waiting. */
V_INLINE void v_exp2_4(vf x[4], const float scale[4]) {
  const vf magic = v_set1(12582912.0F); /* 1.5 2^23: adding it leaves the integer in the low bits */
  static const float q[] = {0.0096715130F, 0.0555073359F, 0.2402224243F, 0.6931470037F, 1.0F};
  vf t[4];
  vf p[4];
  V_UNROLL
  for (int j = 0; j < 4; j++) {
    x[j] = v_min(v_max(x[j], v_set1(42.0F / scale[j])), v_set1(-126.0F / scale[j]));
    t[j] = v_fma(x[j], v_set1(scale[j]), magic);
  }
  V_UNROLL
  for (int j = 0; j < 4; j++) {
    x[j] = v_fma(x[j], v_set1(scale[j]), magic - t[j]);
    p[j] = v_set1(0.0013264727F);
  }
  V_UNROLL
  for (int i = 0; i < 5; i++) {
    V_UNROLL
    for (int j = 0; j < 4; j++) {
      p[j] = v_fma(p[j], x[j], v_set1(q[i]));
    }
  }
  V_UNROLL
  for (int j = 0; j < 4; j++) {
    x[j] = v_scale(p[j], t[j]);
  }
}

/* The cell update in two halves. With E_z = exp(-z) and P = (1 + E_i) (1 + E_2g):
 *   c = sigmoid(f) c + sigmoid(i) tanh(g) = (c P + (1 - E_2g) (1 + E_f)) / (P (1 + E_f))
 *   h = sigmoid(o) tanh(c) = (1 - E_2c) / ((1 + E_o) (1 + E_2c))
 * with two divisions for five; the clamp at 2^42 keeps the product of three below the largest float.
 * gate = {i, f, g, o} before activation; 1 + E_o replaces o. */
V_INLINE void v_cell(float *gate, float *c) {
  static const float scale[4] = {-LOG2_E, -LOG2_E, -2.0F * LOG2_E, -LOG2_E};
  const vf one = v_set1(1.0F);
  vf e[4] = {v_load(gate), v_load(gate + V_WIDTH), v_load(gate + 2 * V_WIDTH), v_load(gate + 3 * V_WIDTH)};
  v_exp2_4(e, scale);
  const vf p = (one + e[0]) * (one + e[2]);
  const vf f = one + e[1];
  v_store(c, v_fma(v_load(c), p, (one - e[2]) * f) / (p * f));
  v_store(gate + 3 * V_WIDTH, one + e[3]);
}
/* Four rows. */
V_INLINE void v_hidden(const float *const gate[4], const float *const c[4], float *const h[4]) {
  static const float scale[4] = {-2.0F * LOG2_E, -2.0F * LOG2_E, -2.0F * LOG2_E, -2.0F * LOG2_E};
  const vf one = v_set1(1.0F);
  vf e[4] = {v_load(c[0]), v_load(c[1]), v_load(c[2]), v_load(c[3])};
  v_exp2_4(e, scale);
  V_UNROLL
  for (int j = 0; j < 4; j++) {
    v_store(h[j], (one - e[j]) / (v_load(gate[j] + 3 * V_WIDTH) * (one + e[j])));
  }
}

enum { BLOCK = BKI_CPU_GATES * V_WIDTH };

/* out[r] = init[r][column..] + in[r] . w for n rows and one block of 4 vectors, k ascending, all sums in registers. */
V_INLINE void v_tile(int n, const float *const *in, size_t depth, const float *w, const float *const *init,
                     size_t column, float *out, size_t out_stride) {
  vf acc[V_ROWS][BKI_CPU_GATES];
  V_UNROLL
  for (int r = 0; r < n; r++) {
    V_UNROLL
    for (int g = 0; g < BKI_CPU_GATES; g++) {
      acc[r][g] = v_load(init[r] + column + g * V_WIDTH);
    }
  }
  for (size_t k = 0; k < depth; k++, w += BLOCK) {
    V_UNROLL
    for (int g = 0; g < BKI_CPU_GATES; g++) {
      vf wg = v_load(w + g * V_WIDTH);
      V_KEEP(wg);
      V_UNROLL
      for (int r = 0; r < n; r++) {
        acc[r][g] = v_fma(v_set1(in[r][k]), wg, acc[r][g]);
      }
    }
  }
  V_UNROLL
  for (int r = 0; r < n; r++) {
    V_UNROLL
    for (int g = 0; g < BKI_CPU_GATES; g++) {
      v_store(out + (size_t)r * out_stride + g * V_WIDTH, acc[r][g]);
    }
  }
}

/* Functions of their own: inlined into more code, gcc 12 runs out of registers and the rate falls to 40 %. */
#define TILE(n)                                                                                        \
  static __attribute__((noinline)) void tile_##n(const float *const *in, size_t depth, const float *w, \
                                                 const float *const *init, size_t column, float *out,  \
                                                 size_t out_stride) {                                  \
    v_tile(n, in, depth, w, init, column, out, out_stride);                                            \
  }
TILE(1)
TILE(2)
TILE(3)
#if V_ROWS == 6
TILE(4)
TILE(5)
TILE(6)
#endif

typedef void (*tile_fn)(const float *const *in, size_t depth, const float *w, const float *const *init, size_t column,
                        float *out, size_t out_stride);
#if V_ROWS == 6
static const tile_fn tiles[] = {NULL, tile_1, tile_2, tile_3, tile_4, tile_5, tile_6};
#else
static const tile_fn tiles[] = {NULL, tile_1, tile_2, tile_3};
#endif

/* n rows of one block. */
V_INLINE void v_rows(size_t n, const float *const *in, size_t depth, const float *w, const float *const *init,
                     size_t column, float *out, size_t out_stride) {
  for (size_t r = 0; r < n; r += V_ROWS) {
    tiles[n - r < V_ROWS ? n - r : V_ROWS](in + r, depth, w, init + r, column, out + r * out_stride, out_stride);
  }
}

enum { GROUP = 4 * V_ROWS, CHUNK = 16 * GROUP };

static inline void product(const bki_cpu_product *job) {
  const float *init[CHUNK];
  for (size_t r = 0; r < CHUNK && r < job->n_rows; r++) {
    init[r] = job->bias;
  }
  for (size_t first = 0; first < job->n_rows; first += CHUNK) {
    const size_t n = job->n_rows - first < CHUNK ? job->n_rows - first : CHUNK;
    for (size_t column = 0; column < job->blocks * BLOCK; column += BLOCK) {
      v_rows(n, job->in + first, job->depth, job->packed + column * job->depth, init, column,
             job->out + first * job->out_stride + column, job->out_stride);
    }
  }
}

/* n <= GROUP rows, units at[r] .. at[r] + W of the state matrices. */
V_INLINE void v_update(size_t n, float *gates, const size_t *at, float *c, float *h) {
  for (size_t r = 0; r < n; r++) {
    v_cell(gates + r * BLOCK, c + at[r]);
  }
  for (size_t r = 0; r < n; r += 4) {
    const float *gate[4];
    const float *cell[4];
    float *out[4];
    for (size_t j = 0; j < 4; j++) { /* the last row again where there is no other */
      const size_t k = r + j < n ? r + j : n - 1;
      gate[j] = gates + k * BLOCK;
      cell[j] = c + at[k];
      out[j] = h + at[k];
    }
    v_hidden(gate, cell, out);
  }
}

/* Rows first .. first + n, n <= CHUNK; `rounded`: they stand in scratch. A block of weights (4 W H floats) stays in the
 * first-level cache while all of them pass by. */
V_INLINE void step_chunk(const bki_cpu_step *job, size_t first, size_t n, bool rounded) {
  const float *in[CHUNK];
  size_t at[CHUNK];
  _Alignas(64) float gates[GROUP * BLOCK];
  for (size_t r = 0; r < n; r++) {
    at[r] = job->row[first + r] * job->stride;
    in[r] = rounded ? job->scratch + (first + r) * job->stride : job->h_in + at[r];
  }
  const float *w = job->packed;
  for (size_t block = 0; block < job->blocks; block++, w += job->hidden * BLOCK) {
    for (size_t r = 0; r < n; r += GROUP) {
      const size_t m = n - r < GROUP ? n - r : GROUP;
      v_rows(m, in + r, job->hidden, w, job->x + first + r, block * BLOCK, gates, BLOCK);
      v_update(m, gates, at + r, job->c + block * V_WIDTH, job->h_out + block * V_WIDTH);
    }
  }
}

V_INLINE void step_rows(const bki_cpu_step *job, bool rounded) {
  for (size_t first = 0; first < job->n_rows; first += CHUNK) {
    step_chunk(job, first, job->n_rows - first < CHUNK ? job->n_rows - first : CHUNK, rounded);
  }
}

static inline void step(const bki_cpu_step *job) {
  step_rows(job, false);
}

static inline void step_bf16(const bki_cpu_step *job) {
  for (size_t r = 0; r < job->n_rows; r++) {
    bki_cpu_round_bf16(job->scratch + r * job->stride, job->h_in + job->row[r] * job->stride, job->stride);
  }
  step_rows(job, true);
}
