/* What the forward pass of a text leaves for the backward one, in double precision. Letters: those of ref_forward.h;
 * L layers. */
#ifndef BKI_BACKEND_REF_TAPE_H
#define BKI_BACKEND_REF_TAPE_H

#include "ref_forward.h"

typedef struct bki_ref_layer {
  double *x;        /* [T, I] inputs, after dropout */
  double *y;        /* [T, 2H] outputs, before dropout */
  double *gates[2]; /* [T, 4H] i, f, g, o, forward and backward */
  double *cells[2]; /* [T, H] c */
} bki_ref_layer;

typedef struct bki_ref_tape {
  const bki_model_config *model; /* borrowed */
  size_t max_steps;              /* T that there is room for */
  bki_ref_layer *layers;         /* [L] */
  double *dx;                    /* [T, W] gradients of a layer's inputs, W = max(E, 2H) */
  double *dy;                    /* [T, W] of its outputs */
  double *units;                 /* owned: the short arrays below */
  double *r;                     /* [2H] readout, after dropout */
  double *dr;                    /* [2H] */
  double *dense;                 /* [D] activations */
  double *ddense;                /* [D] */
  double *logits;                /* [C] */
  double *softmax;               /* [C] */
  double *dlogits;               /* [C] */
  double *cell;                  /* [H] scratch */
  double *dh;                    /* [H] gradient of h_t that comes from the step after */
  double *dc;                    /* [H] of c_t */
  double *da;                    /* [4H] of what goes into the gates */
} bki_ref_tape;

/* A text of a batch and its dropout; `dropout` is 0 where the model is used and not trained. */
typedef struct bki_ref_sample {
  bki_sequence text;
  int32_t label;
  double weight; /* of its loss in the batch: 1/n for the mean */
  double dropout;
  uint64_t seed;
  uint64_t step;
  uint32_t row;
} bki_ref_sample;

/* No room yet. The caller clears it, after a failure too. */
bki_status bki_ref_tape_init(bki_ref_tape *tape, const bki_model_config *model, bki_error *err);
void bki_ref_tape_clear(bki_ref_tape *tape);
/* Room for texts of T steps. */
bki_status bki_ref_tape_reserve(bki_ref_tape *tape, size_t steps, bki_error *err);

/* Unit `unit` of the output at `site` is multiplied by this: 0 or 1 / (1 - dropout); see bki_dropout_keeps. */
double bki_ref_dropout(const bki_ref_sample *sample, int32_t site, size_t unit);

/* The cross-entropy of a text. *predicted is the class of the largest logit, the lowest of equal ones. */
double bki_ref_tape_forward(bki_ref_tape *tape, const bki_ref_numbers *parameters, const bki_ref_sample *sample,
                            int32_t *predicted);

/* After the forward pass of the same text: adds the gradient of weight * cross-entropy to `gradients`. Without
 * `train_embedding` those of the embedding stay. */
void bki_ref_tape_backward(bki_ref_tape *tape, const bki_ref_numbers *parameters, const bki_ref_sample *sample,
                           bool train_embedding, bki_ref_numbers *gradients);

#endif
