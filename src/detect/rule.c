#include "rule.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "fail.h"

enum { MAX_NGRAM = 16 };
/* Far wider than anybody needs; (alpha n)^2 stays finite and above 0. */
static const double min_alpha = 1e-6;
static const double max_alpha = 1e6;

void bki_rule_init(bki_rule *rule, bki_preset preset) {
  *rule = (bki_rule){.preset = preset, .p = 5, .ngram = 1, .alpha = 0.05};
}

static bki_status check_journal(const bki_rule *rule, bki_error *err) {
  if (rule->keys != BKI_KEYS_POSITIONS) {
    return bki_fail(err, BKI_E_USAGE, "unique keys belong to the paper preset: journal counts a key once a sample");
  }
  if (rule->ngram < 1 || rule->ngram > MAX_NGRAM) {
    return bki_fail(err, BKI_E_USAGE, "expected an n-gram of 1 to %d words, found %d", MAX_NGRAM, rule->ngram);
  }
  if (!(rule->alpha >= min_alpha && rule->alpha <= max_alpha)) { /* true for NaN */
    return bki_fail(err, BKI_E_USAGE, "expected alpha from %g to %g, found %g", min_alpha, max_alpha, rule->alpha);
  }
  return BKI_OK;
}

bki_status bki_rule_check(const bki_rule *rule, bki_error *err) {
  if (rule->p < 1) {
    return bki_fail(err, BKI_E_USAGE, "expected p (words a sample selects) of at least 1, found %d", rule->p);
  }
  if (rule->keys != BKI_KEYS_POSITIONS && rule->keys != BKI_KEYS_UNIQUE) {
    return bki_fail(err, BKI_E_USAGE, "unknown way of counting keys: %d", (int)rule->keys);
  }
  if (rule->oov_key != BKI_OOV_SURFACE && rule->oov_key != BKI_OOV_SHARED) {
    return bki_fail(err, BKI_E_USAGE, "unknown key for words out of the vocabulary: %d", (int)rule->oov_key);
  }
  switch (rule->preset) {
    case BKI_PRESET_JOURNAL: return check_journal(rule, err);
    case BKI_PRESET_PAPER:
      return rule->ngram == 1 ? BKI_OK
                              : bki_fail(err, BKI_E_USAGE,
                                         "n-grams belong to the journal preset: paper takes single words, found n = %d",
                                         rule->ngram);
  }
  return bki_fail(err, BKI_E_USAGE, "unknown preset: %d", (int)rule->preset);
}

int32_t bki_rule_n_units(const bki_rule *rule, const bki_sample *sample) {
  int32_t n_words = sample->words->n_words;
  return n_words < rule->ngram ? 0 : n_words - rule->ngram + 1;
}

double bki_rule_unit_score(const bki_rule *rule, const bki_sample *sample, int32_t position) {
  double sum = 0;
  for (int32_t i = position; i < position + rule->ngram; i++) {
    sum += (double)sample->score[i];
    if (rule->preset == BKI_PRESET_JOURNAL) {
      assert(sample->increment != NULL);
      sum += (double)sample->increment[i];
    }
  }
  assert(isfinite(sum)); /* a NaN has no place in the order */
  return sum / rule->ngram;
}

bool bki_rule_unit_flips(const bki_rule *rule, const bki_sample *sample, int32_t position) {
  for (int32_t i = position; i < position + rule->ngram; i++) {
    if ((sample->word_flags[i] & BKI_WORD_FLIP) != 0) {
      return true;
    }
  }
  return false;
}

static bki_str word_key(const bki_rule *rule, const bki_sample *sample, int32_t position) {
  if (rule->oov_key == BKI_OOV_SHARED && (sample->word_flags[position] & BKI_WORD_OOV) != 0) {
    return (bki_str){"<oov>", 5};
  }
  return bki_words_get(sample->words, position);
}

void bki_rule_unit_key(const bki_rule *rule, const bki_sample *sample, int32_t position, bki_strbuf *key) {
  for (int32_t i = position; i < position + rule->ngram; i++) {
    if (i > position) {
      bki_strbuf_add(key, " ", 1);
    }
    bki_str word = word_key(rule, sample, i);
    bki_strbuf_add(key, word.data, word.size);
  }
}

static bool unit_has_key(const bki_rule *rule, const bki_sample *sample, int32_t position, bki_str key) {
  size_t at = 0;
  for (int32_t i = position; i < position + rule->ngram; i++) {
    if (i > position && (at == key.size || key.data[at++] != ' ')) {
      return false;
    }
    bki_str word = word_key(rule, sample, i);
    if (word.size > key.size - at || memcmp(key.data + at, word.data, word.size) != 0) {
      return false;
    }
    at += word.size;
  }
  return at == key.size;
}

int32_t bki_rule_select(const bki_rule *rule, const bki_sample *sample, int32_t *positions) {
  int32_t n_units = bki_rule_n_units(rule, sample);
  int32_t n = 0;
  for (int32_t i = 0; i < n_units; i++) {
    double score = bki_rule_unit_score(rule, sample, i);
    /* Equal scores keep their order: the earlier position stands first. */
    int32_t rank = n;
    while (rank > 0 && bki_rule_unit_score(rule, sample, positions[rank - 1]) < score) {
      rank--;
    }
    if (rank == rule->p) {
      continue;
    }
    n += n < rule->p;
    memmove(positions + rank + 1, positions + rank, (size_t)(n - 1 - rank) * sizeof *positions);
    positions[rank] = i;
  }
  return n;
}

int32_t bki_rule_locate(const bki_rule *rule, const bki_candidate *keyword, const bki_sample *sample) {
  if (rule->preset == BKI_PRESET_JOURNAL && sample->label != keyword->label) {
    return -1;
  }
  int32_t n_units = bki_rule_n_units(rule, sample);
  int32_t best = -1;
  double best_score = 0;
  for (int32_t i = 0; i < n_units; i++) {
    if (unit_has_key(rule, sample, i, keyword->word)) {
      double score = bki_rule_unit_score(rule, sample, i);
      if (best < 0 || score > best_score) {
        best = i;
        best_score = score;
      }
    }
  }
  /* Selected means that fewer than p units come before it: no need to select them all to know. */
  int32_t n_before = 0;
  for (int32_t i = 0; i < n_units && best >= 0 && n_before < rule->p; i++) {
    double score = bki_rule_unit_score(rule, sample, i);
    n_before += score > best_score || (score == best_score && i < best);
  }
  return n_before < rule->p ? best : -1;
}

bool bki_rule_flags(const bki_rule *rule, const bki_candidate *keyword, const bki_sample *sample) {
  return keyword != NULL && bki_rule_locate(rule, keyword, sample) >= 0;
}
