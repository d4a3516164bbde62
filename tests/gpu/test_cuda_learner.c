/* The learner `cuda` on the stand-in, against the oracle and the learner `cpu`. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "cuda_learner.h"
#include "learner_problem.h"
#include "ref_learner.h"
#include "standin.h"

TestSuite(cuda_learner, .init = standin_begin);

enum { LONGEST = 12 };

/* Of the largest gradient of a tensor: test_learners.c says what adds up. */
static const double limit = 2e-5;

static const int32_t ragged[] = {3, 0, LONGEST, 1, 4, 0, 9, 1, 6};
enum { N_RAGGED = sizeof ragged / sizeof *ragged };

static bki_model_config make_shape(int32_t embedding_dim, int32_t hidden, bki_pad pad) {
  bki_model_config shape = random_config(embedding_dim, hidden);
  shape.pad = pad;
  shape.pad_length = pad == BKI_PAD_NONE ? 0 : LONGEST + 3;
  shape.pad_id = 2;
  shape.max_words = LONGEST;
  return shape;
}

static void check_problem(problem *p, const char *what) {
  const bki_model_config *m = bki_model_get_config(p->model);
  char name[200];
  snprintf(name, sizeof name, "%s: layers %d D %d activation %d readout %d pad %d vector %d tuned %d dropout %g", what,
           m->num_layers, m->dense, (int)m->dense_activation, (int)m->readout, (int)m->pad, (int)m->pad_vector,
           p->tuned, p->dropout);
  bki_batch_loss expected;
  bki_batch_loss loss;
  float *gradients = differentiate(p, &bki_learner_ref, &expected);
  float *found = differentiate(p, &bki_learner_cuda, &loss);
  cr_assert_float_eq(loss.loss_sum, expected.loss_sum, 1e-6 * expected.loss_sum, "%s: loss %.9g, expected %.9g", name,
                     loss.loss_sum, expected.loss_sum);
  cr_assert_eq(loss.n_correct, expected.n_correct, "%s", name);
  compare_gradients(p, found, gradients, limit, name);
  cr_assert_eq(standin_leaks(), 0, "%s", name);
  free(found);
  free(gradients);
}

static void check(const bki_model_config *shape, uint64_t seed, const int32_t *lengths, size_t n, bool tuned,
                  double dropout, const char *what) {
  problem p = make_problem(shape, seed, lengths, n, tuned, dropout);
  check_problem(&p, what);
  clear_problem(&p);
}

/* All readouts and paddings; the other settings take turns, so that each meets each of them. */
static void check_layers(int32_t layers) {
  uint64_t seed = (uint64_t)layers * 1000;
  for (int pad = 0; pad < 5; pad++) {
    for (int readout = BKI_READOUT_FINAL; readout <= BKI_READOUT_MAX; readout++) {
      for (int turn = 0; turn < 4; turn++, seed++) {
        bki_model_config shape = make_shape(7, 6, (bki_pad)((pad + 1) / 2));
        shape.pad_vector = pad % 2 == 0 ? BKI_PAD_VECTOR_EMBEDDING : BKI_PAD_VECTOR_ZERO;
        shape.readout = (bki_readout)readout;
        shape.num_layers = layers;
        shape.dense = turn < 2 ? 16 : 0;
        shape.dense_activation = (bki_activation)(seed % 3);
        check(&shape, seed, ragged, N_RAGGED, (seed / 4 + seed) % 2 == 0, turn % 2 == 0 ? 0 : 0.3, "ragged");
      }
    }
  }
}

Test(cuda_learner, has_the_gradients_of_the_oracle_for_every_kind_of_model) {
  check_layers(1);
}

Test(cuda_learner, has_the_gradients_of_the_oracle_for_every_kind_of_deep_model) {
  check_layers(2);
}

Test(cuda_learner, has_the_gradients_of_the_oracle_for_every_activation) {
  for (int activation = BKI_ACTIVATION_RELU; activation <= BKI_ACTIVATION_NONE; activation++) {
    bki_model_config shape = make_shape(5, 9, BKI_PAD_NONE);
    shape.dense = 16;
    shape.dense_activation = (bki_activation)activation;
    check(&shape, 10 + (uint64_t)activation, ragged, N_RAGGED, true, 0, "activation");
  }
}

Test(cuda_learner, has_the_gradients_of_the_oracle_for_inputs_larger_and_smaller_than_states) {
  static const int32_t sizes[][3] = {{1, 1, 1}, {3, 17, 3}, {40, 4, 3}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    bki_model_config shape = make_shape(sizes[i][0], sizes[i][1], BKI_PAD_NONE);
    shape.num_layers = sizes[i][2];
    check(&shape, 20 + i, ragged, N_RAGGED, true, 0.2, "sizes");
  }
}

