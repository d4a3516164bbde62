/* Backpropagation through time. A name dx is the gradient of the loss with respect to x. */
#include <math.h>
#include <string.h>

#include "ref_tape.h"

/* Of out = weight [rows, columns] . in + bias: adds to those of weight and bias, sets din. */
static void affine_backward(const double *weight, int32_t rows, int32_t columns, const double *in, const double *dout,
                            double *dweight, double *dbias, double *din) {
  const size_t n = (size_t)columns;
  memset(din, 0, n * sizeof *din);
  for (size_t r = 0; r < (size_t)rows; r++) {
    dbias[r] += dout[r];
    for (size_t j = 0; j < n; j++) {
      dweight[r * n + j] += dout[r] * in[j];
      din[j] += dout[r] * weight[r * n + j];
    }
  }
}

/* Of d = act(z), from the values of d. */
static double activate_backward(bki_activation activation, double d, double dd) {
  switch (activation) {
    case BKI_ACTIVATION_RELU: return d > 0 ? dd : 0;
    case BKI_ACTIVATION_TANH: return dd * (1 - d * d);
    case BKI_ACTIVATION_NONE: break;
  }
  return dd;
}

/* From the loss to the readout, before its dropout: tape->dr. */
static void head_backward(bki_ref_tape *tape, const bki_ref_numbers *p, const bki_ref_sample *sample,
                          bki_ref_numbers *g) {
  const bki_model_config *m = tape->model;
  for (int32_t c = 0; c < m->n_classes; c++) { /* dlogits = weight (softmax(logits) - onehot(label)) */
    tape->dlogits[c] = sample->weight * (tape->softmax[c] - (c == sample->label));
  }
  if (m->dense > 0) {
    affine_backward(p->output_weight, m->n_classes, m->dense, tape->dense, tape->dlogits, g->output_weight,
                    g->output_bias, tape->ddense);
    for (int32_t d = 0; d < m->dense; d++) {
      tape->ddense[d] = activate_backward(m->dense_activation, tape->dense[d], tape->ddense[d]);
    }
    affine_backward(p->dense_weight, m->dense, 2 * m->hidden, tape->r, tape->ddense, g->dense_weight, g->dense_bias,
                    tape->dr);
  } else {
    affine_backward(p->output_weight, m->n_classes, 2 * m->hidden, tape->r, tape->dlogits, g->output_weight,
                    g->output_bias, tape->dr);
  }
  for (size_t k = 0; k < 2 * (size_t)m->hidden; k++) {
    tape->dr[k] *= bki_ref_dropout(sample, m->num_layers, k);
  }
}

/* From the readout to the outputs y [n, 2H] of the last layer: tape->dy. */
static void read_out_backward(bki_ref_tape *tape, const double *y, int32_t n) {
  const bki_model_config *m = tape->model;
  const size_t units = 2 * (size_t)m->hidden;
  memset(tape->dy, 0, (size_t)n * units * sizeof *tape->dy);
  for (size_t k = 0; k < units; k++) {
    if (m->readout == BKI_READOUT_MEAN) {
      for (size_t t = 0; t < (size_t)n; t++) {
        tape->dy[t * units + k] = tape->dr[k] / n;
      }
    } else {
      const int32_t t = bki_ref_read_step(m->readout, (size_t)m->hidden, k, y, n);
      tape->dy[(size_t)t * units + k] = tape->dr[k];
    }
  }
}

/* One direction of a layer, as its forward pass left it. */
typedef struct direction {
  const bki_ref_lstm *w;
  bki_ref_lstm *g; /* gradients of w */
  size_t I, H;
  const double *x;     /* [n, I] */
  const double *y;     /* [n, 2H], this direction's half */
  const double *gates; /* [n, 4H] */
  const double *cells; /* [n, H] */
} direction;

/* Of a = W_ih x + b_ih + W_hh h + b_hh: adds to the gradients of the weights and to dx, sets dh. h is NULL for zeros.
 */
static void gates_backward(const direction *d, const double *x, const double *h, const double *da, double *dx,
                           double *dh) {
  memset(dh, 0, d->H * sizeof *dh);
  for (size_t r = 0; r < 4 * d->H; r++) {
    d->g->b_ih[r] += da[r];
    d->g->b_hh[r] += da[r];
    for (size_t j = 0; j < d->I; j++) {
      d->g->w_ih[r * d->I + j] += da[r] * x[j];  /* dW_ih += da x^T */
      dx[j] += da[r] * d->w->w_ih[r * d->I + j]; /* dx += W_ih^T da */
    }
    for (size_t j = 0; h != NULL && j < d->H; j++) {
      d->g->w_hh[r * d->H + j] += da[r] * h[j];  /* dW_hh += da h_{t-1}^T */
      dh[j] += da[r] * d->w->w_hh[r * d->H + j]; /* dh_{t-1} = W_hh^T da */
    }
  }
}

