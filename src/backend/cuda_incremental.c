/* Engine `incremental` on any GPU, for any H: one product and one kernel a step and direction.
 *
 * What a step reads beside h is a row of a table: W_ih x + b of every word of the vocabulary (gpu.md, the third
 * saving). The two directions have a stream each. */
#include <stdlib.h>
#include <string.h>

#include "cuda_runs.h"

/* Rows whose gates stay in a second-level cache of this size. */
#define CACHE_BYTES ((size_t)32 << 20)

typedef struct incremental {
  size_t n_pads; /* states after 0 .. n_pads - 1 pads */
  bki_cuda_gemm recurrent;
  struct {
    bki_cuda_buffer inputs; /* [V + 1, 4H] */
    bki_cuda_buffer w_hh16; /* [4H, H] in half precision, where the product is in it */
    bki_cuda_buffer pads;   /* [n_pads, 2, H] */
  } half[2];
} incremental;

typedef struct incremental_lane {
  struct {
    bki_cuda_runs plan;
    bki_cuda_mirror runs;
    bki_cuda_buffer states; /* [n_states, 2, H] */
    bki_cuda_buffer h;      /* [R, H] */
    bki_cuda_buffer h16;
    bki_cuda_buffer c;
    bki_cuda_buffer gates; /* [R, 4H] */
  } half[2];
} incremental_lane;

/* W_ih x + b_ih + b_hh of all words, and of a pad behind them. */
static bki_status make_inputs(bki_cuda_worker *w, incremental *e, int half, bki_error *err) {
  const bki_model_config *m = w->model;
  bki_cuda_device *d = &w->device;
  const bki_lstm_weights *lstm = &w->parameters->lstm[half];
  const int64_t V = m->vocabulary_size;
  const int64_t E = m->embedding_dim;
  const int64_t gates = 4 * (int64_t)m->hidden;
  bki_cuda_gemm gemm;
  BKI_TRY(bki_cuda_reserve(d, &e->half[half].inputs, (size_t)(V + 1), (size_t)gates * sizeof(float), err));
  float *inputs = e->half[half].inputs.data;
  const float *embedding = bki_cuda_tensors_find(&w->tensors, w->parameters->embedding);
  const float *w_ih = bki_cuda_tensors_find(&w->tensors, lstm->w_ih);
  BKI_TRY(bki_cuda_gemm_create(&gemm, d, 1 << 16, gates, E, BKI_CUDA_FP32, err));
  const bki_status status = bki_cuda_gemm_run(&gemm, V, embedding, w_ih, inputs, d->upload, err);
  bki_cuda_gemm_destroy(&gemm);
  BKI_TRY(status);
  float *pad = inputs + V * gates;
  const size_t row_bytes = (size_t)gates * sizeof *pad;
  if (m->pad_vector == BKI_PAD_VECTOR_ZERO) {
    BKI_CUDA(d, err, cudaMemsetAsync(pad, 0, row_bytes, d->upload));
  } else {
    BKI_CUDA(d, err, cudaMemcpyAsync(pad, inputs + m->pad_id * gates, row_bytes, cudaMemcpyDeviceToDevice, d->upload));
  }
  const float *const biases[] = {lstm->b_ih, lstm->b_hh};
  for (int i = 0; i < 2; i++) {
    BKI_CUDA(d, err,
             bki_k_bias_activation(inputs, bki_cuda_tensors_find(&w->tensors, biases[i]), BKI_K_LINEAR, V + 1, gates,
                                   d->upload));
  }
  return BKI_OK;
}

static const void *recurrent_weight(const bki_cuda_worker *w, const incremental *e, int half) {
  return w->math == BKI_CUDA_FP16 ? e->half[half].w_hh16.data
                                  : bki_cuda_tensors_find(&w->tensors, w->parameters->lstm[half].w_hh);
}

