/* Sizes that cannot overflow, arrays that grow. */
#ifndef BKI_BASE_ARRAY_H
#define BKI_BASE_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

#include <bki/error.h>

/* a * b into *out; false on overflow. */
static inline bool bki_size_mul(size_t a, size_t b, size_t *out) {
  return !__builtin_mul_overflow(a, b, out);
}
static inline bool bki_size_add(size_t a, size_t b, size_t *out) {
  return !__builtin_add_overflow(a, b, out);
}

/* Zeroed memory for count elements, NULL when out of memory or on overflow; never NULL for count 0. free() it. */
void *bki_array_create(size_t count, size_t element_size);

/* Makes room for at least `need` elements in the malloc'ed *(T **)array, at least doubling. On failure nothing changes.
 */
bki_status bki_array_reserve(void *array, size_t *capacity, size_t need, size_t element_size, bki_error *err);

/* 64-byte aligned memory for count elements, not zeroed; NULL when out of memory or on overflow. free() it. */
void *bki_array_create_aligned(size_t count, size_t element_size);

#endif
