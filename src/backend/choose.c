#include "choose.h"

#include <stdio.h>
#include <string.h>

#include "cuda_load.h"
#include "fail.h"

static const bki_backend_choice cpu = {.backend = &bki_backend_cpu, .learner = &bki_learner_cpu, .device = -1};
static const bki_backend_choice ref = {.backend = &bki_backend_ref, .learner = &bki_learner_ref, .device = -1};

/* What is asked for that no CPU has; NULL: nothing. */
static const char *find_gpu_only(const bki_backend_request *request) {
  static const char *const precisions[] = {[BKI_PRECISION_TF32] = "precision tf32",
                                           [BKI_PRECISION_FP16] = "precision fp16",
                                           [BKI_PRECISION_SPLIT] = "precision split"};
  return request->engine == BKI_ENGINE_PERSISTENT ? "engine persistent" : precisions[request->precision];
}

static bki_status take(bki_backend_choice *out, const bki_backend_choice *choice, const bki_backend_request *request,
                       bki_error *err) {
  if (request->n_devices > 0) {
    return bki_fail(err, BKI_E_USAGE, "backend %s: expected no devices, found %zu: they are for GPUs",
                    choice->backend->name, request->n_devices);
  }
  const char *what = find_gpu_only(request);
  if (what != NULL) {
    return bki_fail(err, BKI_E_USAGE, "backend %s: %s is a GPU's", choice->backend->name, what);
  }
  *out = *choice;
  return BKI_OK;
}

static bki_status check_devices(const bki_cuda_access *cuda, const bki_backend_request *request, bki_error *err) {
  for (size_t i = 0; i < request->n_devices; i++) {
    const int32_t device = request->devices[i];
    if (device < 0 || (size_t)device >= cuda->n_devices) {
      return bki_fail(err, BKI_E_DEVICE, "expected GPUs 0 to %zu, which are here, found %d", cuda->n_devices - 1,
                      device);
    }
    BKI_TRY(bki_cuda_check_device(&cuda->devices[device], err));
    for (size_t j = 0; j < i; j++) {
      if (request->devices[j] == device) {
        return bki_fail(err, BKI_E_USAGE, "expected each GPU once, found %d twice", device);
      }
    }
  }
  return BKI_OK;
}

static bki_status take_cuda(bki_backend_choice *out, const bki_backend_request *request, bki_error *err) {
  const bki_cuda_access *cuda;
  int32_t device = 0;
  BKI_TRY(bki_cuda_load(&cuda, err));
  if (request->n_devices > 0) {
    BKI_TRY(check_devices(cuda, request, err));
    device = request->devices[0];
  } else {
    BKI_TRY(bki_cuda_first_device(cuda, &device, err));
  }
  *out = (bki_backend_choice){.backend = cuda->module->backend, .learner = cuda->module->learner, .device = device};
  snprintf(out->reason, sizeof out->reason, "GPU %d is %s", device, cuda->devices[device].name);
  return BKI_OK;
}

/* What the CPU alone does. */
static bki_status check_gpu_does_it(const bki_backend_request *request, bki_error *err) {
  if (request->isa != BKI_ISA_AUTO) {
    return bki_fail(err, BKI_E_USAGE, "isa %s is for CPUs", bki_isa_name(request->isa));
  }
  if (request->precision == BKI_PRECISION_BF16) {
    return bki_fail(err, BKI_E_USAGE, "precision bf16 is for CPUs");
  }
  return BKI_OK;
}

static bki_status try_cuda(bki_backend_choice *out, const bki_backend_request *request, bki_error *err) {
  BKI_TRY(check_gpu_does_it(request, err));
  BKI_TRY(take_cuda(out, request, err));
  if (request->engine == BKI_ENGINE_INCREMENTAL && request->model != NULL &&
      !out->backend->has_incremental(request->model)) {
    return bki_fail(err, BKI_E_USAGE, "backend cuda has no engine incremental for this model");
  }
  return BKI_OK;
}

static bki_status take_auto(bki_backend_choice *out, const bki_backend_request *request, bki_error *err) {
  bki_error why;
  const bki_status status = try_cuda(out, request, &why);
  if (status == BKI_OK) {
    return BKI_OK;
  }
  const char *what = find_gpu_only(request);
  if (what != NULL) {
    return bki_fail(err, status, "%s needs a GPU: %s", what, why.message);
  }
  if (request->n_devices > 0) {
    return bki_fail(err, status, "the GPUs that were named cannot be taken: %s", why.message);
  }
  *out = cpu;
  snprintf(out->reason, sizeof out->reason, "%.*s", (int)sizeof out->reason - 1, why.message);
  return BKI_OK;
}

bki_status bki_backend_choose(bki_backend_choice *out, const bki_backend_request *request, bki_error *err) {
  const char *name = request->name == NULL ? "auto" : request->name;
  if (strcmp(name, "auto") == 0) {
    return take_auto(out, request, err);
  }
  if (strcmp(name, "cpu") == 0) {
    return take(out, &cpu, request, err);
  }
  if (strcmp(name, "ref") == 0) {
    return take(out, &ref, request, err);
  }
  if (strcmp(name, "cuda") == 0) {
    bki_error why;
    const bki_status status = take_cuda(out, request, &why);
    out->reason[0] = '\0';
    return status == BKI_OK ? BKI_OK : bki_fail(err, status, "backend cuda: %s", why.message);
  }
  char quoted[BKI_QUOTE_SIZE];
  return bki_fail(err, BKI_E_USAGE, "expected backend auto, cpu, ref or cuda, found %s",
                  bki_quote(quoted, (bki_str){name, strlen(name)}));
}
