/* How fast the scorer is: a random model, texts of IMDB-like or DBpedia-like lengths, in memory.
 *
 *   bench_score [lengths=imdb|dbpedia|N] [backend=] [engine=] [isa=] [precision=fp32|bf16|exact] [threads=1] [texts=]
 *               [hidden=128] [embedding=100] [readout=0..3] [pad=pre:T|post:T] [increments=1]
 *               [seconds=3] [clock=wall|cpu]
 *
 * Prints row-steps per second, GFLOP/s at 8 H^2 a row-step (the recurrent product; activations and the rest are not
 * counted) and the share of the FMA peak, which a loop of independent FMAs measures between the calls. `best` is the
 * fastest call of all: on a machine with other work it, and the CPU clock with one thread, say more than the mean. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "synthetic.h"

typedef struct options {
  bki_model_config model;
  bki_scorer_config scorer;
  const char *lengths;
  int32_t n_texts; /* a call */
  double seconds;
} options;

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
    o->scorer.precision = strcmp(value, "bf16") == 0    ? BKI_PRECISION_BF16
                          : strcmp(value, "exact") == 0 ? BKI_PRECISION_EXACT
                                                        : BKI_PRECISION_FP32;
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
    synthetic_die("unknown option");
  }
}

static double call_seconds(bki_scorer *scorer, const synthetic_corpus *c) {
  bki_error err;
  const double begin = now();
  if (bki_scorer_score(scorer, c->sequences, c->n, c->scores, &err) != BKI_OK) {
    synthetic_die(err.message);
  }
  return now() - begin;
}

static void measure(const options *o, bki_scorer *scorer, const synthetic_corpus *c) {
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
      synthetic_die("expected name=value");
    }
    *value = '\0';
    set_option(&o, argv[i], value + 1);
  }
  bki_model *model = synthetic_model_create(&o.model);
  bki_scorer *scorer;
  bki_error err;
  if (bki_scorer_create(&scorer, model, &o.scorer, &err) != BKI_OK) {
    synthetic_die(err.message);
  }
  synthetic_corpus c =
      synthetic_corpus_create((size_t)o.n_texts, o.lengths, o.model.vocabulary_size, o.scorer.increments);
  measure(&o, scorer, &c);
  synthetic_corpus_destroy(&c);
  bki_scorer_destroy(scorer);
  bki_model_destroy(model);
  return 0;
}
