/* What the backend `cuda` does when the device fails, is short of memory, or is not alone. */
#include <criterion/criterion.h>

#include "cuda_scorer.h"
#include "standin.h"

static void reset(int n_devices, size_t memory_bytes) {
  standin_reset(n_devices, memory_bytes);
}

/* A setting with many texts, scored by the oracle. */
static setting many_texts(int32_t hidden, int32_t longest) {
  int32_t lengths[MANY];
  uint64_t seed = 10;
  for (size_t i = 0; i < MANY; i++) {
    lengths[i] = random_below(&seed, longest + 1);
  }
  bki_model_config shape = random_config(5, hidden);
  setting s = make_setting(&shape, 11, lengths, MANY, false);
  score_corpus(s.ref, &s.expected);
  return s;
}

static const cuda_options engines[] = {{.engine = BKI_ENGINE_INCREMENTAL}, {.engine = BKI_ENGINE_FULL}};

Test(cuda_faults, little_memory_makes_smaller_groups_with_the_same_bytes) {
  for (size_t e = 0; e < 2; e++) {
    reset(1, 0);
    setting s = many_texts(12, 20);
    bki_backend *roomy = open_cuda(s.model, &engines[e]);
    corpus want = copy_texts(&s);
    cuda_score(roomy, &want);
    check_close(&s, &want, FP32_TOLERANCE, "much memory");
    roomy->ops->destroy(roomy);
    reset(1, (size_t)300 << 10); /* several groups for both engines */
    bki_backend *tight = open_cuda(s.model, &engines[e]);
    corpus got = copy_texts(&s);
    cuda_score(tight, &got);
    if (e == 0) {
      check_same_bytes(&s, &want, &got, "little memory");
    } else {
      check_close(&s, &got, FP32_TOLERANCE, "little memory");
    }
    tight->ops->destroy(tight);
    cr_assert_eq(standin_leaks(), 0);
    corpus_free(&want);
    corpus_free(&got);
    clear_setting(&s);
  }
}

/* The tables of the inputs of 2,500 words are half of the memory. */
Test(cuda_faults, groups_leave_room_for_the_tables_of_the_vocabulary) {
  enum { N = 30, MEMORY = 6000000 };
  int32_t lengths[N];
  for (size_t i = 0; i < N; i++) {
    lengths[i] = 50;
  }
  reset(1, MEMORY);
  bki_model_config shape = random_config(2, 32);
  shape.vocabulary_size = 2500;
  bki_model *model = random_model(1, &shape);
  corpus texts = random_corpus(2, shape.vocabulary_size, lengths, N, false);
  bki_backend *backend = open_cuda(model, &engines[0]);
  cuda_score(backend, &texts);
  cr_assert_leq(standin_peak_memory(), (size_t)(0.8 * MEMORY)); /* the share that create_cuda asks for */
  backend->ops->destroy(backend);
  corpus_free(&texts);
  bki_model_destroy(model);
}

/* Others take memory between the look at what is free and the call. */
Test(cuda_faults, running_out_of_memory_halves_and_goes_on) {
  for (size_t e = 0; e < 2; e++) {
    reset(1, 0);
    setting s = many_texts(12, 20);
    bki_backend *backend = open_cuda(s.model, &engines[e]);
    standin_fail("cudaMalloc", 3, cudaErrorMemoryAllocation);
    standin_fail("cudaMalloc", 9, cudaErrorMemoryAllocation);
    corpus got = copy_texts(&s);
    cuda_score(backend, &got);
    check_close(&s, &got, FP32_TOLERANCE, "after running out of memory");
    backend->ops->destroy(backend);
    cr_assert_eq(standin_leaks(), 0);
    corpus_free(&got);
    clear_setting(&s);
  }
}

Test(cuda_faults, memory_for_nothing_is_an_error) {
  reset(1, (size_t)1 << 10);
  bki_model_config shape = random_config(5, 12);
  bki_model *model = random_model(1, &shape);
  bki_backend *backend = NULL;
  bki_error err;
  cr_assert_eq(create_cuda(&backend, model, &engines[0], &err), BKI_E_DEVICE);
  cr_assert_not_null(strstr(err.message, "cudaMalloc"), "%s", err.message);
  cr_assert_not_null(strstr(err.message, "cudaErrorMemoryAllocation"), "%s", err.message);
  cr_assert_eq(standin_leaks(), 0);
  bki_model_destroy(model);
}

