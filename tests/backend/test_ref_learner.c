/* The oracle of training against finite differences in double precision, for every parameter of every kind of model. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "random_model.h"
#include "ref_learner.h"

/* Texts: one is empty, one has a word twice, one has the word whose row is the pad. */
static const int32_t ids[] = {4, 1, 2, 2, 5, 3, 0, 1};
static const bki_sequence texts[] = {{ids, 4}, {ids, 0}, {ids + 4, 1}, {ids + 3, 5}};
static const int32_t labels[] = {2, 0, 1, 1};
enum { N_TEXTS = 4, PAD_LENGTH = 6 };
static const bki_minibatch batch = {texts, labels, N_TEXTS, 7};

typedef struct fixture {
  bki_model *model;
  bki_pool *pool;
  bki_learner *learner;
  const bki_parameters *parameters; /* of the model: places of the tensors */
} fixture;

static fixture open_fixture(const bki_model_config *shape, bool tuned, double dropout, uint64_t seed) {
  fixture f = {.model = random_model(seed, shape)};
  bki_error err;
  cr_assert_eq(bki_pool_create(&f.pool, 1, &err), BKI_OK);
  f.parameters = bki_model_parameters(f.model);
  bki_learner_config config = {
      .model = bki_model_get_config(f.model), .train_embedding = tuned, .dropout = dropout, .seed = 9, .pool = f.pool};
  bki_optimizer_config_init(&config.optimizer, BKI_OPTIMIZER_ADAM, BKI_CONVENTION_PYTORCH);
  cr_assert_eq(bki_learner_ref.create(&f.learner, &config, f.parameters, &err), BKI_OK, "%s", err.message);
  return f;
}

static void close_fixture(fixture *f) {
  bki_learner_ref.destroy(f->learner);
  bki_pool_destroy(f->pool);
  bki_model_destroy(f->model);
}

static double mean_loss(bki_learner *learner) {
  bki_batch_loss loss;
  cr_assert_eq(bki_ref_learner_loss(learner, &batch, &loss, NULL), BKI_OK);
  return loss.loss_sum / N_TEXTS;
}

/* df/dw = (8 (f(w + h) - f(w - h)) - (f(w + 2h) - f(w - 2h))) / 12 h + O(h^4) */
static double differentiate(bki_learner *learner, double *w) {
  const double h = 1e-4;
  const double middle = *w;
  double f[4];
  const double at[4] = {-2, -1, 1, 2};
  for (int i = 0; i < 4; i++) {
    *w = middle + at[i] * h;
    f[i] = mean_loss(learner);
  }
  *w = middle;
  return (8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * h);
}

/* A relative error of 1e-6; the absolute one is that of differences: a rounding of 1e-16 over h = 1e-4. */
static void check_gradients(const fixture *f, const char *name) {
  bki_batch_loss loss;
  cr_assert_eq(bki_learner_ref.gradients(f->learner, &batch, &loss, NULL), BKI_OK);
  cr_assert_eq(loss.loss_sum / N_TEXTS, mean_loss(f->learner), "%s: another loss with gradients", name);
  const double *gradients = bki_ref_learner_block(f->learner, BKI_BLOCK_GRADIENTS);
  double *parameters = bki_ref_learner_block(f->learner, BKI_BLOCK_PARAMETERS);
  for (size_t i = 0; i < f->parameters->count; i++) {
    const double expected = differentiate(f->learner, &parameters[i]);
    cr_assert_float_eq(gradients[i], expected, 1e-6 * fabs(expected) + 1e-11, "%s: parameter %zu: %.12g for %.12g",
                       name, i, gradients[i], expected);
  }
}

/* The gradients of a frozen embedding's model are those of the tuned one without the embedding, to the bit. */
static void check_frozen(const fixture *tuned, const bki_model_config *shape, double dropout, uint64_t seed,
                         const char *name) {
  fixture frozen = open_fixture(shape, false, dropout, seed);
  bki_batch_loss loss;
  cr_assert_eq(bki_learner_ref.gradients(frozen.learner, &batch, &loss, NULL), BKI_OK);
  const size_t first = (size_t)shape->vocabulary_size * (size_t)shape->embedding_dim;
  const double *expected = bki_ref_learner_block(tuned->learner, BKI_BLOCK_GRADIENTS) + first;
  const double *found = bki_ref_learner_block(frozen.learner, BKI_BLOCK_GRADIENTS);
  cr_assert_arr_eq(found, expected, (frozen.parameters->count - first) * sizeof(double), "%s", name);
  close_fixture(&frozen);
}

static void check_shape(const bki_model_config *shape, double dropout, uint64_t seed) {
  char name[160];
  snprintf(name, sizeof name, "layers %d readout %d pad %d vector %d dense %d activation %d dropout %g",
           shape->num_layers, (int)shape->readout, (int)shape->pad, (int)shape->pad_vector, shape->dense,
           (int)shape->dense_activation, dropout);
  fixture f = open_fixture(shape, true, dropout, seed);
  check_gradients(&f, name);
  check_frozen(&f, shape, dropout, seed, name);
  close_fixture(&f);
}

static bki_model_config small_shape(bki_readout readout, int32_t layers) {
  bki_model_config shape = random_config(3, 2);
  shape.vocabulary_size = 6;
  shape.readout = readout;
  shape.num_layers = layers;
  shape.pad_id = 3;
  shape.max_words = PAD_LENGTH;
  return shape;
}

/* All heads, with and without dropout. */
static void check_heads(bki_model_config shape, uint64_t seed) {
  for (int head = 0; head < 4; head++) { /* three activations and no dense layer */
    shape.dense = head < 3 ? 3 : 0;
    shape.dense_activation = (bki_activation)(head % 3);
    check_shape(&shape, 0, seed);
    check_shape(&shape, 0.4, seed);
  }
}

static void check_readout(bki_readout readout, int32_t layers) {
  bki_model_config shape = small_shape(readout, layers);
  check_heads(shape, 1);
  shape.pad_length = PAD_LENGTH;
  for (int i = 0; i < 4; i++) {
    shape.pad = i < 2 ? BKI_PAD_PRE : BKI_PAD_POST;
    shape.pad_vector = (bki_pad_vector)(i % 2);
    check_heads(shape, 2 + (uint64_t)i);
  }
}

Test(ref_gradients, agree_with_differences_for_final_states) {
  check_readout(BKI_READOUT_FINAL, 1);
}

Test(ref_gradients, agree_with_differences_for_the_last_output) {
  check_readout(BKI_READOUT_LAST, 1);
}

Test(ref_gradients, agree_with_differences_for_the_mean) {
  check_readout(BKI_READOUT_MEAN, 1);
}

Test(ref_gradients, agree_with_differences_for_the_maximum) {
  check_readout(BKI_READOUT_MAX, 1);
}

Test(ref_gradients, agree_with_differences_for_final_states_of_two_layers) {
  check_readout(BKI_READOUT_FINAL, 2);
}

Test(ref_gradients, agree_with_differences_for_the_last_output_of_two_layers) {
  check_readout(BKI_READOUT_LAST, 2);
}

Test(ref_gradients, agree_with_differences_for_the_mean_of_two_layers) {
  check_readout(BKI_READOUT_MEAN, 2);
}

Test(ref_gradients, agree_with_differences_for_the_maximum_of_two_layers) {
  check_readout(BKI_READOUT_MAX, 2);
}

Test(ref_gradients, agree_with_differences_for_three_layers) {
  const bki_model_config shape = small_shape(BKI_READOUT_FINAL, 3);
  check_shape(&shape, 0, 11);
  check_shape(&shape, 0.4, 12);
}
