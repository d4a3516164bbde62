/* The kernels, written once for every vector width. The file that includes this has defined
 *   the type vf; V_WIDTH, V_ROWS (3 or 6: rows of a register tile), KERNELS (the name of the table), V_KEEP; the inline
 *   functions v_load v_store v_set1 v_fma v_min v_max v_scale.
 * Accumulators of a tile: V_ROWS x 4 vectors. */
#include <stdbool.h>

#include "cpu_bf16.h"
#include "cpu_kernels.h"

#define V_INLINE static inline __attribute__((always_inline))

#define LOG2_E 1.44269504F

/* 2^(scale x) for |scale| = LOG2_E or 2 LOG2_E, the exponent clamped to [-126, 42]: exp(-x), exp(-2 x). 2^n 2^r with n
 * the nearest integer and 2^r = 1 + r q(r), q minimax of degree 5 on [-1/2, 1/2]: relative error below 1e-7 before the
 * rounding of `scale`. At x = 0 it is exactly 1. */
V_INLINE vf v_exp2_scaled(vf x, float scale) {
  const vf magic = v_set1(12582912.0F); /* 1.5 2^23: adding it leaves the integer in the low bits */
  const vf s = v_set1(scale);
  const vf clamped = v_min(v_max(x, v_set1(42.0F / scale)), v_set1(-126.0F / scale));
  const vf t = v_fma(clamped, s, magic);
  const vf r = v_fma(clamped, s, magic - t);
  vf q = v_set1(0.00015353362F);
  q = v_fma(q, r, v_set1(0.0013398874F));
  q = v_fma(q, r, v_set1(0.009618437F));
  q = v_fma(q, r, v_set1(0.055503324F));
  q = v_fma(q, r, v_set1(0.24022648F));
  q = v_fma(q, r, v_set1(0.69314718F));
  return v_scale(v_fma(q, r, v_set1(1.0F)), t);
}

/* The cell update in two halves, so that the chains of several rows overlap. With E_z = exp(-z):
 *   c = sigmoid(f) c + sigmoid(i) tanh(g) = (c (1 + E_i) (1 + E_2g) + (1 - E_2g) (1 + E_f)) / ((1 + E_f) (1 + E_i) (1 +
 * E_2g)) h = sigmoid(o) tanh(c) = (1 - E_2c) / ((1 + E_o) (1 + E_2c)) two divisions for five; the clamp at 2^42 keeps
 * the product of three below the largest float. gate = {i, f, g, o} before activation; 1 + E_o replaces o. */
V_INLINE void v_cell(float *gate, float *c) {
  const vf one = v_set1(1.0F);
  const vf i = one + v_exp2_scaled(v_load(gate), -LOG2_E);
  const vf f = one + v_exp2_scaled(v_load(gate + V_WIDTH), -LOG2_E);
  const vf e_g = v_exp2_scaled(v_load(gate + 2 * V_WIDTH), -2.0F * LOG2_E);
  const vf o = one + v_exp2_scaled(v_load(gate + 3 * V_WIDTH), -LOG2_E);
  const vf ig = i * (one + e_g);
  v_store(gate + 3 * V_WIDTH, o);
  v_store(c, v_fma(v_load(c), ig, (one - e_g) * f) / (ig * f));
}
V_INLINE void v_hidden(const float *gate, const float *c, float *h) {
  const vf one = v_set1(1.0F);
  const vf e_c = v_exp2_scaled(v_load(c), -2.0F * LOG2_E);
  v_store(h, (one - e_c) / (v_load(gate + 3 * V_WIDTH) * (one + e_c)));
}

/* out[r] = init[r] + in[r] . w for n rows and one block of 4 vectors, k ascending, all sums in registers. */
V_INLINE void v_tile(int n, const float *const *in, size_t depth, const float *w, const float *const *init, float *out,
                     size_t out_stride) {
  vf acc[V_ROWS][BKI_CPU_GATES];
  for (int r = 0; r < n; r++) {
    for (int g = 0; g < BKI_CPU_GATES; g++) {
      acc[r][g] = v_load(init[r] + g * V_WIDTH);
    }
  }
  for (size_t k = 0; k < depth; k++, w += BKI_CPU_GATES * V_WIDTH) {
    for (int g = 0; g < BKI_CPU_GATES; g++) {
      vf wg = v_load(w + g * V_WIDTH);
      V_KEEP(wg);
      for (int r = 0; r < n; r++) {
        acc[r][g] = v_fma(v_set1(in[r][k]), wg, acc[r][g]);
      }
    }
  }
  for (int r = 0; r < n; r++) {
    for (int g = 0; g < BKI_CPU_GATES; g++) {
      v_store(out + (size_t)r * out_stride + g * V_WIDTH, acc[r][g]);
    }
  }
}

