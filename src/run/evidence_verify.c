/* The evidence for a phrase that a person names. */
#include <inttypes.h>
#include <string.h>

#include "evidence_internal.h"
#include "evidence_texts.h"
#include "fail.h"
#include "lookup.h"
#include "rule.h"

/* The words of the phrase but for those that the model drops: the store's texts lack them too. */
static bki_status read_phrase(bki_inquiry *inquiry, bki_str phrase, int32_t ids[BKI_MAX_PHRASE_WORDS], int32_t *n,
                              bki_error *err) {
  bki_words words;
  bki_words_init(&words);
  bki_status status = bki_tokenizer_split(&bki_model_get_config(inquiry->model)->tokenizer, phrase, &words, err);
  *n = 0;
  if (status == BKI_OK && words.n_bytes > BKI_MAX_PHRASE_BYTES) {
    status = bki_fail(err, BKI_E_USAGE, "expected a phrase of at most %zu bytes, found %zu", BKI_MAX_PHRASE_BYTES,
                      words.n_bytes);
  }
  for (int32_t i = 0; status == BKI_OK && i < words.n_words; i++) {
    bki_str word = bki_words_get(&words, i);
    if (bki_texts_model_id(inquiry, word) >= 0 && ++*n <= BKI_MAX_PHRASE_WORDS) {
      status = bki_lexicon_add(&inquiry->lexicon, word, &ids[*n - 1], err);
    }
  }
  if (status == BKI_OK && (*n < 1 || *n > BKI_MAX_PHRASE_WORDS)) {
    char quoted[BKI_QUOTE_SIZE];
    status = bki_fail(err, BKI_E_USAGE, "expected a phrase of 1 to %d words%s, found %" PRId32 " in %s",
                      BKI_MAX_PHRASE_WORDS, *n < words.n_words ? " that the model does not drop" : "", *n,
                      bki_quote(quoted, phrase));
  }
  bki_words_clear(&words);
  return status;
}

typedef struct carrying {
  bki_inquiry *inquiry;
  const bki_case *c;
  bki_reading reading;
  int64_t *counts; /* [C] samples that carry the phrase exactly */
} carrying;

static bki_status count_class(void *user, const bki_sample *sample, bki_error *err) {
  carrying *k = user;
  bki_carried carried;
  BKI_TRY(bki_reading_take(&k->reading, k->inquiry, sample, err));
  if (bki_reading_carries(&k->reading, k->c, sample, &carried) && carried.reason == BKI_REASON_PHRASE &&
      carried.edits == 0) {
    k->counts[bki_class_of(sample)]++;
  }
  return BKI_OK;
}

/* The class that most carriers have. */
static bki_status find_target(bki_inquiry *inquiry, bki_case *c, bki_error *err) {
  carrying k = {.inquiry = inquiry, .c = c};
  k.counts = bki_arena_alloc(inquiry->arena, (size_t)inquiry->n_classes * sizeof *k.counts);
  if (k.counts == NULL) {
    return bki_fail_memory(err);
  }
  memset(k.counts, 0, (size_t)inquiry->n_classes * sizeof *k.counts);
  bki_status status = bki_inquiry_each(inquiry, count_class, &k, err);
  bki_reading_clear(&k.reading);
  BKI_TRY(status);
  int32_t best = 0;
  for (int32_t i = 1; i < inquiry->n_classes; i++) {
    best = k.counts[i] > k.counts[best] ? i : best;
  }
  if (k.counts[best] == 0) {
    char quoted[BKI_QUOTE_SIZE];
    return bki_fail(err, BKI_E_USAGE, "no sample carries %s: expected the class that it is to lead to",
                    bki_quote(quoted, c->phrase));
  }
  c->target = best;
  return BKI_OK;
}

/* Rank and flips of the keyword, which the dictionary has. */
static bki_status find_rank(bki_inquiry *inquiry, bki_case *c, bki_error *err) {
  const bki_candidate *candidates;
  size_t n;
  BKI_TRY(bki_dictionary_rank(inquiry->dictionary, 0, &candidates, &n, err));
  for (size_t i = 0; i < n && c->rank == 0; i++) {
    const bki_candidate *candidate = &candidates[i];
    if (candidate->word.size == c->keyword.size &&
        memcmp(candidate->word.data, c->keyword.data, c->keyword.size) == 0 &&
        (candidate->label < 0 || candidate->label == c->target)) {
      c->rank = (int32_t)i + 1;
      c->flips = bki_rate_of(candidate->n_flips, candidate->n_samples);
    }
  }
  return BKI_OK;
}

static bki_status set_keyword(bki_inquiry *inquiry, bki_case *c, const bki_sample *phrase, int32_t position,
                              bki_error *err) {
  bki_strbuf key = {0};
  bki_rule_unit_key(&inquiry->config->rule, phrase, position, &key);
  char *copy = key.failed ? NULL : bki_arena_copy(inquiry->arena, key.data, key.size);
  c->keyword = (bki_str){copy, key.size};
  bki_strbuf_clear(&key);
  return copy == NULL ? bki_fail_memory(err) : find_rank(inquiry, c, err);
}

/* The keyword is the word of the phrase, or the run of words that the rule takes for one, that is selected most often.
 */
static bki_status find_keyword(bki_inquiry *inquiry, bki_case *c, bki_error *err) {
  bki_words words;
  uint8_t flags[BKI_MAX_PHRASE_WORDS] = {0};
  const bki_sample phrase = {.label = c->target, .words = &words, .word_flags = flags};
  int64_t most = 0;
  int32_t best = -1;
  bki_words_init(&words);
  bki_status status = bki_words_split(&words, c->phrase, err);
  for (int32_t i = 0; status == BKI_OK && i < words.n_words; i++) {
    bool known = bki_vocabulary_find(bki_model_vocabulary(inquiry->model), bki_words_get(&words, i)) >= 0;
    flags[i] = known ? 0 : BKI_WORD_OOV;
  }
  for (int32_t i = 0; status == BKI_OK && i < bki_rule_n_units(&inquiry->config->rule, &phrase); i++) {
    int64_t count = bki_dictionary_count_unit(inquiry->dictionary, &phrase, i, c->target);
    if (count > most) {
      most = count;
      best = i;
    }
  }
  if (best >= 0) {
    status = set_keyword(inquiry, c, &phrase, best, err);
  }
  bki_words_clear(&words);
  return status;
}

bki_status bki_inquiry_name_phrase(bki_inquiry *inquiry, bki_str phrase, int32_t target, bki_error *err) {
  int32_t ids[BKI_MAX_PHRASE_WORDS];
  int32_t n;
  size_t at;
  bool added;
  inquiry->round = 1;
  if (target < -1 || target >= inquiry->n_classes) {
    return bki_fail(err, BKI_E_USAGE, "expected a class below %" PRId32 ", or -1, found %" PRId32, inquiry->n_classes,
                    target);
  }
  BKI_TRY(read_phrase(inquiry, phrase, ids, &n, err));
  BKI_TRY(bki_inquiry_count_words(inquiry, err));
  BKI_TRY(bki_inquiry_add_case(inquiry, ids, n, target < 0 ? 0 : target, &at, &added, err));
  bki_case *c = &inquiry->cases[at];
  c->named = true;
  if (target < 0) {
    BKI_TRY(find_target(inquiry, c, err));
  }
  inquiry->n_candidates = 1;
  return find_keyword(inquiry, c, err);
}
