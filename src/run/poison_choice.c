/* Sampling without replacement in one pass over a corpus of any size: the key of a source sample depends on seed,
 * backdoor and record index alone (bottom_k.h). Keys of different backdoors are independent; who is chosen by an
 * earlier one is not there for a later one, which therefore keeps as many more candidates as the earlier ones may take.
 */
#include "poison_choice.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "bottom_k.h"
#include "fail.h"
#include "rng.h"
#include "strmap.h"

typedef struct survey {
  const bki_poison_config *config;
  bki_arena *arena;
  bki_strmap *labels; /* -> int64_t samples */
  int64_t n_samples;
  uint64_t generation; /* of the suffix: ids that end in "-poisoned<number>" are below it */
} survey;

static bool is_label(bki_str label, const char *name) {
  return label.size == strlen(name) && memcmp(label.data, name, label.size) == 0;
}

/* Whether a sample of this label may be copied for a backdoor. */
static bool is_source(const bki_poison_config *config, size_t backdoor, bki_str label) {
  if (is_label(label, config->backdoors[backdoor].target)) {
    return false;
  }
  bool listed = config->n_source_labels == 0;
  for (size_t i = 0; i < config->n_source_labels && !listed; i++) {
    listed = is_label(label, config->source_labels[i]);
  }
  return listed;
}

/* Calls fn for every sample of the corpus. */
typedef bki_status (*sample_fn)(void *context, int64_t index, const bki_fields *fields, bki_error *err);
static bki_status each_sample(const bki_poison_config *config, sample_fn fn, void *context, char fingerprint[33],
                              bki_error *err) {
  bki_corpus *corpus = NULL;
  bki_arena *arena = bki_arena_create();
  bool end = false;
  bki_status status = arena == NULL ? bki_fail_memory(err) : bki_corpus_open(&corpus, &config->corpus, err);
  while (status == BKI_OK) {
    bki_raw_record record;
    bki_fields fields;
    BKI_TRY_GOTO(status, done, bki_corpus_next(corpus, &record, &end, err));
    if (end) {
      bki_corpus_fingerprint(corpus, fingerprint);
      break;
    }
    bki_arena_reset(arena);
    BKI_TRY_GOTO(status, done, bki_corpus_parse(corpus, &record, arena, &fields, err));
    if (fields.label.data == NULL) {
      status = bki_fail_at(err, BKI_E_DATA, config->corpus.paths[record.path], record.line, record.byte,
                           "expected a label, found none");
      break;
    }
    status = fn(context, record.index, &fields, err);
  }
done:
  bki_corpus_close(corpus);
  bki_arena_destroy(arena);
  return status;
}

/* The number behind the last "-poisoned" of an id that ends with one, 1 without a number; 0: it does not. */
static uint64_t generation_of(bki_str id) {
  static const char mark[] = "-poisoned";
  size_t digits = 0;
  uint64_t number = 0;
  for (uint64_t unit = 1; digits < id.size && digits < 9; digits++, unit *= 10) {
    const char c = id.data[id.size - 1 - digits];
    if (c < '0' || c > '9') {
      break;
    }
    number += (uint64_t)(c - '0') * unit;
  }
  const size_t rest = id.size - digits;
  if (rest < sizeof mark - 1 || memcmp(id.data + rest - (sizeof mark - 1), mark, sizeof mark - 1) != 0) {
    return 0;
  }
  return digits == 0 ? 1 : number;
}

static bki_status survey_sample(void *context, int64_t index, const bki_fields *fields, bki_error *err) {
  (void)index;
  survey *s = context;
  int64_t *count;
  BKI_TRY(bki_strmap_put(s->labels, fields->label, &count, NULL, err));
  ++*count;
  s->n_samples++;
  if (fields->id.data != NULL) {
    const uint64_t generation = generation_of(fields->id);
    s->generation = generation > s->generation ? generation : s->generation;
  }
  return BKI_OK;
}

static bki_status unknown_label(const survey *s, const char *what, const char *label, bki_error *err) {
  char quoted[BKI_QUOTE_SIZE];
  char found[384] = "";
  size_t size = 0;
  void *cursor = NULL;
  bki_str key;
  int64_t *count;
  while (bki_strmap_next(s->labels, &cursor, &key, &count) && size < sizeof found - BKI_QUOTE_SIZE - 6) {
    size += (size_t)snprintf(found + size, sizeof found - size, "%s%s", size > 0 ? ", " : "", bki_quote(quoted, key));
  }
  if (cursor != NULL && bki_strmap_next(s->labels, &cursor, &key, &count)) {
    snprintf(found + size, sizeof found - size, ", ...");
  }
  return bki_fail(err, BKI_E_USAGE, "expected a label of the corpus as %s, found %s; it has %s", what,
                  bki_quote(quoted, (bki_str){label, strlen(label)}), size > 0 ? found : "none");
}

static bki_status check_labels(const survey *s, bki_error *err) {
  const bki_poison_config *config = s->config;
  for (size_t b = 0; b < config->n_backdoors; b++) {
    const char *target = config->backdoors[b].target;
    if (bki_strmap_get(s->labels, (bki_str){target, strlen(target)}) == NULL) {
      return unknown_label(s, "target", target, err);
    }
  }
  for (size_t i = 0; i < config->n_source_labels; i++) {
    const char *label = config->source_labels[i];
    if (bki_strmap_get(s->labels, (bki_str){label, strlen(label)}) == NULL) {
      return unknown_label(s, "source", label, err);
    }
  }
  return BKI_OK;
}

static int64_t count_sources(const survey *s, size_t backdoor) {
  int64_t n = 0;
  void *cursor = NULL;
  bki_str label;
  int64_t *count;
  while (bki_strmap_next(s->labels, &cursor, &label, &count)) {
    n += is_source(s->config, backdoor, label) ? *count : 0;
  }
  return n;
}

