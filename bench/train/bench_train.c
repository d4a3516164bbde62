/* How fast a learner is: a random model of the paper's sizes, texts of IMDB- or DBpedia-like lengths, in memory.
 *
 *   bench_train [lengths=imdb|dbpedia|N] [texts=1536] [batch=64] [threads=1] [epochs=3] [backend=cpu] [tuned=0|1]
 *               [hidden=128] [embedding=100] [dense=128] [classes=2] [vocabulary=20000] [dump=FILE]
 *
 * Texts are sorted by length within pools of 50 batches, as bucketed training does. Prints for each epoch seconds,
 * samples a second, GFLOP/s of the products that are done (those of the distinct words of a batch once) and the share
 * of what one sgemm reaches on that many threads, measured between the epochs. `dump` writes the batches and the
 * initial parameters for peer_torch.py. */
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "learner.h"
#include "synthetic.h"

typedef struct options {
  bki_model_config model;
  const char *lengths;
  const char *backend;
  const char *dump;
  int32_t n_texts;
  int32_t batch;
  int32_t threads;
  int32_t epochs;
  bool tuned;
} options;

/* IMDB, the last 500 words: mean 214; DBpedia abstracts: mean 48. */
static int32_t text_length(const char *lengths) {
  double l = atof(lengths);
  if (strcmp(lengths, "imdb") == 0) {
    l = exp(log(174) + 0.62 * synthetic_normal());
    l = l > 500 ? 500 : l;
  } else if (strcmp(lengths, "dbpedia") == 0) {
    l = 48 + 20 * synthetic_normal();
    l = l > 100 ? 100 : l;
  }
  return l < 1 ? 1 : (int32_t)l;
}

static double now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void set_option(options *o, const char *name, const char *value) {
  const struct {
    const char *name;
    int32_t *value;
  } numbers[] = {{"texts", &o->n_texts},
                 {"batch", &o->batch},
                 {"threads", &o->threads},
                 {"epochs", &o->epochs},
                 {"hidden", &o->model.hidden},
                 {"embedding", &o->model.embedding_dim},
                 {"dense", &o->model.dense},
                 {"classes", &o->model.n_classes},
                 {"vocabulary", &o->model.vocabulary_size}};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    if (strcmp(name, numbers[i].name) == 0) {
      *numbers[i].value = atoi(value);
      return;
    }
  }
  if (strcmp(name, "lengths") == 0) {
    o->lengths = value;
  } else if (strcmp(name, "backend") == 0) {
    o->backend = value;
  } else if (strcmp(name, "dump") == 0) {
    o->dump = value;
  } else if (strcmp(name, "tuned") == 0) {
    o->tuned = atoi(value) != 0;
  } else {
    synthetic_die("unknown option");
  }
}

static void fill(float *values, size_t n, double bound) {
  for (size_t i = 0; values != NULL && i < n; i++) {
    values[i] = (float)(bound * (2 * synthetic_uniform() - 1));
  }
}

static bki_model *make_model(const bki_model_config *config, const bki_parameters **p) {
  bki_model *model;
  bki_error err;
  if (bki_model_create(&model, config, p, &err) != BKI_OK) {
    synthetic_die(err.message);
  }
  const size_t H = (size_t)config->hidden;
  const size_t E = (size_t)config->embedding_dim;
  const size_t D = (size_t)config->dense;
  fill((*p)->embedding, (size_t)config->vocabulary_size * E, 1);
  for (int d = 0; d < 2; d++) {
    fill((*p)->lstm[d].w_ih, 4 * H * E, 1 / sqrt((double)H));
    fill((*p)->lstm[d].w_hh, 4 * H * H, 1 / sqrt((double)H));
    fill((*p)->lstm[d].b_ih, 4 * H, 1 / sqrt((double)H));
    fill((*p)->lstm[d].b_hh, 4 * H, 1 / sqrt((double)H));
  }
  fill((*p)->dense_weight, D * 2 * H, 1 / sqrt(2.0 * (double)H));
  fill((*p)->output_weight, (size_t)config->n_classes * (D > 0 ? D : 2 * H), 1 / sqrt((double)D));
  return model;
}

typedef struct corpus {
  size_t n;
  size_t n_words;
  bki_sequence *sequences; /* batch by batch */
  int32_t *labels;
  double gflop; /* an epoch */
} corpus;

