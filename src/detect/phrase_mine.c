#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "fail.h"
#include "phrase.h"
#include "phrase_grow.h"

/* A group of contexts is at least so large, at least 1 of SHARE of all, and LIFT times what chance makes it: words that
 * stand around the trigger at random shall not lengthen it. */
enum { MIN_GROUP = 5, GROUP_SHARE = 20, GROUP_LIFT = 2 };
static const int32_t offsets[] = {-1, 1, -2, 2, -3, 3};
enum { N_OFFSETS = sizeof offsets / sizeof *offsets, MAX_FOUND = 1 + N_OFFSETS * GROUP_SHARE };

/* Which context has which word at an offset. */
typedef struct neighbour {
  int32_t word;
  int32_t context;
} neighbour;

typedef struct miner {
  const bki_context *contexts; /* [n] */
  size_t n;
  int32_t *words; /* [n_words]: the contexts' words but the anchors and the negative ones, ascending */
  size_t n_words;
  neighbour *neighbours; /* [n] */
  int32_t *members;      /* [n] */
  bki_phrase_cursor *cursors;
  int32_t *votes;
  bki_phrase found[MAX_FOUND];
  size_t n_found;
} miner;

static int compare_words(const void *a, const void *b) {
  int32_t x = *(const int32_t *)a;
  int32_t y = *(const int32_t *)b;
  return (x > y) - (x < y);
}

static int compare_neighbours(const void *a, const void *b) {
  const neighbour *x = a;
  const neighbour *y = b;
  return x->word != y->word ? (x->word > y->word) - (x->word < y->word)
                            : (x->context > y->context) - (x->context < y->context);
}

