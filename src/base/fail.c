#include "fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 6, 0))) static bki_status fail_va(bki_error *err, bki_status status, const char *file,
                                                                int64_t line, int64_t byte, const char *format,
                                                                va_list args) {
  if (err == NULL) {
    return status;
  }
  char message[sizeof err->message]; /* the arguments may point into *err */
  vsnprintf(message, sizeof message, format, args);
  bki_error filled = {.status = status, .line = line, .byte = byte};
  snprintf(filled.file, sizeof filled.file, "%s", file == NULL ? "" : file);
  memcpy(filled.message, message, sizeof message);
  *err = filled;
  return status;
}

bki_status bki_fail(bki_error *err, bki_status status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fail_va(err, status, NULL, 0, -1, format, args);
  va_end(args);
  return status;
}

bki_status bki_fail_at(bki_error *err, bki_status status, const char *file, int64_t line, int64_t byte,
                       const char *format, ...) {
  va_list args;
  va_start(args, format);
  fail_va(err, status, file, line, byte, format, args);
  va_end(args);
  return status;
}

bki_status bki_fail_errno(bki_error *err, const char *file, const char *what) {
  const char *reason = strerrordesc_np(errno);
  return bki_fail_at(err, BKI_E_IO, file, 0, -1, "cannot %s: %s", what, reason == NULL ? "unknown error" : reason);
}

bki_status bki_fail_memory(bki_error *err) {
  return bki_fail(err, BKI_E_INTERNAL, "out of memory");
}

const char *bki_quote(char buf[BKI_QUOTE_SIZE], bki_str text) {
  static const char hex[] = "0123456789abcdef";
  const size_t room = BKI_QUOTE_SIZE - 6; /* closing quote, "...", NUL, and one to spare */
  size_t n = 0;
  size_t i = 0;
  buf[n++] = '"';
  for (; i < text.size && n < room - 3; i++) {
    unsigned char byte = (unsigned char)text.data[i];
    if (byte == '"' || byte == '\\') {
      buf[n++] = '\\';
      buf[n++] = (char)byte;
    } else if (byte >= 0x20 && byte < 0x7f) {
      buf[n++] = (char)byte;
    } else {
      buf[n++] = '\\';
      buf[n++] = 'x';
      buf[n++] = hex[byte >> 4];
      buf[n++] = hex[byte & 15];
    }
  }
  buf[n++] = '"';
  memcpy(buf + n, i < text.size ? "..." : "", i < text.size ? 4 : 1);
  return buf;
}

const char *bki_error_format(const bki_error *err, char *buf, size_t size) {
  if (err->file[0] == '\0') {
    snprintf(buf, size, "%s", err->message);
  } else if (err->line > 0) {
    snprintf(buf, size, "%s:%lld: %s", err->file, (long long)err->line, err->message);
  } else if (err->byte >= 0) {
    snprintf(buf, size, "%s: byte %lld: %s", err->file, (long long)err->byte, err->message);
  } else {
    snprintf(buf, size, "%s: %s", err->file, err->message);
  }
  return buf;
}

const char *bki_status_name(bki_status status) {
  switch (status) {
    case BKI_OK: return "ok";
    case BKI_E_USAGE: return "usage";
    case BKI_E_DATA: return "data";
    case BKI_E_IO: return "io";
    case BKI_E_DEVICE: return "device";
    case BKI_E_INTERNAL: return "internal";
    case BKI_E_INTERRUPTED: return "interrupted";
  }
  return "unknown";
}
