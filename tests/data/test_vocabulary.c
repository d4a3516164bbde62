#include <bki/vocabulary.h>

#include <criterion/criterion.h>
#include <string.h>

#include "lines.h"
#include "scratch.h"

static bki_str str(const char *text) {
  return (bki_str){text, strlen(text)};
}

static const char *write_text(const char *text, size_t size) {
  const char *path = scratch_path("vocab.txt");
  scratch_write(path, text, size);
  return path;
}

/* All words, each followed by '|'. */
static const char *join(const bki_vocabulary *vocabulary) {
  static char joined[256];
  size_t n = 0;
  for (int32_t id = 0; id < bki_vocabulary_size(vocabulary); id++) {
    bki_str word = bki_vocabulary_word(vocabulary, id);
    cr_assert_eq(bki_vocabulary_find(vocabulary, word), id);
    cr_assert_lt(n + word.size + 2, sizeof joined);
    memcpy(joined + n, word.data, word.size);
    n += word.size;
    joined[n++] = '|';
  }
  joined[n] = '\0';
  return joined;
}

Test(vocabulary, y_files_load_with_the_line_number_as_id) {
  static const struct {
    const char *text, *joined;
  } good[] = {
      {"<pad>\n<oov>\nthe\nit's\n", "<pad>|<oov>|the|it's|"},
      {"<pad>\n<oov>\nthe", "<pad>|<oov>|the|"},
      {"<pad>\r\n<oov>\r\nthe\r\nend", "<pad>|<oov>|the|end|"},
      {"<pad>\n<oov>\ncr\r\n", "<pad>|<oov>|cr\r|"},
      {"日本\nnbsp\u00a0inside\n\xc2\x85\n", "日本|nbsp\u00a0inside|\xc2\x85|"},
      {"", ""},
  };
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    bki_vocabulary *vocabulary;
    bki_error err;
    cr_assert_eq(bki_vocabulary_load(&vocabulary, write_text(good[i].text, strlen(good[i].text)), &err), BKI_OK,
                 "%zu: %s", i, err.message);
    cr_assert_str_eq(join(vocabulary), good[i].joined);
    cr_assert_eq(bki_vocabulary_find(vocabulary, str("absent")), -1);
    cr_assert_eq(bki_vocabulary_find(vocabulary, str("")), -1);
    bki_vocabulary_destroy(vocabulary);
  }
  bki_vocabulary_destroy(NULL);
}

