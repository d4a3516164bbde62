/* The backend `cuda`: a worker a GPU, all of them on the groups of one job. */
#include "cuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "persistent.h"

typedef struct cuda_backend {
  bki_backend base;
  size_t n_workers;
  bki_cuda_worker *workers; /* [n_workers] */
  bki_cuda_worker *at_work; /* [n_at_work] those of them that take a job */
  size_t n_at_work;
  size_t max_slots; /* of a group: what every worker has memory for */
  char isa[64];
  char device[sizeof((bki_cuda_device *)0)->name + 16]; /* use_device */
  bool increments;
} cuda_backend;

static bool has_incremental(const bki_model_config *model) {
  return model->num_layers == 1 && (model->readout == BKI_READOUT_FINAL || model->readout == BKI_READOUT_LAST);
}

static bool has_persistent(const bki_model_config *model) {
  return model->num_layers == 1 && model->readout == BKI_READOUT_FINAL && model->pad == BKI_PAD_NONE &&
         model->hidden % BKI_K_HIDDEN_STEP == 0 && model->hidden <= BKI_K_MAX_HIDDEN;
}

static void destroy(bki_backend *backend) {
  cuda_backend *cuda = (cuda_backend *)backend;
  for (size_t i = 0; cuda->workers != NULL && i < cuda->n_workers; i++) {
    bki_cuda_worker_destroy(&cuda->workers[i]);
  }
  free(cuda->workers);
  free(cuda);
}

static const bki_cuda_engine *find_engine(bki_engine engine) {
  return engine == BKI_ENGINE_FULL         ? &bki_cuda_full
         : engine == BKI_ENGINE_PERSISTENT ? &bki_cuda_persistent
                                           : &bki_cuda_incremental;
}

static bki_status check_config(const bki_backend_config *config, bki_error *err) {
  const bool persistent = config->engine == BKI_ENGINE_PERSISTENT;
  const char *precision = bki_precision_name(config->precision);
  if (config->precision == BKI_PRECISION_BF16) {
    return bki_fail(err, BKI_E_USAGE, "backend cuda: expected precision fp32, tf32 or fp16, found %s", precision);
  }
  if (config->isa != BKI_ISA_AUTO) {
    return bki_fail(err, BKI_E_USAGE, "backend cuda: expected isa auto, found %s", bki_isa_name(config->isa));
  }
  if (persistent && config->increments) {
    return bki_fail(err, BKI_E_USAGE, "engine persistent has no prefix increments: use incremental");
  }
  if (persistent && config->precision == BKI_PRECISION_TF32) {
    return bki_fail(err, BKI_E_USAGE, "engine persistent: expected precision fp32, fp16 or split, found %s", precision);
  }
  if (!persistent && config->precision == BKI_PRECISION_SPLIT) {
    return bki_fail(err, BKI_E_USAGE, "precision %s is that of engine persistent alone", precision);
  }
  return BKI_OK;
}

static const char *name_way(const bki_cuda_worker *worker) {
  return worker->ops->name_way == NULL ? "" : worker->ops->name_way(worker);
}

/* Scores have to be the same on all GPUs. */
static bki_status check_ways(const cuda_backend *cuda, bki_error *err) {
  for (size_t i = 1; i < cuda->n_workers; i++) {
    const bki_cuda_worker *first = &cuda->workers[0];
    const bki_cuda_worker *other = &cuda->workers[i];
    if (strcmp(name_way(first), name_way(other)) != 0) {
      return bki_fail(
          err, BKI_E_USAGE,
          "engine persistent: expected GPUs that compute precision %s in one way, found %s on GPU %d and %s on "
          "GPU %d: name GPUs of one kind",
          bki_precision_name(first->precision), name_way(first), first->device.ordinal, name_way(other),
          other->device.ordinal);
    }
  }
  return BKI_OK;
}

