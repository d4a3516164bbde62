#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bki/scorer.h>

#include "array.h"
#include "backend.h"
#include "choose.h"
#include "fail.h"
#include "parameters.h"
#include "pool.h"
#include "screen.h"

struct bki_scorer {
  const bki_model_config *model;
  bki_pool *pool;
  bki_backend *backend;
  bki_backend *fast;       /* precision exact: what screens; else NULL */
  bki_screen *screen;      /* NULL with `fast` */
  bki_screening screening; /* without a screen */
  char isa[64];
  bki_engine engine;       /* never AUTO */
  bki_precision precision; /* of `backend` */
  bool increments;
  size_t n_devices; /* GPUs at work */
  char reason[sizeof((bki_backend_choice *)0)->reason];
};

/* A second's row-steps of the slowest backend on a slow core, and of a small GPU. */
#define CORE_RATE 5e4
#define GPU_RATE 2e7

/* Share of a GPU's free memory. */
#define GPU_MEMORY 0.8

enum { TOP_WORDS = 5 };

void bki_scorer_config_init(bki_scorer_config *config) {
  *config = (bki_scorer_config){.backend = "auto", .isa = "auto", .top_words = TOP_WORDS, .gpu_memory = GPU_MEMORY};
}

static bki_status find_isa(bki_isa *out, const char *name, bki_error *err) {
  for (bki_isa isa = BKI_ISA_AUTO; isa <= BKI_ISA_AMX; isa++) {
    if (strcmp(name, bki_isa_name(isa)) == 0) {
      *out = isa;
      return BKI_OK;
    }
  }
  char quoted[BKI_QUOTE_SIZE];
  return bki_fail(err, BKI_E_USAGE, "expected isa auto, portable, avx2, avx512, avx512bf16 or amx, found %s",
                  bki_quote(quoted, (bki_str){name, strlen(name)}));
}

static bki_status choose_engine(bki_engine *out, const bki_backend_ops *ops, const bki_model_config *model,
                                bki_engine wanted, bki_error *err) {
  if (wanted < BKI_ENGINE_AUTO || wanted > BKI_ENGINE_PERSISTENT) {
    return bki_fail(err, BKI_E_USAGE, "unknown engine %d", (int)wanted);
  }
  if (wanted == BKI_ENGINE_PERSISTENT && (ops->has_persistent == NULL || !ops->has_persistent(model))) {
    return bki_fail(
        err, BKI_E_USAGE,
        "engine persistent is for models of one layer, readout final, no padding and a hidden size that is a "
        "multiple of 16 up to 128: use incremental or full");
  }
  const bool possible = ops->has_incremental(model);
  if (wanted == BKI_ENGINE_INCREMENTAL && model->num_layers != 1) {
    return bki_fail(err, BKI_E_USAGE, "engine incremental needs a model of one layer, found %d: use full",
                    model->num_layers);
  }
  if (wanted == BKI_ENGINE_INCREMENTAL && !possible) {
    return bki_fail(err, BKI_E_USAGE, "backend %s has no engine incremental for this model: use full", ops->name);
  }
  *out = wanted != BKI_ENGINE_AUTO ? wanted : possible ? BKI_ENGINE_INCREMENTAL : BKI_ENGINE_FULL;
  return BKI_OK;
}

/* Of the backend that gives what counts; in precision exact another one screens. */
static bki_precision precision_of(const bki_scorer_config *config) {
  const bool exact = config->precision == BKI_PRECISION_EXACT;
  return exact || config->precision == BKI_PRECISION_AUTO ? BKI_PRECISION_FP32 : config->precision;
}

/* All that does not depend on the model; NULL: it is not known yet. */
static bki_status choose_backend(bki_backend_choice *choice, bki_isa *isa, const bki_model_config *model,
                                 const bki_scorer_config *config, bki_error *err) {
  if (!(config->gpu_memory >= 0 && config->gpu_memory <= 1)) {
    return bki_fail(err, BKI_E_USAGE, "expected a share of the GPU's memory above 0 to 1, found %g",
                    config->gpu_memory);
  }
  if (bki_precision_name(config->precision) == NULL) {
    return bki_fail(err, BKI_E_USAGE, "unknown precision %d", (int)config->precision);
  }
  if (config->top_words < 0) {
    return bki_fail(err, BKI_E_USAGE, "expected at least 1 word of a text to be as in fp32, found %d",
                    config->top_words);
  }
  BKI_TRY(find_isa(isa, config->isa == NULL ? "auto" : config->isa, err));
  const bki_backend_request request = {.name = config->backend,
                                       .isa = *isa,
                                       .precision = precision_of(config),
                                       .devices = config->devices,
                                       .n_devices = config->n_devices,
                                       .engine = config->engine,
                                       .model = model};
  return bki_backend_choose(choice, &request, err);
}

bki_status bki_scorer_config_check(const bki_scorer_config *config, bki_error *err) {
  bki_backend_choice choice;
  bki_isa isa = BKI_ISA_AUTO;
  return choose_backend(&choice, &isa, NULL, config, err);
}

