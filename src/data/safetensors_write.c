/* Writing a safetensors file. */
#include <bki/safetensors.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <bki/stream.h>

#include "array.h"
#include "fail.h"

enum { MAX_HEADER_BYTES = 1 << 20, ALIGNMENT = 8 };

static const char *dtype_name(bki_dtype dtype, size_t *bytes) {
  switch (dtype) {
    case BKI_DTYPE_F32: *bytes = 4; return "F32";
    case BKI_DTYPE_F16: *bytes = 2; return "F16";
    case BKI_DTYPE_BF16: *bytes = 2; return "BF16";
    case BKI_DTYPE_F64: *bytes = 8; return "F64";
    case BKI_DTYPE_U8: *bytes = 1; return "U8";
    case BKI_DTYPE_OTHER: break;
  }
  assert(!"a dtype that can be written");
  *bytes = 0;
  return "";
}

/* shape x dtype. */
static size_t tensor_bytes(const bki_tensor *tensor) {
  size_t bytes;
  dtype_name(tensor->dtype, &bytes);
  for (int32_t k = 0; k < tensor->rank; k++) {
    bool fits = bki_size_mul(bytes, (size_t)tensor->shape[k], &bytes);
    assert(fits); /* the data is in memory */
    (void)fits;
  }
  return bytes;
}

/* {"dtype", "shape", "data_offsets"} of a tensor whose data begins at `begin`; NULL: out of memory. */
static json_t *describe(const bki_tensor *tensor, size_t begin) {
  size_t unused;
  json_t *shape = json_array();
  for (int32_t k = 0; k < tensor->rank; k++) {
    json_array_append_new(shape, json_integer(tensor->shape[k]));
  }
  return json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype_name(tensor->dtype, &unused), "shape", shape, "data_offsets",
                   (json_int_t)begin, (json_int_t)(begin + tensor_bytes(tensor)));
}

/* The header as text, filled up with spaces so that the data is aligned; free() it. NULL: out of memory. */
static char *format_header(const bki_tensor *tensors, size_t n, size_t *size) {
  json_t *root = json_object();
  size_t offset = 0;
  for (size_t i = 0; i < n; i++) {
    if (json_object_set_new(root, tensors[i].name, describe(&tensors[i], offset)) != 0) {
      json_decref(root);
      return NULL;
    }
    offset += tensor_bytes(&tensors[i]);
  }
  char *text = json_dumps(root, JSON_COMPACT);
  json_decref(root);
  if (text == NULL) {
    return NULL;
  }
  const size_t length = strlen(text);
  *size = (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  char *padded = realloc(text, *size + 1);
  if (padded == NULL) {
    free(text);
    return NULL;
  }
  memset(padded + length, ' ', *size - length);
  return padded;
}

static bki_status write_file(bki_sink *sink, const bki_tensor *tensors, size_t n, const char *header, size_t size,
                             bki_error *err) {
  uint8_t prefix[8];
  for (size_t i = 0; i < sizeof prefix; i++) {
    prefix[i] = (uint8_t)((uint64_t)size >> (8 * i));
  }
  BKI_TRY(bki_sink_write(sink, prefix, sizeof prefix, err));
  BKI_TRY(bki_sink_write(sink, header, size, err));
  for (size_t i = 0; i < n; i++) {
    BKI_TRY(bki_sink_write(sink, tensors[i].data, tensor_bytes(&tensors[i]), err));
  }
  return BKI_OK;
}

bki_status bki_safetensors_save(const char *path, const bki_tensor *tensors, size_t n, bki_error *err) {
  size_t size = 0;
  bki_sink *sink = NULL;
  char *header = format_header(tensors, n, &size);
  bki_status status = header == NULL ? bki_fail_memory(err) : BKI_OK;
  if (status == BKI_OK && size > MAX_HEADER_BYTES) {
    status = bki_fail_at(err, BKI_E_DATA, path, 0, -1, "expected a header of at most %d bytes, found %zu",
                         MAX_HEADER_BYTES, size);
  }
  if (status == BKI_OK) {
    status = bki_sink_open(&sink, path, true, err);
  }
  if (status == BKI_OK) {
    status = write_file(sink, tensors, n, header, size, err);
    if (status == BKI_OK) {
      status = bki_sink_commit(sink, err);
    } else {
      bki_sink_discard(sink);
    }
  }
  free(header);
  return status;
}
