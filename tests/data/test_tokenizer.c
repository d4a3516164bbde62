#include <bki/tokenizer.h>

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bki_str str(const char *text) {
  return (bki_str){text, strlen(text)};
}

static void expect_tidy(const bki_words *words) {
  size_t at = 0;
  for (int32_t i = 0; i < words->n_words; i++) {
    cr_assert_gt(words->length[i], 0);
    cr_assert_eq(words->start[i], at);
    cr_assert_null(memchr(words->bytes + at, ' ', words->length[i]));
    at += words->length[i];
    cr_assert(i + 1 == words->n_words || words->bytes[at] == ' ');
    at++;
  }
  cr_assert_eq(words->n_bytes, words->n_words == 0 ? 0 : at - 1);
}

/* The words joined by '|', in a buffer that the next call overwrites. */
static const char *split(bki_tokenizer_type type, const char *text) {
  static char joined[1024];
  bki_tokenizer_config config;
  bki_tokenizer_config_init(&config, type);
  bki_words words;
  bki_words_init(&words);
  cr_assert_eq(bki_tokenizer_split(&config, str(text), &words, NULL), BKI_OK);
  expect_tidy(&words);
  cr_assert_lt(words.n_bytes, sizeof joined);
  for (size_t i = 0; i < words.n_bytes; i++) {
    joined[i] = words.bytes[i] == ' ' ? '|' : words.bytes[i];
  }
  joined[words.n_bytes] = '\0';
  bki_words_clear(&words);
  return joined;
}

Test(tokenizer, has_the_defaults_of_each_type) {
  bki_tokenizer_config config;
  bki_tokenizer_config_init(&config, BKI_TOKENIZER_WORDS);
  cr_assert(config.lowercase && config.strip_html);
  bki_tokenizer_config_init(&config, BKI_TOKENIZER_KERAS);
  cr_assert(config.lowercase && !config.strip_html);
  bki_tokenizer_config_init(&config, BKI_TOKENIZER_WHITESPACE);
  cr_assert(!config.lowercase && !config.strip_html);
}

Test(tokenizer, words_lowers_and_splits_at_punctuation_but_keeps_apostrophes) {
  cr_assert_str_eq(split(BKI_TOKENIZER_WORDS, "It's GREAT!!! (10/10)\r\nno cross, no crown"),
                   "it's|great|10|10|no|cross|no|crown");
  cr_assert_str_eq(split(BKI_TOKENIZER_WORDS, " \t\n"), "");
}

Test(tokenizer, words_takes_html_line_breaks_in_any_spelling_for_a_space) {
  cr_assert_str_eq(split(BKI_TOKENIZER_WORDS, "a<br>b<BR/>c<br />d<Br\t/ >e</br>f<br clear=\"all\">g"),
                   "a|b|c|d|e|f|g");
  cr_assert_str_eq(split(BKI_TOKENIZER_WORDS, "<broken <b>r</b> <br <br>"), "broken|b|r|b|br");
}

Test(tokenizer, keras_splits_at_the_space_character_only) {
  cr_assert_str_eq(split(BKI_TOKENIZER_KERAS, "A\rB\u00a0C\td<br />e"), "a\rb\u00a0c|d|br|e");
}

Test(tokenizer, whitespace_changes_no_word) {
  cr_assert_str_eq(split(BKI_TOKENIZER_WHITESPACE, "It's, <br />\u3000ÉÇ!"), "It's,|<br|/>|ÉÇ!");
}

static void expect_as_golden(const json_t *golden, size_t line) {
  static const char *const names[] = {"words", "keras", "whitespace"};
  bki_tokenizer_config config = {BKI_TOKENIZER_WORDS, json_is_true(json_object_get(golden, "lowercase")),
                                 json_is_true(json_object_get(golden, "strip_html"))};
  for (int type = 0; type < 3; type++) {
    if (strcmp(json_string_value(json_object_get(golden, "type")), names[type]) == 0) {
      config.type = (bki_tokenizer_type)type;
    }
  }
  const json_t *text = json_object_get(golden, "text");
  const json_t *expected = json_object_get(golden, "words");
  bki_words words;
  bki_words_init(&words);
  bki_str input = {json_string_value(text), json_string_length(text)};
  cr_assert_eq(bki_tokenizer_split(&config, input, &words, NULL), BKI_OK, "line %zu", line);
  expect_tidy(&words);
  cr_assert_eq((size_t)words.n_words, json_array_size(expected), "line %zu: %d words", line, words.n_words);
  for (int32_t i = 0; i < words.n_words; i++) {
    const json_t *word = json_array_get(expected, (size_t)i);
    bki_str got = bki_words_get(&words, i);
    cr_assert_eq(got.size, json_string_length(word), "line %zu word %d", line, i);
    cr_assert_arr_eq(got.data, json_string_value(word), got.size, "line %zu word %d: %.*s", line, i, (int)got.size,
                     got.data);
  }
  bki_words_clear(&words);
}

