/* What engine `persistent` does when the device fails or errs, is short of memory, or is not alone. */
#include <criterion/criterion.h>

#include "cuda_persistent.h"
#include "cuda_scorer.h"
#include "picked.h"
#include "standin.h"

static const cuda_options persistent = {.engine = BKI_ENGINE_PERSISTENT};

static void fill_lengths(int32_t *lengths) {
  uint64_t seed = 10;
  for (size_t i = 0; i < MANY; i++) {
    lengths[i] = random_below(&seed, 21);
  }
}

/* A setting with many texts, scored by the oracle. */
static setting many_texts(void) {
  int32_t lengths[MANY];
  fill_lengths(lengths);
  bki_model_config shape = random_config(5, 16);
  setting s = make_setting(&shape, 11, lengths, MANY, false);
  score_corpus(s.ref, &s.expected);
  return s;
}

static corpus score_anew(const setting *s, const cuda_options *options, const char *what) {
  const float tolerance = options->precision == BKI_PRECISION_FP16 ? 2e-3f : FP32_TOLERANCE;
  bki_backend *backend = open_cuda(s->model, options);
  corpus got = copy_texts(s);
  cuda_score(backend, &got);
  check_close(s, &got, tolerance, what);
  backend->ops->destroy(backend);
  cr_assert_eq(standin_leaks(), 0, "%s", what);
  return got;
}

Test(cuda_persistent_faults, little_memory_makes_smaller_groups_with_the_same_bytes) {
  enum { MEMORY = 300 << 10 };
  static const bki_precision precisions[] = {BKI_PRECISION_FP32, BKI_PRECISION_FP16, BKI_PRECISION_SPLIT};
  standin_reset(1, 0);
  setting s = many_texts();
  for (size_t i = 0; i < 3; i++) {
    cuda_options options = persistent;
    options.precision = precisions[i];
    standin_reset(1, 0);
    corpus want = score_anew(&s, &options, "much memory");
    const int launches = standin_calls("launch");
    standin_reset(1, MEMORY);
    corpus got = score_anew(&s, &options, "little memory");
    cr_assert_geq(standin_calls("launch"), launches + 10, "several groups");
    cr_assert_leq(standin_peak_memory(), (size_t)(0.8 * MEMORY)); /* the share that create_cuda asks for */
    check_same_bytes(&s, &want, &got, "little memory");
    corpus_free(&want);
    corpus_free(&got);
  }
  clear_setting(&s);
}

/* Others take memory between the look at what is free and the call. */
Test(cuda_persistent_faults, running_out_of_memory_halves_and_goes_on) {
  standin_reset(1, 0);
  setting s = many_texts();
  bki_backend *backend = open_cuda(s.model, &persistent);
  standin_fail("cudaMalloc", 3, cudaErrorMemoryAllocation);
  standin_fail("cudaMalloc", 14, cudaErrorMemoryAllocation);
  corpus got = copy_texts(&s);
  cuda_score(backend, &got);
  check_close(&s, &got, FP32_TOLERANCE, "after running out of memory");
  backend->ops->destroy(backend);
  cr_assert_eq(standin_leaks(), 0);
  corpus_free(&got);
  clear_setting(&s);
}

Test(cuda_persistent_faults, several_devices_give_the_bytes_of_one) {
  static const int32_t devices[] = {1, 0};
  cuda_options options = persistent;
  options.devices = devices;
  options.n_devices = 2;
  standin_reset(2, 0);
  setting s = many_texts();
  corpus want = score_anew(&s, &persistent, "one device");
  standin_reset(2, 300 << 10);
  corpus got = score_anew(&s, &options, "two devices");
  check_same_bytes(&s, &want, &got, "one and two devices");
  corpus_free(&want);
  corpus_free(&got);
  clear_setting(&s);
}

/* Work is begun at once, or as late as events allow. */
Test(cuda_persistent_faults, no_result_depends_on_the_order_of_independent_work) {
  standin_reset(1, 300 << 10);
  setting s = many_texts();
  corpus late = score_anew(&s, &persistent, "late");
  standin_set_schedule(STANDIN_EARLY);
  corpus early = score_anew(&s, &persistent, "early");
  check_same_bytes(&s, &late, &early, "late and early");
  corpus_free(&late);
  corpus_free(&early);
  clear_setting(&s);
}

