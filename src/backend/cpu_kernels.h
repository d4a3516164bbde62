/* The arithmetic of the cpu backend, one table of functions an instruction set.
 *
 * Letters: R rows (variants), K depth of a product, H hidden units, W vector width in floats, N = W units a block.
 * Weights are packed in blocks of 4 W columns: packed[block][k][4][W]. For the LSTM the four groups of a block are the
 * gates i, f, g, o of the same W units, so that one register tile holds all that the cell update needs; for any other
 * product they are 4 W neighbouring columns.
 *
 * The result of a row does not depend on the other rows: each is the same chain of operations whatever tile it is in.
 */
#ifndef BKI_BACKEND_CPU_KERNELS_H
#define BKI_BACKEND_CPU_KERNELS_H

#include <stddef.h>
#include <stdint.h>

enum { BKI_CPU_GATES = 4 };
#define BKI_CPU_SCRATCH_ROWS(rows) (((size_t)(rows) + 15) / 16 * 16)

/* out[r] = bias + in[r] . packed, for 0 <= r < n_rows; 4 W blocks columns. */
typedef struct bki_cpu_product {
  size_t n_rows;
  const float *const *in; /* [n_rows] rows of `depth` numbers */
  size_t depth;           /* K */
  size_t blocks;
  const float *packed; /* [blocks][K][4][W], 64-byte aligned */
  const float *bias;   /* [blocks][4][W], 64-byte aligned */
  float *out;          /* n_rows rows at a distance of out_stride, 64-byte aligned */
  size_t out_stride;   /* a multiple of 16, at least 4 W blocks */
} bki_cpu_product;

/* One time step of n_rows rows, which all have their states in the same matrices:
 *   [i f g o] = x[r] + h_in[row[r]] . packed
 *   c = sigmoid(f) c + sigmoid(i) tanh(g),  h_out = sigmoid(o) tanh(c) */
typedef struct bki_cpu_step {
  size_t n_rows;
  const uint32_t *row;   /* [n_rows] all different */
  const float *const *x; /* [n_rows] projected inputs [blocks][4][W], 64-byte aligned */
  size_t hidden;         /* K = H */
  size_t blocks;         /* H / W, rounded up */
  size_t stride;         /* of the three matrices below, in floats; a multiple of 16, at least W blocks */
  const float *h_in;     /* 64-byte aligned, as are the others */
  float *h_out;          /* another matrix than h_in */
  float *c;              /* updated in place */
  const void *packed;    /* float [blocks][H][4][W], or what pack_bf16 made */
  float *scratch;        /* step_bf16: [BKI_CPU_SCRATCH_ROWS(n_rows), stride] */
} bki_cpu_step;

/* One time step of training, rows 0 .. n_rows of matrices [n_rows, ...]; X = 4 W blocks, H' = W blocks:
 *   [i f g o] = x[r] + h_in[r] . packed, then the cell as above; everything that the way back needs is kept. */
typedef struct bki_cpu_train_step {
  size_t n_rows;
  size_t blocks;
  const float *const *x;    /* [n_rows] projected inputs [X]; may be the rows of gates */
  const float *const *h_in; /* [n_rows] states before [H']; not read when depth is 0 */
  size_t depth;             /* H', or 0 in the first step */
  const float *packed;      /* [blocks][H'][4][W] */
  float *gates;             /* n_rows rows [X], out: activated */
  size_t gates_stride;      /* a multiple of 16 */
  const float *c_before;    /* [n_rows, H']; NULL: zeros */
  float *c;                 /* [n_rows, H'], out */
  float *const *h_out;      /* [n_rows] states after [H'], out */
  const float *zeros;       /* [W] */
} bki_cpu_train_step;

/* The gradients of one time step; the product of dgates and W_hh is a product of its own. */
typedef struct bki_cpu_train_back {
  size_t n_rows;
  size_t blocks;
  float *gates; /* n_rows rows [X] of the step, in: activated, out: gradients before activation */
  size_t gates_stride;
  const float *c_before; /* [n_rows, H']; NULL: zeros */
  const float *c;        /* [n_rows, H'] */
  const float *dh;       /* n_rows rows [H'] */
  size_t dh_stride;
  float *dc;          /* [n_rows, H'] of the step, out: of the step before */
  const float *zeros; /* [W] */
} bki_cpu_train_back;

/* out[r] += sum over k of in[k][r] w[k], for 0 <= r < n_rows: the gradient of weights, transposed. */
typedef struct bki_cpu_train_outer {
  size_t depth; /* of k */
  size_t n_rows;
  const float *in; /* rows of n_rows numbers */
  size_t in_stride;
  const float *w; /* rows of 4 W blocks numbers */
  size_t w_stride;
  size_t blocks;
  float *out; /* n_rows rows of 4 W blocks numbers */
  size_t out_stride;
} bki_cpu_train_outer;

/* out = sum of the rows index[0] .. index[n_rows - 1], in this order (index NULL: rows 0 ..), 4 W blocks columns. */
typedef struct bki_cpu_train_sum {
  size_t n_rows;
  const uint32_t *index;
  const float *from;
  size_t stride;
  size_t blocks;
  float *out;
} bki_cpu_train_sum;

typedef struct bki_cpu_kernels {
  size_t width; /* W */
  void (*product)(const bki_cpu_product *job);
  void (*step)(const bki_cpu_step *job);
  /* As step, with h_in rounded to bfloat16 in the product; the weights are rounded already. */
  void (*step_bf16)(const bki_cpu_step *job);
  /* W_hh [4H, H] as step_bf16 wants it, to be freed, or NULL when out of memory. The function NULL: packed as for step.
   */
  void *(*pack_bf16)(const float *w_hh, size_t hidden);
  /* Of training, fp32: NULL in tables for bf16 alone. */
  void (*train_step)(const bki_cpu_train_step *job);
  void (*train_back)(const bki_cpu_train_back *job);
  void (*train_outer)(const bki_cpu_train_outer *job);
  void (*train_sum)(const bki_cpu_train_sum *job);
} bki_cpu_kernels;

extern const bki_cpu_kernels bki_cpu_kernels_portable;
#if defined(__x86_64__)
extern const bki_cpu_kernels bki_cpu_kernels_avx2;
extern const bki_cpu_kernels bki_cpu_kernels_avx512;
extern const bki_cpu_kernels bki_cpu_kernels_avx512bf16; /* step is that of AVX-512, here and below */
extern const bki_cpu_kernels bki_cpu_kernels_amx;
#endif

#endif
