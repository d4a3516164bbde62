/* A string that grows. */
#ifndef BKI_BASE_STRBUF_H
#define BKI_BASE_STRBUF_H

#include <stdbool.h>
#include <stddef.h>

#include <bki/text.h>

/* `data` is NUL-terminated, or NULL while empty. Running out of memory sets `failed` and drops what follows, so that
 * the check stands once, at the end. Initialise with {0}. */
typedef struct bki_strbuf {
  char *data;
  size_t size;
  size_t capacity;
  bool failed;
} bki_strbuf;

void bki_strbuf_clear(bki_strbuf *buf); /* frees */
void bki_strbuf_truncate(bki_strbuf *buf, size_t size);
void bki_strbuf_add(bki_strbuf *buf, const char *data, size_t size);
void bki_strbuf_add_text(bki_strbuf *buf, const char *text);
void bki_strbuf_format(bki_strbuf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline bki_str bki_strbuf_str(const bki_strbuf *buf) {
  return (bki_str){buf->data, buf->size};
}

#endif