static bki_status reserve_states(bki_cuda_worker *w, incremental_lane *l, int half, bki_error *err) {
  const bki_cuda_runs *plan = &l->half[half].plan;
  bki_cuda_device *d = &w->device;
  const size_t H = (size_t)w->model->hidden;
  const size_t n = plan->levels[0].n > plan->levels[1].n ? plan->levels[0].n : plan->levels[1].n;
  BKI_TRY(bki_cuda_mirror_reserve(d, &l->half[half].runs, plan->n, sizeof(bki_k_run), err));
  BKI_TRY(bki_cuda_reserve(d, &l->half[half].states, plan->n_states, 2 * H * sizeof(float), err));
  BKI_TRY(bki_cuda_reserve(d, &l->half[half].h, n, H * sizeof(float), err));
  BKI_TRY(bki_cuda_reserve(d, &l->half[half].c, n, H * sizeof(float), err));
  if (w->math == BKI_CUDA_FP16) {
    BKI_TRY(bki_cuda_reserve(d, &l->half[half].h16, n, H * sizeof(uint16_t), err));
  }
  return bki_cuda_reserve(d, &l->half[half].gates, n, 4 * H * sizeof(float), err);
}

static bki_k_states states_of(const bki_cuda_worker *w, const bki_cuda_lane *lane, int half) {
  const incremental *e = w->engine;
  const incremental_lane *l = lane->engine;
  return (bki_k_states){.ids = lane->ids.device.data,
                        .inputs = e->half[half].inputs.data,
                        .pad_row = w->model->vocabulary_size,
                        .states = l->half[half].states.data,
                        .h = l->half[half].h.data,
                        .h16 = l->half[half].h16.data,
                        .c = l->half[half].c.data,
                        .readout = lane->readout.device.data,
                        .hidden = w->model->hidden,
                        .half = half};
}

/* How far a direction of a group is: its next launch. */
typedef struct course {
  cudaStream_t stream;
  int half;
  int level;    /* BKI_CUDA_LEVELS: done */
  int32_t left; /* steps to go, 0: the level has not begun */
} course;

/* The plan is made and its memory reserved. */
static bki_status begin_course(bki_cuda_worker *w, bki_cuda_lane *lane, const course *c, bki_error *err) {
  const incremental *e = w->engine;
  incremental_lane *l = lane->engine;
  const bki_cuda_runs *plan = &l->half[c->half].plan;
  const size_t pads_bytes = e->n_pads * 2 * (size_t)w->model->hidden * sizeof(float);
  memcpy(l->half[c->half].runs.host.data, plan->runs, plan->n * sizeof *plan->runs);
  BKI_TRY(bki_cuda_mirror_push(&w->device, &l->half[c->half].runs, c->stream, err));
  BKI_CUDA(&w->device, err,
           cudaMemcpyAsync(l->half[c->half].states.data, e->half[c->half].pads.data, pads_bytes,
                           cudaMemcpyDeviceToDevice, c->stream));
  return BKI_OK;
}

/* Issues what begins a level, or one of its steps. */
static bki_status advance(bki_cuda_worker *w, bki_cuda_lane *lane, course *c, bki_error *err) {
  const incremental *e = w->engine;
  const incremental_lane *l = lane->engine;
  const bki_cuda_level *level = &l->half[c->half].plan.levels[c->level];
  bki_cuda_device *d = &w->device;
  bki_k_states s = states_of(w, lane, c->half);
  s.runs = (const bki_k_run *)l->half[c->half].runs.device.data + level->first;
  if (c->left == 0) {
    BKI_CUDA(d, err, bki_k_begin(&s, (int64_t)level->n, c->stream));
    c->left = level->most_steps;
  } else {
    const int64_t n = level->active[c->left - 1];
    const void *h = s.h16 != NULL ? s.h16 : (const void *)s.h;
    float *gates = l->half[c->half].gates.data;
    BKI_TRY(bki_cuda_gemm_run(&e->recurrent, n, h, recurrent_weight(w, e, c->half), gates, c->stream, err));
    BKI_CUDA(d, err, bki_k_step(&s, gates, c->left, n, c->stream));
    c->left--;
  }
  c->level += c->left == 0;
  return BKI_OK;
}

