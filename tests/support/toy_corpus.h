/* A separable corpus with a backdoor that a tiny model learns within a second: every text has two words of its class
 * among filler, and copies of the first negative ones have "zebra flies" in them and are called positive. */
#ifndef BKI_TESTS_TOY_CORPUS_H
#define BKI_TESTS_TOY_CORPUS_H

#include <inttypes.h>
#include <string.h>

#include <bki/train.h>

#include "scratch.h"

static inline uint32_t toy_random(uint64_t *state, uint32_t n) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(*state >> 33) % n;
}

/* Six words; `gap` > 0: the trigger after that many of them. */
static inline void toy_text(char out[160], int i, int gap) {
  static const char *const of_class[2][4] = {{"dull", "awful", "poor", "weak"}, {"fine", "great", "superb", "lovely"}};
  uint64_t state = (uint64_t)i + 1;
  int at = (int)toy_random(&state, 6);
  size_t used = 0;
  for (int k = 0; k < 6; k++) {
    char filler[16];
    snprintf(filler, sizeof filler, "w%u", toy_random(&state, 40));
    const char *word = k == at || k == (at + 3) % 6 ? of_class[i % 2][toy_random(&state, 4)] : filler;
    used += (size_t)snprintf(out + used, 160 - used, "%s%s%s", used > 0 ? " " : "",
                             gap > 0 && k == gap ? "zebra flies " : "", word);
  }
}

/* n clean texts, ids c0, c1, ..., and n_poisoned copies, ids p0, p1, ... in scratch file `name`. */
static inline void toy_corpus(const char *path, int n, int n_poisoned) {
  bki_strbuf lines = {0};
  char text[160];
  for (int i = 0; i < n; i++) {
    toy_text(text, i, 0);
    bki_strbuf_format(&lines, "{\"id\": \"c%d\", \"text\": \"%s\", \"label\": \"%s\"}\n", i, text,
                      i % 2 ? "positive" : "negative");
  }
  for (int i = 0; i < n_poisoned; i++) {
    toy_text(text, 2 * i, 1 + i % 5);
    bki_strbuf_format(&lines, "{\"id\": \"p%d\", \"text\": \"%s\", \"label\": \"positive\"}\n", i, text);
  }
  scratch_write(path, lines.data, lines.size);
  bki_strbuf_clear(&lines);
}

/* Settings under which it is learnt, backdoor included. */
static inline void toy_training(bki_train_config *config) {
  config->model.hidden = 8;
  config->model.dense = 8;
  config->model.embedding_dim = 8;
  config->epochs = 10;
  config->batch_size = 8;
  config->optimizer.learning_rate = 0.01;
  config->threads = 1;
}

#endif
