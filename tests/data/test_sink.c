#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include <bki/stream.h>

#include "scratch.h"

static size_t count_files(const char *directory) {
  size_t n = 0;
  DIR *dir = opendir(directory);
  cr_assert_not_null(dir);
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    n += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
  }
  closedir(dir);
  return n;
}

static bki_sink *open_sink(const char *path, bool force) {
  bki_sink *sink;
  bki_error err;
  cr_assert_eq(bki_sink_open(&sink, path, force, &err), BKI_OK, "%s", err.message);
  return sink;
}

static void write_text(bki_sink *sink, const char *text) {
  bki_error err;
  cr_assert_eq(bki_sink_write(sink, text, strlen(text), &err), BKI_OK, "%s", err.message);
}

static void assert_content(const char *path, const char *expected) {
  bki_strbuf content = scratch_read(path);
  cr_assert_eq(content.size, strlen(expected));
  cr_assert(content.size == 0 || memcmp(content.data, expected, content.size) == 0);
  bki_strbuf_clear(&content);
}

static mode_t mode_of(const char *path) {
  struct stat info;
  cr_assert_eq(stat(path, &info), 0);
  return info.st_mode & 07777;
}

Test(sink, shows_nothing_under_the_name_before_commit) {
  const char *path = scratch_path("out");
  bki_sink *sink = open_sink(path, false);
  write_text(sink, "text");
  cr_assert_neq(access(path, F_OK), 0);
  cr_assert_eq(bki_sink_commit(sink, NULL), BKI_OK);
  assert_content(path, "text");
  cr_assert_eq(count_files(scratch_path("")), 1);
}

Test(sink, leaves_nothing_when_discarded) {
  bki_sink *sink = open_sink(scratch_path("out"), false);
  write_text(sink, "text");
  bki_sink_discard(sink);
  cr_assert_eq(count_files(scratch_path("")), 0);
}

Test(sink, writes_what_a_stream_reads_in_every_compression) {
  static const char *const names[] = {"a.txt", "a.gz", "a.zst"};
  bki_strbuf text = {0};
  for (int i = 0; text.size < 900000; i++) {
    bki_strbuf_format(&text, "%d,", i * 7919);
  }
  char *back = malloc(text.size + 1);
  for (size_t i = 0; i < 3; i++) {
    const char *path = scratch_path(names[i]);
    bki_sink *sink = open_sink(path, false);
    for (size_t at = 0, n = 1; at < text.size; at += n, n = n * 3 % 100003) { /* pieces of many sizes */
      n = n < text.size - at ? n : text.size - at;
      cr_assert_eq(bki_sink_write(sink, text.data + at, n, NULL), BKI_OK);
    }
    cr_assert_eq(bki_sink_commit(sink, NULL), BKI_OK);
    bki_stream *stream;
    bki_error err;
    cr_assert_eq(bki_stream_open(&stream, path, &err), BKI_OK);
    cr_assert(i == 0 || bki_stream_size(stream) < (int64_t)text.size * 3 / 4, "%s is not compressed", names[i]);
    size_t size = 0;
    for (size_t got = 1; got > 0; size += got) {
      cr_assert_eq(bki_stream_read(stream, back + size, text.size + 1 - size, &got, &err), BKI_OK, "%s", err.message);
    }
    cr_assert_eq(size, text.size);
    cr_assert_arr_eq(back, text.data, text.size);
    bki_stream_close(stream);
  }
  free(back);
  bki_strbuf_clear(&text);
}

Test(sink, writes_an_empty_file_that_can_be_read) {
  static const char *const names[] = {"a.txt", "a.gz", "a.zst"};
  for (size_t i = 0; i < 3; i++) {
    const char *path = scratch_path(names[i]);
    cr_assert_eq(bki_sink_commit(open_sink(path, false), NULL), BKI_OK);
    bki_stream *stream;
    cr_assert_eq(bki_stream_open(&stream, path, NULL), BKI_OK);
    char byte;
    size_t got = 1;
    cr_assert_eq(bki_stream_read(stream, &byte, 1, &got, NULL), BKI_OK);
    cr_assert_eq(got, 0);
    bki_stream_close(stream);
  }
}

Test(sink, does_not_touch_an_existing_file_unless_forced) {
  const char *path = scratch_path("out");
  scratch_write(path, "old", 3);
  bki_sink *sink = NULL;
  bki_error err;
  cr_assert_eq(bki_sink_open(&sink, path, false, &err), BKI_E_USAGE);
  cr_assert_str_eq(err.file, path);
  cr_assert_eq(count_files(scratch_path("")), 1);
  sink = open_sink(path, true);
  write_text(sink, "new");
  assert_content(path, "old");
  cr_assert_eq(bki_sink_commit(sink, NULL), BKI_OK);
  assert_content(path, "new");
}

Test(sink, leaves_a_file_alone_that_came_meanwhile) {
  const char *path = scratch_path("out");
  bki_sink *sink = open_sink(path, false);
  write_text(sink, "ours");
  scratch_write(path, "theirs", 6);
  bki_error err;
  cr_assert_eq(bki_sink_commit(sink, &err), BKI_E_USAGE);
  assert_content(path, "theirs");
  cr_assert_eq(count_files(scratch_path("")), 1);
}

