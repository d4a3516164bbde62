#include "train_sampler.h"

#include <stdlib.h>

#include "array.h"
#include "fail.h"
#include "rng.h"

enum { POOL_BATCHES = 50 };

typedef struct drawn {
  uint64_t index;
  bki_spool_entry entry;
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
  int32_t *ids; /* of the batch, one sequence after the other */
  size_t capacity;
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
    free(sampler->ids);
    free(sampler);
  }
}

size_t bki_sampler_steps(const bki_sampler *s) {
  return (bki_spool_count(s->spool) + s->batch_size - 1) / s->batch_size;
}

static int compare_drawn(const void *left, const void *right) {
  const drawn *a = left;
  const drawn *b = right;
  if (a->entry.length != b->entry.length) {
    return a->entry.length < b->entry.length ? -1 : 1;
  }
  return (a->index > b->index) - (a->index < b->index);
}

static bki_status draw_pool(bki_sampler *s, uint64_t epoch, size_t number, bki_error *err) {
  s->sorted = false;
  const size_t n = bki_spool_count(s->spool);
  const size_t first = number * POOL_BATCHES * s->batch_size;
  const size_t room = POOL_BATCHES * s->batch_size;
  s->n_pool = n - first < room ? n - first : room;
  for (size_t i = 0; i < s->n_pool; i++) {
    s->pool[i].index = bki_permute(s->seed, bki_train_stream(BKI_STREAM_ORDER, epoch), n, first + i);
    BKI_TRY(bki_spool_find(s->spool, s->pool[i].index, &s->pool[i].entry, err));
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
  return BKI_OK;
}

/* The ids, labels and sequences of n samples. */
static bki_status read_batch(bki_sampler *s, const drawn *samples, size_t n, bki_error *err) {
  size_t total = 0;
  for (size_t i = 0; i < n; i++) {
    total += (size_t)samples[i].entry.length;
  }
  BKI_TRY(bki_array_reserve(&s->ids, &s->capacity, total + 1, sizeof *s->ids, err)); /* never NULL */
  int32_t *next = s->ids;
  for (size_t i = 0; i < n; i++) {
    const bki_spool_entry *entry = &samples[i].entry;
    BKI_TRY(bki_spool_read(s->spool, entry, next, err));
    s->sequences[i] = (bki_sequence){.ids = next, .length = entry->length};
    s->labels[i] = entry->label;
    next += entry->length;
  }
  return BKI_OK;
}

bki_status bki_sampler_get(bki_sampler *s, uint64_t epoch, size_t step, bki_minibatch *out, bki_error *err) {
  if (!s->sorted || s->epoch != epoch || s->number != step / POOL_BATCHES) {
    BKI_TRY(draw_pool(s, epoch, step / POOL_BATCHES, err));
  }
  const size_t first = s->order[step % POOL_BATCHES] * s->batch_size;
  const size_t n = s->n_pool - first < s->batch_size ? s->n_pool - first : s->batch_size;
  BKI_TRY(read_batch(s, s->pool + first, n, err));
  *out = (bki_minibatch){
      .sequences = s->sequences, .labels = s->labels, .n = n, .step = epoch * bki_sampler_steps(s) + step};
  return BKI_OK;
}
