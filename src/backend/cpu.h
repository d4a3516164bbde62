/* What the parts of the cpu backend share. Letters: E embedding, H hidden units, C classes, V vocabulary, R rows,
 * W vector width; X = 4 W blocks numbers are a projected input [blocks][4][W]. */
#ifndef BKI_BACKEND_CPU_H
#define BKI_BACKEND_CPU_H

#include "backend.h"
#include "cpu_kernels.h"

/* One direction of one layer, packed for the kernels. */
typedef struct bki_cpu_weights {
  float *w_ih; /* gates, K = E or 2H */
  float *bias; /* [X] b_ih + b_hh */
  void *w_hh;  /* gates, K = H, as the step of the precision wants them */
} bki_cpu_weights;

/* A product of the head, packed by columns. */
typedef struct bki_cpu_dense {
  float *weight;
  float *bias;
  size_t depth;
  size_t blocks; /* 0: the model does not have it */
  size_t stride; /* 4 W blocks: of its output rows */
} bki_cpu_dense;

/* Projected inputs W_ih x + b_ih + b_hh of the first layer, one a word and direction: filled as words turn up. */
typedef struct bki_cpu_words {
  int32_t *slot; /* [V], -1: not here */
  int32_t *ids;  /* [V] of the slots */
  float *table;  /* [capacity, 2, X] */
  size_t n;
  size_t capacity;
  float *pad; /* [2, X]; NULL without padding */
} bki_cpu_words;

typedef struct bki_cpu {
  bki_backend base;
  const bki_model_config *model; /* borrowed */
  const float *embedding;        /* [V, E], borrowed */
  const bki_cpu_kernels *kernels;
  void (*step)(const bki_cpu_step *job); /* of the precision */
  size_t hidden;                         /* H */
  size_t blocks;                         /* of W units: H / W, rounded up */
  size_t stride;                         /* of state matrices: W blocks rounded up to 16 */
  size_t x_size;                         /* X */
  bki_cpu_weights *weights;              /* [2 num_layers]: forward, backward of each */
  bki_cpu_dense dense;                   /* K = 2H */
  bki_cpu_dense output;                  /* K = D, or 2H without a dense layer */
  bki_cpu_words words;
  bki_pool *pool; /* borrowed */
  bool increments;
  struct bki_cpu_incremental *incremental; /* engine incremental, else NULL */
  struct bki_cpu_full *full;               /* engine full, else NULL */
} bki_cpu;

/* Zeroed floats, 64-byte aligned; NULL when out of memory. */
float *bki_cpu_floats(size_t a, size_t b);

/* cpu_weights.c: `kernels`, `model` and `embedding` are set; the rest follows. On failure too it is for clear. */
bki_status bki_cpu_weights_init(bki_cpu *cpu, const bki_parameters *parameters, bki_precision precision,
                                bki_error *err);
void bki_cpu_weights_clear(bki_cpu *cpu);

/* cpu_words.c. Prepare projects the words of the sequences that are not in the table yet; the inputs below hold until
 * the next prepare. Not for two threads at a time. */
bki_status bki_cpu_words_init(bki_cpu *cpu, bki_error *err);
void bki_cpu_words_clear(bki_cpu *cpu);
bki_status bki_cpu_words_prepare(bki_cpu *cpu, const bki_sequence *sequences, size_t n, bki_error *err);
static inline const float *bki_cpu_word_input(const bki_cpu *cpu, size_t direction, int32_t id) {
  return cpu->words.table + ((size_t)cpu->words.slot[id] * 2 + direction) * cpu->x_size;
}
static inline const float *bki_cpu_pad_input(const bki_cpu *cpu, size_t direction) {
  return cpu->words.pad + direction * cpu->x_size;
}

/* cpu_head.c: logits of n readouts [2H] into rows of output.stride; hidden holds BKI_CPU_HEAD_ROWS rows of
 * dense.stride. Both 64-byte aligned. */
enum { BKI_CPU_HEAD_ROWS = 64 };
void bki_cpu_head(const bki_cpu *cpu, size_t n, const float *const *readout, float *hidden, float *logits);
/* The lowest of the largest of [C]. */
int32_t bki_cpu_argmax(const bki_cpu *cpu, const float *logits);
/* max |a - b| over [2H] */
float bki_cpu_distance(const bki_cpu *cpu, const float *a, const float *b);

/* cpu_incremental.c */
bki_status bki_cpu_incremental_create(bki_cpu *cpu, bki_error *err);
void bki_cpu_incremental_destroy(bki_cpu *cpu);
bki_status bki_cpu_incremental_score(bki_cpu *cpu, const bki_sequence *sequences, size_t n, bki_scores *scores,
                                     bki_error *err);
bki_status bki_cpu_incremental_score_some(bki_cpu *cpu, const bki_sequence *sequences, const bki_picks *picks, size_t n,
                                          bki_scores *scores, bki_error *err);
bki_status bki_cpu_incremental_forward(bki_cpu *cpu, const bki_sequence *sequences, size_t n, float *readout,
                                       float *logits, bki_error *err);

/* cpu_full.c */
bki_status bki_cpu_full_create(bki_cpu *cpu, bki_error *err);
void bki_cpu_full_destroy(bki_cpu *cpu);
bki_status bki_cpu_full_score(bki_cpu *cpu, const bki_sequence *sequences, size_t n, bki_scores *scores,
                              bki_error *err);
bki_status bki_cpu_full_forward(bki_cpu *cpu, const bki_sequence *sequences, size_t n, float *readout, float *logits,
                                bki_error *err);

/* cpu_isa.c: the kernels of an instruction set and its name for that precision. Errors: BKI_E_USAGE, BKI_E_DEVICE. */
bki_status bki_cpu_choose(const bki_cpu_kernels **out, const char **name, bki_isa isa, bki_precision precision,
                          bki_error *err);

#endif