static int longer(const void *a, const void *b) {
  return ((const bki_sequence *)b)->length - ((const bki_sequence *)a)->length;
}

/* Products of an epoch: the recurrent one forward, back and for its weights, every step; the input's forward and for
 * its weights (and back, tuned), every distinct word of a batch; the head's. */
static double count_gflop(const options *o, const corpus *c) {
  const double H = o->model.hidden;
  const double E = o->model.embedding_dim;
  int32_t *seen = calloc((size_t)o->model.vocabulary_size, sizeof *seen);
  double words = 0;
  for (size_t i = 0; i < c->n; i++) {
    const int32_t batch = (int32_t)(i / (size_t)o->batch) + 1;
    for (int32_t t = 0; t < c->sequences[i].length; t++) {
      words += seen[c->sequences[i].ids[t]] != batch;
      seen[c->sequences[i].ids[t]] = batch;
    }
  }
  free(seen);
  const double head = 3 * 2 * (2 * H * o->model.dense + (double)o->model.dense * o->model.n_classes);
  return 1e-9 *
         (2 * 3 * 8 * H * H * (double)c->n_words + 2 * (o->tuned ? 3 : 2) * 8 * H * E * words + head * (double)c->n);
}

static corpus make_corpus(const options *o) {
  corpus c = {.n = (size_t)o->n_texts};
  c.sequences = calloc(c.n, sizeof *c.sequences);
  c.labels = calloc(c.n, sizeof *c.labels);
  for (size_t i = 0; i < c.n; i++) {
    const int32_t l = text_length(o->lengths);
    int32_t *ids = malloc((size_t)l * sizeof *ids);
    for (int32_t t = 0; t < l; t++) { /* rank r with probability ~ 1/r (Zipf) */
      ids[t] = (int32_t)pow((double)o->model.vocabulary_size, synthetic_uniform()) - 1;
    }
    c.sequences[i] = (bki_sequence){ids, l};
    c.labels[i] = (int32_t)(synthetic_uniform() * o->model.n_classes);
    c.n_words += (size_t)l;
  }
  const size_t pool = 50 * (size_t)o->batch;
  for (size_t i = 0; i < c.n; i += pool) {
    qsort(c.sequences + i, c.n - i < pool ? c.n - i : pool, sizeof *c.sequences, longer);
  }
  c.gflop = count_gflop(o, &c);
  return c;
}

/* int32: n, V, E, H, D, C, batch; lengths [n]; labels [n]; ids; then the parameters as floats. */
static void dump(const options *o, const corpus *c, const bki_parameters *p) {
  FILE *out = fopen(o->dump, "wb");
  if (out == NULL) {
    synthetic_die("cannot write the dump");
  }
  const int32_t header[] = {(int32_t)c->n,   o->model.vocabulary_size, o->model.embedding_dim,
                            o->model.hidden, o->model.dense,           o->model.n_classes,
                            o->batch};
  fwrite(header, sizeof header, 1, out);
  for (size_t i = 0; i < c->n; i++) {
    fwrite(&c->sequences[i].length, sizeof(int32_t), 1, out);
  }
  fwrite(c->labels, sizeof *c->labels, c->n, out);
  for (size_t i = 0; i < c->n; i++) {
    fwrite(c->sequences[i].ids, sizeof(int32_t), (size_t)c->sequences[i].length, out);
  }
  fwrite(p->block, sizeof *p->block, p->count, out);
  if (fclose(out) != 0) {
    synthetic_die("cannot write the dump");
  }
}

typedef struct peak {
  float *a; /* [threads][3][SIZE * SIZE] */
} peak;
enum { SIZE = 512, CALLS = 4 };

static void multiply(void *context, size_t i, int32_t worker) {
  (void)worker;
  float *a = ((peak *)context)->a + i * 3 * SIZE * SIZE;
  for (int k = 0; k < CALLS; k++) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, SIZE, SIZE, SIZE, 1, a, SIZE, a + SIZE * SIZE, SIZE, 0,
                a + 2 * SIZE * SIZE, SIZE);
  }
}

