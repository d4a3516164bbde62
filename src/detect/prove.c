#include "prove.h"

#include <math.h>
#include <string.h>

#include <bki/text.h>

#include "argmax.h"
#include "array.h"
#include "fail.h"
#include "plan.h"
#include "rng.h"
#include "trial_text.h"

/* Around the 8 rows of an item, the 8 words between stored states, and the lanes of a warp. */
static const int32_t lengths[] = {1, 2, 3, 8, 9, 16, 17, 24, 33, 40};
enum { N_TEXTS = sizeof lengths / sizeof lengths[0] };
static const uint64_t seed = 0x70726f7665; /* "prove" */

/* See prove.h. */
#define FP32_LIMIT 1e-4
#define HALF_LIMIT 1e-2
#define GROWTH 4.0
#define SCORE_LIMITS 2.0

/* Of every slot. */
typedef struct outputs {
  float *readout; /* [n_slots, 2H] */
  float *logits;  /* [n_slots, C] */
} outputs;

typedef struct trial {
  const bki_model_config *model;
  const bki_backend_config *config;
  bki_arena *arena;
  bki_isa isa; /* of the CPU: AUTO until it was asked in fp32 */
  bki_sequence texts[N_TEXTS];
  size_t first[N_TEXTS]; /* slot of the text; the others follow as plan.h numbers them */
  bki_sequence *slots;   /* [n_slots] */
  size_t n_slots;
  outputs want;               /* of the CPU in fp32 */
  outputs rough;              /* in bf16 */
  outputs got;                /* of the device */
  bki_scores scores[N_TEXTS]; /* of the device */
  bki_picks picks[N_TEXTS];   /* every third word, the first and the last among them */
  double limit[N_TEXTS];      /* of readouts; NaN: the CPU's are no numbers, and tell nothing */
} trial;

static void *allocate(const trial *t, size_t count, size_t size) {
  size_t bytes;
  return bki_size_mul(count, size, &bytes) ? bki_arena_alloc(t->arena, bytes) : NULL;
}

static bool allocate_outputs(const trial *t, outputs *out) {
  out->readout = allocate(t, t->n_slots, 2 * (size_t)t->model->hidden * sizeof(float));
  out->logits = allocate(t, t->n_slots, (size_t)t->model->n_classes * sizeof(float));
  return out->readout != NULL && out->logits != NULL;
}

static bool allocate_scores(const trial *t, bki_scores *scores, size_t length) {
  scores->score = allocate(t, length, sizeof *scores->score);
  scores->flip = allocate(t, length, sizeof *scores->flip);
  scores->increment = t->config->increments ? allocate(t, length, sizeof *scores->increment) : NULL;
  return scores->score != NULL && scores->flip != NULL && (!t->config->increments || scores->increment != NULL);
}

static size_t count_slots(const trial *t, int32_t length) {
  return bki_plan_slots(t->config->increments ? BKI_EXTENT_PREFIXES : BKI_EXTENT_VARIANTS, length);
}

/* The text, the text without each word, and its prefixes. */
static bki_status list_slots(const trial *t, bki_sequence *slots, const bki_sequence *text, bki_error *err) {
  const size_t l = (size_t)text->length;
  slots[0] = *text;
  for (size_t k = 0; k < l; k++) {
    int32_t *ids = allocate(t, l, sizeof *ids);
    if (ids == NULL) {
      return bki_fail_memory(err);
    }
    memcpy(ids, text->ids, k * sizeof *ids);
    memcpy(ids + k, text->ids + k + 1, (l - k - 1) * sizeof *ids);
    slots[1 + k] = (bki_sequence){ids, text->length - 1};
  }
  for (int32_t j = 0; t->config->increments && j < text->length; j++) {
    slots[1 + text->length + j] = (bki_sequence){text->ids, j};
  }
  return BKI_OK;
}

