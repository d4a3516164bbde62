/* The state of a training in one file, replaced as a whole: tensors of F32 with the trained part of the parameters, the
 * optimizer's moments and, with validation, the best parameters so far; "state", JSON in which every number that the
 * result depends on is exact; "checksum", XXH3-128 over all that. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <bki/safetensors.h>

#include "array.h"
#include "fail.h"
#include "train_internal.h"

enum { PARAMETERS, MEAN, VARIANCE, BEST, N_BLOCKS, EXACT_SIZE = 40, CHECKSUM_SIZE = 16 };

static const char *const block_names[N_BLOCKS] = {"parameters", "mean", "variance", "best"};

static json_t *exact(double value) {
  char text[EXACT_SIZE];
  snprintf(text, sizeof text, "%a", value);
  return json_string(text);
}

static bool read_exact(const json_t *value, double *out) {
  const char *text = json_string_value(value);
  char *end;
  *out = text == NULL ? 0 : strtod(text, &end);
  return text != NULL && end != text && *end == '\0';
}

/* The state as JSON text; free() it. NULL: out of memory. */
static char *format_state(const bki_training *t) {
  const bki_train_state *s = &t->state;
  json_t *epochs = json_array();
  for (int32_t e = 0; e < s->epoch; e++) {
    const bki_epoch *epoch = &s->epochs[e];
    json_array_append_new(epochs, json_pack("[o, o, o, o]", exact(epoch->loss), exact(epoch->accuracy),
                                            exact(epoch->validation_loss), exact(epoch->validation_accuracy)));
  }
  json_t *root = json_pack("{s:O, s:o, s:I, s:o, s:I, s:I, s:i}", "settings", t->settings, "epochs", epochs, "step",
                           (json_int_t)s->step, "loss_sum", exact(s->loss_sum), "correct", (json_int_t)s->n_correct,
                           "seen", (json_int_t)s->n_seen, "best_epoch", s->best_epoch);
  char *text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT);
  json_decref(root);
  return text;
}

static void make_checksum(uint8_t out[CHECKSUM_SIZE], const bki_tensor *tensors, size_t n) {
  XXH3_state_t state;
  XXH128_canonical_t canonical;
  XXH3_128bits_reset(&state);
  for (size_t i = 0; i < n; i++) {
    const size_t bytes = (size_t)tensors[i].shape[0] * (tensors[i].dtype == BKI_DTYPE_F32 ? sizeof(float) : 1);
    XXH3_128bits_update(&state, tensors[i].data, bytes);
  }
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state));
  memcpy(out, canonical.digest, CHECKSUM_SIZE);
}

static size_t trained_count(const bki_training *t) {
  return t->parameters->count - t->first;
}

/* The learner's blocks into fresh memory, all parameters first. */
static bki_status read_blocks(bki_training *t, float *blocks[BEST], bki_error *err) {
  static const bki_block kinds[BEST] = {BKI_BLOCK_PARAMETERS, BKI_BLOCK_MEAN, BKI_BLOCK_VARIANCE};
  for (int i = 0; i < BEST; i++) {
    blocks[i] = bki_array_create(i == PARAMETERS ? t->parameters->count : trained_count(t), sizeof *blocks[i]);
    if (blocks[i] == NULL) {
      return bki_fail_memory(err);
    }
    BKI_TRY(t->ops->read(t->learner, kinds[i], blocks[i], err));
  }
  return BKI_OK;
}

