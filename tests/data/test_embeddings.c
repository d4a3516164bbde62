#include <bki/embeddings.h>

#include <criterion/criterion.h>
#include <locale.h>
#include <string.h>

#include <bki/stream.h>

#include "scratch.h"

static bki_str str(const char *text) {
  return (bki_str){text, strlen(text)};
}

static const char *write_text(const char *name, const char *text) {
  const char *path = scratch_path(name);
  bki_sink *sink;
  cr_assert_eq(bki_sink_open(&sink, path, true, NULL), BKI_OK);
  cr_assert_eq(bki_sink_write(sink, text, strlen(text), NULL), BKI_OK);
  cr_assert_eq(bki_sink_commit(sink, NULL), BKI_OK);
  return path;
}

static bki_embeddings *load(const char *text, const bki_vocabulary *only, int32_t dimension) {
  bki_embeddings *embeddings;
  bki_error err;
  cr_assert_eq(bki_embeddings_load(&embeddings, write_text("glove.txt", text), only, dimension, &err), BKI_OK, "%s: %s",
               text, err.message);
  return embeddings;
}

static void expect_vector(const bki_embeddings *embeddings, const char *word, const float *expected) {
  const float *vector = bki_embeddings_find(embeddings, str(word));
  cr_assert_not_null(vector, "%s", word);
  cr_assert_arr_eq(vector, expected, (size_t)bki_embeddings_dimension(embeddings) * sizeof *expected, "%s", word);
}

Test(embeddings, reads_words_with_their_vectors) {
  bki_embeddings *embeddings = load("the 0.418 -1e-3 2\n, .5 1. +0\n日本 1E2 -0 3.4028234e38", NULL, 0);
  cr_assert_eq(bki_embeddings_dimension(embeddings), 3);
  cr_assert_eq(bki_embeddings_count(embeddings), 3);
  expect_vector(embeddings, "the", (const float[]){0.418F, -1e-3F, 2});
  expect_vector(embeddings, ",", (const float[]){0.5F, 1, 0});
  expect_vector(embeddings, "日本", (const float[]){100, -0.0F, 3.4028234e38F});
  cr_assert_null(bki_embeddings_find(embeddings, str("absent")));
  bki_embeddings_destroy(embeddings);
  bki_embeddings_destroy(NULL);
}

Test(embeddings, reads_compressed_files) {
  static const char *const names[] = {"glove.txt", "glove.txt.gz", "glove.txt.zst"};
  for (size_t i = 0; i < 3; i++) {
    bki_embeddings *embeddings;
    cr_assert_eq(bki_embeddings_load(&embeddings, write_text(names[i], "a 1 2\nb 3 4\n"), NULL, 2, NULL), BKI_OK);
    expect_vector(embeddings, "b", (const float[]){3, 4});
    bki_embeddings_destroy(embeddings);
  }
}

Test(embeddings, y_layouts_load) {
  static const struct {
    const char *text;
    int32_t dimension;
    int64_t count;
    const char *word;
    float vector[2];
  } good[] = {
      {"2 2\na 1 2\nb 3 4\n", 0, 2, "b", {3, 4}},    /* word2vec's header */
      {"1 2\nat a b 1 2\n", 0, 1, "at a b", {1, 2}}, /* the header tells the dimension */
      {"a 1 2 \nb 3 4 \n", 0, 2, "b", {3, 4}},       /* word2vec's line ends */
      {"a 1 2\r\nb 3 4\r\n", 0, 2, "b", {3, 4}},     /* CRLF */
      {"a 1 2\n. . . 3 4\n", 0, 2, ". . .", {3, 4}}, /* GloVe 840B */
      {". . . 3 4\n", 2, 1, ". . .", {3, 4}},        /* the caller tells the dimension */
      {"a 1 2\nb 3 4\na 5 6\n", 0, 2, "a", {1, 2}},  /* the first of two counts */
      {"7 1 2\n3.5 3 4\n", 0, 2, "7", {1, 2}},       /* words that are numbers */
      {"nan 1 2\ninf 3 4\n", 0, 2, "nan", {1, 2}},   /* words that read like numbers */
      {"a 1e-60 1\n", 0, 1, "a", {0, 1}},            /* too small for float32 is zero */
      {"\xc2\xa0 1 2\n", 0, 1, "\xc2\xa0", {1, 2}},  /* a word of white space */
  };
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    bki_embeddings *embeddings = load(good[i].text, NULL, good[i].dimension);
    cr_assert_eq(bki_embeddings_dimension(embeddings), 2, "%s", good[i].text);
    cr_assert_eq(bki_embeddings_count(embeddings), good[i].count, "%s", good[i].text);
    expect_vector(embeddings, good[i].word, good[i].vector);
    bki_embeddings_destroy(embeddings);
  }
}

