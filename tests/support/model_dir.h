/* Copies of a small model directory with something changed, for tests. Every failure ends the test. */
#ifndef BKI_TESTS_MODEL_DIR_H
#define BKI_TESTS_MODEL_DIR_H

#include <string.h>

#include <criterion/criterion.h>

#include <bki/model.h>

#include "scratch.h"

/* V = 12, E = 5, H = 7, one layer, dense 3 (relu), C = 3, whitespace, max_words 17. */
#define MODEL_DIR BKI_TEST_DATA "/golden/small"

/* The content with its first `from` replaced by `to` (which may be longer). */
static inline bki_strbuf model_dir_replace(bki_strbuf content, const char *from, const char *to) {
  const char *at = memmem(content.data, content.size, from, strlen(from));
  cr_assert_not_null(at, "%s is not in the file", from);
  const size_t before = (size_t)(at - content.data);
  bki_strbuf changed = {0};
  bki_strbuf_add(&changed, content.data, before);
  bki_strbuf_add_text(&changed, to);
  bki_strbuf_add(&changed, at + strlen(from), content.size - before - strlen(from));
  bki_strbuf_clear(&content);
  return changed;
}

/* A copy in the scratch directory in which the first `from` of `file` has become `to`; NULL: nothing has. */
static inline const char *model_dir_copy(const char *file, const char *from, const char *to) {
  static const char *const files[] = {"config.json", "weights.safetensors", "vocab.txt"};
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", MODEL_DIR, files[i]);
    bki_strbuf content = scratch_read(path);
    if (from != NULL && strcmp(file, files[i]) == 0) {
      content = model_dir_replace(content, from, to);
    }
    scratch_write(scratch_path(files[i]), content.data, content.size);
    bki_strbuf_clear(&content);
  }
  return scratch_path("");
}

/* The model in a directory. */
static inline bki_model *model_dir_load(const char *directory) {
  bki_model *model = NULL;
  bki_error err;
  cr_assert_eq(bki_model_load(&model, directory, &err), BKI_OK, "%s: %s", err.file, err.message);
  return model;
}

/* The copy with that change cannot be loaded, and the message blames `file` and says `message`. */
static inline void model_dir_refuses(const char *file, const char *from, const char *to, const char *message) {
  bki_model *model = NULL;
  bki_error err;
  const char *directory = model_dir_copy(file, from, to);
  cr_assert_eq(bki_model_load(&model, directory, &err), BKI_E_DATA, "expected \"%s\"", message);
  cr_expect_null(model);
  cr_expect_not_null(strstr(err.message, message), "expected \"%s\", found \"%s\"", message, err.message);
  cr_expect_not_null(strstr(err.file, file), "expected an error of %s, found one of %s", file, err.file);
}

#endif
