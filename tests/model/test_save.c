#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "model.h"
#include "model_dir.h"

static bki_model *load(const char *directory) {
  bki_model *model = NULL;
  bki_error err;
  cr_assert_eq(bki_model_load(&model, directory, &err), BKI_OK, "%s: %s", err.file, err.message);
  return model;
}

static void save(const bki_model *model, const char *directory, const char *meta) {
  bki_error err;
  cr_assert_eq(bki_model_save(model, directory, meta, &err), BKI_OK, "%s: %s", err.file, err.message);
}

static bool same_file(const char *a, const char *b, const char *name) {
  char paths[2][512];
  snprintf(paths[0], sizeof paths[0], "%s/%s", a, name);
  snprintf(paths[1], sizeof paths[1], "%s/%s", b, name);
  bki_strbuf left = scratch_read(paths[0]);
  bki_strbuf right = scratch_read(paths[1]);
  bool same = left.size == right.size && memcmp(left.data, right.data, left.size) == 0;
  bki_strbuf_clear(&left);
  bki_strbuf_clear(&right);
  return same;
}

Test(model_save, loses_nothing_that_decides_a_score_nor_the_self_test) {
  static const char *const names[] = {"small", "linear", "deep", "wide"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char from[256];
    snprintf(from, sizeof from, BKI_TEST_DATA "/golden/%s", names[i]);
    const char *to = scratch_path(names[i]);
    bki_model *model = load(from);
    save(model, to, NULL);
    bki_model *again = load(to);
    cr_assert_str_eq(bki_model_fingerprint(again), bki_model_fingerprint(model), "%s", names[i]);
    const size_t n = bki_model_selftest_count(model);
    cr_assert_eq(bki_model_selftest_count(again), n);
    for (size_t k = 0; k < n; k++) {
      bki_str texts[2];
      const float *logits[2];
      bki_model_selftest_get(model, k, &texts[0], &logits[0]);
      bki_model_selftest_get(again, k, &texts[1], &logits[1]);
      cr_assert(texts[0].size == texts[1].size && memcmp(texts[0].data, texts[1].data, texts[0].size) == 0);
      cr_assert_eq(memcmp(logits[0], logits[1], (size_t)model->config.n_classes * sizeof(float)), 0);
    }
    bki_model_destroy(again);
    bki_model_destroy(model);
  }
}

Test(model_save, gives_the_same_bytes_for_the_same_model) {
  bki_model *model = load(MODEL_DIR);
  const char *a = scratch_path("a");
  const char *b = scratch_path("b");
  save(model, a, "{\"x\": 1}");
  save(model, b, "{\"x\": 1}");
  cr_assert(same_file(a, b, "config.json"));
  cr_assert(same_file(a, b, "weights.safetensors"));
  cr_assert(same_file(a, b, "vocab.txt"));
  bki_model_destroy(model);
}

Test(model_save, keeps_the_remarks) {
  bki_model *model = load(MODEL_DIR);
  const char *directory = scratch_path("m");
  save(model, directory, "{\"seed\": 7, \"loss\": 0.25}");
  char path[512];
  snprintf(path, sizeof path, "%s/config.json", directory);
  json_t *root = json_load_file(path, 0, NULL);
  const json_t *meta = json_object_get(root, "meta");
  cr_assert_eq(json_integer_value(json_object_get(meta, "seed")), 7);
  cr_assert_eq(json_real_value(json_object_get(meta, "loss")), 0.25);
  json_decref(root);
  bki_model_destroy(load(directory));
  bki_model_destroy(model);
}

Test(model_save, does_not_touch_a_directory_that_is_there) {
  bki_model *model = load(MODEL_DIR);
  const char *directory = model_dir_copy("config.json", NULL, NULL);
  bki_error err;
  cr_assert_eq(bki_model_save(model, directory, NULL, &err), BKI_E_IO);
  cr_assert_str_eq(err.file, directory);
  cr_assert(same_file(directory, MODEL_DIR, "config.json"));
  cr_assert_eq(bki_model_save(model, "/nowhere/m", NULL, &err), BKI_E_IO);
  bki_model_destroy(model);
}

Test(model_save, takes_a_self_test_that_is_set) {
  bki_model *model = load(MODEL_DIR);
  const bki_str texts[] = {{"one \xc3\xa9 \"two\"", 12}, {"", 0}};
  const float logits[] = {0.1F, -1e-30F, 3.4e38F, 1, 2, 3};
  bki_error err;
  cr_assert_eq(bki_model_set_selftest(model, texts, logits, 2, &err), BKI_OK);
  const char *directory = scratch_path("m");
  save(model, directory, NULL);
  bki_model *again = load(directory);
  bki_str text;
  const float *found;
  cr_assert_eq(bki_model_selftest_count(again), 2);
  bki_model_selftest_get(again, 0, &text, &found);
  cr_assert(text.size == texts[0].size && memcmp(text.data, texts[0].data, text.size) == 0);
  cr_assert_eq(memcmp(found, logits, 3 * sizeof *found), 0);
  bki_model_destroy(again);
  bki_model_destroy(model);
}
