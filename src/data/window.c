#include "window.h"

#include <stdlib.h>
#include <string.h>

#include "array.h"

enum { FILL_BYTES = 256 * 1024 };

bki_status bki_window_open(bki_window *window, const char *path, bki_error *err) {
  bki_stream_close(window->stream);
  *window = (bki_window){.data = window->data, .capacity = window->capacity};
  /* Never without a buffer: the window of an empty stream is a string too. */
  bki_status status = bki_array_reserve(&window->data, &window->capacity, FILL_BYTES, 1, err);
  return status != BKI_OK ? status : bki_stream_open(&window->stream, path, err);
}

/* Room for FILL_BYTES more: by moving what is left to the front, and by growing when that is not enough. */
static bki_status make_room(bki_window *w, bki_error *err) {
  size_t size = w->end - w->begin;
  if (w->capacity - w->end >= FILL_BYTES) {
    return BKI_OK;
  }
  memmove(w->data, w->data + w->begin, size);
  w->begin = 0;
  w->end = size;
  return bki_array_reserve(&w->data, &w->capacity, size + FILL_BYTES, 1, err);
}

bki_status bki_window_fill(bki_window *window, bki_error *err) {
  bki_status status = make_room(window, err);
  if (status != BKI_OK) {
    return status;
  }
  size_t got = 0;
  status = bki_stream_read(window->stream, window->data + window->end, window->capacity - window->end, &got, err);
  window->end += got;
  window->at_end = status == BKI_OK && got == 0;
  return status;
}

void bki_window_close(bki_window *window) {
  bki_stream_close(window->stream);
  free(window->data);
  *window = (bki_window){0};
}
