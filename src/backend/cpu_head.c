/* From readouts to classes and distances. */
#include <math.h>

#include "argmax.h"
#include "cpu.h"

static void product(const bki_cpu *cpu, const bki_cpu_dense *dense, size_t n, const float *const *in, float *out) {
  cpu->kernels->product(&(bki_cpu_product){.n_rows = n,
                                           .in = in,
                                           .depth = dense->depth,
                                           .blocks = dense->blocks,
                                           .packed = dense->weight,
                                           .bias = dense->bias,
                                           .out = out,
                                           .out_stride = dense->stride});
}

static void activate(bki_activation activation, float *values, size_t n) {
  for (size_t i = 0; i < n && activation == BKI_ACTIVATION_RELU; i++) {
    values[i] = values[i] > 0 ? values[i] : 0;
  }
  for (size_t i = 0; i < n && activation == BKI_ACTIVATION_TANH; i++) {
    values[i] = tanhf(values[i]);
  }
}

void bki_cpu_head(const bki_cpu *cpu, size_t n, const float *const *readout, float *hidden, float *logits) {
  if (cpu->dense.blocks == 0) {
    product(cpu, &cpu->output, n, readout, logits);
    return;
  }
  for (size_t first = 0; first < n; first += BKI_CPU_HEAD_ROWS) {
    const size_t rows = n - first < BKI_CPU_HEAD_ROWS ? n - first : BKI_CPU_HEAD_ROWS;
    product(cpu, &cpu->dense, rows, readout + first, hidden);
    activate(cpu->model->dense_activation, hidden, rows * cpu->dense.stride);
    const float *in[BKI_CPU_HEAD_ROWS];
    for (size_t r = 0; r < rows; r++) {
      in[r] = hidden + r * cpu->dense.stride;
    }
    product(cpu, &cpu->output, rows, in, logits + first * cpu->output.stride);
  }
}

int32_t bki_cpu_argmax(const bki_cpu *cpu, const float *logits) {
  return (int32_t)bki_argmax(logits, (size_t)cpu->model->n_classes);
}

float bki_cpu_distance(const bki_cpu *cpu, const float *a, const float *b) {
  enum { LANES = 16 }; /* independent maxima, so that the compiler may use vectors */
  float largest[LANES] = {0};
  const size_t n = 2 * cpu->hidden;
  size_t k = 0;
  for (; k + LANES <= n; k += LANES) {
    for (size_t lane = 0; lane < LANES; lane++) {
      const float d = fabsf(a[k + lane] - b[k + lane]);
      largest[lane] = d > largest[lane] ? d : largest[lane];
    }
  }
  for (; k < n; k++) {
    largest[0] = fmaxf(largest[0], fabsf(a[k] - b[k]));
  }
  for (size_t lane = 1; lane < LANES; lane++) {
    largest[0] = fmaxf(largest[0], largest[lane]);
  }
  return largest[0];
}
