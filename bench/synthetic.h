/* Random models and texts for the benchmarks, the same from the same calls. Programs, not library: errors end them. */
#ifndef BKI_BENCH_SYNTHETIC_H
#define BKI_BENCH_SYNTHETIC_H

#include <bki/scorer.h>

typedef struct synthetic_corpus {
  size_t n;
  size_t n_words;
  bki_sequence *sequences; /* [n] */
  bki_scores *scores;      /* [n], with room for the scores of each word */
} synthetic_corpus;

/* Prints the program's name and `what`, and exits with 2. */
_Noreturn void synthetic_die(const char *what);

/* A number of an option, 0 .. INT32_MAX. */
int32_t synthetic_number(const char *text);
/* Sorts n > 0 numbers; the upper one of the two in the middle. */
double synthetic_median(double *numbers, int n);
/* FNV-1a of bytes, behind those of `digest`. */
#define SYNTHETIC_DIGEST 0xcbf29ce484222325U
uint64_t synthetic_digest(uint64_t digest, const void *bytes, size_t n);

/* What comes next depends on the seed alone; 1 at the start. */
void synthetic_seed(uint64_t seed);
/* In [0, 1), and of N(0, 1). */
double synthetic_uniform(void);
double synthetic_normal(void);

/* Parameters that keep the states away from their limits. One layer. Freed with bki_model_destroy. */
bki_model *synthetic_model_create(const bki_model_config *config);

/* n texts whose frequent words are frequent, of `lengths`: a number of words, or
 *   imdb           IMDB cut to 500 words: median 174, mean 213
 *   dbpedia        DBpedia's abstracts cut to 100 words: mean 46
 *   imdb-whole     E[l] = 230, E[l^2] = 82,000
 *   dbpedia-whole  E[l] = 50, E[l^2] = 3,100 */
synthetic_corpus synthetic_corpus_create(size_t n, const char *lengths, int32_t vocabulary_size, bool increments);
void synthetic_corpus_destroy(synthetic_corpus *corpus);

#endif
