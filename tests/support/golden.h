/* The golden cases of tests/data/golden/make_golden.py, which describes the files. Every failure ends the test. */
#ifndef BKI_TESTS_GOLDEN_H
#define BKI_TESTS_GOLDEN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <jansson.h>

#include <bki/model.h>
#include <bki/safetensors.h>
#include <bki/scorer.h>

#include "parameters.h"

static const char *const golden_names[] = {"small", "wide", "deep", "linear"};
enum { GOLDEN_COUNT = sizeof golden_names / sizeof golden_names[0] };

/* One model, the sequences that all of its cases run over, and what is expected; N cases, S sequences, L words. */
typedef struct golden {
  const char *name;
  bki_model *model;
  json_t *root;
  size_t n_cases;
  size_t n_sequences;
  size_t n_words;
  bki_sequence *sequences; /* [S] */
  size_t *first;           /* [S] where the words of a sequence start in score, increment and flip */
  float *readout;          /* [N, S, 2H] */
  float *logits;           /* [N, S, C] */
  float *predicted;        /* [N, S] */
  float *score;            /* [N, L] */
  float *increment;        /* [N, L] */
  float *flip;             /* [N, L] 0 or 1 */
} golden;

static inline const char *golden_path(const golden *g, const char *file) {
  static char path[512];
  snprintf(path, sizeof path, "%s/golden/%s/%s", BKI_TEST_DATA, g->name, file);
  return path;
}

static inline float *golden_read(const bki_safetensors *file, const char *name, size_t count) {
  const bki_tensor *tensor = bki_safetensors_find(file, name);
  cr_assert_not_null(tensor, "%s", name);
  cr_assert_eq((size_t)tensor->n_elements, count, "%s: %zu numbers", name, (size_t)tensor->n_elements);
  float *values = malloc((count + 1) * sizeof *values);
  cr_assert_eq(bki_safetensors_read_f32(file, tensor, values, NULL), BKI_OK, "%s", name);
  return values;
}

static inline void golden_read_sequences(golden *g) {
  const json_t *lists = json_object_get(g->root, "sequences");
  g->n_sequences = json_array_size(lists);
  g->sequences = calloc(g->n_sequences, sizeof *g->sequences);
  g->first = calloc(g->n_sequences, sizeof *g->first);
  for (size_t s = 0; s < g->n_sequences; s++) {
    const json_t *list = json_array_get(lists, s);
    const size_t length = json_array_size(list);
    int32_t *ids = calloc(length + 1, sizeof *ids);
    for (size_t i = 0; i < length; i++) {
      ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    }
    g->sequences[s] = (bki_sequence){ids, (int32_t)length};
    g->first[s] = g->n_words;
    g->n_words += length;
  }
}

static inline golden golden_open(const char *name) {
  golden g = {.name = name};
  bki_error err;
  cr_assert_eq(bki_model_load(&g.model, golden_path(&g, ""), &err), BKI_OK, "%s: %s", err.file, err.message);
  g.root = json_load_file(golden_path(&g, "cases.json"), 0, NULL);
  cr_assert_not_null(g.root, "%s", golden_path(&g, "cases.json"));
  golden_read_sequences(&g);
  g.n_cases = json_array_size(json_object_get(g.root, "cases"));
  bki_safetensors *file = NULL;
  cr_assert_eq(bki_safetensors_open(&file, golden_path(&g, "expected.safetensors"), &err), BKI_OK, "%s", err.message);
  const bki_model_config *config = bki_model_get_config(g.model);
  const size_t texts = g.n_cases * g.n_sequences;
  g.readout = golden_read(file, "readout", texts * 2 * (size_t)config->hidden);
  g.logits = golden_read(file, "logits", texts * (size_t)config->n_classes);
  g.predicted = golden_read(file, "predicted", texts);
  g.score = golden_read(file, "score", g.n_cases * g.n_words);
  g.increment = golden_read(file, "increment", g.n_cases * g.n_words);
  g.flip = golden_read(file, "flip", g.n_cases * g.n_words);
  bki_safetensors_close(file);
  return g;
}

static inline void golden_close(golden *g) {
  for (size_t s = 0; s < g->n_sequences; s++) {
    free((void *)(uintptr_t)g->sequences[s].ids);
  }
  float *const arrays[] = {g->readout, g->logits, g->predicted, g->score, g->increment, g->flip};
  for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
    free(arrays[i]);
  }
  free(g->sequences);
  free(g->first);
  json_decref(g->root);
  bki_model_destroy(g->model);
}

/* A setting of case i: "pad", "readout" or "pad_vector". */
static inline const char *golden_setting(const golden *g, size_t i, const char *key) {
  return json_string_value(json_object_get(json_array_get(json_object_get(g->root, "cases"), i), key));
}

static inline int golden_index(const char *name, const char *const *names, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (strncmp(name, names[i], strlen(names[i])) == 0) {
      return (int)i;
    }
  }
  cr_assert(false, "unknown setting %s", name);
  return -1;
}

/* The model of case i; the caller destroys it. */
static inline bki_model *golden_model(const golden *g, size_t i) {
  static const char *const pads[] = {"none", "pre:", "post:"};
  static const char *const readouts[] = {"final", "last", "mean", "max"};
  const char *pad = golden_setting(g, i, "pad");
  bki_model_config config = *bki_model_get_config(g->model);
  config.pad = (bki_pad)golden_index(pad, pads, 3);
  config.pad_length = config.pad == BKI_PAD_NONE ? 0 : atoi(strchr(pad, ':') + 1);
  config.readout = (bki_readout)golden_index(golden_setting(g, i, "readout"), readouts, 4);
  config.pad_vector =
      strcmp(golden_setting(g, i, "pad_vector"), "zero") == 0 ? BKI_PAD_VECTOR_ZERO : BKI_PAD_VECTOR_EMBEDDING;
  bki_model *model = NULL;
  const bki_parameters *parameters;
  bki_error err;
  cr_assert_eq(bki_model_create(&model, &config, &parameters, &err), BKI_OK, "%s", err.message);
  const bki_parameters *from = bki_model_parameters(g->model);
  memcpy(parameters->block, from->block, from->count * sizeof(float));
  return model;
}

#endif
