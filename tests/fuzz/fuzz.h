/* What fuzz targets share. */
#ifndef BKI_FUZZ_FUZZ_H
#define BKI_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(bool condition, const char *what) {
  if (!condition) {
    fprintf(stderr, "broken: %s\n", what);
    abort();
  }
}

/* The path of a file in memory with these bytes; the same for every call. */
static inline const char *path_of_bytes(const uint8_t *data, size_t size) {
  static int fd = -1;
  static char path[64];
  if (fd < 0) {
    fd = memfd_create("input", 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  }
  require(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size, "memfd");
  return path;
}

static inline bool is_compressed(const uint8_t *data, size_t size) {
  return size >= 2 && ((data[0] == 0x1f && data[1] == 0x8b) || (data[0] == 0x28 && data[1] == 0xb5) || data[1] == 0x2a);
}

static inline int64_t line_of(const uint8_t *data, int64_t byte) {
  int64_t line = 1;
  for (int64_t i = 0; i < byte; i++) {
    line += data[i] == '\n';
  }
  return line;
}

#endif
