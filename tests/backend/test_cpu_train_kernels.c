/* Each instruction set's kernels of training against the equations in double precision, on odd shapes. Those that this
 * machine lacks are passed over with a message. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpu.h"
#include "random_model.h"

/* Runs a check with every table that this machine has. */
static void each(void (*check)(const bki_cpu_kernels *kernels, const char *name)) {
  static const bki_isa isas[] = {BKI_ISA_PORTABLE, BKI_ISA_AVX2, BKI_ISA_AVX512};
  for (size_t i = 0; i < 3; i++) {
    const bki_cpu_kernels *kernels;
    const char *name;
    if (bki_cpu_choose(&kernels, &name, isas[i], BKI_PRECISION_FP32, NULL) == BKI_OK) {
      check(kernels, name);
    } else {
      fprintf(stderr, "skipped: this machine has no %s\n", bki_isa_name(isas[i]));
    }
  }
}

static float *random_floats(uint64_t seed, size_t n, float bound) {
  float *values = bki_cpu_floats(1, n);
  random_fill(&seed, values, (int64_t)n, bound);
  return values;
}

static double sigmoid(double z) {
  return 1 / (1 + exp(-z));
}

enum { SKEW = 16 };

/* A step of n rows and H units, H a multiple of every width; as the kernels lay it out for width W. */
typedef struct step {
  size_t n;
  size_t W;
  size_t H;
  size_t stride;
  float *w; /* packed [H / W][H][4][W] */
  float *x; /* [n, stride] */
  float *h; /* [n, H] */
  float *before;
  float *gates; /* [n, stride] */
  float *c;     /* [n, H] */
  float *h_out; /* [n, H] */
} step;

static step run_step(const bki_cpu_kernels *kernels, size_t n, bool first) {
  step s = {.n = n, .W = kernels->width, .H = 32, .stride = 4 * 32 + SKEW};
  s.w = random_floats(1, 4 * s.H * s.H, 0.2F);
  s.x = random_floats(2, n * s.stride, 4);
  s.h = random_floats(3, n * s.H, 1);
  s.before = random_floats(4, n * s.H, 3);
  s.gates = bki_cpu_floats(n, s.stride);
  s.c = bki_cpu_floats(n, s.H);
  s.h_out = bki_cpu_floats(n, s.H);
  float *zeros = bki_cpu_floats(1, s.W);
  const float **x = calloc(n, sizeof *x);
  const float **h_in = calloc(n, sizeof *h_in);
  float **h_out = calloc(n, sizeof *h_out);
  for (size_t r = 0; r < n; r++) {
    x[r] = s.x + r * s.stride;
    h_in[r] = s.h + r * s.H;
    h_out[r] = s.h_out + (n - 1 - r) * s.H;
  }
  kernels->train_step(&(bki_cpu_train_step){.n_rows = n,
                                            .blocks = s.H / s.W,
                                            .x = x,
                                            .h_in = h_in,
                                            .depth = first ? 0 : s.H,
                                            .packed = s.w,
                                            .gates = s.gates,
                                            .gates_stride = s.stride,
                                            .c_before = first ? NULL : s.before,
                                            .c = s.c,
                                            .h_out = h_out,
                                            .zeros = zeros});
  free(zeros);
  free(x);
  free(h_in);
  free(h_out);
  return s;
}

static void free_step(step *s) {
  free(s->w);
  free(s->x);
  free(s->h);
  free(s->before);
  free(s->gates);
  free(s->c);
  free(s->h_out);
}

/* Gate g of unit u among the interleaved. */
static size_t gate_at(const step *s, size_t g, size_t u) {
  return u / s->W * 4 * s->W + g * s->W + u % s->W;
}

static void check_steps(const bki_cpu_kernels *kernels, const char *name) {
  for (size_t n = 1; n <= 32; n += 5) {
    for (int first = 0; first < 2; first++) {
      step s = run_step(kernels, n, first != 0);
      for (size_t i = 0; i < n * s.H; i++) {
        const size_t r = i / s.H;
        const size_t u = i % s.H;
        double a[4];
        for (size_t g = 0; g < 4; g++) {
          double z = (double)s.x[r * s.stride + gate_at(&s, g, u)];
          for (size_t k = 0; first == 0 && k < s.H; k++) {
            z += (double)s.w[(u / s.W * s.H + k) * 4 * s.W + g * s.W + u % s.W] * (double)s.h[r * s.H + k];
          }
          a[g] = g == 2 ? tanh(z) : sigmoid(z);
          cr_assert_float_eq((double)s.gates[r * s.stride + gate_at(&s, g, u)], a[g], 2e-6, "%s, %zu rows", name, n);
        }
        const double c = a[1] * (first != 0 ? 0 : (double)s.before[i]) + a[0] * a[2];
        cr_assert_float_eq((double)s.c[i], c, 3e-6, "%s, %zu rows", name, n);
        cr_assert_float_eq((double)s.h_out[(n - 1 - r) * s.H + u], a[3] * tanh(c), 3e-6, "%s, %zu rows", name, n);
      }
      free_step(&s);
    }
  }
}