/* In several groups, on two devices, whatever runs first. */
Test(cuda_persistent_faults, picked_words_have_their_bytes_with_little_memory_on_two_devices) {
  enum { MEMORY = 300 << 10 };
  static const int32_t devices[] = {1, 0};
  cuda_options options = persistent;
  options.devices = devices;
  int32_t lengths[MANY];
  fill_lengths(lengths);
  bki_model_config shape = random_config(5, 16);
  bki_model *model = random_model(12, &shape);
  for (options.n_devices = 1; options.n_devices <= 2; options.n_devices++) {
    standin_reset(2, MEMORY);
    standin_set_schedule(options.n_devices == 1 ? STANDIN_EARLY : STANDIN_LATE);
    bki_backend *backend = open_cuda(model, &options);
    check_picks(backend, &shape, lengths, MANY, "little memory");
    cr_assert_geq(standin_calls("launch"), 100, "several groups");
    cr_assert_leq(standin_peak_memory(), (size_t)(0.8 * MEMORY));
    backend->ops->destroy(backend);
    cr_assert_eq(standin_leaks(), 0);
  }
  bki_model_destroy(model);
}

Test(cuda_persistent_faults, running_out_of_memory_with_picked_words_halves_and_goes_on) {
  int32_t lengths[MANY];
  fill_lengths(lengths);
  standin_reset(1, 0);
  bki_model_config shape = random_config(5, 16);
  bki_model *model = random_model(13, &shape);
  corpus all = random_corpus(5, 50, lengths, MANY, false);
  corpus some = random_corpus(5, 50, lengths, MANY, false);
  bki_backend *backend = open_cuda(model, &persistent);
  cuda_score(backend, &all);
  backend->ops->destroy(backend);
  backend = open_cuda(model, &persistent);
  standin_fail("cudaMalloc", 3, cudaErrorMemoryAllocation);
  standin_fail("cudaMalloc", 14, cudaErrorMemoryAllocation);
  check_round(backend, &shape, &all, &some, 0, "after running out of memory");
  backend->ops->destroy(backend);
  cr_assert_eq(standin_leaks(), 0);
  corpus_free(&all);
  corpus_free(&some);
  bki_model_destroy(model);
}

static bki_status try_scoring(const bki_model *model, corpus *texts, bki_error *err) {
  bki_backend *backend = NULL;
  bki_status status = create_cuda(&backend, model, &persistent, err);
  if (status == BKI_OK) {
    bki_picks *picks = make_picks(texts, 0, 1);
    status = backend->ops->score(backend, texts->sequences, texts->n, texts->scores, err);
    if (status == BKI_OK) {
      status = backend->ops->score_some(backend, texts->sequences, picks, texts->n, texts->scores, err);
    }
    backend->ops->destroy(backend);
    free_picks(picks, texts->n);
  }
  return status;
}

/* Every call in turn, as long as there is one: the error names it and the device, and nothing is left. */
Test(cuda_persistent_faults, every_failing_call_is_named) {
  static const struct {
    const char *function;
    int status;
  } faults[] = {
      {"cudaGetDeviceProperties", cudaErrorInvalidDevice}, {"cudaMalloc", cudaErrorInvalidValue},
      {"cudaMallocHost", cudaErrorInvalidValue},           {"cudaMemcpyAsync", cudaErrorInvalidValue},
      {"cudaMemsetAsync", cudaErrorInvalidValue},          {"cudaFuncSetAttribute", cudaErrorInvalidValue},
      {"cublasLtMatmul", CUBLAS_STATUS_EXECUTION_FAILED},  {"launch", cudaErrorInvalidConfiguration},
  };
  bki_model_config shape = random_config(5, 16);
  bki_model *model = random_model(1, &shape);
  corpus texts = random_corpus(2, 50, ragged, N_RAGGED, false);
  for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
    standin_reset(1, 0);
    bki_error err = {0};
    cr_assert_eq(try_scoring(model, &texts, &err), BKI_OK);
    const int calls = standin_calls(faults[i].function);
    cr_assert_gt(calls, 1, "%s", faults[i].function);
    for (int nth = 1; nth <= calls; nth++) {
      standin_reset(1, 0);
      standin_fail(faults[i].function, nth, faults[i].status);
      cr_assert_eq(try_scoring(model, &texts, &err), BKI_E_DEVICE, "%s %d", faults[i].function, nth);
      cr_assert_not_null(strstr(err.message, "GPU 0"), "%s %d: %s", faults[i].function, nth, err.message);
      cr_assert_eq(standin_leaks(), 0, "%s %d", faults[i].function, nth);
    }
  }
  corpus_free(&texts);
  bki_model_destroy(model);
}

