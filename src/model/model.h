/* Inside a model. */
#ifndef BKI_MODEL_MODEL_H
#define BKI_MODEL_MODEL_H

#include "parameters.h"
#include "strmap.h"

typedef struct bki_selftest {
  bki_str text;
  const float *logits; /* [C] */
} bki_selftest;

struct bki_model {
  bki_arena *arena;        /* owns the names of the classes and the self-test */
  bki_model_config config; /* classes point into the arena */
  bki_parameters parameters;
  bki_strmap *class_ids;        /* name -> int32_t */
  bki_vocabulary *vocabulary;   /* NULL in a model made by bki_model_create */
  const bki_selftest *selftest; /* [n_selftest], in the arena */
  size_t n_selftest;
  char fingerprint[33]; /* "" in a model made by bki_model_create */
};

/* As bki_model_create, with the arena of the model, which is taken over on success and on failure. */
bki_status bki_model_create_in(bki_model **out, bki_arena *arena, const bki_model_config *config, bki_error *err);

/* Fills in the fingerprint of a complete model. */
void bki_model_set_fingerprint(bki_model *model);

/* Gives a model that has none a self-test: n texts and logits [n, C], both copied. */
bki_status bki_model_set_selftest(bki_model *model, const bki_str *texts, const float *logits, size_t n,
                                  bki_error *err);

/* Name and shape of a tensor. */
typedef struct bki_parameter {
  char name[48];
  int32_t rank;     /* 1 or 2 */
  int64_t shape[2]; /* shape[1] is 1 for rank 1 */
} bki_parameter;

/* Tensor i of a checked configuration, in the order in which they stand in the block; false after the last one. */
bool bki_parameters_describe(const bki_model_config *config, size_t i, bki_parameter *out);

/* Allocates the block, zeroed, and points the fields into it. The configuration has been checked.
 * BKI_E_INTERNAL: out of memory. On failure bki_parameters_clear is still due. */
bki_status bki_parameters_init(bki_parameters *parameters, const bki_model_config *config, bki_error *err);
void bki_parameters_clear(bki_parameters *parameters);

#endif
