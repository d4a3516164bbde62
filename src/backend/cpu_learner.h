/* What the parts of the cpu learner share.
 *
 * Letters: E embedding, H hidden units, I inputs of a layer (E, deeper 2H), W vector width, H' = H rounded up to W,
 * X = 4 H' gates, I' = E or 2H', U distinct words of the batch, N steps of all its texts together. Units beyond H have
 * zero weights, so that their states and gradients are zero.
 *
 * Gates are interleaved, [H' / W][i f g o][W], and rows of the weights with them: a register tile of a product then
 * holds all that the cell needs.
 *
 * Texts are sorted by length and cut into chunks of up to BKI_LEARNER_ROWS rows. Step t of a chunk is a matrix of the
 * rows that have one, which are the first; the steps stand one behind the other ("packed"). The backward direction
 * reads each text from its end, so that both directions are the same computation. */
#ifndef BKI_BACKEND_CPU_LEARNER_H
#define BKI_BACKEND_CPU_LEARNER_H

#include "cpu.h"
#include "learner.h"

enum {
  BKI_LEARNER_ROWS = 32,        /* of a chunk */
  BKI_LEARNER_WORD_BLOCK = 256, /* words of an item of the pool */
  BKI_LEARNER_GATE_BLOCK = 128, /* gates of an item that sums gradients of weights; a multiple of 4 W */
  BKI_LEARNER_DEPTH = 64,       /* steps whose gates are in the cache still when they are multiplied */
  BKI_LEARNER_SKEW = 16,        /* floats between rows of gates: powers of two would meet in few cache sets */
};

/* Grows to the largest batch seen; not kept when it grows. 64-byte aligned. */
typedef struct bki_floats {
  float *at;
  size_t capacity;
} bki_floats;
bki_status bki_floats_reserve(bki_floats *floats, size_t rows, size_t columns, bki_error *err);

typedef struct bki_learner_chunk {
  size_t first;         /* sorted row of its first row */
  size_t n;             /* rows */
  size_t steps;         /* of the first, the longest */
  const size_t *offset; /* [steps + 1] where step t begins among all N */
} bki_learner_chunk;

typedef struct bki_learner_plan {
  size_t n;       /* texts */
  size_t n_steps; /* N */
  size_t n_words; /* U, among them the zero vector when the model pads with it */
  size_t n_chunks;
  uint32_t *row; /* [n] of the batch, sorted by steps, longest first */
  size_t *steps; /* [n] of the sorted rows */
  bki_learner_chunk *chunks;
  size_t *offsets;   /* of all chunks */
  uint32_t *word[2]; /* [N] a direction: which of the U words */
  uint32_t *use[2];  /* [N] a direction: the steps sorted by word, then by step */
  size_t *first_use; /* [U + 1] where a word's begin in `use` */
  int32_t *ids;      /* [U], -1: the zero vector */
  int32_t *slot;     /* [V + 1] of an id among the U, -1: none; the last is that of the zero vector */
  size_t rows_capacity;
  size_t steps_capacity;
  size_t chunks_capacity;
  size_t offsets_capacity;
  size_t word_capacity[2];
  size_t use_capacity[2];
  size_t first_use_capacity;
  size_t ids_capacity;
} bki_learner_plan;

/* One direction of one layer. */
typedef struct bki_learner_direction {
  const bki_lstm_weights *weights;
  size_t inputs;     /* I' */
  size_t part_rows;  /* H', deeper H' + I' */
  float *w_ih;       /* [X, I'], of this step's parameters, as are those below */
  float *bias;       /* [X] b_ih + b_hh */
  float *w_input;    /* W_ih packed for product: projected inputs */
  float *w_step;     /* W_hh packed for train_step */
  float *w_back;     /* W_hh packed for product: dh = dgates W_hh */
  float *d_bias;     /* [X] */
  float *d_words;    /* layer 0: [E, X] gradient of W_ih, transposed */
  bki_floats parts;  /* [chunks][part_rows, X] gradients of W_hh, deeper of W_ih too, transposed; the first: all */
  bki_floats table;  /* layer 0: [U, X] projected inputs; on the way back their gradients */
  bki_floats x;      /* deeper: [N, I'] inputs; on the way back their gradients */
  bki_floats gates;  /* [N, X] */
  bki_floats cell;   /* [N, H'] c_t */
  bki_floats hidden; /* [N, H'] h_{t-1} */
  bki_floats last;   /* [n, H'] h of the last step; rows without steps: zeros */
  bki_floats d_last; /* [n, H'] readout final: its gradient */
} bki_learner_direction;

