#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bki/scorer.h>

#include "array.h"
#include "backend.h"
#include "choose.h"
#include "engines.h"
#include "fail.h"
#include "parameters.h"
#include "pool.h"
#include "prove.h"
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
  char engine_reason[sizeof((bki_error *)0)->message];
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

/* What the settings come to on this machine. */
typedef struct selection {
  bki_backend_choice choice;
  bki_backend_config config; /* of the backend, of precision exact of the one for fp32; its engine is still to be set */
  bki_isa fast_isa;          /* of the other one */
} selection;

static bki_status resolve(selection *out, const bki_model_config *model, const bki_scorer_config *config,
                          bki_error *err) {
  BKI_TRY(choose_backend(&out->choice, &out->fast_isa, model, config, err));
  const bool exact = config->precision == BKI_PRECISION_EXACT;
  const bool one_device = config->n_devices == 0 && out->choice.device >= 0;
  out->config = (bki_backend_config){.precision = precision_of(config),
                                     .isa = exact && is_for_bf16_only(out->fast_isa) ? BKI_ISA_AUTO : out->fast_isa,
                                     .increments = config->increments,
                                     .devices = one_device ? &out->choice.device : config->devices,
                                     .n_devices = one_device ? 1 : config->n_devices,
                                     .gpu_memory = config->gpu_memory == 0 ? GPU_MEMORY : config->gpu_memory};
  return bki_engines_check(out->choice.backend, model, config->engine, err);
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

/* Why precision exact screens nothing; NULL: it may. */
static const char *find_no_screening(const bki_backend_ops *ops, const bki_model_config *model,
                                     const bki_backend_config *config) {
  if (config->increments) {
    return "prefix increments are not screened";
  }
  if (model->readout != BKI_READOUT_FINAL && model->readout != BKI_READOUT_LAST) {
    return "readouts over all positions are not screened"; /* they hide where a state ends, see screen.h */
  }
  if (ops->screen == BKI_PRECISION_FP32) {
    return "this backend has no faster precision";
  }
  if (ops->has_persistent != NULL && config->engine != BKI_ENGINE_PERSISTENT) {
    return "on a GPU engine persistent alone screens: others are not known to gain by it";
  }
  return NULL;
}

/* Precision exact: the second backend and the screen, where that pays. `config`: of the first. */
static bki_status add_screen(bki_scorer *scorer, const bki_model *model, bki_backend_config config, int32_t top_words,
                             bki_error *err) {
  const bki_backend_ops *ops = scorer->backend->ops;
  const char *reason = find_no_screening(ops, scorer->model, &config);
  if (reason != NULL) {
    give_up_screening(scorer, reason);
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
  BKI_TRY(bki_prove(scorer->fast, scorer->model, bki_model_parameters(model), &config, err));
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

static void close_backends(bki_scorer *scorer) {
  bki_screen_destroy(scorer->screen);
  close_backend(scorer->fast);
  close_backend(scorer->backend);
  scorer->screen = NULL;
  scorer->fast = NULL;
  scorer->backend = NULL;
}

/* All that computes. On failure nothing of it is left. */
static bki_status open_engine(bki_scorer *scorer, bki_engine engine, const bki_model *model, const selection *selected,
                              const bki_scorer_config *config, bki_error *err) {
  const bki_backend_ops *ops = selected->choice.backend;
  const bool exact = config->precision == BKI_PRECISION_EXACT;
  bki_backend_config chosen = selected->config;
  chosen.engine = engine;
  if (exact && find_no_screening(ops, scorer->model, &chosen) == NULL) {
    chosen.gpu_memory /= 2; /* for two */
  }
  scorer->engine = engine;
  const bki_parameters *parameters = bki_model_parameters(model);
  bki_status status = ops->create(&scorer->backend, scorer->model, parameters, &chosen, err);
  if (status == BKI_OK) {
    status = bki_prove(scorer->backend, scorer->model, parameters, &chosen, err);
  }
  if (status == BKI_OK && exact) {
    chosen.isa = selected->fast_isa;
    status = add_screen(scorer, model, chosen, config->top_words, err);
  }
  if (status != BKI_OK) {
    close_backends(scorer);
  }
  return status;
}

/* The first engine that works. Why those before it do not is kept; when none does, it is the error. */
static bki_status open_engines(bki_scorer *scorer, const bki_model *model, const selection *selected,
                               const bki_scorer_config *config, bki_error *err) {
  bki_engine engines[BKI_MAX_ENGINES];
  const int n = bki_engines_list(engines, selected->choice.backend, scorer->model, config);
  bki_error why;
  bki_status status = BKI_E_DEVICE;
  for (int i = 0; i < n && (status == BKI_E_DEVICE || status == BKI_E_USAGE); i++) {
    status = open_engine(scorer, engines[i], model, selected, config, &why);
    if (status != BKI_OK) {
      const size_t used = strlen(scorer->engine_reason);
      snprintf(scorer->engine_reason + used, sizeof scorer->engine_reason - used, "%s%s", i == 0 ? "" : "; ",
               why.message);
    }
  }
  return status == BKI_OK ? BKI_OK : bki_fail(err, status, "%s", scorer->engine_reason);
}

bki_status bki_scorer_create(bki_scorer **out, const bki_model *model, const bki_scorer_config *config,
                             bki_error *err) {
  const bki_model_config *m = bki_model_get_config(model);
  selection selected = {0};
  BKI_TRY(resolve(&selected, m, config, err));
  bki_scorer *scorer = bki_array_create(1, sizeof *scorer);
  if (scorer == NULL) {
    return bki_fail_memory(err);
  }
  scorer->model = m;
  scorer->precision = selected.config.precision;
  scorer->increments = selected.config.increments;
  scorer->n_devices = selected.config.n_devices;
  memcpy(scorer->reason, selected.choice.reason, sizeof scorer->reason);
  bki_status status;
  BKI_TRY_GOTO(status, fail, bki_pool_create(&scorer->pool, config->threads, err));
  selected.config.pool = scorer->pool;
  BKI_TRY_GOTO(status, fail, open_engines(scorer, model, &selected, config, err));
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
  close_backends(scorer);
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
  return bki_engine_name(scorer->engine);
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

const char *bki_scorer_engine_reason(const bki_scorer *scorer) {
  return scorer->engine_reason;
}

double bki_scorer_second_of_work(const bki_scorer *scorer) {
  return scorer->n_devices > 0 ? GPU_RATE * (double)scorer->n_devices : CORE_RATE * bki_scorer_threads(scorer);
}
