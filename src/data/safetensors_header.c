#include "safetensors_header.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "array.h"
#include "fail.h"

/* The format allows a header of 100 MB, which takes gigabytes to parse; a model of ours needs 100 bytes a tensor. */
enum { LENGTH_BYTES = 8, MAX_HEADER_BYTES = 1 << 20 };

/* Every type of the format: those that are not converted still have a size to check. */
static const struct {
  const char *name;
  bki_dtype dtype;
  int bits;
} dtypes[] = {
    {"F32", BKI_DTYPE_F32, 32},      {"F16", BKI_DTYPE_F16, 16},      {"BF16", BKI_DTYPE_BF16, 16},
    {"F64", BKI_DTYPE_F64, 64},      {"BOOL", BKI_DTYPE_OTHER, 8},    {"U8", BKI_DTYPE_U8, 8},
    {"I8", BKI_DTYPE_OTHER, 8},      {"U16", BKI_DTYPE_OTHER, 16},    {"I16", BKI_DTYPE_OTHER, 16},
    {"U32", BKI_DTYPE_OTHER, 32},    {"I32", BKI_DTYPE_OTHER, 32},    {"U64", BKI_DTYPE_OTHER, 64},
    {"I64", BKI_DTYPE_OTHER, 64},    {"C64", BKI_DTYPE_OTHER, 64},    {"F8_E4M3", BKI_DTYPE_OTHER, 8},
    {"F8_E5M2", BKI_DTYPE_OTHER, 8}, {"F8_E8M0", BKI_DTYPE_OTHER, 8}, {"F6_E2M3", BKI_DTYPE_OTHER, 6},
    {"F6_E3M2", BKI_DTYPE_OTHER, 6}, {"F4", BKI_DTYPE_OTHER, 4},
};

typedef struct parser {
  const bki_safetensors_bytes *file;
  size_t data_begin;         /* where the data starts in the file */
  char name[BKI_QUOTE_SIZE]; /* of the tensor being read, quoted */
  bki_error *err;
} parser;

#define FAIL(p, ...) bki_fail_at((p)->err, BKI_E_DATA, (p)->file->path, 0, -1, __VA_ARGS__)

static bki_str text_of(const char *text) {
  return (bki_str){text, strlen(text)};
}

/* data_begin, or what is wrong with the first 9 bytes. */
static bki_status find_data(parser *p) {
  const bki_safetensors_bytes *file = p->file;
  if (file->size < LENGTH_BYTES) {
    return FAIL(p, "expected safetensors, found %zu bytes where the header's size takes %d", file->size, LENGTH_BYTES);
  }
  uint64_t length = 0;
  for (int i = LENGTH_BYTES - 1; i >= 0; i--) {
    length = length << 8 | file->data[i];
  }
  if (length > MAX_HEADER_BYTES) {
    return FAIL(p, "expected safetensors with a header of at most %d bytes, found a size of %" PRIu64, MAX_HEADER_BYTES,
                length);
  }
  if (length > file->size - LENGTH_BYTES) {
    return FAIL(p, "expected a header of %" PRIu64 " bytes, found %zu bytes up to the end of the file", length,
                file->size - LENGTH_BYTES);
  }
  if (length == 0 || file->data[LENGTH_BYTES] != '{') {
    return FAIL(p, "expected a safetensors header that begins with '{'");
  }
  p->data_begin = LENGTH_BYTES + (size_t)length;
  return BKI_OK;
}

static bki_status load_header(parser *p, json_t **out) {
  json_error_t error;
  const char *header = (const char *)p->file->data + LENGTH_BYTES;
  *out = json_loadb(header, p->data_begin - LENGTH_BYTES, JSON_REJECT_DUPLICATES, &error);
  if (*out == NULL) {
    char found[BKI_QUOTE_SIZE];
    return bki_fail_at(p->err, BKI_E_DATA, p->file->path, 0, LENGTH_BYTES + error.position,
                       "expected a JSON header, found %s", bki_quote(found, text_of(error.text)));
  }
  return BKI_OK;
}

static bki_status check_metadata(parser *p, json_t *metadata) {
  const char *key;
  json_t *value;
  bool good = json_is_object(metadata);
  json_object_foreach(metadata, key, value) {
    good = good && json_is_string(value);
  }
  return good ? BKI_OK : FAIL(p, "expected \"__metadata__\" to be an object of strings, found something else in it");
}

/* A non-negative integer. */
static bool read_size(const json_t *json, int64_t *out) {
  *out = json_integer_value(json);
  return json_is_integer(json) && *out >= 0;
}

static bki_status read_dtype(parser *p, const json_t *json, bki_dtype *dtype, int *bits) {
  const char *name = json_string_value(json);
  if (name == NULL) {
    return FAIL(p, "tensor %s: expected a string as its \"dtype\", found none", p->name);
  }
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
    if (strcmp(dtypes[i].name, name) == 0) {
      *dtype = dtypes[i].dtype;
      *bits = dtypes[i].bits;
      return BKI_OK;
    }
  }
  char found[BKI_QUOTE_SIZE];
  return FAIL(p, "tensor %s: expected a dtype of safetensors, found %s", p->name, bki_quote(found, text_of(name)));
}

