#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "array.h"
#include "fail.h"

typedef struct worker {
  bki_pool *pool;
  int32_t index;
  pthread_t thread;
} worker;

struct bki_pool {
  int32_t threads;
  int32_t started;
  worker *workers; /* [threads]; 0 is the caller */
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  pthread_cond_t done;
  uint64_t round; /* number of loops begun */
  int32_t busy;   /* workers still in this round */
  bool quit;
  bki_pool_fn fn;
  void *context;
  size_t n;
  atomic_size_t next;
};

int32_t bki_pool_cores(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) {
    return 1;
  }
  int count = CPU_COUNT(&set);
  return count < 1 ? 1 : (int32_t)count;
}

static void run_items(bki_pool *pool, int32_t index) {
  for (;;) {
    size_t i = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
    if (i >= pool->n) {
      return;
    }
    pool->fn(pool->context, i, index);
  }
}

static void *worker_main(void *argument) {
  worker *self = argument;
  bki_pool *pool = self->pool;
  uint64_t seen = 0;
  pthread_mutex_lock(&pool->mutex);
  for (;;) {
    while (pool->round == seen && !pool->quit) {
      pthread_cond_wait(&pool->wake, &pool->mutex);
    }
    if (pool->quit) {
      break;
    }
    seen = pool->round;
    pthread_mutex_unlock(&pool->mutex);
    run_items(pool, self->index);
    pthread_mutex_lock(&pool->mutex);
    if (--pool->busy == 0) {
      pthread_cond_signal(&pool->done);
    }
  }
  pthread_mutex_unlock(&pool->mutex);
  return NULL;
}

/* Signals are for the thread that called the library: the workers start with all of them blocked. */
static bki_status start_workers(bki_pool *pool, bki_error *err) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bki_status status = BKI_OK;
  for (int32_t i = 1; i < pool->threads && status == BKI_OK; i++) {
    pool->workers[i] = (worker){.pool = pool, .index = i};
    if (pthread_create(&pool->workers[i].thread, NULL, worker_main, &pool->workers[i]) != 0) {
      status = bki_fail(err, BKI_E_INTERNAL, "cannot start thread %d of %d", i + 1, pool->threads);
    } else {
      pool->started++;
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return status;
}

bki_status bki_pool_create(bki_pool **out, int32_t threads, bki_error *err) {
  if (threads < 0 || threads > 4096) {
    return bki_fail(err, BKI_E_USAGE, "expected 0 to 4096 threads, found %d", threads);
  }
  bki_pool *pool = bki_array_create(1, sizeof *pool);
  if (pool == NULL) {
    return bki_fail_memory(err);
  }
  pool->threads = threads == 0 ? bki_pool_cores() : threads;
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pthread_cond_init(&pool->done, NULL);
  pool->workers = bki_array_create((size_t)pool->threads, sizeof *pool->workers);
  bki_status status = pool->workers == NULL ? bki_fail_memory(err) : start_workers(pool, err);
  if (status != BKI_OK) {
    bki_pool_destroy(pool);
    return status;
  }
  *out = pool;
  return BKI_OK;
}

void bki_pool_destroy(bki_pool *pool) {
  if (pool == NULL) {
    return;
  }
  pthread_mutex_lock(&pool->mutex);
  pool->quit = true;
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->mutex);
  for (int32_t i = 1; i <= pool->started; i++) {
    pthread_join(pool->workers[i].thread, NULL);
  }
  pthread_cond_destroy(&pool->wake);
  pthread_cond_destroy(&pool->done);
  pthread_mutex_destroy(&pool->mutex);
  free(pool->workers);
  free(pool);
}

int32_t bki_pool_threads(const bki_pool *pool) {
  return pool->threads;
}

void bki_pool_for(bki_pool *pool, size_t n, bki_pool_fn fn, void *context) {
  pthread_mutex_lock(&pool->mutex);
  pool->fn = fn;
  pool->context = context;
  pool->n = n;
  atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
  bool alone = n < 2 || pool->started == 0;
  if (!alone) {
    pool->busy = pool->started;
    pool->round++;
    pthread_cond_broadcast(&pool->wake);
  }
  pthread_mutex_unlock(&pool->mutex);
  run_items(pool, 0);
  if (!alone) {
    pthread_mutex_lock(&pool->mutex);
    while (pool->busy > 0) {
      pthread_cond_wait(&pool->done, &pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
  }
}
