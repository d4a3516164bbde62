/* A store is input too: it may be damaged, or come from somebody else. */
#include <criterion/criterion.h>

#include "fail.h"
#include "stores.h"

Test(store_input, refuses_what_is_no_store_and_leaves_it_alone) {
  const bki_store_identity identity = store_identity();
  const char text[] =
      "a text file, and quite a long one for its kind: a hundred bytes and then some more of them, enough";
  const char *text_path = scratch_path("text.bki");
  scratch_write(text_path, text, sizeof text);
  const char *database = scratch_path("database.bki");
  store_tamper(database, "CREATE TABLE t (x)");
  const struct {
    const char *path;
    bki_status status;
    const char *message;
  } cases[] = {{text_path, BKI_E_DATA, "found no SQLite database"},
               {database, BKI_E_DATA, "SQLite database of something else"},
               {scratch_path("."), BKI_E_IO, "regular file"},
               {"/dev/null", BKI_E_IO, "regular file"},
               {scratch_path("no/such/directory"), BKI_E_IO, "No such file or directory"}};
  bki_store *store = NULL;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    bki_error err = {0};
    cr_expect_eq(bki_store_open(&store, cases[i].path, &err), cases[i].status, "%s: %s", cases[i].path, err.message);
    expect_message(&err, cases[i].message);
    cr_expect_str_eq(err.file, cases[i].path);
    err = (bki_error){0};
    cr_expect_eq(bki_store_create(&store, cases[i].path, &identity, 3, store_classes, &err), cases[i].status, "%s: %s",
                 cases[i].path, err.message);
    expect_message(&err, cases[i].message);
  }
  cr_expect_null(store);
  bki_strbuf kept = scratch_read(text_path);
  cr_assert_eq(kept.size, sizeof text);
  cr_expect_arr_eq(kept.data, text, sizeof text);
  bki_strbuf_clear(&kept);
}

Test(store_input, says_that_a_directory_is_not_to_be_written) {
  const bki_store_identity identity = store_identity();
  const char *directory = scratch_path("closed");
  cr_assert_eq(mkdir(directory, 0555), 0);
  cr_assert_eq(chmod(scratch_directory, 0755), 0);
  const char *path = scratch_path("closed/s.bki");
  bki_store *store = NULL;
  bki_error err = {0};
  uid_t user = geteuid();
  cr_assert(user != 0 || seteuid(65534) == 0); /* root may write anywhere */
  bki_status status = bki_store_create(&store, path, &identity, 3, store_classes, &err);
  cr_assert_eq(seteuid(user), 0);
  cr_expect_eq(status, BKI_E_IO);
  expect_message(&err, "cannot create the store: Permission denied");
}

Test(store_input, empty_file_is_no_store_but_may_become_one) {
  const char *path = scratch_path("empty.bki");
  scratch_write(path, "", 0);
  bki_store *store = NULL;
  cr_expect_eq(bki_store_open(&store, path, NULL), BKI_E_DATA);
  bki_store_close(store_make(path)); /* what a scan leaves that was killed before its first commit */
  bki_store_close(store_read(path));
}

static bki_status ignore_skipped(void *user, const bki_skipped *skipped, bki_error *err) {
  (void)user;
  (void)skipped;
  (void)err;
  return BKI_OK;
}

static bki_status read_all(const char *path, bki_error *err) {
  bki_store *store = NULL;
  BKI_TRY(bki_store_open(&store, path, err));
  bki_store_cursor *cursor = NULL;
  bki_status status = bki_store_cursor_open(&cursor, store, 0, err);
  bool end = false;
  while (status == BKI_OK && !end) {
    bki_sample sample;
    status = bki_store_cursor_next(cursor, &sample, &end, err);
  }
  bki_store_cursor_close(cursor);
  if (status == BKI_OK) {
    status = bki_store_each_skipped(store, ignore_skipped, NULL, err);
  }
  bki_store_close(store);
  return status;
}

