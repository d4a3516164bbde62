/* A window over a stream: the bytes that were read and not yet taken, in one piece. */
#ifndef BKI_DATA_WINDOW_H
#define BKI_DATA_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bki/error.h>
#include <bki/stream.h>
#include <bki/text.h>

/* Initialise with {0}. */
typedef struct bki_window {
  bki_stream *stream;
  char *data;
  size_t begin; /* data[begin] .. data[end - 1] is the window */
  size_t end;
  size_t capacity;
  bool at_end;  /* the stream has no more than the window shows */
  int64_t byte; /* offset of the window in the decompressed stream */
} bki_window;

/* Opens another stream; the buffer is kept. The window is empty at first. */
bki_status bki_window_open(bki_window *window, const char *path, bki_error *err);

/* Reads more behind the window's end, or sets at_end. Pointers into the window die. */
bki_status bki_window_fill(bki_window *window, bki_error *err);

static inline bki_str bki_window_str(const bki_window *window) {
  return (bki_str){window->data + window->begin, window->end - window->begin};
}

/* Drops the first n bytes; they stay where they are until the next fill. */
static inline void bki_window_take(bki_window *window, size_t n) {
  window->begin += n;
  window->byte += (int64_t)n;
}

/* Closes the stream and frees the buffer. */
void bki_window_close(bki_window *window);

#endif