static bki_status read_shape(parser *p, const json_t *json, bki_tensor *tensor) {
  if (!json_is_array(json)) {
    return FAIL(p, "tensor %s: expected an array as its \"shape\", found none", p->name);
  }
  const size_t rank = json_array_size(json);
  if (rank > BKI_TENSOR_MAX_RANK) {
    return FAIL(p, "tensor %s: expected at most %d dimensions, found %zu", p->name, BKI_TENSOR_MAX_RANK, rank);
  }
  tensor->rank = (int32_t)rank;
  tensor->n_elements = 1;
  for (size_t i = 0; i < rank; i++) {
    if (!read_size(json_array_get(json, i), &tensor->shape[i])) {
      return FAIL(p, "tensor %s: expected dimension %zu to be a non-negative integer, found something else", p->name,
                  i);
    }
    if (__builtin_mul_overflow(tensor->n_elements, tensor->shape[i], &tensor->n_elements)) {
      return FAIL(p, "tensor %s: expected a shape of less than 2^63 elements, found more", p->name);
    }
  }
  return BKI_OK;
}

static bki_status read_offsets(parser *p, const json_t *json, bki_tensor *tensor) {
  int64_t begin;
  int64_t end;
  if (!json_is_array(json) || json_array_size(json) != 2 || !read_size(json_array_get(json, 0), &begin) ||
      !read_size(json_array_get(json, 1), &end)) {
    return FAIL(p, "tensor %s: expected two non-negative integers as its \"data_offsets\", found something else",
                p->name);
  }
  const size_t available = p->file->size - p->data_begin;
  if (begin > end || (uint64_t)end > available) {
    return FAIL(p, "tensor %s: expected data_offsets in order and at most %zu, found %" PRId64 " and %" PRId64, p->name,
                available, begin, end);
  }
  tensor->data = p->file->data + p->data_begin + begin;
  tensor->size_bytes = (size_t)(end - begin);
  return BKI_OK;
}

static bki_status read_tensor(parser *p, const json_t *json, bki_tensor *tensor) {
  int bits = 0;
  BKI_TRY(read_dtype(p, json_object_get(json, "dtype"), &tensor->dtype, &bits));
  BKI_TRY(read_shape(p, json_object_get(json, "shape"), tensor));
  BKI_TRY(read_offsets(p, json_object_get(json, "data_offsets"), tensor));
  int64_t shape_bits;
  if (__builtin_mul_overflow(tensor->n_elements, bits, &shape_bits) || shape_bits % 8 != 0 ||
      (uint64_t)shape_bits / 8 != tensor->size_bytes) {
    return FAIL(p, "tensor %s: expected %" PRId64 " elements of %d bits, found %zu bytes", p->name, tensor->n_elements,
                bits, tensor->size_bytes);
  }
  return BKI_OK;
}

static bki_status read_tensors(parser *p, json_t *header, bki_arena *names, bki_tensor *tensors, size_t *count) {
  const char *name;
  json_t *value;
  *count = 0;
  json_object_foreach(header, name, value) {
    if (strcmp(name, "__metadata__") == 0) {
      BKI_TRY(check_metadata(p, value));
      continue;
    }
    bki_quote(p->name, text_of(name));
    bki_tensor *tensor = &tensors[(*count)++];
    BKI_TRY(read_tensor(p, value, tensor));
    tensor->name = bki_arena_copy(names, name, strlen(name));
    if (tensor->name == NULL) {
      return bki_fail_memory(p->err);
    }
  }
  return BKI_OK;
}

/* By begin, then end: an empty tensor stands before the one that begins where it does. */
static int compare_position(const void *left, const void *right) {
  const bki_tensor *a = left;
  const bki_tensor *b = right;
  if (a->data != b->data) {
    return (const uint8_t *)a->data < (const uint8_t *)b->data ? -1 : 1;
  }
  if (a->size_bytes != b->size_bytes) {
    return a->size_bytes < b->size_bytes ? -1 : 1;
  }
  return strcmp(a->name, b->name);
}

/* Sorted tensors have to cover the data without gap or overlap. */
static bki_status check_layout(parser *p, const bki_tensor *tensors, size_t count) {
  const uint8_t *data = p->file->data + p->data_begin;
  size_t expected = 0;
  for (size_t i = 0; i < count; i++) {
    const size_t begin = (size_t)((const uint8_t *)tensors[i].data - data);
    if (begin != expected) {
      return FAIL(p, "tensor %s: expected its data at %zu, where the tensor before it ends, found %zu (%s)",
                  bki_quote(p->name, text_of(tensors[i].name)), expected, begin, begin < expected ? "overlap" : "gap");
    }
    expected += tensors[i].size_bytes;
  }
  const size_t available = p->file->size - p->data_begin;
  return expected == available
             ? BKI_OK
             : FAIL(p, "expected %zu bytes of tensor data, found %zu up to the end of the file", expected, available);
}

bki_status bki_safetensors_parse(const bki_safetensors_bytes *file, bki_arena *names, bki_tensor **tensors,
                                 size_t *count, bki_error *err) {
  parser p = {.file = file, .err = err};
  BKI_TRY(find_data(&p));
  json_t *header;
  BKI_TRY(load_header(&p, &header));
  size_t n = 0;
  bki_tensor *list = bki_array_create(json_object_size(header), sizeof *list);
  bki_status status = list == NULL ? bki_fail_memory(err) : read_tensors(&p, header, names, list, &n);
  if (status == BKI_OK) {
    qsort(list, n, sizeof *list, compare_position);
    status = check_layout(&p, list, n);
  }
  json_decref(header);
  if (status != BKI_OK) {
    free(list);
    return status;
  }
  *tensors = list;
  *count = n;
  return BKI_OK;
}
