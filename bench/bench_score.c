/* How fast the scorer is: a random model, texts of IMDB-like or DBpedia-like lengths, in memory.
 *
 *   bench_score [lengths=imdb|dbpedia|N] [backend=] [engine=] [isa=] [precision=fp32|bf16] [threads=1] [texts=]
 *               [hidden=128] [embedding=100] [readout=0..3] [pad=pre:T|post:T] [increments=1]
 *               [seconds=3] [clock=wall|cpu]
 *
 * Prints row-steps per second, GFLOP/s at 8 H^2 a row-step (the recurrent product; activations and the rest are not
 * counted) and the share of the FMA peak, which a loop of independent FMAs measures between the calls. `best` is the
 * fastest call of all: on a machine with other work it, and the CPU clock with one thread, say more than the mean. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bki/scorer.h>

#include "parameters.h"

typedef struct options {
  bki_model_config model;
  bki_scorer_config scorer;
  const char *lengths;
  int32_t n_texts; /* a call */
  double seconds;
} options;

static uint64_t state = 1;

/* splitmix64, in [0, 1) */
static double uniform(void) {
  uint64_t z = state += 0x9e3779b97f4a7c15U;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
  z = (z ^ z >> 27) * 0x94d049bb133111ebU;
  return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static double normal(void) {
  return sqrt(-2 * log(1 - uniform())) * cos(2 * 3.14159265358979 * uniform());
}

/* IMDB, 500 words at most: median 174, mean 213. DBpedia abstracts: mean 46, at most 100. */
static int32_t text_length(const char *lengths) {
  double l = atof(lengths);
  if (strcmp(lengths, "imdb") == 0) {
    l = exp(log(174) + 0.62 * normal());
    l = l > 500 ? 500 : l;
  } else if (strcmp(lengths, "dbpedia") == 0) {
    l = 46 + 20 * normal();
    l = l > 100 ? 100 : l;
  }
  return l < 1 ? 1 : (int32_t)l;
}

static clockid_t clock_id = CLOCK_MONOTONIC;

static double now(void) {
  struct timespec t;
  clock_gettime(clock_id, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#if defined(__x86_64__)
/* Ten independent chains of FMAs: two a cycle of latency four or five. */
#define CHAINS(fma, suffix)                                                                                         \
  fma " %%" suffix "15, %%" suffix "14, %%" suffix "0\n" fma " %%" suffix "15, %%" suffix "14, %%" suffix "1\n" fma \
      " %%" suffix "15, %%" suffix "14, %%" suffix "2\n" fma " %%" suffix "15, %%" suffix "14, %%" suffix "3\n" fma \
      " %%" suffix "15, %%" suffix "14, %%" suffix "4\n" fma " %%" suffix "15, %%" suffix "14, %%" suffix "5\n" fma \
      " %%" suffix "15, %%" suffix "14, %%" suffix "6\n" fma " %%" suffix "15, %%" suffix "14, %%" suffix "7\n" fma \
      " %%" suffix "15, %%" suffix "14, %%" suffix "8\n" fma " %%" suffix "15, %%" suffix "14, %%" suffix "9\n"
#define CLOBBER "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm14", "xmm15"

/* GFLOP/s of one core, fp32. */
static double fma_peak(const char *isa) {
  enum { LOOPS = 20000 };
  const double begin = now();
  double width = 4;
  if (strncmp(isa, "avx512", 6) == 0 || strcmp(isa, "amx") == 0) {
    width = 16;
    __asm__ volatile("vpxord %%zmm14, %%zmm14, %%zmm14\n vpxord %%zmm15, %%zmm15, %%zmm15" ::: CLOBBER);
    for (int i = 0; i < LOOPS; i++) {
      __asm__ volatile(CHAINS("vfmadd231ps", "zmm")::: CLOBBER);
    }
    __asm__ volatile("vzeroupper" ::: CLOBBER);
  } else if (strncmp(isa, "avx2", 4) == 0) {
    width = 8;
    __asm__ volatile("vxorps %%ymm14, %%ymm14, %%ymm14\n vxorps %%ymm15, %%ymm15, %%ymm15" ::: CLOBBER);
    for (int i = 0; i < LOOPS; i++) {
      __asm__ volatile(CHAINS("vfmadd231ps", "ymm")::: CLOBBER);
    }
    __asm__ volatile("vzeroupper" ::: CLOBBER);
  } else {
    return 0;
  }
  return LOOPS * 10 * 2 * width / (now() - begin) * 1e-9;
}
#else
static double fma_peak(const char *isa) {
  (void)isa;
  return 0;
}
#endif

static void die(const char *what) {
  fprintf(stderr, "bench_score: %s\n", what);
  exit(2);
}

static void set_pad(options *o, const char *value) {
  o->model.pad = strncmp(value, "pre:", 4) == 0 ? BKI_PAD_PRE : BKI_PAD_POST;
  o->model.pad_length = atoi(strchr(value, ':') == NULL ? "500" : strchr(value, ':') + 1);
}

static void set_option(options *o, const char *name, const char *value) {
  if (strcmp(name, "lengths") == 0) {
    o->lengths = value;
  } else if (strcmp(name, "backend") == 0) {
    o->scorer.backend = value;
  } else if (strcmp(name, "engine") == 0) {
    o->scorer.engine = strcmp(value, "full") == 0 ? BKI_ENGINE_FULL : BKI_ENGINE_INCREMENTAL;
  } else if (strcmp(name, "isa") == 0) {
    o->scorer.isa = value;
  } else if (strcmp(name, "precision") == 0) {
    o->scorer.precision = strcmp(value, "bf16") == 0 ? BKI_PRECISION_BF16 : BKI_PRECISION_FP32;
  } else if (strcmp(name, "threads") == 0) {
    o->scorer.threads = atoi(value);
  } else if (strcmp(name, "texts") == 0) {
    o->n_texts = atoi(value);
  } else if (strcmp(name, "seconds") == 0) {
    o->seconds = atof(value);
  } else if (strcmp(name, "clock") == 0) {
    clock_id = strcmp(value, "cpu") == 0 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
  } else if (strcmp(name, "hidden") == 0) {
    o->model.hidden = atoi(value);
  } else if (strcmp(name, "embedding") == 0) {
    o->model.embedding_dim = atoi(value);
  } else if (strcmp(name, "readout") == 0) {
    o->model.readout = (bki_readout)atoi(value);
  } else if (strcmp(name, "pad") == 0) {
    set_pad(o, value);
  } else if (strcmp(name, "increments") == 0) {
    o->scorer.increments = atoi(value) != 0;
  } else {
    die("unknown option");
  }
}

static void fill(float *values, size_t n, double bound) {
  for (size_t i = 0; values != NULL && i < n; i++) {
    values[i] = (float)(bound * (2 * uniform() - 1));
  }
}

static bki_model *make_model(const bki_model_config *config) {
  const bki_parameters *p;
  bki_model *model;
  bki_error err;
  if (bki_model_create(&model, config, &p, &err) != BKI_OK) {
    die(err.message);
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

typedef struct corpus {
  size_t n;
  size_t n_words;
  bki_sequence *sequences;
  bki_scores *scores;
} corpus;

static corpus make_corpus(const options *o) {
  corpus c = {.n = (size_t)o->n_texts};
  c.sequences = calloc(c.n, sizeof *c.sequences);
  c.scores = calloc(c.n, sizeof *c.scores);
  for (size_t i = 0; i < c.n; i++) {
    const int32_t l = text_length(o->lengths);
    int32_t *ids = malloc((size_t)l * sizeof *ids);
    for (int32_t t = 0; t < l; t++) { /* frequent words are frequent */
      ids[t] = (int32_t)(o->model.vocabulary_size * pow(uniform(), 4));
    }
    c.sequences[i] = (bki_sequence){ids, l};
    c.scores[i] = (bki_scores){malloc((size_t)l * sizeof(float)), NULL, malloc((size_t)l), 0};
    c.scores[i].increment = o->scorer.increments ? malloc((size_t)l * sizeof(float)) : NULL;
    c.n_words += (size_t)l;
  }
  return c;
}

static double call_seconds(bki_scorer *scorer, const corpus *c) {
  bki_error err;
  const double begin = now();
  if (bki_scorer_score(scorer, c->sequences, c->n, c->scores, &err) != BKI_OK) {
    die(err.message);
  }
  return now() - begin;
}

static void measure(const options *o, bki_scorer *scorer, const corpus *c) {
  double work = 0;
  for (size_t i = 0; i < c->n; i++) {
    work += (double)bki_scorer_work(scorer, c->sequences[i].length);
  }
  call_seconds(scorer, c); /* projects the words, touches the memory */
  double total = 0;
  double best = 1e30;
  double peak = 0;
  int calls = 0;
  for (; total < o->seconds; calls++) {
    for (int i = 0; i < 20; i++) {
      const double p = fma_peak(bki_scorer_isa(scorer));
      peak = p > peak ? p : peak;
    }
    const double s = call_seconds(scorer, c);
    total += s;
    best = s < best ? s : best;
  }
  const double flops = 8.0 * o->model.hidden * o->model.hidden * 1e-9;
  const int32_t threads = bki_scorer_threads(scorer);
  printf("%s %s %s, threads %d, H %d, E %d, %s: %zu texts, mean %.1f words\n", bki_scorer_engine(scorer),
         bki_scorer_precision(scorer), bki_scorer_isa(scorer), threads, o->model.hidden, o->model.embedding_dim,
         o->lengths, c->n, (double)c->n_words / (double)c->n);
  const double rates[] = {work * calls / total, work / best};
  for (int i = 0; i < 2; i++) {
    printf("  %s: %.0f thousand row-steps/s, %.1f texts/s, %.1f GFLOP/s", i == 0 ? "mean" : "best", rates[i] * 1e-3,
           rates[i] / work * (double)c->n, rates[i] * flops);
    printf(peak > 0 ? ", %.1f %% of %d x %.1f (FMA peak)\n" : "\n", 100 * rates[i] * flops / (peak * threads), threads,
           peak);
  }
}

int main(int argc, char **argv) {
  static const char *const classes[] = {"a", "b"};
  options o = {.model = {.vocabulary_size = 20000,
                         .embedding_dim = 100,
                         .hidden = 128,
                         .num_layers = 1,
                         .dense = 128,
                         .n_classes = 2,
                         .classes = classes,
                         .max_words = 500},
               .lengths = "imdb",
               .n_texts = 16,
               .seconds = 3};
  bki_scorer_config_init(&o.scorer);
  o.scorer.threads = 1;
  for (int i = 1; i < argc; i++) {
    char *value = strchr(argv[i], '=');
    if (value == NULL) {
      die("expected name=value");
    }
    *value = '\0';
    set_option(&o, argv[i], value + 1);
  }
  bki_model *model = make_model(&o.model);
  bki_scorer *scorer;
  bki_error err;
  if (bki_scorer_create(&scorer, model, &o.scorer, &err) != BKI_OK) {
    die(err.message);
  }
  const corpus c = make_corpus(&o);
  measure(&o, scorer, &c);
  for (size_t i = 0; i < c.n; i++) {
    free((void *)(uintptr_t)c.sequences[i].ids);
    free(c.scores[i].score);
    free(c.scores[i].increment);
    free(c.scores[i].flip);
  }
  free(c.sequences);
  free(c.scores);
  bki_scorer_destroy(scorer);
  bki_model_destroy(model);
  return 0;
}
