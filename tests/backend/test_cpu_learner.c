/* The learner `cpu` against a plain forward pass in double precision: losses, and gradients by central differences. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learner.h"
#include "random_model.h"

/* A batch of ragged texts with labels. */
typedef struct batch {
  corpus texts;
  int32_t *labels;
} batch;

static batch make_batch(uint64_t seed, const int32_t *lengths, size_t n) {
  batch b = {random_corpus(seed, 50, lengths, n, false), malloc(n * sizeof *b.labels)};
  for (size_t i = 0; i < n; i++) {
    b.labels[i] = random_below(&seed, 3);
  }
  return b;
}

static bki_minibatch minibatch_of(const batch *b) {
  return (bki_minibatch){b->texts.sequences, b->labels, b->texts.n, 7};
}

static void free_batch(batch *b) {
  corpus_free(&b->texts);
  free(b->labels);
}

/* --- the oracle ------------------------------------------------------------------------------------------------- */

/* Parameters in double precision and where they stand. */
typedef struct oracle {
  const bki_model_config *m;
  const bki_parameters *layout;
  double dropout;
  double *p;
} oracle;

static const double *at(const oracle *o, const float *parameter) {
  return o->p + (parameter - o->layout->block);
}

static double sigmoid(double z) {
  return 1 / (1 + exp(-z));
}

static double kept(const oracle *o, size_t site, size_t row, size_t unit) {
  if (o->dropout <= 0) {
    return 1;
  }
  return bki_dropout_keeps(o->dropout, 3, 7, (uint32_t)site, (uint32_t)row, unit) ? 1 / (1 - o->dropout) : 0;
}

/* y [T, 2H] of x [T, I], one direction's half. */
static void run_lstm(const oracle *o, const bki_lstm_weights *w, size_t I, bool backward, const double *x, size_t T,
                     double *y) {
  const size_t H = (size_t)o->m->hidden;
  double *h = calloc(3 * H, sizeof *h);
  double *next = h + H;
  double *c = h + 2 * H;
  for (size_t s = 0; s < T; s++) {
    const size_t t = backward ? T - 1 - s : s;
    for (size_t u = 0; u < H; u++) {
      double z[4];
      for (size_t g = 0; g < 4; g++) {
        const size_t row = g * H + u;
        z[g] = at(o, w->b_ih)[row] + at(o, w->b_hh)[row];
        for (size_t k = 0; k < I; k++) {
          z[g] += at(o, w->w_ih)[row * I + k] * x[t * I + k];
        }
        for (size_t k = 0; k < H; k++) {
          z[g] += at(o, w->w_hh)[row * H + k] * h[k];
        }
      }
      c[u] = sigmoid(z[1]) * c[u] + sigmoid(z[0]) * tanh(z[2]);
      next[u] = sigmoid(z[3]) * tanh(c[u]);
    }
    memcpy(h, next, H * sizeof *h);
    memcpy(y + t * 2 * H + (backward ? H : 0), h, H * sizeof *h);
  }
  free(h);
}

static void read_out(const oracle *o, const double *y, size_t T, double *r) {
  const size_t H = (size_t)o->m->hidden;
  for (size_t k = 0; k < 2 * H; k++) {
    r[k] = 0;
    if (T == 0) {
      continue;
    }
    switch (o->m->readout) {
      case BKI_READOUT_FINAL: r[k] = y[(k < H ? T - 1 : 0) * 2 * H + k]; break;
      case BKI_READOUT_LAST: r[k] = y[(T - 1) * 2 * H + k]; break;
      case BKI_READOUT_MEAN:
        for (size_t t = 0; t < T; t++) {
          r[k] += y[t * 2 * H + k] / (double)T;
        }
        break;
      case BKI_READOUT_MAX:
        r[k] = y[k];
        for (size_t t = 1; t < T; t++) {
          r[k] = fmax(r[k], y[t * 2 * H + k]);
        }
        break;
    }
  }
}

static double activate(bki_activation activation, double z) {
  switch (activation) {
    case BKI_ACTIVATION_RELU: return z > 0 ? z : 0;
    case BKI_ACTIVATION_TANH: return tanh(z);
    case BKI_ACTIVATION_NONE: break;
  }
  return z;
}

static void affine(const double *w, const double *b, size_t rows, size_t columns, const double *in, double *out) {
  for (size_t i = 0; i < rows; i++) {
    out[i] = b[i];
    for (size_t k = 0; k < columns; k++) {
      out[i] += w[i * columns + k] * in[k];
    }
  }
}