/* The engine with a device that errs between the kernels: in a state that an item begins with, or in a final one. */
static enum { NOTHING, STATE, FINAL } poisoned;

static bki_status run_poisoned(bki_cuda_worker *worker, bki_cuda_lane *lane, const bki_cuda_job *job, bki_error *err) {
  const bki_cuda_persistent_lane *l = lane->engine;
  void *place = poisoned == STATE ? l->half[1].states.data : l->half[0].finals.data;
  if (poisoned != NOTHING) {
    BKI_CUDA(&worker->device, err, cudaMemsetAsync(place, 0x3c, 4, lane->stream));
  }
  return bki_cuda_persistent.run(worker, lane, job, err);
}

/* Groups that were prepared and that ran. */
static size_t n_prepared;
static size_t n_run;

static bki_status prepare_counted(bki_cuda_worker *worker, bki_cuda_lane *lane, const bki_cuda_job *job,
                                  bki_error *err) {
  n_prepared++;
  return bki_cuda_persistent.prepare(worker, lane, job, err);
}

static bki_status run_counted(bki_cuda_worker *worker, bki_cuda_lane *lane, const bki_cuda_job *job, bki_error *err) {
  n_run++;
  cr_expect_eq(n_prepared, n_run + (n_run < job->n_groups ? 1 : 0), "group %zu of %zu", n_run, job->n_groups);
  return bki_cuda_persistent.run(worker, lane, job, err);
}

/* Scores the texts, or picked words of theirs, with another table of the engine, in groups of max_slots. */
static bki_status run_engine(const bki_cuda_engine *engine, const setting *s, corpus *got, const bki_picks *picks,
                             size_t max_slots, bki_error *err) {
  bki_cuda_worker worker;
  bki_cuda_job job = {
      .sequences = got->sequences, .extent = BKI_EXTENT_VARIANTS, .picks = picks, .scores = got->scores};
  BKI_TRY(bki_cuda_worker_create(&worker, 0, 0.8, bki_model_get_config(s->model), bki_model_parameters(s->model),
                                 engine, BKI_PRECISION_FP32, err));
  bki_status status = bki_cuda_worker_load(&worker, err);
  if (status == BKI_OK) {
    status = bki_cuda_job_plan(&job, got->n, max_slots, err);
  }
  if (status == BKI_OK) {
    status = bki_cuda_worker_run(&worker, &job, err);
  }
  bki_cuda_job_clear(&job);
  bki_cuda_worker_destroy(&worker);
  return status;
}

Test(cuda_persistent_faults, a_device_that_errs_is_an_error_and_not_a_score) {
  static const int32_t length = 12; /* variants 8, 9 and 10 are in an item with rows to spare, behind a stored state */
  standin_reset(1, 0);
  bki_model_config shape = random_config(5, 16);
  setting s = make_setting(&shape, 20, &length, 1, false);
  score_corpus(s.ref, &s.expected);
  bki_cuda_engine engine = bki_cuda_persistent;
  engine.run = run_poisoned;
  for (poisoned = NOTHING; poisoned <= FINAL; poisoned++) {
    corpus got = copy_texts(&s);
    bki_error err;
    const bki_status status = run_engine(&engine, &s, &got, NULL, 64, &err);
    if (poisoned == NOTHING) {
      cr_assert_eq(status, BKI_OK, "%s", err.message);
      check_close(&s, &got, FP32_TOLERANCE, "a device that does not err");
    } else {
      cr_assert_eq(status, BKI_E_DEVICE);
      cr_assert_str_eq(
          err.message,
          "GPU 0 (stand-in 0): engine persistent: expected rows that leave out no word to end as their text "
          "does, found 5 that do not: the scores are worthless, use incremental");
    }
    corpus_free(&got);
    cr_assert_eq(standin_leaks(), 0);
  }
  clear_setting(&s);
}