/* How a corpus was scored is part of what a store knows of its scan. */
static void name_arithmetic(cuda_backend *cuda) {
  bool fell_back = false;
  for (size_t i = 0; i < cuda->n_workers; i++) {
    fell_back = fell_back || cuda->workers[i].device.fell_back;
  }
  const char *way = name_way(&cuda->workers[0]);
  const bool both = way[0] != '\0' && fell_back;
  const bool some = way[0] != '\0' || fell_back;
  snprintf(cuda->isa, sizeof cuda->isa, "cuda%s%s%s%s%s", some ? " (" : "", way, both ? ", " : "",
           fell_back ? "products in COMPUTE_32F" : "", some ? ")" : "");
  cuda->base.isa = cuda->isa;
}

static void find_common_size(cuda_backend *cuda) {
  cuda->max_slots = SIZE_MAX;
  for (size_t i = 0; i < cuda->n_workers; i++) {
    const size_t slots = cuda->workers[i].max_slots;
    cuda->max_slots = slots < cuda->max_slots ? slots : cuda->max_slots;
  }
}

static const char *use_device(bki_backend *backend, int32_t i) {
  cuda_backend *cuda = (cuda_backend *)backend;
  const bool all = i == BKI_ALL_DEVICES;
  cuda->at_work = all ? cuda->workers : &cuda->workers[i];
  cuda->n_at_work = all ? cuda->n_workers : 1;
  const bki_cuda_device *d = &cuda->at_work->device;
  snprintf(cuda->device, sizeof cuda->device, "GPU %d (%s)", d->ordinal, d->name);
  return cuda->device;
}

static bki_status create(bki_backend **out, const bki_model_config *model, const bki_parameters *parameters,
                         const bki_backend_config *config, bki_error *err) {
  static const int32_t first_device[] = {0};
  BKI_TRY(check_config(config, err));
  const int32_t *devices = config->n_devices > 0 ? config->devices : first_device;
  cuda_backend *cuda = bki_array_create(1, sizeof *cuda);
  if (cuda == NULL) {
    return bki_fail_memory(err);
  }
  const bki_cuda_engine *engine = find_engine(config->engine);
  *cuda = (cuda_backend){.base = {.ops = &bki_backend_cuda, .picks = engine->picks}, .increments = config->increments};
  cuda->n_workers = config->n_devices > 0 ? config->n_devices : 1;
  cuda->workers = bki_array_create(cuda->n_workers, sizeof *cuda->workers);
  bki_status status = cuda->workers == NULL ? bki_fail_memory(err) : BKI_OK;
  for (size_t i = 0; status == BKI_OK && i < cuda->n_workers; i++) {
    status = bki_cuda_worker_create(&cuda->workers[i], devices[i], config->gpu_memory, model, parameters, engine,
                                    config->precision, err);
  }
  if (status == BKI_OK) {
    status = check_ways(cuda, err);
  }
  for (size_t i = 0; status == BKI_OK && i < cuda->n_workers; i++) {
    status = bki_cuda_worker_load(&cuda->workers[i], err);
  }
  if (status != BKI_OK) {
    destroy(&cuda->base);
    return status;
  }
  find_common_size(cuda);
  name_arithmetic(cuda);
  cuda->base.n_devices = cuda->n_workers;
  use_device(&cuda->base, BKI_ALL_DEVICES);
  *out = &cuda->base;
  return BKI_OK;
}

/* What the thread of a worker gets and leaves. */
typedef struct errand {
  bki_cuda_worker *worker;
  bki_cuda_job *job;
  bki_status status;
  bki_error err;
} errand;

static void *do_errand(void *context) {
  errand *e = context;
  e->status = bki_cuda_worker_run(e->worker, e->job, &e->err);
  return NULL;
}

