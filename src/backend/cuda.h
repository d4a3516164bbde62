/* Inside of the backend `cuda`.
 *
 * A call of score or forward is a job. Its texts, longest first, are cut into groups whose readouts fit the memory of a
 * lane. A worker is a thread with a GPU; it takes groups from the job until there are none, and has two lanes or three,
 * so that one computes while another's results are taken out. An engine makes the readouts of a group's slots (the
 * text, its variants, its prefixes, as plan.h numbers them); everything after that is common: head, classes, distances.
 */
#ifndef BKI_BACKEND_CUDA_H
#define BKI_BACKEND_CUDA_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend.h"
#include "cuda_device.h"
#include "cuda_gemm.h"
#include "cuda_tensors.h"
#include "kernels.h"
#include "plan.h"

enum { BKI_CUDA_MAX_LANES = 3 };

/* Texts order[first .. first + n) of a job. */
typedef struct bki_cuda_group {
  size_t first;
  size_t n;
  size_t n_slots;
  size_t n_words;
} bki_cuda_group;

typedef struct bki_cuda_job {
  const bki_sequence *sequences;
  bki_extent extent;
  const bki_picks *picks; /* of score_some, [n], with VARIANTS: its slots are those of all words. NULL: all words */
  bki_scores *scores;     /* of score and score_some */
  float *readout;         /* of forward, [n, 2H] or NULL */
  float *logits;          /* [n, C] or NULL */
  size_t *order;          /* [n] longest first */
  bki_cuda_group *groups;
  size_t n_groups;
  atomic_size_t next; /* group */
  atomic_bool stop;   /* a worker failed */
} bki_cuda_job;

/* Cuts n sequences into groups of at most max_slots slots; a text with more is a group of its own. */
bki_status bki_cuda_job_plan(bki_cuda_job *job, size_t n, size_t max_slots, bki_error *err);
void bki_cuda_job_clear(bki_cuda_job *job);

/* The same array on both sides; the host's is pinned. */
typedef struct bki_cuda_mirror {
  bki_cuda_buffer host;
  bki_cuda_buffer device;
  size_t bytes; /* in use */
} bki_cuda_mirror;

bki_status bki_cuda_mirror_reserve(bki_cuda_device *device, bki_cuda_mirror *mirror, size_t count, size_t element_bytes,
                                   bki_error *err);
bki_status bki_cuda_mirror_push(bki_cuda_device *device, bki_cuda_mirror *mirror, cudaStream_t stream, bki_error *err);
bki_status bki_cuda_mirror_pull(bki_cuda_device *device, bki_cuda_mirror *mirror, cudaStream_t stream, bki_error *err);
void bki_cuda_mirror_release(bki_cuda_mirror *mirror);

/* Memory and streams of a group at work. */
typedef struct bki_cuda_lane {
  cudaStream_t stream;         /* of the group: inputs, readouts, results */
  cudaStream_t second;         /* beside it: the backward direction */
  cudaEvent_t forked;          /* `stream` has what `second` needs */
  cudaEvent_t joined;          /* `second` is done */
  cudaEvent_t done;            /* the results are on the host */
  const bki_cuda_group *group; /* NULL: free */
  bki_cuda_mirror ids;         /* int32 [words of the group] */
  bki_cuda_mirror left;        /* int32 [pairs]: slots whose distance is asked for */
  bki_cuda_mirror right;
  bki_cuda_mirror distances; /* float [pairs]; [S] of an engine that makes them */
  bki_cuda_mirror classes;   /* int32 [S] */
  bki_cuda_mirror readout;   /* float [S, 2H]; comes back for forward */
  bki_cuda_mirror logits;    /* float [S, C]; comes back for forward */
  bki_cuda_buffer dense;     /* float [S, D] */
  void *engine;              /* the engine's own, NULL before its first group */
} bki_cuda_lane;

typedef struct bki_cuda_worker bki_cuda_worker;

