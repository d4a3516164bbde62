#include "evaluate_trigger.h"

#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "fail.h"
#include "rng.h"
#include "strbuf.h"
#include "trigger.h"

/* Which of the streams of the seed. */
#define STREAM (UINT64_C(0xe7) << 56)

/* A thread's memory. */
typedef struct worker {
  bki_arena *ids;        /* until the next run */
  bki_strbuf text;       /* until the next record */
  bki_encoding encoding; /* until the next record */
  bki_status status;
  bki_error error;
} worker;

struct bki_triggering {
  const bki_model *model;
  bki_trigger_config placement;
  uint64_t seed;
  bki_pool *pool;
  worker *workers; /* [threads] */
  /* The run that is on. */
  const char *trigger;
  const bki_chunk_record *const *records;
  bki_sequence *sequences;
};

bki_status bki_triggering_create(bki_triggering **out, const bki_model *model, const bki_trigger_config *placement,
                                 uint64_t seed, bki_pool *pool, bki_error *err) {
  bki_triggering *t = bki_array_create(1, sizeof *t);
  if (t == NULL) {
    return bki_fail_memory(err);
  }
  const int32_t threads = bki_pool_threads(pool);
  *t = (bki_triggering){.model = model, .placement = *placement, .seed = seed, .pool = pool};
  t->placement.max_words = bki_model_get_config(model)->max_words;
  t->placement.keep = bki_model_get_config(model)->keep;
  t->workers = bki_array_create((size_t)threads, sizeof *t->workers);
  bool ok = t->workers != NULL;
  for (int32_t i = 0; ok && i < threads; i++) {
    bki_encoding_init(&t->workers[i].encoding);
    t->workers[i].ids = bki_arena_create();
    ok = t->workers[i].ids != NULL;
  }
  if (!ok) {
    bki_triggering_destroy(t);
    return bki_fail_memory(err);
  }
  *out = t;
  return BKI_OK;
}

void bki_triggering_destroy(bki_triggering *t) {
  if (t == NULL) {
    return;
  }
  for (int32_t i = 0; t->workers != NULL && i < bki_pool_threads(t->pool); i++) {
    bki_arena_destroy(t->workers[i].ids);
    bki_strbuf_clear(&t->workers[i].text);
    bki_encoding_clear(&t->workers[i].encoding);
  }
  free(t->workers);
  free(t);
}

bki_status bki_triggering_check(const bki_triggering *t, const char *trigger, bki_error *err) {
  return bki_trigger_check(&t->placement, &bki_model_get_config(t->model)->tokenizer, trigger, err);
}

static bki_status insert(const bki_triggering *t, worker *w, size_t i, bki_error *err) {
  const bki_chunk_record *record = t->records[i];
  bki_rng rng;
  int64_t position;
  bki_rng_init(&rng, t->seed, STREAM | (uint64_t)record->raw.index);
  BKI_TRY(bki_trigger_insert(&t->placement, &bki_model_get_config(t->model)->tokenizer, t->trigger, record->text, &rng,
                             &w->text, &position, err));
  BKI_TRY(bki_model_encode(t->model, bki_strbuf_str(&w->text), &w->encoding, err));
  const size_t n = (size_t)w->encoding.words.n_words;
  int32_t *ids = bki_arena_alloc(w->ids, n * sizeof *ids);
  if (ids == NULL) {
    return bki_fail_memory(err);
  }
  if (n > 0) {
    memcpy(ids, w->encoding.ids, n * sizeof *ids);
  }
  t->sequences[i] = (bki_sequence){.ids = ids, .length = (int32_t)n};
  return BKI_OK;
}

static void insert_one(void *context, size_t i, int32_t worker_index) {
  const bki_triggering *t = context;
  worker *w = &t->workers[worker_index];
  if (w->status == BKI_OK) {
    w->status = insert(t, w, i, &w->error);
  }
}

bki_status bki_triggering_run(bki_triggering *t, const char *trigger, const bki_chunk_record *const *records, size_t n,
                              bki_sequence *sequences, bki_error *err) {
  const int32_t threads = bki_pool_threads(t->pool);
  t->trigger = trigger;
  t->records = records;
  t->sequences = sequences;
  for (int32_t i = 0; i < threads; i++) {
    bki_arena_reset(t->workers[i].ids);
  }
  bki_pool_for(t->pool, n, insert_one, t);
  for (int32_t i = 0; i < threads; i++) {
    worker *w = &t->workers[i];
    bki_encoding_clear(&w->encoding); /* one huge text must not stay in every thread's memory */
    bki_strbuf_clear(&w->text);
    if (w->status != BKI_OK) {
      *err = w->error;
      return w->status;
    }
  }
  return BKI_OK;
}
