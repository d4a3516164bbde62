/* Which samples carry a phrase, and how: exactly, with a few edits, or in part. */
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "evidence_internal.h"
#include "evidence_texts.h"
#include "fail.h"
#include "rule.h"
#include "streams.h"

void bki_reading_clear(bki_reading *reading) {
  free(reading->ids);
  free(reading->selected);
  free(reading->stamp);
  *reading = (bki_reading){0};
}

static bki_status grow_stamps(bki_reading *reading, size_t n, bki_error *err) {
  BKI_TRY(bki_array_reserve(&reading->stamp, &reading->stamp_capacity, n, sizeof *reading->stamp, err));
  memset(reading->stamp + reading->stamp_size, 0, (n - reading->stamp_size) * sizeof *reading->stamp);
  reading->stamp_size = n;
  return BKI_OK;
}

bki_status bki_reading_take(bki_reading *reading, const bki_inquiry *inquiry, const bki_sample *sample,
                            bki_error *err) {
  const bki_lexicon *lexicon = &inquiry->lexicon;
  const bki_rule *rule = &inquiry->config->rule;
  size_t n_words = (size_t)sample->words->n_words;
  size_t most = (size_t)rule->p < n_words ? (size_t)rule->p : n_words;
  BKI_TRY(bki_array_reserve(&reading->ids, &reading->ids_capacity, n_words + 1, sizeof *reading->ids, err));
  BKI_TRY(bki_array_reserve(&reading->selected, &reading->selected_capacity, most + 1, sizeof *reading->selected, err));
  if (reading->stamp_size < lexicon->n) {
    BKI_TRY(grow_stamps(reading, lexicon->n, err));
  }
  reading->n_read++;
  for (size_t i = 0; i < n_words; i++) {
    int32_t id = bki_lexicon_find(lexicon, bki_words_get(sample->words, (int32_t)i));
    reading->ids[i] = id;
    if (id >= 0) {
      reading->stamp[id] = reading->n_read;
    }
  }
  reading->n_selected = bki_rule_select(rule, sample, reading->selected);
  return BKI_OK;
}

/* Words of the phrase that the sample has, each place of the phrase for itself. */
static int32_t count_present(const bki_reading *reading, const bki_case *c) {
  int32_t n = 0;
  for (int32_t i = 0; i < c->n_words; i++) {
    n += reading->stamp[c->words[i]] == reading->n_read;
  }
  return n;
}

/* A part is enough when it is half of the phrase, or what a cut at the text's edge has left of it: two words at least,
 * for a single one has natural uses. */
static bool is_part(const bki_case *c, int32_t n_words, int32_t first, int32_t start, int32_t length) {
  bool cut = (start == 0 && first + length == c->n_words) || (start + length == n_words && first == 0);
  return length >= 2 && (2 * length >= c->n_words || cut);
}

/* The longest part of the phrase around a selected word; 0: none. */
static int32_t run_around(const bki_reading *reading, const bki_case *c, int32_t n_words, int32_t at, int32_t *start) {
  int32_t longest = 0;
  for (int32_t i = 0; i < c->n_words; i++) {
    if (c->words[i] != reading->ids[at]) {
      continue;
    }
    int32_t before = 0;
    int32_t after = 0;
    while (before < i && before < at && c->words[i - before - 1] == reading->ids[at - before - 1]) {
      before++;
    }
    while (i + after + 1 < c->n_words && at + after + 1 < n_words &&
           c->words[i + after + 1] == reading->ids[at + after + 1]) {
      after++;
    }
    int32_t length = before + 1 + after;
    if (length > longest && is_part(c, n_words, i - before, at - before, length)) {
      longest = length;
      *start = at - before;
    }
  }
  return longest;
}

static bool carries_part(const bki_reading *reading, const bki_case *c, int32_t n_words, bki_carried *out) {
  int32_t longest = 0;
  for (int32_t i = 0; i < reading->n_selected; i++) {
    int32_t start = 0;
    int32_t length = run_around(reading, c, n_words, reading->selected[i], &start);
    if (length > longest) {
      longest = length;
      *out = (bki_carried){BKI_REASON_PART, c->n_words - length, start, length};
    }
  }
  return longest > 0;
}

bool bki_reading_carries(const bki_reading *reading, const bki_case *c, const bki_sample *sample, bki_carried *out) {
  int32_t max_edits = bki_phrase_max_edits(c->n_words);
  int32_t n_present = count_present(reading, c);
  if (n_present >= c->n_words - max_edits) {
    bki_phrase_match match = bki_phrase_find(c->words, c->n_words, reading->ids, sample->words->n_words);
    if (match.edits <= max_edits) {
      *out = (bki_carried){BKI_REASON_PHRASE, match.edits, match.start, match.length};
      return true;
    }
  }
  return n_present >= 2 && carries_part(reading, c, sample->words->n_words, out);
}

typedef struct counting {
  bki_inquiry *inquiry;
  bki_reading reading;
} counting;

static void count_carrier(bki_inquiry *inquiry, bki_case *c, const bki_sample *sample, const bki_carried *carried) {
  bool of_target = bki_class_of(sample) == c->target;
  bki_carriers *carriers = carried->reason == BKI_REASON_PART ? &c->parts : &c->carriers[carried->edits];
  carriers->n_target += of_target;
  carriers->n_other += !of_target;
  if (of_target && carried->reason == BKI_REASON_PHRASE && carried->edits == 0 && sample->predicted == c->target) {
    uint64_t key = bki_stream_key(inquiry->config->seed, BKI_STREAM_REMOVALS, 0, sample->index);
    bki_bottom_k_offer(&c->exact, (bki_drawn){key, sample->index});
  }
}

