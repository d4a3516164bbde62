#include "defend_work.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bki/stream.h>

#include "fail.h"

static const char lock_name[] = "lock";

static bki_status join(char **out, const char *directory, const char *name, bki_error *err) {
  char *path = NULL;
  if (asprintf(&path, "%s/%s", directory, name) < 0) {
    return bki_fail_memory(err);
  }
  *out = path;
  return BKI_OK;
}

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text);
  size_t k = strlen(end);
  return n >= k && strcmp(text + n - k, end) == 0;
}

/* Temporary files of bki_sink. */
static bool is_left_over(const char *name) {
  return strncmp(name, ".bki-", 5) == 0 && ends_with(name, ".tmp");
}

/* With `remove` unlinks left-overs. `other`: the first name, in byte order, of something else, or "". */
static bki_status look_through(const char *path, bool remove, char other[NAME_MAX + 1], bki_error *err) {
  DIR *directory = opendir(path);
  if (directory == NULL) {
    return bki_fail_errno(err, path, "read the directory");
  }
  other[0] = '\0';
  for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
      continue;
    }
    if (!is_left_over(name)) {
      if (other[0] != '\0' && strcmp(name, other) > 0) {
        continue;
      }
      snprintf(other, NAME_MAX + 1, "%s", name);
    } else if (remove) {
      unlinkat(dirfd(directory), name, 0);
    }
  }
  closedir(directory);
  return BKI_OK;
}

static bki_status make_directory(const char *path, bki_error *err) {
  struct stat info;
  if (mkdir(path, 0777) == 0) {
    return BKI_OK;
  }
  if (errno != EEXIST) {
    return bki_fail_errno(err, path, "create the work directory");
  }
  if (stat(path, &info) != 0) {
    return bki_fail_errno(err, path, "open the work directory");
  }
  return S_ISDIR(info.st_mode)
             ? BKI_OK
             : bki_fail_at(err, BKI_E_USAGE, path, 0, -1, "expected a directory to work in, found something else");
}

/* The lock file says whose directory it is: without one it has to be empty. */
static bki_status take_lock(bki_work *work, const char *path, bki_error *err) {
  char other[NAME_MAX + 1];
  char *lock_path = NULL;
  BKI_TRY(join(&lock_path, path, lock_name, err));
  bki_status status = BKI_OK;
  if (!bki_work_has(lock_path)) {
    status = look_through(path, false, other, err);
    if (status == BKI_OK && other[0] != '\0' && strcmp(other, lock_name) != 0) {
      char quoted[BKI_QUOTE_SIZE];
      status = bki_fail_at(err, BKI_E_USAGE, path, 0, -1,
                           "expected an empty directory or that of an earlier defend, found one with %s in it",
                           bki_quote(quoted, (bki_str){other, strlen(other)}));
    }
  }
  if (status == BKI_OK) {
    work->lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    status = work->lock < 0 ? bki_fail_errno(err, lock_path, "open the lock") : BKI_OK;
  }
  if (status == BKI_OK && flock(work->lock, LOCK_EX | LOCK_NB) != 0) {
    status = errno == EWOULDBLOCK
                 ? bki_fail_at(err, BKI_E_USAGE, path, 0, -1, "another process is at work in this directory")
                 : bki_fail_errno(err, lock_path, "lock the work directory");
  }
  free(lock_path);
  return status;
}

static bki_status name_files(bki_work *work, const bki_defend_config *config, bki_error *err) {
  const struct {
    char **out;
    const char *name;
  } files[] = {{&work->store, "scan.db"},
               {&work->retrained, "retrained"},
               {&work->purified, "purified.json"},
               {&work->before, "before.json"},
               {&work->after, "after.json"}};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    BKI_TRY(join(files[i].out, config->work_path, files[i].name, err));
  }
  if (config->model_path == NULL) {
    return join(&work->victim, config->work_path, "victim", err);
  }
  work->victim = strdup(config->model_path);
  return work->victim == NULL ? bki_fail_memory(err) : BKI_OK;
}

bki_status bki_work_open(bki_work *out, const bki_defend_config *config, bki_error *err) {
  char other[NAME_MAX + 1];
  *out = (bki_work){.lock = -1};
  BKI_TRY(name_files(out, config, err));
  BKI_TRY(make_directory(config->work_path, err));
  BKI_TRY(take_lock(out, config->work_path, err));
  return look_through(config->work_path, true, other, err);
}

bki_status bki_work_name_outputs(bki_work *work, const char *directory, bki_format format, const char *corpus_path,
                                 bki_error *err) {
  static const char *const formats[] = {"", "jsonl", "csv", "tsv"};
  const char *compression = ends_with(corpus_path, ".zst") ? ".zst" : ends_with(corpus_path, ".gz") ? ".gz" : "";
  char name[32];
  snprintf(name, sizeof name, "kept.%s%s", formats[format], compression);
  BKI_TRY(join(&work->kept, directory, name, err));
  snprintf(name, sizeof name, "removed.%s%s", formats[format], compression);
  return join(&work->removed, directory, name, err);
}

void bki_work_close(bki_work *work) {
  char *const names[] = {work->victim,    work->store,    work->kept,   work->removed,
                         work->retrained, work->purified, work->before, work->after};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    free(names[i]);
  }
  if (work->lock >= 0) {
    close(work->lock);
  }
  *work = (bki_work){.lock = -1};
}

bool bki_work_has(const char *path) {
  struct stat info;
  return lstat(path, &info) == 0;
}

json_t *bki_work_read_record(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a named pipe is not waited for */
  if (fd < 0) {
    return NULL;
  }
  json_t *record = json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL);
  close(fd);
  return record;
}

bki_status bki_work_write_record(const char *path, json_t *record, bki_error *err) {
  bki_sink *sink = NULL;
  char *text = record == NULL ? NULL : json_dumps(record, JSON_INDENT(2));
  json_decref(record);
  if (text == NULL) {
    return bki_fail_memory(err);
  }
  bki_status status = bki_sink_open(&sink, path, true, err);
  if (status == BKI_OK) {
    status = bki_sink_write(sink, text, strlen(text), err);
  }
  if (status == BKI_OK) {
    status = bki_sink_write(sink, "\n", 1, err);
  }
  if (status == BKI_OK) {
    status = bki_sink_commit(sink, err);
  } else {
    bki_sink_discard(sink);
  }
  free(text);
  return status;
}
