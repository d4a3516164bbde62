/* Steps of the learner `cuda` on the stand-in: optimizers, whole trainings, the same bytes each time. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "cuda_learner.h"
#include "learner_problem.h"
#include "ref_learner.h"
#include "standin.h"

TestSuite(cuda_training, .init = standin_begin);

enum { LONGEST = 10, N_TEXTS = 40, BATCH = 8 };

static problem make_training(uint64_t seed, int32_t layers, bool tuned, double dropout) {
  bki_model_config shape = random_config(8, 6);
  int32_t lengths[N_TEXTS];
  shape.num_layers = layers;
  shape.dense_activation = BKI_ACTIVATION_TANH;
  uint64_t state = seed;
  for (size_t i = 0; i < N_TEXTS; i++) {
    lengths[i] = random_below(&state, LONGEST + 1);
  }
  return make_problem(&shape, seed, lengths, N_TEXTS, tuned, dropout);
}

static void update(bki_learner *learner, uint64_t step, double *norm) {
  bki_error err;
  cr_assert_eq(learner->ops->update(learner, step, norm, &err), BKI_OK, "%s", err.message);
}

/* Gradients and a step of the batch that its number chooses. */
static double train(const problem *p, bki_learner *learner, uint64_t step) {
  const size_t first = step % (N_TEXTS / BATCH) * BATCH;
  const size_t n = step % 7 == 3 ? BATCH / 2 : BATCH;
  const bki_minibatch batch = {p->texts.sequences + first, p->labels + first, n, step};
  const double loss = run_gradients(learner, batch).loss_sum / (double)n;
  update(learner, step, NULL);
  return loss;
}

static const bki_optimizer_type types[] = {BKI_OPTIMIZER_ADAM, BKI_OPTIMIZER_RMSPROP};
static const bki_convention conventions[] = {BKI_CONVENTION_PYTORCH, BKI_CONVENTION_KERAS};

/* The oracle's step has the equations of optimizer.h; here gradients are the same in both. */
static void check_steps(problem *p, const char *name) {
  const size_t count = bki_model_parameters(p->model)->count;
  bki_learner *oracle = open_learner(p, &bki_learner_ref);
  bki_learner *cuda = open_learner(p, &bki_learner_cuda);
  float *gradients = calloc(count, sizeof *gradients);
  for (uint64_t step = 0; step < 4; step++) {
    double expected_norm;
    double norm;
    for (size_t i = 0; i < trained_count(p); i++) {
      gradients[i] = (float)(i % 13) * (step == 2 ? -1e-3f : 1e-3f);
    }
    cr_assert_eq(oracle->ops->write(oracle, BKI_BLOCK_GRADIENTS, gradients, NULL), BKI_OK);
    cr_assert_eq(cuda->ops->write(cuda, BKI_BLOCK_GRADIENTS, gradients, NULL), BKI_OK);
    update(oracle, step, &expected_norm);
    update(cuda, step, &norm);
    cr_assert_float_eq(norm, expected_norm, 1e-12 * expected_norm, "%s: norm %.17g, expected %.17g", name, norm,
                       expected_norm);
    float *expected = copy_block(p, oracle, BKI_BLOCK_PARAMETERS);
    float *found = copy_block(p, cuda, BKI_BLOCK_PARAMETERS);
    for (size_t i = 0; i < count; i++) {
      cr_assert_float_eq((double)found[i], (double)expected[i], 1e-6, "%s: step %d, parameter %zu: %.9g, expected %.9g",
                         name, (int)step, i, (double)found[i], (double)expected[i]);
    }
    free(expected);
    free(found);
  }
  free(gradients);
  oracle->ops->destroy(oracle);
  cuda->ops->destroy(cuda);
}

Test(cuda_training, steps_follow_the_equations_of_the_optimizers) {
  for (int i = 0; i < 8; i++) {
    problem p = make_training(1, 1, i % 2 == 0, 0);
    char name[80];
    bki_optimizer_config_init(&p.optimizer, types[i / 4], conventions[i / 2 % 2]);
    p.optimizer.clip_norm = i % 2 == 0 ? 0 : 0.05;
    snprintf(name, sizeof name, "type %d convention %d clip %g", (int)p.optimizer.type, (int)p.optimizer.convention,
             p.optimizer.clip_norm);
    check_steps(&p, name);
    clear_problem(&p);
  }
}