Test(cuda_faults, a_batch_that_cudnn_refuses_is_split) {
  reset(1, 0);
  setting s = many_texts(6, 10);
  bki_backend *backend = open_cuda(s.model, &engines[1]);
  standin_fail("cudnnRNNForward", 1, CUDNN_STATUS_NOT_SUPPORTED);
  standin_fail("cudnnRNNForward", 2, CUDNN_STATUS_NOT_SUPPORTED);
  corpus got = copy_texts(&s);
  cuda_score(backend, &got);
  check_close(&s, &got, FP32_TOLERANCE, "after a refusal");
  backend->ops->destroy(backend);
  corpus_free(&got);
  clear_setting(&s);
}

/* 21 rows of 20 steps at most, and memory for 20 of them. */
Test(cuda_faults, batches_of_a_group_are_of_one_size) {
  const int32_t length = 20;
  reset(1, 2000000);
  bki_model_config shape = random_config(5, 12);
  setting s = make_setting(&shape, 12, &length, 1, false);
  score_corpus(s.ref, &s.expected);
  bki_backend *backend = open_cuda(s.model, &engines[1]);
  corpus got = copy_texts(&s);
  int least;
  int most;
  cuda_score(backend, &got);
  check_close(&s, &got, FP32_TOLERANCE, "two batches");
  standin_rnn_rows(&least, &most);
  cr_assert(least == 10 && most == 11, "%d to %d rows", least, most);
  backend->ops->destroy(backend);
  corpus_free(&got);
  clear_setting(&s);
}

/* A copy of the ids is all that a word more needs. */
Test(cuda_faults, somewhat_longer_batches_allocate_nothing_anew) {
  enum { N = 8, FIRST = 40, CALLS = 5 };
  reset(1, 0);
  bki_model_config shape = random_config(5, 6);
  bki_model *model = random_model(1, &shape);
  bki_backend *backend = open_cuda(model, &engines[1]);
  int after_first = 0;
  for (int32_t call = 0; call < CALLS; call++) {
    int32_t lengths[N];
    for (size_t i = 0; i < N; i++) {
      lengths[i] = FIRST + call;
    }
    corpus texts = random_corpus(2, 50, lengths, N, false);
    bki_error err;
    cr_assert_eq(backend->ops->forward(backend, texts.sequences, N, NULL, NULL, &err), BKI_OK, "%s", err.message);
    after_first = call == 0 ? standin_calls("cudaMalloc") : after_first;
    corpus_free(&texts);
  }
  cr_assert_leq(standin_calls("cudaMalloc") - after_first, CALLS - 1);
  backend->ops->destroy(backend);
  cr_assert_eq(standin_leaks(), 0);
  bki_model_destroy(model);
}

/* Each call of the host fails once: the error names it and the device, nothing is left, and the process goes on. */
Test(cuda_faults, every_failing_call_is_named) {
  static const struct {
    const char *function;
    int status;
  } faults[] = {
      {"cudaSetDevice", cudaErrorInvalidDevice},
      {"cudaGetDeviceProperties", cudaErrorInvalidDevice},
      {"cudaMemGetInfo", cudaErrorDeviceUninitialized},
      {"cublasLtCreate", CUBLAS_STATUS_NOT_INITIALIZED},
      {"cudaStreamCreateWithFlags", cudaErrorInvalidValue},
      {"cudaEventCreateWithFlags", cudaErrorInvalidValue},
      {"cudaMallocHost", cudaErrorInvalidValue},
      {"cudaMemcpyAsync", cudaErrorInvalidValue},
      {"cudaEventRecord", cudaErrorInvalidResourceHandle},
      {"cudaEventSynchronize", cudaErrorIllegalAddress},
      {"cudaStreamSynchronize", cudaErrorIllegalAddress},
      {"cublasLtMatmul", CUBLAS_STATUS_EXECUTION_FAILED},
      {"cublasLtMatmulAlgoGetHeuristic", CUBLAS_STATUS_INTERNAL_ERROR},
      {"cudnnCreate", CUDNN_STATUS_NOT_INITIALIZED},
      {"cudnnSetRNNDescriptor_v8", CUDNN_STATUS_BAD_PARAM},
      {"cudnnRNNForward", CUDNN_STATUS_EXECUTION_FAILED},
  };
  bki_model_config shape = random_config(5, 6);
  bki_model *model = random_model(1, &shape);
  corpus texts = random_corpus(2, 50, ragged, N_RAGGED, false);
  for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
    reset(1, 0);
    standin_fail(faults[i].function, 1, faults[i].status);
    bki_backend *backend = NULL;
    bki_error err = {0};
    const bool dnn = strncmp(faults[i].function, "cudnn", 5) == 0;
    bki_status status = create_cuda(&backend, model, &engines[dnn], &err);
    if (status == BKI_OK) {
      status = backend->ops->score(backend, texts.sequences, texts.n, texts.scores, &err);
      backend->ops->destroy(backend);
    }
    cr_assert_eq(status, BKI_E_DEVICE, "%s", faults[i].function);
    cr_assert_not_null(strstr(err.message, faults[i].function), "%s: %s", faults[i].function, err.message);
    cr_assert_not_null(strstr(err.message, "GPU 0"), "%s", err.message);
    cr_assert_eq(standin_leaks(), 0, "%s", faults[i].function);
  }
  corpus_free(&texts);
  bki_model_destroy(model);
}