/* Items of picked words have more rows to spare: of the only item of either direction seven. */
Test(cuda_persistent_faults, a_device_that_errs_is_an_error_for_picked_words_too) {
  static const int32_t length = 12;
  static const int32_t position = 2; /* read backwards it is behind a stored state */
  const bki_picks picks = {&position, 1};
  standin_reset(1, 0);
  bki_model_config shape = random_config(5, 16);
  setting s = make_setting(&shape, 21, &length, 1, false);
  bki_cuda_engine engine = bki_cuda_persistent;
  engine.run = run_poisoned;
  for (poisoned = NOTHING; poisoned <= FINAL; poisoned++) {
    corpus got = copy_texts(&s);
    bki_error err = {0};
    cr_assert_eq(run_engine(&engine, &s, &got, &picks, 64, &err), poisoned == NOTHING ? BKI_OK : BKI_E_DEVICE);
    cr_assert(poisoned == NOTHING || strstr(err.message, "found 7 that do not") != NULL, "%s", err.message);
    corpus_free(&got);
  }
  clear_setting(&s);
}

static void check_refused(const bki_model *model, const cuda_options *options, bki_status status, const char *message) {
  bki_backend *backend = NULL;
  bki_error err;
  cr_assert_eq(create_cuda(&backend, model, options, &err), status);
  cr_assert_str_eq(err.message, message);
  cr_assert(standin_calls("cudaMalloc") == 0 && standin_calls("cudaMemcpyAsync") == 0);
  cr_assert_eq(standin_leaks(), 0);
}

Test(cuda_persistent_faults, what_a_gpu_or_a_model_is_not_for_is_refused_before_anything_is_uploaded) {
  static const int32_t devices[] = {0, 1};
  cuda_options options = {.engine = BKI_ENGINE_PERSISTENT, .devices = devices, .n_devices = 2};
  bki_model_config shape = random_config(5, 128);
  bki_model *model = random_model(1, &shape);
  standin_reset(2, 0);
  standin_set_capability(1, 8, 0);
  options.precision = BKI_PRECISION_FP16;
  check_refused(model, &options, BKI_E_USAGE,
                "engine persistent: expected GPUs that compute precision fp16 in one way, found wgmma on GPU 0 and "
                "mma.sync on GPU 1: name GPUs of one kind");
  standin_set_capability(1, 7, 5);
  check_refused(model, &options, BKI_E_DEVICE,
                "GPU 1 (stand-in 1): engine persistent does not run there in fp16 with a hidden size of 128: use "
                "incremental");
  options.n_devices = 1;
  bki_model_parameters(model)->lstm[1].w_hh[3] = -65505;
  check_refused(model, &options, BKI_E_USAGE,
                "engine persistent: precision fp16 is for recurrent weights up to 65504, found larger ones: use fp32");
  options.n_devices = 2; /* fp32 is for all of these */
  options.precision = BKI_PRECISION_FP32;
  bki_backend *backend = open_cuda(model, &options);
  cr_assert_str_eq(backend->isa, "cuda");
  backend->ops->destroy(backend);
  bki_model_parameters(model)->embedding[7] = NAN;
  standin_reset(2, 0);
  check_refused(model, &options, BKI_E_USAGE,
                "engine persistent: expected a model whose sums stay finite in fp32, found weights or vectors that are "
                "too large: use incremental");
  bki_model_destroy(model);
}

Test(cuda_persistent_faults, a_group_is_prepared_before_the_one_in_front_of_it_runs) {
  standin_reset(1, 0);
  setting s = many_texts();
  bki_cuda_engine engine = bki_cuda_persistent;
  engine.prepare = prepare_counted;
  engine.run = run_counted;
  corpus got = copy_texts(&s);
  bki_error err;
  cr_assert_eq(run_engine(&engine, &s, &got, NULL, 100, &err), BKI_OK, "%s", err.message);
  cr_assert_geq(n_run, 10);
  check_close(&s, &got, FP32_TOLERANCE, "many groups");
  corpus_free(&got);
  clear_setting(&s);
}
