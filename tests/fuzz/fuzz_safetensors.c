#include <math.h>

#include <bki/safetensors.h>

#include "fuzz.h"

enum { RAW = 0xffff, LENGTH_BYTES = 8 };

static void check_tensor(const bki_safetensors *file, const bki_tensor *tensor) {
  require(bki_safetensors_find(file, tensor->name) == tensor, "a tensor is not found by its name");
  int64_t n = 1;
  for (int32_t i = 0; i < tensor->rank; i++) {
    require(tensor->shape[i] >= 0, "a negative dimension");
    n *= tensor->shape[i];
  }
  require(n == tensor->n_elements, "the shape has another number of elements");
  if (tensor->dtype == BKI_DTYPE_OTHER) {
    return;
  }
  float *out = malloc((size_t)n * sizeof *out + 1);
  require(out != NULL, "malloc");
  bki_error err;
  if (bki_safetensors_read_f32(file, tensor, out, &err) == BKI_OK) {
    for (int64_t i = 0; i < n; i++) {
      require(isfinite(out[i]), "a number is not finite");
    }
  }
  free(out);
}

static void check_file(const char *path, size_t data_size) {
  bki_safetensors *file;
  bki_error err;
  bki_status status = bki_safetensors_open(&file, path, &err);
  if (status != BKI_OK) {
    require(status == BKI_E_DATA && err.message[0] != '\0', "a failure says nothing");
    return;
  }
  size_t covered = 0;
  for (size_t i = 0; i < bki_safetensors_count(file); i++) {
    const bki_tensor *tensor = bki_safetensors_get(file, i);
    covered += tensor->size_bytes;
    check_tensor(file, tensor);
  }
  require(data_size == SIZE_MAX || covered == data_size, "the tensors do not cover the data");
  bki_safetensors_close(file);
}

/* The first two bytes are the size of the header, so that it may change its length; 0xffff: the rest is a whole file.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) {
    return 0;
  }
  size_t length = (size_t)data[0] | (size_t)data[1] << 8;
  data += 2;
  size -= 2;
  if (length == RAW) {
    check_file(path_of_bytes(data, size), SIZE_MAX);
    return 0;
  }
  length = length < size ? length : size;
  uint8_t *bytes = calloc(LENGTH_BYTES + size, 1);
  require(bytes != NULL, "calloc");
  bytes[0] = (uint8_t)length;
  bytes[1] = (uint8_t)(length >> 8);
  memcpy(bytes + LENGTH_BYTES, data, size);
  check_file(path_of_bytes(bytes, LENGTH_BYTES + size), size - length);
  free(bytes);
  return 0;
}