Test(vocabulary, n_files_are_refused_with_the_line) {
  static const struct {
    const char *text;
    size_t size;
    int line;
    const char *message;
  } bad[] = {
      {"a\n\nb\n", 5, 2, "expected one word on the line, found nothing in \"\""},
      {"\n", 1, 1, "expected one word on the line, found nothing in \"\""},
      {"a\r\n\r\n", 5, 2, "expected one word on the line, found nothing in \"\""},
      {"a\nb c\n", 6, 2, "expected one word on the line, found a space in \"b c\""},
      {"a\nb\0c\n", 6, 2, "expected one word on the line, found a NUL in \"b\\x00c\""},
      {"a\nb\n\xc3(\n", 7, 3, "expected one word on the line, found invalid UTF-8 in \"\\xc3(\""},
      {"a\nb\nc\nb\nd\n", 10, 4, "expected each word once, found \"b\" again (first on line 2)"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    bki_vocabulary *vocabulary;
    bki_error err;
    const char *path = write_text(bad[i].text, bad[i].size);
    cr_assert_eq(bki_vocabulary_load(&vocabulary, path, &err), BKI_E_DATA, "case %zu", i);
    cr_assert_str_eq(err.message, bad[i].message);
    cr_assert_eq(err.line, bad[i].line);
    cr_assert_str_eq(err.file, path);
  }
}

Test(vocabulary, says_when_the_file_is_absent) {
  bki_vocabulary *vocabulary;
  bki_error err;
  cr_assert_eq(bki_vocabulary_load(&vocabulary, scratch_path("absent"), &err), BKI_E_IO);
}

Test(vocabulary, refuses_a_line_without_end) {
  const size_t size = BKI_LINE_MAX_BYTES + 1;
  char *text = malloc(size + 2);
  cr_assert_not_null(text);
  memset(text, 'x', size);
  memcpy(text, "a\n", 2);
  bki_vocabulary *vocabulary;
  bki_error err;
  cr_assert_eq(bki_vocabulary_load(&vocabulary, write_text(text, size), &err), BKI_OK);
  bki_vocabulary_destroy(vocabulary);
  memset(text + size, 'x', 2);
  cr_assert_eq(bki_vocabulary_load(&vocabulary, write_text(text, size + 2), &err), BKI_E_DATA);
  cr_assert_eq(err.line, 2);
  cr_assert_str_eq(err.message, "expected a line of at most 16777216 bytes, found a longer one");
  free(text);
}

static void count(bki_word_counter *counter, const char *text) {
  bki_words words;
  bki_words_init(&words);
  cr_assert_eq(bki_words_split(&words, str(text), NULL), BKI_OK);
  cr_assert_eq(bki_word_counter_add(counter, &words, NULL), BKI_OK);
  bki_words_clear(&words);
}

static bki_word_counter *make_counter(const char *text) {
  bki_word_counter *counter;
  cr_assert_eq(bki_word_counter_create(&counter, NULL), BKI_OK);
  count(counter, text);
  return counter;
}

static bki_vocabulary *build(const char *text, int32_t max_words) {
  bki_word_counter *counter = make_counter(text);
  bki_vocabulary *vocabulary;
  cr_assert_eq(bki_word_counter_build(counter, max_words, &vocabulary, NULL), BKI_OK);
  bki_word_counter_destroy(counter);
  return vocabulary;
}

Test(word_counter, ranks_by_count_then_by_bytes_after_the_special_words) {
  static const struct {
    const char *text;
    int32_t max_words;
    const char *joined;
  } cases[] = {
      {"b a c b é z ab a", 0, "<pad>|<oov>|a|b|ab|c|z|é|"},
      {"b a c b é z ab a", 3, "<pad>|<oov>|a|b|ab|"},
      {"b a", 7, "<pad>|<oov>|a|b|"},
      {"", 0, "<pad>|<oov>|"},
      {"<oov> <oov> x <pad> y y", 1, "<pad>|<oov>|y|"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    bki_vocabulary *vocabulary = build(cases[i].text, cases[i].max_words);
    cr_assert_str_eq(join(vocabulary), cases[i].joined);
    bki_vocabulary_destroy(vocabulary);
  }
  bki_word_counter_destroy(NULL);
}

Test(word_counter, adds_up_texts) {
  bki_word_counter *counter = make_counter("a b b");
  count(counter, "a a c");
  bki_vocabulary *vocabulary;
  cr_assert_eq(bki_word_counter_build(counter, 0, &vocabulary, NULL), BKI_OK);
  cr_assert_str_eq(join(vocabulary), "<pad>|<oov>|a|b|c|");
  bki_vocabulary_destroy(vocabulary);
  bki_word_counter_destroy(counter);
}

Test(vocabulary, comes_back_as_it_was_saved) {
  bki_vocabulary *saved = build("x x x carriage\r y\u00a0z é", 0);
  char joined[256];
  strcpy(joined, join(saved));
  static const char *const names[] = {"vocab.txt", "vocab.txt.gz", "vocab.txt.zst", "vocab.txt"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *path = scratch_path(names[i]);
    cr_assert_eq(bki_vocabulary_save(saved, path, NULL), BKI_OK);
    bki_vocabulary *loaded;
    cr_assert_eq(bki_vocabulary_load(&loaded, path, NULL), BKI_OK);
    cr_assert_str_eq(join(loaded), joined);
    bki_vocabulary_destroy(loaded);
  }
  bki_vocabulary_destroy(saved);
}

Test(vocabulary, refuses_to_save_a_word_that_would_not_come_back) {
  static const struct {
    const char *text, *message;
  } bad[] = {
      {"line\nfeed", "expected words that fit a line each, found a line feed in \"line\\x0afeed\""},
      {"\xff", "expected words that fit a line each, found invalid UTF-8 in \"\\xff\""},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    bki_vocabulary *vocabulary = build(bad[i].text, 0);
    bki_error err;
    const char *path = scratch_path("vocab.txt");
    cr_assert_eq(bki_vocabulary_save(vocabulary, path, &err), BKI_E_DATA);
    cr_assert_str_eq(err.message, bad[i].message);
    cr_assert_neq(access(path, F_OK), 0, "nothing appears under the name");
    bki_vocabulary_destroy(vocabulary);
  }
}