/* The first worker's errand is done by the calling thread, as are those of threads that cannot be started. */
static void do_errands(errand *errands, pthread_t *threads, size_t n) {
  size_t started = 1;
  while (started < n && pthread_create(&threads[started], NULL, do_errand, &errands[started]) == 0) {
    started++;
  }
  do_errand(&errands[0]);
  for (size_t i = started; i < n; i++) {
    do_errand(&errands[i]);
  }
  for (size_t i = 1; i < started; i++) {
    pthread_join(threads[i], NULL);
  }
}

/* Halves the groups when that can help: a worker ran out of memory, and every worker's groups can be smaller. */
static bool shrink(cuda_backend *cuda, const errand *errands) {
  bool memory = false;
  bool possible = true;
  for (size_t i = 0; i < cuda->n_at_work; i++) {
    memory = memory || (errands[i].status == BKI_E_DEVICE && cuda->at_work[i].device.out_of_memory);
  }
  for (size_t i = 0; memory && i < cuda->n_workers; i++) {
    possible = bki_cuda_worker_shrink(&cuda->workers[i]) && possible;
  }
  find_common_size(cuda);
  return memory && possible;
}

/* Out of memory halves the groups and begins anew: what was done already is done once more. */
static bki_status run_job(cuda_backend *cuda, bki_cuda_job *job, size_t n, bki_error *err) {
  errand *errands = bki_array_create(cuda->n_at_work, sizeof *errands);
  pthread_t *threads = bki_array_create(cuda->n_at_work, sizeof *threads);
  bki_status status = errands == NULL || threads == NULL ? bki_fail_memory(err) : BKI_OK;
  bool again = status == BKI_OK;
  while (again) {
    BKI_TRY_GOTO(status, done, bki_cuda_job_plan(job, n, cuda->max_slots, err));
    for (size_t i = 0; i < cuda->n_at_work; i++) {
      errands[i] = (errand){.worker = &cuda->at_work[i], .job = job};
      cuda->at_work[i].device.out_of_memory = false;
    }
    do_errands(errands, threads, cuda->n_at_work);
    for (size_t i = cuda->n_at_work; i-- > 0;) {
      if (errands[i].status != BKI_OK) {
        status = errands[i].status;
        if (err != NULL) {
          *err = errands[i].err;
        }
      }
    }
    again = status != BKI_OK && shrink(cuda, errands);
    status = again ? BKI_OK : status;
  }
done:
  bki_cuda_job_clear(job);
  free(threads);
  free(errands);
  return status;
}

static bki_status score(bki_backend *backend, const bki_sequence *sequences, size_t n, bki_scores *scores,
                        bki_error *err) {
  cuda_backend *cuda = (cuda_backend *)backend;
  bki_cuda_job job = {
      .sequences = sequences, .extent = cuda->increments ? BKI_EXTENT_PREFIXES : BKI_EXTENT_VARIANTS, .scores = scores};
  return run_job(cuda, &job, n, err);
}

static bki_status score_some(bki_backend *backend, const bki_sequence *sequences, const bki_picks *picks, size_t n,
                             bki_scores *scores, bki_error *err) {
  bki_cuda_job job = {.sequences = sequences, .extent = BKI_EXTENT_VARIANTS, .picks = picks, .scores = scores};
  return run_job((cuda_backend *)backend, &job, n, err);
}

static bki_status forward(bki_backend *backend, const bki_sequence *sequences, size_t n, float *readout, float *logits,
                          bki_error *err) {
  bki_cuda_job job = {.sequences = sequences, .extent = BKI_EXTENT_WHOLE, .readout = readout, .logits = logits};
  return run_job((cuda_backend *)backend, &job, n, err);
}

const bki_backend_ops bki_backend_cuda = {.name = "cuda",
                                          .screen = BKI_PRECISION_FP16,
                                          .has_incremental = has_incremental,
                                          .has_persistent = has_persistent,
                                          .create = create,
                                          .destroy = destroy,
                                          .score = score,
                                          .score_some = score_some,
                                          .forward = forward,
                                          .use_device = use_device};
