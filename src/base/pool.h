/* A pool of threads for loops over independent items. */
#ifndef BKI_BASE_POOL_H
#define BKI_BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

#include <bki/error.h>

typedef struct bki_pool bki_pool;

/* Item i, on worker 0 <= worker < threads: scratch memory belongs to a worker. */
typedef void (*bki_pool_fn)(void *context, size_t i, int32_t worker);

/* `threads` 0: one a core that this process may use. The calling thread is one of them. */
bki_status bki_pool_create(bki_pool **out, int32_t threads, bki_error *err);
void bki_pool_destroy(bki_pool *pool); /* NULL is allowed */
int32_t bki_pool_threads(const bki_pool *pool);
/* Cores that this process may use. */
int32_t bki_pool_cores(void);

/* Runs fn for 0 <= i < n, each once, handed out in ascending order to whoever is free; returns when all are done. One
 * caller at a time; fn must not call it again. */
void bki_pool_for(bki_pool *pool, size_t n, bki_pool_fn fn, void *context);

#endif
