/* Borrowed strings, and the arena that owns them. */
#ifndef BKI_TEXT_H
#define BKI_TEXT_H

#include <stddef.h>

#include <bki/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A borrowed run of bytes, UTF-8 unless said otherwise, not NUL-terminated. `data` may be NULL when size is 0. */
typedef struct bki_str {
  const char *data;
  size_t size;
} bki_str;

/* Memory that is given back all at once. Not thread-safe: one arena a thread. */
typedef struct bki_arena bki_arena;

/* NULL when out of memory. */
BKI_API bki_arena *bki_arena_create(void);
/* Gives all blocks back; every pointer into the arena dies. NULL is allowed. */
BKI_API void bki_arena_destroy(bki_arena *arena);
/* Forgets what was allocated and keeps the largest block for the next round. */
BKI_API void bki_arena_reset(bki_arena *arena);
/* `size` bytes aligned for any type; NULL when out of memory. */
BKI_API void *bki_arena_alloc(bki_arena *arena, size_t size);
/* A NUL-terminated copy of `size` bytes; NULL when out of memory. */
BKI_API char *bki_arena_copy(bki_arena *arena, const char *data, size_t size);
/* Bytes handed out since creation or the last reset. */
BKI_API size_t bki_arena_used(const bki_arena *arena);

#ifdef __cplusplus
}
#endif

#endif
