/* Parts of engine `persistent` on a GPU: what the kernels of kernels/persistent.h take of a model and of a group. */
#ifndef BKI_BACKEND_CUDA_PERSISTENT_H
#define BKI_BACKEND_CUDA_PERSISTENT_H

#include "cuda.h"
#include "persistent.h"

/* The engine of a worker. Zero-initialise. */
typedef struct bki_cuda_persistent_model {
  bki_k_kind kind;
  bki_k_gpu gpu;
  struct {
    bki_cuda_buffer weights; /* image of W_hh for the kind */
    bki_cuda_buffer table;   /* float [V, H / 2, 4, 2]: bki_k_gate_column */
  } half[2];
} bki_cuda_persistent_model;

/* Chooses the kind that the worker's GPU runs in its arithmetic. Errors: BKI_E_DEVICE: no kind runs there; BKI_E_USAGE:
 * the model's numbers are too large for it. */
bki_status bki_cuda_persistent_model_choose(bki_cuda_persistent_model *model, bki_cuda_worker *worker, bki_error *err);
/* Fills the tables for that kind. Errors: BKI_E_DEVICE. What was made stays, to be cleared. */
bki_status bki_cuda_persistent_model_make(bki_cuda_persistent_model *model, bki_cuda_worker *worker, bki_error *err);
void bki_cuda_persistent_model_clear(bki_cuda_persistent_model *model);

/* Texts and items of a group. Texts of no words are not among them. Zero-initialise; make it again and again. */
typedef struct bki_cuda_items {
  struct {
    bki_cuda_mirror texts; /* bki_k_text [n_texts] longest first */
    bki_cuda_mirror items; /* bki_k_item [n_items] most steps first */
    size_t n_items;
  } half[2];
  bki_cuda_mirror slots; /* int32 [n_texts] where the readout of a text goes, by its row of finals */
  size_t n_texts;
  size_t n_states; /* of a direction, that items begin with */
  bki_k_load base;
  bki_k_load scan;
} bki_cuda_items;

/* In host memory: they are pushed by the caller. Scores and readouts go to the slots of the group. Errors:
 * BKI_E_DEVICE, BKI_E_INTERNAL. */
bki_status bki_cuda_items_make(bki_cuda_items *items, bki_cuda_device *device, const bki_cuda_job *job,
                               const bki_cuda_group *group, bki_error *err);
void bki_cuda_items_clear(bki_cuda_items *items);

/* What a lane has of the engine. */
typedef struct bki_cuda_persistent_lane {
  bki_cuda_items items;
  struct {
    bki_cuda_buffer states; /* float [n_states, 2, H] */
    bki_cuda_buffer finals; /* float [n_texts, 2, H] */
  } half[2];
  bki_cuda_buffer queue;      /* uint32 [2] */
  bki_cuda_mirror violations; /* uint32 [1] */
} bki_cuda_persistent_lane;

#endif
