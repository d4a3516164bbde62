/* Arena and arrays: sizes that overflow, memory that stays where it is. */
#include <criterion/criterion.h>

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <bki/text.h>

#include "array.h"

Test(arena, pieces_are_aligned_and_keep_their_content) {
  bki_arena *arena = bki_arena_create();
  cr_assert_not_null(arena);
  unsigned char *pieces[400];
  for (size_t i = 0; i < 400; i++) {
    pieces[i] = bki_arena_alloc(arena, i * 7 % 600);
    cr_assert_not_null(pieces[i]);
    cr_assert_eq((uintptr_t)pieces[i] % alignof(max_align_t), 0);
    memset(pieces[i], (int)(i % 256), i * 7 % 600);
  }
  for (size_t i = 0; i < 400; i++) {
    for (size_t k = 0; k < i * 7 % 600; k++) {
      cr_assert_eq(pieces[i][k], i % 256, "piece %zu was overwritten", i);
    }
  }
  bki_arena_destroy(arena);
  bki_arena_destroy(NULL);
}

Test(arena, copy_ends_with_a_nul) {
  bki_arena *arena = bki_arena_create();
  const char *copy = bki_arena_copy(arena, "words", 4);
  cr_expect_str_eq(copy, "word");
  cr_expect_str_eq(bki_arena_copy(arena, NULL, 0), "");
  bki_arena_destroy(arena);
}

Test(arena, refuses_sizes_that_overflow) {
  bki_arena *arena = bki_arena_create();
  cr_expect_null(bki_arena_alloc(arena, SIZE_MAX));
  cr_expect_null(bki_arena_alloc(arena, SIZE_MAX - 20));
  cr_expect_null(bki_arena_copy(arena, "x", SIZE_MAX));
  cr_expect_not_null(bki_arena_alloc(arena, 1), "a refused size must not spoil the arena");
  bki_arena_destroy(arena);
}

Test(arena, reset_forgets_and_reuses_the_largest_block) {
  bki_arena *arena = bki_arena_create();
  bki_arena_reset(arena);
  cr_assert_not_null(bki_arena_alloc(arena, 100));
  char *large = bki_arena_alloc(arena, 1 << 20);
  cr_expect_geq(bki_arena_used(arena), (1 << 20) + 100);
  bki_arena_reset(arena);
  cr_expect_eq(bki_arena_used(arena), 0);
  cr_expect_eq(bki_arena_alloc(arena, 1 << 20), (void *)large);
  bki_arena_destroy(arena);
}

Test(array, sizes_are_checked) {
  size_t size = 0;
  cr_expect(bki_size_mul(1 << 20, 1 << 20, &size));
  cr_expect_eq(size, (size_t)1 << 40);
  cr_expect_not(bki_size_mul(SIZE_MAX / 2, 3, &size));
  cr_expect_not(bki_size_add(SIZE_MAX, 1, &size));
}

Test(array, created_ones_are_zeroed_and_never_null_when_empty) {
  int *array = bki_array_create(100, sizeof *array);
  for (int i = 0; i < 100; i++) {
    cr_expect_eq(array[i], 0);
  }
  void *empty = bki_array_create(0, 8);
  cr_expect_not_null(empty);
  free(empty);
  free(array);
}

Test(array, aligned_ones_start_on_a_cache_line) {
  for (size_t n = 0; n < 40; n++) {
    float *array = bki_array_create_aligned(n, sizeof *array);
    cr_assert_not_null(array);
    cr_expect_eq((uintptr_t)array % 64, 0);
    memset(array, 1, n * sizeof *array);
    free(array);
  }
  cr_expect_null(bki_array_create_aligned(SIZE_MAX, 2));
  cr_expect_null(bki_array_create_aligned(SIZE_MAX - 10, 1));
}

Test(array, reserve_grows_keeps_content_and_fails_without_change) {
  int *array = NULL;
  size_t capacity = 0;
  cr_assert_eq(bki_array_reserve(&array, &capacity, 0, sizeof *array, NULL), BKI_OK);
  cr_expect_null(array);
  for (int i = 0; i < 1000; i++) {
    size_t before = capacity;
    cr_assert_eq(bki_array_reserve(&array, &capacity, (size_t)i + 1, sizeof *array, NULL), BKI_OK);
    cr_expect(capacity == before || capacity >= 2 * before, "grows by less than doubling");
    array[i] = i;
  }
  int *old = array;
  size_t old_capacity = capacity;
  bki_error err = {0};
  cr_expect_eq(bki_array_reserve(&array, &capacity, SIZE_MAX / 2, sizeof *array, &err), BKI_E_INTERNAL);
  cr_expect_eq(bki_array_reserve(&array, &capacity, SIZE_MAX, sizeof *array, &err), BKI_E_INTERNAL);
  cr_expect(array == old && capacity == old_capacity);
  for (int i = 0; i < 1000; i++) {
    cr_expect_eq(array[i], i);
  }
  free(array);
}
