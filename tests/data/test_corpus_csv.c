#include <criterion/criterion.h>

#include "corpus_file.h"

static bki_corpus_config defaults(void) {
  bki_corpus_config config;
  bki_corpus_config_init(&config);
  return config;
}

static bki_corpus_config numbered(const char *text, const char *label) {
  bki_corpus_config config = defaults();
  config.text_field = text;
  config.label_field = label;
  return config;
}

static void open_csv(corpus_file *file, bki_str content) {
  bki_corpus_config config = defaults();
  corpus_file_open(file, "a.csv", content, &config);
}

static void assert_raw(const corpus_file *file, bki_str expected) {
  cr_assert(str_is(file->record.raw, expected), "found \"%.*s\"", (int)file->record.raw.size, file->record.raw.data);
}

static void assert_refused(bki_str content, const bki_corpus_config *config, bki_status status, const char *message) {
  corpus_file file;
  cr_assert_eq(corpus_file_try(&file, "a.csv", content, config), status, "%s", message);
  cr_assert_not_null(strstr(file.err.message, message), "expected \"%s\", found \"%s\"", message, file.err.message);
  corpus_file_close(&file);
}

Test(corpus_csv, finds_columns_by_the_names_in_the_header) {
  corpus_file file;
  open_csv(&file, BYTES("label,x,text,id\npos,1,a b,7\n,,,\n"));
  cr_assert_eq(bki_corpus_format(file.corpus), BKI_FORMAT_CSV);
  cr_assert(str_is(bki_corpus_header(file.corpus), BYTES("label,x,text,id\n")));
  corpus_file_expect(&file, "a b", "pos", "7");
  cr_assert_eq(file.record.index, 0);
  cr_assert_eq(file.record.line, 2);
  cr_assert_eq(file.record.byte, 16);
  corpus_file_expect(&file, "", NULL, NULL);
  cr_assert_not(corpus_file_next(&file));
  corpus_file_close(&file);
}

Test(corpus_csv, keeps_embedded_newlines_and_doubled_quotes) {
  corpus_file file;
  open_csv(&file, BYTES("text,label\n\"a,\n\"\"b\"\"\r\nc\",pos\n\"\",\"x\"\nplain,y\n"));
  corpus_file_expect(&file, "a,\n\"b\"\r\nc", "pos", NULL);
  assert_raw(&file, BYTES("\"a,\n\"\"b\"\"\r\nc\",pos\n"));
  corpus_file_expect(&file, "", "x", NULL);
  cr_assert_eq(file.record.line, 5);
  corpus_file_expect(&file, "plain", "y", NULL);
  corpus_file_close(&file);
}

Test(corpus_csv, keeps_blanks_and_lone_carriage_returns) {
  corpus_file file;
  open_csv(&file, BYTES("text,label\n \ta b\t , x \na\rb,\" c \"\n"));
  corpus_file_expect(&file, " \ta b\t ", " x ", NULL);
  corpus_file_expect(&file, "a\rb", " c ", NULL);
  corpus_file_close(&file);
}

Test(corpus_csv, reads_crlf_and_a_last_line_without_end) {
  corpus_file file;
  open_csv(&file, BYTES("text,label\r\na,b\r\n\r\n\nc,\"d\""));
  corpus_file_expect(&file, "a", "b", NULL);
  assert_raw(&file, BYTES("a,b\r\n"));
  corpus_file_expect(&file, "c", "d", NULL);
  assert_raw(&file, BYTES("c,\"d\""));
  cr_assert_eq(file.record.line, 5);
  cr_assert_not(corpus_file_next(&file));
  corpus_file_close(&file);
}

Test(corpus_csv, keeps_a_byte_order_mark_with_the_header) {
  corpus_file file;
  open_csv(&file, BYTES("\xef\xbb\xbf\"text\",label\na,b\n"));
  cr_assert(str_is(bki_corpus_header(file.corpus), BYTES("\xef\xbb\xbf\"text\",label\n")));
  corpus_file_expect(&file, "a", "b", NULL);
  corpus_file_close(&file);
}

