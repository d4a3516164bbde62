/* The numbers of a model: one block of floats and a table of where things stand in it. */
#ifndef BKI_MODEL_PARAMETERS_H
#define BKI_MODEL_PARAMETERS_H

#include <stddef.h>

#include <bki/model.h>

/* One direction of one layer; I is E for layer 0, else 2H. Gate order i, f, g, o. */
typedef struct bki_lstm_weights {
  float *w_ih; /* [4H, I] */
  float *w_hh; /* [4H, H] */
  float *b_ih; /* [4H] */
  float *b_hh; /* [4H] */
} bki_lstm_weights;

typedef struct bki_parameters {
  float *block; /* [count], owned: everything below points into it */
  size_t count;
  float *embedding;       /* [V, E] */
  bki_lstm_weights *lstm; /* [num_layers * 2], owned: layer by layer, forward then backward */
  float *dense_weight;    /* [D, 2H]; NULL when D is 0 */
  float *dense_bias;      /* [D]; NULL when D is 0 */
  float *output_weight;   /* [C, D], or [C, 2H] when D is 0 */
  float *output_bias;     /* [C] */
} bki_parameters;

/* Borrowed; lives as long as the model. */
const bki_parameters *bki_model_parameters(const bki_model *model);

/* A model with the given settings (copied), all parameters zero, no words and no self-test: for the trainer and for
 * tests; its vocabulary is NULL and its fingerprint is empty. The parameters may be written through *parameters (may be
 * NULL) until the model is used. Errors: BKI_E_DATA: settings out of range; BKI_E_INTERNAL. */
bki_status bki_model_create(bki_model **out, const bki_model_config *config, const bki_parameters **parameters,
                            bki_error *err);

#endif