static const standin_refusal refusals[] = {STANDIN_NONE_FOUND, STANDIN_UNUSABLE};

Test(cuda_faults, products_without_an_algorithm_fall_back_to_plain_fp32_and_the_name_says_so) {
  for (size_t i = 0; i < 2; i++) {
    reset(1, 0);
    setting s = many_texts(12, 20);
    bki_backend *backend = open_cuda(s.model, &engines[0]);
    cr_assert_str_eq(backend->isa, "cuda");
    backend->ops->destroy(backend);
    standin_refuse_products(CUBLAS_COMPUTE_32F_PEDANTIC, refusals[i]);
    backend = open_cuda(s.model, &engines[0]);
    corpus got = copy_texts(&s);
    cuda_score(backend, &got);
    check_close(&s, &got, FP32_TOLERANCE, "after falling back");
    cr_assert_str_eq(backend->isa, "cuda (products in COMPUTE_32F)");
    backend->ops->destroy(backend);
    cr_assert_eq(standin_leaks(), 0);
    corpus_free(&got);
    clear_setting(&s);
  }
}

Test(cuda_faults, a_product_without_any_algorithm_is_named) {
  bki_model_config shape = random_config(5, 6);
  bki_model *model = random_model(1, &shape);
  for (size_t i = 0; i < 2; i++) {
    reset(1, 0);
    standin_refuse_products(CUBLAS_COMPUTE_32F_PEDANTIC, refusals[i]);
    standin_refuse_products(CUBLAS_COMPUTE_32F, refusals[1 - i]);
    bki_backend *backend = NULL;
    bki_error err = {0};
    cr_assert_eq(create_cuda(&backend, model, &engines[0], &err), BKI_E_DEVICE);
    cr_assert_not_null(strstr(err.message, "no algorithm for a product in fp32 of [6, 24] and [6, "), "%s",
                       err.message);
    cr_assert_eq(standin_leaks(), 0);
  }
  bki_model_destroy(model);
}

Test(cuda_faults, what_cudnn_says_about_a_refusal_is_passed_on_in_one_line) {
  reset(1, 0);
  bki_model_config shape = random_config(5, 6);
  bki_model *model = random_model(1, &shape);
  bki_backend *backend = NULL;
  bki_error err = {0};
  standin_fail("cudnnSetRNNDescriptor_v8", 1, CUDNN_STATUS_NOT_SUPPORTED);
  cr_assert_eq(create_cuda(&backend, model, &engines[1], &err), BKI_E_DEVICE);
  cr_assert_str_eq(err.message,
                   "GPU 0 (stand-in 0): cudnnSetRNNDescriptor_v8: CUDNN_STATUS_NOT_SUPPORTED: Error: refused by the "
                   "stand-in because: a test wants it; (3000)");
  bki_model_destroy(model);
}

Test(cuda_faults, failing_launches_are_named) {
  bki_model_config shape = random_config(5, 6);
  bki_model *model = random_model(1, &shape);
  corpus texts = random_corpus(2, 50, ragged, N_RAGGED, false);
  static const int statuses[] = {cudaErrorInvalidConfiguration, cudaErrorLaunchFailure};
  for (int nth = 1; nth <= 12; nth += 11) {
    for (int i = 0; i < 2; i++) {
      reset(1, 0);
      standin_fail("launch", nth, statuses[i]);
      bki_backend *backend = NULL;
      bki_error err = {0};
      bki_status status = create_cuda(&backend, model, &engines[0], &err);
      if (status == BKI_OK) {
        status = backend->ops->score(backend, texts.sequences, texts.n, texts.scores, &err);
        backend->ops->destroy(backend);
      }
      cr_assert_eq(status, BKI_E_DEVICE);
      cr_assert_not_null(strstr(err.message, cudaGetErrorName((cudaError_t)statuses[i])), "%s", err.message);
      cr_assert_eq(standin_leaks(), 0);
    }
  }
  corpus_free(&texts);
  bki_model_destroy(model);
}

