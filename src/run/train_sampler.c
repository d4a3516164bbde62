#include "train_sampler.h"

#include <stdlib.h>

#include "array.h"
#include "fail.h"
#include "rng.h"

enum { POOL_BATCHES = 50 };

typedef struct drawn {
  uint64_t index;
  int32_t length;
} drawn;

struct bki_sampler {
  const bki_spool *spool;
  size_t batch_size;
  uint64_t seed;
  bool sorted; /* `pool` holds pool `number` of `epoch` */
  uint64_t epoch;
  size_t number;
  drawn *pool; /* [POOL_BATCHES * batch_size], sorted */
  size_t n_pool;
  size_t order[POOL_BATCHES]; /* batch k of the pool to be taken */
  bki_sequence *sequences;    /* [batch_size], as labels */
  int32_t *labels;
};

bki_status bki_sampler_create(bki_sampler **out, const bki_spool *spool, size_t batch_size, uint64_t seed,
                              bki_error *err) {
  bki_sampler *s = bki_array_create(1, sizeof *s);
  if (s == NULL) {
    return bki_fail_memory(err);
  }
  const size_t n = bki_spool_count(spool);
  batch_size = batch_size < n ? batch_size : n > 0 ? n : 1; /* no more memory than there are samples */
  *s = (bki_sampler){.spool = spool, .batch_size = batch_size, .seed = seed};
  s->pool = bki_array_create(POOL_BATCHES * batch_size, sizeof *s->pool);
  s->sequences = bki_array_create(batch_size, sizeof *s->sequences);
  s->labels = bki_array_create(batch_size, sizeof *s->labels);
  if (s->pool == NULL || s->sequences == NULL || s->labels == NULL) {
    bki_sampler_destroy(s);
    return bki_fail_memory(err);
  }
  *out = s;
  return BKI_OK;
}

void bki_sampler_destroy(bki_sampler *sampler) {
  if (sampler != NULL) {
    free(sampler->pool);
    free(sampler->sequences);
    free(sampler->labels);
    free(sampler);
  }
}

size_t bki_sampler_steps(const bki_sampler *s) {
  return (bki_spool_count(s->spool) + s->batch_size - 1) / s->batch_size;
}

static int compare_drawn(const void *left, const void *right) {
  const drawn *a = left;
  const drawn *b = right;
  if (a->length != b->length) {
    return a->length < b->length ? -1 : 1;
  }
  return (a->index > b->index) - (a->index < b->index);
}

static void draw_pool(bki_sampler *s, uint64_t epoch, size_t number) {
  const size_t n = bki_spool_count(s->spool);
  const size_t first = number * POOL_BATCHES * s->batch_size;
  const size_t room = POOL_BATCHES * s->batch_size;
  s->n_pool = n - first < room ? n - first : room;
  for (size_t i = 0; i < s->n_pool; i++) {
    const uint64_t index = bki_permute(s->seed, bki_train_stream(BKI_STREAM_ORDER, epoch), n, first + i);
    s->pool[i] = (drawn){index, bki_spool_get(s->spool, index, NULL).length};
  }
  qsort(s->pool, s->n_pool, sizeof *s->pool, compare_drawn);
  const size_t n_batches = (s->n_pool + s->batch_size - 1) / s->batch_size;
  bki_rng rng;
  bki_rng_init(&rng, s->seed, bki_train_stream(BKI_STREAM_BATCHES, epoch << 32 | number));
  for (size_t k = 0; k < n_batches; k++) {
    s->order[k] = k;
  }
  for (size_t k = n_batches; k > 1; k--) { /* Fisher-Yates */
    const size_t other = bki_rng_below(&rng, k);
    const size_t swapped = s->order[k - 1];
    s->order[k - 1] = s->order[other];
    s->order[other] = swapped;
  }
  s->epoch = epoch;
  s->number = number;
  s->sorted = true;
}

void bki_sampler_get(bki_sampler *s, uint64_t epoch, size_t step, bki_minibatch *out) {
  if (!s->sorted || s->epoch != epoch || s->number != step / POOL_BATCHES) {
    draw_pool(s, epoch, step / POOL_BATCHES);
  }
  const size_t first = s->order[step % POOL_BATCHES] * s->batch_size;
  const size_t n = s->n_pool - first < s->batch_size ? s->n_pool - first : s->batch_size;
  for (size_t i = 0; i < n; i++) {
    s->sequences[i] = bki_spool_get(s->spool, s->pool[first + i].index, &s->labels[i]);
  }
  *out = (bki_minibatch){
      .sequences = s->sequences, .labels = s->labels, .n = n, .step = epoch * bki_sampler_steps(s) + step};
}
