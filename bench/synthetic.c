#include "synthetic.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parameters.h"

static uint64_t state = 1;

void synthetic_seed(uint64_t seed) {
  state = seed;
}

void synthetic_die(const char *what) {
  fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
  exit(2);
}

int32_t synthetic_number(const char *text) {
  char *end;
  const long value = strtol(text, &end, 10);
  if (end == text || *end != '\0' || value < 0 || value > INT32_MAX) {
    synthetic_die("expected a number");
  }
  return (int32_t)value;
}

static int ascending(const void *a, const void *b) {
  return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

double synthetic_median(double *numbers, int n) {
  qsort(numbers, (size_t)n, sizeof *numbers, ascending);
  return numbers[n / 2];
}

uint64_t synthetic_digest(uint64_t digest, const void *bytes, size_t n) {
  for (size_t i = 0; i < n; i++) {
    digest = (digest ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3U;
  }
  return digest;
}

/* splitmix64 */
double synthetic_uniform(void) {
  uint64_t z = state += 0x9e3779b97f4a7c15U;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
  z = (z ^ z >> 27) * 0x94d049bb133111ebU;
  return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

double synthetic_normal(void) {
  return sqrt(-2 * log(1 - synthetic_uniform())) * cos(2 * 3.14159265358979 * synthetic_uniform());
}

/* Log-normal where mean and spread are of ln(words). */
static int32_t draw_length(const char *lengths) {
  static const struct {
    const char *name;
    bool logarithmic;
    double mean;
    double spread;
    double longest;
  } kinds[] = {{"imdb", true, 5.1591, 0.62, 500},
               {"dbpedia", false, 46, 20, 100},
               {"imdb-whole", true, 5.2189, 0.6620, 2500},
               {"dbpedia-whole", true, 3.8045, 0.4638, 300}};
  double l = atof(lengths);
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    if (strcmp(lengths, kinds[i].name) == 0) {
      const double x = kinds[i].mean + kinds[i].spread * synthetic_normal();
      l = fmin(kinds[i].logarithmic ? exp(x) : x, kinds[i].longest);
    }
  }
  return l < 1 ? 1 : (int32_t)l;
}

static void fill(float *values, size_t n, double bound) {
  for (size_t i = 0; values != NULL && i < n; i++) {
    values[i] = (float)(bound * (2 * synthetic_uniform() - 1));
  }
}

bki_model *synthetic_model_create(const bki_model_config *config) {
  const bki_parameters *p;
  bki_model *model;
  bki_error err;
  if (bki_model_create(&model, config, &p, &err) != BKI_OK) {
    synthetic_die(err.message);
  }
  const size_t H = (size_t)config->hidden;
  const size_t E = (size_t)config->embedding_dim;
  const size_t D = (size_t)config->dense;
  fill(p->embedding, (size_t)config->vocabulary_size * E, 1);
  for (int d = 0; d < 2; d++) {
    fill(p->lstm[d].w_ih, 4 * H * E, 1 / sqrt((double)E));
    fill(p->lstm[d].w_hh, 4 * H * H, 1 / sqrt((double)H));
    fill(p->lstm[d].b_ih, 4 * H, 0.5);
  }
  fill(p->dense_weight, D * 2 * H, 1 / sqrt(2.0 * (double)H));
  fill(p->output_weight, (size_t)config->n_classes * D, 1 / sqrt((double)D));
  return model;
}

synthetic_corpus synthetic_corpus_create(size_t n, const char *lengths, int32_t vocabulary_size, bool increments) {
  synthetic_corpus c = {.n = n};
  c.sequences = calloc(n, sizeof *c.sequences);
  c.scores = calloc(n, sizeof *c.scores);
  for (size_t i = 0; i < n; i++) {
    const int32_t l = draw_length(lengths);
    int32_t *ids = malloc((size_t)l * sizeof *ids);
    for (int32_t t = 0; t < l; t++) {
      ids[t] = (int32_t)(vocabulary_size * pow(synthetic_uniform(), 4));
    }
    c.sequences[i] = (bki_sequence){ids, l};
    c.scores[i] = (bki_scores){.score = malloc((size_t)l * sizeof(float)), .flip = malloc((size_t)l)};
    c.scores[i].increment = increments ? malloc((size_t)l * sizeof(float)) : NULL;
    c.n_words += (size_t)l;
  }
  return c;
}

void synthetic_corpus_destroy(synthetic_corpus *c) {
  for (size_t i = 0; i < c->n; i++) {
    free((void *)(uintptr_t)c->sequences[i].ids);
    free(c->scores[i].score);
    free(c->scores[i].increment);
    free(c->scores[i].flip);
  }
  free(c->sequences);
  free(c->scores);
}
