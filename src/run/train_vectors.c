#include "train_vectors.h"

#include <sys/stat.h>

#include "fail.h"
#include "parameters.h"

bki_status bki_vectors_open(bki_vectors *vectors, const char *path, const bki_vocabulary *only, int32_t dimension,
                            bki_error *err) {
  struct stat file;
  if (stat(path, &file) != 0 || !S_ISDIR(file.st_mode)) {
    return bki_embeddings_load(&vectors->file, path, only, dimension, err);
  }
  BKI_TRY(bki_model_load(&vectors->model, path, err));
  const int32_t found = bki_vectors_dimension(vectors);
  if (dimension != 0 && found != dimension) {
    bki_vectors_close(vectors);
    return bki_fail_at(err, BKI_E_DATA, path, 0, -1, "expected a model with vectors of %d numbers, found %d", dimension,
                       found);
  }
  return BKI_OK;
}

void bki_vectors_close(bki_vectors *vectors) {
  bki_embeddings_destroy(vectors->file);
  bki_model_destroy(vectors->model);
  *vectors = (bki_vectors){0};
}

int32_t bki_vectors_dimension(const bki_vectors *vectors) {
  return vectors->model != NULL ? bki_model_get_config(vectors->model)->embedding_dim
                                : bki_embeddings_dimension(vectors->file);
}

const float *bki_vectors_find(const bki_vectors *vectors, bki_str word) {
  if (vectors->model == NULL) {
    return bki_embeddings_find(vectors->file, word);
  }
  const int32_t id = bki_vocabulary_find(bki_model_vocabulary(vectors->model), word);
  const size_t dim = (size_t)bki_vectors_dimension(vectors);
  return id < 0 ? NULL : bki_model_parameters(vectors->model)->embedding + (size_t)id * dim;
}
