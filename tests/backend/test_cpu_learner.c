/* What test_learners.c and test_learner_golden.c do not ask of the learner `cpu`: heads, odd batches, threads, the
 * scorer's losses, updates. */
#include <criterion/criterion.h>

#include <math.h>
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

static subject make_subject_of(const bki_learner_ops *ops, uint64_t seed, const setting *s) {
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
  cr_assert_eq(ops->create(&u.learner, &config, u.parameters, &err), BKI_OK, "%s", err.message);
  u.first = s->train_embedding ? 0 : (size_t)(s->model.vocabulary_size * s->model.embedding_dim);
  u.count = u.parameters->count - u.first;
  return u;
}

static subject make_subject(uint64_t seed, const setting *s) {
  return make_subject_of(&bki_learner_cpu, seed, s);
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

/* Loss and every gradient against the oracle, which has the same parameters. */
static void check_gradients(const subject *u, const setting *s, uint64_t seed, const batch *b, const char *what) {
  subject oracle = make_subject_of(&bki_learner_ref, seed, s);
  const bki_batch_loss expected_loss = run_gradients(&oracle, b);
  const bki_batch_loss loss = run_gradients(u, b);
  cr_assert(fabs(loss.loss_sum - expected_loss.loss_sum) < 1e-5 * (1 + expected_loss.loss_sum),
            "%s: loss %.9g, expected %.9g", what, loss.loss_sum, expected_loss.loss_sum);
  float *gradients = read_block(u, BKI_BLOCK_GRADIENTS);
  float *expected = read_block(&oracle, BKI_BLOCK_GRADIENTS);
  for (size_t i = 0; i < u->count; i++) {
    cr_assert(fabsf(gradients[i] - expected[i]) < 1e-6F + 1e-5F * fabsf(expected[i]),
              "%s: parameter %zu: %.9g, expected %.9g", what, u->first + i, (double)gradients[i], (double)expected[i]);
  }
  free(gradients);
  free(expected);
  free_subject(&oracle);
}

static void check(const setting *s, const int32_t *lengths, size_t n, const char *what) {
  batch b = make_batch(n, lengths, n);
  subject u = make_subject(11, s);
  check_gradients(&u, s, 11, &b, what);
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

Test(cpu_learner, gradients_of_every_head_are_those_of_the_oracle) {
  for (int activation = 0; activation < 3; activation++) {
    setting s = plain_setting();
    s.model.dense_activation = (bki_activation)activation;
    check(&s, ragged, N_RAGGED, "activation");
  }
  setting s = plain_setting();
  s.model.dense = 0;
  check(&s, ragged, N_RAGGED, "no dense layer");
}

Test(cpu_learner, gradients_of_a_single_text_and_of_empty_ones_are_those_of_the_oracle) {
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
  check_gradients(&u, &s, 5, &small, "after another batch");
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
