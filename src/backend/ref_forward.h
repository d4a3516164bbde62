/* The forward pass in double precision, one text at a time, as plain loops: what scoring and training of `ref` share.
 *
 * Letters: T steps of a text, E embedding, H hidden a direction, I inputs of a layer (E, deeper 2H), D dense, C
 * classes. An output y_t is [forward state after step t ; backward state after step t], 2H numbers. */
#ifndef BKI_BACKEND_REF_FORWARD_H
#define BKI_BACKEND_REF_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bki/scorer.h>

#include "parameters.h"

/* bki_lstm_weights and bki_parameters in double precision, laid out alike: parameters or their gradients. */
typedef struct bki_ref_lstm {
  double *w_ih; /* [4H, I] */
  double *w_hh; /* [4H, H] */
  double *b_ih; /* [4H] */
  double *b_hh; /* [4H] */
} bki_ref_lstm;

typedef struct bki_ref_numbers {
  double *block; /* [count], owned: everything below points into it */
  size_t count;
  double *embedding;     /* [V, E] */
  bki_ref_lstm *lstm;    /* [num_layers * 2], owned */
  double *dense_weight;  /* [D, 2H]; NULL when D is 0 */
  double *dense_bias;    /* [D]; NULL when D is 0 */
  double *output_weight; /* [C, D], or [C, 2H] when D is 0 */
  double *output_bias;   /* [C] */
} bki_ref_numbers;

/* A copy of `from`. The caller clears it, after a failure too. */
bki_status bki_ref_numbers_init(bki_ref_numbers *numbers, const bki_model_config *model, const bki_parameters *from,
                                bki_error *err);
void bki_ref_numbers_clear(bki_ref_numbers *numbers);

/* The steps T that a text of `length` words has, pads included. */
int32_t bki_ref_steps(const bki_model_config *model, int32_t length);
/* The row of the embedding that step t reads; -1: a vector of zeros. */
int32_t bki_ref_row(const bki_model_config *model, const bki_sequence *text, int32_t t);
/* x_t of all steps into x [T, E]. */
void bki_ref_embed(const bki_model_config *model, const double *embedding, const bki_sequence *text, double *x);

/* One direction of one layer over n steps of x [n, I] into its half of y [n, 2H]. cell [H] is scratch. With `gates` and
 * `cells` (or NULL) i, f, g, o [n, 4H] and c [n, H] of each step are kept, row t for step t. */
void bki_ref_direction(const bki_ref_lstm *w, int32_t inputs, int32_t hidden, bool backward, const double *x, int32_t n,
                       double *cell, double *y, double *gates, double *cells);

/* The step whose output the readout takes for unit k, of y [n, 2H], n > 0; not for the mean. */
int32_t bki_ref_read_step(bki_readout readout, size_t H, size_t k, const double *y, int32_t n);
/* r [2H] of the outputs y [n, 2H]; zeros when there is no step. */
void bki_ref_read_out(bki_readout readout, size_t H, const double *y, int32_t n, double *r);

/* The head: logits [C] of a readout r [2H]. The activations of the dense layer are left in dense [D]. Returns the
 * argmax of the logits, the lowest of equal ones. */
int32_t bki_ref_head(const bki_model_config *model, const bki_ref_numbers *parameters, const double *r, double *dense,
                     double *logits);

#endif
