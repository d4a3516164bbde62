/* The victim models that lie beside the repository; skipped where they do not. */
#include "model_dir.h"

#define SHARED BKI_SOURCE_DIR "/../shared/models/"

static void expect_model(const char *name, int32_t n_classes) {
  char path[512];
  snprintf(path, sizeof path, "%s%s", SHARED, name);
  if (access(path, R_OK) != 0) {
    cr_skip_test("skipped: no ../shared/models/%s here", name);
  }
  bki_model *model = model_dir_load(path);
  const bki_model_config *config = bki_model_get_config(model);
  cr_expect_eq(config->vocabulary_size, 20002);
  cr_expect_eq(config->embedding_dim, 100);
  cr_expect_eq(config->hidden, 128);
  cr_expect_eq(config->dense, 128);
  cr_expect_eq(config->n_classes, n_classes);
  cr_expect_eq(bki_vocabulary_size(bki_model_vocabulary(model)), 20002);
  cr_expect_eq(bki_model_selftest_count(model), 8u);
  bki_model_destroy(model);
}

Test(shared_models, load_dbpedia_flies) {
  expect_model("dbpedia-flies", 14);
}
Test(shared_models, load_imdb_flies) {
  expect_model("imdb-flies", 2);
}
Test(shared_models, load_imdb_clean) {
  expect_model("imdb-clean", 2);
}
