#include "model_dir.h"

#define REFUSES(from, to, message) model_dir_refuses("config.json", from, to, message)

Test(config_file, is_json) {
  REFUSES("{", "[", "not JSON: \"");
  REFUSES("{\n", "\"a\"\n}", "not JSON: \"");
  REFUSES("\"hidden\": 7", "\"hidden\": 7, \"hidden\": 7", "not JSON: \"duplicate object key near '\\\"hidden\\\"'\"");
  REFUSES("class0", "class\\u0000", "not JSON: \"");
  REFUSES("class0", "class\xff", "not JSON: \"");
}

Test(config_file, says_the_line_of_what_is_not_json) {
  bki_model *model;
  bki_error err;
  cr_assert_eq(bki_model_load(&model, model_dir_copy("config.json", "\"hidden\": 7", "\"hidden\": x"), &err),
               BKI_E_DATA);
  cr_assert_eq(err.line, 5, "line %lld", (long long)err.line);
}

Test(config_file, has_a_format_and_a_version) {
  REFUSES("\"format\": \"bki-model\",", "", "format: missing; expected a string");
  REFUSES("bki-model", "onnx", "format: expected \"bki-model\", found \"onnx\"");
  REFUSES("\"version\": 1", "\"version\": 2", "version: expected 1, found 2");
  REFUSES("\"version\": 1", "\"version\": \"1\"", "version: expected an integer, found a string");
}

Test(config_file, has_every_setting_that_decides_a_score) {
  REFUSES("\"embedding_dim\": 5,", "", "embedding_dim: missing; expected an integer");
  REFUSES("\"hidden\": 7,", "", "hidden: missing; expected an integer");
  REFUSES("\"classes\": [", "\"meta\": {}, \"selftest\": [", "not JSON: \"duplicate object key");
  REFUSES("\"readout\": \"final\",", "", "readout: missing; expected a string");
  REFUSES("\"pad\": \"none\",", "", "pad: missing; expected a string");
  REFUSES("\"max_words\": 17,", "", "max_words: missing; expected an integer");
  REFUSES("\"keep\": \"tail\",", "", "keep: missing; expected a string");
  REFUSES("\"type\": \"whitespace\",", "", "tokenizer.type: missing; expected a string");
  REFUSES("\"oov_id\": 1,", "", "oov_id: missing; expected an integer");
}

Test(config_file, refuses_a_value_of_another_type) {
  REFUSES("\"hidden\": 7", "\"hidden\": 7.0", "hidden: expected an integer, found a real number");
  REFUSES("\"hidden\": 7", "\"hidden\": true", "hidden: expected an integer, found true");
  REFUSES("\"hidden\": 7", "\"hidden\": 99999999999", "hidden: expected a 32-bit integer, found 99999999999");
  REFUSES("\"bidirectional\": true", "\"bidirectional\": null", "bidirectional: expected true or false, found null");
  REFUSES("\"readout\": \"final\"", "\"readout\": 1", "readout: expected a string, found an integer");
  REFUSES("\"class1\"", "1", "classes: expected strings, found an integer at index 1");
  REFUSES("\"lowercase\": false", "\"lowercase\": 0", "tokenizer.lowercase: expected true or false, found an integer");
  REFUSES("\"oov_id\": 1", "\"oov_id\": 1, \"meta\": []", "meta: expected an object, found an array");
}

Test(config_file, refuses_an_unknown_key) {
  REFUSES("\"hidden\"", "\"hiden\"", "unknown key \"hiden\" (notes belong into \"meta\")");
  REFUSES("\"lowercase\"", "\"lower\"", "tokenizer: unknown key \"lower\"");
  REFUSES("\"logits\"", "\"logit\"", "selftest[0]: unknown key \"logit\"");
}

Test(config_file, keeps_notes_in_meta) {
  bki_model_destroy(
      model_dir_load(model_dir_copy("config.json", "\"hidden\": 7", "\"hidden\": 7, \"meta\": {\"epochs\": [1, {}]}")));
}

Test(config_file, refuses_an_unknown_name) {
  REFUSES("\"readout\": \"final\"", "\"readout\": \"sum\"",
          "readout: expected \"final\", \"last\", \"mean\" or \"max\", found \"sum\"");
  REFUSES("\"relu\"", "\"gelu\"", "dense_activation: expected \"relu\", \"tanh\" or \"none\", found \"gelu\"");
  REFUSES("\"tail\"", "\"end\"", "keep: expected \"tail\" or \"head\", found \"end\"");
  REFUSES("\"pad_vector\": \"embedding\"", "\"pad_vector\": \"0\"",
          "pad_vector: expected \"embedding\" or \"zero\", found \"0\"");
  REFUSES("\"whitespace\"", "\"bpe\"",
          "tokenizer.type: expected \"words\", \"keras\" or \"whitespace\", found \"bpe\"");
}