static double head_loss(const oracle *o, const double *r, int32_t label) {
  const size_t units = 2 * (size_t)o->m->hidden;
  const size_t D = (size_t)o->m->dense;
  const size_t C = (size_t)o->m->n_classes;
  double *dense = calloc(D + C, sizeof *dense);
  double *logits = dense + D;
  if (D > 0) {
    affine(at(o, o->layout->dense_weight), at(o, o->layout->dense_bias), D, units, r, dense);
    for (size_t i = 0; i < D; i++) {
      dense[i] = activate(o->m->dense_activation, dense[i]);
    }
  }
  affine(at(o, o->layout->output_weight), at(o, o->layout->output_bias), C, D > 0 ? D : units, D > 0 ? dense : r,
         logits);
  double sum = 0;
  for (size_t c = 0; c < C; c++) {
    sum += exp(logits[c]);
  }
  const double loss = log(sum) - logits[label];
  free(dense);
  return loss;
}

static double text_loss(const oracle *o, const bki_sequence *s, size_t row, int32_t label) {
  const size_t E = (size_t)o->m->embedding_dim;
  const size_t H = (size_t)o->m->hidden;
  const size_t L = (size_t)o->m->num_layers;
  const size_t W = E > 2 * H ? E : 2 * H;
  const size_t length = (size_t)s->length;
  const size_t T = o->m->pad == BKI_PAD_NONE ? length : (size_t)o->m->pad_length;
  const size_t first = o->m->pad == BKI_PAD_PRE ? T - length : 0;
  double *x = calloc((T + 1) * W, sizeof *x);
  double *y = calloc((T + 1) * W, sizeof *y);
  for (size_t t = 0; t < T; t++) {
    const bool pad = t < first || t >= first + length;
    const size_t id = (size_t)(pad ? o->m->pad_id : s->ids[t - first]);
    const bool zero = pad && o->m->pad_vector == BKI_PAD_VECTOR_ZERO;
    for (size_t k = 0; k < E; k++) {
      x[t * E + k] = zero ? 0 : at(o, o->layout->embedding)[id * E + k];
    }
  }
  for (size_t layer = 0; layer < L; layer++) {
    const size_t I = layer == 0 ? E : 2 * H;
    run_lstm(o, &o->layout->lstm[2 * layer], I, false, x, T, y);
    run_lstm(o, &o->layout->lstm[2 * layer + 1], I, true, x, T, y);
    for (size_t k = 0; k < T * 2 * H; k++) {
      x[k] = y[k] * (layer + 1 < L ? kept(o, layer, row, k) : 1);
    }
  }
  read_out(o, x, T, y);
  for (size_t k = 0; k < 2 * H; k++) {
    y[k] *= kept(o, L, row, k);
  }
  const double loss = head_loss(o, y, label);
  free(x);
  free(y);
  return loss;
}

static double batch_loss(const oracle *o, const batch *b) {
  double sum = 0;
  for (size_t i = 0; i < b->texts.n; i++) {
    sum += text_loss(o, &b->texts.sequences[i], i, b->labels[i]);
  }
  return sum;
}

static oracle make_oracle(const bki_model_config *config, const bki_parameters *parameters, double dropout) {
  oracle o = {config, parameters, dropout, malloc(parameters->count * sizeof(double))};
  for (size_t i = 0; i < parameters->count; i++) {
    o.p[i] = (double)parameters->block[i];
  }
  return o;
}

/* --- learners --------------------------------------------------------------------------------------------------- */

typedef struct setting {
  bki_model_config model;
  bool train_embedding;
  double dropout;
  int32_t threads;
  bki_optimizer_config optimizer;
} setting;

typedef struct subject {
  bki_model *model;
  const bki_parameters *parameters;
  bki_pool *pool;
  bki_learner *learner;
  size_t first; /* of what is trained */
  size_t count;
} subject;

static subject make_subject(uint64_t seed, const setting *s) {
  subject u = {.model = random_model(seed, &s->model)};
  bki_error err;
  u.parameters = bki_model_parameters(u.model);
  cr_assert_eq(bki_pool_create(&u.pool, s->threads, &err), BKI_OK);
  const bki_learner_config config = {.model = bki_model_get_config(u.model),
                                     .train_embedding = s->train_embedding,
                                     .dropout = s->dropout,
                                     .seed = 3,
                                     .optimizer = s->optimizer,
                                     .pool = u.pool};
  cr_assert_eq(bki_learner_cpu.create(&u.learner, &config, u.parameters, &err), BKI_OK, "%s", err.message);
  u.first = s->train_embedding ? 0 : (size_t)(s->model.vocabulary_size * s->model.embedding_dim);
  u.count = u.parameters->count - u.first;
  return u;
}

