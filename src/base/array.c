#include "array.h"

#include <stdlib.h>
#include <string.h>

#include "fail.h"

void *bki_array_create(size_t count, size_t element_size) {
  return calloc(count == 0 ? 1 : count, element_size);
}

bki_status bki_array_reserve(void *array, size_t *capacity, size_t need, size_t element_size, bki_error *err) {
  if (need <= *capacity) {
    return BKI_OK;
  }
  size_t wanted = *capacity < 8 ? 8 : *capacity;
  while (wanted < need) {
    if (!bki_size_mul(wanted, 2, &wanted)) {
      return bki_fail_memory(err);
    }
  }
  size_t bytes;
  void *old;
  memcpy(&old, array, sizeof old); /* *array has a type of its own: no pointer cast may read it */
  void *grown = bki_size_mul(wanted, element_size, &bytes) ? realloc(old, bytes) : NULL;
  if (grown == NULL) {
    return bki_fail_memory(err);
  }
  memcpy(array, &grown, sizeof grown);
  *capacity = wanted;
  return BKI_OK;
}

void *bki_array_create_aligned(size_t count, size_t element_size) {
  size_t bytes;
  if (!bki_size_mul(count, element_size, &bytes) || !bki_size_add(bytes, 64, &bytes)) {
    return NULL;
  }
  return aligned_alloc(64, bytes & ~(size_t)63);
}
