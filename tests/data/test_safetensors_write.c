#include <bki/safetensors.h>

#include <criterion/criterion.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"

static const float numbers[] = {1, -2.5F, 3, 4, 0x1p-140F, 6};
static const double large[] = {0x1.123456789abcdp700};
static const uint16_t halves[] = {0x3c00, 0xc000};

static size_t make_tensors(bki_tensor *out) {
  out[0] = (bki_tensor){.name = "b", .dtype = BKI_DTYPE_F32, .rank = 2, .shape = {2, 3}, .data = numbers};
  out[1] = (bki_tensor){.name = "a \"quoted\" \xc3\xa4", .dtype = BKI_DTYPE_U8, .rank = 1, .shape = {3}, .data = "xyz"};
  out[2] = (bki_tensor){.name = "scalar", .dtype = BKI_DTYPE_F64, .rank = 0, .data = large};
  out[3] = (bki_tensor){.name = "none", .dtype = BKI_DTYPE_F32, .rank = 2, .shape = {0, 7}, .data = numbers};
  out[4] = (bki_tensor){.name = "half", .dtype = BKI_DTYPE_F16, .rank = 1, .shape = {2}, .data = halves};
  out[5] = (bki_tensor){.name = "brain", .dtype = BKI_DTYPE_BF16, .rank = 1, .shape = {2}, .data = halves};
  return 6;
}

static void save(const char *path, const bki_tensor *tensors, size_t n) {
  bki_error err;
  cr_assert_eq(bki_safetensors_save(path, tensors, n, &err), BKI_OK, "%s", err.message);
}

Test(safetensors_write, gives_back_names_shapes_types_and_bytes) {
  bki_tensor tensors[6];
  const size_t n = make_tensors(tensors);
  const char *path = scratch_path("t.safetensors");
  save(path, tensors, n);
  bki_safetensors *file;
  bki_error err;
  cr_assert_eq(bki_safetensors_open(&file, path, &err), BKI_OK, "%s", err.message);
  cr_assert_eq(bki_safetensors_count(file), n);
  for (size_t i = 0; i < n; i++) {
    const bki_tensor *found = bki_safetensors_find(file, tensors[i].name);
    cr_assert_not_null(found, "%s", tensors[i].name);
    cr_assert_eq(found->dtype, tensors[i].dtype);
    cr_assert_eq(found->rank, tensors[i].rank);
    cr_assert_eq(memcmp(found->shape, tensors[i].shape, (size_t)found->rank * sizeof found->shape[0]), 0);
    cr_assert_eq(memcmp(found->data, tensors[i].data, found->size_bytes), 0);
  }
  cr_assert_eq(bki_safetensors_find(file, "b")->size_bytes, 24);
  cr_assert_eq(bki_safetensors_find(file, "none")->size_bytes, 0);
  bki_safetensors_close(file);
}

Test(safetensors_write, aligns_the_data_to_eight_bytes) {
  bki_tensor tensors[6];
  const char *path = scratch_path("t.safetensors");
  make_tensors(tensors);
  save(path, tensors, 1);
  bki_strbuf content = scratch_read(path);
  uint64_t header = 0;
  memcpy(&header, content.data, sizeof header);
  cr_assert_eq(header % 8, 0);
  cr_assert_eq(content.size, 8 + header + 24);
  cr_assert_eq(memcmp(content.data + 8 + header, numbers, 24), 0);
  bki_strbuf_clear(&content);
}

Test(safetensors_write, gives_the_same_bytes_for_the_same_tensors) {
  bki_tensor tensors[6];
  const size_t n = make_tensors(tensors);
  const char *paths[] = {scratch_path("a.safetensors"), scratch_path("b.safetensors")};
  save(paths[0], tensors, n);
  save(paths[1], tensors, n);
  bki_strbuf a = scratch_read(paths[0]);
  bki_strbuf b = scratch_read(paths[1]);
  cr_assert(a.size == b.size && memcmp(a.data, b.data, a.size) == 0);
  bki_strbuf_clear(&a);
  bki_strbuf_clear(&b);
}

Test(safetensors_write, replaces_a_file_as_a_whole) {
  bki_tensor tensors[6];
  const size_t n = make_tensors(tensors);
  const char *path = scratch_path("t.safetensors");
  save(path, tensors, n);
  save(path, tensors, 1);
  bki_safetensors *file;
  bki_error err;
  cr_assert_eq(bki_safetensors_open(&file, path, &err), BKI_OK, "%s", err.message);
  cr_assert_eq(bki_safetensors_count(file), 1);
  bki_safetensors_close(file);
}

Test(safetensors_write, names_a_place_where_nothing_can_be_written) {
  bki_tensor tensors[6];
  make_tensors(tensors);
  bki_error err;
  cr_assert_eq(bki_safetensors_save("/nowhere/t.safetensors", tensors, 1, &err), BKI_E_IO);
  cr_assert_str_eq(err.file, "/nowhere/t.safetensors");
}

Test(safetensors_write, refuses_a_header_that_no_reader_takes) {
  enum { LONG = 1 << 20 };
  char *name = malloc(LONG + 1);
  memset(name, 'n', LONG);
  name[LONG] = '\0';
  const bki_tensor tensor = {.name = name, .dtype = BKI_DTYPE_F32, .rank = 1, .shape = {1}, .data = numbers};
  const char *path = scratch_path("t.safetensors");
  bki_error err;
  cr_assert_eq(bki_safetensors_save(path, &tensor, 1, &err), BKI_E_DATA);
  cr_assert_neq(access(path, F_OK), 0);
  free(name);
}

Test(safetensors_write, keeps_bytes_from_being_read_as_numbers) {
  bki_tensor tensors[6];
  const size_t n = make_tensors(tensors);
  const char *path = scratch_path("t.safetensors");
  save(path, tensors, n);
  bki_safetensors *file;
  bki_error err;
  float out[3];
  cr_assert_eq(bki_safetensors_open(&file, path, &err), BKI_OK, "%s", err.message);
  cr_assert_eq(bki_safetensors_read_f32(file, bki_safetensors_find(file, tensors[1].name), out, &err), BKI_E_DATA);
  bki_safetensors_close(file);
}