/* How many words are smaller than `word`. */
static size_t count_below(const miner *m, int64_t word) {
  size_t low = 0;
  size_t high = m->n_words;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (m->words[middle] < word) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

static void grow_group(miner *m, size_t n_members) {
  bki_phrase *phrase = &m->found[m->n_found];
  bki_phrase_grow(phrase, m->contexts, m->members, n_members, m->cursors, m->votes);
  bool is_new = phrase->n_words > 1;
  for (size_t i = 0; is_new && i < m->n_found; i++) {
    const bki_phrase *other = &m->found[i];
    is_new = other->n_words != phrase->n_words ||
             memcmp(other->words, phrase->words, (size_t)phrase->n_words * sizeof *phrase->words) != 0;
  }
  m->n_found += is_new;
}

/* Grows a phrase from every large group of contexts that have the same word at `offset`. */
static void grow_groups(miner *m, int32_t offset) {
  size_t n = 0;
  for (size_t i = 0; i < m->n; i++) {
    int32_t word = bki_context_word(&m->contexts[i], (int64_t)m->contexts[i].anchor + offset);
    if (word >= 0) {
      m->neighbours[n++] = (neighbour){word, (int32_t)i};
    }
  }
  qsort(m->neighbours, n, sizeof *m->neighbours, compare_neighbours);
  size_t end;
  for (size_t start = 0; start < n; start = end) {
    int32_t word = m->neighbours[start].word;
    for (end = start; end < n && m->neighbours[end].word == word; end++) {
      m->members[end - start] = m->neighbours[end].context;
    }
    size_t size = end - start;
    if (size >= MIN_GROUP && GROUP_SHARE * size >= m->n) {
      double occurrences = (double)(count_below(m, (int64_t)word + 1) - count_below(m, word));
      double by_chance = (double)n * occurrences / (double)m->n_words;
      if ((double)size >= GROUP_LIFT * by_chance) {
        grow_group(m, size);
      }
    }
  }
}

/* The fewest edits between the phrase's words on one side of the anchor and any stretch of the context that begins at
 * its anchor; more than `limit` is told as limit + 1. */
static int32_t side_edits(const bki_phrase *phrase, const bki_context *context, int32_t step, int32_t limit) {
  int32_t m = step > 0 ? phrase->n_words - 1 - phrase->anchor : phrase->anchor;
  int32_t l = step > 0 ? context->n - 1 - context->anchor : context->anchor;
  l = l < m + limit ? l : m + limit;
  int32_t row[2 * BKI_MAX_PHRASE_WORDS];
  for (int32_t j = 0; j <= l; j++) {
    row[j] = j;
  }
  int32_t fewest = 0;
  for (int32_t i = 1; i <= m && fewest <= limit; i++) {
    int32_t word = phrase->words[phrase->anchor + i * step];
    int32_t diagonal = row[0];
    fewest = row[0] = i;
    for (int32_t j = 1; j <= l; j++) {
      int32_t best = diagonal + !bki_words_equal(word, context->words[context->anchor + j * step]);
      diagonal = row[j];
      best = row[j] + 1 < best ? row[j] + 1 : best;
      row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
      fewest = row[j] < fewest ? row[j] : fewest;
    }
  }
  return fewest <= limit ? fewest : limit + 1;
}

static void count_support(const miner *m, bki_phrase *phrase) {
  int32_t limit = bki_phrase_max_edits(phrase->n_words);
  for (size_t i = 0; i < m->n; i++) {
    int32_t edits = side_edits(phrase, &m->contexts[i], 1, limit);
    if (edits <= limit) {
      edits += side_edits(phrase, &m->contexts[i], -1, limit - edits);
    }
    phrase->support += edits <= limit;
    phrase->exact += edits == 0;
  }
}

static int64_t shared(const bki_phrase *phrase) {
  int64_t neighbours = phrase->n_words - 1;
  return phrase->exact * neighbours * neighbours;
}

static int compare_phrases(const void *a, const void *b) {
  const bki_phrase *x = a;
  const bki_phrase *y = b;
  if (shared(x) != shared(y)) {
    return shared(x) < shared(y) ? 1 : -1;
  }
  if (x->support != y->support) {
    return x->support < y->support ? 1 : -1;
  }
  if (x->n_words != y->n_words) {
    return x->n_words < y->n_words ? 1 : -1;
  }
  for (int32_t i = 0; i < x->n_words; i++) {
    if (x->words[i] != y->words[i]) {
      return x->words[i] < y->words[i] ? -1 : 1;
    }
  }
  return 0; /* no two are the same */
}

/* Whether `part` is a stretch of `whole`, anchor on anchor. */
static bool is_part(const bki_phrase *part, const bki_phrase *whole) {
  int32_t shift = whole->anchor - part->anchor;
  return shift >= 0 && shift + part->n_words <= whole->n_words &&
         memcmp(whole->words + shift, part->words, (size_t)part->n_words * sizeof *part->words) == 0;
}

/* By rank, without the parts of a longer phrase that most of their holders hold in full. */
static void rank_phrases(miner *m) {
  qsort(m->found, m->n_found, sizeof *m->found, compare_phrases);
  size_t n_kept = 0;
  for (size_t i = 0; i < m->n_found; i++) {
    bool kept = true;
    for (size_t j = 0; j < n_kept && kept; j++) {
      kept = !is_part(&m->found[i], &m->found[j]) || 2 * m->found[j].exact < m->found[i].exact;
    }
    if (kept) {
      m->found[n_kept++] = m->found[i];
    }
  }
  m->n_found = n_kept;
}

static void mine(miner *m) {
  for (size_t i = 0; i < m->n; i++) {
    const bki_context *context = &m->contexts[i];
    assert(context->anchor >= 0 && context->anchor < context->n && context->words[context->anchor] >= 0);
    m->members[i] = (int32_t)i;
    for (int32_t j = 0; j < context->n; j++) {
      if (j != context->anchor && context->words[j] >= 0) {
        m->words[m->n_words++] = context->words[j];
      }
    }
  }
  qsort(m->words, m->n_words, sizeof *m->words, compare_words);
  grow_group(m, m->n);
  for (size_t i = 0; i < N_OFFSETS; i++) {
    grow_groups(m, offsets[i]);
  }
  for (size_t i = 0; i < m->n_found; i++) {
    count_support(m, &m->found[i]);
  }
  rank_phrases(m);
}

static void destroy(miner *m) {
  if (m == NULL) {
    return;
  }
  free(m->words);
  free(m->neighbours);
  free(m->members);
  free(m->cursors);
  free(m->votes);
  free(m);
}

/* NULL: out of memory. */
static miner *create(const bki_context *contexts, size_t n) {
  miner *m = bki_array_create(1, sizeof *m);
  if (m == NULL) {
    return NULL;
  }
  size_t n_words = 0;
  for (size_t i = 0; i < n; i++) {
    n_words += (size_t)contexts[i].n;
  }
  m->contexts = contexts;
  m->n = n;
  m->words = bki_array_create(n_words, sizeof *m->words);
  m->neighbours = bki_array_create(n, sizeof *m->neighbours);
  m->members = bki_array_create(n, sizeof *m->members);
  m->cursors = bki_array_create(n, sizeof *m->cursors);
  m->votes = bki_array_create(n, sizeof *m->votes);
  if (m->words == NULL || m->neighbours == NULL || m->members == NULL || m->cursors == NULL || m->votes == NULL) {
    destroy(m);
    return NULL;
  }
  return m;
}

bki_status bki_phrase_mine(bki_phrase *out, size_t *n_out, size_t max_out, const bki_context *contexts, size_t n,
                           bki_error *err) {
  assert(max_out >= 1 && n <= INT32_MAX);
  *n_out = 0;
  if (n == 0) {
    return BKI_OK;
  }
  miner *m = create(contexts, n);
  if (m == NULL) {
    return bki_fail_memory(err);
  }
  mine(m);
  size_t n_longer = m->n_found < max_out ? m->n_found : max_out - 1;
  memcpy(out, m->found, n_longer * sizeof *out);
  out[n_longer] = (bki_phrase){.n_words = 1, .support = (int64_t)n, .exact = (int64_t)n};
  out[n_longer].words[0] = contexts[0].words[contexts[0].anchor];
  *n_out = n_longer + 1;
  destroy(m);
  return BKI_OK;
}
