/* What the learner `cuda` does when a call fails: an error that names it, nothing left behind. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "cuda_learner.h"
#include "learner_problem.h"
#include "standin.h"

static const int32_t lengths[] = {3, 0, 5, 1};
enum { N_TEXTS = sizeof lengths / sizeof *lengths };

static problem make_small(void) {
  bki_model_config shape = random_config(4, 3);
  shape.num_layers = 2;
  return make_problem(&shape, 1, lengths, N_TEXTS, true, 0.2);
}

/* Everything that a learner does, once. *learner is left for the caller to destroy. */
static bki_status run_all(const problem *p, bki_learner **learner, bki_error *err) {
  const bki_minibatch batch = first_texts(p, N_TEXTS, 0);
  bki_batch_loss loss;
  double norm;
  const size_t count = bki_model_parameters(p->model)->count;
  float *block = calloc(count, sizeof *block);
  bki_status status = create_learner(learner, p, &bki_learner_cuda, err);
  if (status == BKI_OK) {
    const bki_learner_ops *ops = (*learner)->ops;
    status = ops->gradients(*learner, &batch, &loss, err);
    status = status == BKI_OK ? ops->update(*learner, 0, &norm, err) : status;
    status = status == BKI_OK ? ops->evaluate(*learner, &batch, &loss, err) : status;
    status = status == BKI_OK ? ops->read(*learner, BKI_BLOCK_PARAMETERS, block, err) : status;
    status = status == BKI_OK ? ops->write(*learner, BKI_BLOCK_PARAMETERS, block, err) : status;
  }
  free(block);
  return status;
}

static int count_calls(const problem *p, const char *function) {
  bki_learner *learner = NULL;
  bki_error err;
  standin_reset(1, 0);
  cr_assert_eq(run_all(p, &learner, &err), BKI_OK, "%s", err.message);
  const int calls = standin_calls(function);
  learner->ops->destroy(learner);
  return calls;
}

/* Each call of the function fails once. `named`: what the message has. */
static void check_calls(const problem *p, const char *function, int status, const char *named) {
  const int calls = count_calls(p, function);
  cr_assert(calls > 0, "%s is never called", function);
  for (int nth = 1; nth <= calls; nth++) {
    bki_learner *learner = NULL;
    bki_error err;
    standin_reset(1, 0);
    standin_fail(function, nth, status);
    cr_assert_eq(run_all(p, &learner, &err), BKI_E_DEVICE, "%s, call %d of %d", function, nth, calls);
    cr_assert_not_null(strstr(err.message, named), "%s, call %d: %s", function, nth, err.message);
    if (learner != NULL) {
      learner->ops->destroy(learner);
    }
    cr_assert_eq(standin_leaks(), 0, "%s, call %d of %d", function, nth, calls);
  }
}

Test(cuda_learner_faults, every_call_of_the_runtime_that_fails_is_an_error_that_names_it) {
  static const char *const functions[] = {
      "cudaSetDevice",   "cudaGetDeviceProperties", "cudaMemGetInfo",        "cudaMallocHost",
      "cudaMemcpyAsync", "cudaMemsetAsync",         "cudaEventRecord",       "cudaStreamCreateWithFlags",
      "cudaMalloc",      "cudaEventSynchronize",    "cudaStreamSynchronize", "cudaEventCreateWithFlags"};
  problem p = make_small();
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    check_calls(&p, functions[i], cudaErrorInvalidValue, functions[i]);
  }
  clear_problem(&p);
}

Test(cuda_learner_faults, every_call_of_cublas_that_fails_is_an_error_that_names_it) {
  static const char *const functions[] = {"cublasLtCreate",
                                          "cublasLtMatmulDescCreate",
                                          "cublasLtMatmulDescSetAttribute",
                                          "cublasLtMatrixLayoutCreate",
                                          "cublasLtMatrixLayoutSetAttribute",
                                          "cublasLtMatmulPreferenceCreate",
                                          "cublasLtMatmulPreferenceSetAttribute",
                                          "cublasLtMatmulAlgoGetHeuristic",
                                          "cublasLtMatmul"};
  problem p = make_small();
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    check_calls(&p, functions[i], CUBLAS_STATUS_INTERNAL_ERROR, functions[i]);
  }
  clear_problem(&p);
}

