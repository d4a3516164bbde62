#include <bki/dictionary.h>

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "fail.h"
#include "fixed.h"
#include "lookup.h"
#include "rule.h"
#include "strbuf.h"
#include "strmap.h"

/* What is known of one key. The second half gathers one sample until it is folded into the first. */
typedef struct tally {
  bki_fixed sum;
  int64_t count;
  int64_t n_samples;
  int64_t n_flips;

  int64_t sample; /* the ordinal, from 1, of the sample that is being gathered */
  bki_fixed sample_sum;
  bki_fixed sample_best;
  int64_t sample_positions;
  bool sample_flips;

  int64_t label_counts[]; /* [n_classes + 1] */
} tally;

struct bki_dictionary {
  bki_rule rule;
  int32_t n_classes;
  int64_t n_samples;
  bki_strmap *tallies; /* the key: label (int32_t, native order), then the unit's text */
  bki_strbuf key;
  int32_t *positions; /* of the sample that is being added, with their tallies */
  size_t positions_capacity;
  tally **touched;
  size_t touched_capacity;
  bki_candidate *ranked; /* NULL: outdated */
};

bki_status bki_dictionary_create(bki_dictionary **out, const bki_rule *rule, int32_t n_classes, bki_error *err) {
  BKI_TRY(bki_rule_check(rule, err));
  if (n_classes < 1) {
    return bki_fail(err, BKI_E_USAGE, "expected at least 1 class, found %d", n_classes);
  }
  bki_dictionary *dictionary = bki_array_create(1, sizeof *dictionary);
  if (dictionary == NULL) {
    return bki_fail_memory(err);
  }
  dictionary->rule = *rule;
  dictionary->n_classes = n_classes;
  size_t value_size = sizeof(tally) + ((size_t)n_classes + 1) * sizeof(int64_t);
  bki_status status = bki_strmap_create(&dictionary->tallies, value_size, err);
  if (status != BKI_OK) {
    bki_dictionary_destroy(dictionary);
    return status;
  }
  *out = dictionary;
  return BKI_OK;
}

static void drop_ranking(bki_dictionary *dictionary) {
  free(dictionary->ranked);
  dictionary->ranked = NULL;
}

void bki_dictionary_destroy(bki_dictionary *dictionary) {
  if (dictionary == NULL) {
    return;
  }
  drop_ranking(dictionary);
  bki_strmap_destroy(dictionary->tallies);
  bki_strbuf_clear(&dictionary->key);
  free(dictionary->positions);
  free(dictionary->touched);
  free(dictionary);
}

/* The beginning of a key. */
static bki_strbuf *begin_key(bki_dictionary *dictionary, int32_t label) {
  int32_t key_label = dictionary->rule.preset == BKI_PRESET_JOURNAL ? label : -1;
  bki_strbuf_truncate(&dictionary->key, 0);
  bki_strbuf_add(&dictionary->key, (const char *)&key_label, sizeof key_label);
  return &dictionary->key;
}

static bki_status tally_of(bki_dictionary *dictionary, const bki_sample *sample, int32_t position, tally **out,
                           bki_error *err) {
  bki_strbuf *key = begin_key(dictionary, sample->label);
  bki_rule_unit_key(&dictionary->rule, sample, position, key);
  return key->failed ? bki_fail_memory(err) : bki_strmap_put(dictionary->tallies, bki_strbuf_str(key), out, NULL, err);
}

static int64_t count_of(const bki_dictionary *dictionary, const bki_strbuf *key) {
  const tally *t = key->failed ? NULL : bki_strmap_get(dictionary->tallies, bki_strbuf_str(key));
  return t == NULL ? 0 : t->count;
}

int64_t bki_dictionary_count(bki_dictionary *dictionary, bki_str word, int32_t label) {
  bki_strbuf *key = begin_key(dictionary, label);
  bki_strbuf_add(key, word.data, word.size);
  return count_of(dictionary, key);
}

int64_t bki_dictionary_count_unit(bki_dictionary *dictionary, const bki_sample *sample, int32_t position,
                                  int32_t label) {
  bki_strbuf *key = begin_key(dictionary, label);
  bki_rule_unit_key(&dictionary->rule, sample, position, key);
  return count_of(dictionary, key);
}

static void gather(const bki_rule *rule, tally *t, const bki_sample *sample, int32_t position) {
  bki_fixed score = bki_fixed_from_double(bki_rule_unit_score(rule, sample, position));
  t->sample_sum += score;
  if (t->sample_positions == 0) {
    t->sample_best = score; /* positions come best first */
  }
  t->sample_positions++;
  t->sample_flips = t->sample_flips || bki_rule_unit_flips(rule, sample, position);
}

static void fold(const bki_dictionary *dictionary, tally *t, int32_t label) {
  if (dictionary->rule.preset == BKI_PRESET_JOURNAL) {
    t->sum += (t->sample_sum + t->sample_positions / 2) / t->sample_positions; /* to the nearest 2^-40 */
    t->count++;
  } else if (dictionary->rule.keys == BKI_KEYS_UNIQUE) {
    t->sum += t->sample_best;
    t->count++;
  } else {
    t->sum += t->sample_sum;
    t->count += t->sample_positions;
  }
  t->n_samples++;
  t->n_flips += t->sample_flips;
  t->label_counts[label < 0 ? dictionary->n_classes : label]++;
}

