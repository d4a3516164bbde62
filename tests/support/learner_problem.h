/* A model, a ragged batch with labels, and learners on them. */
#ifndef BKI_TESTS_LEARNER_PROBLEM_H
#define BKI_TESTS_LEARNER_PROBLEM_H

#include <math.h>
#include <stdlib.h>

#include "learner.h"
#include "model.h"
#include "random_model.h"

typedef struct problem {
  bki_model *model;
  bki_pool *pool;
  corpus texts;
  int32_t *labels; /* [texts.n] */
  bool tuned;
  double dropout;
  bki_optimizer_config optimizer; /* PyTorch's Adam */
} problem;

static inline problem make_problem(const bki_model_config *shape, uint64_t seed, const int32_t *lengths, size_t n,
                                   bool tuned, double dropout) {
  problem p = {.model = random_model(seed, shape), .tuned = tuned, .dropout = dropout};
  p.texts = random_corpus(seed, shape->vocabulary_size, lengths, n, false);
  p.labels = calloc(n, sizeof *p.labels);
  for (size_t i = 0; i < n; i++) {
    p.labels[i] = random_below(&seed, shape->n_classes);
  }
  bki_optimizer_config_init(&p.optimizer, BKI_OPTIMIZER_ADAM, BKI_CONVENTION_PYTORCH);
  cr_assert_eq(bki_pool_create(&p.pool, 2, NULL), BKI_OK);
  return p;
}

static inline void clear_problem(problem *p) {
  corpus_free(&p->texts);
  free(p->labels);
  bki_pool_destroy(p->pool);
  bki_model_destroy(p->model);
}

/* Numbers that a block but that of the parameters has. */
static inline size_t trained_count(const problem *p) {
  const bki_model_config *m = bki_model_get_config(p->model);
  const size_t frozen = p->tuned ? 0 : (size_t)m->vocabulary_size * (size_t)m->embedding_dim;
  return bki_model_parameters(p->model)->count - frozen;
}

static inline bki_status create_learner(bki_learner **out, const problem *p, const bki_learner_ops *ops,
                                        bki_error *err) {
  const bki_learner_config config = {.model = bki_model_get_config(p->model),
                                     .train_embedding = p->tuned,
                                     .dropout = p->dropout,
                                     .seed = 77,
                                     .optimizer = p->optimizer,
                                     .device = -1,
                                     .pool = p->pool};
  return ops->create(out, &config, bki_model_parameters(p->model), err);
}

static inline bki_learner *open_learner(const problem *p, const bki_learner_ops *ops) {
  bki_learner *learner = NULL;
  bki_error err;
  cr_assert_eq(create_learner(&learner, p, ops, &err), BKI_OK, "%s", err.message);
  cr_assert_eq(learner->ops, ops);
  return learner;
}

/* The first n texts. */
static inline bki_minibatch first_texts(const problem *p, size_t n, uint64_t step) {
  return (bki_minibatch){p->texts.sequences, p->labels, n, step};
}

static inline bki_batch_loss run_gradients(bki_learner *learner, bki_minibatch batch) {
  bki_batch_loss loss;
  bki_error err;
  cr_assert_eq(learner->ops->gradients(learner, &batch, &loss, &err), BKI_OK, "%s", err.message);
  return loss;
}

/* A copy of a block; free() it. */
static inline float *copy_block(const problem *p, bki_learner *learner, bki_block block) {
  bki_error err;
  float *numbers = calloc(bki_model_parameters(p->model)->count, sizeof *numbers);
  cr_assert_eq(learner->ops->read(learner, block, numbers, &err), BKI_OK, "%s", err.message);
  return numbers;
}

/* The gradients of the batch of all texts; free() them. */
static inline float *differentiate(const problem *p, const bki_learner_ops *ops, bki_batch_loss *loss) {
  bki_learner *learner = open_learner(p, ops);
  *loss = run_gradients(learner, first_texts(p, p->texts.n, 3));
  float *gradients = copy_block(p, learner, BKI_BLOCK_GRADIENTS);
  ops->destroy(learner);
  return gradients;
}

/* Every tensor's largest difference is at most `limit` of its largest expected number. */
static inline void compare_gradients(const problem *p, const float *found, const float *expected, double limit,
                                     const char *name) {
  bki_parameter tensor;
  size_t next = 0;
  for (size_t i = p->tuned ? 0 : 1; bki_parameters_describe(bki_model_get_config(p->model), i, &tensor); i++) {
    double largest = 0;
    double error = 0;
    for (int64_t k = 0; k < tensor.shape[0] * tensor.shape[1]; k++, next++) {
      largest = fmax(largest, fabs((double)expected[next]));
      error = isfinite(found[next]) ? fmax(error, fabs((double)expected[next] - (double)found[next])) : INFINITY;
    }
    cr_assert(error <= limit * largest, "%s: %s: %g of %g", name, tensor.name, error, largest);
  }
}

#endif