static bki_status save(bki_training *t, float *const blocks[BEST], const char *state, bki_error *err) {
  bki_tensor tensors[N_BLOCKS + 2];
  uint8_t checksum[CHECKSUM_SIZE];
  const float *data[N_BLOCKS] = {blocks[PARAMETERS] + t->first, blocks[MEAN], blocks[VARIANCE], t->best};
  size_t n = 0;
  for (size_t i = 0; i < N_BLOCKS; i++) {
    if (data[i] != NULL) {
      tensors[n++] = (bki_tensor){.name = block_names[i],
                                  .dtype = BKI_DTYPE_F32,
                                  .rank = 1,
                                  .shape = {(int64_t)trained_count(t)},
                                  .data = data[i]};
    }
  }
  tensors[n++] =
      (bki_tensor){.name = "state", .dtype = BKI_DTYPE_U8, .rank = 1, .shape = {(int64_t)strlen(state)}, .data = state};
  make_checksum(checksum, tensors, n);
  tensors[n++] =
      (bki_tensor){.name = "checksum", .dtype = BKI_DTYPE_U8, .rank = 1, .shape = {CHECKSUM_SIZE}, .data = checksum};
  return bki_safetensors_save(t->place.checkpoint, tensors, n, err);
}

bki_status bki_checkpoint_save(bki_training *t, bki_error *err) {
  float *blocks[BEST] = {NULL};
  char *state = format_state(t);
  bki_status status = state == NULL ? bki_fail_memory(err) : read_blocks(t, blocks, err);
  if (status == BKI_OK) {
    status = save(t, blocks, state, err);
  }
  free(state);
  for (int i = 0; i < BEST; i++) {
    free(blocks[i]);
  }
  return status;
}

static bki_status damaged(const bki_training *t, const char *what, bki_error *err) {
  return bki_fail_at(err, BKI_E_DATA, t->place.checkpoint, 0, -1,
                     "damaged (%s): remove the directory it is in, or use --force, to begin anew", what);
}

/* The state, but for the settings, into *out, whose list of epochs is allocated. */
static bki_status read_state(const bki_training *t, json_t *root, bki_train_state *out, bki_error *err) {
  json_t *epochs = NULL;
  json_t *loss_sum;
  json_int_t step;
  json_int_t correct;
  json_int_t seen;
  int best;
  const size_t steps = bki_sampler_steps(t->sampler);
  if (json_unpack(root, "{s:o, s:I, s:o, s:I, s:I, s:i}", "epochs", &epochs, "step", &step, "loss_sum", &loss_sum,
                  "correct", &correct, "seen", &seen, "best_epoch", &best) != 0 ||
      !json_is_array(epochs) || json_array_size(epochs) > (size_t)t->config->epochs || step < 0 ||
      (uint64_t)step > steps || !read_exact(loss_sum, &out->loss_sum) || best < -1 ||
      best >= (int)json_array_size(epochs) || seen < 0 || correct < 0 || correct > seen) {
    return damaged(t, "its state", err);
  }
  out->epoch = (int32_t)json_array_size(epochs);
  out->step = (uint64_t)step;
  out->n_correct = correct;
  out->n_seen = seen;
  out->best_epoch = best;
  BKI_TRY(bki_array_reserve(&out->epochs, &out->capacity, json_array_size(epochs), sizeof *out->epochs, err));
  for (size_t e = 0; e < json_array_size(epochs); e++) {
    const json_t *row = json_array_get(epochs, e);
    bki_epoch *epoch = &out->epochs[e];
    double *const fields[] = {&epoch->loss, &epoch->accuracy, &epoch->validation_loss, &epoch->validation_accuracy};
    for (size_t k = 0; k < 4; k++) {
      if (!read_exact(json_array_get(row, k), fields[k])) {
        return damaged(t, "its epochs", err);
      }
    }
  }
  return BKI_OK;
}

