#include <math.h>

#include <bki/embeddings.h>

#include "fuzz.h"

/* Every word that is the first field of a line, where it is in. */
static void check_vectors(const bki_embeddings *embeddings, const uint8_t *data, size_t size) {
  const int32_t d = bki_embeddings_dimension(embeddings);
  require(d >= 1 && bki_embeddings_count(embeddings) >= 0, "no dimension");
  int64_t lines = 0;
  for (size_t at = 0; at < size; lines++) {
    const uint8_t *end = memchr(data + at, '\n', size - at);
    const size_t length = end == NULL ? size - at : (size_t)(end - data) - at;
    const uint8_t *space = memchr(data + at, ' ', length);
    const size_t word = space == NULL ? length : (size_t)(space - data) - at;
    const float *vector = bki_embeddings_find(embeddings, (bki_str){(const char *)data + at, word});
    for (int32_t i = 0; vector != NULL && i < d; i++) {
      require(isfinite(vector[i]), "a number is not finite");
    }
    at += length + 1;
  }
  require(bki_embeddings_count(embeddings) <= lines, "more words than lines");
}

static bki_vocabulary *make_vocabulary(void) {
  bki_word_counter *counter = NULL;
  bki_words words;
  bki_words_init(&words);
  bki_vocabulary *vocabulary = NULL;
  require(bki_words_split(&words, (bki_str){"a the b", 7}, NULL) == BKI_OK &&
              bki_word_counter_create(&counter, NULL) == BKI_OK &&
              bki_word_counter_add(counter, &words, NULL) == BKI_OK &&
              bki_word_counter_build(counter, 0, &vocabulary, NULL) == BKI_OK,
          "no vocabulary");
  bki_word_counter_destroy(counter);
  bki_words_clear(&words);
  return vocabulary;
}

/* The first byte chooses the dimension asked for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static bki_vocabulary *only;
  if (only == NULL) {
    only = make_vocabulary();
  }
  if (size == 0 || is_compressed(data + 1, size - 1)) {
    return 0;
  }
  const char *path = path_of_bytes(data + 1, size - 1);
  const int32_t dimension = data[0] % 4;
  bki_embeddings *embeddings;
  bki_embeddings *some;
  bki_error err;
  bki_error some_err;
  bki_status status = bki_embeddings_load(&embeddings, path, NULL, dimension, &err);
  require(bki_embeddings_load(&some, path, only, dimension, &some_err) == status, "a vocabulary changes what is good");
  if (status != BKI_OK) {
    require(status == BKI_E_DATA && err.message[0] != '\0', "a failure says nothing");
    require(err.line == some_err.line && strcmp(err.message, some_err.message) == 0, "a vocabulary changes the error");
    return 0;
  }
  require(dimension == 0 || bki_embeddings_dimension(embeddings) == dimension, "another dimension than asked for");
  require(bki_embeddings_count(some) <= bki_embeddings_count(embeddings), "more words with a vocabulary");
  check_vectors(embeddings, data + 1, size - 1);
  check_vectors(some, data + 1, size - 1);
  bki_embeddings_destroy(embeddings);
  bki_embeddings_destroy(some);
  return 0;
}
