/* The parts of a training: order of the samples, initial weights, the file of the samples. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "array.h"
#include "random_model.h"
#include "scratch.h"
#include "train_initial.h"
#include "train_sampler.h"
#include "train_spool.h"

/* Sample i has i % 23 words, all of them i, and the label i % 3. */
static bki_spool *make_spool(size_t n) {
  bki_spool *spool = NULL;
  bki_error err;
  int32_t ids[23];
  scratch_path(""); /* makes the directory */
  cr_assert_eq(bki_spool_create(&spool, scratch_directory, &err), BKI_OK, "%s", err.message);
  for (size_t i = 0; i < n; i++) {
    for (size_t k = 0; k < 23; k++) {
      ids[k] = (int32_t)i;
    }
    cr_assert_eq(bki_spool_add(spool, ids, (int32_t)(i % 23), (int32_t)(i % 3), &err), BKI_OK);
  }
  cr_assert_eq(bki_spool_finish(spool, &err), BKI_OK, "%s", err.message);
  return spool;
}

Test(spool, gives_back_what_was_added) {
  enum { N = 50000 };
  bki_spool *spool = make_spool(N);
  cr_assert_eq(bki_spool_count(spool), N);
  for (size_t i = 0; i < N; i++) {
    bki_spool_entry entry;
    int32_t ids[23];
    bki_error err;
    cr_assert_eq(bki_spool_find(spool, i, &entry, &err), BKI_OK);
    cr_assert_eq(bki_spool_read(spool, &entry, ids, &err), BKI_OK);
    cr_assert(entry.length == (int32_t)(i % 23) && entry.label == (int32_t)(i % 3));
    cr_assert(entry.length == 0 || (ids[0] == (int32_t)i && ids[entry.length - 1] == (int32_t)i));
  }
  bki_spool_destroy(spool);
}

Test(spool, has_a_fingerprint_of_its_content) {
  bki_spool *spools[] = {make_spool(100), make_spool(100), make_spool(101)};
  cr_assert_str_eq(bki_spool_fingerprint(spools[0]), bki_spool_fingerprint(spools[1]));
  cr_assert_str_neq(bki_spool_fingerprint(spools[0]), bki_spool_fingerprint(spools[2]));
  for (size_t i = 0; i < 3; i++) {
    bki_spool_destroy(spools[i]);
  }
}

Test(spool, names_the_directory_where_it_cannot_be) {
  bki_spool *spool;
  bki_error err;
  cr_assert_eq(bki_spool_create(&spool, "/nowhere", &err), BKI_E_IO);
  cr_assert_str_eq(err.file, "/nowhere");
}

/* Which sample a sequence of the batch is; the empty ones all are 0. */
static size_t identity(const bki_sequence *s) {
  return s->length == 0 ? 0 : (size_t)s->ids[0];
}

Test(sampler, takes_every_sample_once_an_epoch) {
  const size_t sizes[][2] = {{1, 1}, {1, 64}, {10, 3}, {1000, 7}, {1000, 64}, {6400, 64}, {1000, 5000}};
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
    const size_t n = sizes[k][0];
    bki_spool *spool = make_spool(n);
    bki_sampler *sampler = NULL;
    bki_error err;
    cr_assert_eq(bki_sampler_create(&sampler, spool, sizes[k][1], 5, &err), BKI_OK);
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
      uint8_t *seen = calloc(n, 1);
      size_t total = 0;
      size_t empty = 0;
      for (size_t step = 0; step < bki_sampler_steps(sampler); step++) {
        bki_minibatch batch;
        cr_assert_eq(bki_sampler_get(sampler, epoch, step, &batch, &err), BKI_OK);
        cr_assert(batch.n >= 1 && batch.n <= sizes[k][1]);
        cr_assert_eq(batch.step, epoch * bki_sampler_steps(sampler) + step);
        for (size_t i = 0; i < batch.n; i++, total++) {
          const size_t id = identity(&batch.sequences[i]);
          empty += batch.sequences[i].length == 0;
          cr_assert(batch.sequences[i].length == 0 || (!seen[id] && batch.labels[i] == (int32_t)(id % 3)));
          seen[id] = 1;
        }
      }
      cr_assert_eq(total, n);
      cr_assert_eq(empty, (n + 22) / 23);
      free(seen);
    }
    bki_sampler_destroy(sampler);
    bki_spool_destroy(spool);
  }
}