/* GFLOP/s of sgemm, one product a thread. */
static double gemm_rate(bki_pool *pool) {
  const size_t n = (size_t)bki_pool_threads(pool);
  peak p = {calloc(n * 3 * SIZE * SIZE, sizeof *p.a)};
  double best = 0;
  for (int i = 0; i < 5; i++) {
    const double begin = now(CLOCK_MONOTONIC);
    bki_pool_for(pool, n, multiply, &p);
    const double rate = 1e-9 * (double)n * CALLS * 2.0 * SIZE * SIZE * SIZE / (now(CLOCK_MONOTONIC) - begin);
    best = rate > best ? rate : best;
  }
  free(p.a);
  return best;
}

static double run_epoch(bki_learner *learner, const options *o, const corpus *c, uint64_t *step) {
  double loss = 0;
  for (size_t i = 0; i < c->n; i += (size_t)o->batch) {
    const size_t n = c->n - i < (size_t)o->batch ? c->n - i : (size_t)o->batch;
    const bki_minibatch batch = {c->sequences + i, c->labels + i, n, *step};
    bki_batch_loss out;
    bki_error err;
    if (learner->ops->gradients(learner, &batch, &out, &err) != BKI_OK ||
        learner->ops->update(learner, *step, NULL, &err) != BKI_OK) {
      synthetic_die(err.message);
    }
    loss += out.loss_sum;
    ++*step;
  }
  return loss / (double)c->n;
}

static void measure(const options *o, bki_learner *learner, bki_pool *pool, const corpus *c) {
  uint64_t step = 0;
  double peak_rate = gemm_rate(pool);
  for (int32_t e = 0; e < o->epochs; e++) {
    const double begin = now(CLOCK_MONOTONIC);
    const double cpu_begin = now(CLOCK_PROCESS_CPUTIME_ID);
    const double loss = run_epoch(learner, o, c, &step);
    const double s = now(CLOCK_MONOTONIC) - begin;
    const double cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu_begin;
    const double rate = gemm_rate(pool);
    peak_rate = rate > peak_rate ? rate : peak_rate;
    printf(
        "{\"name\": \"bki\", \"threads\": %d, \"epoch\": %d, \"seconds\": %.4f, "
        "\"cpu_seconds\": %.4f, \"samples_per_second\": %.0f, \"gflops\": %.1f, \"gemm_share\": %.3f, \"loss\": "
        "%.7f}\n",
        o->threads, e, s, cpu, (double)c->n / s, c->gflop / s, c->gflop / s / peak_rate, loss);
    fflush(stdout);
  }
}

int main(int argc, char **argv) {
  static const char *const classes[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"};
  options o = {.model = {.vocabulary_size = 20000,
                         .embedding_dim = 100,
                         .hidden = 128,
                         .num_layers = 1,
                         .dense = 128,
                         .n_classes = 2,
                         .classes = classes,
                         .max_words = 500,
                         .tokenizer = {.type = BKI_TOKENIZER_WHITESPACE},
                         .oov_id = 1},
               .lengths = "imdb",
               .backend = "cpu",
               .n_texts = 1536,
               .batch = 64,
               .threads = 1,
               .epochs = 3};
  for (int i = 1; i < argc; i++) {
    char *value = strchr(argv[i], '=');
    if (value == NULL) {
      synthetic_die("expected name=value");
    }
    *value = '\0';
    set_option(&o, argv[i], value + 1);
  }
  const bki_parameters *parameters;
  bki_model *model = make_model(&o.model, &parameters);
  const corpus c = make_corpus(&o);
  if (o.dump != NULL) {
    dump(&o, &c, parameters);
  }
  const bki_learner_ops *ops;
  bki_pool *pool;
  bki_learner *learner;
  bki_error err;
  bki_learner_config config = {.model = bki_model_get_config(model), .train_embedding = o.tuned};
  bki_optimizer_config_init(&config.optimizer, BKI_OPTIMIZER_ADAM, BKI_CONVENTION_PYTORCH);
  if (bki_learner_find(&ops, o.backend, &err) != BKI_OK || bki_pool_create(&pool, o.threads, &err) != BKI_OK) {
    synthetic_die(err.message);
  }
  config.pool = pool;
  if (ops->create(&learner, &config, parameters, &err) != BKI_OK) {
    synthetic_die(err.message);
  }
  measure(&o, learner, pool, &c);
  ops->destroy(learner);
  bki_pool_destroy(pool);
  bki_model_destroy(model);
  for (size_t i = 0; i < c.n; i++) {
    free((void *)(uintptr_t)c.sequences[i].ids);
  }
  free(c.sequences);
  free(c.labels);
  return 0;
}