/* The file is whole and says that it is of this training. */
static bki_status check_file(const bki_training *t, const bki_safetensors *file, json_t **root, bki_error *err) {
  const size_t n = bki_safetensors_count(file);
  const bki_tensor *stored = bki_safetensors_find(file, "checksum");
  const bki_tensor *state = bki_safetensors_find(file, "state");
  bki_tensor tensors[N_BLOCKS + 1];
  uint8_t checksum[CHECKSUM_SIZE];
  if (stored == NULL || state == NULL || n < 2 || n > N_BLOCKS + 2 || stored != bki_safetensors_get(file, n - 1) ||
      stored->size_bytes != CHECKSUM_SIZE) {
    return damaged(t, "its tensors", err);
  }
  for (size_t i = 0; i < n - 1; i++) {
    tensors[i] = *bki_safetensors_get(file, i);
    if (tensors[i].rank != 1 || (tensors[i].dtype != BKI_DTYPE_F32 && tensors[i].dtype != BKI_DTYPE_U8)) {
      return damaged(t, "its tensors", err);
    }
  }
  make_checksum(checksum, tensors, n - 1);
  if (memcmp(checksum, stored->data, CHECKSUM_SIZE) != 0) {
    return damaged(t, "its checksum", err);
  }
  *root = json_loadb(state->data, state->size_bytes, JSON_REJECT_DUPLICATES, NULL);
  const json_t *settings = json_object_get(*root, "settings");
  if (settings == NULL) {
    return damaged(t, "its settings", err);
  }
  return bki_train_compare(t, settings, t->place.partial, "work in progress of another training",
                           "remove the directory, or use --force, to begin anew", err);
}

static bki_status check_blocks(const bki_training *t, const bki_safetensors *file, const bki_tensor *blocks[N_BLOCKS],
                               bki_error *err) {
  for (size_t i = 0; i < N_BLOCKS; i++) {
    blocks[i] = bki_safetensors_find(file, block_names[i]);
    if (i == BEST && t->best == NULL) {
      continue;
    }
    if (blocks[i] == NULL || blocks[i]->dtype != BKI_DTYPE_F32 || blocks[i]->rank != 1 ||
        blocks[i]->shape[0] != (int64_t)trained_count(t)) {
      return damaged(t, block_names[i], err);
    }
  }
  return BKI_OK;
}

static bki_status write_blocks(bki_training *t, const bki_tensor *const blocks[N_BLOCKS], bki_error *err) {
  const size_t bytes = trained_count(t) * sizeof(float);
  float *parameters = t->parameters->block + t->first; /* the model's: in front of them stands a frozen embedding */
  float *moments = malloc(bytes);
  if (moments == NULL) {
    return bki_fail_memory(err);
  }
  memcpy(parameters, blocks[PARAMETERS]->data, bytes);
  bki_status status = t->ops->write(t->learner, BKI_BLOCK_PARAMETERS, t->parameters->block, err);
  if (status == BKI_OK) {
    memcpy(moments, blocks[MEAN]->data, bytes); /* the file's data need not be aligned */
    status = t->ops->write(t->learner, BKI_BLOCK_MEAN, moments, err);
  }
  if (status == BKI_OK) {
    memcpy(moments, blocks[VARIANCE]->data, bytes);
    status = t->ops->write(t->learner, BKI_BLOCK_VARIANCE, moments, err);
  }
  if (t->best != NULL) {
    memcpy(t->best, blocks[BEST]->data, bytes);
  }
  free(moments);
  return status;
}

static bki_status load(bki_training *t, const bki_safetensors *file, bki_error *err) {
  json_t *root = NULL;
  const bki_tensor *blocks[N_BLOCKS];
  bki_train_state state = {0};
  bki_status status;
  BKI_TRY_GOTO(status, done, check_file(t, file, &root, err));
  BKI_TRY_GOTO(status, done, check_blocks(t, file, blocks, err));
  BKI_TRY_GOTO(status, done, read_state(t, root, &state, err));
  BKI_TRY_GOTO(status, done, write_blocks(t, blocks, err));
  free(t->state.epochs);
  t->state = state;
  state = (bki_train_state){0};
done:
  free(state.epochs);
  json_decref(root);
  return status;
}

bki_status bki_checkpoint_load(bki_training *t, bool *found, bki_error *err) {
  *found = access(t->place.checkpoint, F_OK) == 0;
  if (!*found) {
    return BKI_OK;
  }
  bki_safetensors *file;
  bki_error reason;
  bki_status status = bki_safetensors_open(&file, t->place.checkpoint, &reason);
  if (status == BKI_E_DATA) {
    return damaged(t, reason.message, err);
  }
  if (status != BKI_OK) {
    *err = reason;
    return status;
  }
  status = load(t, file, err);
  bki_safetensors_close(file);
  return status;
}
