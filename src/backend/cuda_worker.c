/* A GPU at work on the groups of a job, two or three of them at a time. */
#include <string.h>

#include "cuda.h"

enum { MIN_SLOTS = 64 };

static bki_status create_lane(bki_cuda_worker *w, bki_cuda_lane *lane, bki_error *err) {
  bki_cuda_device *d = &w->device;
  BKI_CUDA(d, err, cudaStreamCreateWithFlags(&lane->stream, cudaStreamNonBlocking));
  BKI_CUDA(d, err, cudaStreamCreateWithFlags(&lane->second, cudaStreamNonBlocking));
  BKI_CUDA(d, err, cudaEventCreateWithFlags(&lane->forked, cudaEventDisableTiming));
  BKI_CUDA(d, err, cudaEventCreateWithFlags(&lane->joined, cudaEventDisableTiming));
  BKI_CUDA(d, err, cudaEventCreateWithFlags(&lane->done, cudaEventDisableTiming));
  return BKI_OK;
}

/* Gives the memory back; streams and events stay. */
static void empty_lane(const bki_cuda_worker *w, bki_cuda_lane *lane) {
  bki_cuda_mirror *const mirrors[] = {&lane->ids,     &lane->left,    &lane->right, &lane->distances,
                                      &lane->classes, &lane->readout, &lane->logits};
  for (size_t i = 0; i < sizeof mirrors / sizeof *mirrors; i++) {
    bki_cuda_mirror_release(mirrors[i]);
  }
  bki_cuda_release(&lane->dense);
  if (lane->engine != NULL) {
    w->ops->clear_lane(lane);
    lane->engine = NULL;
  }
}

static void destroy_lane(const bki_cuda_worker *w, bki_cuda_lane *lane) {
  empty_lane(w, lane);
  cudaEvent_t events[] = {lane->forked, lane->joined, lane->done};
  for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
    if (events[i] != NULL) {
      (void)cudaEventDestroy(events[i]);
    }
  }
  cudaStream_t streams[] = {lane->stream, lane->second};
  for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
    if (streams[i] != NULL) {
      (void)cudaStreamDestroy(streams[i]);
    }
  }
  *lane = (bki_cuda_lane){0};
}

/* Weights and engine are there: what a lane may have of the budget, and as many slots as the device does best with or
 * as fit into that. */
static void share_memory(bki_cuda_worker *w) {
  const bki_model_config *m = w->model;
  const size_t slot_bytes =
      w->ops->slot_bytes(w) + sizeof(float) * (2 * (size_t)m->hidden + (size_t)m->dense + (size_t)m->n_classes + 8);
  const size_t used = w->tensors.block.capacity_bytes + w->ops->held_bytes(w);
  w->lane_bytes = (w->device.budget_bytes > used ? w->device.budget_bytes - used : 0) / (size_t)w->ops->n_lanes;
  const size_t fit = w->lane_bytes / slot_bytes;
  const size_t best = w->ops->best_slots(w);
  const size_t slots = fit < best ? fit : best;
  w->max_slots = slots < MIN_SLOTS ? MIN_SLOTS : slots;
}

static bki_status create(bki_cuda_worker *w, int ordinal, double memory_share, bki_error *err) {
  BKI_TRY(bki_cuda_device_open(&w->device, ordinal, memory_share, err));
  return w->ops->choose == NULL ? BKI_OK : w->ops->choose(w, err);
}

static bki_cuda_math math_of(bki_precision precision) {
  return precision == BKI_PRECISION_TF32   ? BKI_CUDA_TF32
         : precision == BKI_PRECISION_FP16 ? BKI_CUDA_FP16
                                           : BKI_CUDA_FP32;
}

bki_status bki_cuda_worker_create(bki_cuda_worker *worker, int ordinal, double memory_share,
                                  const bki_model_config *model, const bki_parameters *parameters,
                                  const bki_cuda_engine *engine, bki_precision precision, bki_error *err) {
  *worker = (bki_cuda_worker){
      .model = model, .parameters = parameters, .precision = precision, .math = math_of(precision), .ops = engine};
  const bki_status status = create(worker, ordinal, memory_share, err);
  if (status != BKI_OK) {
    bki_cuda_worker_destroy(worker);
  }
  return status;
}

bki_status bki_cuda_worker_load(bki_cuda_worker *worker, bki_error *err) {
  BKI_TRY(bki_cuda_device_use(&worker->device, err));
  BKI_TRY(bki_cuda_tensors_create(&worker->tensors, &worker->device, worker->model, worker->parameters, err));
  for (int i = 0; i < worker->ops->n_lanes; i++) {
    BKI_TRY(create_lane(worker, &worker->lanes[i], err));
  }
  BKI_TRY(worker->ops->create(worker, err));
  share_memory(worker);
  return bki_cuda_head_create(worker, err);
}