/* Record 8 of a store of 20 is a sample, record 6 a skipped one. */
static const struct {
  const char *sql;
  const char *message;
} damages[] = {
    {"UPDATE sample SET words = words || ' more' WHERE idx = 8", "sample 8: column words: expected"},
    {"UPDATE sample SET words = replace(words, ' ', '  ') WHERE n_words > 2", "single spaces between words"},
    {"UPDATE sample SET words = CAST(x'ff' AS TEXT) WHERE idx = 8", "sample 8: column words: expected UTF-8"},
    {"UPDATE sample SET words = x'61' WHERE idx = 8", "sample 8: column words: expected text"},
    {"UPDATE sample SET id = CAST(x'6100' AS TEXT) WHERE idx = 8", "column id: expected UTF-8 without NUL"},
    {"UPDATE sample SET scores = 'text' WHERE idx = 8", "sample 8: column scores: expected a blob"},
    {"UPDATE sample SET scores = zeroblob(n_words * 4 + 1) WHERE idx = 8", "sample 8: column scores: expected"},
    {"UPDATE sample SET increments = zeroblob(n_words * 4 + 4) WHERE idx = 8", "column increments: expected"},
    {"UPDATE sample SET increments = 'text' WHERE idx = 8", "column increments: expected a blob"},
    {"UPDATE sample SET word_flags = zeroblob(n_words + 1) WHERE idx = 8", "column word_flags: expected"},
    {"UPDATE sample SET n_words = 1, words = 'w', word_flags = x'00', scores = x'0000c07f' WHERE idx = 8",
     "column scores: expected finite numbers from 0 on, found nan"},
    {"UPDATE sample SET n_words = 1, words = 'w', word_flags = x'00', scores = x'000080bf' WHERE idx = 8",
     "column scores: expected finite numbers from 0 on, found -1"},
    {"UPDATE sample SET label = 3 WHERE idx = 8", "column label: expected 0 to 2, found 3"},
    {"UPDATE sample SET label = -1 WHERE idx = 8", "column label: expected 0 to 2, found -1"},
    {"UPDATE sample SET label = 'x' WHERE idx = 8", "column label: expected an integer"},
    {"UPDATE sample SET predicted = 3 WHERE idx = 8", "column predicted: expected 0 to 2, found 3"},
    {"UPDATE sample SET n_words = -1 WHERE idx = 8", "column n_words: expected 0"},
    {"UPDATE sample SET idx = -5 WHERE idx = 8", "column first_record: expected 0 to 20, found -5"},
    {"UPDATE sample SET idx = 4000 WHERE idx = 8", "column last_record: expected -1 to 19, found 4000"},
    {"UPDATE skipped SET idx = 4000 WHERE idx = 6", "column last_record: expected -1 to 19, found 4000"},
    {"UPDATE skipped SET line = 'x' WHERE idx = 6", "column line: expected an integer"},
    {"UPDATE skipped SET file = x'00' WHERE idx = 6", "column file: expected text"},
    {"UPDATE skipped SET reason = CAST(x'fe' AS TEXT) WHERE idx = 6", "column reason: expected UTF-8"},
    {"UPDATE progress SET n_records = -1", "column n_records"},
    {"UPDATE progress SET complete = 2", "column complete"},
    {"UPDATE progress SET corpus_fingerprint = 'short'", "expected 32 digits"},
    {"DELETE FROM progress", "table progress is empty"},
    {"DELETE FROM class", "expected classes, found none"},
    {"UPDATE class SET idx = 7 WHERE idx = 2", "column idx: expected 2 to 2, found 7"},
    {"UPDATE setting SET value = x'00' WHERE key = 'on_error'", "column value: expected text"},
    {"PRAGMA user_version = 3", "expected store schema version 1 to 2, found 3: made by a newer version"},
    {"PRAGMA user_version = 0", "expected store schema version 1 to 2, found 0"},
    {"PRAGMA application_id = 77", "something else"},
    {"DROP TABLE skipped", "table skipped is missing"},
    {"DROP INDEX sample_id", "index sample_id is missing"},
    {"ALTER TABLE sample ADD COLUMN extra", "table sample is not the one of schema version 2"},
    {"ALTER TABLE skipped RENAME TO old; CREATE VIEW skipped AS SELECT * FROM old", "table skipped is not the one"},
};

