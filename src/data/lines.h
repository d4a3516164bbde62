/* A text file, line by line. */
#ifndef BKI_DATA_LINES_H
#define BKI_DATA_LINES_H

#include <stdbool.h>

#include "window.h"

enum { BKI_LINE_MAX_BYTES = 16 * 1024 * 1024 };

/* Initialise with {0}. */
typedef struct bki_lines {
  bki_window window;
  int64_t number; /* of the line read last, from 1 */
  size_t shown;   /* its size with its end */
} bki_lines;

bki_status bki_lines_open(bki_lines *lines, const char *path, bki_error *err);

/* The next line without its LF, borrowed until the next call; the last one may lack it. *found is false at the end.
 * Errors: as bki_stream_read; BKI_E_DATA: a line longer than BKI_LINE_MAX_BYTES. */
bki_status bki_lines_next(bki_lines *lines, bki_str *line, bool *found, bki_error *err);

void bki_lines_close(bki_lines *lines);

#endif
