#include <bki/safetensors.h>

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "scratch.h"

/* The path of a file with this header, its size in front, and `data_size` bytes of data. */
static const char *write_file(const char *header, const void *data, size_t data_size) {
  const size_t length = strlen(header);
  bki_strbuf content = {0};
  for (int i = 0; i < 8; i++) {
    bki_strbuf_add(&content, (const char[]){(char)((uint64_t)length >> 8 * i)}, 1);
  }
  bki_strbuf_add(&content, header, length);
  bki_strbuf_add(&content, data, data_size);
  cr_assert_not(content.failed);
  const char *path = scratch_path("model.safetensors");
  scratch_write(path, content.data, content.size);
  bki_strbuf_clear(&content);
  return path;
}

static bki_safetensors *open_file(const char *header, const void *data, size_t data_size) {
  bki_safetensors *file;
  bki_error err;
  cr_assert_eq(bki_safetensors_open(&file, write_file(header, data, data_size), &err), BKI_OK, "%s: %s", header,
               err.message);
  return file;
}

Test(safetensors, lists_tensors_in_the_order_of_their_data) {
  const float data[] = {1, 2, 3, 4, 5, 6, 7};
  bki_safetensors *file = open_file(
      "{\"__metadata__\":{\"format\":\"pt\"},"
      "\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[4,28]},"
      "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}   ",
      data, sizeof data);
  cr_assert_eq(bki_safetensors_count(file), 2);
  const bki_tensor *a = bki_safetensors_get(file, 0);
  const bki_tensor *b = bki_safetensors_get(file, 1);
  cr_assert_str_eq(a->name, "a");
  cr_assert(a->rank == 0 && a->n_elements == 1 && a->size_bytes == 4 && a->dtype == BKI_DTYPE_F32);
  cr_assert_str_eq(b->name, "b");
  cr_assert(b->rank == 2 && b->shape[0] == 2 && b->shape[1] == 3 && b->n_elements == 6);
  cr_assert_eq(bki_safetensors_find(file, "b"), b);
  cr_assert_null(bki_safetensors_find(file, "c"));
  float out[6];
  cr_assert_eq(bki_safetensors_read_f32(file, b, out, NULL), BKI_OK);
  cr_assert_arr_eq(out, data + 1, sizeof out);
  bki_safetensors_close(file);
  bki_safetensors_close(NULL);
}

Test(safetensors, y_files_load) {
  static const struct {
    const char *header;
    size_t data_size, count;
  } good[] = {
      {"{}", 0, 0},
      {"{\"__metadata__\":{}}", 0, 0},
      {"{\"e\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[0,0]}}", 0, 1},
      {"{\"e\":{\"dtype\":\"F32\",\"shape\":[0,9223372036854775807],\"data_offsets\":[0,0]}}", 0, 1},
      {"{\"e2\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]},"
       "\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
       "\"e1\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]},"
       "\"e0\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}",
       4, 4},
      {"{\"\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,3],\"data_offsets\":[0,3]}}", 3, 1},
      {"{\"odd\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[0,3]},"
       "\"unaligned\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[3,11]}}",
       11, 2},
      {"{\"f4\":{\"dtype\":\"F4\",\"shape\":[2,3],\"data_offsets\":[0,3]}}", 3, 1},
      {"{\"x\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8],\"later\":true}}", 8, 1},
  };
  static const char zeros[64];
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    bki_safetensors *file = open_file(good[i].header, zeros, good[i].data_size);
    cr_assert_eq(bki_safetensors_count(file), good[i].count, "%s", good[i].header);
    bki_safetensors_close(file);
  }
}

#define TENSOR(fields) "{\"x\":{" fields "}}"
#define PLACED(dtype, shape, offsets) TENSOR("\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets)