/* Instruction sets that do nothing but what screening asks of them. */
static bool is_for_bf16_only(bki_isa isa) {
  return isa == BKI_ISA_AMX || isa == BKI_ISA_AVX512BF16;
}

/* The backend, and the settings that it gets but for the pool. Of precision exact, the one for fp32; *fast_isa is the
 * other's. */
static bki_status resolve(bki_backend_choice *choice, bki_backend_config *out, bki_isa *fast_isa,
                          const bki_model_config *model, const bki_scorer_config *config, bki_error *err) {
  BKI_TRY(choose_backend(choice, fast_isa, model, config, err));
  const bool exact = config->precision == BKI_PRECISION_EXACT;
  const bool one_device = config->n_devices == 0 && choice->device >= 0;
  *out = (bki_backend_config){.precision = precision_of(config),
                              .isa = exact && is_for_bf16_only(*fast_isa) ? BKI_ISA_AUTO : *fast_isa,
                              .increments = config->increments,
                              .devices = one_device ? &choice->device : config->devices,
                              .n_devices = one_device ? 1 : config->n_devices,
                              .gpu_memory = config->gpu_memory == 0 ? GPU_MEMORY : config->gpu_memory};
  if (exact && choice->backend->screen != BKI_PRECISION_FP32) {
    out->gpu_memory /= 2; /* for two */
  }
  return choose_engine(&out->engine, choice->backend, model, config->engine, err);
}

static void close_backend(bki_backend *backend) {
  if (backend != NULL) {
    backend->ops->destroy(backend);
  }
}

/* Back to fp32, for a reason; NULL: the screen has one itself. */
static void give_up_screening(bki_scorer *scorer, const char *reason) {
  if (reason != NULL) {
    snprintf(scorer->screening.reason, sizeof scorer->screening.reason, "%.*s",
             (int)sizeof scorer->screening.reason - 1, reason);
  } else {
    scorer->screening = *bki_screen_get(scorer->screen);
  }
  bki_screen_destroy(scorer->screen);
  close_backend(scorer->fast);
  scorer->screen = NULL;
  scorer->fast = NULL;
}

/* Precision exact: the second backend and the screen, where that pays. `config`: of the first. */
static bki_status add_screen(bki_scorer *scorer, const bki_model *model, bki_backend_config config, int32_t top_words,
                             bki_error *err) {
  const bki_backend_ops *ops = scorer->backend->ops;
  if (ops->screen == BKI_PRECISION_FP32 || config.increments) {
    give_up_screening(
        scorer, config.increments ? "prefix increments are not screened" : "this backend has no faster precision");
    return BKI_OK;
  }
  config.precision = ops->screen;
  bki_error why;
  const bki_status status = ops->create(&scorer->fast, scorer->model, bki_model_parameters(model), &config, &why);
  if (config.engine == BKI_ENGINE_PERSISTENT && (status == BKI_E_DEVICE || status == BKI_E_USAGE)) {
    give_up_screening(scorer, why.message); /* it has half precision on fewer GPUs and for fewer models than fp32 */
    return BKI_OK;
  }
  if (status != BKI_OK) {
    return bki_fail(err, status, "%s", why.message);
  }
  if (scorer->fast->emulated) {
    give_up_screening(scorer, "this CPU, or the instruction set that was asked for, has no bf16 units");
    return BKI_OK;
  }
  BKI_TRY(bki_screen_create(&scorer->screen, scorer->model, scorer->fast, scorer->backend,
                            top_words == 0 ? TOP_WORDS : top_words, err));
  BKI_TRY(bki_screen_calibrate(scorer->screen, err));
  if (bki_screen_get(scorer->screen)->epsilon == 0) {
    give_up_screening(scorer, NULL);
  }
  return BKI_OK;
}

static void name_isa(bki_scorer *scorer) {
  const char *fp32 = scorer->backend->isa;
  const char *fast = scorer->fast == NULL ? fp32 : scorer->fast->isa;
  const bool two = strcmp(fast, fp32) != 0;
  snprintf(scorer->isa, sizeof scorer->isa, "%s%s%s", fast, two ? "+" : "", two ? fp32 : "");
}

