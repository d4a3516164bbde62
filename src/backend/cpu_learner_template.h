/* The recurrent steps of training, written once for every vector width. The file that includes this has included
 * cpu_kernels_template.h. It puts the four functions `train_...` into a table. */

/* 1 / ((1 + E_a) (1 + E_b)) serves two sigmoids with one division: 1 / (1 + E_a) is its product with 1 + E_b. The
 * clamp at 2^42 keeps the product finite. gate = {i, f, g, o}, activated in place; c = f c_before + i g. */
V_INLINE void v_train_cell(float *gate, const float *before, float *c) {
  static const float scale[4] = {-LOG2_E, -LOG2_E, -2.0F * LOG2_E, -LOG2_E};
  const vf one = v_set1(1.0F);
  vf e[4] = {v_load(gate), v_load(gate + V_WIDTH), v_load(gate + 2 * V_WIDTH), v_load(gate + 3 * V_WIDTH)};
  v_exp2_4(e, scale);
  const vf ei = one + e[0];
  const vf ef = one + e[1];
  const vf eg = one + e[2];
  const vf eo = one + e[3];
  const vf ig = one / (ei * eg);
  const vf fo = one / (ef * eo);
  const vf i = ig * eg;
  const vf f = fo * eo;
  const vf g = (one - e[2]) * (ig * ei);
  v_store(gate, i);
  v_store(gate + V_WIDTH, f);
  v_store(gate + 2 * V_WIDTH, g);
  v_store(gate + 3 * V_WIDTH, fo * ef);
  v_store(c, v_fma(f, v_load(before), i * g));
}

/* tanh of four vectors */
V_INLINE void v_tanh_4(vf x[4]) {
  static const float scale[4] = {-2.0F * LOG2_E, -2.0F * LOG2_E, -2.0F * LOG2_E, -2.0F * LOG2_E};
  const vf one = v_set1(1.0F);
  v_exp2_4(x, scale);
  V_UNROLL
  for (int j = 0; j < 4; j++) {
    x[j] = (one - x[j]) / (one + x[j]);
  }
}

/* Row r of the chunk, the last one again where there is no other. */
V_INLINE size_t v_clamp_row(size_t r, size_t n) {
  return r < n ? r : n - 1;
}

/* Rows first .. first + n of a block of units, n <= GROUP: gates are products already. */
V_INLINE void v_train_cells(const bki_cpu_train_step *job, size_t first, size_t n, size_t block) {
  const size_t X = job->gates_stride;
  const size_t H = job->blocks * V_WIDTH;
  float *gates = job->gates + first * X + block * BLOCK;
  float *c = job->c + first * H + block * V_WIDTH;
  for (size_t r = 0; r < n; r++) {
    const float *before = job->c_before == NULL ? job->zeros : job->c_before + (first + r) * H + block * V_WIDTH;
    v_train_cell(gates + r * X, before, c + r * H);
  }
  for (size_t r = 0; r < n; r += 4) {
    size_t row[4];
    vf t[4];
    for (size_t j = 0; j < 4; j++) {
      row[j] = v_clamp_row(r + j, n);
      t[j] = v_load(c + row[j] * H);
    }
    v_tanh_4(t);
    for (size_t j = 0; j < 4; j++) {
      v_store(job->h_out[first + row[j]] + block * V_WIDTH, t[j] * v_load(gates + row[j] * X + 3 * V_WIDTH));
    }
  }
}

static inline void train_step(const bki_cpu_train_step *job) {
  const size_t X = job->gates_stride;
  const float *w = job->packed;
  for (size_t block = 0; block < job->blocks; block++, w += job->blocks * V_WIDTH * BLOCK) {
    for (size_t r = 0; r < job->n_rows; r += GROUP) {
      const size_t n = job->n_rows - r < GROUP ? job->n_rows - r : GROUP;
      v_rows(n, job->h_in + r, job->depth, w, job->x + r, block * BLOCK, job->gates + r * X + block * BLOCK, X);
      v_train_cells(job, r, n, block);
    }
  }
}

/* With t = tanh(c), dc the gradient from the step after this one and dh that of the whole of h:
 *   do = dh t o (1 - o)        dc += dh o (1 - t^2)
 *   di = dc g i (1 - i)        df = dc c_before f (1 - f)        dg = dc i (1 - g^2)        dc_before = dc f */
V_INLINE void v_train_back(float *gate, const float *before, vf t, vf dh, float *dc) {
  const vf one = v_set1(1.0F);
  const vf i = v_load(gate);
  const vf f = v_load(gate + V_WIDTH);
  const vf g = v_load(gate + 2 * V_WIDTH);
  const vf o = v_load(gate + 3 * V_WIDTH);
  const vf dho = dh * o;
  const vf d = v_fma(dho, one - t * t, v_load(dc));
  const vf df = d * f;
  v_store(gate, (d * g) * (i * (one - i)));
  v_store(gate + V_WIDTH, (df * v_load(before)) * (one - f));
  v_store(gate + 2 * V_WIDTH, (d * i) * (one - g * g));
  v_store(gate + 3 * V_WIDTH, (dho * t) * (one - o));
  v_store(dc, df);
}