Test(safetensors, n_headers_are_refused_with_the_reason) {
  static const struct {
    const char *header;
    size_t data_size;
    const char *message;
  } bad[] = {
      {"", 0, "expected a safetensors header that begins with '{'"},
      {" {}", 0, "expected a safetensors header that begins with '{'"},
      {"[]", 0, "expected a safetensors header that begins with '{'"},
      {"{\"x\":", 0, "expected a JSON header, found \"unexpected token near end of file"},
      {"{} x", 0, "expected a JSON header, found \"end of file expected"},
      {"{\"x\":1e999}", 0, "expected a JSON header, found \"real number overflow"},
      {"{\"\\u0000\":1}", 0, "expected a JSON header, found \"NUL byte in object key not supported"},
      {"{\"\xff\":1}", 0, "expected a JSON header, found \"unable to decode byte 0xff"},
      {"{\"x\":{},\"x\":{}}", 0, "expected a JSON header, found \"duplicate object key"},
      {"{\"__metadata__\":{\"a\":1}}", 0, "expected \"__metadata__\" to be an object of strings"},
      {"{\"__metadata__\":[]}", 0, "expected \"__metadata__\" to be an object of strings"},
      {"{\"x\":[]}", 0, "tensor \"x\": expected a string as its \"dtype\", found none"},
      {TENSOR("\"dtype\":4"), 0, "tensor \"x\": expected a string as its \"dtype\", found none"},
      {TENSOR("\"dtype\":\"F31\""), 0, "tensor \"x\": expected a dtype of safetensors, found \"F31\""},
      {TENSOR("\"dtype\":\"F32\""), 0, "tensor \"x\": expected an array as its \"shape\", found none"},
      {PLACED("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "tensor \"x\": expected at most 8 dimensions, found 9"},
      {PLACED("F32", "[-1]", "[0,4]"), 4, "expected dimension 0 to be a non-negative integer"},
      {PLACED("F32", "[1,1.0]", "[0,4]"), 4, "expected dimension 1 to be a non-negative integer"},
      {PLACED("F32", "[9223372036854775808]", "[0,4]"), 4, "expected a JSON header, found \"too big integer"},
      {PLACED("F32", "[4294967296,4294967296]", "[0,4]"), 4, "expected a shape of less than 2^63 elements"},
      {PLACED("F32", "[4611686018427387905]", "[0,4]"), 4, "expected 4611686018427387905 elements of 32 bits"},
      {PLACED("F32", "[1]", "[0]"), 4, "expected two non-negative integers as its \"data_offsets\""},
      {PLACED("F32", "[1]", "[0,4,8]"), 4, "expected two non-negative integers as its \"data_offsets\""},
      {PLACED("F32", "[1]", "[-4,0]"), 4, "expected two non-negative integers as its \"data_offsets\""},
      {PLACED("F32", "[1]", "[\"0\",\"4\"]"), 4, "expected two non-negative integers as its \"data_offsets\""},
      {PLACED("F32", "[1]", "[4,0]"), 4, "expected data_offsets in order and at most 4, found 4 and 0"},
      {PLACED("F32", "[1]", "[0,4]"), 3, "expected data_offsets in order and at most 3, found 0 and 4"},
      {PLACED("F32", "[1]", "[9223372036854775807,9223372036854775807]"), 4, "expected data_offsets in order"},
      {PLACED("F32", "[2]", "[0,4]"), 4, "tensor \"x\": expected 2 elements of 32 bits, found 4 bytes"},
      {PLACED("F4", "[3]", "[0,1]"), 1, "tensor \"x\": expected 3 elements of 4 bits, found 1 bytes"},
      {PLACED("F32", "[1]", "[0,4]"), 5, "expected 4 bytes of tensor data, found 5 up to the end of the file"},
      {"{}", 1, "expected 0 bytes of tensor data, found 1 up to the end of the file"},
      {PLACED("F32", "[1]", "[1,5]"), 5,
       "tensor \"x\": expected its data at 0, where the tensor before it ends, found 1"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
       "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[3,7]}}",
       7, "tensor \"b\": expected its data at 4, where the tensor before it ends, found 3 (overlap)"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
       "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[5,9]}}",
       9, "tensor \"b\": expected its data at 4, where the tensor before it ends, found 5 (gap)"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
       "\"e\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]}}",
       4, "tensor \"e\": expected its data at 4, where the tensor before it ends, found 2 (overlap)"},
  };
  static const char zeros[64];
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    bki_safetensors *file;
    bki_error err;
    const char *path = write_file(bad[i].header, zeros, bad[i].data_size);
    cr_assert_eq(bki_safetensors_open(&file, path, &err), BKI_E_DATA, "%s", bad[i].header);
    cr_assert_not_null(strstr(err.message, bad[i].message), "%s: \"%s\" instead of \"%s\"", bad[i].header, err.message,
                       bad[i].message);
    cr_assert_str_eq(err.file, path);
  }
}