/* More numbers than one slice of the norm has. */
Test(cuda_training, the_norm_is_that_of_all_gradients) {
  bki_model_config shape = random_config(40, 3);
  static const int32_t lengths[] = {2};
  shape.vocabulary_size = 1000;
  problem p = make_problem(&shape, 2, lengths, 1, true, 0);
  const size_t count = trained_count(&p);
  float *gradients = calloc(count, sizeof *gradients);
  uint64_t seed = 3;
  double squares = 0;
  double norm;
  random_fill(&seed, gradients, (int64_t)count, 1);
  for (size_t i = 0; i < count; i++) {
    squares += (double)gradients[i] * (double)gradients[i];
  }
  bki_learner *learner = open_learner(&p, &bki_learner_cuda);
  cr_assert_eq(learner->ops->write(learner, BKI_BLOCK_GRADIENTS, gradients, NULL), BKI_OK);
  update(learner, 0, &norm);
  cr_assert_float_eq(norm, sqrt(squares), 1e-12 * norm);
  learner->ops->destroy(learner);
  free(gradients);
  clear_problem(&p);
}

static void check_training(problem *p, const char *name) {
  bki_learner *cpu = open_learner(p, &bki_learner_cpu);
  bki_learner *cuda = open_learner(p, &bki_learner_cuda);
  double first = 0;
  double last = 0;
  for (uint64_t step = 0; step < 50; step++) {
    const double expected = train(p, cpu, step);
    const double found = train(p, cuda, step);
    cr_assert_float_eq(found, expected, 1e-5, "%s: step %d: loss %.9g, expected %.9g", name, (int)step, found,
                       expected);
    first = step < 5 ? first + found : first;
    last = step >= 45 ? last + found : last;
  }
  cr_assert(last < 0.9 * first, "%s: nothing was learnt: %g after %g", name, last, first);
  cpu->ops->destroy(cpu);
  cuda->ops->destroy(cuda);
  cr_assert_eq(standin_leaks(), 0);
}

Test(cuda_training, has_the_losses_of_the_cpu_over_50_steps) {
  for (int i = 0; i < 4; i++) {
    problem p = make_training(10 + (uint64_t)i, 1 + i % 2, i != 1, i < 2 ? 0 : 0.2);
    char name[80];
    bki_optimizer_config_init(&p.optimizer, types[i / 2], conventions[i % 2]);
    p.optimizer.learning_rate = 0.01;
    p.optimizer.clip_norm = i == 1 ? 0 : 1;
    snprintf(name, sizeof name, "training %d", i);
    check_training(&p, name);
    clear_problem(&p);
  }
}

/* Work that runs early and work that runs late may differ only where something is not waited for. */
Test(cuda_training, two_trainings_give_the_same_bytes_whenever_the_device_works) {
  problem p = make_training(20, 2, true, 0.2);
  const size_t bytes = bki_model_parameters(p.model)->count * sizeof(float);
  float *first = NULL;
  p.optimizer.clip_norm = 0.5;
  for (int run = 0; run < 3; run++) {
    standin_reset(1, 0);
    standin_set_schedule(run == 1 ? STANDIN_EARLY : STANDIN_LATE);
    bki_learner *learner = open_learner(&p, &bki_learner_cuda);
    for (uint64_t step = 0; step < 8; step++) {
      train(&p, learner, step);
    }
    float *now = copy_block(&p, learner, BKI_BLOCK_PARAMETERS);
    learner->ops->destroy(learner);
    cr_assert_eq(standin_leaks(), 0);
    if (first == NULL) {
      first = now;
    } else {
      cr_assert_arr_eq(now, first, bytes, "run %d", run);
      free(now);
    }
  }
  free(first);
  clear_problem(&p);
}
