/* A CUDA module without CUDA, for tests of the way to it: lists devices, and computes nothing or what the oracle does.
 *   FAKE_VERSION   version that it says it has
 *   FAKE_DEVICES   how many it lists
 *   FAKE_OLD       the one that is too old
 *   FAKE_ERROR     what listing fails with instead
 *   FAKE_SYMBOL    name of the function that it exports
 *   FAKE_WRONG     computes, but with these engines something else
 *   FAKE_REFUSES   the engines that it cannot create then */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bki/version.h>

#include "cuda_module.h"

#ifndef FAKE_VERSION
#define FAKE_VERSION BKI_VERSION_STRING
#endif
#ifndef FAKE_DEVICES
#define FAKE_DEVICES 2
#endif
#ifndef FAKE_OLD
#define FAKE_OLD 1
#endif
#ifndef FAKE_ERROR
#define FAKE_ERROR NULL
#endif
#ifdef FAKE_SYMBOL
#define bki_cuda_module_get FAKE_SYMBOL
const bki_cuda_module *bki_cuda_module_get(void);
#endif

static bki_status list_devices(bki_device **out, size_t *n, bki_error *err) {
  const char *error = FAKE_ERROR;
  if (error != NULL) {
    *err = (bki_error){.status = BKI_E_DEVICE, .byte = -1};
    snprintf(err->message, sizeof err->message, "%s", error);
    return BKI_E_DEVICE;
  }
  *n = FAKE_DEVICES;
  *out = calloc(*n + 1, sizeof **out);
  for (int32_t i = 0; i < FAKE_DEVICES; i++) {
    (*out)[i] = (bki_device){.ordinal = i,
                             .name = "Fake GPU",
                             .major = i == FAKE_OLD ? 6 : 9,
                             .multiprocessors = 132,
                             .total_bytes = (int64_t)80 << 30,
                             .free_bytes = -1,
                             .driver_version = 13010,
                             .runtime_version = 13000};
  }
  return BKI_OK;
}

static int64_t free_memory(int32_t ordinal) {
  return ordinal == FAKE_OLD ? -1 : (int64_t)79 << 30;
}

/* Tells what it was asked for. */
static bki_status create(bki_backend **out, const bki_model_config *model, const bki_parameters *parameters,
                         const bki_backend_config *config, bki_error *err) {
  (void)out;
  (void)model;
  (void)parameters;
  *err = (bki_error){.status = BKI_E_DEVICE, .byte = -1};
  int used = snprintf(err->message, sizeof err->message, "the fake got %s, share %g, GPUs",
                      config->precision == BKI_PRECISION_TF32 ? "tf32" : "fp32", config->gpu_memory);
  for (size_t i = 0; i < config->n_devices; i++) {
    used += snprintf(err->message + used, sizeof err->message - (size_t)used, " %d", config->devices[i]);
  }
  return BKI_E_DEVICE;
}

static bki_status create_learner(bki_learner **out, const bki_learner_config *config, const bki_parameters *initial,
                                 bki_error *err) {
  (void)out;
  (void)initial;
  *err = (bki_error){.status = BKI_E_DEVICE, .byte = -1};
  snprintf(err->message, sizeof err->message, "the fake was to train on GPU %d", config->device);
  return BKI_E_DEVICE;
}

static bool has_incremental(const bki_model_config *model) {
  return model->readout == BKI_READOUT_FINAL;
}

#ifdef FAKE_WRONG
#ifndef FAKE_REFUSES
#define FAKE_REFUSES ""
#endif

typedef struct fake {
  bki_backend base;
  bki_backend *oracle;
  bool wrong;
} fake;

static bki_status create_computing(bki_backend **out, const bki_model_config *model, const bki_parameters *parameters,
                                   const bki_backend_config *config, bki_error *err) {
  static const char *const engines[] = {"", "full", "incremental", "persistent"};
  const char *engine = engines[config->engine];
  fake *f = calloc(1, sizeof *f);
  if (strstr(FAKE_REFUSES, engine) != NULL) {
    free(f);
    *err = (bki_error){.status = BKI_E_DEVICE, .byte = -1};
    snprintf(err->message, sizeof err->message, "the fake has no engine %s", engine);
    return BKI_E_DEVICE;
  }
  bki_backend_config fp32 = *config;
  fp32.precision = BKI_PRECISION_FP32;
  *f = (fake){.base = {.ops = bki_cuda_module_get()->backend, .isa = "fake", .n_devices = config->n_devices},
              .wrong = strstr(FAKE_WRONG, engine) != NULL};
  *out = &f->base;
  return bki_backend_ref.create(&f->oracle, model, parameters, &fp32, err);
}

static void destroy(bki_backend *backend) {
  fake *f = (fake *)backend;
  f->oracle->ops->destroy(f->oracle);
  free(f);
}

static bki_status score(bki_backend *backend, const bki_sequence *sequences, size_t n, bki_scores *scores,
                        bki_error *err) {
  fake *f = (fake *)backend;
  const bki_status status = f->oracle->ops->score(f->oracle, sequences, n, scores, err);
  for (size_t i = 0; f->wrong && i < n; i++) {
    for (int32_t j = 0; j < sequences[i].length; j++) {
      scores[i].score[j] = 0;
    }
  }
  return status;
}

static bki_status forward(bki_backend *backend, const bki_sequence *sequences, size_t n, float *readout, float *logits,
                          bki_error *err) {
  bki_backend *oracle = ((fake *)backend)->oracle;
  return oracle->ops->forward(oracle, sequences, n, readout, logits, err);
}

static const char *use_device(bki_backend *backend, int32_t i) {
  (void)backend;
  (void)i;
  return "GPU 0 (Fake GPU)";
}

static const bki_backend_ops backend = {.name = "cuda",
                                        .screen = BKI_PRECISION_FP16,
                                        .has_incremental = has_incremental,
                                        .has_persistent = has_incremental,
                                        .create = create_computing,
                                        .destroy = destroy,
                                        .score = score,
                                        .forward = forward,
                                        .use_device = use_device};
#else
static const bki_backend_ops backend = {.name = "cuda", .has_incremental = has_incremental, .create = create};
#endif
static const bki_learner_ops learner = {.name = "cuda", .create = create_learner};

__attribute__((visibility("default"))) const bki_cuda_module *bki_cuda_module_get(void) {
  static const bki_cuda_module module = {.version = FAKE_VERSION,
                                         .backend = &backend,
                                         .learner = &learner,
                                         .list_devices = list_devices,
                                         .free_memory = free_memory};
  return &module;
}
