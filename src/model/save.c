/* Writing a model directory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include <bki/safetensors.h>
#include <bki/stream.h>

#include "array.h"
#include "fail.h"
#include "model.h"
#include "settings.h"
#include "strbuf.h"

bki_status bki_model_set_selftest(bki_model *model, const bki_str *texts, const float *logits, size_t n,
                                  bki_error *err) {
  const size_t classes = (size_t)model->config.n_classes;
  bki_selftest *tests = bki_arena_alloc(model->arena, n * sizeof *tests);
  float *numbers = bki_arena_alloc(model->arena, n * classes * sizeof *numbers);
  if (tests == NULL || numbers == NULL) {
    return bki_fail_memory(err);
  }
  if (n > 0) {
    memcpy(numbers, logits, n * classes * sizeof *numbers);
  }
  for (size_t i = 0; i < n; i++) {
    const char *text = bki_arena_copy(model->arena, texts[i].data, texts[i].size);
    if (text == NULL) {
      return bki_fail_memory(err);
    }
    tests[i] = (bki_selftest){{text, texts[i].size}, numbers + i * classes};
  }
  model->selftest = tests;
  model->n_selftest = n;
  return BKI_OK;
}

static bki_status save_weights(const bki_model *model, const char *path, bki_error *err) {
  const bki_model_config *config = &model->config;
  bki_parameter described;
  size_t n = 0;
  while (bki_parameters_describe(config, n, &described)) {
    n++;
  }
  bki_parameter *names = bki_array_create(n, sizeof *names);
  bki_tensor *tensors = bki_array_create(n, sizeof *tensors);
  bki_status status = names == NULL || tensors == NULL ? bki_fail_memory(err) : BKI_OK;
  const float *data = model->parameters.block;
  for (size_t i = 0; status == BKI_OK && i < n; i++) {
    bki_parameters_describe(config, i, &names[i]);
    tensors[i] = (bki_tensor){.name = names[i].name,
                              .dtype = BKI_DTYPE_F32,
                              .rank = names[i].rank,
                              .shape = {names[i].shape[0], names[i].shape[1]},
                              .data = data};
    data += names[i].shape[0] * names[i].shape[1];
  }
  if (status == BKI_OK) {
    status = bki_safetensors_save(path, tensors, n, err);
  }
  free(names);
  free(tensors);
  return status;
}

static json_t *describe_tokenizer(const bki_tokenizer_config *tokenizer) {
  return json_pack("{s:s, s:b, s:b}", "type", bki_tokenizer_names[tokenizer->type], "lowercase", tokenizer->lowercase,
                   "strip_html", tokenizer->strip_html);
}

static json_t *describe_selftest(const bki_model *model) {
  json_t *array = json_array();
  for (size_t i = 0; i < model->n_selftest; i++) {
    json_t *logits = json_array();
    for (int32_t c = 0; c < model->config.n_classes; c++) {
      json_array_append_new(logits, json_real((double)model->selftest[i].logits[c]));
    }
    const bki_str text = model->selftest[i].text;
    if (json_array_append_new(array, json_pack("{s:s%, s:o}", "text", text.data, text.size, "logits", logits)) != 0) {
      json_decref(array);
      return NULL;
    }
  }
  return array;
}

static json_t *describe_classes(const bki_model_config *config) {
  json_t *array = json_array();
  for (int32_t c = 0; c < config->n_classes; c++) {
    if (json_array_append_new(array, json_string(config->classes[c])) != 0) {
      json_decref(array);
      return NULL;
    }
  }
  return array;
}

/* Every key that has a meaning for the model, in the order of docs/models.md. NULL: out of memory. */
static json_t *describe(const bki_model *model) {
  const bki_model_config *c = &model->config;
  char pad[32];
  if (c->pad == BKI_PAD_NONE) {
    snprintf(pad, sizeof pad, "none");
  } else {
    snprintf(pad, sizeof pad, "%s:%d", bki_pad_names[c->pad], c->pad_length);
  }
  return json_pack("{s:s, s:i, s:i, s:i, s:i, s:b, s:i, s:s, s:o, s:s, s:s, s:s, s:i, s:i, s:s, s:o, s:i, s:o}",
                   "format", "bki-model", "version", 1, "embedding_dim", c->embedding_dim, "hidden", c->hidden,
                   "num_layers", c->num_layers, "bidirectional", 1, "dense", c->dense, "dense_activation",
                   bki_activation_names[c->dense_activation], "classes", describe_classes(c), "readout",
                   bki_readout_names[c->readout], "pad", pad, "pad_vector", bki_pad_vector_names[c->pad_vector],
                   "pad_id", c->pad_id, "max_words", c->max_words, "keep", bki_keep_names[c->keep], "tokenizer",
                   describe_tokenizer(&c->tokenizer), "oov_id", c->oov_id, "selftest", describe_selftest(model));
}

static bki_status save_config(const bki_model *model, const char *path, const char *meta, bki_error *err) {
  json_error_t reason;
  json_t *root = describe(model);
  json_t *remarks = meta == NULL ? NULL : json_loads(meta, JSON_REJECT_DUPLICATES, &reason);
  char *text = NULL;
  if (root != NULL && (meta == NULL || json_object_set(root, "meta", remarks) == 0)) {
    text = json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(9)); /* 9 digits are a float32 */
  }
  json_decref(remarks);
  json_decref(root);
  bki_sink *sink = NULL;
  bki_status status = text == NULL ? bki_fail_memory(err) : bki_sink_open(&sink, path, true, err);
  if (status == BKI_OK) {
    status = bki_sink_write(sink, text, strlen(text), err);
    status = status == BKI_OK ? bki_sink_write(sink, "\n", 1, err) : status;
    if (status == BKI_OK) {
      status = bki_sink_commit(sink, err);
    } else {
      bki_sink_discard(sink);
    }
  }
  free(text);
  return status;
}

static bki_status save_part(const bki_model *model, const char *directory, const char *meta, int part, bki_error *err) {
  static const char *const names[] = {"vocab.txt", "weights.safetensors", "config.json"};
  bki_strbuf path = {0};
  bki_strbuf_format(&path, "%s/%s", directory, names[part]);
  bki_status status = path.failed ? bki_fail_memory(err) : BKI_OK;
  if (status == BKI_OK) {
    status = part == 0   ? bki_vocabulary_save(model->vocabulary, path.data, err)
             : part == 1 ? save_weights(model, path.data, err)
                         : save_config(model, path.data, meta, err);
  }
  bki_strbuf_clear(&path);
  return status;
}

bki_status bki_model_save(const bki_model *model, const char *directory, const char *meta, bki_error *err) {
  if (mkdir(directory, 0777) != 0) {
    return bki_fail_errno(err, directory, "create the directory");
  }
  for (int part = 0; part < 3; part++) {
    BKI_TRY(save_part(model, directory, meta, part, err));
  }
  return BKI_OK;
}
