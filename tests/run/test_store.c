/* What a store keeps, finds, and shows to people. */
#include <criterion/criterion.h>

#include <math.h>

#include <bki/version.h>

#include "stores.h"

static int append_row(void *user, int n, char **values, char **names) {
  (void)names;
  for (int i = 0; i < n; i++) {
    bki_strbuf_add_text(user, values[i] == NULL ? "NULL" : values[i]);
    bki_strbuf_add_text(user, i + 1 < n ? "|" : "\n");
  }
  return 0;
}

static void expect_query(const char *path, const char *sql, const char *expected) {
  bki_strbuf rows = {0};
  sqlite3 *db;
  char *message = NULL;
  cr_assert_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
  cr_assert_eq(sqlite3_exec(db, sql, append_row, &rows, &message), SQLITE_OK, "%s: %s", sql, message);
  cr_assert_eq(sqlite3_close(db), SQLITE_OK);
  cr_expect_str_eq(rows.data == NULL ? "" : rows.data, expected, "%s:\n%s", sql, rows.data);
  bki_strbuf_clear(&rows);
}

static void expect_same_sample(const bki_sample *found, const test_sample *s) {
  size_t n = (size_t)s->words.n_words;
  cr_expect_eq(found->index, s->sample.index);
  cr_expect_eq(found->label, s->sample.label);
  cr_expect_eq(found->predicted, s->sample.predicted);
  cr_assert_eq(found->id.data == NULL, s->sample.id.data == NULL);
  cr_assert_eq(found->id.size, s->sample.id.size);
  cr_expect(found->id.size == 0 || memcmp(found->id.data, s->sample.id.data, found->id.size) == 0);
  cr_assert_eq(found->words->n_words, s->words.n_words);
  cr_assert_eq(found->words->n_bytes, s->words.n_bytes);
  if (n > 0) {
    cr_expect_arr_eq(found->words->bytes, s->words.bytes, s->words.n_bytes);
    cr_expect_arr_eq(found->score, s->score, n * sizeof(float));
    cr_expect_arr_eq(found->increment, s->increment, n * sizeof(float));
    cr_expect_arr_eq(found->word_flags, s->word_flags, n);
  }
}

Test(store, gives_back_what_was_added) {
  bki_store *store = store_read(store_finished("a.bki", 40));
  const bki_store_state *state = bki_store_get_state(store);
  cr_expect(state->n_records == 40 && state->n_samples == 35 && state->n_skipped == 5 && state->complete);
  cr_expect_gt(state->work, 0);
  cr_expect_str_eq(state->corpus_prefix_fingerprint, "00000000000000000000000000000040");
  cr_assert_eq(bki_store_n_classes(store), STORE_N_CLASSES);
  cr_expect_str_eq(bki_store_classes(store)[2], store_classes[2]);
  bki_store_cursor *cursor;
  bki_sample found;
  bool end;
  cr_assert_eq(bki_store_cursor_open(&cursor, store, 0, NULL), BKI_OK);
  for (int64_t index = 0; index < 40; index++) {
    if (index % 7 == 6) {
      continue;
    }
    test_sample s;
    char id[32];
    store_sample(&s, index, id);
    bki_error err = {0};
    cr_assert_eq(bki_store_cursor_next(cursor, &found, &end, &err), BKI_OK, "%s", err.message);
    cr_assert_not(end);
    expect_same_sample(&found, &s);
    test_sample_clear(&s);
  }
  cr_assert_eq(bki_store_cursor_next(cursor, &found, &end, NULL), BKI_OK);
  cr_expect(end);
  bki_store_cursor_close(cursor);
  bki_store_close(store);
  bki_store_close(NULL);
  bki_store_cursor_close(NULL);
}

Test(store, cursor_starts_at_an_index) {
  bki_store *store = store_read(store_finished("a.bki", 20));
  bki_store_cursor *cursor;
  bki_sample sample;
  bool end;
  cr_assert_eq(bki_store_cursor_open(&cursor, store, 13, NULL), BKI_OK);
  cr_assert_eq(bki_store_cursor_next(cursor, &sample, &end, NULL), BKI_OK);
  cr_expect_eq(sample.index, 14, "record 13 was skipped");
  bki_store_cursor_close(cursor);
  bki_store_close(store);
}