typedef struct bki_learner_worker {
  float *dh; /* [BKI_LEARNER_ROWS, dh_stride] */
  float *dc; /* [BKI_LEARNER_ROWS, H'] */
} bki_learner_worker;

typedef struct bki_cpu_learner {
  bki_learner base;
  bki_learner_config config;
  const bki_model_config *model;
  const bki_cpu_kernels *kernels;
  size_t blocks;      /* H' / W */
  size_t width;       /* H' */
  size_t n_gates;     /* X */
  size_t stride;      /* of rows of X numbers */
  size_t back_blocks; /* of 4 W columns: H' rounded up */
  size_t dh_stride;   /* 4 W back_blocks */
  size_t n_layers;
  bki_parameters parameters;
  size_t first;   /* where what is trained begins in the block */
  size_t count;   /* how much it is */
  float *moments; /* [3, count] gradients, mean, variance */
  float *zeros;   /* [dh_stride] */
  double *norms;  /* a slice of the block each */
  bki_learner_plan plan;
  bki_learner_direction *directions; /* [2 n_layers] */
  bki_learner_worker *workers;
  bki_floats words;   /* [U, E] */
  bki_floats d_words; /* [U, E] */
  bki_floats y;       /* [N, 2H'] outputs of the last layer in order of the text, unless the readout is final */
  bki_floats dy;      /* [N, 2H'] their gradient, then that of the layers below */
  bki_floats head;    /* what cpu_learner_head.c keeps of a batch */
  bki_floats d_head;  /* [n, max(2H, D)] */
} bki_cpu_learner;

/* What a gradient of the parameter (of learner->parameters) is written to. */
static inline float *bki_learner_gradient(const bki_cpu_learner *l, const float *parameter) {
  return l->moments + ((size_t)(parameter - l->parameters.block) - l->first);
}
/* Where gate g of unit u stands among the X. */
static inline size_t bki_learner_gate(const bki_cpu_learner *l, size_t g, size_t u) {
  const size_t W = l->kernels->width;
  return u / W * BKI_CPU_GATES * W + g * W + u % W;
}
/* Where layer `k` puts its outputs, [N, 2H']; NULL: nobody reads them. */
float *bki_learner_outputs(const bki_cpu_learner *l, size_t layer);

/* cpu_learner_plan.c */
bki_status bki_learner_plan_init(bki_learner_plan *plan, const bki_model_config *model, bki_error *err);
void bki_learner_plan_clear(bki_learner_plan *plan);
bki_status bki_learner_plan_make(bki_learner_plan *plan, const bki_model_config *model, const bki_minibatch *batch,
                                 bki_error *err);

/* cpu_learner_pack.c: the weights of a direction as the kernels want them, and gradients as the block wants them. */
void bki_learner_pack(const bki_cpu_learner *l, bki_learner_direction *d);
void bki_learner_unpack(const bki_cpu_learner *l, const bki_learner_direction *d);

/* cpu_learner_forward.c: everything up to the states and outputs of the last layer. dropout NULL: none. */
typedef struct bki_learner_dropout {
  double share;
  uint64_t seed;
  uint64_t step;
} bki_learner_dropout;
void bki_learner_forward(bki_cpu_learner *l, const bki_learner_dropout *dropout);
/* Multiplies outputs [N, 2H'] of a layer by their mask, a chunk at a time. */
void bki_learner_mask(const bki_cpu_learner *l, const bki_learner_dropout *dropout, size_t layer,
                      const bki_learner_chunk *chunk, float *values);

/* cpu_learner_head.c: readout, head and loss; with `back` also the gradients of the head and of the readout, into
 * d_last or dy. */
bki_status bki_learner_head_reserve(bki_cpu_learner *l, bki_error *err);
void bki_learner_head(bki_cpu_learner *l, const bki_minibatch *batch, const bki_learner_dropout *dropout, bool back,
                      bki_batch_loss *out);

/* cpu_learner_backward.c: from d_last or dy to the gradients of all that lies below the head. */
void bki_learner_backward(bki_cpu_learner *l, const bki_learner_dropout *dropout);

/* cpu_learner_update.c */
size_t bki_learner_slices(size_t count);
void bki_learner_update(bki_cpu_learner *l, uint64_t step, double *norm);

#endif