Test(sampler, needs_no_state_to_go_on_in_the_middle) {
  bki_spool *spool = make_spool(3000);
  bki_sampler *whole = NULL;
  bki_error err;
  cr_assert_eq(bki_sampler_create(&whole, spool, 16, 9, &err), BKI_OK);
  for (size_t step = 0; step < bki_sampler_steps(whole); step += 13) {
    bki_sampler *fresh = NULL;
    cr_assert_eq(bki_sampler_create(&fresh, spool, 16, 9, &err), BKI_OK);
    bki_minibatch a;
    bki_minibatch b;
    cr_assert_eq(bki_sampler_get(whole, 4, step, &a, &err), BKI_OK);
    cr_assert_eq(bki_sampler_get(fresh, 4, step, &b, &err), BKI_OK);
    cr_assert_eq(a.n, b.n);
    for (size_t i = 0; i < a.n; i++) {
      cr_assert_eq(identity(&a.sequences[i]), identity(&b.sequences[i]));
    }
    bki_sampler_destroy(fresh);
  }
  bki_sampler_destroy(whole);
  bki_spool_destroy(spool);
}

/* Samples that stand at the same place in two orders, of samplers of their own. */
static size_t count_same(bki_sampler *a, uint64_t epoch_a, bki_sampler *b, uint64_t epoch_b) {
  size_t same = 0;
  bki_error err;
  for (size_t step = 0; step < bki_sampler_steps(a); step++) {
    bki_minibatch x;
    bki_minibatch y;
    cr_assert_eq(bki_sampler_get(a, epoch_a, step, &x, &err), BKI_OK);
    cr_assert_eq(bki_sampler_get(b, epoch_b, step, &y, &err), BKI_OK);
    for (size_t i = 0; i < x.n && i < y.n; i++) {
      same += identity(&x.sequences[i]) == identity(&y.sequences[i]);
    }
  }
  return same;
}

Test(sampler, mixes_anew_each_epoch_and_for_each_seed) {
  bki_spool *spool = make_spool(3000);
  bki_sampler *samplers[3] = {NULL, NULL, NULL};
  bki_error err;
  for (uint64_t i = 0; i < 3; i++) {
    cr_assert_eq(bki_sampler_create(&samplers[i], spool, 16, i < 2 ? 1 : 2, &err), BKI_OK);
  }
  cr_assert_eq(count_same(samplers[0], 0, samplers[1], 0), 3000);
  cr_assert_lt(count_same(samplers[0], 0, samplers[1], 1), 300);
  cr_assert_lt(count_same(samplers[0], 0, samplers[2], 0), 300);
  for (size_t i = 0; i < 3; i++) {
    bki_sampler_destroy(samplers[i]);
  }
  bki_spool_destroy(spool);
}

Test(sampler, puts_texts_of_about_one_length_together) {
  bki_spool *spool = make_spool(6400);
  bki_sampler *sampler = NULL;
  bki_error err;
  cr_assert_eq(bki_sampler_create(&sampler, spool, 64, 1, &err), BKI_OK);
  for (size_t step = 0; step < bki_sampler_steps(sampler); step++) {
    bki_minibatch batch;
    cr_assert_eq(bki_sampler_get(sampler, 0, step, &batch, &err), BKI_OK);
    cr_assert_leq(batch.sequences[batch.n - 1].length - batch.sequences[0].length, 2);
  }
  bki_sampler_destroy(sampler);
  bki_spool_destroy(spool);
}

static bki_model *initial_model(const bki_model_config *config, bki_convention convention, uint64_t seed,
                                const bki_parameters **p) {
  bki_model *model = NULL;
  bki_error err;
  cr_assert_eq(bki_model_create(&model, config, p, &err), BKI_OK, "%s", err.message);
  bki_initial_embedding(*p, config, convention, seed);
  cr_assert_eq(bki_initial_weights(*p, config, convention, seed, &err), BKI_OK);
  return model;
}