void bki_cuda_worker_destroy(bki_cuda_worker *worker) {
  if (worker->ops == NULL) {
    return;
  }
  (void)cudaSetDevice(worker->device.ordinal);
  for (int i = 0; i < worker->ops->n_lanes; i++) {
    destroy_lane(worker, &worker->lanes[i]);
  }
  bki_cuda_head_destroy(worker);
  if (worker->engine != NULL) {
    worker->ops->destroy(worker);
  }
  bki_cuda_tensors_destroy(&worker->tensors);
  bki_cuda_device_close(&worker->device);
  *worker = (bki_cuda_worker){0};
}

bool bki_cuda_worker_shrink(bki_cuda_worker *worker) {
  for (int i = 0; i < worker->ops->n_lanes; i++) {
    empty_lane(worker, &worker->lanes[i]);
  }
  if (worker->max_slots <= MIN_SLOTS) {
    return false;
  }
  worker->max_slots /= 2;
  return true;
}

/* The pairs of slots whose distance is a score (k = 1 .. l), then those of the increments (j = 1 .. l). */
static void list_pairs(const bki_cuda_job *job, size_t first_slot, int32_t l, int32_t **left, int32_t **right) {
  const int32_t base = (int32_t)first_slot;
  for (int32_t k = 1; k <= l; k++) {
    *(*left)++ = base;
    *(*right)++ = base + k;
  }
  for (int32_t j = 1; job->extent == BKI_EXTENT_PREFIXES && j <= l; j++) { /* the prefix of all l words is the text */
    *(*left)++ = j < l ? base + l + 1 + j : base;
    *(*right)++ = base + l + j;
  }
}

/* What does not come back to the host has no place there. */
static bki_status reserve_output(bki_cuda_device *device, bki_cuda_mirror *mirror, bool comes_back, size_t count,
                                 size_t width, bki_error *err) {
  if (comes_back) {
    return bki_cuda_mirror_reserve(device, mirror, count, width * sizeof(float), err);
  }
  mirror->bytes = count * width * sizeof(float);
  return bki_cuda_reserve(device, &mirror->device, count, width * sizeof(float), err);
}

static bki_status reserve(bki_cuda_worker *w, bki_cuda_lane *lane, const bki_cuda_job *job, bki_error *err) {
  const bki_cuda_group *g = lane->group;
  const bki_model_config *m = w->model;
  bki_cuda_device *d = &w->device;
  const bool whole = job->extent == BKI_EXTENT_WHOLE;
  const bool own = w->ops->makes_scores;
  const size_t pairs = own ? 0 : g->n_words * (size_t)job->extent; /* WHOLE 0, VARIANTS 1, PREFIXES 2 a word */
  BKI_TRY(bki_cuda_mirror_reserve(d, &lane->ids, g->n_words, sizeof(int32_t), err));
  BKI_TRY(bki_cuda_mirror_reserve(d, &lane->left, pairs, sizeof(int32_t), err));
  BKI_TRY(bki_cuda_mirror_reserve(d, &lane->right, pairs, sizeof(int32_t), err));
  BKI_TRY(bki_cuda_mirror_reserve(d, &lane->distances, own ? g->n_slots : pairs, sizeof(float), err));
  BKI_TRY(bki_cuda_mirror_reserve(d, &lane->classes, g->n_slots, sizeof(int32_t), err));
  BKI_TRY(reserve_output(d, &lane->readout, whole, g->n_slots, 2 * (size_t)m->hidden, err));
  BKI_TRY(reserve_output(d, &lane->logits, whole, g->n_slots, (size_t)m->n_classes, err));
  return bki_cuda_reserve(d, &lane->dense, g->n_slots, (size_t)m->dense * sizeof(float), err);
}

/* Puts the texts of a group on their way, and what can be done beside the group before. */
static bki_status begin_group(bki_cuda_worker *w, bki_cuda_lane *lane, const bki_cuda_job *job, bki_error *err) {
  const bki_cuda_group *g = lane->group;
  BKI_TRY(reserve(w, lane, job, err));
  int32_t *ids = lane->ids.host.data;
  int32_t *left = lane->left.host.data;
  int32_t *right = lane->right.host.data;
  size_t slot = 0;
  for (size_t i = g->first; i < g->first + g->n; i++) {
    const bki_sequence *text = &job->sequences[job->order[i]];
    if (text->length > 0) {
      memcpy(ids, text->ids, (size_t)text->length * sizeof *ids);
      ids += text->length;
    }
    if (lane->left.bytes > 0) {
      list_pairs(job, slot, text->length, &left, &right);
    }
    slot += bki_plan_slots(job->extent, text->length);
  }
  BKI_TRY(bki_cuda_mirror_push(&w->device, &lane->ids, lane->stream, err));
  BKI_TRY(bki_cuda_mirror_push(&w->device, &lane->left, lane->stream, err));
  BKI_TRY(bki_cuda_mirror_push(&w->device, &lane->right, lane->stream, err));
  return w->ops->prepare == NULL ? BKI_OK : w->ops->prepare(w, lane, job, err);
}

static bki_status continue_group(bki_cuda_worker *w, bki_cuda_lane *lane, const bki_cuda_job *job, bki_error *err) {
  BKI_TRY(w->ops->run(w, lane, job, err));
  BKI_TRY(bki_cuda_head_run(w, lane, job, err));
  BKI_CUDA(&w->device, err, cudaEventRecord(lane->done, lane->stream));
  return BKI_OK;
}

