/* Scans that were killed, ran out of disk, met another writer: the contents end the same. */
#include <criterion/criterion.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "stores.h"

/* What `sqlite3 STORE .dump` prints: the documented way to compare two stores. */
static bki_strbuf dump(const char *path) {
  bki_strbuf text = {0};
  char command[400];
  char piece[4096];
  snprintf(command, sizeof command, "sqlite3 '%s' .dump", path);
  FILE *pipe = popen(command, "r");
  cr_assert_not_null(pipe);
  for (size_t n; (n = fread(piece, 1, sizeof piece, pipe)) > 0;) {
    bki_strbuf_add(&text, piece, n);
  }
  cr_assert_eq(pclose(pipe), 0, "%s failed (sqlite3 is needed)", command);
  return text;
}

static void expect_same_dump(const char *a, const char *b) {
  bki_strbuf x = dump(a);
  bki_strbuf y = dump(b);
  cr_assert_gt(x.size, 1000);
  cr_expect(x.size == y.size && memcmp(x.data, y.data, x.size) == 0, "%s and %s hold different contents", a, b);
  bki_strbuf_clear(&x);
  bki_strbuf_clear(&y);
}

Test(store_resume, resumed_scan_ends_with_the_contents_of_an_undisturbed_one) {
  const char *path = scratch_path("resumed.bki");
  const int64_t stops[] = {0, 1, 9, 30, 50};
  for (size_t i = 0; i < 5; i++) {
    bki_store *store = store_make(path);
    bki_store_state state = *bki_store_get_state(store);
    cr_assert_eq(state.n_records, i == 0 ? 0 : stops[i - 1]);
    store_fill(store, &state, stops[i]);
    state.complete = stops[i] == 50;
    store_commit(store, &state);
    store_fill(store, &state, stops[i] + 5); /* not committed */
    bki_store_close(store);
  }
  expect_same_dump(store_finished("whole.bki", 50), path);
}

/* Samples of `bytes` in all, more than the page cache holds, so that uncommitted pages reach the file. */
static void fill_beyond_cache(bki_store *store, int64_t first, size_t bytes) {
  enum { N_WORDS = 20000 };
  bki_strbuf text = {0};
  for (int i = 0; i < N_WORDS; i++) {
    bki_strbuf_add_text(&text, i == 0 ? "word" : " word");
  }
  for (size_t done = 0; done < bytes; done += 14 * (size_t)N_WORDS) {
    test_sample s;
    test_sample_init(&s, first++, 0, text.data);
    cr_assert_eq(bki_store_add(store, &s.sample, NULL, 0, NULL), BKI_OK);
    test_sample_clear(&s);
  }
  bki_strbuf_clear(&text);
}

Test(store_resume, killed_scan_loses_its_last_batch_and_nothing_else) {
  const char *path = scratch_path("killed.bki");
  pid_t child = fork();
  cr_assert_geq(child, 0);
  if (child == 0) {
    bki_store *store = store_make(path);
    bki_store_state state = {0};
    store_fill(store, &state, 10);
    store_commit(store, &state);
    fill_beyond_cache(store, 10, 40 << 20);
    kill(getpid(), SIGKILL);
  }
  int status;
  cr_assert_eq(waitpid(child, &status, 0), child);
  cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  char journal[300];
  snprintf(journal, sizeof journal, "%s-journal", path);
  cr_expect_eq(access(journal, F_OK), 0, "the killed batch left no journal to roll back");
  bki_store *reader = store_read(path);
  cr_expect_eq(bki_store_get_state(reader)->n_records, 10);
  bki_store_close(reader);
  bki_store *store = store_make(path);
  bki_store_state state = *bki_store_get_state(store);
  store_fill(store, &state, 20);
  state.complete = true;
  store_commit(store, &state);
  bki_store_close(store);
  cr_expect_neq(access(journal, F_OK), 0, "a closed store is a single file");
  expect_same_dump(store_finished("whole.bki", 20), path);
}

Test(store_resume, full_disk_undoes_the_batch_and_the_scan_goes_on_later) {
  const char *path = scratch_path("full.bki");
  bki_store *store = store_make(path);
  bki_store_state state = {0};
  store_fill(store, &state, 10);
  store_commit(store, &state);
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit;
  cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
  struct rlimit small = {.rlim_cur = 200 * 1024, .rlim_max = limit.rlim_max};
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
  store_fill(store, &state, 3000);
  bki_error err = {0};
  cr_expect_eq(bki_store_commit(store, &state, &err), BKI_E_IO);
  cr_expect_str_eq(err.file, path);
  cr_expect_eq(bki_store_commit(store, &state, &err), BKI_E_IO, "a handle that lost a batch must not go on");
  expect_message(&err, "opened anew");
  bki_sample sample;
  bki_store_cursor *cursor = NULL;
  cr_expect_eq(bki_store_find(store, (bki_str){"3", 1}, &cursor, &sample, &err), BKI_OK, "what was committed is there");
  bki_store_cursor_close(cursor);
  bki_store_close(store);
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  store = store_make(path);
  state = *bki_store_get_state(store);
  cr_assert_eq(state.n_records, 10);
  store_fill(store, &state, 3000);
  state.complete = true;
  store_commit(store, &state);
  bki_store_close(store);
  expect_same_dump(store_finished("whole.bki", 3000), path);
}

Test(store_resume, second_writer_is_refused_and_readers_are_not) {
  const char *path = scratch_path("busy.bki");
  bki_store *writer = store_make(path);
  bki_store_state state = {0};
  for (int64_t end = 10; end <= 30; end += 10) {
    store_fill(writer, &state, end);
    const bki_store_identity identity = store_identity();
    bki_store *second = NULL;
    bki_error err = {0};
    cr_expect_eq(bki_store_create(&second, path, &identity, STORE_N_CLASSES, store_classes, &err), BKI_E_USAGE);
    expect_message(&err, "another process is writing");
    cr_expect_null(second);
    bki_store *reader = store_read(path);
    cr_expect_eq(bki_store_get_state(reader)->n_records, end - 10);
    store_commit(writer, &state);
    bki_store_close(reader);
  }
  bki_store_close(writer);
}