Test(cuda_learner_faults, every_call_of_cudnn_that_fails_is_an_error_that_names_it) {
  static const char *const functions[] = {"cudnnCreate",
                                          "cudnnSetStream",
                                          "cudnnCreateRNNDescriptor",
                                          "cudnnSetRNNDescriptor_v8",
                                          "cudnnCreateRNNDataDescriptor",
                                          "cudnnSetRNNDataDescriptor",
                                          "cudnnGetRNNWeightSpaceSize",
                                          "cudnnGetRNNWeightParams",
                                          "cudnnGetRNNTempSpaceSizes",
                                          "cudnnRNNForward",
                                          "cudnnRNNBackwardData_v8",
                                          "cudnnRNNBackwardWeights_v8"};
  problem p = make_small();
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    check_calls(&p, functions[i], CUDNN_STATUS_EXECUTION_FAILED, functions[i]);
  }
  clear_problem(&p);
}

Test(cuda_learner_faults, every_kernel_that_cannot_be_launched_is_an_error_that_names_it) {
  problem p = make_small();
  check_calls(&p, "launch", cudaErrorInvalidConfiguration, "bki_k_");
  clear_problem(&p);
}

/* The device is gone from then on; the error comes with a later call. */
Test(cuda_learner_faults, every_kernel_that_crashes_is_an_error) {
  problem p = make_small();
  check_calls(&p, "launch", cudaErrorIllegalAddress, "cudaErrorIllegalAddress");
  clear_problem(&p);
}

Test(cuda_learner_faults, running_out_of_memory_is_an_error_and_the_learner_goes_on) {
  problem p = make_small();
  standin_reset(1, 0);
  bki_learner *learner = open_learner(&p, &bki_learner_cuda);
  const int created = standin_calls("cudaMalloc");
  run_gradients(learner, first_texts(&p, N_TEXTS, 0));
  const int calls = standin_calls("cudaMalloc") - created;
  float *expected = copy_block(&p, learner, BKI_BLOCK_GRADIENTS);
  learner->ops->destroy(learner);
  for (int nth = 1; nth <= calls; nth++) {
    const bki_minibatch batch = first_texts(&p, N_TEXTS, 0);
    bki_batch_loss loss;
    bki_error err;
    standin_reset(1, 0);
    learner = open_learner(&p, &bki_learner_cuda);
    standin_fail("cudaMalloc", nth, cudaErrorMemoryAllocation);
    cr_assert_eq(learner->ops->gradients(learner, &batch, &loss, &err), BKI_E_DEVICE);
    cr_assert_not_null(strstr(err.message, "cudaMalloc: "), "%s", err.message);
    cr_assert_not_null(strstr(err.message, "cudaErrorMemoryAllocation"), "%s", err.message);
    run_gradients(learner, batch);
    float *found = copy_block(&p, learner, BKI_BLOCK_GRADIENTS);
    cr_assert_arr_eq(found, expected, trained_count(&p) * sizeof *found, "allocation %d", nth);
    free(found);
    learner->ops->destroy(learner);
    cr_assert_eq(standin_leaks(), 0);
  }
  free(expected);
  clear_problem(&p);
}

Test(cuda_learner_faults, a_model_that_does_not_fit_is_an_error) {
  problem p = make_small();
  bki_learner *learner = NULL;
  bki_error err;
  standin_reset(1, (size_t)4 << 10);
  cr_assert_eq(create_learner(&learner, &p, &bki_learner_cuda, &err), BKI_E_DEVICE);
  cr_assert_not_null(strstr(err.message, "cudaMalloc: "), "%s", err.message);
  cr_assert_eq(standin_leaks(), 0);
  clear_problem(&p);
}

Test(cuda_learner_faults, a_device_that_is_not_there_is_an_error) {
  problem p = make_small();
  bki_learner *learner = NULL;
  bki_error err;
  standin_reset(0, 0);
  cr_assert_eq(create_learner(&learner, &p, &bki_learner_cuda, &err), BKI_E_DEVICE);
  cr_assert_not_null(strstr(err.message, "cudaErrorNoDevice"), "%s", err.message);
  clear_problem(&p);
}