bki_status bki_dictionary_add(bki_dictionary *dictionary, const bki_sample *sample, bki_error *err) {
  const bki_rule *rule = &dictionary->rule;
  assert(sample->label >= -1 && sample->label < dictionary->n_classes);
  if (rule->preset == BKI_PRESET_JOURNAL && sample->increment == NULL) {
    return bki_fail(err, BKI_E_USAGE,
                    "the journal preset needs the prefix increments, and the scan did not compute them");
  }
  drop_ranking(dictionary);
  int32_t n_units = bki_rule_n_units(rule, sample);
  size_t most = (size_t)(n_units < rule->p ? n_units : rule->p);
  BKI_TRY(bki_array_reserve(&dictionary->positions, &dictionary->positions_capacity, most, sizeof(int32_t), err));
  BKI_TRY(bki_array_reserve(&dictionary->touched, &dictionary->touched_capacity, most, sizeof(tally *), err));
  int32_t n = bki_rule_select(rule, sample, dictionary->positions);
  int64_t ordinal = ++dictionary->n_samples;
  size_t n_touched = 0;
  for (int32_t i = 0; i < n; i++) {
    tally *t;
    BKI_TRY(tally_of(dictionary, sample, dictionary->positions[i], &t, err));
    if (t->sample != ordinal) {
      t->sample = ordinal;
      t->sample_sum = 0;
      t->sample_positions = 0;
      t->sample_flips = false;
      dictionary->touched[n_touched++] = t;
    }
    gather(rule, t, sample, dictionary->positions[i]);
  }
  for (size_t i = 0; i < n_touched; i++) {
    fold(dictionary, dictionary->touched[i], sample->label);
  }
  return BKI_OK;
}

static bool same_rule(const bki_rule *a, const bki_rule *b) {
  return a->preset == b->preset && a->p == b->p && a->keys == b->keys && a->oov_key == b->oov_key &&
         a->ngram == b->ngram && a->alpha == b->alpha;
}

bki_status bki_dictionary_merge(bki_dictionary *dictionary, const bki_dictionary *from, bki_error *err) {
  if (!same_rule(&dictionary->rule, &from->rule) || dictionary->n_classes != from->n_classes) {
    return bki_fail(err, BKI_E_USAGE, "dictionaries of different rules or numbers of classes cannot be merged");
  }
  drop_ranking(dictionary);
  void *cursor = NULL;
  bki_str key;
  const tally *source;
  while (bki_strmap_next(from->tallies, &cursor, &key, &source)) {
    tally *t;
    BKI_TRY(bki_strmap_put(dictionary->tallies, key, &t, NULL, err));
    t->sum += source->sum;
    t->count += source->count;
    t->n_samples += source->n_samples;
    t->n_flips += source->n_flips;
    for (int32_t c = 0; c <= dictionary->n_classes; c++) {
      t->label_counts[c] += source->label_counts[c];
    }
  }
  dictionary->n_samples += from->n_samples;
  return BKI_OK;
}

int64_t bki_dictionary_n_samples(const bki_dictionary *dictionary) {
  return dictionary->n_samples;
}

size_t bki_dictionary_size(const bki_dictionary *dictionary) {
  return bki_strmap_count(dictionary->tallies);
}

/* g = mean log10(num), journal: times log10(s / num), s = (alpha n)^2. log10 comes from the C library: the same bytes
 * on every machine that has the same one. */
static double rank_score(const bki_dictionary *dictionary, double mean, int64_t count) {
  if (count == 1) {
    return 0;
  }
  double num = (double)count;
  double g = mean * log10(num);
  if (dictionary->rule.preset == BKI_PRESET_JOURNAL) {
    double root = dictionary->rule.alpha * (double)dictionary->n_samples;
    g *= log10(root * root / num);
  }
  return g == 0 ? 0 : g; /* no negative zero for people to read */
}

static int compare_ranks(const void *left, const void *right) {
  const bki_candidate *a = left;
  const bki_candidate *b = right;
  if (a->g != b->g) {
    return a->g > b->g ? -1 : 1;
  }
  if (a->count != b->count) {
    return a->count > b->count ? -1 : 1;
  }
  size_t shorter = a->word.size < b->word.size ? a->word.size : b->word.size;
  int order = memcmp(a->word.data, b->word.data, shorter);
  if (order != 0) {
    return order;
  }
  if (a->word.size != b->word.size) {
    return a->word.size < b->word.size ? -1 : 1;
  }
  return (a->label > b->label) - (a->label < b->label);
}

bki_status bki_dictionary_rank(bki_dictionary *dictionary, size_t limit, const bki_candidate **out, size_t *n,
                               bki_error *err) {
  size_t size = bki_dictionary_size(dictionary);
  if (dictionary->ranked == NULL) {
    dictionary->ranked = bki_array_create(size, sizeof *dictionary->ranked);
    if (dictionary->ranked == NULL) {
      return bki_fail_memory(err);
    }
    bki_candidate *candidate = dictionary->ranked;
    void *cursor = NULL;
    bki_str key;
    const tally *t;
    while (bki_strmap_next(dictionary->tallies, &cursor, &key, &t)) {
      int32_t label;
      memcpy(&label, key.data, sizeof label);
      double mean = bki_fixed_to_double(t->sum) / (double)t->count;
      *candidate++ = (bki_candidate){.word = {key.data + sizeof label, key.size - sizeof label},
                                     .label = label,
                                     .count = t->count,
                                     .n_samples = t->n_samples,
                                     .n_flips = t->n_flips,
                                     .mean = mean,
                                     .g = rank_score(dictionary, mean, t->count),
                                     .label_counts = t->label_counts};
    }
    qsort(dictionary->ranked, size, sizeof *dictionary->ranked, compare_ranks);
  }
  *out = dictionary->ranked;
  *n = limit == 0 || limit > size ? size : limit;
  return BKI_OK;
}
