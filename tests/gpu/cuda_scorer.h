/* The backend `cuda` without the module and the scorer around it. */
#ifndef BKI_TESTS_CUDA_SCORER_H
#define BKI_TESTS_CUDA_SCORER_H

#include "agreement.h"
#include "cuda.h"
#include "pool.h"
#include "prove.h"

typedef struct cuda_options {
  bki_engine engine;
  bki_precision precision;
  bool increments;
  const int32_t *devices;
  size_t n_devices;
} cuda_options;

static inline bki_status create_cuda(bki_backend **out, const bki_model *model, const cuda_options *o, bki_error *err) {
  const bki_backend_config config = {.engine = o->engine,
                                     .precision = o->precision,
                                     .increments = o->increments,
                                     .devices = o->devices,
                                     .n_devices = o->n_devices,
                                     .gpu_memory = 0.8};
  return bki_backend_cuda.create(out, bki_model_get_config(model), bki_model_parameters(model), &config, err);
}

static inline bki_backend *open_cuda(const bki_model *model, const cuda_options *o) {
  bki_backend *backend = NULL;
  bki_error err;
  cr_assert_eq(create_cuda(&backend, model, o, &err), BKI_OK, "%s", err.message);
  return backend;
}

/* The known-answer test, by the parameters of the model. */
static inline bki_status prove_cuda(bki_backend *backend, const bki_model *model, const cuda_options *options,
                                    bki_error *err) {
  bki_pool *pool = NULL;
  cr_assert_eq(bki_pool_create(&pool, 1, NULL), BKI_OK);
  const bki_backend_config config = {
      .engine = options->engine, .precision = options->precision, .increments = options->increments, .pool = pool};
  const bki_status status = bki_prove(backend, bki_model_get_config(model), bki_model_parameters(model), &config, err);
  bki_pool_destroy(pool);
  return status;
}

static inline void cuda_score(bki_backend *backend, const corpus *c) {
  bki_error err;
  cr_assert_eq(backend->ops->score(backend, c->sequences, c->n, c->scores, &err), BKI_OK, "%s", err.message);
}

/* Many texts in a call agree with the reference, and a text has the same bytes again and alone. */
static inline void check_company(setting *s, bki_backend *backend) {
  corpus batch = copy_texts(s);
  corpus other = copy_texts(s);
  cuda_score(backend, &batch);
  score_corpus(s->ref, &s->expected);
  check_close(s, &batch, FP32_TOLERANCE, "many texts");
  cuda_score(backend, &other);
  check_same_bytes(s, &batch, &other, "again");
  for (size_t i = 0; i < other.n; i++) {
    bki_error err;
    cr_assert_eq(backend->ops->score(backend, &other.sequences[i], 1, &other.scores[i], &err), BKI_OK);
  }
  check_same_bytes(s, &batch, &other, "alone");
  corpus_free(&batch);
  corpus_free(&other);
}

#endif