/* How readouts are made. Engines choose work items and arithmetic of their own. */
typedef struct bki_cuda_engine {
  int n_lanes;       /* at most BKI_CUDA_MAX_LANES */
  bool makes_scores; /* `run` fills lane->distances too: a score for the slot of every variant */
  bool picks;        /* of a job with picks it runs their variants alone; what is in other slots does not matter */
  /* Whether it runs the model on the worker's GPU, and in which way: nothing is on the device yet. NULL: it does.
   * Errors: BKI_E_USAGE, BKI_E_DEVICE. */
  bki_status (*choose)(bki_cuda_worker *worker, bki_error *err);
  /* Weights in the engine's form into worker->engine. Errors: BKI_E_DEVICE. */
  bki_status (*create)(bki_cuda_worker *worker, bki_error *err);
  void (*destroy)(bki_cuda_worker *worker);
  /* Bytes on the device that it holds from then on, lanes left aside. */
  size_t (*held_bytes)(const bki_cuda_worker *worker);
  /* Slots of a group that the device does best with, memory left aside, and the bytes of a lane for each. */
  size_t (*best_slots)(const bki_cuda_worker *worker);
  size_t (*slot_bytes)(const bki_cuda_worker *worker);
  /* What a group needs before `run` and what the device can do beside the `run` of the group before: it is called
   * first. NULL: nothing. Both find the ids of lane->group on the device once lane->stream gets there. */
  bki_status (*prepare)(bki_cuda_worker *worker, bki_cuda_lane *lane, const bki_cuda_job *job, bki_error *err);
  /* Fills lane->readout for all slots of lane->group. */
  bki_status (*run)(bki_cuda_worker *worker, bki_cuda_lane *lane, const bki_cuda_job *job, bki_error *err);
  /* How it computes in this precision, where that depends on the GPU; "": it does not. NULL: it never does. */
  const char *(*name_way)(const bki_cuda_worker *worker);
  /* When all that is done: whether the device did it right. NULL: it cannot be told. Errors: BKI_E_DEVICE. */
  bki_status (*check)(const bki_cuda_worker *worker, const bki_cuda_lane *lane, bki_error *err);
  void (*clear_lane)(bki_cuda_lane *lane);
} bki_cuda_engine;

extern const bki_backend_ops bki_backend_cuda;

extern const bki_cuda_engine bki_cuda_full;        /* cuDNN, every variant from end to end */
extern const bki_cuda_engine bki_cuda_incremental; /* what variants share is run once */
extern const bki_cuda_engine bki_cuda_persistent;  /* the same in a launch for all steps */

/* One GPU of the backend. */
struct bki_cuda_worker {
  bki_cuda_device device;
  const bki_model_config *model;
  const bki_parameters *parameters; /* on the host */
  bki_precision precision;
  bki_cuda_math math; /* the same for products of cuBLAS and cuDNN */
  const bki_cuda_engine *ops;
  void *engine;
  bki_cuda_tensors tensors; /* they on the device */
  bki_cuda_gemm dense;
  bki_cuda_gemm output;
  size_t lane_bytes;                       /* of the budget, when weights and engine have theirs */
  size_t max_slots;                        /* of a group */
  bki_cuda_lane lanes[BKI_CUDA_MAX_LANES]; /* [ops->n_lanes] */
};

/* Opens the GPU; what the engine has to say against it is said here. */
bki_status bki_cuda_worker_create(bki_cuda_worker *worker, int ordinal, double memory_share,
                                  const bki_model_config *model, const bki_parameters *parameters,
                                  const bki_cuda_engine *engine, bki_precision precision, bki_error *err);
/* Weights, lanes and engine: then it can run. When that fails it is to be destroyed. */
bki_status bki_cuda_worker_load(bki_cuda_worker *worker, bki_error *err);
void bki_cuda_worker_destroy(bki_cuda_worker *worker);
/* Halves the groups after the device ran out of memory. False: they are as small as they get. */
bool bki_cuda_worker_shrink(bki_cuda_worker *worker);
/* Takes groups from the job until none is left or a worker failed. */
bki_status bki_cuda_worker_run(bki_cuda_worker *worker, bki_cuda_job *job, bki_error *err);

/* After the readouts of a lane: classes and distances into its mirrors, on their way to the host. */
bki_status bki_cuda_head_run(bki_cuda_worker *worker, bki_cuda_lane *lane, const bki_cuda_job *job, bki_error *err);
/* The head's products. */
bki_status bki_cuda_head_create(bki_cuda_worker *worker, bki_error *err);
void bki_cuda_head_destroy(bki_cuda_worker *worker);

#endif
