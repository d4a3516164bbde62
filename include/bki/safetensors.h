/* Tensors of a safetensors file, read from a memory map. The header is hostile input: every size, offset, dtype and
 * overlap is checked before anything is believed. Format: 8 bytes little-endian header size, a JSON object
 * {name: {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {string: string}}, then the data. */
#ifndef BKI_SAFETENSORS_H
#define BKI_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include <bki/error.h>
#include <bki/text.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bki_dtype {
  BKI_DTYPE_OTHER = 0, /* a valid safetensors type that this library does not convert */
  BKI_DTYPE_F32,
  BKI_DTYPE_F16,
  BKI_DTYPE_BF16,
  BKI_DTYPE_F64,
  BKI_DTYPE_U8, /* bytes: not converted to float32 */
} bki_dtype;

enum { BKI_TENSOR_MAX_RANK = 8 };

typedef struct bki_tensor {
  const char *name; /* NUL-terminated, owned by the file */
  bki_dtype dtype;
  int32_t rank; /* 0 to BKI_TENSOR_MAX_RANK */
  int64_t shape[BKI_TENSOR_MAX_RANK];
  int64_t n_elements;
  const void *data; /* little-endian, not necessarily aligned; owned by the file */
  size_t size_bytes;
} bki_tensor;

/* Immutable once opened. */
typedef struct bki_safetensors bki_safetensors;

/* Maps the file and checks its header. Errors: BKI_E_IO; BKI_E_DATA: not safetensors, header larger than 1 MiB or than
 * the file, not JSON, duplicate names, unknown dtype, a negative or overflowing shape, offsets outside the file, out of
 * order or overlapping, a gap, a size that is not shape x dtype, bytes after the last tensor. */
BKI_API bki_status bki_safetensors_open(bki_safetensors **out, const char *path, bki_error *err);
/* NULL is allowed. */
BKI_API void bki_safetensors_close(bki_safetensors *file);

BKI_API size_t bki_safetensors_count(const bki_safetensors *file);
/* In the order of their data. 0 <= i < count. */
BKI_API const bki_tensor *bki_safetensors_get(const bki_safetensors *file, size_t i);
/* NULL when there is none of that name. */
BKI_API const bki_tensor *bki_safetensors_find(const bki_safetensors *file, const char *name);

/* Converts to float32: out[n_elements]. Errors: BKI_E_DATA for a value that is not finite (named by its index), also
 * when an F64 does not fit, and for BKI_DTYPE_OTHER and BKI_DTYPE_U8. */
BKI_API bki_status bki_safetensors_read_f32(const bki_safetensors *file, const bki_tensor *tensor, float *out,
                                            bki_error *err);

/* Writes n tensors, in this order, without `__metadata__`, so that bki_safetensors_open reads them: to a temporary file
 * that replaces what stands at `path` once it is complete and on disk. Of a tensor `name` (distinct), `dtype` (not
 * OTHER), `rank`, `shape` and `data` (little-endian) are read; the same tensors give the same bytes.
 * Errors: BKI_E_IO; BKI_E_DATA: a header of more than 1 MiB; BKI_E_INTERNAL. */
BKI_API bki_status bki_safetensors_save(const char *path, const bki_tensor *tensors, size_t n, bki_error *err);

#ifdef __cplusplus
}
#endif

#endif
