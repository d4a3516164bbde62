/* A directory of its own for each test, and whole files in and out of it. Every failure ends the test. */
#ifndef BKI_TEST_SCRATCH_H
#define BKI_TEST_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "strbuf.h"

/* The path of `name` in the directory of this test, which is made on first use and removed at exit. One of a few static
 * buffers, in turn. */
static inline const char *scratch_path(const char *name);
static inline void scratch_write(const char *path, const void *data, size_t size);
/* Caller clears. */
static inline bki_strbuf scratch_read(const char *path);

static char scratch_directory[64];

static inline void scratch_remove(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", scratch_directory);
  if (system(command) != 0) {
    perror(command);
  }
}

static inline const char *scratch_path(const char *name) {
  static char paths[8][256];
  static unsigned turn;
  if (scratch_directory[0] == '\0') {
    snprintf(scratch_directory, sizeof scratch_directory, "%s/bki-test-XXXXXX", P_tmpdir);
    cr_assert_not_null(mkdtemp(scratch_directory));
    atexit(scratch_remove);
  }
  char *path = paths[turn++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", scratch_directory, name);
  return path;
}

static inline void scratch_write(const char *path, const void *data, size_t size) {
  FILE *file = fopen(path, "wb");
  cr_assert_not_null(file, "cannot create %s", path);
  cr_assert_eq(fwrite(data, 1, size, file), size);
  cr_assert_eq(fclose(file), 0);
}

static inline bki_strbuf scratch_read(const char *path) {
  bki_strbuf content = {0};
  FILE *file = fopen(path, "rb");
  cr_assert_not_null(file, "cannot open %s", path);
  char piece[4096];
  for (size_t n; (n = fread(piece, 1, sizeof piece, file)) > 0;) {
    bki_strbuf_add(&content, piece, n);
  }
  fclose(file);
  cr_assert_not(content.failed);
  return content;
}

#endif
