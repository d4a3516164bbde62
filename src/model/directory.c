/* Loading a model directory. */
#include <stdio.h>
#include <sys/stat.h>

#include "config_file.h"
#include "fail.h"
#include "model.h"
#include "settings.h"
#include "strbuf.h"
#include "weights.h"

enum { MAX_CONFIG_BYTES = 64 << 20 };

typedef struct paths {
  bki_strbuf config, weights, vocabulary;
} paths;

static bki_status paths_init(paths *p, const char *directory, bki_error *err) {
  *p = (paths){0};
  bki_strbuf_format(&p->config, "%s/config.json", directory);
  bki_strbuf_format(&p->weights, "%s/weights.safetensors", directory);
  bki_strbuf_format(&p->vocabulary, "%s/vocab.txt", directory);
  return p->config.failed || p->weights.failed || p->vocabulary.failed ? bki_fail_memory(err) : BKI_OK;
}

static void paths_clear(paths *p) {
  bki_strbuf_clear(&p->config);
  bki_strbuf_clear(&p->weights);
  bki_strbuf_clear(&p->vocabulary);
}

/* A named pipe in a directory that came from elsewhere must not be waited for. */
static bki_status check_regular(const char *path, bki_error *err) {
  struct stat info;
  if (stat(path, &info) != 0) {
    return bki_fail_errno(err, path, "open");
  }
  return S_ISREG(info.st_mode)
             ? BKI_OK
             : bki_fail_at(err, BKI_E_IO, path, 0, -1, "expected a regular file, found something else");
}

static bki_status read_file(const char *path, bki_strbuf *out, bki_error *err) {
  BKI_TRY(check_regular(path, err));
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    return bki_fail_errno(err, path, "open");
  }
  bki_status status = BKI_OK;
  char block[16384];
  size_t n;
  while ((n = fread(block, 1, sizeof block, file)) > 0 && out->size <= MAX_CONFIG_BYTES) {
    bki_strbuf_add(out, block, n);
  }
  if (ferror(file)) {
    status = bki_fail_errno(err, path, "read");
  } else if (out->failed) {
    status = bki_fail_memory(err);
  } else if (out->size > MAX_CONFIG_BYTES) {
    status = bki_fail_at(err, BKI_E_DATA, path, 0, -1, "expected at most %d MiB, found more", MAX_CONFIG_BYTES >> 20);
  }
  fclose(file);
  return status;
}

static bki_status load_config(const char *path, bki_arena *arena, bki_config_file *out, bki_error *err) {
  bki_strbuf text = {0};
  bki_status status = read_file(path, &text, err);
  if (status == BKI_OK) {
    status = bki_config_file_parse(out, arena, text.data == NULL ? "" : text.data, text.size, path, err);
  }
  bki_strbuf_clear(&text);
  return status;
}

static bki_status load_vocabulary(bki_model *model, const char *path, bki_error *err) {
  BKI_TRY(check_regular(path, err));
  BKI_TRY(bki_vocabulary_load(&model->vocabulary, path, err));
  const int32_t words = bki_vocabulary_size(model->vocabulary);
  if (words > model->config.vocabulary_size) {
    return bki_fail_at(err, BKI_E_DATA, path, 0, -1,
                       "expected at most %d words, the rows of embedding.weight, found %d",
                       model->config.vocabulary_size, words);
  }
  return BKI_OK;
}

static bki_status load(bki_model **out, const paths *p, bki_error *err) {
  bki_safetensors *weights = NULL;
  bki_model *model = NULL;
  bki_config_file file;
  bki_arena *arena = bki_arena_create();
  bki_status status = arena == NULL ? bki_fail_memory(err) : load_config(p->config.data, arena, &file, err);
  if (status != BKI_OK) {
    goto done;
  }
  BKI_TRY_GOTO(status, done, bki_safetensors_open(&weights, p->weights.data, err));
  BKI_TRY_GOTO(status, done,
               bki_weights_read_vocabulary_size(weights, p->weights.data, &file.config.vocabulary_size, err));
  BKI_TRY_GOTO(status, done, bki_model_config_check(&file.config, p->config.data, err));
  BKI_TRY_GOTO(status, done, bki_weights_check(weights, &file.config, p->weights.data, err));
  status = bki_model_create_in(&model, arena, &file.config, err);
  arena = NULL; /* the model has it */
  BKI_TRY_GOTO(status, done, status);
  BKI_TRY_GOTO(status, done, bki_weights_read(weights, &model->config, model->parameters.block, err));
  BKI_TRY_GOTO(status, done, load_vocabulary(model, p->vocabulary.data, err));
  model->selftest = file.selftest;
  model->n_selftest = file.n_selftest;
  bki_model_set_fingerprint(model);
  *out = model;
  model = NULL;
done:
  bki_model_destroy(model);
  bki_safetensors_close(weights);
  bki_arena_destroy(arena);
  return status;
}

/* Corpus and model are easily swapped. What is not there at all is told when its first file is opened. */
static bki_status check_directory(const char *path, bki_error *err) {
  struct stat info;
  return stat(path, &info) != 0 || S_ISDIR(info.st_mode)
             ? BKI_OK
             : bki_fail_at(err, BKI_E_IO, path, 0, -1, "expected a model directory, found a file");
}

bki_status bki_model_load(bki_model **out, const char *directory, bki_error *err) {
  paths p;
  BKI_TRY(check_directory(directory, err));
  bki_status status = paths_init(&p, directory, err);
  if (status == BKI_OK) {
    status = load(out, &p, err);
  }
  paths_clear(&p);
  return status;
}
