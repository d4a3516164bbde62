/* The weights that a training begins with. */
#ifndef BKI_RUN_TRAIN_INITIAL_H
#define BKI_RUN_TRAIN_INITIAL_H

#include <stdint.h>

#include <bki/error.h>
#include <bki/model.h>
#include <bki/optimizer.h>

#include "parameters.h"
#include "train_vectors.h"

/* Draws all parameters but the embedding from the seed, each tensor from a stream of its own. */
bki_status bki_initial_weights(const bki_parameters *parameters, const bki_model_config *config,
                               bki_convention convention, uint64_t seed, bki_error *err);
void bki_initial_embedding(const bki_parameters *parameters, const bki_model_config *config, bki_convention convention,
                           uint64_t seed);
/* Copies the vectors of the words, scaled to the Euclidean length `norm` unless that is 0; rows without one stay zeros.
 * Returns how many words have one. */
int32_t bki_initial_vectors(const bki_parameters *parameters, const bki_vocabulary *vocabulary,
                            const bki_vectors *vectors, double norm);

#endif
