/* Errors: what they hold, how they read, and how hostile text is quoted. */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fail.h"
#include "log.h"

Test(fail, fills_everything_and_returns_the_status) {
  bki_error err;
  memset(&err, 0xaa, sizeof err);
  cr_expect_eq(bki_fail(&err, BKI_E_DATA, "expected %d", 3), BKI_E_DATA);
  cr_expect(err.status == BKI_E_DATA && err.line == 0 && err.byte == -1);
  cr_expect_str_eq(err.file, "");
  cr_expect_str_eq(err.message, "expected 3");
  cr_expect_eq(bki_fail_at(&err, BKI_E_USAGE, "f.csv", 7, 42, "bad"), BKI_E_USAGE);
  cr_expect(err.line == 7 && err.byte == 42);
  cr_expect_str_eq(err.file, "f.csv");
  cr_expect_eq(bki_fail_memory(&err), BKI_E_INTERNAL);
  cr_expect_eq(bki_fail(NULL, BKI_E_DEVICE, "nobody asked"), BKI_E_DEVICE);
}

Test(fail, arguments_may_lie_in_the_error_itself) {
  bki_error err;
  bki_fail_at(&err, BKI_E_DATA, "a.txt", 1, -1, "cause");
  bki_fail_at(&err, BKI_E_DATA, err.file, 2, -1, "record 5: %s", err.message);
  cr_expect_str_eq(err.file, "a.txt");
  cr_expect_str_eq(err.message, "record 5: cause");
}

Test(fail, cuts_what_does_not_fit) {
  bki_error err;
  char file[1000];
  memset(file, 'f', sizeof file);
  file[999] = '\0';
  bki_fail_at(&err, BKI_E_DATA, file, 0, -1, "%0900d", 1);
  cr_expect_eq(strlen(err.file), sizeof err.file - 1);
  cr_expect_eq(strlen(err.message), sizeof err.message - 1);
}

Test(fail, names_the_systems_reason) {
  bki_error err;
  errno = ENOSPC;
  cr_expect_eq(bki_fail_errno(&err, "out.bki", "write"), BKI_E_IO);
  cr_expect_str_eq(err.message, "cannot write: No space left on device");
  errno = 99999;
  bki_fail_errno(&err, NULL, "write");
  cr_expect_str_eq(err.message, "cannot write: unknown error");
}

static bki_status raise(bki_status status) {
  BKI_TRY(status);
  return BKI_OK;
}

static bki_status raise_through_label(bki_status status, bool *cleaned) {
  bki_status result;
  BKI_TRY_GOTO(result, done, status);
done:
  *cleaned = true;
  return result;
}

Test(fail, try_passes_on_what_is_not_ok) {
  bool cleaned = false;
  cr_expect_eq(raise(BKI_OK), BKI_OK);
  cr_expect_eq(raise(BKI_E_IO), BKI_E_IO);
  cr_expect_eq(raise_through_label(BKI_E_DATA, &cleaned), BKI_E_DATA);
  cr_expect(cleaned);
}

Test(fail, formats_the_position_that_is_known) {
  char buf[64];
  bki_error err = {.byte = -1, .message = "bad"};
  cr_expect_str_eq(bki_error_format(&err, buf, sizeof buf), "bad");
  strcpy(err.file, "f");
  cr_expect_str_eq(bki_error_format(&err, buf, sizeof buf), "f: bad");
  err.byte = 0;
  cr_expect_str_eq(bki_error_format(&err, buf, sizeof buf), "f: byte 0: bad");
  err.line = 3;
  cr_expect_str_eq(bki_error_format(&err, buf, sizeof buf), "f:3: bad");
  cr_expect_str_eq(bki_error_format(&err, buf, 4), "f:3");
}

Test(fail, every_status_has_a_name) {
  const bki_status all[] = {BKI_OK, BKI_E_USAGE, BKI_E_DATA, BKI_E_IO, BKI_E_DEVICE, BKI_E_INTERNAL, BKI_E_INTERRUPTED};
  for (size_t i = 0; i < 7; i++) {
    cr_expect_str_neq(bki_status_name(all[i]), "unknown");
    for (size_t k = 0; k < i; k++) {
      cr_expect_str_neq(bki_status_name(all[i]), bki_status_name(all[k]));
    }
  }
  cr_expect_str_eq(bki_status_name((bki_status)1), "unknown");
}

Test(quote, escapes_what_could_deceive) {
  char buf[BKI_QUOTE_SIZE];
  cr_expect_str_eq(bki_quote(buf, (bki_str){"plain text", 10}), "\"plain text\"");
  cr_expect_str_eq(bki_quote(buf, (bki_str){"a\"b\\c", 5}), "\"a\\\"b\\\\c\"");
  cr_expect_str_eq(bki_quote(buf, (bki_str){"\x1b[2J\n\0\x7f\xc3\xa9", 9}), "\"\\x1b[2J\\x0a\\x00\\x7f\\xc3\\xa9\"");
  cr_expect_str_eq(bki_quote(buf, (bki_str){NULL, 0}), "\"\"");
}

Test(quote, cuts_long_text_and_says_so) {
  for (size_t size = 0; size < 200; size++) {
    for (int kind = 0; kind < 3; kind++) {
      char text[200];
      memset(text, kind == 0 ? 'x' : kind == 1 ? '"' : 0xff, sizeof text);
      struct {
        char buf[BKI_QUOTE_SIZE];
        char after;
      } out = {.after = '!'};
      bki_quote(out.buf, (bki_str){text, size});
      size_t length = strlen(out.buf);
      cr_assert_lt(length, BKI_QUOTE_SIZE);
      cr_assert_eq(out.after, '!');
      size_t escaped = size * (kind == 0 ? 1 : kind == 1 ? 2 : 4);
      bool cut = length > 3 && strcmp(out.buf + length - 3, "...") == 0;
      size_t shown = length - 2 - (cut ? 3 : 0); /* without quotes and dots */
      cr_assert(cut ? shown < escaped : shown == escaped, "%zu bytes of kind %d: %s", size, kind, out.buf);
    }
  }
}

static void keep_message(void *user, bki_log_level level, const char *message) {
  snprintf(user, 64, "%d %s", (int)level, message);
}

Test(log, goes_to_the_caller_or_nowhere) {
  char kept[64] = "";
  const bki_logger logger = {.fn = keep_message, .user = kept};
  const bki_logger silent = {0};
  bki_log(&logger, BKI_LOG_WARNING, "%d records", 3);
  char expected[64];
  snprintf(expected, sizeof expected, "%d 3 records", (int)BKI_LOG_WARNING);
  cr_expect_str_eq(kept, expected);
  bki_log(&silent, BKI_LOG_WARNING, "nobody listens");
}