Test(corpus_csv, passes_over_a_byte_order_mark_without_a_header) {
  corpus_file file;
  bki_corpus_config config = numbered("1", NULL);
  corpus_file_open(&file, "a.csv", BYTES("\xef\xbb\xbf\"a\"\n"), &config);
  cr_assert_eq(bki_corpus_header(file.corpus).size, 0);
  corpus_file_expect(&file, "a", NULL, NULL);
  assert_raw(&file, BYTES("\"a\"\n"));
  corpus_file_close(&file);
}

Test(corpus_csv, finds_columns_by_number) {
  corpus_file file;
  bki_corpus_config config = numbered("3", "1");
  corpus_file_open(&file, "a.csv", BYTES("pos,Title,some text\nneg,,more\n"), &config);
  corpus_file_expect(&file, "some text", "pos", NULL);
  cr_assert_eq(file.record.line, 1);
  corpus_file_expect(&file, "more", "neg", NULL);
  corpus_file_close(&file);
}

Test(corpus_csv, finds_columns_by_number_below_a_header) {
  corpus_file file;
  bki_corpus_config config = numbered("2", "l");
  corpus_file_open(&file, "a.csv", BYTES("l,t\npos,some text\n"), &config);
  corpus_file_expect(&file, "some text", "pos", NULL);
  corpus_file_close(&file);
  config = numbered("2", "1");
  config.header = BKI_HEADER_PRESENT;
  corpus_file_open(&file, "a.csv", BYTES("l,t\npos,some text\n"), &config);
  corpus_file_expect(&file, "some text", "pos", NULL);
  corpus_file_close(&file);
}

Test(corpus_csv, refuses_headers_without_the_columns) {
  bki_corpus_config config = defaults();
  assert_refused(BYTES("review,sentiment\n"), &config, BKI_E_DATA,
                 "expected a column \"text\", found \"review\", \"sentiment\"");
  assert_refused(BYTES("text,text\n"), &config, BKI_E_DATA, "expected one column \"text\", found several");
  assert_refused(BYTES("text,la\"bel\n"), &config, BKI_E_DATA, "stray quote");
  assert_refused(BYTES("\n\n"), &config, BKI_E_DATA, "expected a header line of at most 16777216 bytes, found nothing");
  config.label_field = "stars";
  assert_refused(BYTES("text,label\n"), &config, BKI_E_DATA, "expected a column \"stars\", found \"text\", \"label\"");
  config = numbered("3", "label");
  assert_refused(BYTES("text,label\n"), &config, BKI_E_DATA, "expected a column \"3\", found");
  config = numbered("text", "0");
  assert_refused(BYTES("text,label\n"), &config, BKI_E_DATA, "expected a column \"0\", found");
  config = defaults();
  config.max_record_bytes = 10;
  assert_refused(BYTES("text,label\n"), &config, BKI_E_DATA, "found a longer one");
}

Test(corpus_csv, refuses_names_where_there_is_no_header) {
  bki_corpus_config config = numbered("text", "1");
  config.header = BKI_HEADER_ABSENT;
  assert_refused(BYTES("a,b\n"), &config, BKI_E_USAGE, "expected the number of a column");
  config = numbered(NULL, "1");
  config.header = BKI_HEADER_ABSENT;
  assert_refused(BYTES("a,b\n"), &config, BKI_E_USAGE, "found the name \"text\"");
  config = numbered("3", "1");
  assert_refused(BYTES("a,b\n"), &config, BKI_E_DATA, "expected at least 3 columns, found 2");
}

Test(corpus_csv, refuses_a_wrong_number_of_columns) {
  corpus_file file;
  open_csv(&file, BYTES("text,label\na,b,c\na\nd,e\n"));
  corpus_file_expect_bad(&file, 2, 11, "expected 2 columns, found 3");
  corpus_file_expect_bad(&file, 3, 17, "expected 2 columns, found 1");
  corpus_file_expect(&file, "d", "e", NULL);
  corpus_file_close(&file);
}

