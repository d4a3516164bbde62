#include <string.h>

#include <criterion/criterion.h>

#include "json.h"
#include "terminal.h"

static char *captured;
static size_t captured_size;

static FILE *capture(void) {
  return open_memstream(&captured, &captured_size);
}

static void assert_captured(FILE *out, const char *expected) {
  fclose(out);
  cr_assert_str_eq(captured, expected);
  free(captured);
}

static void assert_printed(const char *text, const char *expected, int width) {
  FILE *out = capture();
  cr_assert_eq(bki_print_text(out, (bki_str){text, strlen(text)}), width, "%s", text);
  assert_captured(out, expected);
}

Test(terminal, leaves_ordinary_text_alone) {
  assert_printed("naïveté 日本 it's", "naïveté 日本 it's", 17);
}

Test(terminal, escapes_what_could_steer_a_terminal) {
  assert_printed("\033[31mred\a\x7f", "\\x1b[31mred\\x07\\x7f", 19);
  assert_printed("a\tb\nc\rd\\e", "a\\tb\\nc\\rd\\\\e", 13);
  assert_printed(
      "\xc2\x9b"
      "2J",
      "\\x9b2J", 6); /* U+009B, CSI in one byte */
  assert_printed(
      "\xe2\x80\xae"
      "abc",
      "\\u202eabc", 9);                                                 /* right-to-left override */
  assert_printed("\xe2\x80\xa8\xe2\x80\x8b", "\\u2028\\u200b", 12);     /* line separator, zero width space */
  assert_printed("cf\xef\xb8\x8f\xe3\x85\xa4", "cf\\ufe0f\\u3164", 14); /* variation selector, Hangul filler */
  assert_printed("\xf3\xa0\x81\x81", "\\U000e0041", 10);                /* a tag character */
  assert_printed("\xff\xc3(", "\\xff\\xc3(", 9);
}

Test(terminal, shows_the_beginning_of_a_huge_word) {
  char word[5000];
  memset(word, 'a', sizeof word);
  memcpy(word + 98, "\xe6\x97\xa5", 3); /* does not fit into 100 bytes */
  char expected[102];
  memset(expected, 'a', 98);
  memcpy(expected + 98, "...", 4);
  FILE *out = capture();
  cr_assert_eq(bki_print_word(out, (bki_str){word, sizeof word}), 101);
  assert_captured(out, expected);
}

Test(terminal, does_not_escape_a_message_twice) {
  FILE *out = capture();
  bki_print_message(out, "x\033.jsonl: found \"\\x1b\\\"\"");
  assert_captured(out, "x\\x1b.jsonl: found \"\\x1b\\\"\"");
}

Test(terminal, aligns_columns_by_what_they_show) {
  bki_table *table = bki_table_create("lr");
  bki_table_add_text(table, (bki_str){"日本", 6});
  bki_table_add(table, "%d", 7);
  bki_table_add_text(table, (bki_str){"x", 1});
  bki_table_add(table, "%d", 1234);
  FILE *out = capture();
  cr_assert(bki_table_print(table, out));
  assert_captured(out, "日本     7\nx     1234\n");
  bki_table_destroy(table);
}

static void assert_duration(double seconds, const char *expected) {
  char text[32];
  bki_format_duration(text, sizeof text, seconds);
  cr_assert_str_eq(text, expected);
}

Test(terminal, formats_durations) {
  assert_duration(0.2, "0 s");
  assert_duration(119, "119 s");
  assert_duration(130, "2 min");
  assert_duration(12000, "3 h 20 min");
  assert_duration(200000, "2 d 7 h");
}

static void assert_progress(bki_progress progress, const char *expected) {
  char text[256];
  bki_format_progress(text, sizeof text, &progress);
  cr_assert_str_eq(text, expected);
}

Test(terminal, formats_progress_by_work_and_rates_by_this_run) {
  assert_progress((bki_progress){.n_records = 500,
                                 .n_samples = 500,
                                 .samples_before = 400,
                                 .work_done = 30000000,
                                 .work_done_before = 20000000,
                                 .work_total = 120000000,
                                 .bytes_total = 1000,
                                 .seconds = 10},
                  "25.0 % of the work, 1 M row-steps/s, 10 samples/s, 500 records, 90 s left");
}

Test(terminal, formats_progress_of_unknown_work_by_bytes) {
  assert_progress((bki_progress){.n_records = 5,
                                 .n_samples = 5,
                                 .work_done = 1234,
                                 .work_total = -1,
                                 .bytes_done = 2500000,
                                 .bytes_total = -1,
                                 .seconds = 1},
                  "2.5 MB, 1.23 k row-steps/s, 5 samples/s, 5 records");
  assert_progress((bki_progress){.surveying = true, .n_records = 7, .bytes_done = 10, .bytes_total = 40},
                  "reading: 25.0 %, 7 records");
  assert_progress((bki_progress){.judging = true, .n_records = 8, .n_samples = 7}, "judging: 7 samples");
}

Test(terminal, names_the_three_most_frequent_labels) {
  static const char *const names[] = {"a", "b", "c", "d"};
  const bki_classes classes = {names, 4};
  const int64_t counts[] = {1, 0, 6, 1, 2};
  const bki_candidate candidate = {.n_samples = 10, .label_counts = counts};
  char text[64];
  bki_format_labels(text, sizeof text, &candidate, &classes);
  cr_assert_str_eq(text, "c 60 %, (no label) 20 %, a 10 %");
}

Test(terminal, says_how_many_words_were_screened_only) {
  static const int32_t selected[] = {1};
  bki_rule rule;
  bki_rule_init(&rule, BKI_PRESET_PAPER);
  bki_words words;
  bki_words_init(&words);
  cr_assert_eq(bki_words_split(&words, (bki_str){"a b c", 5}, NULL), BKI_OK);
  const float score[] = {0.25F, 0.5F, 0};
  const uint8_t flags[] = {BKI_WORD_SCREENED, BKI_WORD_FLIP, BKI_WORD_SCREENED | BKI_WORD_OOV};
  const bki_sample sample = {.words = &words, .score = score, .word_flags = flags};
  const bki_sample_view view = {.rule = &rule, .selected = selected, .n_selected = 1, .columns = 80};
  FILE *out = capture();
  cr_assert(bki_print_sample(out, &sample, &view));
  assert_captured(
      out,
      "\na [b] c\n\nrank  position  word     score  flips  known\n   1         1  b     0.500000  yes    yes\n"
      "\n2 of 3 words were screened only: their scores and shades are not those of fp32\n");
  bki_words_clear(&words);
}

Test(json, replaces_bytes_that_are_not_utf8) {
  json_t *value = bki_json_text((bki_str){"a\xff\xc3\xa4", 4});
  cr_assert_str_eq(json_string_value(value), "a\xef\xbf\xbd\xc3\xa4");
  json_decref(value);
  value = bki_json_text((bki_str){NULL, 0});
  cr_assert(json_is_null(value));
}