/* Copies of each backdoor. */
static bki_status count_copies(const survey *s, int64_t *out, bki_error *err) {
  const bki_poison_config *config = s->config;
  const int64_t copies = config->count > 0 ? config->count : llround(config->rate * (double)s->n_samples);
  if (copies == 0) {
    return bki_fail(err, BKI_E_USAGE, "a rate of %g of %" PRId64 " samples is no copy at all", config->rate,
                    s->n_samples);
  }
  for (size_t b = 0; b < config->n_backdoors; b++) {
    const int64_t sources = count_sources(s, b);
    if (copies > sources) {
      char quoted[BKI_QUOTE_SIZE];
      const char *target = config->backdoors[b].target;
      return bki_fail(err, BKI_E_USAGE,
                      "expected at most as many copies as there are source samples (%" PRId64
                      " for the target %s), found %" PRId64,
                      sources, bki_quote(quoted, (bki_str){target, strlen(target)}), copies);
    }
  }
  *out = copies;
  return BKI_OK;
}

typedef struct selection {
  const bki_poison_config *config;
  bki_bottom_k *best; /* [n_backdoors] */
} selection;

static bki_status select_sample(void *context, int64_t index, const bki_fields *fields, bki_error *err) {
  (void)err;
  selection *s = context;
  for (size_t b = 0; b < s->config->n_backdoors; b++) {
    if (is_source(s->config, b, fields->label)) {
      uint32_t block[4];
      bki_philox(block, s->config->seed, b, (uint64_t)index);
      bki_bottom_k_offer(&s->best[b], (bki_drawn){(uint64_t)block[1] << 32 | block[0], index});
    }
  }
  return BKI_OK;
}

static int compare_indices(const void *a, const void *b) {
  const bki_chosen *x = a;
  const bki_chosen *y = b;
  return x->index < y->index ? -1 : x->index > y->index;
}

/* The first `copies` of a backdoor that no earlier one has; `chosen` is sorted by index before and after. */
static bool take(bki_poison_choice *out, bki_bottom_k *best, size_t backdoor, int64_t copies) {
  const size_t n_before = out->n;
  int64_t left = copies;
  bki_bottom_k_sort(best);
  for (size_t i = 0; i < best->n && left > 0; i++) {
    const bki_chosen c = {best->heap[i].index, backdoor};
    if (bsearch(&c, out->chosen, n_before, sizeof c, compare_indices) == NULL) {
      out->chosen[out->n++] = c;
      left--;
    }
  }
  qsort(out->chosen, out->n, sizeof *out->chosen, compare_indices);
  return left == 0;
}

static bki_status take_all(bki_poison_choice *out, const bki_poison_config *config, bki_bottom_k *best, int64_t copies,
                           bki_error *err) {
  for (size_t b = 0; b < config->n_backdoors; b++) {
    if (!take(out, &best[b], b, copies)) {
      return bki_fail(err, BKI_E_USAGE,
                      "no source sample serves two triggers: too few are left for trigger %zu of %zu (%" PRId64
                      " copies each)",
                      b + 1, config->n_backdoors, copies);
    }
  }
  return BKI_OK;
}

static bki_status reserve(bki_poison_choice *out, const bki_poison_config *config, int64_t copies, bki_bottom_k *best,
                          bki_error *err) {
  out->chosen = bki_array_create((size_t)copies * config->n_backdoors, sizeof *out->chosen);
  if (out->chosen == NULL) {
    return bki_fail_memory(err);
  }
  for (size_t b = 0; b < config->n_backdoors; b++) {
    BKI_TRY(bki_bottom_k_init(&best[b], (size_t)copies * (b + 1), err));
  }
  return BKI_OK;
}

static bki_status select_samples(bki_poison_choice *out, const bki_poison_config *config, int64_t copies,
                                 bki_error *err) {
  char again[33];
  bki_bottom_k *best = bki_array_create(config->n_backdoors, sizeof *best);
  bki_status status = best == NULL ? bki_fail_memory(err) : reserve(out, config, copies, best, err);
  if (status == BKI_OK) {
    status = each_sample(config, select_sample, &(selection){config, best}, again, err);
  }
  if (status == BKI_OK && strcmp(again, out->fingerprint) != 0) {
    status = bki_fail_at(err, BKI_E_DATA, config->corpus.paths[0], 0, -1, "the corpus has changed meanwhile");
  }
  if (status == BKI_OK) {
    status = take_all(out, config, best, copies, err);
  }
  for (size_t b = 0; best != NULL && b < config->n_backdoors; b++) {
    bki_bottom_k_clear(&best[b]);
  }
  free(best);
  return status;
}

bki_status bki_poison_choose(bki_poison_choice *out, const bki_poison_config *config, bki_error *err) {
  survey s = {.config = config};
  int64_t copies = 0;
  bki_status status;
  BKI_TRY(bki_strmap_create(&s.labels, sizeof(int64_t), err));
  BKI_TRY_GOTO(status, done, each_sample(config, survey_sample, &s, out->fingerprint, err));
  BKI_TRY_GOTO(status, done, check_labels(&s, err));
  BKI_TRY_GOTO(status, done, count_copies(&s, &copies, err));
  out->n_samples = s.n_samples;
  snprintf(out->suffix, sizeof out->suffix, s.generation == 0 ? "-poisoned" : "-poisoned%" PRIu64, s.generation + 1);
  status = select_samples(out, config, copies, err);
done:
  bki_strmap_destroy(s.labels);
  return status;
}

void bki_poison_choice_clear(bki_poison_choice *choice) {
  free(choice->chosen);
  *choice = (bki_poison_choice){0};
}
