/* Each instruction set's kernels against the equations in double precision, on odd shapes. Those that this machine
 * lacks are passed over with a message; the AMX kernel runs on emulated tiles everywhere. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define BKI_CPU_AMX_EMULATED
#include "cpu_amx.c"

#include "cpu.h"
#include "fail.h"

typedef struct table {
  const char *name;
  const bki_cpu_kernels *kernels;
} table;

enum { N_TABLES = 5 };

/* Tables that can run; the others are NULL. */
static void find_tables(table tables[N_TABLES]) {
  static const bki_isa isas[] = {BKI_ISA_PORTABLE, BKI_ISA_AVX2, BKI_ISA_AVX512, BKI_ISA_AVX512BF16};
  for (size_t i = 0; i < N_TABLES - 1; i++) {
    tables[i] = (table){bki_isa_name(isas[i]), NULL};
    const char *name;
    if (bki_cpu_choose(&tables[i].kernels, &name, isas[i], BKI_PRECISION_BF16, NULL) != BKI_OK) {
      fprintf(stderr, "skipped: this machine has no %s\n", bki_isa_name(isas[i]));
    }
  }
  tables[N_TABLES - 1] = (table){"amx (emulated)", &emulated_amx};
}

static uint64_t state;

/* In +-bound. */
static float uniform(float bound) {
  state = state * 6364136223846793005U + 1442695040888963407U;
  return bound * ((float)(state >> 40) / (float)(1 << 23) - 1.0F);
}

static float *random_floats(size_t n, float bound) {
  float *values = bki_cpu_floats(1, n);
  for (size_t i = 0; i < n; i++) {
    values[i] = uniform(bound);
  }
  return values;
}

static float bf16(float value) {
  bki_cpu_round_bf16(&value, &value, 1);
  return value;
}

/* A step of R rows of H units and what it has to give. */
typedef struct problem {
  size_t hidden;
  size_t rows;
  float *w;      /* [4H, H] */
  float *x;      /* [R, 4H] */
  float *h;      /* [R, H] */
  float *c;      /* [R, H] */
  double *h_out; /* [R, H] */
  double *c_out; /* [R, H] */
} problem;

static double sigmoid(double z) {
  return 1 / (1 + exp(-z));
}

static void solve(problem *p, bool rounded) {
  const size_t H = p->hidden;
  for (size_t r = 0; r < p->rows; r++) {
    for (size_t u = 0; u < H; u++) {
      double z[4];
      for (size_t g = 0; g < 4; g++) {
        z[g] = (double)p->x[r * 4 * H + g * H + u];
        for (size_t k = 0; k < H; k++) {
          const float w = p->w[(g * H + u) * H + k];
          const float h = p->h[r * H + k];
          z[g] += (double)(rounded ? bf16(w) : w) * (double)(rounded ? bf16(h) : h);
        }
      }
      const double c = sigmoid(z[1]) * (double)p->c[r * H + u] + sigmoid(z[0]) * tanh(z[2]);
      p->c_out[r * H + u] = c;
      p->h_out[r * H + u] = sigmoid(z[3]) * tanh(c);
    }
  }
}

static problem make_problem(size_t hidden, size_t rows, float gate_bound) {
  state = hidden * 1000 + rows;
  problem p = {.hidden = hidden, .rows = rows};
  p.w = random_floats(4 * hidden * hidden, 1 / sqrtf((float)hidden));
  p.x = random_floats(rows * 4 * hidden, gate_bound);
  p.h = random_floats(rows * hidden, 1);
  p.c = random_floats(rows * hidden, 3);
  p.h_out = calloc(rows * hidden, sizeof *p.h_out);
  p.c_out = calloc(rows * hidden, sizeof *p.c_out);
  return p;
}

static void clear_problem(problem *p) {
  free(p->w);
  free(p->x);
  free(p->h);
  free(p->c);
  free(p->h_out);
  free(p->c_out);
}

/* packed[block][k][gate][lane], as cpu_kernels.h says. */
static float *pack_gates(const float *from, size_t hidden, size_t depth, size_t width, bool rounded) {
  const size_t blocks = (hidden + width - 1) / width;
  float *packed = bki_cpu_floats(blocks * 4 * width, depth);
  for (size_t i = 0; i < 4 * hidden; i++) {
    const size_t unit = i % hidden;
    for (size_t k = 0; k < depth; k++) {
      const float w = from[i * depth + k];
      packed[(((unit / width) * depth + k) * 4 + i / hidden) * width + unit % width] = rounded ? bf16(w) : w;
    }
  }
  return packed;
}