Test(safetensors, n_files_without_a_whole_header_are_refused) {
  static const struct {
    const char *content;
    size_t size;
    const char *message;
  } bad[] = {
      {"", 0, "expected safetensors, found 0 bytes where the header's size takes 8"},
      {"\2\0\0\0\0\0\0", 7, "expected safetensors, found 7 bytes where the header's size takes 8"},
      {"\3\0\0\0\0\0\0\0{}", 10, "expected a header of 3 bytes, found 2 bytes up to the end of the file"},
      {"\0\0\0\0\0\0\0\0", 8, "expected a safetensors header that begins with '{'"},
      {"\1\xe1\xf5\5\0\0\0\0{}", 10, "with a header of at most 1048576 bytes, found a size of 100000001"},
      {"\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, "of at most 1048576 bytes, found a size of 18446744073709551615"},
      {"PK\3\4a zip file", 14, "expected safetensors with a header of at most 1048576 bytes"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    const char *path = scratch_path("short");
    scratch_write(path, bad[i].content, bad[i].size);
    bki_safetensors *file;
    bki_error err;
    cr_assert_eq(bki_safetensors_open(&file, path, &err), BKI_E_DATA);
    cr_assert_not_null(strstr(err.message, bad[i].message), "case %zu: %s", i, err.message);
  }
}

Test(safetensors, says_when_the_system_refuses) {
  bki_safetensors *file;
  bki_error err;
  cr_assert_eq(bki_safetensors_open(&file, scratch_path("absent"), &err), BKI_E_IO);
  cr_assert_str_eq(err.message, "cannot open: No such file or directory");
  scratch_write(scratch_path("file"), "", 0);
  cr_assert_eq(bki_safetensors_open(&file, BKI_TEST_DATA, &err), BKI_E_IO);
  cr_assert_str_eq(err.message, "expected a regular file, found something else");
}

Test(safetensors, refuses_a_named_pipe_without_waiting_for_a_writer, .timeout = 20) {
  bki_safetensors *file;
  bki_error err;
  const char *path = scratch_path("pipe");
  cr_assert_eq(mkfifo(path, 0600), 0);
  cr_assert_eq(bki_safetensors_open(&file, path, &err), BKI_E_IO);
  cr_assert_str_eq(err.message, "expected a regular file, found something else");
}

static bki_safetensors *open_vector(const char *dtype, const void *data, size_t n, size_t size_bytes) {
  char header[128];
  snprintf(header, sizeof header, "{\"x\":{\"dtype\":\"%s\",\"shape\":[%zu],\"data_offsets\":[0,%zu]}}", dtype, n,
           size_bytes);
  return open_file(header, data, size_bytes);
}

__extension__ typedef _Float16 half; /* the compiler's own conversion is the oracle */

Test(safetensors, widens_every_finite_f16_exactly) {
  uint16_t bits[65536];
  size_t n = 0;
  for (uint32_t i = 0; i < 65536; i++) {
    if ((i & 0x7c00) != 0x7c00) {
      bits[n++] = (uint16_t)i;
    }
  }
  bki_safetensors *file = open_vector("F16", bits, n, n * sizeof *bits);
  static float out[65536];
  cr_assert_eq(bki_safetensors_read_f32(file, bki_safetensors_get(file, 0), out, NULL), BKI_OK);
  for (size_t i = 0; i < n; i++) {
    half expected;
    memcpy(&expected, &bits[i], sizeof expected);
    const float value = (float)expected;
    cr_assert_arr_eq(&out[i], &value, sizeof value, "0x%04x: %g instead of %g", bits[i], out[i], value);
  }
  bki_safetensors_close(file);
}

Test(safetensors, widens_bf16_and_rounds_f64) {
  const uint16_t bf16[] = {0x3f80, 0xc000, 0x0001, 0x8000, 0x7f7f};
  const uint32_t expected[] = {0x3f800000, 0xc0000000, 0x00010000, 0x80000000, 0x7f7f0000};
  float out[5];
  bki_safetensors *file = open_vector("BF16", bf16, 5, sizeof bf16);
  cr_assert_eq(bki_safetensors_read_f32(file, bki_safetensors_get(file, 0), out, NULL), BKI_OK);
  cr_assert_arr_eq(out, expected, sizeof expected);
  bki_safetensors_close(file);
  const double f64[] = {0.1, -1.0, 1e-300, 0x1.fffffep127, 0x1.fffffefp127};
  const float rounded[] = {0.1F, -1.0F, 0.0F, FLT_MAX, FLT_MAX};
  file = open_vector("F64", f64, 5, sizeof f64);
  cr_assert_eq(bki_safetensors_read_f32(file, bki_safetensors_get(file, 0), out, NULL), BKI_OK);
  cr_assert_arr_eq(out, rounded, sizeof rounded);
  bki_safetensors_close(file);
}

static void expect_refused(const char *dtype, const void *data, size_t n, size_t size_bytes, const char *message) {
  bki_safetensors *file = open_vector(dtype, data, n, size_bytes);
  float out[8];
  bki_error err;
  cr_assert_eq(bki_safetensors_read_f32(file, bki_safetensors_get(file, 0), out, &err), BKI_E_DATA);
  cr_assert_str_eq(err.message, message);
  bki_safetensors_close(file);
}

Test(safetensors, refuses_values_that_float32_cannot_hold) {
  expect_refused("F32", (const float[]){1, 2, INFINITY}, 3, 12,
                 "tensor \"x\", element 2: expected a finite number that float32 holds, found inf");
  expect_refused("F32", (const uint32_t[]){0x7fc00000}, 1, 4,
                 "tensor \"x\", element 0: expected a finite number that float32 holds, found nan");
  expect_refused("F16", (const uint16_t[]){0x3c00, 0xfc00}, 2, 4,
                 "tensor \"x\", element 1: expected a finite number that float32 holds, found -inf");
  expect_refused("F16", (const uint16_t[]){0x7c01}, 1, 2,
                 "tensor \"x\", element 0: expected a finite number that float32 holds, found nan");
  expect_refused("BF16", (const uint16_t[]){0x7f80}, 1, 2,
                 "tensor \"x\", element 0: expected a finite number that float32 holds, found inf");
  expect_refused("F64", (const double[]){-1e39}, 1, 8,
                 "tensor \"x\", element 0: expected a finite number that float32 holds, found -1e+39");
  expect_refused("I32", (const int32_t[]){1}, 1, 4,
                 "tensor \"x\": expected the dtype F32, F16, BF16 or F64, found another");
}
