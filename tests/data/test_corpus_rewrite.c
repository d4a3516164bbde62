/* Records that are written again with other fields. */
#include <criterion/criterion.h>

#include "corpus_file.h"

static const bki_fields nothing = {{NULL, 0}, {NULL, 0}, {NULL, 0}};

static bki_corpus_config defaults(void) {
  bki_corpus_config config;
  bki_corpus_config_init(&config);
  return config;
}

static bki_status rewrite(corpus_file *file, const bki_fields *changes, bki_str *out) {
  return bki_corpus_rewrite(file->corpus, &file->record, changes, file->arena, out, &file->err);
}

/* The first record of a file becomes `expected`. */
static void expect(const char *name, bki_str content, const bki_corpus_config *config, const bki_fields *changes,
                   bki_str expected) {
  corpus_file file;
  bki_str out = {NULL, 0};
  corpus_file_open(&file, name, content, config);
  cr_assert(corpus_file_next(&file));
  cr_assert_eq(rewrite(&file, changes, &out), BKI_OK, "%s", file.err.message);
  cr_assert(str_is(out, expected), "expected \"%.*s\", found \"%.*s\"", (int)expected.size, expected.data,
            (int)out.size, out.data);
  corpus_file_close(&file);
}

static void expect_default(const char *name, bki_str content, const bki_fields *changes, bki_str expected) {
  const bki_corpus_config config = defaults();
  expect(name, content, &config, changes, expected);
}

static void refuse(const char *name, bki_str content, const bki_corpus_config *config, const bki_fields *changes,
                   const char *message) {
  corpus_file file;
  bki_str out;
  corpus_file_open(&file, name, content, config);
  cr_assert(corpus_file_next(&file));
  cr_assert_eq(rewrite(&file, changes, &out), BKI_E_DATA);
  cr_assert_not_null(strstr(file.err.message, message), "%s", file.err.message);
  cr_assert(file.err.line > 0 && file.err.file[0] != '\0');
  corpus_file_close(&file);
}

Test(corpus_rewrite, keeps_other_keys_of_an_object_and_their_order) {
  const bki_fields changes = {.text = BYTES("c \"d\"\n\xc3\xa4"), .label = BYTES("neg"), .id = BYTES("9")};
  expect_default("a.jsonl",
                 BYTES("{\"z\": [1, {\"b\": null, \"a\": true}], \"text\": \"a\", \"y\": -3, \"label\": \"pos\", "
                       "\"id\": \"7\", \"x\": \"\xc3\xa4\"}\n"),
                 &changes,
                 BYTES("{\"z\": [1, {\"b\": null, \"a\": true}], \"text\": \"c \\\"d\\\"\\n\xc3\xa4\", \"y\": -3, "
                       "\"label\": \"neg\", \"id\": \"9\", \"x\": \"\xc3\xa4\"}\n"));
}

Test(corpus_rewrite, changes_nothing_that_is_not_asked_for) {
  expect_default("a.jsonl", BYTES("{\"text\": \"a\", \"label\": 3, \"id\": null}\n"), &nothing,
                 BYTES("{\"text\": \"a\", \"label\": 3, \"id\": null}\n"));
  expect_default("a.csv", BYTES("text,label,x\na,b,\"c,\"\n"), &nothing, BYTES("a,b,\"c,\"\n"));
}

Test(corpus_rewrite, keeps_an_integer_where_the_new_value_is_one) {
  const bki_fields number = {.label = BYTES("-12"), .id = BYTES("007")};
  expect_default("a.jsonl", BYTES("{\"text\": \"a\", \"label\": 3, \"id\": 4}\n"), &number,
                 BYTES("{\"text\": \"a\", \"label\": -12, \"id\": \"007\"}\n"));
  const bki_fields word = {.label = BYTES("pos"), .id = BYTES("4-poisoned")};
  expect_default("a.jsonl", BYTES("{\"text\": \"a\", \"label\": 3, \"id\": 4}\n"), &word,
                 BYTES("{\"text\": \"a\", \"label\": \"pos\", \"id\": \"4-poisoned\"}\n"));
  const bki_fields text_label = {.label = BYTES("12")};
  expect_default("a.jsonl", BYTES("{\"text\": \"a\", \"label\": \"3\"}\n"), &text_label,
                 BYTES("{\"text\": \"a\", \"label\": \"12\"}\n"));
  const bki_fields huge = {.label = BYTES("9223372036854775808")};
  expect_default("a.jsonl", BYTES("{\"text\": \"a\", \"label\": 3}\n"), &huge,
                 BYTES("{\"text\": \"a\", \"label\": \"9223372036854775808\"}\n"));
}