/* Runs rows first .. first + n of the problem, in matrices whose rows stand in reverse with others between. */
static void run_step(const bki_cpu_kernels *kernels, const problem *p, size_t first, size_t n, bool rounded, float *h,
                     float *c) {
  const size_t H = p->hidden;
  const size_t blocks = (H + kernels->width - 1) / kernels->width;
  const size_t stride = (blocks * kernels->width + 15) / 16 * 16 + 16;
  float *h_in = bki_cpu_floats(2 * n + 1, stride);
  float *h_out = bki_cpu_floats(2 * n + 1, stride);
  float *cells = bki_cpu_floats(2 * n + 1, stride);
  float *scratch = bki_cpu_floats(BKI_CPU_SCRATCH_ROWS(n), stride);
  uint32_t *row = calloc(n, sizeof *row);
  const float **x = calloc(n, sizeof *x);
  for (size_t i = 0; i < n; i++) {
    const size_t r = first + i;
    row[i] = (uint32_t)(2 * (n - i));
    x[i] = pack_gates(p->x + r * 4 * H, H, 1, kernels->width, false);
    memcpy(h_in + row[i] * stride, p->h + r * H, H * sizeof *h_in);
    memcpy(cells + row[i] * stride, p->c + r * H, H * sizeof *cells);
  }
  void *packed = rounded && kernels->pack_bf16 != NULL ? kernels->pack_bf16(p->w, H)
                                                       : pack_gates(p->w, H, H, kernels->width, rounded);
  const bki_cpu_step job = {.n_rows = n,
                            .row = row,
                            .x = x,
                            .hidden = H,
                            .blocks = blocks,
                            .stride = stride,
                            .h_in = h_in,
                            .h_out = h_out,
                            .c = cells,
                            .packed = packed,
                            .scratch = scratch};
  (rounded ? kernels->step_bf16 : kernels->step)(&job);
  for (size_t i = 0; i < n; i++) {
    memcpy(h + i * H, h_out + row[i] * stride, H * sizeof *h);
    memcpy(c + i * H, cells + row[i] * stride, H * sizeof *c);
    for (size_t u = H; u < blocks * kernels->width; u++) {
      cr_assert(h_out[row[i] * stride + u] == 0, "H %zu: unit %zu beyond the last is %g", H, u,
                (double)h_out[row[i] * stride + u]);
    }
    cr_assert(h_out[(row[i] - 1) * stride] == 0, "wrote to a row that has no step");
    free((void *)(uintptr_t)x[i]);
  }
  free(packed);
  free(x);
  free(row);
  free(scratch);
  free(cells);
  free(h_out);
  free(h_in);
}

/* u = 2^-24. A gate is a sum of H + 1 terms within +-1, rounded at each: below (H + 1) u |sum| and, for random terms,
 * about sqrt(H) u; its derivatives are at most 1/4 and 1. sigmoid and tanh add about 4 u each, the cell another 4 u of
 * its size (3). */
static double limit(const problem *p, double cell) {
  return 0x1p-24 * (16 + 4 * sqrt((double)p->hidden) + 8 * fabs(cell));
}

static void check_step(const table *t, const problem *p, bool rounded) {
  const size_t n = p->rows * p->hidden;
  float *h = calloc(n, sizeof *h);
  float *c = calloc(n, sizeof *c);
  run_step(t->kernels, p, 0, p->rows, rounded, h, c);
  for (size_t i = 0; i < n; i++) {
    cr_assert(fabs((double)c[i] - p->c_out[i]) <= limit(p, p->c_out[i]) &&
                  fabs((double)h[i] - p->h_out[i]) <= limit(p, p->c_out[i]),
              "%s%s H %zu R %zu: row %zu, unit %zu: h %.9g for %.9g, c %.9g for %.9g", t->name, rounded ? " bf16" : "",
              p->hidden, p->rows, i / p->hidden, i % p->hidden, (double)h[i], p->h_out[i], (double)c[i], p->c_out[i]);
  }
  for (size_t r = 0; r < p->rows; r++) { /* the same bits alone */
    float h_alone[256];
    float c_alone[256];
    run_step(t->kernels, p, r, 1, rounded, h_alone, c_alone);
    cr_assert(memcmp(h_alone, h + r * p->hidden, p->hidden * sizeof *h) == 0 &&
                  memcmp(c_alone, c + r * p->hidden, p->hidden * sizeof *c) == 0,
              "%s%s H %zu R %zu: row %zu differs from its result alone", t->name, rounded ? " bf16" : "", p->hidden,
              p->rows, r);
  }
  free(c);
  free(h);
}

static void check_steps(bool rounded) {
  static const size_t hidden[] = {1, 3, 4, 8, 15, 17, 32, 33, 100, 130};
  static const size_t rows[] = {1, 2, 3, 4, 5, 7, 11, 13, 16, 25, 26};
  table tables[N_TABLES];
  find_tables(tables);
  for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++) {
    for (size_t j = 0; j < sizeof rows / sizeof rows[0]; j++) {
      problem p = make_problem(hidden[i], rows[j], 3);
      solve(&p, rounded);
      for (size_t k = 0; k < N_TABLES; k++) {
        if (tables[k].kernels != NULL) {
          check_step(&tables[k], &p, rounded);
        }
      }
      clear_problem(&p);
    }
  }
}

Test(cpu_kernels, step_gives_the_equations) {
  check_steps(false);
}

Test(cpu_kernels, step_bf16_rounds_weights_and_states_only) {
  check_steps(true);
}