/* All steps of a direction, the last one first: adds to the gradients and to tape->dx. */
static void direction_backward(bki_ref_tape *tape, const direction *d, bool backward, int32_t n) {
  const size_t H = d->H;
  const double *dy = tape->dy + (backward ? H : 0);
  memset(tape->dh, 0, H * sizeof *tape->dh);
  memset(tape->dc, 0, H * sizeof *tape->dc);
  for (int32_t s = n - 1; s >= 0; s--) {
    const size_t t = (size_t)(backward ? n - 1 - s : s);
    const size_t before = backward ? t + 1 : t - 1; /* the step before; not read for s = 0 */
    const double *gates = d->gates + 4 * t * H;
    for (size_t k = 0; k < H; k++) {
      const double i = gates[k];
      const double f = gates[H + k];
      const double g = gates[2 * H + k];
      const double o = gates[3 * H + k];
      const double c_before = s > 0 ? d->cells[before * H + k] : 0;
      const double c = tanh(d->cells[t * H + k]);
      const double dh = dy[t * 2 * H + k] + tape->dh[k];    /* h_t feeds y_t and the next step */
      const double dc = tape->dc[k] + dh * o * (1 - c * c); /* h_t = o tanh(c_t) */
      tape->da[k] = dc * g * i * (1 - i);                   /* c_t = f c_{t-1} + i g, i = sigmoid(a_i) */
      tape->da[H + k] = dc * c_before * f * (1 - f);
      tape->da[2 * H + k] = dc * i * (1 - g * g); /* g = tanh(a_g) */
      tape->da[3 * H + k] = dh * c * o * (1 - o);
      tape->dc[k] = dc * f;
    }
    gates_backward(d, d->x + t * d->I, s > 0 ? d->y + before * 2 * H : NULL, tape->da, tape->dx + t * d->I, tape->dh);
  }
}

/* A layer: from tape->dy, of its outputs, to tape->dx, of its inputs. */
static void layer_backward(bki_ref_tape *tape, const bki_ref_numbers *p, int32_t i, int32_t n, bki_ref_numbers *g) {
  const bki_model_config *m = tape->model;
  const bki_ref_layer *layer = &tape->layers[i];
  const size_t I = (size_t)(i == 0 ? m->embedding_dim : 2 * m->hidden);
  const size_t H = (size_t)m->hidden;
  memset(tape->dx, 0, (size_t)n * I * sizeof *tape->dx);
  for (int32_t b = 0; b < 2; b++) {
    const direction d = {.w = &p->lstm[2 * i + b],
                         .g = &g->lstm[2 * i + b],
                         .I = I,
                         .H = H,
                         .x = layer->x,
                         .y = layer->y + (b == 1 ? H : 0),
                         .gates = layer->gates[b],
                         .cells = layer->cells[b]};
    direction_backward(tape, &d, b == 1, n);
  }
}

void bki_ref_tape_backward(bki_ref_tape *tape, const bki_ref_numbers *parameters, const bki_ref_sample *sample,
                           bool train_embedding, bki_ref_numbers *gradients) {
  const bki_model_config *m = tape->model;
  const int32_t n = bki_ref_steps(m, sample->text.length);
  head_backward(tape, parameters, sample, gradients);
  if (n == 0) {
    return; /* no output, and no memory for one where no text has a word */
  }
  read_out_backward(tape, tape->layers[m->num_layers - 1].y, n);
  for (int32_t i = m->num_layers - 1; i >= 0; i--) {
    layer_backward(tape, parameters, i, n, gradients);
    for (size_t u = 0; i > 0 && u < (size_t)n * 2 * (size_t)m->hidden; u++) { /* x_t = dropout(y_t below) */
      tape->dy[u] = tape->dx[u] * bki_ref_dropout(sample, i - 1, u);
    }
  }
  const size_t E = (size_t)m->embedding_dim;
  for (int32_t t = 0; train_embedding && t < n; t++) { /* x_t = embedding[id_t] */
    const int32_t row = bki_ref_row(m, &sample->text, t);
    for (size_t j = 0; row >= 0 && j < E; j++) {
      gradients->embedding[(size_t)row * E + j] += tape->dx[(size_t)t * E + j];
    }
  }
}