static bki_status count_sample(void *user, const bki_sample *sample, bki_error *err) {
  counting *counts = user;
  bki_inquiry *inquiry = counts->inquiry;
  BKI_TRY(bki_reading_take(&counts->reading, inquiry, sample, err));
  for (size_t i = 0; i < inquiry->n_cases; i++) {
    bki_case *c = &inquiry->cases[i];
    bki_carried carried;
    if (!c->accepted && bki_reading_carries(&counts->reading, c, sample, &carried)) {
      count_carrier(inquiry, c, sample, &carried);
    }
  }
  return BKI_OK;
}

bki_status bki_inquiry_count_carriers(bki_inquiry *inquiry, bki_error *err) {
  for (size_t i = 0; i < inquiry->n_cases; i++) {
    bki_case *c = &inquiry->cases[i];
    memset(c->carriers, 0, sizeof c->carriers);
    c->parts = (bki_carriers){0, 0};
    bki_bottom_k_clear(&c->exact);
    if (!c->accepted) {
      BKI_TRY(bki_bottom_k_init(&c->exact, (size_t)inquiry->config->n_texts, err));
    }
  }
  counting counts = {.inquiry = inquiry};
  bki_status status = bki_inquiry_each(inquiry, count_sample, &counts, err);
  bki_reading_clear(&counts.reading);
  return status;
}

/* Doubtful samples are tried so many at a time. */
enum { DOUBTS = 1024 };

typedef struct taking {
  bki_inquiry *inquiry;
  const bki_case *c;
  bki_reading reading;
  int32_t finding;
  size_t n;              /* of inquiry->taken, new ones included */
  bki_texts doubts;      /* of those that do not carry the phrase exactly: the text without it */
  size_t places[DOUBTS]; /* theirs among the taken ones */
} taking;

/* More likely planted than not, by a margin: three in four. */
static const double min_confidence = 0.75;

/* Leaves out the doubtful ones that are the target's without the phrase, too: what is like it there is natural. */
static bki_status settle_doubts(taking *t, bki_error *err) {
  bool is_target[DOUBTS];
  bki_evidence_sample *taken = t->inquiry->taken;
  size_t next = 0;
  size_t n_kept = t->doubts.n > 0 ? t->places[0] : t->n;
  bki_status status = bki_texts_run(&t->doubts, t->inquiry, t->c->target, is_target, err);
  for (size_t i = n_kept; i < t->n && status == BKI_OK; i++) {
    bool doubtful = next < t->doubts.n && t->places[next] == i;
    if (!doubtful || !is_target[next]) {
      taken[n_kept++] = taken[i];
    }
    next += doubtful;
  }
  t->n = n_kept;
  bki_texts_clear(&t->doubts);
  return status;
}

static bki_status add_taken(taking *t, const bki_sample *sample, const bki_carried *carried, double confidence,
                            bki_error *err) {
  bki_inquiry *inquiry = t->inquiry;
  BKI_TRY(bki_array_reserve(&inquiry->taken, &inquiry->taken_capacity, t->n + 1, sizeof *inquiry->taken, err));
  inquiry->taken[t->n] = (bki_evidence_sample){.index = sample->index,
                                               .finding = t->finding,
                                               .position = carried->position,
                                               .n_words = carried->n_words,
                                               .edits = carried->edits,
                                               .reason = carried->reason,
                                               .confidence = confidence};
  bool exact = carried->reason == BKI_REASON_PHRASE && carried->edits == 0;
  if (!exact && carried->n_words < sample->words->n_words) {
    t->places[t->doubts.n] = t->n;
    BKI_TRY(bki_texts_add_without(&t->doubts, inquiry, sample, carried->position, carried->n_words, err));
  }
  t->n++;
  return t->doubts.n == DOUBTS ? settle_doubts(t, err) : BKI_OK;
}

static bki_status take_sample(void *user, const bki_sample *sample, bki_error *err) {
  taking *t = user;
  bki_carried carried;
  BKI_TRY(bki_reading_take(&t->reading, t->inquiry, sample, err));
  if (bki_class_of(sample) != t->c->target || !bki_reading_carries(&t->reading, t->c, sample, &carried)) {
    return BKI_OK;
  }
  double confidence = bki_case_confidence(t->inquiry, t->c, &carried);
  return confidence < min_confidence ? BKI_OK : add_taken(t, sample, &carried, confidence, err);
}

static int compare_indices(const void *a, const void *b) {
  const bki_evidence_sample *x = a;
  const bki_evidence_sample *y = b;
  return x->index < y->index ? -1 : x->index > y->index;
}

bki_status bki_inquiry_take_out(bki_inquiry *inquiry, const bki_case *c, int32_t finding, int64_t *n, bki_error *err) {
  taking t = {.inquiry = inquiry, .c = c, .finding = finding, .n = inquiry->n_taken};
  bki_status status = bki_inquiry_each(inquiry, take_sample, &t, err);
  if (status == BKI_OK) {
    status = settle_doubts(&t, err);
  }
  bki_texts_clear(&t.doubts);
  bki_reading_clear(&t.reading);
  BKI_TRY(status);
  *n = (int64_t)(t.n - inquiry->n_taken);
  inquiry->n_taken = t.n;
  if (inquiry->n_taken > 0) {
    qsort(inquiry->taken, inquiry->n_taken, sizeof *inquiry->taken, compare_indices);
  }
  return BKI_OK;
}
