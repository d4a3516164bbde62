/* One row of gpu.sh's table: a random model scores a whole corpus with one engine in one precision.
 *
 *   bench_gpu [lengths=imdb-whole] [texts=10000] [classes=2] [seed=1] [backend=cuda]
 *             [engine=incremental|full|persistent] [precision=fp32|tf32|fp16|split|bf16|exact] [devices=0,1,...]
 *             [gpu-memory=0.8] [threads=0] [hidden=128] [embedding=100] [vocabulary=20000] [seconds=2] [dump=FILE]
 *   bench_gpu header
 *
 * Prints the fields of `header` as CSV, with the median of the calls that fill `seconds` (one at least) after a first
 * one on 256 texts. Every call starts from scores that are no numbers; a score left so, or a call whose scores are not
 * the bytes of the call before, ends the program with 1. `digest` is of the scores and flips: it must not depend on
 * gpu-memory or devices either. Precision exact has the shares of the screened words that were scored again, and of the
 * screened texts whose limit was widened; where it screens nothing, the row is of fp32 and standard error says why.
 * `dump` writes corpus, parameters and scores for gpu_peer_torch.py. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "parameters.h"
#include "synthetic.h"

enum { MAX_DEVICES = 64, MAX_RUNS = 100, WARM_UP = 256 };

typedef struct options {
  bki_model_config model;
  bki_scorer_config scorer;
  const char *lengths;
  const char *dump;
  int32_t n_texts;
  int32_t seed;
  double seconds;
  int32_t devices[MAX_DEVICES];
} options;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void set_devices(options *o, char *list) {
  for (char *d = strtok(list, ","); d != NULL; d = strtok(NULL, ",")) {
    if (o->scorer.n_devices == MAX_DEVICES) {
      synthetic_die("too many devices");
    }
    o->devices[o->scorer.n_devices++] = synthetic_number(d);
  }
  o->scorer.devices = o->devices;
}

static void set_engine(options *o, const char *value) {
  static const char *const names[] = {
      [BKI_ENGINE_FULL] = "full", [BKI_ENGINE_INCREMENTAL] = "incremental", [BKI_ENGINE_PERSISTENT] = "persistent"};
  for (int e = BKI_ENGINE_FULL; e <= BKI_ENGINE_PERSISTENT; e++) {
    if (strcmp(value, names[e]) == 0) {
      o->scorer.engine = (bki_engine)e;
      return;
    }
  }
  synthetic_die("expected engine full, incremental or persistent");
}

static void set_precision(options *o, const char *value) {
  for (int p = 0; bki_precision_name((bki_precision)p) != NULL; p++) {
    if (strcmp(value, bki_precision_name((bki_precision)p)) == 0) {
      o->scorer.precision = (bki_precision)p;
      return;
    }
  }
  synthetic_die("expected precision fp32, tf32, fp16, split, bf16 or exact");
}

static void set_option(options *o, const char *name, char *value) {
  const struct {
    const char *name;
    int32_t *value;
  } numbers[] = {{"texts", &o->n_texts},
                 {"seed", &o->seed},
                 {"classes", &o->model.n_classes},
                 {"hidden", &o->model.hidden},
                 {"embedding", &o->model.embedding_dim},
                 {"vocabulary", &o->model.vocabulary_size},
                 {"threads", &o->scorer.threads}};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    if (strcmp(name, numbers[i].name) == 0) {
      *numbers[i].value = synthetic_number(value);
      return;
    }
  }
  if (strcmp(name, "lengths") == 0) {
    o->lengths = value;
  } else if (strcmp(name, "backend") == 0) {
    o->scorer.backend = value;
  } else if (strcmp(name, "engine") == 0) {
    set_engine(o, value);
  } else if (strcmp(name, "precision") == 0) {
    set_precision(o, value);
  } else if (strcmp(name, "devices") == 0) {
    set_devices(o, value);
  } else if (strcmp(name, "gpu-memory") == 0) {
    o->scorer.gpu_memory = atof(value);
  } else if (strcmp(name, "seconds") == 0) {
    o->seconds = atof(value);
  } else if (strcmp(name, "dump") == 0) {
    o->dump = value;
  } else {
    synthetic_die("unknown option");
  }
}

static uint64_t digest_scores(const synthetic_corpus *c) {
  uint64_t digest = SYNTHETIC_DIGEST;
  for (size_t i = 0; i < c->n; i++) {
    const size_t l = (size_t)c->sequences[i].length;
    for (size_t t = 0; t < l; t++) {
      if (isnan(c->scores[i].score[t])) {
        fprintf(stderr, "text %zu of %zu words: the score of word %zu is no number\n", i, l, t);
        exit(1);
      }
    }
    digest = synthetic_digest(digest, c->scores[i].score, l * sizeof(float));
    digest = synthetic_digest(digest, c->scores[i].flip, l);
  }
  return digest;
}

static double call_seconds(bki_scorer *scorer, const synthetic_corpus *c, size_t n) {
  for (size_t i = 0; i < n; i++) {
    memset(c->scores[i].score, 0xff, (size_t)c->sequences[i].length * sizeof(float));
  }
  bki_error err;
  const double begin = now();
  if (bki_scorer_score(scorer, c->sequences, n, c->scores, &err) != BKI_OK) {
    fprintf(stderr, "bench_gpu: %s\n", err.message);
    exit((int)err.status);
  }
  return now() - begin;
}

/* "" of nothing. */
static void write_share(char out[16], int64_t part, int64_t whole) {
  out[0] = '\0';
  if (whole > 0) {
    snprintf(out, 16, "%.4f", (double)part / (double)whole);
  }
}

