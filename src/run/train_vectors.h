/* Word vectors to begin with: a file in GloVe's format, or the embedding of another model. */
#ifndef BKI_RUN_TRAIN_VECTORS_H
#define BKI_RUN_TRAIN_VECTORS_H

#include <bki/embeddings.h>
#include <bki/model.h>

/* Initialise with {0}; either is set once opened. */
typedef struct bki_vectors {
  bki_embeddings *file;
  bki_model *model;
} bki_vectors;

/* `path` is a file or a model directory. Vectors of words outside `only` may be passed over. `dimension` 0: any; else
 * it has to be that. Errors: those of bki_embeddings_load and bki_model_load; BKI_E_DATA: another dimension. */
bki_status bki_vectors_open(bki_vectors *vectors, const char *path, const bki_vocabulary *only, int32_t dimension,
                            bki_error *err);
void bki_vectors_close(bki_vectors *vectors);
int32_t bki_vectors_dimension(const bki_vectors *vectors);
/* [dimension], borrowed, or NULL. */
const float *bki_vectors_find(const bki_vectors *vectors, bki_str word);

#endif
