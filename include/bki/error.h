/* Errors: what every fallible function returns, and where the message lies.
 *
 * A fallible function returns a bki_status and takes `bki_error *err` last. On BKI_OK `err` is untouched. On anything
 * else, `err` (unless NULL) says what was expected and what was found; out-parameters are left as they were unless the
 * function says otherwise. The values of bki_status are the exit codes of the program. */
#ifndef BKI_ERROR_H
#define BKI_ERROR_H

#include <stddef.h>
#include <stdint.h>

#include <bki/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bki_status {
  BKI_OK = 0,
  BKI_E_USAGE = 2,        /* a setting is out of its range, or settings contradict each other */
  BKI_E_DATA = 3,         /* input data (corpus, model, store) is not what it has to be */
  BKI_E_IO = 4,           /* the system refused: open, read, write, disk full, ... */
  BKI_E_DEVICE = 5,       /* a backend or device that was asked for is not usable here */
  BKI_E_INTERNAL = 6,     /* out of memory, or a defect of this library */
  BKI_E_INTERRUPTED = 75, /* stopped on request; the same call goes on where it stopped */
} bki_status;

/* One error. No allocation: it may live on the stack and be copied. */
typedef struct bki_error {
  bki_status status;
  char file[256];    /* the input it was found in; "" where none is to blame */
  int64_t line;      /* 1-based; 0 where unknown */
  int64_t byte;      /* 0-based offset in the decompressed input (column fields say so in the message); -1 unknown */
  char message[768]; /* one line: what was expected, what was found. Hostile input is escaped. */
} bki_error;

/* Writes "file:line: message" (the parts that are known) into buf, NUL-terminated and cut to size. Returns buf. */
BKI_API const char *bki_error_format(const bki_error *err, char *buf, size_t size);

/* A short name: "ok", "usage", "data", "io", "device", "internal", "interrupted". Never NULL. */
BKI_API const char *bki_status_name(bki_status status);

#ifdef __cplusplus
}
#endif

#endif
