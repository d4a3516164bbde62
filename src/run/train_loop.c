/* Epoch after epoch. */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "array.h"
#include "fail.h"
#include "log.h"
#include "train_internal.h"

#define PROGRESS_SECONDS 1.0

typedef struct loop {
  bki_training *t;
  double begun;
  double told;
  double saved;
  int64_t n_trained; /* samples, this run */
} loop;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void tell(loop *l, bool epoch_ended) {
  const bki_training *t = l->t;
  const bki_train_state *s = &t->state;
  l->told = now();
  if (t->config->progress == NULL) {
    return;
  }
  const int64_t samples = (int64_t)bki_spool_count(t->samples.training);
  const bki_epoch none = {NAN, NAN, NAN, NAN};
  const bki_epoch *last = s->epoch == 0 ? &none : &s->epochs[s->epoch - 1];
  const double seconds = l->told - l->begun;
  const double rate = seconds > 0 ? (double)l->n_trained / seconds : 0;
  const double left = (double)(t->config->epochs - s->epoch) * (double)samples - (double)s->n_seen;
  const double seen = s->n_seen > 0 ? (double)s->n_seen : 1;
  const bki_train_progress progress = {
      .epoch = epoch_ended ? s->epoch - 1 : s->epoch,
      .epochs = t->config->epochs,
      .samples_done = epoch_ended ? samples : s->n_seen,
      .samples = samples,
      .loss = epoch_ended ? last->loss : s->loss_sum / seen,
      .accuracy = epoch_ended ? last->accuracy : (double)s->n_correct / seen,
      .validation_loss = last->validation_loss,
      .validation_accuracy = last->validation_accuracy,
      .samples_per_second = rate,
      .seconds_left = rate > 0 ? left / rate : NAN,
      .epoch_ended = epoch_ended,
  };
  t->config->progress(t->config->user, &progress);
}

static bki_status diverge(bki_training *t, const char *what, double value, bki_error *err) {
  t->diverged = true;
  return bki_fail(err, BKI_E_DATA,
                  "the training diverges: expected a finite %s, found %s in epoch %" PRId32 " at step %" PRIu64
                  " of %zu; lower the learning rate, or limit the gradients with a clip norm",
                  what, isnan(value) ? "not a number" : "infinity", t->state.epoch + 1, t->state.step + 1,
                  bki_sampler_steps(t->sampler));
}

static bki_status save(loop *l, bki_error *err) {
  BKI_TRY(bki_checkpoint_save(l->t, err));
  l->saved = now();
  return BKI_OK;
}

/* Between batches: tells, saves and asks whether to go on. */
static bki_status between(loop *l, bki_error *err) {
  const bki_training *t = l->t;
  const bki_train_config *config = t->config;
  const double time = now();
  if (time - l->told >= PROGRESS_SECONDS) {
    tell(l, false);
  }
  if (config->stop != NULL && config->stop(config->user)) {
    BKI_TRY(save(l, err));
    return bki_fail(err, BKI_E_INTERRUPTED,
                    "stopped in epoch %" PRId32 " after step %" PRIu64 " of %zu: the same command goes on from there",
                    t->state.epoch + 1, t->state.step, bki_sampler_steps(t->sampler));
  }
  return time - l->saved >= config->checkpoint_seconds ? save(l, err) : BKI_OK;
}

static bki_status take_step(loop *l, bki_error *err) {
  bki_training *t = l->t;
  bki_train_state *s = &t->state;
  bki_minibatch batch;
  bki_batch_loss loss;
  double norm;
  BKI_TRY(bki_sampler_get(t->sampler, (uint64_t)s->epoch, s->step, &batch, err));
  BKI_TRY(t->ops->gradients(t->learner, &batch, &loss, err));
  if (!isfinite(loss.loss_sum)) {
    return diverge(t, "loss", loss.loss_sum, err);
  }
  BKI_TRY(t->ops->update(t->learner, batch.step, &norm, err));
  if (!isfinite(norm)) {
    return diverge(t, "norm of the gradients", norm, err);
  }
  s->step++;
  s->loss_sum += loss.loss_sum;
  s->n_correct += loss.n_correct;
  s->n_seen += (int64_t)batch.n;
  l->n_trained += (int64_t)batch.n;
  return BKI_OK;
}

