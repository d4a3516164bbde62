/* The header of a safetensors file. */
#ifndef BKI_DATA_SAFETENSORS_HEADER_H
#define BKI_DATA_SAFETENSORS_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include <bki/safetensors.h>

/* A whole file in memory; `path` names it in errors. */
typedef struct bki_safetensors_bytes {
  const char *path;
  const uint8_t *data;
  size_t size;
} bki_safetensors_bytes;

/* Checks the header and fills *tensors (free() it) in the order of their data; names go to the arena, data points into
 * the file. On failure nothing is left to free. */
bki_status bki_safetensors_parse(const bki_safetensors_bytes *file, bki_arena *names, bki_tensor **tensors,
                                 size_t *count, bki_error *err);

#endif