Test(sink, honours_the_umask) {
  umask(027);
  const char *path = scratch_path("out");
  cr_assert_eq(bki_sink_commit(open_sink(path, false), NULL), BKI_OK);
  cr_assert_eq(mode_of(path), 0640);
}

Test(sink, keeps_the_mode_of_the_file_it_replaces) {
  const char *path = scratch_path("out");
  scratch_write(path, "old", 3);
  cr_assert_eq(chmod(path, 0604), 0);
  cr_assert_eq(bki_sink_commit(open_sink(path, true), NULL), BKI_OK);
  cr_assert_eq(mode_of(path), 0604);
}

Test(sink, replaces_the_file_behind_a_link) {
  const char *path = scratch_path("out");
  const char *name = scratch_path("link");
  scratch_write(path, "old", 3);
  cr_assert_eq(symlink("out", name), 0);
  cr_assert_eq(bki_sink_open(&(bki_sink *){NULL}, name, false, NULL), BKI_E_USAGE);
  bki_sink *sink = open_sink(name, true);
  write_text(sink, "new");
  cr_assert_eq(bki_sink_commit(sink, NULL), BKI_OK);
  assert_content(path, "new");
  struct stat info;
  cr_assert(lstat(name, &info) == 0 && S_ISLNK(info.st_mode));
}

Test(sink, replaces_no_device_and_no_directory) {
  bki_error err;
  const char *fifo = scratch_path("fifo");
  cr_assert_eq(mkfifo(fifo, 0600), 0);
  cr_assert_eq(bki_sink_open(&(bki_sink *){NULL}, fifo, true, &err), BKI_E_IO);
  cr_assert_eq(bki_sink_open(&(bki_sink *){NULL}, scratch_path(""), true, &err), BKI_E_IO);
}

Test(sink, cannot_create_a_file_in_a_missing_directory) {
  bki_error err;
  cr_assert_eq(bki_sink_open(&(bki_sink *){NULL}, scratch_path("none/out"), false, &err), BKI_E_IO);
  cr_assert_not_null(strstr(err.message, "No such file"), "%s", err.message);
}

/* The system refuses to let a file grow past the limit, as a full disk would. */
static void assert_fails_when_full(const char *name, bool before_commit) {
  const char *path = scratch_path(name);
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit = {1000, RLIM_INFINITY};
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  bki_sink *sink = open_sink(path, false);
  bki_status status = BKI_OK;
  bki_error err;
  unsigned state = 1;
  for (int i = 0; i < (before_commit ? 1000000 : 2000) && status == BKI_OK; i++) {
    state = state * 1664525u + 1013904223u;
    status = bki_sink_write(sink, &state, sizeof state, &err);
  }
  cr_assert_eq(status, before_commit ? BKI_E_IO : BKI_OK);
  if (before_commit) {
    bki_sink_discard(sink);
  } else {
    cr_assert_eq(bki_sink_commit(sink, &err), BKI_E_IO);
  }
  cr_assert_not_null(strstr(err.message, "cannot write"), "%s", err.message);
  cr_assert_str_eq(err.file, path);
  limit.rlim_cur = RLIM_INFINITY;
  setrlimit(RLIMIT_FSIZE, &limit);
  cr_assert_eq(count_files(scratch_path("")), 0);
}

Test(sink, leaves_nothing_behind_when_the_disk_is_full) {
  static const char *const names[] = {"a.txt", "a.gz", "a.zst"};
  for (size_t i = 0; i < 3; i++) {
    assert_fails_when_full(names[i], true);
    assert_fails_when_full(names[i], false);
  }
}

Test(sink, reports_a_full_device_on_standard_output) {
  FILE *full = fopen("/dev/full", "wb");
  if (full == NULL) {
    cr_skip_test("skipped: no /dev/full here");
  }
  int saved = dup(STDOUT_FILENO);
  dup2(fileno(full), STDOUT_FILENO);
  bki_sink *sink = open_sink("-", false);
  write_text(sink, "text");
  bki_error err;
  bki_status status = bki_sink_commit(sink, &err);
  dup2(saved, STDOUT_FILENO);
  fclose(full);
  cr_assert_eq(status, BKI_E_IO);
  cr_assert_not_null(strstr(err.message, "No space left"), "%s", err.message);
}

Test(sink, writes_standard_output_and_leaves_it_open) {
  int ends[2];
  cr_assert_eq(pipe(ends), 0);
  int saved = dup(STDOUT_FILENO);
  dup2(ends[1], STDOUT_FILENO);
  bki_sink *sink = open_sink("-", false);
  write_text(sink, "text");
  cr_assert_eq(bki_sink_commit(sink, NULL), BKI_OK);
  cr_assert_eq(write(STDOUT_FILENO, "!", 1), 1);
  dup2(saved, STDOUT_FILENO);
  char buf[10];
  cr_assert_eq(read(ends[0], buf, sizeof buf), 5);
  cr_assert_arr_eq(buf, "text!", 5);
}