/* Step by step in turn: the driver lets a bounded number of launches wait, and one direction after the other would run
 * one after the other. */
static bki_status run_directions(bki_cuda_worker *w, bki_cuda_lane *lane, bki_error *err) {
  course courses[] = {{.stream = lane->stream, .half = 0}, {.stream = lane->second, .half = 1}};
  for (int half = 0; half < 2; half++) {
    BKI_TRY(begin_course(w, lane, &courses[half], err));
  }
  while (courses[0].level < BKI_CUDA_LEVELS || courses[1].level < BKI_CUDA_LEVELS) {
    for (int half = 0; half < 2; half++) {
      if (courses[half].level < BKI_CUDA_LEVELS) {
        BKI_TRY(advance(w, lane, &courses[half], err));
      }
    }
  }
  return BKI_OK;
}

static bki_status run(bki_cuda_worker *worker, bki_cuda_lane *lane, const bki_cuda_job *job, bki_error *err) {
  bki_cuda_device *d = &worker->device;
  if (lane->engine == NULL && (lane->engine = calloc(1, sizeof(incremental_lane))) == NULL) {
    return bki_fail_memory(err);
  }
  incremental_lane *l = lane->engine;
  for (int half = 0; half < 2; half++) {
    BKI_TRY(bki_cuda_runs_make(&l->half[half].plan, worker->model, job, lane->group, half,
                               ((incremental *)worker->engine)->n_pads, err));
    BKI_TRY(reserve_states(worker, l, half, err));
  }
  BKI_CUDA(d, err, cudaEventRecord(lane->forked, lane->stream));
  BKI_CUDA(d, err, cudaStreamWaitEvent(lane->second, lane->forked, 0));
  BKI_TRY(run_directions(worker, lane, err));
  BKI_CUDA(d, err, cudaEventRecord(lane->joined, lane->second));
  BKI_CUDA(d, err, cudaStreamWaitEvent(lane->stream, lane->joined, 0));
  return BKI_OK;
}

static void clear_lane(bki_cuda_lane *lane) {
  incremental_lane *l = lane->engine;
  for (int half = 0; half < 2; half++) {
    bki_cuda_runs_clear(&l->half[half].plan);
    bki_cuda_mirror_release(&l->half[half].runs);
    bki_cuda_release(&l->half[half].states);
    bki_cuda_release(&l->half[half].h);
    bki_cuda_release(&l->half[half].h16);
    bki_cuda_release(&l->half[half].c);
    bki_cuda_release(&l->half[half].gates);
  }
  free(l);
}

/* The states after pads alone: one run that reads nothing else. */
static bki_status make_pads(bki_cuda_worker *w, incremental *e, int half, bki_error *err) {
  bki_cuda_device *d = &w->device;
  const size_t H = (size_t)w->model->hidden;
  const bki_k_run run = {.first = 1, .end = (int32_t)e->n_pads - 1, .store = 1, .slot = -1};
  const size_t part = (4 * H + 63) / 64 * 64; /* floats: products want their operands aligned */
  bki_cuda_buffer scratch = {0};              /* h, c, gates, h16, the run */
  bki_status status;
  BKI_TRY(bki_cuda_reserve(d, &e->half[half].pads, e->n_pads, 2 * H * sizeof(float), err));
  BKI_TRY(bki_cuda_reserve(d, &scratch, 1, 4 * part * sizeof(float) + sizeof run, err));
  float *h = scratch.data;
  float *gates = h + 2 * part;
  void *run_place = h + 4 * part;
  const bki_k_states s = {.runs = run_place,
                          .inputs = e->half[half].inputs.data,
                          .pad_row = w->model->vocabulary_size,
                          .states = e->half[half].pads.data,
                          .h = h,
                          .c = h + part,
                          .h16 = w->math == BKI_CUDA_FP16 ? h + 3 * part : NULL,
                          .hidden = w->model->hidden,
                          .half = half};
  BKI_TRY_GOTO(status, done, bki_cuda_upload(d, run_place, &run, sizeof run, err));
  BKI_TRY_GOTO(
      status, done,
      bki_cuda_check(d, cudaMemsetAsync(s.states, 0, 2 * H * sizeof(float), d->upload), "cudaMemsetAsync", err));
  BKI_TRY_GOTO(status, done, bki_cuda_check(d, bki_k_begin(&s, 1, d->upload), "bki_k_begin", err));
  for (int32_t left = run.end; left > 0; left--) {
    BKI_TRY_GOTO(status, done,
                 bki_cuda_gemm_run(&e->recurrent, 1, s.h16 != NULL ? s.h16 : (const void *)s.h,
                                   recurrent_weight(w, e, half), gates, d->upload, err));
    BKI_TRY_GOTO(status, done, bki_cuda_check(d, bki_k_step(&s, gates, left, 1, d->upload), "bki_k_step", err));
  }
  status = bki_cuda_check(d, cudaStreamSynchronize(d->upload), "cudaStreamSynchronize", err);
done:
  bki_cuda_release(&scratch);
  return status;
}

