/* Raising and passing on errors. */
#ifndef BKI_BASE_FAIL_H
#define BKI_BASE_FAIL_H

#include <stddef.h>
#include <stdint.h>

#include <bki/error.h>
#include <bki/text.h>

/* Each fills `err` (unless NULL) and returns the status, so that a cause reads `return bki_fail(...)`. */
bki_status bki_fail(bki_error *err, bki_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* With a position: file NULL, line 0 and byte -1 mean unknown. */
bki_status bki_fail_at(bki_error *err, bki_status status, const char *file, int64_t line, int64_t byte,
                       const char *format, ...) __attribute__((format(printf, 6, 7)));

/* BKI_E_IO, "cannot <what>: <text of errno>". */
bki_status bki_fail_errno(bki_error *err, const char *file, const char *what);

bki_status bki_fail_memory(bki_error *err);

/* Hostile text for a message: quoted, unprintable bytes as \xNN, cut to what fits with "...". Returns buf. */
enum { BKI_QUOTE_SIZE = 64 };
const char *bki_quote(char buf[BKI_QUOTE_SIZE], bki_str text);

#define BKI_TRY(call)                   \
  do {                                  \
    bki_status bki_try_status = (call); \
    if (bki_try_status != BKI_OK) {     \
      return bki_try_status;            \
    }                                   \
  } while (0)

/* For functions with one exit label: `status` is the variable they return. */
#define BKI_TRY_GOTO(status, label, call) \
  do {                                    \
    (status) = (call);                    \
    if ((status) != BKI_OK) {             \
      goto label;                         \
    }                                     \
  } while (0)

#endif