Test(cuda_learner, has_the_gradients_of_the_oracle_for_small_batches_and_empty_texts) {
  static const int32_t zeros[] = {0, 0, 0};
  static const int32_t ones[] = {1, 1, 1, 1};
  for (int pad = BKI_PAD_NONE; pad <= BKI_PAD_POST; pad++) {
    const bki_model_config shape = make_shape(4, 3, (bki_pad)pad);
    check(&shape, 31, ragged, 1, true, 0.3, "one text");
    check(&shape, 32, ones, 1, true, 0, "one word");
    check(&shape, 33, ones, 4, true, 0, "texts of one word");
    check(&shape, 34, zeros, 1, true, 0.3, "one empty text");
    check(&shape, 35, zeros, 3, true, 0, "empty texts");
  }
}

/* More texts than a product of the head takes at once, and words with more cells than a segment has. */
Test(cuda_learner, has_the_gradients_of_the_oracle_for_a_batch_in_pieces) {
  enum { MANY = 600 };
  int32_t lengths[MANY];
  for (int32_t i = 0; i < MANY; i++) {
    lengths[i] = i * 5 % 7 % 4;
  }
  bki_model_config shape = make_shape(3, 4, BKI_PAD_PRE);
  shape.vocabulary_size = 9;
  shape.pad_length = 5;
  shape.max_words = 5;
  check(&shape, 41, lengths, MANY, true, 0.1, "many texts");
}

Test(cuda_learner, evaluates_without_dropout_and_keeps_the_gradients) {
  const bki_model_config shape = make_shape(4, 3, BKI_PAD_NONE);
  problem p = make_problem(&shape, 50, ragged, N_RAGGED, true, 0.5);
  problem plain = p;
  plain.dropout = 0;
  bki_batch_loss expected;
  bki_batch_loss used;
  free(differentiate(&plain, &bki_learner_ref, &expected));
  bki_learner *learner = open_learner(&p, &bki_learner_cuda);
  const bki_minibatch batch = first_texts(&p, N_RAGGED, 3);
  run_gradients(learner, batch);
  float *before = copy_block(&p, learner, BKI_BLOCK_GRADIENTS);
  cr_assert_eq(learner->ops->evaluate(learner, &batch, &used, NULL), BKI_OK);
  float *after = copy_block(&p, learner, BKI_BLOCK_GRADIENTS);
  cr_assert_arr_eq(after, before, trained_count(&p) * sizeof *after);
  cr_assert_float_eq(used.loss_sum, expected.loss_sum, 1e-6 * expected.loss_sum);
  cr_assert_eq(used.n_correct, expected.n_correct);
  free(before);
  free(after);
  learner->ops->destroy(learner);
  cr_assert_eq(standin_leaks(), 0);
  clear_problem(&p);
}

Test(cuda_learner, gives_back_what_was_written_and_uses_it) {
  const bki_model_config shape = make_shape(4, 3, BKI_PAD_NONE);
  problem p = make_problem(&shape, 60, ragged, N_RAGGED, false, 0);
  const size_t count = bki_model_parameters(p.model)->count;
  bki_learner *learner = open_learner(&p, &bki_learner_cuda);
  const double loss = run_gradients(learner, first_texts(&p, N_RAGGED, 0)).loss_sum;
  for (int block = BKI_BLOCK_PARAMETERS; block <= BKI_BLOCK_VARIANCE; block++) {
    const size_t n = block == BKI_BLOCK_PARAMETERS ? count : trained_count(&p);
    float *in = calloc(n, sizeof *in);
    uint64_t seed = 61 + (uint64_t)block;
    random_fill(&seed, in, (int64_t)n, 1);
    cr_assert_eq(learner->ops->write(learner, (bki_block)block, in, NULL), BKI_OK);
    float *out = copy_block(&p, learner, (bki_block)block);
    cr_assert_arr_eq(out, in, n * sizeof *in, "block %d", block);
    free(in);
    free(out);
  }
  cr_assert(fabs(run_gradients(learner, first_texts(&p, N_RAGGED, 0)).loss_sum - loss) > 1e-3);
  learner->ops->destroy(learner);
  clear_problem(&p);
}

Test(cuda_learner, a_gradient_depends_on_its_batch_alone) {
  const bki_model_config shape = make_shape(4, 3, BKI_PAD_NONE);
  problem p = make_problem(&shape, 70, ragged, N_RAGGED, true, 0.2);
  bki_learner *fresh = open_learner(&p, &bki_learner_cuda);
  bki_learner *used = open_learner(&p, &bki_learner_cuda);
  run_gradients(used, first_texts(&p, N_RAGGED, 0));
  run_gradients(used, first_texts(&p, 2, 1));
  run_gradients(fresh, first_texts(&p, 2, 1));
  float *expected = copy_block(&p, fresh, BKI_BLOCK_GRADIENTS);
  float *found = copy_block(&p, used, BKI_BLOCK_GRADIENTS);
  cr_assert_arr_eq(found, expected, trained_count(&p) * sizeof *found);
  free(expected);
  free(found);
  fresh->ops->destroy(fresh);
  used->ops->destroy(used);
  clear_problem(&p);
}
