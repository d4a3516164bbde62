/* Which phrases to look at: the words around the best candidates of the dictionary, as far as the samples that selected
 * them share these. */
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "evidence_internal.h"
#include "fail.h"
#include "rng.h"
#include "rule.h"
#include "streams.h"

enum {
  RADIUS = BKI_MAX_PHRASE_WORDS - 1, /* words on each side that may belong to a phrase */
  MAX_WITNESSES = 400,               /* samples whose words are compared: enough to see what half of them share */
  MAX_TARGETS = 3,                   /* classes for which a word is looked at */
  MAX_PHRASES = 4,                   /* around one word for one class */
  MIN_FLIPS = 3,                     /* below, a rate of flips says nothing */
};

/* A word with a class: where phrases spring from. */
typedef struct spring {
  bki_str word;
  int32_t target;
  int32_t rank;
  bki_rate flips;
  uint64_t limit; /* samples with a smaller key are witnesses */
  int64_t last_sample;
  bki_context *contexts; /* [n_contexts], words in `ids` at `anchor`.. until all are there */
  size_t n_contexts;
  size_t contexts_capacity;
  int32_t *ids;
  size_t n_ids;
  size_t ids_capacity;
  struct spring *next; /* of the same word */
} spring;

typedef struct springs {
  bki_inquiry *inquiry;
  spring *all;
  size_t n;
  size_t capacity;
  bki_strmap *by_word; /* -> spring * */
  int32_t *positions;
  size_t positions_capacity;
  bki_strbuf key;
} springs;

/* By the ranking of the dictionary, and by the rate of flips that is certain. */
typedef struct chosen {
  const bki_candidate *candidate;
  int32_t rank;
  double flips_low;
} chosen;

static int compare_flips(const void *a, const void *b) {
  const chosen *x = a;
  const chosen *y = b;
  return x->flips_low != y->flips_low ? (x->flips_low < y->flips_low ? 1 : -1) : x->rank - y->rank;
}

/* The classes of the samples that selected it: those that have a tenth of them, the largest first. */
static bki_status add_springs(springs *s, const bki_candidate *candidate, int32_t rank, bki_error *err) {
  int32_t n_classes = s->inquiry->n_classes;
  int64_t previous = INT64_MAX;
  int32_t after = -1; /* the class before in the order (count descending, class ascending) */
  for (int i = 0; i < MAX_TARGETS; i++) {
    int32_t best = -1;
    for (int32_t c = 0; c < n_classes; c++) {
      int64_t count = candidate->label_counts[c];
      bool later = count < previous || (count == previous && c > after);
      if (later && count > 0 && (best < 0 || count > candidate->label_counts[best])) {
        best = c;
      }
    }
    if (best < 0 || (i > 0 && candidate->label_counts[best] * 10 < candidate->n_samples)) {
      break;
    }
    previous = candidate->label_counts[best];
    after = best;
    BKI_TRY(bki_array_reserve(&s->all, &s->capacity, s->n + 1, sizeof *s->all, err));
    double share = 1.25 * MAX_WITNESSES / (double)previous; /* a few more than needed, then the first ones */
    s->all[s->n++] = (spring){.word = candidate->word,
                              .target = best,
                              .rank = rank,
                              .flips = bki_rate_of(candidate->n_flips, candidate->n_samples),
                              .limit = share >= 1 ? UINT64_MAX : (uint64_t)(share * 0x1p64),
                              .last_sample = -1};
  }
  return BKI_OK;
}