Test(corpus_csv, takes_the_number_of_columns_from_the_first_record_without_a_header) {
  corpus_file file;
  bki_corpus_config config = numbered("1", NULL);
  corpus_file_open(&file, "a.csv", BYTES("a,b\nc\n"), &config);
  corpus_file_expect(&file, "a", NULL, NULL);
  corpus_file_expect_bad(&file, 2, 4, "expected 2 columns, found 1");
  corpus_file_close(&file);
  config = numbered("2", NULL);
  corpus_file_open(&file, "a.csv", BYTES("a\"\nc\nd,e\n"), &config);
  corpus_file_expect_bad(&file, 1, 1, "stray quote");
  corpus_file_expect_bad(&file, 2, 3, "expected at least 2 columns, found 1");
  corpus_file_expect(&file, "e", NULL, NULL);
  corpus_file_close(&file);
}

Test(corpus_csv, wants_a_value_where_a_field_was_asked_for) {
  corpus_file file;
  bki_corpus_config config = numbered("text", "label");
  corpus_file_open(&file, "a.csv", BYTES("text,label\na,\n"), &config);
  corpus_file_expect_bad(&file, 2, 11, "expected a value in column 2, the field \"label\", found it empty");
  corpus_file_close(&file);
}

Test(corpus_csv, loses_one_record_to_a_stray_quote) {
  corpus_file file;
  open_csv(&file, BYTES("text,label\na\"b\",c\n\"d\"e,f\ng,h\n"));
  corpus_file_expect_bad(&file, 2, 12, "stray quote");
  corpus_file_expect_bad(&file, 3, 21, "expected a delimiter or the end after a closing quote");
  corpus_file_expect(&file, "g", "h", NULL);
  corpus_file_close(&file);
}

Test(corpus_csv, refuses_a_quote_that_is_never_closed) {
  corpus_file file;
  open_csv(&file, BYTES("text,label\na,b\n\"c,d\ne,f\n"));
  corpus_file_expect(&file, "a", "b", NULL);
  corpus_file_expect_bad(&file, 4, 23, "expected a closing quote, found the end");
  cr_assert_eq(file.record.line, 3);
  cr_assert_not(corpus_file_next(&file));
  corpus_file_close(&file);
}

Test(corpus_csv, refuses_invalid_utf8_and_nul) {
  corpus_file file;
  open_csv(&file, BYTES("text,label\na\xff,b\n\"\n\xed\xa0\x80\",b\na\0b,c\nd,e\n"));
  corpus_file_expect_bad(&file, 2, 12, "expected UTF-8, found an invalid byte");
  corpus_file_expect_bad(&file, 4, 18, "expected UTF-8, found an invalid byte");
  corpus_file_expect_bad(&file, 5, 26, "expected text, found a NUL byte");
  corpus_file_expect(&file, "d", "e", NULL);
  corpus_file_close(&file);
}

Test(corpus_tsv, takes_quotes_as_characters_unless_told) {
  corpus_file file;
  bki_corpus_config config = defaults();
  const bki_str content = BYTES("text\tlabel\n\"a \"\"b\"\t\"c\"\r\n");
  corpus_file_open(&file, "a.tsv", content, &config);
  cr_assert_eq(bki_corpus_format(file.corpus), BKI_FORMAT_TSV);
  corpus_file_expect(&file, "\"a \"\"b\"", "\"c\"", NULL);
  corpus_file_close(&file);
  config.quoting = BKI_QUOTING_DOUBLE;
  corpus_file_open(&file, "a.tsv", content, &config);
  corpus_file_expect(&file, "a \"b", "c", NULL);
  corpus_file_close(&file);
}

Test(corpus_tsv, keeps_commas_and_unbalanced_quotes) {
  corpus_file file;
  bki_corpus_config config = defaults();
  corpus_file_open(&file, "a.tsv", BYTES("text\tlabel\n\"a, b\tc\n d\t\n"), &config);
  corpus_file_expect(&file, "\"a, b", "c", NULL);
  corpus_file_expect(&file, " d", NULL, NULL);
  corpus_file_close(&file);
}

Test(corpus_csv, may_have_no_quotes) {
  corpus_file file;
  bki_corpus_config config = numbered("1", "2");
  config.quoting = BKI_QUOTING_NONE;
  corpus_file_open(&file, "a.csv", BYTES("\"a,b\"\n"), &config);
  corpus_file_expect(&file, "\"a", "b\"", NULL);
  corpus_file_close(&file);
}
