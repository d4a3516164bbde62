#include "strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"

void bki_strbuf_clear(bki_strbuf *buf) {
  free(buf->data);
  *buf = (bki_strbuf){0};
}

void bki_strbuf_truncate(bki_strbuf *buf, size_t size) {
  if (size < buf->size) {
    buf->size = size;
    buf->data[size] = '\0';
  }
}

/* Room for `more` bytes and the NUL. */
static bool reserve(bki_strbuf *buf, size_t more) {
  size_t need;
  if (buf->failed || !bki_size_add(buf->size, more, &need) || !bki_size_add(need, 1, &need) ||
      bki_array_reserve(&buf->data, &buf->capacity, need, 1, NULL) != BKI_OK) {
    buf->failed = true;
  }
  return !buf->failed;
}

void bki_strbuf_add(bki_strbuf *buf, const char *data, size_t size) {
  if (reserve(buf, size)) {
    if (size > 0) {
      memcpy(buf->data + buf->size, data, size);
    }
    buf->size += size;
    buf->data[buf->size] = '\0';
  }
}

void bki_strbuf_add_text(bki_strbuf *buf, const char *text) {
  bki_strbuf_add(buf, text, strlen(text));
}

void bki_strbuf_format(bki_strbuf *buf, const char *format, ...) {
  va_list args;
  va_start(args, format);
  va_list again;
  va_copy(again, args);
  int size = vsnprintf(NULL, 0, format, args);
  if (size >= 0 && reserve(buf, (size_t)size)) {
    vsnprintf(buf->data + buf->size, (size_t)size + 1, format, again);
    buf->size += (size_t)size;
  }
  va_end(again);
  va_end(args);
}
