/* Every learner of the table against the oracle `ref` on random ragged batches, and what all of them promise. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learner_problem.h"

enum { N_TEXTS = 23, LONGEST = 30 };

/* Largest difference of a gradient, relative to the largest of its tensor. Each number has 24 bits, 6e-8; a gradient is
 * a sum over N_TEXTS texts of up to LONGEST steps, each with its own roundings, some of which cancel, and what a step
 * passes on to the one before has been rounded too: a few hundred roundings in all. */
static const double limit = 1e-5;

/* NULL where this build has no such learner; test_learner_golden.c says so. */
static const bki_learner_ops *find(const char *name) {
  const bki_learner_ops *ops = NULL;
  bki_learner_find(&ops, name, NULL);
  return ops;
}

static problem make_ragged(const bki_model_config *shape, uint64_t seed, bool tuned, double dropout) {
  int32_t lengths[N_TEXTS];
  uint64_t state = seed;
  for (size_t i = 0; i < N_TEXTS; i++) {
    lengths[i] = i == 5 ? 0 : random_below(&state, LONGEST + 1);
  }
  return make_problem(shape, seed, lengths, N_TEXTS, tuned, dropout);
}

static void check(const bki_model_config *shape, uint64_t seed, bool tuned, double dropout) {
  static const char *const names[] = {"cpu", "cuda"};
  problem p = make_ragged(shape, seed, tuned, dropout);
  bki_batch_loss expected;
  float *gradients = differentiate(&p, &bki_learner_ref, &expected);
  for (size_t i = 0; i < 2; i++) {
    const bki_learner_ops *ops = find(names[i]);
    if (ops == NULL) {
      continue;
    }
    char name[160];
    snprintf(name, sizeof name, "%s, seed %d: E %d H %d layers %d D %d readout %d pad %d dropout %g", names[i],
             (int)seed, shape->embedding_dim, shape->hidden, shape->num_layers, shape->dense, (int)shape->readout,
             (int)shape->pad, dropout);
    bki_batch_loss loss;
    float *found = differentiate(&p, ops, &loss);
    cr_assert_float_eq(loss.loss_sum, expected.loss_sum, 1e-5 * expected.loss_sum, "%s", name);
    cr_assert_eq(loss.n_correct, expected.n_correct, "%s", name);
    compare_gradients(&p, found, gradients, limit, name);
    free(found);
  }
  free(gradients);
  clear_problem(&p);
}

Test(learners, have_the_gradients_of_the_oracle_for_every_readout_and_padding) {
  for (int pad = BKI_PAD_NONE; pad <= BKI_PAD_POST; pad++) {
    for (int readout = BKI_READOUT_FINAL; readout <= BKI_READOUT_MAX; readout++) {
      bki_model_config shape = random_config(9, 11);
      shape.pad = (bki_pad)pad;
      shape.pad_length = pad == BKI_PAD_NONE ? 0 : LONGEST + 3;
      shape.pad_vector = readout % 2 == 0 ? BKI_PAD_VECTOR_EMBEDDING : BKI_PAD_VECTOR_ZERO;
      shape.max_words = LONGEST;
      shape.readout = (bki_readout)readout;
      check(&shape, 200 + (uint64_t)(4 * pad + readout), true, 0);
    }
  }
}

Test(learners, have_the_gradients_of_the_oracle_for_deep_models_with_dropout) {
  for (int32_t layers = 1; layers <= 3; layers++) {
    bki_model_config shape = random_config(7, 6);
    shape.num_layers = layers;
    shape.dense = layers == 2 ? 0 : 5;
    shape.dense_activation = BKI_ACTIVATION_TANH;
    check(&shape, 220 + (uint64_t)layers, layers == 2, 0.3);
    shape.pad = BKI_PAD_PRE;
    shape.pad_length = LONGEST;
    shape.max_words = LONGEST;
    check(&shape, 230 + (uint64_t)layers, layers != 2, 0.3);
  }
}

Test(learners, have_the_gradients_of_the_oracle_for_sizes_that_fill_vectors_or_not) {
  static const int32_t sizes[][3] = {{1, 1, 1}, {3, 17, 0}, {50, 32, 33}, {33, 40, 7}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    bki_model_config shape = random_config(sizes[i][0], sizes[i][1]);
    shape.dense = sizes[i][2];
    check(&shape, 240 + i, i % 2 == 0, 0);
  }
}

static const char *const all[] = {"ref", "cpu", "cuda"};