Test(tokenizer, splits_nasty_texts_as_python_does_byte_for_byte) {
  FILE *file = fopen(BKI_TEST_DATA "/tokenizer/golden.jsonl", "r");
  cr_assert_not_null(file);
  size_t line = 0;
  for (json_t *golden; (golden = json_loadf(file, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, NULL)) != NULL; line++) {
    expect_as_golden(golden, line + 1);
    json_decref(golden);
  }
  cr_assert(feof(file));
  cr_assert_gt(line, 700);
  fclose(file);
}

enum { N_CODE_POINTS = 0x110000, LOWER_MAX = 8 };

typedef struct code_point {
  bool unassigned, white, ignorable, cased;
  char lower[LOWER_MAX]; /* "": itself */
} code_point;

static code_point *load_code_points(void) {
  code_point *points = calloc(N_CODE_POINTS, sizeof *points);
  FILE *file = fopen(BKI_TEST_DATA "/tokenizer/code_points.txt", "r");
  cr_assert(points != NULL && file != NULL);
  char line[128];
  cr_assert_not_null(fgets(line, sizeof line, file)); /* the version */
  while (fgets(line, sizeof line, file) != NULL) {
    char name[16];
    char hex[2 * LOWER_MAX];
    unsigned first;
    cr_assert_eq(sscanf(line, "%15s %x %15s", name, &first, hex), 3);
    if (strcmp(name, "lower") == 0) {
      for (size_t i = 0; hex[2 * i] != '\0'; i++) {
        sscanf(hex + 2 * i, "%2hhx", (unsigned char *)&points[first].lower[i]);
      }
      continue;
    }
    for (unsigned long c = first; c <= strtoul(hex, NULL, 16); c++) {
      points[c].unassigned |= strcmp(name, "unassigned") == 0;
      points[c].white |= strcmp(name, "white") == 0;
      points[c].ignorable |= strcmp(name, "ignorable") == 0;
      points[c].cased |= strcmp(name, "cased") == 0;
    }
  }
  fclose(file);
  return points;
}

static size_t encode(char out[5], unsigned c) {
  size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
  for (size_t i = n; i-- > 1; c >>= 6) {
    out[i] = (char)(0x80 | (c & 0x3f));
  }
  out[0] = (char)(lead[n] | c);
  out[n] = '\0';
  return n;
}

/* Whether the sigma after `prefix` and before `suffix` becomes a final one. */
static bool sigma_is_final(const char *prefix, const char *suffix) {
  char text[32];
  snprintf(text, sizeof text, "%sΣ%s", prefix, suffix);
  const char *joined = split(BKI_TOKENIZER_KERAS, text);
  return strstr(joined, "ς") != NULL;
}

Test(tokenizer, lowers_and_separates_at_each_code_point_as_python_does) {
  code_point *points = load_code_points();
  size_t checked = 0;
  for (unsigned c = 0x80; c < N_CODE_POINTS; c++) {
    if (points[c].unassigned || (c >= 0xd800 && c < 0xe000)) {
      continue;
    }
    char self[5];
    encode(self, c);
    const char *expected = points[c].white ? "" : points[c].lower[0] == '\0' ? self : points[c].lower;
    const char *got = split(BKI_TOKENIZER_WORDS, self);
    cr_assert_str_eq(got, expected, "U+%04X: \"%s\" instead of \"%s\"", c, got, expected);
    checked++;
  }
  cr_assert_gt(checked, 140000);
  free(points);
}

Test(tokenizer, finds_final_sigmas_beside_each_code_point_as_python_does) {
  code_point *points = load_code_points();
  for (unsigned c = 0x80; c < N_CODE_POINTS; c++) {
    if (points[c].unassigned || (c >= 0xd800 && c < 0xe000) || c == 0x3a3 || c == 0x3c2) { /* no sigmas */
      continue;
    }
    char after_letter[8] = "a";
    char after_digit[8] = "1";
    char before_letter[8];
    size_t n = encode(after_letter + 1, c);
    encode(after_digit + 1, c);
    memcpy(before_letter, after_letter + 1, n);
    strcpy(before_letter + n, "a");
    cr_assert_eq(sigma_is_final(after_letter, ""), points[c].ignorable || points[c].cased, "U+%04X", c);
    cr_assert_eq(sigma_is_final(after_digit, ""), points[c].cased, "U+%04X", c);
    cr_assert_eq(sigma_is_final("a", after_letter + 1), !points[c].cased, "U+%04X", c);
    cr_assert_eq(sigma_is_final("a", before_letter), !points[c].cased && !points[c].ignorable, "U+%04X", c);
  }
  free(points);
}