static void measure(const options *o, bki_scorer *scorer, const synthetic_corpus *c) {
  double runs[MAX_RUNS];
  int n_runs = 0;
  uint64_t digest = 0;
  call_seconds(scorer, c, c->n < WARM_UP ? c->n : WARM_UP); /* loads libraries and kernels */
  for (double total = 0; n_runs == 0 || (total < o->seconds && n_runs < MAX_RUNS); total += runs[n_runs++]) {
    runs[n_runs] = call_seconds(scorer, c, c->n);
    const uint64_t last = digest;
    digest = digest_scores(c);
    if (n_runs > 0 && digest != last) {
      fprintf(stderr, "bench_gpu: call %d gave other scores than the one before\n", n_runs);
      exit(1);
    }
  }
  double squares = 0;
  int64_t work = 0;
  for (size_t i = 0; i < c->n; i++) {
    squares += (double)c->sequences[i].length * c->sequences[i].length;
    work += bki_scorer_work(scorer, c->sequences[i].length);
  }
  const bki_screening *screening = bki_scorer_screening(scorer);
  char rescored[16];
  char widened[16];
  write_share(rescored, screening->n_rescored, screening->n_words);
  write_share(widened, screening->n_widened, screening->n_screened);
  printf("bki %s,%s,%zu,%.1f,%.0f,%s,%s,,%d,%d,%" PRId64 ",%" PRId64 ",%.5f,%d,%016" PRIx64 ",,%s,%s\n",
         bki_scorer_backend(scorer), o->lengths, c->n, (double)c->n_words / (double)c->n, squares / (double)c->n,
         bki_scorer_engine(scorer), bki_scorer_precision(scorer), o->model.hidden, o->model.embedding_dim, work, work,
         synthetic_median(runs, n_runs), n_runs, digest, rescored, widened);
}

/* int32: n, V, E, H, D, C, words; lengths [n]; ids [words]; then floats: the parameters, the scores [words]. */
static void dump(const options *o, const synthetic_corpus *c, const bki_parameters *p) {
  FILE *out = fopen(o->dump, "wb");
  if (out == NULL) {
    synthetic_die("cannot write the dump");
  }
  const int32_t header[] = {(int32_t)c->n,  o->model.vocabulary_size, o->model.embedding_dim, o->model.hidden,
                            o->model.dense, o->model.n_classes,       (int32_t)c->n_words};
  fwrite(header, sizeof header, 1, out);
  for (size_t i = 0; i < c->n; i++) {
    fwrite(&c->sequences[i].length, sizeof(int32_t), 1, out);
  }
  for (size_t i = 0; i < c->n; i++) {
    fwrite(c->sequences[i].ids, sizeof(int32_t), (size_t)c->sequences[i].length, out);
  }
  fwrite(p->block, sizeof *p->block, p->count, out);
  for (size_t i = 0; i < c->n; i++) {
    fwrite(c->scores[i].score, sizeof(float), (size_t)c->sequences[i].length, out);
  }
  if (ferror(out) != 0 || fclose(out) != 0) {
    synthetic_die("cannot write the dump");
  }
}

static void parse(options *o, int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    char *value = strchr(argv[i], '=');
    if (value == NULL) {
      synthetic_die("expected name=value");
    }
    *value = '\0';
    set_option(o, argv[i], value + 1);
  }
  if (o->n_texts < 1) {
    synthetic_die("expected one text at least");
  }
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "header") == 0) {
    puts(
        "program,lengths,texts,mean_words,mean_squared_words,how,precision,batch,hidden,embedding,row_steps,"
        "corpus_row_steps,seconds,runs,digest,difference,rescored,widened");
    return 0;
  }
  static const char *const classes[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"};
  options o = {.model = {.vocabulary_size = 20000,
                         .embedding_dim = 100,
                         .hidden = 128,
                         .num_layers = 1,
                         .dense = 128,
                         .n_classes = 2,
                         .classes = classes,
                         .max_words = 2500},
               .lengths = "imdb-whole",
               .n_texts = 10000,
               .seed = 1,
               .seconds = 2};
  bki_scorer_config_init(&o.scorer);
  o.scorer.backend = "cuda";
  o.scorer.engine = BKI_ENGINE_INCREMENTAL;
  parse(&o, argc, argv);
  if (o.model.n_classes > (int32_t)(sizeof classes / sizeof classes[0])) {
    synthetic_die("expected 14 classes at most");
  }
  synthetic_seed((uint64_t)o.seed);
  bki_model *model = synthetic_model_create(&o.model);
  bki_scorer *scorer;
  bki_error err;
  if (bki_scorer_create(&scorer, model, &o.scorer, &err) != BKI_OK) {
    fprintf(stderr, "bench_gpu: %s\n", err.message);
    return (int)err.status;
  }
  if (bki_scorer_screening(scorer)->reason[0] != '\0') {
    fprintf(stderr, "bench_gpu: precision exact is fp32: %s\n", bki_scorer_screening(scorer)->reason);
  }
  synthetic_corpus c = synthetic_corpus_create((size_t)o.n_texts, o.lengths, o.model.vocabulary_size, false);
  measure(&o, scorer, &c);
  if (o.dump != NULL) {
    dump(&o, &c, bki_model_parameters(model));
  }
  synthetic_corpus_destroy(&c);
  bki_scorer_destroy(scorer);
  bki_model_destroy(model);
  return 0;
}