static bki_status choose(springs *s, const bki_candidate *candidates, size_t n, bki_error *err) {
  size_t k = (size_t)s->inquiry->config->n_candidates;
  size_t n_by_g = 0;
  size_t n_flipping = 0;
  bki_status status = BKI_OK;
  chosen *flipping = bki_array_create(n, sizeof *flipping);
  if (flipping == NULL) {
    return bki_fail_memory(err);
  }
  for (size_t i = 0; i < n && status == BKI_OK; i++) {
    const bki_candidate *c = &candidates[i];
    if (n_by_g < k && c->g > 0) {
      n_by_g++;
      status = add_springs(s, c, (int32_t)i + 1, err);
    } else if (c->n_flips >= MIN_FLIPS) {
      flipping[n_flipping++] = (chosen){c, (int32_t)i + 1, bki_rate_of(c->n_flips, c->n_samples).low};
    }
  }
  qsort(flipping, n_flipping, sizeof *flipping, compare_flips);
  size_t n_by_flips = n_flipping < k ? n_flipping : k;
  for (size_t i = 0; i < n_by_flips && status == BKI_OK; i++) {
    status = add_springs(s, flipping[i].candidate, flipping[i].rank, err);
  }
  s->inquiry->n_candidates += (int64_t)(n_by_g + n_by_flips);
  free(flipping);
  return status;
}

/* Springs no longer move: they can be found by their word. */
static bki_status index_springs(springs *s, bki_error *err) {
  BKI_TRY(bki_strmap_create(&s->by_word, sizeof(spring *), err));
  for (size_t i = 0; i < s->n; i++) {
    spring **slot;
    BKI_TRY(bki_strmap_put(s->by_word, s->all[i].word, &slot, NULL, err));
    s->all[i].next = *slot;
    *slot = &s->all[i];
  }
  return BKI_OK;
}

/* Keeps the words around a selected one. Offsets stand in for pointers while `ids` may move. */
static bki_status add_context(bki_inquiry *inquiry, spring *p, const bki_words *words, int32_t position,
                              bki_error *err) {
  int32_t first = position > RADIUS ? position - RADIUS : 0;
  int32_t end = words->n_words - position > RADIUS ? position + RADIUS + 1 : words->n_words;
  size_t n = (size_t)(end - first);
  BKI_TRY(bki_array_reserve(&p->ids, &p->ids_capacity, p->n_ids + n, sizeof *p->ids, err));
  BKI_TRY(bki_array_reserve(&p->contexts, &p->contexts_capacity, p->n_contexts + 1, sizeof *p->contexts, err));
  for (int32_t i = first; i < end; i++) {
    BKI_TRY(bki_lexicon_add(&inquiry->lexicon, bki_words_get(words, i), &p->ids[p->n_ids + (size_t)(i - first)], err));
  }
  p->contexts[p->n_contexts++] = (bki_context){NULL, (int32_t)n, position - first};
  p->n_ids += n;
  return BKI_OK;
}

static bki_status witness(void *user, const bki_sample *sample, bki_error *err) {
  springs *s = user;
  const bki_rule *rule = &s->inquiry->config->rule;
  uint64_t key = bki_stream_key(s->inquiry->config->seed, BKI_STREAM_WITNESSES, 0, sample->index);
  size_t most = (size_t)(rule->p < sample->words->n_words ? rule->p : sample->words->n_words);
  BKI_TRY(bki_array_reserve(&s->positions, &s->positions_capacity, most + 1, sizeof *s->positions, err));
  int32_t n = bki_rule_select(rule, sample, s->positions);
  for (int32_t i = 0; i < n; i++) {
    bki_strbuf_truncate(&s->key, 0);
    bki_rule_unit_key(rule, sample, s->positions[i], &s->key);
    if (s->key.failed) {
      return bki_fail_memory(err);
    }
    spring **found = bki_strmap_get(s->by_word, bki_strbuf_str(&s->key));
    for (spring *p = found == NULL ? NULL : *found; p != NULL; p = p->next) {
      bool belongs = bki_class_of(sample) == p->target;
      if (belongs && key < p->limit && p->n_contexts < MAX_WITNESSES && p->last_sample != sample->index) {
        p->last_sample = sample->index;
        BKI_TRY(add_context(s->inquiry, p, sample->words, s->positions[i], err));
      }
    }
  }
  return BKI_OK;
}

static int32_t anchor_word(const bki_context *context) {
  return context->words[context->anchor];
}

