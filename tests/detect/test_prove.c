/* The known-answer test of devices, on the CPU: a backend of two devices that are the CPU, one of them with a fault. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "model.h"
#include "prove.h"
#include "random_model.h"

/* What a device does with what is right. */
typedef enum fault {
  NONE,
  NEXT_WORD,    /* scores are those of the next word */
  ZERO,         /* no score is written but 0 */
  NOT_A_NUMBER, /* one score of all */
  FLIPPED,      /* every flip is the other way */
  MIXED_ROWS,   /* readouts and logits are those of the next text */
  NO_LOGITS,    /* they are not written */
  NEXT_PICK,    /* score_some alone: the score of the next word */
  INCREMENTS,   /* they are those of the next word */
  PICK_FLIPPED, /* score_some alone */
  FAILS,
} fault;

typedef struct two {
  bki_backend base;
  bki_backend *device[2];
  fault fault; /* of device 1 */
  int32_t at_work;
  char name[16];
} two;

static void shift(float *values, size_t n) {
  if (n > 0) {
    memmove(values, values + 1, (n - 1) * sizeof *values);
  }
}

static void spoil(const two *t, const bki_sequence *text, bki_scores *scores) {
  const size_t l = (size_t)text->length;
  switch (t->fault) {
    case NEXT_WORD: shift(scores->score, l); break;
    case ZERO: memset(scores->score, 0, l * sizeof *scores->score); break;
    case NOT_A_NUMBER: scores->score[l / 2] = l == 17 ? NAN : scores->score[l / 2]; break;
    case INCREMENTS: shift(scores->increment, l); break;
    case FLIPPED:
      for (size_t k = 0; k < l; k++) {
        scores->flip[k] ^= 1;
      }
      break;
    default: break;
  }
}

static bki_status score(bki_backend *backend, const bki_sequence *sequences, size_t n, bki_scores *scores,
                        bki_error *err) {
  const two *t = (const two *)backend;
  bki_backend *device = t->device[t->at_work];
  const bki_status status = device->ops->score(device, sequences, n, scores, err);
  for (size_t i = 0; t->at_work == 1 && i < n; i++) {
    spoil(t, &sequences[i], &scores[i]);
  }
  return status;
}

static bki_status score_some(bki_backend *backend, const bki_sequence *sequences, const bki_picks *picks, size_t n,
                             bki_scores *scores, bki_error *err) {
  const two *t = (const two *)backend;
  bki_backend *device = t->device[t->at_work];
  const bki_status status = device->ops->score_some(device, sequences, picks, n, scores, err);
  for (size_t i = 0; t->at_work == 1 && i < n; i++) {
    for (int32_t p = 0; p + 1 < picks[i].n; p++) {
      const int32_t k = picks[i].position[p];
      scores[i].score[k] = scores[i].score[t->fault == NEXT_PICK ? picks[i].position[p + 1] : k];
      scores[i].flip[k] ^= t->fault == PICK_FLIPPED;
    }
  }
  return status;
}

static bki_status forward(bki_backend *backend, const bki_sequence *sequences, size_t n, float *readout, float *logits,
                          bki_error *err) {
  const two *t = (const two *)backend;
  const bool spoiled = t->at_work == 1;
  bki_backend *device = t->device[t->at_work];
  if (spoiled && t->fault == FAILS) {
    *err = (bki_error){.status = BKI_E_DEVICE, .message = "it fails", .byte = -1};
    return BKI_E_DEVICE;
  }
  const size_t first = spoiled && t->fault == MIXED_ROWS ? 1 : 0;
  return device->ops->forward(device, sequences + first, n - first, readout,
                              spoiled && t->fault == NO_LOGITS ? NULL : logits, err);
}

static const char *use_device(bki_backend *backend, int32_t i) {
  two *t = (two *)backend;
  t->at_work = i == BKI_ALL_DEVICES ? 0 : i;
  snprintf(t->name, sizeof t->name, "GPU %d (X)", i);
  return t->name;
}

static const bki_backend_ops two_ops = {
    .name = "two", .score = score, .score_some = score_some, .forward = forward, .use_device = use_device};

/* A model, and what proves a backend that was made of the parameters of another one. */
typedef struct rig {
  bki_model *model;
  bki_model *other; /* of device 1 */
  bki_pool *pool;
  bki_backend_config config; /* of the CPU that plays the devices */
  bki_precision precision;   /* that they are said to have */
} rig;

static bki_backend *open_device(const rig *r, const bki_model *model) {
  bki_backend *backend = NULL;
  bki_error err;
  const bki_parameters *p = bki_model_parameters(model);
  cr_assert_eq(bki_backend_cpu.create(&backend, bki_model_get_config(model), p, &r->config, &err), BKI_OK, "%s",
               err.message);
  return backend;
}

static rig open_rig(const bki_model_config *shape, uint64_t seed, float gain, float forget) {
  rig r = {.model = expansive_model(seed, shape, gain, forget), .other = expansive_model(seed, shape, gain, forget)};
  cr_assert_eq(bki_pool_create(&r.pool, 1, NULL), BKI_OK);
  r.config = (bki_backend_config){.engine = shape->num_layers == 1 ? BKI_ENGINE_INCREMENTAL : BKI_ENGINE_FULL,
                                  .isa = BKI_ISA_PORTABLE,
                                  .pool = r.pool};
  return r;
}

static void close_rig(rig *r) {
  bki_pool_destroy(r->pool);
  bki_model_destroy(r->model);
  bki_model_destroy(r->other);
}