Test(store_input, refuses_damaged_rows_and_says_where) {
  for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
    char name[32];
    snprintf(name, sizeof name, "damaged%zu.bki", i);
    const char *path = store_finished(name, 20);
    store_tamper(path, damages[i].sql);
    bki_error err = {0};
    cr_expect_eq(read_all(path, &err), BKI_E_DATA, "accepted after %s", damages[i].sql);
    cr_expect_str_eq(err.file, path);
    expect_message(&err, damages[i].message);
    bki_store *store = NULL;
    const bki_store_identity identity = store_identity();
    bki_status status = bki_store_create(&store, path, &identity, STORE_N_CLASSES, store_classes, &err);
    cr_expect(status == BKI_OK || status == BKI_E_DATA, "%s: %s", damages[i].sql, err.message);
    bki_store_close(store);
  }
}

Test(store_input, lost_identity_is_damage) {
  const char *path = store_finished("a.bki", 3);
  store_tamper(path, "DELETE FROM setting WHERE key = 'on_error'");
  bki_store *store = NULL;
  bki_error err = {0};
  const bki_store_identity identity = store_identity();
  cr_expect_eq(bki_store_create(&store, path, &identity, STORE_N_CLASSES, store_classes, &err), BKI_E_DATA);
  expect_message(&err, "setting on_error is missing");
}

Test(store_input, truncated_or_overwritten_file_never_crashes) {
  bki_strbuf content = scratch_read(store_finished("a.bki", 200));
  uint64_t seed = 3;
  size_t n_refused = 0;
  for (size_t i = 0; i < 120; i++) {
    const char *damaged = scratch_path("damaged.bki");
    bool truncate = i < 20;
    bki_strbuf copy = {0};
    bki_strbuf_add(&copy, content.data, truncate ? content.size * i / 20 : content.size);
    for (int k = 0; !truncate && k < 64; k++) {
      /* The header is left whole: without it nothing else is looked at. */
      copy.data[100 + test_random(&seed) % (copy.size - 100)] = (char)test_random(&seed);
    }
    scratch_write(damaged, copy.data == NULL ? "" : copy.data, copy.size);
    bki_error err = {0};
    bki_status status = read_all(damaged, &err);
    cr_expect(status == BKI_E_DATA || (!truncate && status == BKI_OK), "%s: %s", bki_status_name(status), err.message);
    n_refused += status == BKI_E_DATA;
    bki_strbuf_clear(&copy);
  }
  cr_expect_geq(n_refused, 60);
  bki_strbuf_clear(&content);
}

static bki_status expect_skipped(void *user, const bki_skipped *skipped, bki_error *err) {
  (void)err;
  int64_t *expected = user;
  cr_expect_eq(skipped->index, *expected);
  cr_expect_str_eq(skipped->file, "corpus.jsonl");
  cr_expect_eq(skipped->line, *expected + 1);
  cr_expect_eq(skipped->byte, *expected % 2 == 0 ? -1 : *expected * 100);
  cr_expect_not_null(strstr(skipped->reason, "expected a text"));
  *expected += 7;
  return *expected < 30 ? BKI_OK : BKI_E_INTERRUPTED;
}

Test(store_input, lists_skipped_records_until_told_to_stop) {
  bki_store *store = store_read(store_finished("a.bki", 50));
  int64_t expected = 6;
  cr_expect_eq(bki_store_each_skipped(store, expect_skipped, &expected, NULL), BKI_E_INTERRUPTED);
  cr_expect_eq(expected, 34);
  bki_store_close(store);
}

static bki_status copy_skipped(void *user, const bki_skipped *skipped, bki_error *err) {
  (void)err;
  bki_strbuf_format(user, "%s|%lld|%lld|%s", skipped->file, (long long)skipped->line, (long long)skipped->byte,
                    skipped->reason);
  return BKI_OK;
}

Test(store_input, skipped_record_of_a_file_with_a_strange_name_can_be_read) {
  bki_store *store = store_make(scratch_path("a.bki"));
  bki_error reason = {.byte = -1, .file = "bad\xffname\xc3\xa9", .message = "cut \xc3"};
  cr_assert_eq(bki_store_add_skipped(store, 0, &reason, NULL), BKI_OK);
  bki_strbuf text = {0};
  cr_expect_eq(bki_store_each_skipped(store, copy_skipped, &text, NULL), BKI_OK);
  cr_expect_str_eq(text.data, "bad?name??|0|-1|cut ?");
  bki_strbuf_clear(&text);
  bki_store_close(store);
}