Test(store, refuses_a_scan_of_something_else_and_names_it) {
  const char *path = store_finished("a.bki", 3);
  bki_strbuf before = scratch_read(path);
  bki_store_identity changed[4];
  for (int i = 0; i < 4; i++) {
    changed[i] = store_identity();
  }
  changed[0].model_fingerprint = "ff112233445566778899aabbccddeeff";
  changed[1].corpus_settings = "format=csv text=text";
  changed[2].scorer_settings = "backend=cpu engine=incremental precision=bf16 isa=portable";
  changed[3].on_error = "fail";
  const char *const messages[] = {
      "its model_fingerprint has \"00112233445566778899aabbccddeeff\" where this one has \"ff11",
      "its corpus_settings has \"format=jsonl text=",
      "its scorer_settings has \"precision=fp32 isa=portable\" where this one has \"precision=bf16 isa=portable\"",
      "its on_error has \"skip\" where this one has \"fail\"",
  };
  bki_store *store = NULL;
  bki_error err = {0};
  for (size_t i = 0; i < 4; i++) {
    cr_expect_eq(bki_store_create(&store, path, &changed[i], STORE_N_CLASSES, store_classes, &err), BKI_E_USAGE);
    expect_message(&err, messages[i]);
  }
  const bki_store_identity identity = store_identity();
  const char *const other[] = {"negative", "neutral", "positive"};
  cr_expect_eq(bki_store_create(&store, path, &identity, 2, store_classes, &err), BKI_E_USAGE);
  expect_message(&err, "3 classes where this one has 2");
  cr_expect_eq(bki_store_create(&store, path, &identity, 3, other, &err), BKI_E_USAGE);
  expect_message(&err, "class 1 has \"positive\" where this one has \"neutral\"");
  cr_expect_eq(bki_store_create(&store, path, &identity, 0, NULL, &err), BKI_E_USAGE);
  cr_expect_null(store);
  bki_strbuf after = scratch_read(path);
  cr_expect(after.size == before.size && memcmp(after.data, before.data, after.size) == 0, "the store was changed");
  bki_strbuf_clear(&before);
  bki_strbuf_clear(&after);
}

Test(store, path_is_a_path) {
  const char *const names[] = {"file:x.bki?mode=memory", ":memory:", "-", "with space and 'quote'"};
  cr_assert_eq(chdir(P_tmpdir), 0);
  cr_assert_not_null(scratch_path("."));
  cr_assert_eq(chdir(scratch_directory), 0);
  for (size_t i = 0; i < 4; i++) {
    bki_store_close(store_make(names[i]));
    cr_expect_eq(access(scratch_path(names[i]), F_OK), 0, "no file '%s'", names[i]);
    bki_store_close(store_read(names[i]));
  }
}

Test(store, objects_that_somebody_added_do_no_harm) {
  const char *path = store_finished("a.bki", 10);
  store_tamper(path,
               "CREATE TABLE note (text); CREATE INDEX by_label ON sample (label);"
               "CREATE TRIGGER evil AFTER INSERT ON sample BEGIN DELETE FROM sample; END;"
               "CREATE VIEW mine AS SELECT * FROM selected_word");
  bki_store *store = store_make(path);
  bki_store_state state = *bki_store_get_state(store);
  store_fill(store, &state, 20);
  store_commit(store, &state);
  bki_store_close(store);
  expect_query(path, "SELECT count(*) FROM sample", "18\n");
}

static void expect_found(bki_store *store, const char *key, int64_t index) {
  bki_store_cursor *cursor;
  bki_sample sample;
  bki_error err = {0};
  bki_status status = bki_store_find(store, (bki_str){key, strlen(key)}, &cursor, &sample, &err);
  if (index < 0) {
    cr_expect_eq(status, BKI_E_USAGE, "found '%s'", key);
    expect_message(&err, "no sample has");
    return;
  }
  cr_assert_eq(status, BKI_OK, "%s: %s", key, err.message);
  cr_expect_eq(sample.index, index, "%s", key);
  bki_store_cursor_close(cursor);
}

Test(store, finds_samples_by_id_and_by_record_index) {
  bki_store *store = store_read(store_finished("a.bki", 20));
  expect_found(store, "train/00004", 4);
  expect_found(store, "4", 4);
  expect_found(store, "0005", 5);
  expect_found(store, "0", 0);
  const char *const missing[] = {"train/99999", "6", "20", "-1", "", "1x", "99999999999999999999", "4 "};
  for (size_t i = 0; i < 8; i++) {
    expect_found(store, missing[i], -1);
  }
  bki_store_close(store);
}

Test(store, id_goes_before_record_index) {
  bki_store *store = store_make(scratch_path("numbers.bki"));
  for (int64_t i = 0; i < 2; i++) {
    test_sample s;
    test_sample_init(&s, i, 0, "word");
    s.sample.id = (bki_str){i == 0 ? "1" : "0", 1};
    cr_assert_eq(bki_store_add(store, &s.sample, NULL, 0, NULL), BKI_OK);
    test_sample_clear(&s);
  }
  expect_found(store, "1", 0);
  expect_found(store, "0", 1);
  bki_store_close(store);
}