static bki_status prove(const rig *r, fault f, bki_error *err) {
  two t = {.base = {.ops = &two_ops, .picks = r->config.engine == BKI_ENGINE_INCREMENTAL, .n_devices = 2},
           .device = {open_device(r, r->model), open_device(r, r->other)},
           .fault = f};
  bki_backend_config said = r->config;
  said.precision = r->precision;
  *err = (bki_error){0};
  const bki_status status =
      bki_prove(&t.base, bki_model_get_config(r->model), bki_model_parameters(r->model), &said, err);
  t.device[0]->ops->destroy(t.device[0]);
  t.device[1]->ops->destroy(t.device[1]);
  return status;
}

static void check_found(const rig *r, fault f, const char *what) {
  bki_error err;
  cr_assert_eq(prove(r, f, &err), BKI_E_DEVICE, "fault %d: %s", (int)f, what);
  cr_assert_not_null(strstr(err.message, "GPU 1 (X): it computes wrong numbers with engine incremental in precision"),
                     "%s", err.message);
  cr_assert_not_null(strstr(err.message, what), "fault %d: %s", (int)f, err.message);
  cr_assert_not_null(strstr(err.message, ": use --engine full or --backend cpu"), "%s", err.message);
}

Test(prove, passes_what_computes_as_the_cpu_does) {
  for (int i = 0; i < 24; i++) {
    bki_model_config shape = random_config(5, 9);
    shape.readout = (bki_readout)(i % 4);
    shape.pad = (bki_pad)(i / 4 % 3);
    shape.pad_length = shape.pad == BKI_PAD_NONE ? 0 : 30;
    shape.max_words = shape.pad == BKI_PAD_NONE ? 500 : 25; /* below the longest of the texts */
    shape.num_layers = 1 + i / 12;
    rig r = open_rig(&shape, (uint64_t)i, 1, 0);
    r.config.increments = i % 2 == 1;
    bki_error err;
    cr_assert_eq(prove(&r, NONE, &err), BKI_OK, "%d: %s", i, err.message);
    close_rig(&r);
  }
}

/* bf16 in the place of tf32 and fp16, which have three bits more. */
Test(prove, passes_lower_precisions_and_every_expansive_net) {
  static const float gains[] = {1, 2, 4, 8, 16};
  for (uint64_t i = 0; i < 40; i++) {
    bki_model_config shape = random_config(6, 16);
    rig r = open_rig(&shape, i, gains[i % 5], (float)(i % 7));
    bki_error err;
    cr_assert_eq(prove(&r, NONE, &err), BKI_OK, "fp32, seed %d: %s", (int)i, err.message);
    r.precision = BKI_PRECISION_FP16;
    r.config.precision = BKI_PRECISION_BF16;
    cr_assert_eq(prove(&r, NONE, &err), BKI_OK, "bf16, seed %d: %s", (int)i, err.message);
    close_rig(&r);
  }
}

Test(prove, finds_results_that_are_out_of_place_or_missing) {
  static const bki_precision precisions[] = {BKI_PRECISION_FP32, BKI_PRECISION_TF32, BKI_PRECISION_FP16,
                                             BKI_PRECISION_SPLIT};
  bki_model_config shape = random_config(6, 16);
  rig r = open_rig(&shape, 3, 1, 0);
  for (size_t i = 0; i < 4; i++) {
    r.precision = precisions[i];
    check_found(&r, NEXT_WORD, "expected scores within");
    check_found(&r, ZERO, "expected scores within");
    check_found(&r, NOT_A_NUMBER, "found nan (a text of length 17)");
    check_found(&r, FLIPPED, "expected flips and classes within 0 of the CPU's");
    check_found(&r, MIXED_ROWS, "expected readouts and logits within");
    check_found(&r, NO_LOGITS, "expected readouts and logits within");
    check_found(&r, NEXT_PICK, "expected scores of picked words within");
    check_found(&r, PICK_FLIPPED, "expected flips and classes within 0 of the CPU's");
  }
  r.config.increments = true;
  check_found(&r, INCREMENTS, "expected prefix increments within");
  close_rig(&r);
}

/* A kernel that takes the directions or two gates for one another, leaves out a gate's recurrent product, or, which
 * fp32 alone is exact enough to show, one unit's. */
Test(prove, finds_kernels_that_compute_another_net) {
  static const float gains[] = {1, 4, 16};
  bki_model_config shape = random_config(6, 16);
  const size_t gate = 16 * 16;
  for (size_t i = 0; i < 12; i++) {
    rig r = open_rig(&shape, i, gains[i % 3], 0);
    r.precision = i % 2 == 0 || i / 3 == 3 ? BKI_PRECISION_FP32 : BKI_PRECISION_FP16;
    const bki_parameters *p = bki_model_parameters(r.other);
    float *w = p->lstm[0].w_hh;
    for (size_t k = 0; k < gate; k++) {
      float *other = i / 3 == 0 ? &p->lstm[1].w_hh[k] : i / 3 == 1 ? &w[gate + k] : NULL;
      const float value = w[k];
      if (other != NULL) {
        w[k] = *other;
        *other = value;
      } else if (i / 3 == 2 || k >= gate - 16) {
        w[k] = 0;
      }
    }
    bki_error err;
    cr_assert_eq(prove(&r, NONE, &err), BKI_E_DEVICE, "seed %zu", i);
    close_rig(&r);
  }
}

Test(prove, passes_on_what_a_device_says_itself) {
  bki_model_config shape = random_config(6, 16);
  rig r = open_rig(&shape, 3, 1, 0);
  bki_error err;
  cr_assert_eq(prove(&r, FAILS, &err), BKI_E_DEVICE);
  cr_assert_str_eq(err.message, "it fails");
  close_rig(&r);
}
