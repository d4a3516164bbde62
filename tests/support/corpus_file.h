/* Corpora of a few bytes for tests. Every failure ends the test. */
#ifndef BKI_TEST_CORPUS_FILE_H
#define BKI_TEST_CORPUS_FILE_H

#include <string.h>

#include <criterion/criterion.h>

#include <bki/corpus.h>

#include "scratch.h"

/* A literal that may hold NUL bytes. */
#define BYTES(literal) ((bki_str){"" literal, sizeof(literal) - 1})

/* An open corpus of one file, and the record that was read last. */
typedef struct corpus_file {
  bki_corpus *corpus;
  bki_arena *arena;
  bki_raw_record record;
  bki_fields fields;
  bki_error err;
} corpus_file;

/* Opens `content` as a file of that name with the given settings; config->paths is filled in here. */
static inline bki_status corpus_file_try(corpus_file *file, const char *name, bki_str content,
                                         const bki_corpus_config *config) {
  const char *path = scratch_path(name);
  scratch_write(path, content.data, content.size);
  bki_corpus_config used = *config;
  used.paths = &path;
  used.n_paths = 1;
  *file = (corpus_file){.arena = bki_arena_create()};
  return bki_corpus_open(&file->corpus, &used, &file->err);
}

static inline void corpus_file_open(corpus_file *file, const char *name, bki_str content,
                                    const bki_corpus_config *config) {
  bki_status status = corpus_file_try(file, name, content, config);
  cr_assert_eq(status, BKI_OK, "%s", file->err.message);
}

static inline void corpus_file_close(corpus_file *file) {
  bki_corpus_close(file->corpus);
  bki_arena_destroy(file->arena);
}

/* The next raw record, or false at the end. */
static inline bool corpus_file_next(corpus_file *file) {
  bool end;
  bki_status status = bki_corpus_next(file->corpus, &file->record, &end, &file->err);
  cr_assert_eq(status, BKI_OK, "%s", file->err.message);
  return !end;
}

static inline bki_status corpus_file_parse(corpus_file *file) {
  return bki_corpus_parse(file->corpus, &file->record, file->arena, &file->fields, &file->err);
}

static inline bool str_is(bki_str found, bki_str expected) {
  return (found.data == NULL) == (expected.data == NULL) && found.size == expected.size &&
         (found.size == 0 || memcmp(found.data, expected.data, found.size) == 0);
}

/* The next record is good and has these fields; NULL: none. */
static inline void corpus_file_expect(corpus_file *file, const char *text, const char *label, const char *id) {
  cr_assert(corpus_file_next(file), "expected a record with the text \"%s\", found the end", text);
  cr_assert_eq(corpus_file_parse(file), BKI_OK, "%s", file->err.message);
  cr_assert(str_is(file->fields.text, (bki_str){text, strlen(text)}), "text: %s", file->fields.text.data);
  cr_assert(str_is(file->fields.label, (bki_str){label, label == NULL ? 0 : strlen(label)}), "label: %s",
            file->fields.label.data);
  cr_assert(str_is(file->fields.id, (bki_str){id, id == NULL ? 0 : strlen(id)}), "id: %s", file->fields.id.data);
}

/* The next record is bad, and the message says so. */
static inline void corpus_file_expect_bad(corpus_file *file, int64_t line, int64_t byte, const char *message) {
  cr_assert(corpus_file_next(file), "expected a bad record, found the end");
  cr_assert_eq(corpus_file_parse(file), BKI_E_DATA, "expected an error saying \"%s\", found none", message);
  cr_assert_not_null(strstr(file->err.message, message), "expected \"%s\", found \"%s\"", message, file->err.message);
  cr_assert_eq(file->err.line, line, "line %lld: %s", (long long)file->err.line, file->err.message);
  cr_assert_eq(file->err.byte, byte, "byte %lld: %s", (long long)file->err.byte, file->err.message);
  cr_assert_neq(file->err.file[0], '\0');
}

#endif