static inline void train_back(const bki_cpu_train_back *job) {
  const size_t H = job->blocks * V_WIDTH;
  for (size_t r = 0; r < job->n_rows; r++) {
    float *gates = job->gates + r * job->gates_stride;
    const float *c = job->c + r * H;
    const float *before = job->c_before == NULL ? NULL : job->c_before + r * H;
    const float *dh = job->dh + r * job->dh_stride;
    float *dc = job->dc + r * H;
    for (size_t b = 0; b < job->blocks; b += 4) {
      size_t block[4];
      vf t[4];
      for (size_t j = 0; j < 4; j++) {
        block[j] = v_clamp_row(b + j, job->blocks);
        t[j] = v_load(c + block[j] * V_WIDTH);
      }
      v_tanh_4(t);
      for (size_t j = 0; j < 4 && b + j < job->blocks; j++) {
        const size_t at = block[j] * V_WIDTH;
        v_train_back(gates + block[j] * BLOCK, before == NULL ? job->zeros : before + at, t[j], v_load(dh + at),
                     dc + at);
      }
    }
  }
}

/* A register tile of n rows and one block; `out` is read and written once. */
V_INLINE void v_outer(int n, const bki_cpu_train_outer *job, size_t depth, const float *in, const float *w,
                      float *out) {
  vf acc[V_ROWS][BKI_CPU_GATES];
  V_UNROLL
  for (int r = 0; r < n; r++) {
    V_UNROLL
    for (int g = 0; g < BKI_CPU_GATES; g++) {
      acc[r][g] = v_load(out + (size_t)r * job->out_stride + g * V_WIDTH);
    }
  }
  for (size_t k = 0; k < depth; k++, in += job->in_stride, w += job->w_stride) {
    V_UNROLL
    for (int g = 0; g < BKI_CPU_GATES; g++) {
      vf wg = v_load(w + g * V_WIDTH);
      V_KEEP(wg);
      V_UNROLL
      for (int r = 0; r < n; r++) {
        acc[r][g] = v_fma(v_set1(in[r]), wg, acc[r][g]);
      }
    }
  }
  V_UNROLL
  for (int r = 0; r < n; r++) {
    V_UNROLL
    for (int g = 0; g < BKI_CPU_GATES; g++) {
      v_store(out + (size_t)r * job->out_stride + g * V_WIDTH, acc[r][g]);
    }
  }
}

#define OUTER(n)                                                                                                 \
  static __attribute__((noinline)) void outer_##n(const bki_cpu_train_outer *job, size_t depth, const float *in, \
                                                  const float *w, float *out) {                                  \
    v_outer(n, job, depth, in, w, out);                                                                          \
  }
OUTER(1)
OUTER(2)
OUTER(3)
#if V_ROWS == 6
OUTER(4)
OUTER(5)
OUTER(6)
#endif

typedef void (*outer_fn)(const bki_cpu_train_outer *job, size_t depth, const float *in, const float *w, float *out);
#if V_ROWS == 6
static const outer_fn outers[] = {NULL, outer_1, outer_2, outer_3, outer_4, outer_5, outer_6};
#else
static const outer_fn outers[] = {NULL, outer_1, outer_2, outer_3};
#endif

enum { DEPTH = 96 }; /* so that a block's part of w stays in the first-level cache while all tiles pass by */

static inline void train_outer(const bki_cpu_train_outer *job) {
  for (size_t k = 0; k < job->depth; k += DEPTH) {
    const size_t depth = job->depth - k < DEPTH ? job->depth - k : DEPTH;
    for (size_t column = 0; column < job->blocks * BLOCK; column += BLOCK) {
      for (size_t r = 0; r < job->n_rows; r += V_ROWS) {
        const size_t n = job->n_rows - r < V_ROWS ? job->n_rows - r : V_ROWS;
        outers[n](job, depth, job->in + k * job->in_stride + r, job->w + k * job->w_stride + column,
                  job->out + r * job->out_stride + column);
      }
    }
  }
}

static inline void train_sum(const bki_cpu_train_sum *job) {
  for (size_t column = 0; column < job->blocks * BLOCK; column += BLOCK) {
    const vf zero = v_set1(0);
    vf acc[BKI_CPU_GATES] = {zero, zero, zero, zero};
    for (size_t i = 0; i < job->n_rows; i++) {
      const float *row = job->from + (job->index == NULL ? i : job->index[i]) * job->stride + column;
      V_UNROLL
      for (int g = 0; g < BKI_CPU_GATES; g++) {
        acc[g] += v_load(row + g * V_WIDTH);
      }
    }
    V_UNROLL
    for (int g = 0; g < BKI_CPU_GATES; g++) {
      v_store(job->out + column + g * V_WIDTH, acc[g]);
    }
  }
}
