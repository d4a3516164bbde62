/* Parameters of a direction into the layouts of the kernels, and gradients back. */
#include "cpu_learner.h"

/* Column of an input among the I': deeper layers read two halves of H', the block has two of H. */
static size_t input_column(const bki_cpu_learner *l, const bki_learner_direction *d, size_t k) {
  const size_t H = (size_t)l->model->hidden;
  return d < l->directions + 2 || k < H ? k : l->width + k - H;
}

static size_t n_inputs(const bki_cpu_learner *l, const bki_learner_direction *d) {
  return d < l->directions + 2 ? (size_t)l->model->embedding_dim : 2 * (size_t)l->model->hidden;
}

void bki_learner_pack(const bki_cpu_learner *l, bki_learner_direction *d) {
  const size_t H = (size_t)l->model->hidden;
  const size_t I = n_inputs(l, d);
  const size_t columns = BKI_CPU_GATES * l->kernels->width; /* of a block */
  for (size_t g = 0; g < BKI_CPU_GATES; g++) {
    for (size_t u = 0; u < H; u++) {
      const size_t from = g * H + u;
      const size_t to = bki_learner_gate(l, g, u);
      d->bias[to] = d->weights->b_ih[from] + d->weights->b_hh[from];
      float *input = d->w_input + to / columns * d->inputs * columns + to % columns;
      for (size_t k = 0; k < I; k++) {
        const float weight = d->weights->w_ih[from * I + k];
        d->w_ih[to * d->inputs + input_column(l, d, k)] = weight;
        input[input_column(l, d, k) * columns] = weight;
      }
      const float *row = d->weights->w_hh + from * H;
      float *step = d->w_step + to / columns * l->width * columns + to % columns;
      for (size_t k = 0; k < H; k++) {
        step[k * columns] = row[k];
        d->w_back[(k / columns * l->n_gates + to) * columns + k % columns] = row[k];
      }
    }
  }
}

void bki_learner_unpack(const bki_cpu_learner *l, const bki_learner_direction *d) {
  const size_t H = (size_t)l->model->hidden;
  const size_t I = n_inputs(l, d);
  float *w_ih = bki_learner_gradient(l, d->weights->w_ih);
  float *w_hh = bki_learner_gradient(l, d->weights->w_hh);
  float *b_ih = bki_learner_gradient(l, d->weights->b_ih);
  float *b_hh = bki_learner_gradient(l, d->weights->b_hh);
  const float *d_w_ih = d < l->directions + 2 ? d->d_words : d->parts.at + l->width * l->stride;
  for (size_t g = 0; g < BKI_CPU_GATES; g++) {
    for (size_t u = 0; u < H; u++) {
      const size_t to = g * H + u;
      const size_t from = bki_learner_gate(l, g, u);
      b_ih[to] = d->d_bias[from];
      b_hh[to] = d->d_bias[from];
      for (size_t k = 0; k < I; k++) {
        w_ih[to * I + k] = d_w_ih[input_column(l, d, k) * l->stride + from];
      }
      for (size_t k = 0; k < H; k++) {
        w_hh[to * H + k] = d->parts.at[k * l->stride + from];
      }
    }
  }
}
