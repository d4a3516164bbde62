/* String buffer and string map. */
#include <criterion/criterion.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "strbuf.h"
#include "strmap.h"

Test(strbuf, collects_bytes_text_and_formats) {
  bki_strbuf buf = {0};
  bki_strbuf_add(&buf, NULL, 0);
  bki_strbuf_add_text(&buf, "one ");
  bki_strbuf_add(&buf, "two\0three", 9);
  bki_strbuf_format(&buf, " %d-%s", 42, "x");
  cr_expect_eq(buf.size, 18);
  cr_expect_arr_eq(buf.data, "one two\0three 42-x", 19, "content and its closing NUL");
  cr_expect_eq(bki_strbuf_str(&buf).size, 18);
  bki_strbuf_truncate(&buf, 100);
  cr_expect_eq(buf.size, 18);
  bki_strbuf_truncate(&buf, 3);
  cr_expect_str_eq(buf.data, "one");
  bki_strbuf_clear(&buf);
  cr_expect_null(buf.data);
  bki_strbuf_clear(&buf);
}

Test(strbuf, formats_more_than_it_has_room_for) {
  bki_strbuf buf = {0};
  for (int i = 0; i < 100; i++) {
    bki_strbuf_format(&buf, "%0200d", i);
  }
  cr_expect_eq(buf.size, 20000);
  cr_expect_str_eq(buf.data + 20000 - 3, "099");
  bki_strbuf_clear(&buf);
}

Test(strbuf, remembers_that_memory_ran_out_and_drops_the_rest) {
  bki_strbuf buf = {0};
  bki_strbuf_add_text(&buf, "kept");
  bki_strbuf_add(&buf, "x", SIZE_MAX - 2);
  cr_expect(buf.failed);
  bki_strbuf_add_text(&buf, "dropped");
  bki_strbuf_format(&buf, "%d", 1);
  cr_expect_str_eq(buf.data, "kept");
  bki_strbuf_clear(&buf);
  cr_expect_not(buf.failed);
}

static bki_str str(const char *text) {
  return (bki_str){text, strlen(text)};
}

Test(strmap, new_values_are_zeroed_and_stay_where_they_are) {
  bki_strmap *map = NULL;
  cr_assert_eq(bki_strmap_create(&map, sizeof(int64_t[3]), NULL), BKI_OK);
  int64_t *first;
  bool added = false;
  char key[] = "key";
  cr_assert_eq(bki_strmap_put(map, str(key), &first, &added, NULL), BKI_OK);
  cr_expect(added);
  cr_expect(first[0] == 0 && first[1] == 0 && first[2] == 0);
  cr_expect_eq((uintptr_t)first % 16, 0, "values hold any type");
  first[1] = 7;
  key[0] = 'x'; /* the key was copied */
  for (int i = 0; i < 1000; i++) {
    char more[16];
    int64_t *value;
    snprintf(more, sizeof more, "%d", i);
    cr_assert_eq(bki_strmap_put(map, str(more), &value, NULL, NULL), BKI_OK);
  }
  int64_t *again;
  cr_assert_eq(bki_strmap_put(map, str("key"), &again, &added, NULL), BKI_OK);
  cr_expect_not(added);
  cr_expect_eq(again, first);
  cr_expect_eq(again[1], 7);
  cr_expect_eq(bki_strmap_get(map, str("key")), first);
  cr_expect_null(bki_strmap_get(map, str("xey")));
  bki_strmap_destroy(map);
  bki_strmap_destroy(NULL);
}

Test(strmap, keys_are_bytes) {
  bki_strmap *map = NULL;
  cr_assert_eq(bki_strmap_create(&map, sizeof(int), NULL), BKI_OK);
  const bki_str keys[] = {{NULL, 0}, {"\0", 1}, {"\0\0", 2}, {"a\0b", 3}, {"a\0c", 3}, {"a", 1}, {"\xff\xfe", 2}};
  for (int i = 0; i < 7; i++) {
    int *value;
    bool added;
    cr_assert_eq(bki_strmap_put(map, keys[i], &value, &added, NULL), BKI_OK);
    cr_expect(added, "key %d was taken for another", i);
    *value = i;
  }
  for (int i = 0; i < 7; i++) {
    cr_expect_eq(*(int *)bki_strmap_get(map, keys[i]), i);
  }
  cr_expect_eq(bki_strmap_count(map), 7);
  bki_strmap_destroy(map);
}

/* 32-bit hashes of 300,000 keys: about ten pairs collide in full. */
Test(strmap, holds_many_keys_in_order_of_insertion) {
  enum { N = 300000 };
  bki_strmap *map = NULL;
  cr_assert_eq(bki_strmap_create(&map, sizeof(int), NULL), BKI_OK);
  for (int i = 0; i < N; i++) {
    char key[16];
    int *value;
    bool added;
    snprintf(key, sizeof key, "k%d", (int)(i * 7919L % N));
    cr_assert_eq(bki_strmap_put(map, str(key), &value, &added, NULL), BKI_OK);
    cr_assert(added);
    *value = i;
  }
  cr_expect_eq(bki_strmap_count(map), N);
  void *cursor = NULL;
  bki_str key;
  int *value;
  int n = 0;
  while (bki_strmap_next(map, &cursor, &key, &value)) {
    char expected[16];
    snprintf(expected, sizeof expected, "k%d", (int)(n * 7919L % N));
    cr_assert_str_eq(key.data, expected);
    cr_assert_eq(key.size, strlen(expected));
    cr_assert_eq(*value, n++);
  }
  cr_expect_eq(n, N);
  bki_strmap_destroy(map);
}

Test(strmap, empty_one_has_nothing_to_walk) {
  bki_strmap *map = NULL;
  cr_assert_eq(bki_strmap_create(&map, 1, NULL), BKI_OK);
  void *cursor = NULL;
  bki_str key;
  char *value;
  cr_expect_not(bki_strmap_next(map, &cursor, &key, &value));
  cr_expect_null(bki_strmap_get(map, str("x")));
  cr_expect_eq(bki_strmap_count(map), 0);
  bki_strmap_destroy(map);
}