static void free_subject(subject *u) {
  u->learner->ops->destroy(u->learner);
  bki_pool_destroy(u->pool);
  bki_model_destroy(u->model);
}

static float *read_block(const subject *u, bki_block block) {
  float *values = malloc(u->parameters->count * sizeof *values);
  cr_assert_eq(u->learner->ops->read(u->learner, block, values, NULL), BKI_OK);
  return values;
}

static bki_batch_loss run_gradients(const subject *u, const batch *b) {
  bki_batch_loss loss;
  const bki_minibatch m = minibatch_of(b);
  cr_assert_eq(u->learner->ops->gradients(u->learner, &m, &loss, NULL), BKI_OK);
  return loss;
}

/* Every gradient against (loss(p + e) - loss(p - e)) / (2 e n). */
static void check_gradients(const subject *u, const setting *s, const batch *b, const char *what) {
  enum { STRIDE = 3 }; /* every third parameter, to save time */
  const bki_batch_loss loss = run_gradients(u, b);
  float *gradients = read_block(u, BKI_BLOCK_GRADIENTS);
  oracle o = make_oracle(&s->model, u->parameters, s->dropout);
  const double expected = batch_loss(&o, b);
  cr_assert(fabs(loss.loss_sum - expected) < 1e-5 * (1 + expected), "%s: loss %.9g, expected %.9g", what, loss.loss_sum,
            expected);
  for (size_t i = 0; i < u->count; i += STRIDE) {
    const double e = 1e-5;
    double *p = &o.p[u->first + i];
    const double before = *p;
    *p = before + e;
    const double up = batch_loss(&o, b);
    *p = before - e;
    const double down = batch_loss(&o, b);
    *p = before;
    const double gradient = (up - down) / (2 * e * (double)b->texts.n);
    cr_assert(fabs((double)gradients[i] - gradient) < 2e-6 + 2e-5 * fabs(gradient),
              "%s: parameter %zu: %.9g, expected %.9g", what, u->first + i, (double)gradients[i], gradient);
  }
  free(gradients);
  free(o.p);
}

static void check(const setting *s, const int32_t *lengths, size_t n, const char *what) {
  batch b = make_batch(n, lengths, n);
  subject u = make_subject(11, s);
  check_gradients(&u, s, &b, what);
  free_subject(&u);
  free_batch(&b);
}

static setting plain_setting(void) {
  setting s = {.model = random_config(3, 5), .threads = 1, .train_embedding = true};
  s.model.vocabulary_size = 50;
  bki_optimizer_config_init(&s.optimizer, BKI_OPTIMIZER_ADAM, BKI_CONVENTION_PYTORCH);
  return s;
}

static const int32_t ragged[] = {3, 0, 7, 1, 4};
enum { N_RAGGED = 5 };

Test(cpu_learner, gradients_of_every_readout_and_padding_are_those_of_central_differences) {
  for (int readout = 0; readout < 4; readout++) {
    for (int pad = 0; pad < 5; pad++) {
      setting s = plain_setting();
      s.model.readout = (bki_readout)readout;
      s.model.pad = (bki_pad)((pad + 1) / 2);
      s.model.pad_length = pad == 0 ? 0 : 9;
      s.model.max_words = pad == 0 ? 500 : 9;
      s.model.pad_vector = pad % 2 == 0 ? BKI_PAD_VECTOR_ZERO : BKI_PAD_VECTOR_EMBEDDING;
      char what[64];
      snprintf(what, sizeof what, "readout %d, pad %d", readout, pad);
      check(&s, ragged, N_RAGGED, what);
    }
  }
}

Test(cpu_learner, gradients_of_deep_models_are_those_of_central_differences) {
  for (int readout = 0; readout < 4; readout++) {
    setting s = plain_setting();
    s.model.num_layers = 3;
    s.model.hidden = 4;
    s.model.readout = (bki_readout)readout;
    s.dropout = readout == 1 ? 0.4 : 0;
    check(&s, ragged, N_RAGGED, "three layers");
  }
}