Test(store, knows_ids_of_earlier_and_of_uncommitted_samples) {
  bki_store *store = store_make(scratch_path("ids.bki"));
  bki_store_state state = {0};
  store_fill(store, &state, 5);
  store_commit(store, &state);
  store_fill(store, &state, 10);
  const char *const ids[] = {"train/00001", "train/00009", "train/00005", "train/0000", ""};
  for (size_t i = 0; i < 5; i++) {
    bool found = i >= 2;
    cr_assert_eq(bki_store_has_id(store, (bki_str){ids[i], strlen(ids[i])}, &found, NULL), BKI_OK);
    cr_expect_eq(found, i < 2, "%s", ids[i]);
  }
  bki_store_close(store);
}

Test(store, keeps_settings_beside_its_identity) {
  const char *path = scratch_path("a.bki");
  bki_store *store = store_make(path);
  bki_error err = {0};
  cr_expect_str_eq(bki_store_setting(store, "on_error"), "skip");
  cr_expect_str_eq(bki_store_setting(store, "bki_version"), bki_version());
  cr_expect_null(bki_store_setting(store, "p"));
  cr_expect_eq(bki_store_set(store, "p", "5", &err), BKI_OK);
  cr_expect_eq(bki_store_set(store, "p", "7", &err), BKI_OK);
  cr_expect_str_eq(bki_store_setting(store, "p"), "7");
  cr_expect_eq(bki_store_set(store, "model_fingerprint", "x", &err), BKI_E_USAGE);
  bki_store_state state = {0};
  store_commit(store, &state);
  bki_store_close(store);
  store = store_read(path);
  cr_expect_str_eq(bki_store_setting(store, "p"), "7");
  cr_expect_eq(bki_store_set(store, "p", "8", &err), BKI_E_USAGE);
  expect_message(&err, "read only");
  bki_store_close(store);
}

Test(store, refuses_scores_that_are_no_numbers) {
  bki_store *store = store_make(scratch_path("a.bki"));
  test_sample s;
  test_sample_init(&s, 0, 0, "a b");
  const float bad[] = {NAN, INFINITY, -1.0F};
  bki_error err = {0};
  for (size_t i = 0; i < 3; i++) {
    s.score[1] = bad[i];
    cr_expect_eq(bki_store_add(store, &s.sample, NULL, 0, &err), BKI_E_DATA);
    expect_message(&err, "record 0: expected a finite score of word 1");
  }
  s.score[1] = 2;
  cr_expect_eq(bki_store_add(store, &s.sample, NULL, 0, &err), BKI_OK, "the store is still good");
  test_sample_clear(&s);
  bki_store_close(store);
}

Test(store, views_answer_people) {
  const char *path = scratch_path("a.bki");
  bki_store *store = store_make(path);
  test_sample s;
  test_sample_init(&s, 0, 1, "say \"caf\xc3\xa9\"");
  s.sample.id = (bki_str){"r1", 2};
  s.sample.predicted = 2;
  s.score[0] = 0.25F;
  s.score[1] = 1.5F;
  const int32_t selected[] = {1, 0};
  cr_assert_eq(bki_store_add(store, &s.sample, selected, 2, NULL), BKI_OK);
  test_sample_clear(&s);
  test_sample_init(&s, 1, -1, "");
  cr_assert_eq(bki_store_add(store, &s.sample, NULL, 0, NULL), BKI_OK);
  test_sample_clear(&s);
  bki_store_state state = {.n_records = 2, .n_samples = 2};
  store_commit(store, &state);
  bki_store_close(store);
  expect_query(path, "SELECT * FROM selected_word ORDER BY idx, rank",
               "0|r1|positive|it's \"neutral\"|1|1|\"caf\xc3\xa9\"|1.5\n"
               "0|r1|positive|it's \"neutral\"|2|0|say|0.25\n");
  expect_query(path, "SELECT * FROM sample_summary ORDER BY idx",
               "0|r1|positive|it's \"neutral\"|2|\"caf\xc3\xa9\" say\n"
               "1|NULL|NULL|negative|0|NULL\n");
  expect_query(path, "SELECT hex(scores), hex(word_flags), selected FROM sample WHERE idx = 0",
               "0000803E0000C03F|0000|[[1,\"\\\"caf\xc3\xa9\\\"\",1.5],[0,\"say\",0.25]]\n");
}