static bki_status make_text(trial *t, size_t i, bki_rng *rng, bki_error *err) {
  const int32_t length = lengths[i] < t->model->max_words ? lengths[i] : t->model->max_words;
  int32_t *ids = allocate(t, (size_t)length, sizeof *ids);
  int32_t *picked = allocate(t, (size_t)length, sizeof *picked);
  if (ids == NULL || picked == NULL || !allocate_scores(t, &t->scores[i], (size_t)length)) {
    return bki_fail_memory(err);
  }
  bki_trial_text_fill(ids, length, t->model, rng);
  int32_t n = 0;
  for (int32_t k = 0; k < length; k++) {
    if (k % 3 == 0 || k == length - 1) {
      picked[n++] = k;
    }
  }
  t->texts[i] = (bki_sequence){ids, length};
  t->picks[i] = (bki_picks){picked, n};
  t->first[i] = t->n_slots;
  t->n_slots += count_slots(t, length);
  return BKI_OK;
}

static bki_status make_texts(trial *t, bki_error *err) {
  bki_rng rng;
  bki_rng_init(&rng, seed, 0);
  for (size_t i = 0; i < N_TEXTS; i++) {
    BKI_TRY(make_text(t, i, &rng, err));
  }
  t->slots = allocate(t, t->n_slots, sizeof *t->slots);
  if (t->slots == NULL || !allocate_outputs(t, &t->want) || !allocate_outputs(t, &t->rough) ||
      !allocate_outputs(t, &t->got)) {
    return bki_fail_memory(err);
  }
  for (size_t i = 0; i < N_TEXTS; i++) {
    BKI_TRY(list_slots(t, t->slots + t->first[i], &t->texts[i], err));
  }
  return BKI_OK;
}

/* The one that a backend of the CPU has chosen for fp32. */
static bki_isa isa_of(const bki_backend *cpu) {
  bki_isa isa = BKI_ISA_PORTABLE;
  while (isa < BKI_ISA_AVX512 && strcmp(bki_isa_name(isa), cpu->isa) != 0) {
    isa++;
  }
  return isa;
}

/* With the instruction set of fp32 bf16 is emulated: its units would make limits a machine's. */
static bki_status ask_cpu(trial *t, const bki_parameters *parameters, bki_precision precision, outputs *out,
                          bki_error *err) {
  const bki_backend_ops *ops = &bki_backend_cpu;
  const bki_backend_config config = {
      .engine = ops->has_incremental(t->model) ? BKI_ENGINE_INCREMENTAL : BKI_ENGINE_FULL,
      .precision = precision,
      .isa = t->isa,
      .pool = t->config->pool};
  bki_backend *cpu = NULL;
  BKI_TRY(ops->create(&cpu, t->model, parameters, &config, err));
  t->isa = precision == BKI_PRECISION_FP32 ? isa_of(cpu) : t->isa;
  const bki_status status = ops->forward(cpu, t->slots, t->n_slots, out->readout, out->logits, err);
  ops->destroy(cpu);
  return status;
}

/* The larger one; NaN if one is. */
static double larger(double a, double b) {
  return a >= b || isnan(a) ? a : b;
}

static double largest_difference(const float *a, const float *b, size_t n) {
  double largest = 0;
  for (size_t i = 0; i < n; i++) {
    largest = larger(fabs((double)a[i] - (double)b[i]), largest);
  }
  return largest;
}

/* What a difference of logits is a share of. */
static double scale_of(const float *logits, size_t n) {
  double largest = 0;
  for (size_t i = 0; i < n; i++) {
    largest = larger(fabs((double)logits[i]), largest);
  }
  return 1 + largest;
}

/* How far outputs of text i and its variants are from what is wanted, on average. */
static double mean_difference(const trial *t, const outputs *found, size_t i) {
  const size_t units = 2 * (size_t)t->model->hidden;
  const size_t n_classes = (size_t)t->model->n_classes;
  const size_t n = count_slots(t, t->texts[i].length);
  double sum = 0;
  for (size_t s = t->first[i]; s < t->first[i] + n; s++) {
    const float *logits = t->want.logits + s * n_classes;
    const double head = largest_difference(found->logits + s * n_classes, logits, n_classes);
    sum += larger(largest_difference(found->readout + s * units, t->want.readout + s * units, units),
                  head / scale_of(logits, n_classes));
  }
  return sum / (double)n;
}

