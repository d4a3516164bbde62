#include "lines.h"

#include <string.h>

#include "fail.h"

bki_status bki_lines_open(bki_lines *lines, const char *path, bki_error *err) {
  return bki_window_open(&lines->window, path, err);
}

bki_status bki_lines_next(bki_lines *lines, bki_str *line, bool *found, bki_error *err) {
  bki_window_take(&lines->window, lines->shown);
  lines->shown = 0;
  for (size_t searched = 0;;) {
    const bki_str seen = bki_window_str(&lines->window);
    const char *end = memchr(seen.data + searched, '\n', seen.size - searched);
    const size_t size = end == NULL ? seen.size : (size_t)(end - seen.data);
    if (size > BKI_LINE_MAX_BYTES) {
      return bki_fail_at(err, BKI_E_DATA, bki_stream_name(lines->window.stream), lines->number + 1, -1,
                         "expected a line of at most %d bytes, found a longer one", BKI_LINE_MAX_BYTES);
    }
    if (end != NULL || lines->window.at_end) {
      *found = seen.size > 0;
      *line = (bki_str){seen.data, size};
      lines->shown = end == NULL ? size : size + 1;
      lines->number += *found ? 1 : 0;
      return BKI_OK;
    }
    searched = seen.size;
    BKI_TRY(bki_window_fill(&lines->window, err));
  }
}

void bki_lines_close(bki_lines *lines) {
  bki_window_close(&lines->window);
}