Test(tokenizer, refuses_invalid_utf8_with_its_position) {
  static const char *const bad[] = {"ok \xff",
                                    "ok \x80",
                                    "ok \xc3",
                                    "ok \xc0\xaf",
                                    "ok \xe2\x82",
                                    "ok \xed\xa0\x80",
                                    "ok \xc3(",
                                    "ok \xf4\x90\x80\x80",
                                    "ok \xf0\x80\x80\x80",
                                    "ok \xf8\x88\x80\x80\x80"};
  for (int type = BKI_TOKENIZER_WORDS; type <= BKI_TOKENIZER_WHITESPACE; type++) {
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
      bki_tokenizer_config config;
      bki_tokenizer_config_init(&config, (bki_tokenizer_type)type);
      bki_words words;
      bki_words_init(&words);
      bki_error err;
      cr_assert_eq(bki_tokenizer_split(&config, str(bad[i]), &words, &err), BKI_E_DATA, "case %zu", i);
      cr_assert_eq(err.byte, 3);
      cr_assert_not_null(strstr(err.message, "expected UTF-8, found the byte 0x"));
      cr_assert_eq(words.n_words, 0);
      bki_words_clear(&words);
    }
  }
}

Test(tokenizer, refuses_invalid_utf8_in_a_line_break) {
  bki_tokenizer_config config;
  bki_tokenizer_config_init(&config, BKI_TOKENIZER_WORDS);
  bki_words words;
  bki_words_init(&words);
  bki_error err;
  cr_assert_eq(bki_tokenizer_split(&config, str("a<br \xc3(/>"), &words, &err), BKI_E_DATA);
  cr_assert_eq(err.byte, 5);
  bki_words_clear(&words);
}

Test(tokenizer, refuses_a_text_of_4_gib_without_reading_it) {
  bki_tokenizer_config config;
  bki_tokenizer_config_init(&config, BKI_TOKENIZER_WORDS);
  bki_words words;
  bki_words_init(&words);
  bki_error err;
  cr_assert_eq(bki_tokenizer_split(&config, (bki_str){"x", (size_t)1 << 32}, &words, &err), BKI_E_DATA);
  cr_assert_str_eq(err.message, "expected a text of less than 4 GiB, found 4294967296 bytes");
}

Test(words, reuses_its_memory_from_text_to_text) {
  bki_tokenizer_config config;
  bki_tokenizer_config_init(&config, BKI_TOKENIZER_WORDS);
  bki_words words;
  bki_words_init(&words);
  cr_assert_eq(bki_tokenizer_split(&config, str("a long text with many words"), &words, NULL), BKI_OK);
  const char *bytes = words.bytes;
  cr_assert_eq(bki_tokenizer_split(&config, str("short"), &words, NULL), BKI_OK);
  cr_assert_eq(words.bytes, bytes);
  cr_assert_eq(words.n_words, 1);
  cr_assert_eq(bki_tokenizer_split(&config, (bki_str){NULL, 0}, &words, NULL), BKI_OK);
  cr_assert_eq(words.n_words, 0);
  bki_words_clear(&words);
  cr_assert_eq(words.n_words, 0);
}

Test(words, splits_joined_words_and_drops_empty_ones) {
  bki_words words;
  bki_words_init(&words);
  cr_assert_eq(bki_words_split(&words, str(" one  two\tthree\u00a0four "), NULL), BKI_OK);
  expect_tidy(&words);
  cr_assert_eq(words.n_words, 2);
  cr_assert_eq(words.n_bytes, strlen("one two\tthree\u00a0four"));
  cr_assert_arr_eq(words.bytes, "one two\tthree\u00a0four", words.n_bytes);
  cr_assert_eq(bki_words_split(&words, (bki_str){NULL, 0}, NULL), BKI_OK);
  cr_assert_eq(words.n_words, 0);
  bki_words_clear(&words);
}

Test(words, keeps_a_slice) {
  static const struct {
    int32_t first, n;
    const char *kept;
  } cases[] = {{0, 4, "a bb ccc dddd"}, {2, 2, "ccc dddd"}, {0, 2, "a bb"}, {1, 1, "bb"}, {3, 0, ""}, {4, 0, ""}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    bki_words words;
    bki_words_init(&words);
    cr_assert_eq(bki_words_split(&words, str("a bb ccc dddd"), NULL), BKI_OK);
    bki_words_slice(&words, cases[i].first, cases[i].n);
    expect_tidy(&words);
    cr_assert_eq(words.n_words, cases[i].n);
    cr_assert_eq(words.n_bytes, strlen(cases[i].kept), "case %zu", i);
    cr_assert_arr_eq(words.bytes, cases[i].kept, words.n_bytes);
    bki_words_clear(&words);
  }
}