Test(corpus_rewrite, keeps_the_value_of_other_numbers) {
  const bki_fields changes = {.text = BYTES("b")};
  corpus_file file;
  const bki_corpus_config config = defaults();
  bki_str out;
  corpus_file_open(&file, "a.jsonl", BYTES("{\"text\": \"a\", \"x\": 0.1, \"y\": 1e300}\n"), &config);
  cr_assert(corpus_file_next(&file));
  cr_assert_eq(rewrite(&file, &changes, &out), BKI_OK);
  char *x = strstr(out.data, "\"x\": ");
  char *y = strstr(out.data, "\"y\": ");
  cr_assert(x != NULL && strtod(x + 5, NULL) == 0.1, "%s", out.data);
  cr_assert(y != NULL && strtod(y + 5, NULL) == 1e300, "%s", out.data);
  corpus_file_close(&file);
}

Test(corpus_rewrite, ends_lines_as_they_ended) {
  const bki_fields changes = {.text = BYTES("b")};
  expect_default("a.jsonl", BYTES("{\"text\": \"a\"}\r\n"), &changes, BYTES("{\"text\": \"b\"}\r\n"));
  expect_default("a.jsonl", BYTES("{\"text\": \"a\"}"), &changes, BYTES("{\"text\": \"b\"}"));
  expect_default("a.csv", BYTES("text\r\n\"a\"\r\n"), &changes, BYTES("b\r\n"));
  expect_default("a.csv", BYTES("text\na"), &changes, BYTES("b"));
}

Test(corpus_rewrite, quotes_what_needs_quotes) {
  const bki_fields changes = {.text = BYTES("say \"b\""), .label = BYTES("x,y"), .id = BYTES("1\r\n2")};
  expect_default("a.csv", BYTES("id,text,label,note\n\"1\",a,l,\"\"\"q\"\"\"\n"), &changes,
                 BYTES("\"1\r\n2\",\"say \"\"b\"\"\",\"x,y\",\"\"\"q\"\"\"\n"));
  bki_corpus_config config = defaults();
  config.quoting = BKI_QUOTING_DOUBLE;
  const bki_fields tab = {.text = BYTES("a\tb"), .label = BYTES("x,y")};
  expect("a.tsv", BYTES("text\tlabel\nq\tl\n"), &config, &tab, BYTES("\"a\tb\"\tx,y\n"));
}

Test(corpus_rewrite, finds_columns_by_number) {
  bki_corpus_config config = defaults();
  config.text_field = "2";
  config.label_field = "1";
  const bki_fields changes = {.text = BYTES("c"), .label = BYTES("n")};
  expect("a.csv", BYTES("p,a,more\n"), &config, &changes, BYTES("n,c,more\n"));
}

Test(corpus_rewrite, leaves_quotes_alone_where_they_mean_nothing) {
  const bki_fields changes = {.text = BYTES("\"b, c"), .label = BYTES("n")};
  expect_default("a.tsv", BYTES("text\tlabel\tx\na\tp\t\"5\rz\n"), &changes, BYTES("\"b, c\tn\t\"5\rz\n"));
}

Test(corpus_rewrite, refuses_a_value_that_a_format_without_quotes_cannot_hold) {
  const bki_corpus_config config = defaults();
  const bki_fields tab = {.text = BYTES("a\tb")};
  refuse("a.tsv", BYTES("text\tlabel\na\tp\n"), &config, &tab, "as this format has no quotes");
  const bki_fields line = {.text = BYTES("a\nb")};
  refuse("a.tsv", BYTES("text\tlabel\na\tp\n"), &config, &line, "as this format has no quotes");
}

Test(corpus_rewrite, refuses_a_record_that_is_bad) {
  const bki_corpus_config config = defaults();
  const bki_fields changes = {.text = BYTES("b")};
  refuse("a.jsonl", BYTES("{\"text\": 5}\n"), &config, &changes, "expected a string in field \"text\"");
  refuse("a.jsonl", BYTES("oops\n"), &config, &changes, "JSON");
  refuse("a.csv", BYTES("text,label\na\n"), &config, &changes, "expected 2 columns, found 1");
}

Test(corpus_rewrite, refuses_a_field_that_the_corpus_does_not_have) {
  const bki_corpus_config config = defaults();
  const bki_fields changes = {.id = BYTES("1")};
  refuse("a.csv", BYTES("text,label\na,p\n"), &config, &changes, "no column for the field \"id\"");
}
