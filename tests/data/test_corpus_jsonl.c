#include <criterion/criterion.h>

#include "corpus_file.h"

static bki_corpus_config defaults(void) {
  bki_corpus_config config;
  bki_corpus_config_init(&config);
  return config;
}

static void open_lines(corpus_file *file, bki_str content) {
  bki_corpus_config config = defaults();
  corpus_file_open(file, "a.jsonl", content, &config);
}

/* One bad record, which the given message refuses; `byte` is where. */
static void assert_bad(bki_str content, int64_t byte, const char *message) {
  corpus_file file;
  open_lines(&file, content);
  corpus_file_expect_bad(&file, 1, byte, message);
  cr_assert_not(corpus_file_next(&file));
  corpus_file_close(&file);
}

Test(corpus_jsonl, reads_text_label_and_id) {
  corpus_file file;
  open_lines(&file, BYTES("{\"text\": \"a b\", \"label\": \"pos\", \"id\": \"x1\"}\n"
                          "{\"id\": 7, \"label\": -3, \"text\": \"\", \"more\": [1, {\"x\": null}]}\n"));
  cr_assert_eq(bki_corpus_format(file.corpus), BKI_FORMAT_JSONL);
  corpus_file_expect(&file, "a b", "pos", "x1");
  corpus_file_expect(&file, "", "-3", "7");
  cr_assert_not(corpus_file_next(&file));
  cr_assert_not(corpus_file_next(&file), "the end stays the end");
  corpus_file_close(&file);
}

Test(corpus_jsonl, takes_label_and_id_as_absent_when_missing_or_null) {
  corpus_file file;
  open_lines(&file, BYTES("{\"text\": \"a\"}\n{\"text\": \"b\", \"label\": null, \"id\": \"\"}"));
  corpus_file_expect(&file, "a", NULL, NULL);
  corpus_file_expect(&file, "b", NULL, "");
  corpus_file_close(&file);
}

Test(corpus_jsonl, decodes_escapes_and_keeps_utf8) {
  corpus_file file;
  open_lines(&file, BYTES("{\"text\": \"\\u00e9\\n\\ud83d\\ude00 \xc3\xa9\"}\n"));
  corpus_file_expect(&file, "\xc3\xa9\n\xf0\x9f\x98\x80 \xc3\xa9", NULL, NULL);
  corpus_file_close(&file);
}

Test(corpus_jsonl, keeps_raw_bytes_and_positions_across_blank_lines) {
  corpus_file file;
  open_lines(&file, BYTES("\n {\"text\": \"a\"} \r\n \t\r\n{\"text\": \"b\"}"));
  corpus_file_expect(&file, "a", NULL, NULL);
  cr_assert(str_is(file.record.raw, BYTES(" {\"text\": \"a\"} \r\n")));
  cr_assert_eq(file.record.index, 0);
  cr_assert_eq(file.record.line, 2);
  cr_assert_eq(file.record.byte, 1);
  corpus_file_expect(&file, "b", NULL, NULL);
  cr_assert(str_is(file.record.raw, BYTES("{\"text\": \"b\"}")));
  cr_assert_eq(file.record.index, 1);
  cr_assert_eq(file.record.line, 4);
  cr_assert_eq(file.record.byte, 22);
  cr_assert_not(corpus_file_next(&file));
  corpus_file_close(&file);
}

Test(corpus_jsonl, passes_over_a_byte_order_mark) {
  corpus_file file;
  open_lines(&file, BYTES("\xef\xbb\xbf{\"text\": \"a\"}\n"));
  corpus_file_expect(&file, "a", NULL, NULL);
  cr_assert(str_is(file.record.raw, BYTES("{\"text\": \"a\"}\n")));
  cr_assert_eq(file.record.byte, 3);
  corpus_file_close(&file);
}

Test(corpus_jsonl, reads_an_empty_file) {
  corpus_file file;
  open_lines(&file, BYTES(""));
  cr_assert_not(corpus_file_next(&file));
  corpus_file_close(&file);
}

Test(corpus_jsonl, goes_on_after_a_bad_record) {
  corpus_file file;
  open_lines(&file, BYTES("{\"text\": \"a\"}\n{\"text\": \n{\"text\": \"c\"}\n"));
  corpus_file_expect(&file, "a", NULL, NULL);
  corpus_file_expect_bad(&file, 2, 24, "its end is missing");
  corpus_file_expect(&file, "c", NULL, NULL);
  cr_assert_eq(file.record.index, 2);
  corpus_file_close(&file);
}

Test(corpus_jsonl, refuses_what_is_no_object_of_its_own) {
  assert_bad(BYTES("[\"text\"]\n"), 0, "found an array");
  assert_bad(BYTES("text\n"), 4, "expected one JSON object on the line: invalid syntax");
  assert_bad(BYTES("{\"text\": \"a\"} {\"text\": \"b\"}\n"), 15, "something follows it");
  assert_bad(BYTES("{\"text\": 'a'}\n"), 10, "invalid syntax");
  assert_bad(BYTES("{\"text\": NaN}\n"), 12, "invalid syntax");
}

Test(corpus_jsonl, refuses_a_key_twice) {
  assert_bad(BYTES("{\"text\": \"a\", \"text\": \"b\"}\n"), 20, "a key stands in it twice");
  assert_bad(BYTES("{\"text\": \"a\", \"x\": {\"y\": 1, \"\\u0079\": 2}}\n"), 36, "a key stands in it twice");
}

