/* The thread pool: each item exactly once, whatever the number of threads. */
#include <criterion/criterion.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"

enum { MAX_ITEMS = 1000 };

typedef struct tally {
  atomic_int done[MAX_ITEMS];
  atomic_int by_worker[64];
  int32_t threads;
} tally;

static void count_item(void *context, size_t i, int32_t worker) {
  tally *t = context;
  atomic_fetch_add(&t->done[i], 1);
  cr_assert(worker >= 0 && worker < t->threads);
  atomic_fetch_add(&t->by_worker[worker], 1);
}

Test(pool, runs_each_item_exactly_once) {
  const size_t sizes[] = {0, 1, 2, 3, 7, 64, MAX_ITEMS};
  tally *t = calloc(1, sizeof *t);
  for (int32_t threads = 1; threads <= 8; threads++) {
    bki_pool *pool = NULL;
    cr_assert_eq(bki_pool_create(&pool, threads, NULL), BKI_OK);
    cr_assert_eq(bki_pool_threads(pool), threads);
    for (int round = 0; round < 200; round++) {
      size_t n = sizes[round % 7];
      memset(t, 0, sizeof *t);
      t->threads = threads;
      bki_pool_for(pool, n, count_item, t);
      for (size_t i = 0; i < MAX_ITEMS; i++) {
        cr_assert_eq(atomic_load(&t->done[i]), i < n, "item %zu of %zu, %d threads", i, n, threads);
      }
    }
    bki_pool_destroy(pool);
  }
  free(t);
}

/* A worker owns its scratch: nobody else writes there at the same time. */
typedef struct scratch {
  long sums[8];
} scratch;

static void add_item(void *context, size_t i, int32_t worker) {
  ((scratch *)context)->sums[worker] += (long)i;
}

Test(pool, results_are_visible_when_it_returns) {
  bki_pool *pool = NULL;
  cr_assert_eq(bki_pool_create(&pool, 8, NULL), BKI_OK);
  scratch s = {{0}};
  for (int round = 0; round < 500; round++) {
    bki_pool_for(pool, 100, add_item, &s);
  }
  long sum = 0;
  for (int i = 0; i < 8; i++) {
    sum += s.sums[i];
  }
  cr_expect_eq(sum, 500L * 4950);
  bki_pool_destroy(pool);
}

static void check_signals(void *context, size_t i, int32_t worker) {
  (void)i;
  sigset_t blocked;
  pthread_sigmask(SIG_BLOCK, NULL, &blocked);
  if (worker > 0 && !sigismember(&blocked, SIGTERM)) {
    atomic_store((atomic_bool *)context, true);
  }
}

Test(pool, workers_leave_signals_to_the_caller) {
  bki_pool *pool = NULL;
  atomic_bool open = false;
  cr_assert_eq(bki_pool_create(&pool, 4, NULL), BKI_OK);
  bki_pool_for(pool, 10000, check_signals, &open);
  cr_expect_not(atomic_load(&open));
  sigset_t blocked;
  pthread_sigmask(SIG_BLOCK, NULL, &blocked);
  cr_expect_not(sigismember(&blocked, SIGTERM), "the caller's own mask is as it was");
  bki_pool_destroy(pool);
}

Test(pool, takes_the_usable_cores_by_default_and_refuses_nonsense) {
  bki_pool *pool = NULL;
  cr_assert_eq(bki_pool_create(&pool, 0, NULL), BKI_OK);
  cr_expect_geq(bki_pool_threads(pool), 1);
  bki_pool_destroy(pool);
  bki_pool_destroy(NULL);
  bki_error err = {0};
  pool = NULL;
  cr_expect_eq(bki_pool_create(&pool, -1, &err), BKI_E_USAGE);
  cr_expect_eq(bki_pool_create(&pool, 4097, &err), BKI_E_USAGE);
  cr_expect_null(pool);
}