/* Functions of their own: inlined into more code, gcc 12 runs out of registers and the rate falls to 40 %. */
#define TILE(n)                                                                                             \
  static __attribute__((noinline)) void tile_##n(const float *const *in, size_t depth, const float *w,      \
                                                 const float *const *init, float *out, size_t out_stride) { \
    v_tile(n, in, depth, w, init, out, out_stride);                                                         \
  }
TILE(1)
TILE(2)
TILE(3)
#if V_ROWS == 6
TILE(4)
TILE(5)
TILE(6)
#endif

typedef void (*tile_fn)(const float *const *in, size_t depth, const float *w, const float *const *init, float *out,
                        size_t out_stride);
static const tile_fn tiles[V_ROWS + 1] = {NULL,   tile_1, tile_2, tile_3,
#if V_ROWS == 6
                                          tile_4, tile_5, tile_6
#endif
};

static void product(const bki_cpu_product *job) {
  for (size_t block = 0; block < job->blocks; block++) {
    const size_t column = block * BKI_CPU_GATES * V_WIDTH;
    const float *init[V_ROWS];
    for (int r = 0; r < V_ROWS; r++) {
      init[r] = job->bias + column;
    }
    for (size_t first = 0; first < job->n_rows; first += V_ROWS) {
      const size_t n = job->n_rows - first < V_ROWS ? job->n_rows - first : V_ROWS;
      tiles[n](job->in + first, job->depth, job->packed + column * job->depth, init,
               job->out + first * job->out_stride + column, job->out_stride);
    }
  }
}

enum { GROUP = 4 * V_ROWS, BLOCK = BKI_CPU_GATES * V_WIDTH };

/* n <= GROUP rows, one block; `rounded`: the rows stand in scratch. */
V_INLINE void step_group(size_t n, const bki_cpu_step *job, size_t first, size_t block, bool rounded) {
  const float *in[GROUP];
  const float *x[GROUP];
  _Alignas(64) float gates[GROUP * BLOCK];
  for (size_t r = 0; r < n; r++) {
    in[r] = rounded ? job->scratch + (first + r) * job->stride : job->h_in + job->row[first + r] * job->stride;
    x[r] = job->x[first + r] + block * BLOCK;
  }
  const float *w = (const float *)job->packed + block * job->hidden * BLOCK;
  for (size_t r = 0; r < n; r += V_ROWS) {
    tiles[n - r < V_ROWS ? n - r : V_ROWS](in + r, job->hidden, w, x + r, gates + r * BLOCK, BLOCK);
  }
  for (size_t r = 0; r < n; r++) {
    v_cell(gates + r * BLOCK, job->c + job->row[first + r] * job->stride + block * V_WIDTH);
  }
  for (size_t r = 0; r < n; r++) {
    const size_t at = job->row[first + r] * job->stride + block * V_WIDTH;
    v_hidden(gates + r * BLOCK, job->c + at, job->h_out + at);
  }
}

/* A block of weights (4 W H floats) stays in the first-level cache while all rows pass by. */
V_INLINE void step_rows(const bki_cpu_step *job, bool rounded) {
  for (size_t block = 0; block < job->blocks; block++) {
    for (size_t first = 0; first < job->n_rows; first += GROUP) {
      step_group(job->n_rows - first < GROUP ? job->n_rows - first : GROUP, job, first, block, rounded);
    }
  }
}

static void step(const bki_cpu_step *job) {
  step_rows(job, false);
}

static void step_bf16(const bki_cpu_step *job) {
  for (size_t r = 0; r < job->n_rows; r++) {
    bki_cpu_round_bf16(job->scratch + r * job->stride, job->h_in + job->row[r] * job->stride, job->stride);
  }
  step_rows(job, true);
}

const bki_cpu_kernels KERNELS = {.width = V_WIDTH, .product = product, .step = step, .step_bf16 = step_bf16};
