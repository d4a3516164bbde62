#include <math.h>

#include "model_dir.h"
#include "parameters.h"

#define REFUSES(from, to, message) model_dir_refuses("weights.safetensors", from, to, message)

Test(model_directory, is_loaded_with_everything_in_it) {
  bki_model *model = model_dir_load(MODEL_DIR);
  const bki_model_config *config = bki_model_get_config(model);
  cr_expect_eq(config->vocabulary_size, 12);
  cr_expect_eq(config->embedding_dim, 5);
  cr_expect_eq(config->hidden, 7);
  cr_expect_eq(config->n_classes, 3);
  cr_expect_str_eq(config->classes[2], "class2");
  cr_expect_eq(bki_vocabulary_size(bki_model_vocabulary(model)), 12);
  cr_expect_eq(bki_model_n_parameters(model), 12 * 5 + 2 * 28 * (5 + 7 + 2) + 3 * 15 + 3 * 4);
  cr_expect_eq(strlen(bki_model_fingerprint(model)), 32u);
  bki_str text;
  const float *logits;
  cr_assert_eq(bki_model_selftest_count(model), 9u);
  bki_model_selftest_get(model, 1, &text, &logits);
  cr_expect_eq(memchr(text.data, ' ', text.size), NULL, "the second text is one word");
  cr_expect(isfinite(logits[2]));
  bki_model_destroy(model);
}

Test(model_directory, puts_every_tensor_into_its_place) {
  bki_strbuf file = scratch_read(MODEL_DIR "/weights.safetensors");
  bki_model *model = model_dir_load(MODEL_DIR);
  const bki_parameters *p = bki_model_parameters(model);
  /* The file has the same order as the block, so its end has to be the block. */
  cr_assert_eq(memcmp(file.data + file.size - p->count * sizeof(float), p->block, p->count * sizeof(float)), 0);
  bki_model_destroy(model);
  bki_strbuf_clear(&file);
}

Test(model_directory, has_three_files) {
  static const char *const files[] = {"config.json", "weights.safetensors", "vocab.txt"};
  for (size_t i = 0; i < 3; i++) {
    const char *directory = model_dir_copy(NULL, NULL, NULL);
    cr_assert_eq(remove(scratch_path(files[i])), 0);
    bki_model *model = NULL;
    bki_error err;
    cr_expect_eq(bki_model_load(&model, directory, &err), BKI_E_IO);
    cr_expect_not_null(strstr(err.file, files[i]), "%s", err.file);
    cr_expect_not_null(strstr(err.message, "No such file or directory"), "%s", err.message);
  }
}

Test(model_directory, refuses_a_configuration_file_without_end) {
  bki_model *model;
  bki_error err;
  const char *directory = model_dir_copy(NULL, NULL, NULL);
  cr_assert_eq(truncate(scratch_path("config.json"), (64 << 20) + 1), 0);
  cr_assert_eq(bki_model_load(&model, directory, &err), BKI_E_DATA);
  cr_assert_str_eq(err.message, "expected at most 64 MiB, found more");
  cr_assert_eq(remove(scratch_path("config.json")), 0);
  cr_assert_eq(symlink("/dev/zero", scratch_path("config.json")), 0);
  cr_assert_eq(bki_model_load(&model, directory, &err), BKI_E_IO);
  cr_assert_str_eq(err.message, "expected a regular file, found something else");
}

Test(weights, have_the_shapes_of_the_settings) {
  model_dir_copy("config.json", "\"hidden\": 7", "\"hidden\": 8");
  bki_model *model;
  bki_error err;
  cr_assert_eq(bki_model_load(&model, scratch_path(""), &err), BKI_E_DATA);
  cr_expect_str_eq(err.message, "lstm.weight_ih_l0: expected shape [32, 5], found [28, 5]");
  cr_expect_not_null(strstr(err.file, "weights.safetensors"));
  REFUSES("[12,5]", "[ 60 ]", "embedding.weight: expected shape [V, E] with V at most 268435456, found [60]");
  REFUSES("[3,14]", "[14,3]", "dense.weight: expected shape [3, 14], found [14, 3]");
  REFUSES("\"shape\":[28,5]", "\"shape\":[ 140]", "lstm.weight_ih_l0: expected shape [28, 5], found [140]");
}

Test(weights, are_not_allocated_for_sizes_that_are_only_claimed) {
  model_dir_copy("config.json", "\"num_layers\": 1", "\"num_layers\": 64");
  bki_model *model;
  bki_error err;
  cr_assert_eq(bki_model_load(&model, scratch_path(""), &err), BKI_E_DATA);
  cr_expect_str_eq(err.message, "missing tensor lstm.weight_ih_l1 [28, 14]");
}

Test(weights, are_all_there_and_no_others) {
  REFUSES("embedding.weight", "embeddings.weigh", "missing tensor embedding.weight");
  REFUSES("lstm.bias_hh_l0", "lstm.bias_xx_l0", "missing tensor lstm.bias_hh_l0 [28]");
  model_dir_copy("config.json", "\"dense\": 3,", "\"dense\": 0,");
  bki_model *model;
  bki_error err;
  cr_assert_eq(bki_model_load(&model, scratch_path(""), &err), BKI_E_DATA);
  cr_expect_str_eq(err.message, "output.weight: expected shape [3, 14], found [3, 3]");
}

