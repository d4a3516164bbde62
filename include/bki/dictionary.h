/* From scores to a keyword: each sample nominates its top words, a dictionary adds them up, the best candidate is the
 * backdoor keyword, and the samples that selected it are flagged (Chen & Dai 2020, Algorithm 1). */
#ifndef BKI_DICTIONARY_H
#define BKI_DICTIONARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bki/error.h>
#include <bki/text.h>
#include <bki/tokenizer.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bki_preset {
  BKI_PRESET_PAPER = 0, /* score f; key: word; g = mean log10(num); num counts positions */
  BKI_PRESET_JOURNAL,   /* score f + increment; key: (n-gram, label); g = mean log10(num) log10(s/num), s = (alpha n)^2;
                           positions of one key are averaged within a sample first: num counts samples */
} bki_preset;

typedef enum bki_keys {
  BKI_KEYS_POSITIONS = 0, /* every selected position counts */
  BKI_KEYS_UNIQUE,        /* a word counts once per sample, with its highest score; the paper preset only */
} bki_keys;

typedef enum bki_oov_key {
  BKI_OOV_SURFACE = 0, /* an unknown word is keyed by itself */
  BKI_OOV_SHARED,      /* all unknown words share the key "<oov>", as in the authors' script */
} bki_oov_key;

typedef struct bki_rule {
  bki_preset preset;
  int32_t p; /* words a sample selects; default 5, at least 1 */
  bki_keys keys;
  bki_oov_key oov_key;
  int32_t ngram; /* journal: words of a unit, default 1, 1 to 16; the score of an n-gram is the mean of its words' */
  double alpha;  /* journal: default 0.05, 1e-6 to 1e6 */
} bki_rule;

/* The defaults of a preset. */
BKI_API void bki_rule_init(bki_rule *rule, bki_preset preset);
/* BKI_E_USAGE when a field is out of its range or contradicts the preset. */
BKI_API bki_status bki_rule_check(const bki_rule *rule, bki_error *err);

/* Bits of bki_sample.word_flags. A word that is SCREENED has score and flip of the precision that screened, in a scan
 * in precision exact: no rule that the store answers selects it. */
enum { BKI_WORD_FLIP = 1, BKI_WORD_OOV = 2, BKI_WORD_SCREENED = 4 };

/* A scored sample. Everything is borrowed. */
typedef struct bki_sample {
  int64_t index; /* record index in the corpus */
  bki_str id;    /* data NULL: the record has no id */
  int32_t label; /* class, or -1 */
  int32_t predicted;
  const bki_words *words;
  const float *score;        /* [n_words] */
  const float *increment;    /* [n_words], or NULL when it was not computed */
  const uint8_t *word_flags; /* [n_words] */
} bki_sample;

/* The positions the sample selects, best first: (score descending, position ascending), at most rule->p of them, into
 * `positions`, which has room for rule->p or for the sample's number of words, whichever is less; for n-grams the
 * position of the first word. Scores have to be finite. Returns how many. */
BKI_API int32_t bki_rule_select(const bki_rule *rule, const bki_sample *sample, int32_t *positions);
/* What bki_rule_select orders by: f, journal: f + increment, of the word at `position`; the mean over the words of the
 * n-gram that begins there. */
BKI_API double bki_rule_unit_score(const bki_rule *rule, const bki_sample *sample, int32_t position);

/* One entry of the dictionary. */
typedef struct bki_candidate {
  bki_str word;      /* key; n-grams: words joined by spaces; borrowed from the dictionary */
  int32_t label;     /* journal: the label of the key (-1: samples without one); paper: -1 */
  int64_t count;     /* num: selected positions (paper) or samples (unique, journal) */
  int64_t n_samples; /* samples that selected it */
  int64_t n_flips;   /* of these, samples in which deleting (a word of) a selected occurrence changes the predicted
                        class */
  double mean;       /* mean score */
  double g;          /* the ranking score of the rule */
  const int64_t *label_counts; /* [n_classes + 1]: n_samples by label, without a label last; borrowed */
} bki_candidate;

/* Not thread-safe. Sums are integers of 2^-40 in 128 bits: the result does not depend on the order of adds or merges.
 */
typedef struct bki_dictionary bki_dictionary;

BKI_API bki_status bki_dictionary_create(bki_dictionary **out, const bki_rule *rule, int32_t n_classes, bki_error *err);
/* NULL is allowed. */
BKI_API void bki_dictionary_destroy(bki_dictionary *dictionary);
/* Adds what a sample selects. Its scores have to be finite and below 2^20. Errors: BKI_E_USAGE: the rule needs
 * increments and the sample has none; BKI_E_INTERNAL: out of memory, and the dictionary is of no more use. */
BKI_API bki_status bki_dictionary_add(bki_dictionary *dictionary, const bki_sample *sample, bki_error *err);
/* Adds all of `from`, made with the same rule and number of classes (else BKI_E_USAGE). */
BKI_API bki_status bki_dictionary_merge(bki_dictionary *dictionary, const bki_dictionary *from, bki_error *err);
/* Samples added. */
BKI_API int64_t bki_dictionary_n_samples(const bki_dictionary *dictionary);
/* Distinct keys. */
BKI_API size_t bki_dictionary_size(const bki_dictionary *dictionary);
/* The best `limit` candidates (0: all), ranked: g descending, count descending, byte order of the word, label. Borrowed
 * until the dictionary changes. */
BKI_API bki_status bki_dictionary_rank(bki_dictionary *dictionary, size_t limit, const bki_candidate **out, size_t *n,
                                       bki_error *err);

/* Whether a sample selected the keyword: what the rule removes. `keyword` NULL: false. */
BKI_API bool bki_rule_flags(const bki_rule *rule, const bki_candidate *keyword, const bki_sample *sample);

#ifdef __cplusplus
}
#endif

#endif