Test(cpu_learner, gradients_with_dropout_are_those_of_its_mask) {
  setting s = plain_setting();
  s.dropout = 0.3;
  s.train_embedding = false;
  check(&s, ragged, N_RAGGED, "dropout");
  s.model.num_layers = 2;
  s.model.pad = BKI_PAD_PRE;
  s.model.pad_length = 8;
  s.model.max_words = 8;
  check(&s, ragged, N_RAGGED, "dropout between layers");
}

Test(cpu_learner, gradients_of_every_head_are_those_of_central_differences) {
  for (int activation = 0; activation < 3; activation++) {
    setting s = plain_setting();
    s.model.dense_activation = (bki_activation)activation;
    check(&s, ragged, N_RAGGED, "activation");
  }
  setting s = plain_setting();
  s.model.dense = 0;
  check(&s, ragged, N_RAGGED, "no dense layer");
}

Test(cpu_learner, gradients_of_units_that_fill_vectors_or_not_are_those_of_central_differences) {
  static const int32_t hidden[] = {1, 16, 17};
  for (size_t i = 0; i < 3; i++) {
    setting s = plain_setting();
    s.model.hidden = hidden[i];
    s.train_embedding = false;
    check(&s, ragged, 3, "hidden");
  }
}

Test(cpu_learner, gradients_of_a_single_text_and_of_empty_ones_are_those_of_central_differences) {
  static const int32_t empty[] = {0, 0};
  const setting s = plain_setting();
  check(&s, ragged, 1, "one text");
  check(&s, empty, 1, "one empty text");
  check(&s, empty, 2, "empty texts");
}

Test(cpu_learner, a_word_that_leaves_the_batch_has_no_gradient_any_more) {
  const setting s = plain_setting();
  subject u = make_subject(5, &s);
  batch large = make_batch(1, ragged, N_RAGGED);
  batch small = make_batch(2, ragged + 3, 1);
  run_gradients(&u, &large);
  check_gradients(&u, &s, &small, "after another batch");
  free_batch(&large);
  free_batch(&small);
  free_subject(&u);
}

/* 100 texts: several chunks, the last one not full. */
static batch make_large_batch(void) {
  int32_t lengths[100];
  for (int32_t i = 0; i < 100; i++) {
    lengths[i] = i * 7 % 23;
  }
  return make_batch(9, lengths, 100);
}

Test(cpu_learner, parameters_do_not_depend_on_the_number_of_threads) {
  batch b = make_large_batch();
  float *first = NULL;
  for (int32_t threads = 1; threads <= 3; threads++) {
    setting s = plain_setting();
    s.model.hidden = 37;
    s.model.num_layers = 2;
    s.model.readout = BKI_READOUT_MAX;
    s.dropout = 0.2;
    s.optimizer.clip_norm = 0.5;
    s.threads = threads;
    subject u = make_subject(4, &s);
    for (uint64_t step = 0; step < 3; step++) {
      double norm;
      run_gradients(&u, &b);
      cr_assert_eq(u.learner->ops->update(u.learner, step, &norm, NULL), BKI_OK);
    }
    float *now = read_block(&u, BKI_BLOCK_PARAMETERS);
    if (first == NULL) {
      first = now;
    } else {
      cr_assert_arr_eq(first, now, u.parameters->count * sizeof *now, "%d threads", threads);
      free(now);
    }
    free_subject(&u);
  }
  free(first);
  free_batch(&b);
}

Test(cpu_learner, evaluation_is_the_scorers_and_leaves_the_gradients) {
  batch b = make_large_batch();
  setting s = plain_setting();
  s.dropout = 0.5;
  subject u = make_subject(4, &s);
  run_gradients(&u, &b);
  float *before = read_block(&u, BKI_BLOCK_GRADIENTS);
  bki_batch_loss loss;
  const bki_minibatch m = minibatch_of(&b);
  cr_assert_eq(u.learner->ops->evaluate(u.learner, &m, &loss, NULL), BKI_OK);
  float *after = read_block(&u, BKI_BLOCK_GRADIENTS);
  cr_assert_arr_eq(before, after, u.count * sizeof *after);
  free(before);
  free(after);
  bki_scorer_config config;
  bki_scorer_config_init(&config);
  bki_scorer *scorer = open_scorer(u.model, &config);
  float *logits = malloc(b.texts.n * 3 * sizeof *logits);
  cr_assert_eq(bki_scorer_forward(scorer, b.texts.sequences, b.texts.n, NULL, logits, NULL), BKI_OK);
  double expected = 0;
  int64_t correct = 0;
  for (size_t i = 0; i < b.texts.n; i++) {
    const float *z = logits + 3 * i;
    const int32_t best = z[1] > z[0] ? (z[2] > z[1] ? 2 : 1) : (z[2] > z[0] ? 2 : 0);
    correct += best == b.labels[i];
    expected += log(exp((double)z[0]) + exp((double)z[1]) + exp((double)z[2])) - (double)z[b.labels[i]];
  }
  cr_assert(fabs(loss.loss_sum - expected) < 1e-4, "%.9g, expected %.9g", loss.loss_sum, expected);
  cr_assert_eq(loss.n_correct, correct);
  free(logits);
  bki_scorer_destroy(scorer);
  free_subject(&u);
  free_batch(&b);
}

