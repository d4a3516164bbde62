#include "train_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fail.h"

static const char *const model_files[] = {"config.json", "weights.safetensors", "vocab.txt", NULL};
static const char *const partial_files[] = {"checkpoint.safetensors", "lock", NULL};

/* A temporary file of a sink or a spool whose process was killed. */
static bool is_leftover(const char *name) {
  return strncmp(name, ".bki-", 5) == 0;
}

static bool is_one_of(const char *const *names, const char *name) {
  for (size_t i = 0; names[i] != NULL; i++) {
    if (strcmp(names[i], name) == 0) {
      return true;
    }
  }
  return false;
}

/* Removes the files that belong into a directory, `names` and leftovers, and nothing else. */
static void remove_files(const char *directory, const char *const *names) {
  DIR *dir = opendir(directory);
  if (dir == NULL) {
    return;
  }
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    if (is_leftover(entry->d_name) || is_one_of(names, entry->d_name)) {
      unlinkat(dirfd(dir), entry->d_name, 0);
    }
  }
  closedir(dir);
}

static void remove_model(const char *directory) {
  remove_files(directory, model_files);
  rmdir(directory);
}

bki_status bki_workplace_check_target(const char *model_path, bool force, bool *exists, bki_error *err) {
  struct stat info;
  *exists = lstat(model_path, &info) == 0;
  if (!*exists) {
    return errno == ENOENT ? BKI_OK : bki_fail_errno(err, model_path, "look there");
  }
  if (stat(model_path, &info) != 0 || !S_ISDIR(info.st_mode)) {
    return bki_fail_at(err, BKI_E_USAGE, model_path, 0, -1,
                       "expected a free name or the directory of a model, found something else");
  }
  DIR *dir = force ? opendir(model_path) : NULL;
  if (force && dir == NULL) {
    return bki_fail_errno(err, model_path, "open");
  }
  bki_status status = BKI_OK;
  for (struct dirent *entry; status == BKI_OK && dir != NULL && (entry = readdir(dir)) != NULL;) {
    const char *name = entry->d_name;
    if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !is_leftover(name) && !is_one_of(model_files, name)) {
      char quoted[BKI_QUOTE_SIZE];
      status = bki_fail_at(err, BKI_E_USAGE, model_path, 0, -1,
                           "only a model directory is replaced: expected the files of a model, found %s too",
                           bki_quote(quoted, (bki_str){name, strlen(name)}));
    }
  }
  if (dir != NULL) {
    closedir(dir);
  }
  return status;
}

static char *join(const char *directory, const char *name) {
  char *path;
  return asprintf(&path, "%s%s", directory, name) < 0 ? NULL : path;
}

static bki_status name_all(bki_workplace *place, const char *model_path, bki_error *err) {
  size_t size = strlen(model_path);
  while (size > 1 && model_path[size - 1] == '/') {
    size--;
  }
  place->model_path = strndup(model_path, size);
  place->partial = place->model_path == NULL ? NULL : join(place->model_path, ".partial");
  if (place->partial == NULL) {
    return bki_fail_memory(err);
  }
  place->checkpoint = join(place->partial, "/checkpoint.safetensors");
  place->draft = join(place->partial, "/model");
  place->replaced = join(place->partial, "/replaced");
  return place->checkpoint == NULL || place->draft == NULL || place->replaced == NULL ? bki_fail_memory(err) : BKI_OK;
}

/* The lock goes with the process, however it ends. */
static bki_status lock(bki_workplace *place, bki_error *err) {
  char *path = join(place->partial, "/lock");
  if (path == NULL) {
    return bki_fail_memory(err);
  }
  struct stat named;
  struct stat locked;
  bki_status status = BKI_OK;
  place->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (place->lock < 0) {
    status = bki_fail_errno(err, place->partial, "create a file in it");
  } else if (flock(place->lock, LOCK_EX | LOCK_NB) != 0 || stat(path, &named) != 0 ||
             fstat(place->lock, &locked) != 0 || named.st_ino != locked.st_ino) { /* it was removed meanwhile */
    status = bki_fail_at(err, BKI_E_USAGE, place->partial, 0, -1, "another process is training this model");
  }
  free(path);
  return status;
}

bki_status bki_workplace_open(bki_workplace *out, const char *model_path, bki_error *err) {
  *out = (bki_workplace){.lock = -1};
  BKI_TRY(name_all(out, model_path, err));
  if (mkdir(out->partial, 0777) != 0 && errno != EEXIST) {
    return bki_fail_errno(err, out->partial, "create the directory");
  }
  bki_status status = lock(out, err);
  if (status != BKI_OK) {
    if (out->lock >= 0) {
      close(out->lock);
      out->lock = -1;
    }
    return status;
  }
  static const char *const none[] = {NULL};
  remove_files(out->partial, none);
  remove_model(out->draft);
  if (access(out->model_path, F_OK) !=
      0) { /* killed between taking the old model away and giving the new one its name */
    rename(out->replaced, out->model_path);
  }
  return BKI_OK;
}

void bki_workplace_close(bki_workplace *place, bool remove) {
  if (place->lock >= 0 && remove) {
    remove_model(place->draft);
    remove_model(place->replaced);
    remove_files(place->partial, partial_files);
    rmdir(place->partial);
  }
  if (place->lock >= 0) {
    close(place->lock);
  }
  free(place->model_path);
  free(place->partial);
  free(place->checkpoint);
  free(place->draft);
  free(place->replaced);
  *place = (bki_workplace){.lock = -1};
}

/* Best effort: some file systems cannot. */
static void sync_directory(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    fsync(fd);
    close(fd);
  }
}

static void sync_parent(const char *path) {
  char *parent = strdup(path);
  char *slash = parent == NULL ? NULL : strrchr(parent, '/');
  if (slash != NULL) {
    slash[slash == parent] = '\0';
  }
  if (parent != NULL) {
    sync_directory(slash == NULL ? "." : parent);
  }
  free(parent);
}

bki_status bki_workplace_publish(const bki_workplace *place, const bki_model *model, const char *meta, bki_error *err) {
  bki_status status = bki_model_save(model, place->draft, meta, err);
  if (status == BKI_OK) {
    sync_directory(place->draft);
    if (access(place->model_path, F_OK) == 0) {
      remove_model(place->replaced);
      status =
          rename(place->model_path, place->replaced) == 0 ? BKI_OK : bki_fail_errno(err, place->model_path, "replace");
    }
  }
  if (status == BKI_OK && rename(place->draft, place->model_path) != 0) {
    status = bki_fail_errno(err, place->model_path, "create");
    rename(place->replaced, place->model_path);
  }
  if (status == BKI_OK) {
    sync_parent(place->model_path);
  } else {
    remove_model(place->draft);
  }
  return status;
}