Test(cpu_kernels, step_takes_more_rows_than_a_chunk) {
  table tables[N_TABLES];
  find_tables(tables);
  problem p = make_problem(5, 500, 3);
  for (int rounded = 0; rounded < 2; rounded++) {
    solve(&p, rounded != 0);
    for (size_t k = 0; k < N_TABLES; k++) {
      if (tables[k].kernels != NULL) {
        check_step(&tables[k], &p, rounded != 0);
      }
    }
  }
  clear_problem(&p);
}

/* Saturated gates: nothing overflows, the limits are reached. */
Test(cpu_kernels, step_saturates) {
  table tables[N_TABLES];
  find_tables(tables);
  static const float bounds[] = {30, 100, 1e4F, 1e30F};
  for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
    problem p = make_problem(17, 9, bounds[i]);
    solve(&p, false);
    for (size_t k = 0; k < N_TABLES; k++) {
      if (tables[k].kernels != NULL) {
        check_step(&tables[k], &p, false);
      }
    }
    clear_problem(&p);
  }
}

/* u per term: sums of K + 1 terms. */
Test(cpu_kernels, product_gives_the_sum) {
  static const size_t depths[] = {1, 5, 100, 257};
  static const size_t rows[] = {1, 2, 3, 6, 13, 400};
  table tables[N_TABLES];
  find_tables(tables);
  for (size_t i = 0; i < 4 * 6 * N_TABLES; i++) {
    const bki_cpu_kernels *kernels = tables[i % N_TABLES].kernels;
    const size_t K = depths[i / N_TABLES % 4];
    const size_t R = rows[i / N_TABLES / 4];
    if (kernels == NULL) {
      continue;
    }
    const size_t blocks = 2;
    const size_t columns = 4 * kernels->width;
    float *packed = random_floats(blocks * columns * K, 1);
    float *bias = random_floats(blocks * columns, 1);
    float *rows_in = random_floats(R * K, 1);
    float *out = bki_cpu_floats(R, blocks * columns);
    const float **in = calloc(R, sizeof *in);
    for (size_t r = 0; r < R; r++) {
      in[r] = rows_in + r * K;
    }
    kernels->product(&(bki_cpu_product){.n_rows = R,
                                        .in = in,
                                        .depth = K,
                                        .blocks = blocks,
                                        .packed = packed,
                                        .bias = bias,
                                        .out = out,
                                        .out_stride = blocks * columns});
    for (size_t at = 0; at < R * blocks * columns; at++) {
      const size_t column = at % (blocks * columns);
      double sum = (double)bias[column];
      for (size_t k = 0; k < K; k++) {
        const float w = packed[((column / columns) * K + k) * columns + column % columns];
        sum += (double)w * (double)in[at / (blocks * columns)][k];
      }
      cr_assert(fabs((double)out[at] - sum) <= 0x1p-24 * (double)(K + 1) * (1 + sqrt((double)K)), "%s: %g for %g",
                tables[i % N_TABLES].name, (double)out[at], sum);
    }
    free(in);
    free(out);
    free(rows_in);
    free(bias);
    free(packed);
  }
}

Test(cpu_kernels, bf16_rounds_to_nearest_even) {
  cr_assert_eq(bki_cpu_to_bf16(1.0F), 0x3F80);
  cr_assert_eq(bki_cpu_to_bf16(-2.5F), 0xC020);
  cr_assert_eq(bki_cpu_to_bf16(0x1.01p0F), 0x3F80, "half way, even below");
  cr_assert_eq(bki_cpu_to_bf16(0x1.03p0F), 0x3F82, "half way, even above");
  cr_assert_eq(bki_cpu_to_bf16(0x1.010002p0F), 0x3F81);
  cr_assert_eq(bki_cpu_to_bf16(0.0F), 0);
}

Test(cpu_kernels, units_for_bf16_are_for_nothing_else) {
  const bki_cpu_kernels *kernels;
  const char *name;
  bki_error err;
  cr_assert_eq(bki_cpu_choose(&kernels, &name, BKI_ISA_AMX, BKI_PRECISION_FP32, &err), BKI_E_USAGE);
  cr_assert_str_eq(err.message, "isa amx computes in bf16 only: ask for precision bf16, or another isa");
  cr_assert_eq(bki_cpu_choose(&kernels, &name, BKI_ISA_AVX512BF16, BKI_PRECISION_FP32, &err), BKI_E_USAGE);
  cr_assert_str_eq(err.message, "isa avx512bf16 computes in bf16 only: ask for precision bf16, or another isa");
}

Test(cpu_kernels, bf16_goes_to_the_units_that_this_cpu_has) {
  const bki_cpu_kernels *kernels;
  const char *best;
  const char *name;
  cr_assert_eq(bki_cpu_choose(&kernels, &best, BKI_ISA_AUTO, BKI_PRECISION_BF16, NULL), BKI_OK);
  static const bki_isa isas[] = {BKI_ISA_AMX, BKI_ISA_AVX512BF16};
  for (size_t i = 0; i < 2; i++) {
    if (bki_cpu_choose(&kernels, &name, isas[i], BKI_PRECISION_BF16, NULL) == BKI_OK) {
      cr_assert_str_eq(best, name);
      return;
    }
  }
  cr_assert(strstr(best, "(bf16 emulated)") != NULL, "%s", best);
}