bki_status bki_scorer_create(bki_scorer **out, const bki_model *model, const bki_scorer_config *config,
                             bki_error *err) {
  const bki_model_config *m = bki_model_get_config(model);
  bki_backend_choice choice;
  bki_backend_config chosen;
  bki_isa fast_isa = BKI_ISA_AUTO;
  BKI_TRY(resolve(&choice, &chosen, &fast_isa, m, config, err));
  bki_scorer *scorer = bki_array_create(1, sizeof *scorer);
  if (scorer == NULL) {
    return bki_fail_memory(err);
  }
  scorer->model = m;
  scorer->engine = chosen.engine;
  scorer->precision = chosen.precision;
  scorer->increments = chosen.increments;
  scorer->n_devices = chosen.n_devices;
  memcpy(scorer->reason, choice.reason, sizeof scorer->reason);
  bki_status status;
  BKI_TRY_GOTO(status, fail, bki_pool_create(&scorer->pool, config->threads, err));
  chosen.pool = scorer->pool;
  BKI_TRY_GOTO(status, fail, choice.backend->create(&scorer->backend, m, bki_model_parameters(model), &chosen, err));
  if (config->precision == BKI_PRECISION_EXACT) {
    chosen.isa = fast_isa;
    BKI_TRY_GOTO(status, fail, add_screen(scorer, model, chosen, config->top_words, err));
  }
  name_isa(scorer);
  *out = scorer;
  return BKI_OK;
fail:
  bki_scorer_destroy(scorer);
  return status;
}

void bki_scorer_destroy(bki_scorer *scorer) {
  if (scorer == NULL) {
    return;
  }
  bki_screen_destroy(scorer->screen);
  close_backend(scorer->fast);
  close_backend(scorer->backend);
  bki_pool_destroy(scorer->pool);
  free(scorer);
}

/* The contract of bki_sequence. */
static void assert_sequences(const bki_scorer *scorer, const bki_sequence *sequences, size_t n) {
  const bki_model_config *m = scorer->model;
  for (size_t i = 0; i < n; i++) {
    assert(sequences[i].length >= 0 && (m->pad == BKI_PAD_NONE || sequences[i].length <= m->pad_length));
    for (int32_t j = 0; j < sequences[i].length; j++) {
      assert(sequences[i].ids[j] >= 0 && sequences[i].ids[j] < m->vocabulary_size);
    }
  }
  (void)m; /* without assertions */
}

bki_status bki_scorer_score(bki_scorer *scorer, const bki_sequence *sequences, size_t n, bki_scores *scores,
                            bki_error *err) {
  assert_sequences(scorer, sequences, n);
  for (size_t i = 0; i < n; i++) {
    assert(sequences[i].length == 0 || (scores[i].score != NULL && scores[i].flip != NULL));
    assert(sequences[i].length == 0 || (scores[i].increment != NULL) == scorer->increments);
  }
  if (scorer->screen != NULL) {
    return bki_screen_score(scorer->screen, sequences, n, scores, err);
  }
  for (size_t i = 0; i < n; i++) {
    if (scores[i].screened != NULL) {
      memset(scores[i].screened, 0, (size_t)sequences[i].length);
    }
  }
  return scorer->backend->ops->score(scorer->backend, sequences, n, scores, err);
}

bki_status bki_scorer_forward(bki_scorer *scorer, const bki_sequence *sequences, size_t n, float *readout,
                              float *logits, bki_error *err) {
  assert_sequences(scorer, sequences, n);
  return scorer->backend->ops->forward(scorer->backend, sequences, n, readout, logits, err);
}

int64_t bki_scorer_work(const bki_scorer *scorer, int32_t length) {
  const bki_model_config *m = scorer->model;
  const bool padded = m->pad != BKI_PAD_NONE;
  const int64_t l = length;
  int64_t work = padded ? l * m->pad_length : l * (l - 1); /* the two directions of a layer, shared parts saved */
  if (scorer->engine == BKI_ENGINE_FULL) {
    work *= 2 * (int64_t)m->num_layers;
  }
  if (scorer->increments) { /* prefixes are half as long on average, but for their pads */
    work += padded ? work : work / 2;
  }
  return work;
}

const char *bki_scorer_backend(const bki_scorer *scorer) {
  return scorer->backend->ops->name;
}

const char *bki_scorer_engine(const bki_scorer *scorer) {
  static const char *const names[] = {
      [BKI_ENGINE_FULL] = "full", [BKI_ENGINE_INCREMENTAL] = "incremental", [BKI_ENGINE_PERSISTENT] = "persistent"};
  return names[scorer->engine];
}

const char *bki_scorer_precision(const bki_scorer *scorer) {
  return bki_precision_name(scorer->screen != NULL ? BKI_PRECISION_EXACT : scorer->precision);
}

const char *bki_scorer_isa(const bki_scorer *scorer) {
  return scorer->isa;
}

const bki_screening *bki_scorer_screening(const bki_scorer *scorer) {
  return scorer->screen != NULL ? bki_screen_get(scorer->screen) : &scorer->screening;
}

bool bki_scorer_screens(const bki_scorer *scorer) {
  return scorer->screen != NULL;
}

int32_t bki_scorer_threads(const bki_scorer *scorer) {
  return bki_pool_threads(scorer->pool);
}

const char *bki_scorer_reason(const bki_scorer *scorer) {
  return scorer->reason;
}

double bki_scorer_second_of_work(const bki_scorer *scorer) {
  return scorer->n_devices > 0 ? GPU_RATE * (double)scorer->n_devices : CORE_RATE * bki_scorer_threads(scorer);
}
