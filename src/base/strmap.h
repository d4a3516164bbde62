/* A hash map from byte strings to values of a fixed size. The hash is seeded at random for each process: whoever wrote
 * part of the corpus cannot aim at collisions. Iteration goes in order of insertion, never in hash order. */
#ifndef BKI_BASE_STRMAP_H
#define BKI_BASE_STRMAP_H

#include <stdbool.h>
#include <stddef.h>

#include <bki/error.h>
#include <bki/text.h>

typedef struct bki_strmap bki_strmap;

bki_status bki_strmap_create(bki_strmap **out, size_t value_size, bki_error *err);
void bki_strmap_destroy(bki_strmap *map); /* NULL is allowed */
size_t bki_strmap_count(const bki_strmap *map);

/* The value of a key, stable until the map is destroyed, or NULL. */
void *bki_strmap_get(const bki_strmap *map, bki_str key);

/* The value of a key into *(T **)value; a new one is zeroed and *added (may be NULL) is true. The key is copied. */
bki_status bki_strmap_put(bki_strmap *map, bki_str key, void *value, bool *added, bki_error *err);

/* Walks: *cursor NULL at first; false at the end. `key` is NUL-terminated. No puts meanwhile. */
bool bki_strmap_next(const bki_strmap *map, void **cursor, bki_str *key, void *value);

#endif