Test(corpus_jsonl, refuses_invalid_utf8_and_nul) {
  assert_bad(BYTES("{\"text\": \"a\xff\"}\n"), 11, "invalid UTF-8");
  assert_bad(BYTES("{\"text\": \"\xed\xa0\x80\"}\n"), 10, "invalid UTF-8");
  assert_bad(BYTES("{\"text\": \"a\\u0000b\"}\n"), 19, "a NUL character");
  assert_bad(BYTES("{\"text\": \"a\0b\"}\n"), 11, "invalid syntax");
  assert_bad(BYTES("{\"text\": \"a\"}\0\n"), 14, "something follows it");
}

Test(corpus_jsonl, refuses_fields_of_another_type) {
  assert_bad(BYTES("{\"text\": 5}\n"), 0, "expected a string in field \"text\", found an integer");
  assert_bad(BYTES("{\"text\": null}\n"), 0, "expected a string in field \"text\", found null");
  assert_bad(BYTES("{\"text\": [\"a\"]}\n"), 0, "found an array");
  assert_bad(BYTES("{\"text\": \"a\", \"label\": 1.0}\n"), 0,
             "expected a string or an integer in field \"label\", found a number");
  assert_bad(BYTES("{\"text\": \"a\", \"id\": true}\n"), 0, "in field \"id\", found a truth value");
  assert_bad(BYTES("{\"text\": \"a\", \"id\": 99999999999999999999}\n"), 40, "a number that is too large");
}

Test(corpus_jsonl, names_the_fields_it_found_instead) {
  assert_bad(BYTES("{\"review\": \"a\", \"sen\\ntiment\": 1}\n"), 0,
             "expected a field \"text\", found \"review\", \"sen\\x0atiment\"");
  assert_bad(BYTES("{}\n"), 0, "expected a field \"text\", found none at all");
}

Test(corpus_jsonl, keeps_the_list_of_found_fields_short) {
  bki_strbuf line = {0};
  bki_strbuf_add_text(&line, "{\"k\": 0");
  for (int i = 0; i < 1000; i++) {
    bki_strbuf_format(&line, ", \"key %d\": 1", i);
  }
  bki_strbuf_add_text(&line, "}\n");
  assert_bad(bki_strbuf_str(&line), 0, ", ...");
  bki_strbuf_clear(&line);
}

Test(corpus_jsonl, wants_the_fields_that_were_asked_for) {
  bki_corpus_config config = defaults();
  config.text_field = "review";
  config.label_field = "stars";
  config.id_field = "n";
  corpus_file file;
  corpus_file_open(&file, "a.jsonl",
                   BYTES("{\"review\": \"a\", \"stars\": 5, \"n\": \"1\"}\n"
                         "{\"review\": \"a\", \"n\": \"2\"}\n"
                         "{\"review\": \"a\", \"stars\": null, \"n\": \"2\"}\n"
                         "{\"review\": \"a\", \"stars\": 1}\n"),
                   &config);
  corpus_file_expect(&file, "a", "5", "1");
  corpus_file_expect_bad(&file, 2, 38, "expected a field \"stars\", found \"review\", \"n\"");
  corpus_file_expect_bad(&file, 3, 64, "expected a field \"stars\"");
  corpus_file_expect_bad(&file, 4, 105, "expected a field \"n\"");
  corpus_file_close(&file);
}

Test(corpus_jsonl, refuses_nesting_without_end) {
  bki_strbuf line = {0};
  bki_strbuf_add_text(&line, "{\"text\": \"a\", \"x\": ");
  for (int i = 0; i < 100000; i++) {
    bki_strbuf_add_text(&line, "[");
  }
  corpus_file file;
  open_lines(&file, bki_strbuf_str(&line));
  cr_assert(corpus_file_next(&file));
  cr_assert_eq(corpus_file_parse(&file), BKI_E_DATA);
  cr_assert_not_null(strstr(file.err.message, "nested too deeply"), "%s", file.err.message);
  corpus_file_close(&file);
  bki_strbuf_clear(&line);
}

Test(corpus_jsonl, refuses_values_that_would_take_many_times_their_size) {
  bki_strbuf line = {0};
  bki_strbuf_add_text(&line, "{\"text\": \"a\", \"x\": [");
  for (int i = 0; i < 1 << 18; i++) {
    bki_strbuf_add_text(&line, "{},");
  }
  bki_strbuf_add_text(&line, "{}]}\n");
  assert_bad(bki_strbuf_str(&line), 0, "expected at most 262144 values in a record");
  bki_strbuf_clear(&line);
}

Test(corpus_jsonl, reads_a_long_text_of_commas_and_brackets) {
  bki_strbuf line = {0};
  bki_strbuf_add_text(&line, "{\"text\": \"");
  for (int i = 0; i < 1 << 18; i++) {
    bki_strbuf_add_text(&line, ",[\\\"{");
  }
  bki_strbuf_add_text(&line, "\"}\n");
  corpus_file file;
  open_lines(&file, bki_strbuf_str(&line));
  cr_assert(corpus_file_next(&file));
  cr_assert_eq(corpus_file_parse(&file), BKI_OK, "%s", file.err.message);
  cr_assert_eq(file.fields.text.size, (size_t)4 << 18);
  corpus_file_close(&file);
  bki_strbuf_clear(&line);
}

Test(corpus_jsonl, refuses_settings_for_columns) {
  corpus_file file;
  bki_corpus_config config = defaults();
  config.header = BKI_HEADER_ABSENT;
  cr_assert_eq(corpus_file_try(&file, "a.jsonl", BYTES("{}\n"), &config), BKI_E_USAGE);
  corpus_file_close(&file);
  config = defaults();
  config.quoting = BKI_QUOTING_NONE;
  cr_assert_eq(corpus_file_try(&file, "a.jsonl", BYTES("{}\n"), &config), BKI_E_USAGE);
  corpus_file_close(&file);
}
