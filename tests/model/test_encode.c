#include "model_dir.h"

static void expect_encoding(const bki_model *model, const char *text, const char *joined, const int32_t *ids,
                            const char *oov) {
  bki_encoding encoding;
  bki_encoding_init(&encoding);
  cr_assert_eq(bki_model_encode(model, (bki_str){text, strlen(text)}, &encoding, NULL), BKI_OK);
  const int32_t n = (int32_t)strlen(oov);
  cr_assert_eq(encoding.words.n_words, n, "%s: expected %d words, found %d", text, n, encoding.words.n_words);
  size_t at = 0;
  for (int32_t i = 0; i < n; i++) {
    const bki_str word = bki_words_get(&encoding.words, i);
    cr_expect_eq(memcmp(word.data, joined + at, word.size), 0, "%s: word %d", text, i);
    at += word.size + 1;
    cr_expect_eq(encoding.ids[i], ids[i], "%s: id %d of word %d", text, encoding.ids[i], i);
    cr_expect_eq(encoding.oov[i], oov[i] == 'x', "%s: word %d", text, i);
  }
  cr_expect_eq(at, n == 0 ? 0 : strlen(joined) + 1, "%s", text);
  bki_encoding_clear(&encoding);
}

Test(encode, looks_words_up_and_marks_unknown_ones) {
  bki_model *model = model_dir_load(MODEL_DIR);
  expect_encoding(model, " w2  nope w11", "w2 nope w11", (int32_t[]){2, 1, 11}, ".x.");
  expect_encoding(model, "", "", NULL, "");
  expect_encoding(model, "  ", "", NULL, "");
  bki_model_destroy(model);
}

Test(encode, keeps_the_tail_or_the_head_of_a_long_text) {
  bki_model *model = model_dir_load(model_dir_copy("config.json", "\"max_words\": 17", "\"max_words\": 2"));
  expect_encoding(model, "w2 w3 w4 w5", "w4 w5", (int32_t[]){4, 5}, "..");
  bki_model_destroy(model);
  model = model_dir_load(
      model_dir_copy("config.json", "\"max_words\": 17,\n \"keep\": \"tail\"", "\"max_words\": 2, \"keep\": \"head\""));
  expect_encoding(model, "w2 w3 w4 w5", "w2 w3", (int32_t[]){2, 3}, "..");
  bki_model_destroy(model);
}

Test(encode, drops_unknown_words_before_it_truncates_when_the_model_has_no_id_for_them) {
  bki_model *model = model_dir_load(model_dir_copy("config.json", "\"max_words\": 17,\n \"keep\": \"tail\"",
                                                   "\"max_words\": 3, \"keep\": \"tail\", \"meta\": {}"));
  expect_encoding(model, "w2 x w3 y y w4", "y y w4", (int32_t[]){1, 1, 4}, "xx.");
  bki_model_destroy(model);
  scratch_write(scratch_path("config.json"), "", 0);
  model = model_dir_load(model_dir_copy("config.json", "\"oov_id\": 1", "\"oov_id\": -1"));
  expect_encoding(model, "x w2 xyz w3 y y w4", "w2 w3 w4", (int32_t[]){2, 3, 4}, "...");
  expect_encoding(model, "x y", "", NULL, "");
  expect_encoding(model, "w2 a a a a a a a a a a a a a a a a a a a w3", "w2 w3", (int32_t[]){2, 3}, "..");
  bki_model_destroy(model);
}

Test(encode, leaves_the_words_joined_by_single_spaces) {
  bki_model *model = model_dir_load(model_dir_copy("config.json", "\"oov_id\": 1", "\"oov_id\": -1"));
  bki_encoding encoding;
  bki_encoding_init(&encoding);
  cr_assert_eq(bki_model_encode(model, (bki_str){"longer w2 x w10", 15}, &encoding, NULL), BKI_OK);
  cr_expect_eq(encoding.words.n_bytes, 6u);
  cr_expect_eq(memcmp(encoding.words.bytes, "w2 w10", 6), 0);
  bki_encoding_clear(&encoding);
  bki_model_destroy(model);
}

Test(encode, reuses_an_encoding_for_longer_and_shorter_texts) {
  bki_model *model = model_dir_load(MODEL_DIR);
  bki_encoding encoding;
  bki_encoding_init(&encoding);
  for (size_t n = 1; n < 40; n += 3) {
    char text[200] = "";
    for (size_t i = 0; i < n; i++) {
      strcat(text, i % 2 == 0 ? "w3 " : "q ");
    }
    cr_assert_eq(bki_model_encode(model, (bki_str){text, strlen(text)}, &encoding, NULL), BKI_OK);
    cr_assert_eq(encoding.words.n_words, n < 17 ? (int32_t)n : 17);
    cr_expect_eq(encoding.ids[encoding.words.n_words - 1], n % 2 == 1 ? 3 : 1);
  }
  bki_encoding_clear(&encoding);
  bki_model_destroy(model);
}

Test(encode, refuses_text_that_is_not_utf8) {
  bki_model *model = model_dir_load(MODEL_DIR);
  bki_encoding encoding;
  bki_encoding_init(&encoding);
  cr_expect_eq(bki_model_encode(model, (bki_str){"w2 \xff", 4}, &encoding, NULL), BKI_E_DATA);
  bki_encoding_clear(&encoding);
  bki_model_destroy(model);
}

static int32_t find(const bki_model *model, const char *label) {
  return bki_model_find_class(model, (bki_str){label, strlen(label)});
}

Test(find_class, takes_a_name_before_a_number) {
  bki_model *model = model_dir_load(model_dir_copy("config.json", "\"class0\"", "\"2\""));
  cr_expect_eq(find(model, "class1"), 1);
  cr_expect_eq(find(model, "2"), 0, "a class is named 2");
  cr_expect_eq(find(model, "0"), 0);
  cr_expect_eq(find(model, "1"), 1);
  bki_model_destroy(model);
}

Test(find_class, knows_only_canonical_numbers_of_classes) {
  static const char *const unknown[] = {"",   " ",  "3",   "-1",    "+1",     "01",         "1.0",
                                        " 1", "1 ", "0x1", "class", "Class1", "4294967297", "18446744073709551617"};
  bki_model *model = model_dir_load(MODEL_DIR);
  for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
    cr_expect_eq(find(model, unknown[i]), -1, "%s", unknown[i]);
  }
  bki_model_destroy(model);
}
