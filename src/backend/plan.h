/* What has to be run to score a text incrementally, in one direction.
 *
 * Time t counts the words of the text in reading order (backwards in the backward direction), then the trailing pads;
 * at time 0 nothing but leading pads has been read. A row is a run: it takes over a state at its fork time, and steps
 * through the times first .. end. All rows at work at one time read the same word, or a pad.
 *
 * With l words u_1 .. u_l in reading order: the base row reads them all. The variant without u_k takes over the state
 * before u_k and reads on from u_{k+1}. With padding before the words (in reading order), variants have one leading pad
 * more than the text and therefore fork from a second base row that began one pad later. */
#ifndef BKI_BACKEND_PLAN_H
#define BKI_BACKEND_PLAN_H

#include <bki/model.h>
#include <bki/scorer.h>

#include "backend.h"

/* Sources below zero: the state after k pads from the initial one. */
#define BKI_PLAN_AFTER_PADS(k) (-1 - (k))

typedef struct bki_plan_row {
  int32_t fork;      /* time at which it takes over the state of `source`, before the step to the next time */
  int32_t source;    /* an earlier row of the plan, or BKI_PLAN_AFTER_PADS */
  int32_t first;     /* fork + 1, or fork + 2: one word is left out */
  int32_t end;       /* below `first`: no step */
  int32_t words_end; /* it reads pads after this time */
  int32_t n_steps;   /* of the whole run, shared ones and pads included: T, or its words */
  int32_t slot;      /* readout: 0 the text, k the text without word k = 1 .. l, l+1+j the first j = 0 .. l-1 words */
  uint32_t text;     /* of the batch */
} bki_plan_row;

enum { BKI_PLAN_NO_SLOT = -1 };

typedef enum bki_extent {
  BKI_EXTENT_WHOLE,    /* slot 0 */
  BKI_EXTENT_VARIANTS, /* slots 0 .. l */
  BKI_EXTENT_PREFIXES, /* slots 0 .. 2l */
} bki_extent;

/* Upper limit of the rows of a text, and the number of its slots. */
size_t bki_plan_rows(bki_extent extent, int32_t length);
size_t bki_plan_slots(bki_extent extent, int32_t length);

/* Adds the rows of a text to rows[*n_rows], sources before the rows that take over from them. direction: 0 forward,
 * 1 backward. */
void bki_plan_text(bki_plan_row *rows, size_t *n_rows, const bki_model_config *model, int direction, bki_extent extent,
                   uint32_t text, int32_t length);
/* As BKI_EXTENT_VARIANTS, with the picked words alone: slot 1 + i is the text without picks->position[i]. Rows and
 * slots are those of VARIANTS for a text of picks->n words. */
void bki_plan_picks(bki_plan_row *rows, size_t *n_rows, const bki_model_config *model, int direction,
                    const bki_picks *picks, uint32_t text, int32_t length);

/* order [n]: the numbers of the sequences, longest first, those of one length in their order. */
void bki_plan_order(size_t *order, const bki_sequence *sequences, size_t n);

#endif