Test(weights, of_a_deeper_model_are_not_those_of_one_layer) {
  bki_strbuf content = model_dir_replace(scratch_read(BKI_TEST_DATA "/golden/deep/config.json"), "\"num_layers\": 2",
                                         "\"num_layers\": 1");
  scratch_write(scratch_path("config.json"), content.data, content.size);
  bki_strbuf_clear(&content);
  content = scratch_read(BKI_TEST_DATA "/golden/deep/weights.safetensors");
  scratch_write(scratch_path("weights.safetensors"), content.data, content.size);
  bki_strbuf_clear(&content);
  bki_model *model;
  bki_error err;
  cr_assert_eq(bki_model_load(&model, scratch_path(""), &err), BKI_E_DATA);
  cr_expect_str_eq(err.message, "tensor \"lstm.weight_ih_l1\" is not part of the model that config.json describes");
}

Test(weights, are_floating_point) {
  REFUSES("F32", "I32", "expected the dtype F32, F16, BF16 or F64, found another");
}

Test(weights, are_finite) {
  bki_strbuf content = scratch_read(MODEL_DIR "/weights.safetensors");
  const float infinity = INFINITY;
  const char *directory = model_dir_copy(NULL, NULL, NULL);
  memcpy(content.data + content.size - sizeof infinity, &infinity, sizeof infinity);
  scratch_write(scratch_path("weights.safetensors"), content.data, content.size);
  bki_strbuf_clear(&content);
  bki_model *model;
  bki_error err;
  cr_assert_eq(bki_model_load(&model, directory, &err), BKI_E_DATA);
  cr_expect_not_null(strstr(err.message, "output.bias"), "%s", err.message);
  cr_expect_not_null(strstr(err.message, "element 2"), "%s", err.message);
}

Test(model_vocabulary, has_at_most_the_rows_of_the_embedding) {
  model_dir_refuses("vocab.txt", "w11\n", "w11\nw12\n",
                    "expected at most 12 words, the rows of embedding.weight, found 13");
  bki_model *model = model_dir_load(model_dir_copy("vocab.txt", "w11\n", ""));
  cr_expect_eq(bki_vocabulary_size(bki_model_vocabulary(model)), 11);
  cr_expect_eq(bki_model_get_config(model)->vocabulary_size, 12);
  bki_model_destroy(model);
}

static void fingerprint_of(char out[33], const char *file, const char *from, const char *to) {
  bki_model *model = model_dir_load(model_dir_copy(file, from, to));
  strcpy(out, bki_model_fingerprint(model));
  bki_model_destroy(model);
}

Test(fingerprint, changes_with_everything_that_decides_a_score) {
  static const char *const changes[][3] = {
      {"config.json", "class0", "class3"},
      {"config.json", "\"class0\",\n  \"class1\"", "\"class1\",\n  \"class0\""},
      {"config.json", "\"final\"", "\"mean\""},
      {"config.json", "\"none\"", "\"pre:17\""},
      {"config.json", "\"pad\": \"none\",\n \"pad_vector\": \"embedding\"",
       "\"pad\": \"pre:17\", \"pad_vector\": \"zero\""},
      {"config.json", "\"relu\"", "\"tanh\""},
      {"config.json", "\"max_words\": 17", "\"max_words\": 16"},
      {"config.json", "\"tail\"", "\"head\""},
      {"config.json", "\"whitespace\"", "\"words\""},
      {"config.json", "\"oov_id\": 1", "\"oov_id\": -1"},
      {"vocab.txt", "w11", "W11"},
      {"vocab.txt", "w11\n", ""},
  };
  enum { N = sizeof changes / sizeof changes[0] };
  char found[N + 1][33];
  fingerprint_of(found[N], NULL, NULL, NULL);
  for (size_t i = 0; i < N; i++) {
    fingerprint_of(found[i], changes[i][0], changes[i][1], changes[i][2]);
    for (size_t j = 0; j < i; j++) {
      cr_expect_str_neq(found[i], found[j], "changes %zu and %zu", i, j);
    }
    cr_expect_str_neq(found[i], found[N], "change %zu", i);
  }
}

Test(fingerprint, ignores_what_decides_no_score) {
  static const char *const changes[][2] = {
      {"\"selftest\": [", "\"selftest\": [{\"text\": \"a\", \"logits\": [1, 2, 3]},"},
      {"\"pad_id\": 0", "\"pad_id\": 2"}, /* there are no pads */
      {"\"oov_id\"", "\"meta\": {\"a\": 1}, \"oov_id\""},
  };
  char original[33];
  fingerprint_of(original, NULL, NULL, NULL);
  for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
    char found[33];
    fingerprint_of(found, "config.json", changes[i][0], changes[i][1]);
    cr_expect_str_eq(found, original, "change %zu", i);
  }
}
