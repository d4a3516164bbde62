/* Engine `persistent` on a GPU: one launch runs the texts of a group and leaves states, another one all their variants
 * from these states to their ends, without a step of the host in between (kernels/persistent.h).
 *
 * The run of the texts takes as long as the longest of them has words and few blocks: it is prepared, and has the
 * device beside the variants of the group before. */
#include <stdlib.h>

#include "cuda_persistent.h"

/* Some thirty items for each that a large GPU works on at a time: what it waits for at the end of a group is little. */
enum { LANES = 3, BEST_SLOTS = 1 << 18 };

static bki_status choose(bki_cuda_worker *worker, bki_error *err) {
  bki_cuda_persistent_model *e = calloc(1, sizeof *e);
  worker->engine = e;
  return e == NULL ? bki_fail_memory(err) : bki_cuda_persistent_model_choose(e, worker, err);
}

static bki_status create(bki_cuda_worker *worker, bki_error *err) {
  return bki_cuda_persistent_model_make(worker->engine, worker, err);
}

static void destroy(bki_cuda_worker *worker) {
  bki_cuda_persistent_model_clear(worker->engine);
  free(worker->engine);
}

static size_t held_bytes(const bki_cuda_worker *worker) {
  const bki_cuda_persistent_model *e = worker->engine;
  size_t bytes = 0;
  for (int half = 0; half < 2; half++) {
    bytes += e->half[half].weights.capacity_bytes + e->half[half].table.capacity_bytes;
  }
  return bytes;
}

static size_t best_slots(const bki_cuda_worker *worker) {
  (void)worker;
  return BEST_SLOTS;
}

/* At most: texts of two words have an item, and those of one word a row of finals for every two slots. */
static size_t slot_bytes(const bki_cuda_worker *worker) {
  const size_t state = 2 * (size_t)worker->model->hidden * sizeof(float);
  return sizeof(int32_t) + 2 * (sizeof(bki_k_text) + sizeof(bki_k_item) + state + state / BKI_K_ITEM_ROWS);
}

static bki_k_work work_of(const bki_cuda_worker *w, const bki_cuda_lane *lane, bool whole) {
  const bki_cuda_persistent_model *e = w->engine;
  const bki_cuda_persistent_lane *l = lane->engine;
  bki_k_work work = {.base = l->items.base,
                     .scan = l->items.scan,
                     .ids = lane->ids.device.data,
                     .scores = lane->distances.device.data,
                     .readouts = whole ? NULL : lane->readout.device.data,
                     .queue = l->queue.data,
                     .violations = l->violations.device.data,
                     .n_directions = 2,
                     .hidden = w->model->hidden};
  for (int half = 0; half < 2; half++) {
    work.direction[half] = (bki_k_direction){.weights = e->half[half].weights.data,
                                             .table = e->half[half].table.data,
                                             .texts = l->items.half[half].texts.device.data,
                                             .items = l->items.half[half].items.device.data,
                                             .states = whole ? NULL : l->half[half].states.data,
                                             .finals = l->half[half].finals.data,
                                             .n_texts = (int64_t)l->items.n_texts,
                                             .n_items = (int64_t)l->items.half[half].n_items,
                                             .sign = half == 0 ? 1 : -1};
  }
  return work;
}

static bki_status reserve(bki_cuda_worker *w, bki_cuda_persistent_lane *l, bki_error *err) {
  bki_cuda_device *d = &w->device;
  const size_t state_bytes = 2 * (size_t)w->model->hidden * sizeof(float);
  for (int half = 0; half < 2; half++) {
    BKI_TRY(bki_cuda_reserve(d, &l->half[half].states, l->items.n_states, state_bytes, err));
    BKI_TRY(bki_cuda_reserve(d, &l->half[half].finals, l->items.n_texts, state_bytes, err));
  }
  BKI_TRY(bki_cuda_reserve(d, &l->queue, 2, sizeof(uint32_t), err));
  return bki_cuda_mirror_reserve(d, &l->violations, 1, sizeof(uint32_t), err);
}