Test(embeddings, n_files_are_refused_with_the_line) {
  static const struct {
    const char *text;
    int32_t dimension;
    int line;
    const char *message;
  } bad[] = {
      {"", 0, 0, "expected lines of a word and its vector, found none"},
      {"5 2\n", 0, 1, "expected lines of a word and its vector, found none"},
      {"a\n", 0, 1, "expected a word and 1 to 8388608 numbers, found 0"},
      {"\n", 0, 1, "expected a word and 1 to 8388608 numbers, found 0"},
      {"9 99999999999999999999\n", 0, 1, "expected a word and 1 to 8388608 numbers, found 9223372036854775807"},
      {"a 1 2\n", 3, 1, "expected a word and 3 numbers, found 3 columns"},
      {"1 2\na 1 2\n", 3, 1, "expected vectors of 3 numbers, found 2"},
      {"a 1 2\nb 3\n", 0, 2, "expected a word and 2 numbers, found 2 columns"},
      {"a 1 2\n\nb 3 4\n", 0, 2, "expected a word and 2 numbers, found 1 columns"},
      {"a 1 2\nb 3 4 5\n", 0, 2, "expected a word and 2 numbers, separated by single spaces, found 4 columns"},
      {"a 1 2\nb  3 4\n", 0, 2, "expected a word and 2 numbers, separated by single spaces, found 4 columns"},
      {"a 1 2\n b 3 4\n", 0, 2, "expected a word and 2 numbers, separated by single spaces, found 4 columns"},
      {"a 1 2\nb 3  4\n", 0, 2, "expected a word and 2 numbers, separated by single spaces, found 4 columns"},
      {"a 1 2\n 3 4\n", 0, 2, "expected a word in front of 2 numbers, found none"},
      {"a 1 2\nb c 4\n", 0, 2, "expected a finite number as number 1 of the vector, found \"c\""},
      {"a 1 2\nb 3\t4 5\n", 0, 2, "expected a finite number as number 1 of the vector, found \"3\\x094\""},
      {"a 1 2\nb 3 nan\n", 0, 2, "expected a finite number as number 2 of the vector, found \"nan\""},
      {"a 1 2\nb 3 -inf\n", 0, 2, "expected a finite number as number 2 of the vector, found \"-inf\""},
      {"a 1 2\nb 0x1p2 4\n", 0, 2, "expected a finite number as number 1 of the vector, found \"0x1p2\""},
      {"a 1 2\nb 1e39 4\n", 0, 2, "expected a finite number as number 1 of the vector, found \"1e39\""},
      {"a 1 2\nb 1,5 4\n", 0, 2, "expected a finite number as number 1 of the vector, found \"1,5\""},
      {"a 1 2\nb 1- 4\n", 0, 2, "expected a finite number as number 1 of the vector, found \"1-\""},
      {"a 1 2\nb . 4\n", 0, 2, "expected a finite number as number 1 of the vector, found \".\""},
      {"a 1 2\nb\xff 3 4\n", 0, 2, "expected a word in UTF-8, found \"b\\xff\""},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    bki_embeddings *embeddings;
    bki_error err;
    const char *path = write_text("glove.txt", bad[i].text);
    cr_assert_eq(bki_embeddings_load(&embeddings, path, NULL, bad[i].dimension, &err), BKI_E_DATA, "%s", bad[i].text);
    cr_assert_str_eq(err.message, bad[i].message, "%s: %s", bad[i].text, err.message);
    cr_assert_eq(err.line, bad[i].line, "%s", bad[i].text);
    cr_assert_str_eq(err.file, path);
  }
}

Test(embeddings, refuses_a_number_of_absurd_length) {
  char text[300] = "a ";
  memset(text + 2, '1', 200);
  bki_embeddings *embeddings;
  bki_error err;
  cr_assert_eq(bki_embeddings_load(&embeddings, write_text("glove.txt", text), NULL, 0, &err), BKI_E_DATA);
  cr_assert_eq(err.line, 1);
}

Test(embeddings, says_when_the_file_is_absent) {
  bki_embeddings *embeddings;
  bki_error err;
  cr_assert_eq(bki_embeddings_load(&embeddings, scratch_path("absent"), NULL, 0, &err), BKI_E_IO);
}

Test(embeddings, keeps_the_words_of_a_vocabulary_and_checks_the_others) {
  scratch_write(scratch_path("vocab.txt"), "<pad>\n<oov>\nb\nabsent\n", 21);
  bki_vocabulary *only;
  cr_assert_eq(bki_vocabulary_load(&only, scratch_path("vocab.txt"), NULL), BKI_OK);
  bki_embeddings *embeddings = load("a 1 2\nb 3 4\n", only, 0);
  cr_assert_eq(bki_embeddings_count(embeddings), 1);
  expect_vector(embeddings, "b", (const float[]){3, 4});
  cr_assert_null(bki_embeddings_find(embeddings, str("a")));
  bki_embeddings_destroy(embeddings);
  bki_error err;
  const char *path = write_text("glove.txt", "b 3 4\na 1 x\n");
  cr_assert_eq(bki_embeddings_load(&embeddings, path, only, 0, &err), BKI_E_DATA);
  cr_assert_eq(err.line, 2);
  bki_vocabulary_destroy(only);
}

/* A locale made for the test: few machines have one with a decimal comma. */
Test(embeddings, reads_decimal_points_in_any_locale) {
  char command[512];
  const char *path = scratch_path("de_DE.UTF-8");
  snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 '%s' >/dev/null 2>&1", path);
  setenv("LOCPATH", scratch_directory, 1);
  if (system(command) != 0 || setlocale(LC_ALL, "de_DE.UTF-8") == NULL) {
    puts("skipped: localedef cannot make de_DE.UTF-8 here");
    return;
  }
  cr_assert_eq(strtof("0,5", NULL), 0.5F);
  bki_embeddings *embeddings = load("a 0.5 -1.25\n", NULL, 0);
  expect_vector(embeddings, "a", (const float[]){0.5F, -1.25F});
  bki_embeddings_destroy(embeddings);
}
