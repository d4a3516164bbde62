/* Packing the parameters for the kernels. */
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "cpu.h"
#include "cpu_bf16.h"
#include "fail.h"

static size_t divide_up(size_t a, size_t b) {
  return (a + b - 1) / b;
}

float *bki_cpu_floats(size_t a, size_t b) {
  size_t count;
  float *floats = bki_size_mul(a, b, &count) ? bki_array_create_aligned(count, sizeof *floats) : NULL;
  if (floats != NULL) {
    memset(floats, 0, count * sizeof *floats);
  }
  return floats;
}

/* Column c of packed[block][k][c] is a row of weight [units or 4 units, depth]: with gates, gate c / W of unit
 * block W + c % W; else row 4 W block + c. Columns beyond the last unit are zero. */
static float *pack(const float *weight, size_t depth, size_t units, size_t blocks, size_t width, bool gates) {
  const size_t columns = BKI_CPU_GATES * width;
  float *packed = bki_cpu_floats(blocks * columns, depth);
  if (packed == NULL) {
    return NULL;
  }
  for (size_t block = 0; block < blocks; block++) {
    for (size_t c = 0; c < columns; c++) {
      const size_t unit = gates ? block * width + c % width : block * columns + c;
      if (unit >= units) {
        continue;
      }
      const float *from = weight + (gates ? c / width * units + unit : unit) * depth;
      float *to = packed + block * depth * columns + c;
      for (size_t k = 0; k < depth; k++) {
        to[k * columns] = from[k];
      }
    }
  }
  return packed;
}

static float *pack_bias(const bki_cpu *cpu, const bki_lstm_weights *from) {
  float *sum = bki_cpu_floats(BKI_CPU_GATES, cpu->hidden);
  if (sum == NULL) {
    return NULL;
  }
  for (size_t i = 0; i < BKI_CPU_GATES * cpu->hidden; i++) {
    sum[i] = from->b_ih[i] + from->b_hh[i];
  }
  float *packed = pack(sum, 1, cpu->hidden, cpu->blocks, cpu->kernels->width, true);
  free(sum);
  return packed;
}

static void *pack_recurrent(const bki_cpu *cpu, const float *w_hh, bki_precision precision) {
  if (precision == BKI_PRECISION_BF16 && cpu->kernels->pack_bf16 != NULL) {
    return cpu->kernels->pack_bf16(w_hh, cpu->hidden);
  }
  float *packed = pack(w_hh, cpu->hidden, cpu->hidden, cpu->blocks, cpu->kernels->width, true);
  if (packed != NULL && precision == BKI_PRECISION_BF16) {
    bki_cpu_round_bf16(packed, packed, cpu->x_size * cpu->hidden);
  }
  return packed;
}

static bki_status pack_layer(bki_cpu *cpu, bki_cpu_weights *to, const bki_lstm_weights *from, size_t depth,
                             bki_precision precision, bki_error *err) {
  to->w_ih = pack(from->w_ih, depth, cpu->hidden, cpu->blocks, cpu->kernels->width, true);
  to->bias = pack_bias(cpu, from);
  to->w_hh = pack_recurrent(cpu, from->w_hh, precision);
  return to->w_ih == NULL || to->bias == NULL || to->w_hh == NULL ? bki_fail_memory(err) : BKI_OK;
}

static bki_status pack_dense(const bki_cpu *cpu, bki_cpu_dense *to, const float *weight, const float *bias,
                             size_t depth, size_t units, bki_error *err) {
  const size_t width = cpu->kernels->width;
  to->depth = depth;
  to->blocks = divide_up(units, BKI_CPU_GATES * width);
  to->stride = to->blocks * BKI_CPU_GATES * width;
  to->weight = pack(weight, depth, units, to->blocks, width, false);
  to->bias = pack(bias, 1, units, to->blocks, width, false);
  return to->weight == NULL || to->bias == NULL ? bki_fail_memory(err) : BKI_OK;
}

bki_status bki_cpu_weights_init(bki_cpu *cpu, const bki_parameters *parameters, bki_precision precision,
                                bki_error *err) {
  const size_t width = cpu->kernels->width;
  const size_t n_layers = (size_t)cpu->model->num_layers;
  const size_t dense = (size_t)cpu->model->dense;
  cpu->hidden = (size_t)cpu->model->hidden;
  cpu->blocks = divide_up(cpu->hidden, width);
  cpu->stride = divide_up(cpu->blocks * width, 16) * 16;
  cpu->x_size = cpu->blocks * BKI_CPU_GATES * width;
  cpu->weights = bki_array_create(2 * n_layers, sizeof *cpu->weights);
  if (cpu->weights == NULL) {
    return bki_fail_memory(err);
  }
  for (size_t i = 0; i < 2 * n_layers; i++) {
    const size_t depth = i < 2 ? (size_t)cpu->model->embedding_dim : 2 * cpu->hidden;
    BKI_TRY(pack_layer(cpu, &cpu->weights[i], &parameters->lstm[i], depth, precision, err));
  }
  if (dense > 0) {
    BKI_TRY(
        pack_dense(cpu, &cpu->dense, parameters->dense_weight, parameters->dense_bias, 2 * cpu->hidden, dense, err));
  }
  return pack_dense(cpu, &cpu->output, parameters->output_weight, parameters->output_bias,
                    dense > 0 ? dense : 2 * cpu->hidden, (size_t)cpu->model->n_classes, err);
}

void bki_cpu_weights_clear(bki_cpu *cpu) {
  for (int32_t i = 0; cpu->weights != NULL && i < 2 * cpu->model->num_layers; i++) {
    free(cpu->weights[i].w_ih);
    free(cpu->weights[i].bias);
    free(cpu->weights[i].w_hh);
  }
  free(cpu->weights);
  free(cpu->dense.weight);
  free(cpu->dense.bias);
  free(cpu->output.weight);
  free(cpu->output.bias);
}