static void set_limits(trial *t) {
  const bool fp32 = t->config->precision == BKI_PRECISION_FP32 || t->config->precision == BKI_PRECISION_SPLIT;
  for (size_t i = 0; i < N_TEXTS; i++) {
    const double r = mean_difference(t, &t->rough, i);
    t->limit[i] = fp32 ? FP32_LIMIT + GROWTH * r * r : HALF_LIMIT + GROWTH * r;
  }
}

/* A score or an increment, as the CPU's readouts have it. */
static double distance(const trial *t, size_t slot, size_t other) {
  const size_t units = 2 * (size_t)t->model->hidden;
  return largest_difference(t->want.readout + slot * units, t->want.readout + other * units, units);
}

/* How far the scores of text i are off, on average: all of them, or the picked ones. */
static double score_error(const trial *t, size_t i, const bki_picks *picks) {
  const int32_t n = picks == NULL ? t->texts[i].length : picks->n;
  double sum = 0;
  for (int32_t p = 0; p < n; p++) {
    const size_t k = (size_t)(picks == NULL ? p : picks->position[p]);
    sum += fabs((double)t->scores[i].score[k] - distance(t, t->first[i], t->first[i] + 1 + k));
  }
  return sum / (double)n;
}

static double increment_error(const trial *t, size_t i) {
  const size_t l = (size_t)t->texts[i].length;
  double sum = 0;
  for (size_t j = 1; t->config->increments && j <= l; j++) {
    const size_t longer = t->first[i] + (j < l ? l + 1 + j : 0);
    sum += fabs((double)t->scores[i].increment[j - 1] - distance(t, longer, t->first[i] + l + j));
  }
  return sum / (double)l;
}

/* The class of a slot by the device's logits; -1: they are too near to a tie. */
static int32_t clear_class(const trial *t, size_t slot, double limit) {
  const size_t n_classes = (size_t)t->model->n_classes;
  const float *logits = t->got.logits + slot * n_classes;
  const size_t best = bki_argmax(logits, n_classes);
  const double least = limit * scale_of(logits, n_classes);
  for (size_t c = 0; c < n_classes; c++) {
    if (c != best && !((double)logits[best] - (double)logits[c] > least)) {
      return -1;
    }
  }
  return (int32_t)best;
}

/* Words of text i, all of them or the picked ones, and the text itself, whose flip or class is another than that of the
 * device's logits. */
static int32_t count_wrong_classes(const trial *t, size_t i, const bki_picks *picks) {
  const bki_scores *scores = &t->scores[i];
  const int32_t n = picks == NULL ? t->texts[i].length : picks->n;
  const int32_t whole = clear_class(t, t->first[i], t->limit[i]);
  int32_t n_wrong = whole >= 0 && scores->predicted != whole;
  for (int32_t p = 0; whole >= 0 && p < n; p++) {
    const size_t k = (size_t)(picks == NULL ? p : picks->position[p]);
    const int32_t without = clear_class(t, t->first[i] + 1 + k, t->limit[i]);
    n_wrong += without >= 0 && scores->flip[k] != (without != whole);
  }
  return n_wrong;
}

static bki_status reject(const trial *t, const char *device, size_t i, bki_error *err, const char *expected,
                         double limit, double found) {
  static const char *const instead[] = {[BKI_ENGINE_FULL] = "",
                                        [BKI_ENGINE_INCREMENTAL] = "--engine full or ",
                                        [BKI_ENGINE_PERSISTENT] = "--engine incremental or "};
  return bki_fail(
      err, BKI_E_DEVICE,
      "%s: it computes wrong numbers with engine %s in precision %s: expected %s within %.2g of the CPU's, found %.2g "
      "(a text of length %d): use %s--backend cpu",
      device, bki_engine_name(t->config->engine), bki_precision_name(t->config->precision), expected, limit, found,
      t->texts[i].length, instead[t->config->engine]);
}

static bool is_beyond(double found, double limit) {
  return !(found <= limit) && !isnan(limit);
}

