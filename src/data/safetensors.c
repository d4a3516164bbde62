#include <bki/safetensors.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "array.h"
#include "fail.h"
#include "safetensors_header.h"

struct bki_safetensors {
  char *path;
  void *map; /* [size]; NULL for an empty file */
  size_t size;
  bki_arena *names;
  bki_tensor *tensors;
  size_t count;
};

static bki_status map_descriptor(bki_safetensors *file, int fd, bki_error *err) {
  struct stat info;
  if (fstat(fd, &info) != 0) {
    return bki_fail_errno(err, file->path, "open");
  }
  if (!S_ISREG(info.st_mode)) {
    return bki_fail_at(err, BKI_E_IO, file->path, 0, -1, "expected a regular file, found something else");
  }
  file->size = (size_t)info.st_size;
  if (file->size > 0) { /* mmap takes no empty range; the parser refuses it */
    void *map = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) {
      return bki_fail_errno(err, file->path, "map");
    }
    file->map = map;
  }
  return BKI_OK;
}

static bki_status map_file(bki_safetensors *file, bki_error *err) {
  int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a named pipe is refused, not waited for */
  if (fd < 0) {
    return bki_fail_errno(err, file->path, "open");
  }
  bki_status status = map_descriptor(file, fd, err);
  close(fd);
  return status;
}

bki_status bki_safetensors_open(bki_safetensors **out, const char *path, bki_error *err) {
  bki_safetensors *file = bki_array_create(1, sizeof *file);
  if (file == NULL) {
    return bki_fail_memory(err);
  }
  file->path = strdup(path);
  file->names = bki_arena_create();
  bki_status status = file->path == NULL || file->names == NULL ? bki_fail_memory(err) : map_file(file, err);
  if (status == BKI_OK) {
    const bki_safetensors_bytes bytes = {file->path, file->map, file->size};
    status = bki_safetensors_parse(&bytes, file->names, &file->tensors, &file->count, err);
  }
  if (status != BKI_OK) {
    bki_safetensors_close(file);
    return status;
  }
  *out = file;
  return BKI_OK;
}

void bki_safetensors_close(bki_safetensors *file) {
  if (file == NULL) {
    return;
  }
  if (file->map != NULL) {
    munmap(file->map, file->size);
  }
  free(file->tensors);
  bki_arena_destroy(file->names);
  free(file->path);
  free(file);
}

size_t bki_safetensors_count(const bki_safetensors *file) {
  return file->count;
}

const bki_tensor *bki_safetensors_get(const bki_safetensors *file, size_t i) {
  assert(i < file->count);
  return &file->tensors[i];
}

const bki_tensor *bki_safetensors_find(const bki_safetensors *file, const char *name) {
  for (size_t i = 0; i < file->count; i++) {
    if (strcmp(file->tensors[i].name, name) == 0) {
      return &file->tensors[i];
    }
  }
  return NULL;
}

static float float_of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static float float_of_f16(uint16_t half) {
  const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
  const uint32_t exponent = half >> 10 & 31;
  const uint32_t mantissa = half & 0x3ff;
  if (exponent == 0) { /* subnormal: mantissa x 2^-24 */
    return copysignf((float)mantissa * 0x1p-24F, float_of_bits(sign));
  }
  return float_of_bits(sign | (exponent == 31 ? 255 : exponent + (127 - 15)) << 23 | mantissa << 13);
}

static double element(const bki_tensor *tensor, size_t i) {
  const uint8_t *data = tensor->data;
  uint16_t half;
  float single;
  double value;
  switch (tensor->dtype) {
    case BKI_DTYPE_F32: memcpy(&single, data + i * 4, 4); return single;
    case BKI_DTYPE_F16: memcpy(&half, data + i * 2, 2); return float_of_f16(half);
    case BKI_DTYPE_BF16: memcpy(&half, data + i * 2, 2); return float_of_bits((uint32_t)half << 16);
    default: memcpy(&value, data + i * 8, 8); return value;
  }
}

bki_status bki_safetensors_read_f32(const bki_safetensors *file, const bki_tensor *tensor, float *out, bki_error *err) {
  char name[BKI_QUOTE_SIZE];
  bki_quote(name, (bki_str){tensor->name, strlen(tensor->name)});
  if (tensor->dtype == BKI_DTYPE_OTHER || tensor->dtype == BKI_DTYPE_U8) {
    return bki_fail_at(err, BKI_E_DATA, file->path, 0, -1,
                       "tensor %s: expected the dtype F32, F16, BF16 or F64, found another", name);
  }
  for (size_t i = 0; i < (size_t)tensor->n_elements; i++) {
    const double value = element(tensor, i);
    out[i] = (float)value;
    if (!isfinite(out[i])) {
      return bki_fail_at(err, BKI_E_DATA, file->path, 0, -1,
                         "tensor %s, element %zu: expected a finite number that float32 holds, found %g", name, i,
                         value);
    }
  }
  return BKI_OK;
}