Test(cuda_faults, several_devices_give_the_bytes_of_one) {
  static const int32_t devices[] = {2, 0, 1};
  reset(3, 0);
  setting s = many_texts(8, 60);
  cuda_options options = engines[0];
  bki_backend *one = open_cuda(s.model, &options);
  options.devices = devices;
  options.n_devices = 3;
  bki_backend *three = open_cuda(s.model, &options);
  corpus want = copy_texts(&s);
  corpus got = copy_texts(&s);
  cuda_score(one, &want);
  cuda_score(three, &got);
  check_close(&s, &got, FP32_TOLERANCE, "three devices");
  check_same_bytes(&s, &want, &got, "one and three devices");
  one->ops->destroy(one);
  three->ops->destroy(three);
  cr_assert_eq(standin_leaks(), 0);
  corpus_free(&want);
  corpus_free(&got);
  clear_setting(&s);
}

Test(cuda_faults, a_device_that_is_not_there_is_refused) {
  static const int32_t devices[] = {0, 5};
  reset(2, 0);
  bki_model_config shape = random_config(5, 6);
  bki_model *model = random_model(1, &shape);
  const cuda_options options = {.engine = BKI_ENGINE_FULL, .devices = devices, .n_devices = 2};
  bki_backend *backend = NULL;
  bki_error err;
  cr_assert_eq(create_cuda(&backend, model, &options, &err), BKI_E_DEVICE);
  cr_assert_not_null(strstr(err.message, "GPU 5"), "%s", err.message);
  cr_assert_eq(standin_leaks(), 0);
  bki_model_destroy(model);
}

/* A text of 60 words has 120 products and steps a direction; before and behind them a stream is given a dozen copies
 * and kernels. */
Test(cuda_faults, both_directions_are_issued_together) {
  const int32_t lengths[] = {60, 60, 59};
  reset(1, 0);
  bki_model_config shape = random_config(5, 6);
  bki_model *model = random_model(1, &shape);
  corpus texts = random_corpus(2, 50, lengths, 3, false);
  bki_backend *backend = open_cuda(model, &engines[0]);
  standin_longest_burst();
  cuda_score(backend, &texts);
  const size_t longest = standin_longest_burst();
  cr_assert(longest > 1 && longest < 20, "%zu pieces of work on one stream", longest);
  backend->ops->destroy(backend);
  corpus_free(&texts);
  bki_model_destroy(model);
}

/* Work is begun at once, or as late as events allow. */
Test(cuda_faults, no_result_depends_on_the_order_of_independent_work) {
  for (size_t e = 0; e < 2; e++) {
    reset(1, 0);
    setting s = many_texts(8, 30);
    corpus late = copy_texts(&s);
    corpus early = copy_texts(&s);
    bki_backend *backend = open_cuda(s.model, &engines[e]);
    cuda_score(backend, &late);
    standin_set_schedule(STANDIN_EARLY);
    cuda_score(backend, &early);
    check_same_bytes(&s, &late, &early, "late and early");
    backend->ops->destroy(backend);
    corpus_free(&late);
    corpus_free(&early);
    clear_setting(&s);
  }
}

/* Where the launches of one of three devices begin to fail, that one is named. */
Test(cuda_faults, the_known_answer_test_asks_every_device) {
  static const int32_t devices[] = {2, 0, 1};
  bki_model_config shape = random_config(4, 4);
  bki_model *model = random_model(1, &shape);
  const cuda_options options = {.engine = BKI_ENGINE_INCREMENTAL, .devices = devices, .n_devices = 3};
  standin_reset(3, 0);
  bki_backend *backend = open_cuda(model, &options);
  int launches = standin_calls("launch");
  bki_error err;
  cr_assert_eq(prove_cuda(backend, model, &options, &err), BKI_OK, "%s", err.message);
  launches = (standin_calls("launch") - launches) / 3;
  for (int i = 0; i < 3; i++) {
    char name[32];
    snprintf(name, sizeof name, "GPU %d (stand-in %d): ", devices[i], devices[i]);
    standin_fail("launch", i * launches + 1, cudaErrorInvalidConfiguration);
    cr_assert_eq(prove_cuda(backend, model, &options, &err), BKI_E_DEVICE);
    cr_assert_eq(strncmp(err.message, name, strlen(name)), 0, "%s: %s", name, err.message);
  }
  backend->ops->destroy(backend);
  cr_assert_eq(standin_leaks(), 0);
  bki_model_destroy(model);
}