/* What scores are of text i; picks NULL: all of them. */
static bki_status check_scores(const trial *t, const char *device, size_t i, const bki_picks *picks, bki_error *err) {
  const double limit = SCORE_LIMITS * t->limit[i];
  const double found = score_error(t, i, picks);
  const int32_t n_wrong = count_wrong_classes(t, i, picks);
  if (is_beyond(found, limit)) {
    return reject(t, device, i, err, picks == NULL ? "scores" : "scores of picked words", limit, found);
  }
  return n_wrong == 0 ? BKI_OK : reject(t, device, i, err, "flips and classes", 0, n_wrong);
}

static bki_status check_outputs(const trial *t, const char *device, size_t i, bki_error *err) {
  const double limit = t->limit[i];
  const double found = mean_difference(t, &t->got, i);
  const double increments = increment_error(t, i);
  if (is_beyond(found, limit)) {
    return reject(t, device, i, err, "readouts and logits", limit, found);
  }
  return is_beyond(increments, SCORE_LIMITS * limit)
             ? reject(t, device, i, err, "prefix increments", SCORE_LIMITS * limit, increments)
             : BKI_OK;
}

/* Nothing that a device leaves out may be what was there before. */
static void forget_scores(trial *t) {
  for (size_t i = 0; i < N_TEXTS; i++) {
    const size_t l = (size_t)t->texts[i].length;
    memset(t->scores[i].score, 0xff, l * sizeof(float)); /* NaN */
    memset(t->scores[i].flip, 0xff, l);
    if (t->config->increments) {
      memset(t->scores[i].increment, 0xff, l * sizeof(float));
    }
    t->scores[i].predicted = -1;
  }
}

static void forget(trial *t) {
  memset(t->got.readout, 0xff, t->n_slots * 2 * (size_t)t->model->hidden * sizeof(float));
  memset(t->got.logits, 0xff, t->n_slots * (size_t)t->model->n_classes * sizeof(float));
  forget_scores(t);
}

static bki_status try_picks(trial *t, bki_backend *backend, const char *name, bki_error *err) {
  forget_scores(t);
  BKI_TRY(backend->ops->score_some(backend, t->texts, t->picks, N_TEXTS, t->scores, err));
  for (size_t i = 0; i < N_TEXTS; i++) {
    BKI_TRY(check_scores(t, name, i, &t->picks[i], err));
  }
  return BKI_OK;
}

static bki_status try_device(trial *t, bki_backend *backend, int32_t device, bki_error *err) {
  const char *name = backend->ops->use_device(backend, device);
  forget(t);
  BKI_TRY(backend->ops->forward(backend, t->slots, t->n_slots, t->got.readout, t->got.logits, err));
  BKI_TRY(backend->ops->score(backend, t->texts, N_TEXTS, t->scores, err));
  for (size_t i = 0; i < N_TEXTS; i++) {
    BKI_TRY(check_outputs(t, name, i, err));
    BKI_TRY(check_scores(t, name, i, NULL, err));
  }
  return backend->picks ? try_picks(t, backend, name, err) : BKI_OK;
}

static bki_status run(trial *t, bki_backend *backend, const bki_parameters *parameters, bki_error *err) {
  BKI_TRY(make_texts(t, err));
  BKI_TRY(ask_cpu(t, parameters, BKI_PRECISION_FP32, &t->want, err));
  BKI_TRY(ask_cpu(t, parameters, BKI_PRECISION_BF16, &t->rough, err));
  set_limits(t);
  for (size_t i = 0; i < backend->n_devices; i++) {
    BKI_TRY(try_device(t, backend, (int32_t)i, err));
  }
  (void)backend->ops->use_device(backend, BKI_ALL_DEVICES);
  return BKI_OK;
}

bki_status bki_prove(bki_backend *backend, const bki_model_config *model, const bki_parameters *parameters,
                     const bki_backend_config *config, bki_error *err) {
  if (backend->n_devices == 0) {
    return BKI_OK;
  }
  trial t = {.model = model, .config = config, .arena = bki_arena_create()};
  const bki_status status = t.arena == NULL ? bki_fail_memory(err) : run(&t, backend, parameters, err);
  bki_arena_destroy(t.arena);
  return status;
}