static bki_status validate(loop *l, bki_epoch *out, bki_error *err) {
  bki_training *t = l->t;
  double loss_sum = 0;
  int64_t n_correct = 0;
  int64_t n = 0;
  for (size_t step = 0; step < bki_sampler_steps(t->validation); step++) {
    bki_minibatch batch;
    bki_batch_loss loss;
    /* Any order will do, and this one has equal lengths together. */
    BKI_TRY(bki_sampler_get(t->validation, 0, step, &batch, err));
    BKI_TRY(t->ops->evaluate(t->learner, &batch, &loss, err));
    loss_sum += loss.loss_sum;
    n_correct += loss.n_correct;
    n += (int64_t)batch.n;
    BKI_TRY(between(l, err));
  }
  if (!isfinite(loss_sum)) {
    return diverge(t, "validation loss", loss_sum, err);
  }
  out->validation_loss = loss_sum / (double)n;
  out->validation_accuracy = (double)n_correct / (double)n;
  return BKI_OK;
}

static bki_status keep_best(bki_training *t, bki_error *err) {
  const bki_parameters *p = t->parameters;
  BKI_TRY(t->ops->read(t->learner, BKI_BLOCK_PARAMETERS, p->block, err));
  memcpy(t->best, p->block + t->first, (p->count - t->first) * sizeof *t->best);
  t->state.best_epoch = t->state.epoch;
  return BKI_OK;
}

static bki_status end_epoch(loop *l, bki_error *err) {
  bki_training *t = l->t;
  bki_train_state *s = &t->state;
  bki_epoch epoch = {.loss = s->loss_sum / (double)s->n_seen,
                     .accuracy = (double)s->n_correct / (double)s->n_seen,
                     .validation_loss = NAN,
                     .validation_accuracy = NAN};
  if (t->validation != NULL) {
    BKI_TRY(validate(l, &epoch, err));
    if (s->best_epoch < 0 || epoch.validation_loss < s->epochs[s->best_epoch].validation_loss) {
      BKI_TRY(keep_best(t, err));
    }
  }
  BKI_TRY(bki_array_reserve(&s->epochs, &s->capacity, (size_t)s->epoch + 1, sizeof *s->epochs, err));
  s->epochs[s->epoch++] = epoch;
  s->step = 0;
  s->loss_sum = 0;
  s->n_correct = 0;
  s->n_seen = 0;
  tell(l, true);
  return BKI_OK;
}

/* Whether the validation loss has not fallen for as long as it may. */
static bool is_patience_over(const bki_training *t) {
  const bki_train_state *s = &t->state;
  return t->validation != NULL && t->config->patience > 0 && s->best_epoch >= 0 &&
         s->epoch - 1 - s->best_epoch >= t->config->patience;
}

bki_status bki_train_loop(bki_training *t, bki_error *err) {
  loop l = {.t = t, .begun = now()};
  l.told = l.saved = l.begun;
  const size_t steps = bki_sampler_steps(t->sampler);
  while (t->state.epoch < t->config->epochs && !is_patience_over(t)) {
    while (t->state.step < steps) {
      BKI_TRY(take_step(&l, err));
      BKI_TRY(between(&l, err));
    }
    BKI_TRY(end_epoch(&l, err));
  }
  if (is_patience_over(t) && t->state.epoch < t->config->epochs) {
    bki_log(&t->config->logger, BKI_LOG_INFO, "the validation loss has not fallen for %" PRId32 " epochs: ending early",
            t->config->patience);
  }
  const bki_parameters *p = t->parameters;
  BKI_TRY(t->ops->read(t->learner, BKI_BLOCK_PARAMETERS, p->block, err));
  if (t->best != NULL) {
    memcpy(p->block + t->first, t->best, (p->count - t->first) * sizeof *t->best);
  }
  return BKI_OK;
}