/* The results of a text; distance and class [l]: of its variants. */
static void take_text(bki_scores *scores, const bki_picks *picks, int32_t l, const float *distance,
                      const int32_t *class) {
  const int32_t n = picks == NULL ? l : picks->n;
  for (int32_t i = 0; i < n; i++) {
    const int32_t k = picks == NULL ? i : picks->position[i];
    scores->score[k] = distance[k];
    scores->flip[k] = class[k] != scores->predicted;
  }
}

/* Distances are one for each pair, or of `by_slots` one for each slot, that of the text first. */
static void take_scores(const bki_cuda_lane *lane, const bki_cuda_job *job, bool by_slots) {
  const bki_cuda_group *g = lane->group;
  const float *distances = lane->distances.host.data;
  const int32_t *classes = lane->classes.host.data;
  for (size_t i = g->first; i < g->first + g->n; i++) {
    const size_t number = job->order[i];
    const int32_t l = job->sequences[number].length;
    bki_scores *scores = &job->scores[number];
    scores->predicted = classes[0];
    distances += by_slots ? 1 : 0;
    take_text(scores, job->picks == NULL ? NULL : &job->picks[number], l, distances, classes + 1);
    distances += l;
    if (job->extent == BKI_EXTENT_PREFIXES && l > 0) {
      memcpy(scores->increment, distances, (size_t)l * sizeof *distances);
      distances += l;
    }
    classes += bki_plan_slots(job->extent, l);
  }
}

static void take_outputs(const bki_cuda_worker *w, const bki_cuda_lane *lane, const bki_cuda_job *job) {
  const size_t units = 2 * (size_t)w->model->hidden;
  const size_t n_classes = (size_t)w->model->n_classes;
  const float *readout = lane->readout.host.data;
  const float *logits = lane->logits.host.data;
  for (size_t i = 0; i < lane->group->n; i++) {
    const size_t to = job->order[lane->group->first + i];
    if (job->readout != NULL) {
      memcpy(job->readout + to * units, readout + i * units, units * sizeof *readout);
    }
    if (job->logits != NULL) {
      memcpy(job->logits + to * n_classes, logits + i * n_classes, n_classes * sizeof *logits);
    }
  }
}

/* Waits for the lane's group and takes its results. */
static bki_status end_group(bki_cuda_worker *w, bki_cuda_lane *lane, const bki_cuda_job *job, bki_error *err) {
  if (lane->group == NULL) {
    return BKI_OK;
  }
  BKI_CUDA(&w->device, err, cudaEventSynchronize(lane->done));
  BKI_TRY(w->ops->check == NULL ? BKI_OK : w->ops->check(w, lane, err));
  if (job->extent == BKI_EXTENT_WHOLE) {
    take_outputs(w, lane, job);
  } else {
    take_scores(lane, job, w->ops->makes_scores);
  }
  lane->group = NULL;
  return BKI_OK;
}

/* Of an engine that prepares groups, each is prepared before the one in front of it runs: blocks of a kernel that fills
 * the device would let nothing in that comes after. */
static bki_status run_groups(bki_cuda_worker *w, bki_cuda_job *job, bki_error *err) {
  BKI_TRY(bki_cuda_device_use(&w->device, err));
  const int n_lanes = w->ops->n_lanes;
  bki_cuda_lane *prepared = NULL;
  int at = 0;
  for (; !atomic_load(&job->stop); at = (at + 1) % n_lanes) {
    bki_cuda_lane *lane = &w->lanes[at];
    BKI_TRY(end_group(w, lane, job, err));
    const size_t i = atomic_fetch_add(&job->next, 1);
    if (i >= job->n_groups) {
      break;
    }
    lane->group = &job->groups[i];
    BKI_TRY(begin_group(w, lane, job, err));
    bki_cuda_lane *ready = w->ops->prepare == NULL ? lane : prepared;
    prepared = lane;
    BKI_TRY(ready == NULL ? BKI_OK : continue_group(w, ready, job, err));
  }
  if (w->ops->prepare != NULL && prepared != NULL) {
    BKI_TRY(continue_group(w, prepared, job, err));
  }
  for (int i = 1; i < n_lanes; i++) {
    BKI_TRY(end_group(w, &w->lanes[(at + i) % n_lanes], job, err));
  }
  return BKI_OK;
}

bki_status bki_cuda_worker_run(bki_cuda_worker *worker, bki_cuda_job *job, bki_error *err) {
  const bki_status status = run_groups(worker, job, err);
  if (status != BKI_OK) {
    atomic_store(&job->stop, true);
  }
  for (int i = 0; i < worker->ops->n_lanes; i++) { /* nothing may be under way in memory that is used again */
    if (worker->lanes[i].group != NULL) {
      (void)cudaStreamSynchronize(worker->lanes[i].second);
      (void)cudaStreamSynchronize(worker->lanes[i].stream);
      worker->lanes[i].group = NULL;
    }
  }
  return status;
}
