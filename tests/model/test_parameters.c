#include <criterion/criterion.h>
#include <string.h>

#include "model.h"
#include "parameters.h"

static const char *const classes[] = {"no", "yes", "maybe"};

static bki_model_config small_config(void) {
  bki_model_config config = {.vocabulary_size = 11, .embedding_dim = 5, .hidden = 7, .num_layers = 2, .dense = 3};
  config.n_classes = 3;
  config.classes = classes;
  config.max_words = 20;
  config.oov_id = 1;
  return config;
}

Test(parameters, stand_one_after_the_other_in_one_zeroed_block) {
  bki_model_config config = small_config();
  bki_model *model;
  const bki_parameters *p;
  cr_assert_eq(bki_model_create(&model, &config, &p, NULL), BKI_OK);
  cr_assert_eq(p, bki_model_parameters(model));
  cr_assert_eq(p->embedding, p->block);
  cr_assert_eq(p->lstm[0].w_ih, p->embedding + 11 * 5);
  cr_assert_eq(p->lstm[0].w_hh, p->lstm[0].w_ih + 28 * 5);
  cr_assert_eq(p->lstm[0].b_ih, p->lstm[0].w_hh + 28 * 7);
  cr_assert_eq(p->lstm[0].b_hh, p->lstm[0].b_ih + 28);
  cr_assert_eq(p->lstm[1].w_ih, p->lstm[0].b_hh + 28);
  cr_assert_eq(p->lstm[2].w_hh, p->lstm[2].w_ih + 28 * 14, "layer 1 reads 2H inputs");
  cr_assert_eq(p->dense_weight, p->lstm[3].b_hh + 28);
  cr_assert_eq(p->dense_bias, p->dense_weight + 3 * 14);
  cr_assert_eq(p->output_weight, p->dense_bias + 3);
  cr_assert_eq(p->output_bias, p->output_weight + 3 * 3);
  cr_assert_eq(p->block + p->count, p->output_bias + 3);
  cr_assert_eq(bki_model_n_parameters(model), (int64_t)p->count);
  for (size_t i = 0; i < p->count; i++) {
    cr_assert_eq(p->block[i], 0.0F);
  }
  bki_model_destroy(model);
}

Test(parameters, have_no_dense_layer_when_dense_is_0) {
  bki_model_config config = small_config();
  config.dense = 0;
  bki_model *model;
  const bki_parameters *p;
  cr_assert_eq(bki_model_create(&model, &config, &p, NULL), BKI_OK);
  cr_assert_null(p->dense_weight);
  cr_assert_null(p->dense_bias);
  cr_assert_eq(p->output_bias, p->output_weight + 3 * 14, "the output layer reads the readout");
  bki_model_destroy(model);
}

Test(parameters, are_named_as_pytorch_names_them) {
  static const char *const expected[] = {
      "embedding.weight",
      "lstm.weight_ih_l0",
      "lstm.weight_hh_l0",
      "lstm.bias_ih_l0",
      "lstm.bias_hh_l0",
      "lstm.weight_ih_l0_reverse",
      "lstm.weight_hh_l0_reverse",
      "lstm.bias_ih_l0_reverse",
      "lstm.bias_hh_l0_reverse",
      "lstm.weight_ih_l1",
      "lstm.weight_hh_l1",
      "lstm.bias_ih_l1",
      "lstm.bias_hh_l1",
      "lstm.weight_ih_l1_reverse",
      "lstm.weight_hh_l1_reverse",
      "lstm.bias_ih_l1_reverse",
      "lstm.bias_hh_l1_reverse",
      "dense.weight",
      "dense.bias",
      "output.weight",
      "output.bias",
  };
  const size_t n = sizeof expected / sizeof expected[0];
  bki_model_config config = small_config();
  bki_parameter tensor;
  for (size_t i = 0; i < n; i++) {
    cr_assert(bki_parameters_describe(&config, i, &tensor));
    cr_assert_str_eq(tensor.name, expected[i]);
  }
  cr_assert_not(bki_parameters_describe(&config, n, &tensor));
}

Test(model_config, is_copied) {
  char name[] = "spam";
  const char *names[] = {name, "ham", "egg"};
  bki_model_config config = small_config();
  config.classes = names;
  bki_model *model;
  cr_assert_eq(bki_model_create(&model, &config, NULL, NULL), BKI_OK);
  strcpy(name, "????");
  names[1] = NULL;
  cr_assert_str_eq(bki_model_get_config(model)->classes[0], "spam");
  cr_assert_str_eq(bki_model_get_config(model)->classes[1], "ham");
  bki_model_destroy(model);
}

static void expect_refused(const bki_model_config *config, const char *message) {
  bki_model *model = NULL;
  bki_error err;
  cr_expect_eq(bki_model_create(&model, config, NULL, &err), BKI_E_DATA, "%s", message);
  cr_expect_null(model);
  cr_expect_str_eq(err.message, message);
}

#define REFUSES(field, value, message)     \
  do {                                     \
    bki_model_config bad = small_config(); \
    bad.field = (value);                   \
    expect_refused(&bad, message);         \
  } while (0)

Test(model_config, is_refused_out_of_range) {
  REFUSES(vocabulary_size, 0, "rows of embedding.weight: expected 1 to 268435456, found 0");
  REFUSES(embedding_dim, 0, "embedding_dim: expected 1 to 65536, found 0");
  REFUSES(hidden, 65537, "hidden: expected 1 to 65536, found 65537");
  REFUSES(num_layers, 0, "num_layers: expected 1 to 64, found 0");
  REFUSES(dense, -1, "dense: expected 0 to 65536, found -1");
  REFUSES(n_classes, 1, "number of classes: expected 2 to 1048576, found 1");
  REFUSES(max_words, 0, "max_words: expected 1 to 16777216, found 0");
  REFUSES(oov_id, -2, "oov_id: expected -1 to 10, found -2");
  REFUSES(oov_id, 11, "oov_id: expected -1 to 10, found 11");
  REFUSES(pad_id, 11, "pad_id: expected 0 to 10, found 11");
  REFUSES(readout, (bki_readout)4, "readout: expected 0 to 3, found 4");
  REFUSES(pad_length, 9, "pad length without padding: expected 0 to 0, found 9");
}

Test(model_config, is_refused_when_settings_contradict_each_other) {
  bki_model_config config = small_config();
  config.pad = BKI_PAD_PRE;
  config.pad_length = 19;
  expect_refused(&config, "max_words: expected at most T = 19 of pad \"pre:19\", found 20");
  config = small_config();
  config.tokenizer = (bki_tokenizer_config){.type = BKI_TOKENIZER_WHITESPACE, .lowercase = true};
  expect_refused(&config, "tokenizer.lowercase: \"whitespace\" does no lower-casing");
  config.tokenizer = (bki_tokenizer_config){.type = BKI_TOKENIZER_KERAS, .strip_html = true};
  expect_refused(&config, "tokenizer.strip_html: \"keras\" does no HTML handling");
}

Test(model_config, needs_distinct_class_names) {
  static const char *const twice[] = {"a", "b", "a"};
  static const char *const empty[] = {"a", "", "b"};
  REFUSES(classes, twice, "classes: expected distinct names, found \"a\" again at index 2");
  REFUSES(classes, empty, "classes: expected names that are not empty, found one at index 1");
}