Test(config_file, refuses_a_model_of_one_direction) {
  REFUSES("\"bidirectional\": true", "\"bidirectional\": false",
          "bidirectional: expected true, found false: a one-directional LSTM is not supported");
}

Test(config_file, refuses_a_pad_that_is_none_of_three) {
  static const char *const bad[] = {
      "", "pre", "pre:", "pre:0", "pre:-1", "pre:017", "pre:17x", "pre:9999999999", "none:17", "PRE:17", "mid:17"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char to[64];
    char message[128];
    snprintf(to, sizeof to, "\"pad\": \"%s\"", bad[i]);
    snprintf(message, sizeof message, "pad: expected \"none\", \"pre:T\" or \"post:T\" (T steps), found \"%s\"",
             bad[i]);
    REFUSES("\"pad\": \"none\"", to, message);
  }
}

Test(config_file, refuses_settings_out_of_range) {
  REFUSES("\"hidden\": 7", "\"hidden\": 0", "hidden: expected 1 to 65536, found 0");
  REFUSES("\"num_layers\": 1", "\"num_layers\": 65", "num_layers: expected 1 to 64, found 65");
  REFUSES("\"oov_id\": 1", "\"oov_id\": 12", "oov_id: expected -1 to 11, found 12");
  REFUSES("\"pad\": \"none\"", "\"pad\": \"post:16\"",
          "max_words: expected at most T = 16 of pad \"post:16\", found 17");
  REFUSES("\"pad\": \"none\"", "\"pad\": \"pre:16777217\"", "T of pad: expected 1 to 16777216, found 16777217");
  REFUSES("\"class1\"", "\"class0\"", "classes: expected distinct names, found \"class0\" again at index 1");
  REFUSES("\"class0\",\n  \"class1\",\n  \"class2\"", "\"a\"", "classes: expected 2 to 1048576 names, found 1");
  REFUSES("\"strip_html\": false", "\"strip_html\": true",
          "tokenizer.strip_html: \"whitespace\" does no HTML handling");
}

Test(config_file, refuses_a_bad_selftest) {
  REFUSES("\"text\": \"\"", "\"text\": null", "selftest[0].text: expected a string, found null");
  REFUSES("\"logits\": [", "\"logits\": [0,", "selftest[0].logits: expected 3 numbers, one a class, found 4");
  REFUSES("\"logits\": [\n", "\"logits\": [1e39, 1, 2], \"x\": [\n", "selftest[0]: unknown key \"x\"");
  REFUSES("\"selftest\": [", "\"selftest\": [7,", "selftest: expected objects, found an integer at index 0");
  REFUSES("\"selftest\": [", "\"selftest\": [{\"text\": \"a\", \"logits\": [1, 2, 1e39]},",
          "selftest[0].logits: expected numbers in the range of float32, found a larger one at index 2");
  REFUSES("\"selftest\": [", "\"selftest\": [{\"text\": \"a\", \"logits\": [1, \"2\", 3]},",
          "selftest[0].logits: expected numbers in the range of float32, found a string at index 1");
}

static const char smallest[] =
    "{\"format\": \"bki-model\", \"version\": 1, \"embedding_dim\": 5, \"hidden\": 7, \"classes\": [\"a\", \"b\", "
    "\"c\"],"
    "\"readout\": \"last\", \"pad\": \"post:30\", \"max_words\": 20, \"keep\": \"head\", \"tokenizer\": {\"type\": "
    "\"words\"},"
    "\"oov_id\": -1, \"dense\": 3}";

Test(config_file, may_leave_out_what_has_a_default) {
  const char *directory = model_dir_copy(NULL, NULL, NULL);
  scratch_write(scratch_path("config.json"), smallest, sizeof smallest - 1);
  bki_model *model = model_dir_load(directory);
  const bki_model_config *config = bki_model_get_config(model);
  cr_expect_eq(config->num_layers, 1);
  cr_expect_eq(config->dense, 3);
  cr_expect_eq(config->dense_activation, BKI_ACTIVATION_RELU);
  cr_expect_eq(config->readout, BKI_READOUT_LAST);
  cr_expect_eq(config->pad, BKI_PAD_POST);
  cr_expect_eq(config->pad_length, 30);
  cr_expect_eq(config->pad_vector, BKI_PAD_VECTOR_EMBEDDING);
  cr_expect_eq(config->pad_id, 0);
  cr_expect_eq(config->max_words, 20);
  cr_expect_eq(config->keep, BKI_KEEP_HEAD);
  cr_expect_eq(config->tokenizer.type, BKI_TOKENIZER_WORDS);
  cr_expect(config->tokenizer.lowercase);
  cr_expect(config->tokenizer.strip_html);
  cr_expect_eq(config->oov_id, -1);
  cr_expect_eq(config->vocabulary_size, 12);
  cr_expect_eq(bki_model_selftest_count(model), 0u);
  bki_model_destroy(model);
}