static bki_status push(bki_cuda_worker *w, bki_cuda_lane *lane, bki_error *err) {
  bki_cuda_persistent_lane *l = lane->engine;
  bki_cuda_device *d = &w->device;
  for (int half = 0; half < 2; half++) {
    BKI_TRY(bki_cuda_mirror_push(d, &l->items.half[half].texts, lane->stream, err));
    BKI_TRY(bki_cuda_mirror_push(d, &l->items.half[half].items, lane->stream, err));
  }
  BKI_TRY(bki_cuda_mirror_push(d, &l->items.slots, lane->stream, err));
  BKI_CUDA(d, err, cudaMemsetAsync(lane->distances.device.data, 0, lane->distances.bytes, lane->stream));
  BKI_CUDA(d, err, cudaMemsetAsync(lane->readout.device.data, 0, lane->readout.bytes, lane->stream));
  BKI_CUDA(d, err, cudaMemsetAsync(l->violations.device.data, 0, l->violations.bytes, lane->stream));
  return BKI_OK;
}

static bki_status prepare(bki_cuda_worker *worker, bki_cuda_lane *lane, const bki_cuda_job *job, bki_error *err) {
  const bki_cuda_persistent_model *e = worker->engine;
  if (lane->engine == NULL && (lane->engine = calloc(1, sizeof(bki_cuda_persistent_lane))) == NULL) {
    return bki_fail_memory(err);
  }
  bki_cuda_persistent_lane *l = lane->engine;
  BKI_TRY(bki_cuda_items_make(&l->items, &worker->device, job, lane->group, err));
  BKI_TRY(reserve(worker, l, err));
  BKI_TRY(push(worker, lane, err));
  const bki_k_work work = work_of(worker, lane, job->extent == BKI_EXTENT_WHOLE);
  BKI_CUDA(&worker->device, err, bki_k_base(e->kind, &work, &e->gpu, lane->stream));
  return BKI_OK;
}

static bki_status run(bki_cuda_worker *worker, bki_cuda_lane *lane, const bki_cuda_job *job, bki_error *err) {
  const bki_cuda_persistent_model *e = worker->engine;
  bki_cuda_persistent_lane *l = lane->engine;
  bki_cuda_device *d = &worker->device;
  const bki_k_work work = work_of(worker, lane, job->extent == BKI_EXTENT_WHOLE);
  BKI_CUDA(d, err, bki_k_scan(e->kind, &work, &e->gpu, lane->stream));
  BKI_CUDA(d, err, bki_k_text_readouts(lane->readout.device.data, &work, l->items.slots.device.data, lane->stream));
  return bki_cuda_mirror_pull(d, &l->violations, lane->stream, err);
}

static const char *name_way(const bki_cuda_worker *worker) {
  const bki_cuda_persistent_model *e = worker->engine;
  return e->kind == BKI_K_HALF ? "mma.sync" : e->kind == BKI_K_HALF_WG ? "wgmma" : "";
}

/* Rows without a variant are computed like those of variants, and have to end as their text does. */
static bki_status check(const bki_cuda_worker *worker, const bki_cuda_lane *lane, bki_error *err) {
  const bki_cuda_persistent_lane *l = lane->engine;
  const uint32_t violations = *(const uint32_t *)l->violations.host.data;
  if (violations == 0) {
    return BKI_OK;
  }
  return bki_fail(
      err, BKI_E_DEVICE,
      "GPU %d (%s): engine persistent: expected rows that leave out no word to end as their text does, found "
      "%u that do not: the scores are worthless, use incremental",
      worker->device.ordinal, worker->device.name, (unsigned)violations);
}

static void clear_lane(bki_cuda_lane *lane) {
  bki_cuda_persistent_lane *l = lane->engine;
  bki_cuda_items_clear(&l->items);
  for (int half = 0; half < 2; half++) {
    bki_cuda_release(&l->half[half].states);
    bki_cuda_release(&l->half[half].finals);
  }
  bki_cuda_release(&l->queue);
  bki_cuda_mirror_release(&l->violations);
  free(l);
}

const bki_cuda_engine bki_cuda_persistent = {.n_lanes = LANES,
                                             .makes_scores = true,
                                             .picks = true,
                                             .choose = choose,
                                             .create = create,
                                             .destroy = destroy,
                                             .held_bytes = held_bytes,
                                             .best_slots = best_slots,
                                             .slot_bytes = slot_bytes,
                                             .prepare = prepare,
                                             .run = run,
                                             .name_way = name_way,
                                             .check = check,
                                             .clear_lane = clear_lane};