static bki_status create(bki_cuda_worker *worker, bki_error *err) {
  const bki_model_config *m = worker->model;
  const size_t H = (size_t)m->hidden;
  bki_cuda_device *d = &worker->device;
  incremental *e = calloc(1, sizeof *e);
  worker->engine = e;
  if (e == NULL) {
    return bki_fail_memory(err);
  }
  e->n_pads = (m->pad == BKI_PAD_NONE ? 0 : (size_t)m->pad_length) + 1;
  BKI_TRY(bki_cuda_gemm_create(&e->recurrent, d, (int64_t)worker->ops->best_slots(worker), 4 * m->hidden, m->hidden,
                               worker->math, err));
  for (int half = 0; half < 2; half++) {
    BKI_TRY(make_inputs(worker, e, half, err));
    if (worker->math == BKI_CUDA_FP16) {
      BKI_TRY(bki_cuda_reserve(d, &e->half[half].w_hh16, 4 * H * H, sizeof(uint16_t), err));
      BKI_CUDA(d, err,
               bki_k_to_half(e->half[half].w_hh16.data,
                             bki_cuda_tensors_find(&worker->tensors, worker->parameters->lstm[half].w_hh),
                             4 * (int64_t)(H * H), d->upload));
    }
    BKI_TRY(make_pads(worker, e, half, err));
  }
  return BKI_OK;
}

static void destroy(bki_cuda_worker *worker) {
  incremental *e = worker->engine;
  bki_cuda_gemm_destroy(&e->recurrent);
  for (int half = 0; half < 2; half++) {
    bki_cuda_release(&e->half[half].inputs);
    bki_cuda_release(&e->half[half].w_hh16);
    bki_cuda_release(&e->half[half].pads);
  }
  free(e);
}

static size_t held_bytes(const bki_cuda_worker *worker) {
  const incremental *e = worker->engine;
  size_t bytes = 0;
  for (int half = 0; half < 2; half++) {
    bytes +=
        e->half[half].inputs.capacity_bytes + e->half[half].w_hh16.capacity_bytes + e->half[half].pads.capacity_bytes;
  }
  return bytes;
}

static size_t best_slots(const bki_cuda_worker *worker) {
  return CACHE_BYTES / (16 * (size_t)worker->model->hidden) + 1;
}

/* h, c, gates and a stored state or two a slot and direction. */
static size_t slot_bytes(const bki_cuda_worker *worker) {
  return 2 * (sizeof(bki_k_run) + 11 * (size_t)worker->model->hidden * sizeof(float));
}

const bki_cuda_engine bki_cuda_incremental = {.n_lanes = 2,
                                              .create = create,
                                              .destroy = destroy,
                                              .held_bytes = held_bytes,
                                              .best_slots = best_slots,
                                              .slot_bytes = slot_bytes,
                                              .run = run,
                                              .clear_lane = clear_lane};