/* A key that unknown words share stands for many words: the contexts of the most frequent one are kept. */
static void keep_one_anchor(spring *p) {
  size_t most = 0;
  int32_t kept = -1;
  for (size_t i = 0; i < p->n_contexts && most < p->n_contexts - i; i++) {
    int32_t word = anchor_word(&p->contexts[i]);
    size_t n = 0;
    for (size_t k = i; k < p->n_contexts; k++) {
      n += anchor_word(&p->contexts[k]) == word;
    }
    if (n > most) {
      most = n;
      kept = word;
    }
  }
  size_t n_kept = 0;
  for (size_t i = 0; i < p->n_contexts; i++) {
    if (anchor_word(&p->contexts[i]) == kept) {
      p->contexts[n_kept++] = p->contexts[i];
    }
  }
  p->n_contexts = n_kept;
}

static bki_status add_cases(bki_inquiry *inquiry, spring *p, bki_error *err) {
  bki_phrase phrases[MAX_PHRASES];
  size_t n = 0;
  const int32_t *ids = p->ids;
  for (size_t i = 0; i < p->n_contexts; i++) {
    p->contexts[i].words = ids;
    ids += p->contexts[i].n;
  }
  keep_one_anchor(p);
  if (p->n_contexts > 0) {
    BKI_TRY(bki_phrase_mine(phrases, &n, MAX_PHRASES, p->contexts, p->n_contexts, err));
  }
  for (size_t i = 0; i < n; i++) {
    size_t at;
    bool added;
    BKI_TRY(bki_inquiry_add_case(inquiry, phrases[i].words, phrases[i].n_words, p->target, &at, &added, err));
    if (added) {
      bki_case *c = &inquiry->cases[at];
      c->keyword.data = bki_arena_copy(inquiry->arena, p->word.data, p->word.size);
      if (c->keyword.data == NULL) {
        return bki_fail_memory(err);
      }
      c->keyword.size = p->word.size;
      c->rank = p->rank;
      c->flips = p->flips;
    }
  }
  return BKI_OK;
}

static void clear(springs *s) {
  for (size_t i = 0; i < s->n; i++) {
    free(s->all[i].contexts);
    free(s->all[i].ids);
  }
  free(s->all);
  free(s->positions);
  bki_strmap_destroy(s->by_word);
  bki_strbuf_clear(&s->key);
}

static bki_status count_sample(void *user, const bki_sample *sample, bki_error *err) {
  bki_inquiry *inquiry = user;
  bki_sample labelled = *sample;
  labelled.label = bki_class_of(sample);
  inquiry->n_samples++;
  inquiry->class_counts[labelled.label]++;
  return bki_dictionary_add(inquiry->dictionary, &labelled, err);
}

bki_status bki_inquiry_count_words(bki_inquiry *inquiry, bki_error *err) {
  bki_dictionary_destroy(inquiry->dictionary);
  inquiry->dictionary = NULL;
  inquiry->n_samples = 0;
  memset(inquiry->class_counts, 0, (size_t)inquiry->n_classes * sizeof *inquiry->class_counts);
  BKI_TRY(bki_dictionary_create(&inquiry->dictionary, &inquiry->config->rule, inquiry->n_classes, err));
  return bki_inquiry_each(inquiry, count_sample, inquiry, err);
}

bki_status bki_inquiry_find_phrases(bki_inquiry *inquiry, bki_error *err) {
  springs s = {.inquiry = inquiry};
  const bki_candidate *candidates;
  size_t n;
  bki_status status;
  BKI_TRY_GOTO(status, done, bki_inquiry_count_words(inquiry, err));
  BKI_TRY_GOTO(status, done, bki_dictionary_rank(inquiry->dictionary, 0, &candidates, &n, err));
  BKI_TRY_GOTO(status, done, choose(&s, candidates, n, err));
  BKI_TRY_GOTO(status, done, index_springs(&s, err));
  BKI_TRY_GOTO(status, done, bki_inquiry_each(inquiry, witness, &s, err));
  for (size_t i = 0; i < s.n && status == BKI_OK; i++) {
    status = add_cases(inquiry, &s.all[i], err);
  }
done:
  clear(&s);
  return status;
}