/* Mean and standard deviation near those of U(-limit, limit), nothing outside, and close to the limit somewhere. */
static void assert_uniform(const float *values, size_t n, double limit) {
  double sum = 0;
  double square = 0;
  double most = 0;
  for (size_t i = 0; i < n; i++) {
    sum += values[i];
    square += (double)values[i] * values[i];
    most = fmax(most, fabs((double)values[i]));
  }
  cr_assert_leq(most, limit * (1 + 1e-6));
  cr_assert_gt(most, 0.9 * limit);
  cr_assert_float_eq(sum / (double)n, 0, 6 * limit / sqrt(3.0 * (double)n));
  cr_assert_float_eq(sqrt(square / (double)n), limit / sqrt(3), 0.1 * limit);
}

Test(initial, follows_pytorch) {
  bki_model_config config = random_config(30, 20);
  config.dense = 40;
  config.num_layers = 2;
  config.vocabulary_size = 200;
  const bki_parameters *p;
  bki_model *model = initial_model(&config, BKI_CONVENTION_PYTORCH, 3, &p);
  for (int i = 0; i < 4; i++) {
    const size_t inputs = i < 2 ? 30 : 40;
    assert_uniform(p->lstm[i].w_ih, 80 * inputs, 1 / sqrt(20));
    assert_uniform(p->lstm[i].w_hh, 80 * 20, 1 / sqrt(20));
    assert_uniform(p->lstm[i].b_ih, 80, 1 / sqrt(20));
    assert_uniform(p->lstm[i].b_hh, 80, 1 / sqrt(20));
  }
  assert_uniform(p->dense_weight, 40 * 40, 1 / sqrt(40));
  assert_uniform(p->dense_bias, 40, 1 / sqrt(40));
  assert_uniform(p->output_weight, 3 * 40, 1 / sqrt(40));
  double square = 0;
  const size_t n = (size_t)200 * 30;
  for (size_t i = 0; i < n; i++) {
    square += (double)p->embedding[i] * p->embedding[i];
  }
  cr_assert_float_eq(square / (double)n, 1, 0.1);
  bki_model_destroy(model);
}

Test(initial, follows_keras) {
  bki_model_config config = random_config(30, 20);
  config.dense = 40;
  config.vocabulary_size = 200;
  const bki_parameters *p;
  bki_model *model = initial_model(&config, BKI_CONVENTION_KERAS, 3, &p);
  assert_uniform(p->embedding, (size_t)200 * 30, 0.05);
  assert_uniform(p->dense_weight, 40 * 40, sqrt(6.0 / 80));
  assert_uniform(p->output_weight, 3 * 40, sqrt(6.0 / 43));
  for (int i = 0; i < 2; i++) {
    assert_uniform(p->lstm[i].w_ih, 80 * 30, sqrt(6.0 / 110));
    for (size_t k = 0; k < 80; k++) {
      cr_assert_eq(p->lstm[i].b_ih[k], k >= 20 && k < 40 ? 1 : 0);
      cr_assert_eq(p->lstm[i].b_hh[k], 0);
    }
    for (size_t a = 0; a < 20; a++) { /* orthonormal columns */
      for (size_t b = 0; b <= a; b++) {
        double dot = 0;
        for (size_t r = 0; r < 80; r++) {
          dot += (double)p->lstm[i].w_hh[r * 20 + a] * p->lstm[i].w_hh[r * 20 + b];
        }
        cr_assert_float_eq(dot, a == b ? 1 : 0, 1e-6);
      }
    }
  }
  cr_assert_neq(memcmp(p->lstm[0].w_hh, p->lstm[1].w_hh, 1600 * sizeof(float)), 0);
  bki_model_destroy(model);
}

Test(initial, depends_on_the_seed_alone) {
  const bki_model_config config = random_config(6, 5);
  const bki_parameters *p[3];
  bki_model *models[3];
  for (size_t i = 0; i < 3; i++) {
    models[i] = initial_model(&config, BKI_CONVENTION_PYTORCH, i < 2 ? 3 : 4, &p[i]);
  }
  cr_assert_eq(memcmp(p[0]->block, p[1]->block, p[0]->count * sizeof(float)), 0);
  cr_assert_neq(memcmp(p[0]->block, p[2]->block, p[0]->count * sizeof(float)), 0);
  for (size_t i = 0; i < 3; i++) {
    bki_model_destroy(models[i]);
  }
}