Test(cpu_train_kernels, a_step_keeps_the_activated_gates_and_the_states) {
  each(check_steps);
}

static void check_back(const bki_cpu_kernels *kernels, const char *name) {
  enum { N = 7 };
  step s = run_step(kernels, N, false);
  float *dh = random_floats(5, N * s.stride, 1);
  float *dc = random_floats(6, N * s.H, 1);
  float *d_gates = bki_cpu_floats(N, s.stride);
  float *dc_out = bki_cpu_floats(N, s.H);
  memcpy(d_gates, s.gates, N * s.stride * sizeof *d_gates);
  memcpy(dc_out, dc, N * s.H * sizeof *dc);
  kernels->train_back(&(bki_cpu_train_back){.n_rows = N,
                                            .blocks = s.H / s.W,
                                            .gates = d_gates,
                                            .gates_stride = s.stride,
                                            .c_before = s.before,
                                            .c = s.c,
                                            .dh = dh,
                                            .dh_stride = s.stride,
                                            .dc = dc_out});
  for (size_t i = 0; i < N * s.H; i++) {
    const size_t r = i / s.H;
    const size_t u = i % s.H;
    double a[4];
    for (size_t g = 0; g < 4; g++) {
      a[g] = (double)s.gates[r * s.stride + gate_at(&s, g, u)];
    }
    const double t = tanh((double)s.c[i]);
    const double dh_i = (double)dh[r * s.stride + u];
    const double dc_i = (double)dc[i] + dh_i * a[3] * (1 - t * t);
    const double expected[4] = {dc_i * a[2] * a[0] * (1 - a[0]), dc_i * (double)s.before[i] * a[1] * (1 - a[1]),
                                dc_i * a[0] * (1 - a[2] * a[2]), dh_i * t * a[3] * (1 - a[3])};
    for (size_t g = 0; g < 4; g++) {
      cr_assert_float_eq((double)d_gates[r * s.stride + gate_at(&s, g, u)], expected[g], 2e-6, "%s, gate %zu", name, g);
    }
    cr_assert_float_eq((double)dc_out[i], dc_i * a[1], 2e-6, "%s", name);
  }
  free(dh);
  free(dc);
  free(d_gates);
  free(dc_out);
  free_step(&s);
}

Test(cpu_train_kernels, the_way_back_through_a_cell_follows_the_equations) {
  each(check_back);
}

static void check_outer(const bki_cpu_kernels *kernels, const char *name) {
  static const size_t depths[] = {0, 1, 96, 97, 250};
  enum { ROWS = 13, BLOCKS = 3 };
  const size_t columns = BLOCKS * 4 * kernels->width;
  const size_t stride = columns + SKEW;
  for (size_t i = 0; i < 5; i++) {
    const size_t depth = depths[i];
    float *in = random_floats(1, (depth + 1) * ROWS, 1);
    float *w = random_floats(2, (depth + 1) * stride, 1);
    float *out = random_floats(3, ROWS * stride, 1);
    float *before = random_floats(3, ROWS * stride, 1);
    kernels->train_outer(&(bki_cpu_train_outer){.depth = depth,
                                                .n_rows = ROWS,
                                                .in = in,
                                                .in_stride = ROWS,
                                                .w = w,
                                                .w_stride = stride,
                                                .blocks = BLOCKS,
                                                .out = out,
                                                .out_stride = stride});
    for (size_t j = 0; j < ROWS * stride; j++) {
      double expected = (double)before[j];
      for (size_t k = 0; j % stride < columns && k < depth; k++) {
        expected += (double)in[k * ROWS + j / stride] * (double)w[k * stride + j % stride];
      }
      cr_assert_float_eq((double)out[j], expected, 2e-5, "%s, depth %zu", name, depth);
    }
    free(in);
    free(w);
    free(out);
    free(before);
  }
}

Test(cpu_train_kernels, products_are_added_to_what_is_there_and_to_nothing_beside_it) {
  each(check_outer);
}

static void check_sum(const bki_cpu_kernels *kernels, const char *name) {
  static const uint32_t index[] = {4, 0, 3};
  const size_t columns = 2 * 4 * kernels->width;
  const size_t stride = columns + SKEW;
  float *from = random_floats(1, 5 * stride, 1);
  float *out = random_floats(2, columns, 1);
  for (size_t n = 0; n <= 3; n++) {
    for (int plain = 0; plain < 2; plain++) {
      kernels->train_sum(&(bki_cpu_train_sum){
          .n_rows = n, .index = plain != 0 ? NULL : index, .from = from, .stride = stride, .blocks = 2, .out = out});
      for (size_t j = 0; j < columns; j++) {
        float expected = 0;
        for (size_t i = 0; i < n; i++) {
          expected += from[(plain != 0 ? i : index[i]) * stride + j];
        }
        cr_assert_eq(out[j], expected, "%s, %zu rows", name, n);
      }
    }
  }
  free(from);
  free(out);
}

Test(cpu_train_kernels, sums_of_rows_are_taken_in_their_order) {
  each(check_sum);
}
