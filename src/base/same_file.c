#include "same_file.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Whether the names mean one file, which may not exist yet: the same directory and the same last part. */
static bool same_place(const char *a, const char *b) {
  char dir[2][PATH_MAX];
  const char *name[2] = {a, b};
  struct stat at[2];
  for (int i = 0; i < 2; i++) {
    const char *slash = strrchr(name[i], '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - name[i]) + 1;
    if (size + 2 > sizeof dir[i]) {
      return false; /* no such path can be opened */
    }
    snprintf(dir[i], sizeof dir[i], "%.*s.", (int)size, name[i]);
    name[i] += size;
    if (stat(dir[i], &at[i]) != 0) {
      return false;
    }
  }
  return at[0].st_dev == at[1].st_dev && at[0].st_ino == at[1].st_ino && strcmp(name[0], name[1]) == 0;
}

bool bki_same_file(const char *a, const char *b) {
  struct stat at[2];
  if (strcmp(a, "-") == 0 || strcmp(b, "-") == 0) {
    return strcmp(a, b) == 0;
  }
  if (stat(a, &at[0]) == 0 && stat(b, &at[1]) == 0) {
    return at[0].st_dev == at[1].st_dev && at[0].st_ino == at[1].st_ino;
  }
  return same_place(a, b);
}