/* Blocks are laid out without the frozen embedding; what is written is read, and used. */
Test(learners, give_back_what_was_written) {
  bki_model_config shape = random_config(4, 3);
  problem p = make_ragged(&shape, 260, false, 0);
  const size_t count = bki_model_parameters(p.model)->count;
  for (size_t i = 0; i < 3; i++) {
    const bki_learner_ops *ops = find(all[i]);
    bki_learner *learner = ops == NULL ? NULL : open_learner(&p, ops);
    for (int block = BKI_BLOCK_PARAMETERS; learner != NULL && block <= BKI_BLOCK_VARIANCE; block++) {
      const size_t n = block == BKI_BLOCK_PARAMETERS ? count : count - 50 * 4;
      float *in = calloc(n, sizeof *in);
      float *out = calloc(n, sizeof *out);
      uint64_t seed = 270 + (uint64_t)block;
      random_fill(&seed, in, (int64_t)n, 1);
      cr_assert_eq(ops->write(learner, (bki_block)block, in, NULL), BKI_OK);
      cr_assert_eq(ops->read(learner, (bki_block)block, out, NULL), BKI_OK);
      cr_assert_arr_eq(out, in, n * sizeof *in, "%s: block %d", ops->name, block);
      free(in);
      free(out);
    }
    if (learner != NULL) {
      ops->destroy(learner);
    }
  }
  clear_problem(&p);
}

Test(learners, evaluate_without_dropout_and_keep_their_gradients) {
  bki_model_config shape = random_config(4, 3);
  problem p = make_ragged(&shape, 280, true, 0.5);
  const bki_minibatch batch = first_texts(&p, N_TEXTS, 3);
  problem plain = p;
  plain.dropout = 0;
  bki_batch_loss expected;
  free(differentiate(&plain, &bki_learner_ref, &expected));
  const size_t count = bki_model_parameters(p.model)->count;
  float *before = calloc(2 * count, sizeof *before);
  float *after = before + count;
  for (size_t i = 0; i < 3; i++) {
    const bki_learner_ops *ops = find(all[i]);
    if (ops == NULL) {
      continue;
    }
    bki_learner *learner = open_learner(&p, ops);
    bki_batch_loss trained;
    bki_batch_loss used;
    cr_assert_eq(ops->gradients(learner, &batch, &trained, NULL), BKI_OK);
    cr_assert_eq(ops->read(learner, BKI_BLOCK_GRADIENTS, before, NULL), BKI_OK);
    cr_assert_eq(ops->evaluate(learner, &batch, &used, NULL), BKI_OK);
    cr_assert_eq(ops->read(learner, BKI_BLOCK_GRADIENTS, after, NULL), BKI_OK);
    cr_assert_arr_eq(after, before, count * sizeof *before, "%s", ops->name);
    cr_assert_float_eq(used.loss_sum, expected.loss_sum, 1e-5 * expected.loss_sum, "%s", ops->name);
    cr_assert_eq(used.n_correct, expected.n_correct, "%s", ops->name);
    cr_assert(fabs(trained.loss_sum - used.loss_sum) > 1e-3 * used.loss_sum, "%s: dropout did nothing", ops->name);
    ops->destroy(learner);
  }
  free(before);
  clear_problem(&p);
}

Test(learners, report_the_norm_before_clipping) {
  bki_model_config shape = random_config(4, 3);
  problem p = make_ragged(&shape, 290, true, 0);
  bki_batch_loss loss;
  float *gradients = differentiate(&p, &bki_learner_ref, &loss);
  double squares = 0;
  for (size_t i = 0; i < bki_model_parameters(p.model)->count; i++) {
    squares += (double)gradients[i] * (double)gradients[i];
  }
  const bki_minibatch batch = first_texts(&p, N_TEXTS, 3);
  for (size_t i = 0; i < 3; i++) {
    const bki_learner_ops *ops = find(all[i]);
    if (ops == NULL) {
      continue;
    }
    bki_learner *learner = open_learner(&p, ops);
    double norm = 0;
    cr_assert_eq(ops->gradients(learner, &batch, &loss, NULL), BKI_OK);
    cr_assert_eq(ops->update(learner, 0, &norm, NULL), BKI_OK);
    cr_assert_float_eq(norm, sqrt(squares), 1e-5 * sqrt(squares), "%s: %g", ops->name, norm);
    ops->destroy(learner);
  }
  free(gradients);
  clear_problem(&p);
}

Test(learner_find, knows_the_oracle_and_refuses_other_names) {
  const bki_learner_ops *ops = NULL;
  bki_error err;
  cr_assert_eq(bki_learner_find(&ops, "ref", &err), BKI_OK);
  cr_assert_eq(ops, &bki_learner_ref);
  cr_assert_eq(bki_learner_find(&ops, "auto", &err), BKI_OK);
  cr_assert_neq(ops, &bki_learner_ref, "the oracle is slow: others come first");
  cr_assert_eq(bki_learner_find(&ops, "abacus\n", &err), BKI_E_USAGE);
  cr_assert_str_eq(err.message, "expected backend auto, cpu, ref or cuda, found \"abacus\\x0a\"");
}