/* One parameter's step as optimizer.h writes it. */
static double expected_step(const bki_optimizer_config *o, double t, double g, double *m, double *v) {
  *v = o->beta2 * *v + (1 - o->beta2) * g * g;
  if (o->type == BKI_OPTIMIZER_RMSPROP) {
    return o->learning_rate * g / (sqrt(*v) + o->epsilon);
  }
  *m = o->beta1 * *m + (1 - o->beta1) * g;
  const double first = 1 - pow(o->beta1, t);
  const double second = 1 - pow(o->beta2, t);
  if (o->convention == BKI_CONVENTION_PYTORCH) {
    return o->learning_rate / first * *m / (sqrt(*v / second) + o->epsilon);
  }
  return o->learning_rate * sqrt(second) / first * *m / (sqrt(*v) + o->epsilon);
}

static void check_updates(const bki_optimizer_config *optimizer) {
  setting s = plain_setting();
  s.optimizer = *optimizer;
  subject u = make_subject(4, &s);
  double *m = calloc(2 * u.count, sizeof *m);
  double *v = m + u.count;
  for (uint64_t step = 0; step < 4; step++) {
    float *before = read_block(&u, BKI_BLOCK_PARAMETERS);
    float *g = calloc(u.count, sizeof *g);
    double square = 0;
    for (size_t i = 0; i < u.count; i++) {
      g[i] = (float)((double)(i % 13) * 1e-3 * (step == 2 ? -1 : 1));
      square += (double)g[i] * (double)g[i];
    }
    cr_assert_eq(u.learner->ops->write(u.learner, BKI_BLOCK_GRADIENTS, g, NULL), BKI_OK);
    double norm;
    cr_assert_eq(u.learner->ops->update(u.learner, step, &norm, NULL), BKI_OK);
    cr_assert_float_eq(norm, sqrt(square), 1e-9);
    const double clip = optimizer->clip_norm > 0 ? fmin(1, optimizer->clip_norm / (norm + 1e-6)) : 1;
    float *after = read_block(&u, BKI_BLOCK_PARAMETERS);
    for (size_t i = 0; i < u.count; i++) {
      const double expected =
          (double)before[i] - expected_step(optimizer, (double)step + 1, (double)g[i] * clip, &m[i], &v[i]);
      cr_assert_float_eq((double)after[i], expected, 1e-6, "step %d, parameter %zu: %.9g, expected %.9g", (int)step, i,
                         (double)after[i], expected);
    }
    free(before);
    free(after);
    free(g);
  }
  free(m);
  free_subject(&u);
}

Test(cpu_learner, updates_follow_the_equations_of_the_optimizers) {
  for (int type = 0; type < 2; type++) {
    for (int convention = 0; convention < 2; convention++) {
      for (int clip = 0; clip < 2; clip++) {
        bki_optimizer_config config;
        bki_optimizer_config_init(&config, (bki_optimizer_type)type, (bki_convention)convention);
        config.clip_norm = clip == 0 ? 0 : 0.05;
        check_updates(&config);
      }
    }
  }
}

Test(cpu_learner, blocks_that_are_written_are_read_again) {
  const setting s = plain_setting();
  subject u = make_subject(4, &s);
  for (int block = 0; block < 4; block++) {
    float *values = read_block(&u, (bki_block)block);
    const size_t n = block == BKI_BLOCK_PARAMETERS ? u.parameters->count : u.count;
    for (size_t i = 0; i < n; i++) {
      values[i] = (float)(i + (size_t)block);
    }
    cr_assert_eq(u.learner->ops->write(u.learner, (bki_block)block, values, NULL), BKI_OK);
    free(values);
  }
  for (int block = 0; block < 4; block++) {
    float *values = read_block(&u, (bki_block)block);
    cr_assert_eq(values[1], (float)(1 + block));
    free(values);
  }
  free_subject(&u);
}
