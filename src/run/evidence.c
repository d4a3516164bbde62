#include <bki/evidence.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "evidence_internal.h"
#include "fail.h"
#include "store_internal.h"
#include "strbuf.h"

enum { MAX_TEXTS = 100 * 1000, MAX_CANDIDATES = 1000, MAX_BACKDOORS = 1000, SHOWN_NATURAL = 10 };

void bki_evidence_config_init(bki_evidence_config *config) {
  *config = (bki_evidence_config){.n_candidates = 20, .n_texts = 200, .max_backdoors = 16, .seed = 1};
  bki_rule_init(&config->rule, BKI_PRESET_PAPER);
}

bki_status bki_evidence_config_check(const bki_evidence_config *config, bki_error *err) {
  BKI_TRY(bki_rule_check(&config->rule, err));
  const struct {
    const char *what;
    int32_t found;
    int32_t min;
    int32_t max;
  } numbers[] = {{"candidates", config->n_candidates, 1, MAX_CANDIDATES},
                 {"texts of a test", config->n_texts, 20, MAX_TEXTS},
                 {"backdoors at most", config->max_backdoors, 1, MAX_BACKDOORS}};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    if (numbers[i].found < numbers[i].min || numbers[i].found > numbers[i].max) {
      return bki_fail(err, BKI_E_USAGE, "evidence: expected %d to %d %s, found %d", numbers[i].min, numbers[i].max,
                      numbers[i].what, numbers[i].found);
    }
  }
  return BKI_OK;
}

bki_status bki_inquiry_check_stop(const bki_inquiry *inquiry, bki_error *err) {
  const bki_evidence_config *config = inquiry->config;
  return config->stop != NULL && config->stop(config->user)
             ? bki_fail(err, BKI_E_INTERRUPTED, "stopped while judging: the same command judges anew")
             : BKI_OK;
}

bki_status bki_inquiry_each(const bki_inquiry *inquiry, bki_inquiry_fn fn, void *user, bki_error *err) {
  bki_store_cursor *cursor;
  bki_status status;
  size_t next = 0;
  BKI_TRY(bki_store_cursor_open(&cursor, inquiry->store, 0, err));
  for (int64_t i = 0;; i++) {
    bki_sample sample;
    bool end;
    if (i % 1024 == 0) {
      BKI_TRY_GOTO(status, done, bki_inquiry_check_stop(inquiry, err));
    }
    BKI_TRY_GOTO(status, done, bki_store_cursor_next(cursor, &sample, &end, err));
    if (end) {
      break;
    }
    while (next < inquiry->n_taken && inquiry->taken[next].index < sample.index) {
      next++;
    }
    if (next == inquiry->n_taken || inquiry->taken[next].index != sample.index) {
      BKI_TRY_GOTO(status, done, fn(user, &sample, err));
    }
  }
done:
  bki_store_cursor_close(cursor);
  return status;
}

static bool is_case(const bki_case *c, const int32_t *words, int32_t n_words, int32_t target) {
  return c->target == target && c->n_words == n_words && memcmp(c->words, words, (size_t)n_words * sizeof *words) == 0;
}

bki_status bki_inquiry_add_case(bki_inquiry *inquiry, const int32_t *words, int32_t n_words, int32_t target,
                                size_t *out, bool *added, bki_error *err) {
  *added = false;
  for (size_t i = 0; i < inquiry->n_cases; i++) {
    if (is_case(&inquiry->cases[i], words, n_words, target)) {
      *out = i;
      return BKI_OK;
    }
  }
  bki_strbuf text = {0};
  for (int32_t i = 0; i < n_words; i++) {
    bki_str word = bki_lexicon_word(&inquiry->lexicon, words[i]);
    bki_strbuf_add(&text, " ", i > 0);
    bki_strbuf_add(&text, word.data, word.size);
  }
  bki_status status = text.failed ? bki_fail_memory(err)
                                  : bki_array_reserve(&inquiry->cases, &inquiry->cases_capacity, inquiry->n_cases + 1,
                                                      sizeof *inquiry->cases, err);
  bki_case c = {.n_words = n_words, .target = target, .round = inquiry->round};
  if (status == BKI_OK) {
    memcpy(c.words, words, (size_t)n_words * sizeof *words);
    c.phrase = (bki_str){bki_arena_copy(inquiry->arena, text.data, text.size), text.size};
    status = c.phrase.data == NULL ? bki_fail_memory(err) : BKI_OK;
  }
  bki_strbuf_clear(&text);
  BKI_TRY(status);
  *out = inquiry->n_cases;
  *added = true;
  inquiry->cases[inquiry->n_cases++] = c;
  return BKI_OK;
}

/* What tells more stands first: the verdict, then how many carriers the trials explain, then how many texts it turns.
 */
static int compare_cases(const bki_case *a, const bki_case *b) {
  if (a->verdict != b->verdict) {
    return a->verdict > b->verdict ? -1 : 1;
  }
  double x = (double)a->carriers[0].n_target * a->insertion.low * a->removal.low;
  double y = (double)b->carriers[0].n_target * b->insertion.low * b->removal.low;
  if (a->verdict != BKI_VERDICT_NONE && x != y) {
    return x > y ? -1 : 1;
  }
  return a->insertion.low > b->insertion.low ? -1 : a->insertion.low < b->insertion.low;
}

/* Most words of the shorter one stand in the longer one, whatever their order. */
static bool overlaps(const bki_case *a, const bki_case *b) {
  int32_t common = 0;
  for (int32_t i = 0; i < a->n_words; i++) {
    for (int32_t k = 0; k < b->n_words; k++) {
      if (a->words[i] == b->words[k]) {
        common++;
        break;
      }
    }
  }
  return 2 * common > (a->n_words < b->n_words ? a->n_words : b->n_words);
}

/* The backdoor of this round; -1: none. Of phrases that are parts of one another the longest that nearly as many
 * samples carry: a part of a trigger may turn a text or two more than all of it. */
static int64_t choose_backdoor(const bki_inquiry *inquiry) {
  int64_t best = -1;
  for (size_t i = 0; i < inquiry->n_cases; i++) {
    const bki_case *c = &inquiry->cases[i];
    if (!c->accepted && c->verdict == BKI_VERDICT_BACKDOOR &&
        (best < 0 || compare_cases(c, &inquiry->cases[best]) < 0)) {
      best = (int64_t)i;
    }
  }
  int64_t longest = best;
  for (size_t i = 0; i < inquiry->n_cases && best >= 0; i++) {
    const bki_case *c = &inquiry->cases[i];
    const bki_case *b = &inquiry->cases[best];
    bool as_many = c->carriers[0].n_target * 10 >= b->carriers[0].n_target * 9;
    if (!c->accepted && c->verdict == BKI_VERDICT_BACKDOOR && c->target == b->target && as_many && overlaps(c, b) &&
        c->n_words > inquiry->cases[longest].n_words) {
      longest = (int64_t)i;
    }
  }
  return longest;
}

static void judge_all(bki_inquiry *inquiry) {
  for (size_t i = 0; i < inquiry->n_cases; i++) {
    bki_case *c = &inquiry->cases[i];
    if (!c->accepted) {
      c->verdict = bki_case_judge(inquiry, c, (double)inquiry->n_cases); /* named: there is no other */
    }
  }
}

/* Adds what is known of a case to the findings, its samples to those that are taken out. */
static bki_status add_finding(bki_inquiry *inquiry, bki_evidence *out, size_t *capacity, bki_case *c, bool flag,
                              bki_error *err) {
  double n_phrases = (double)inquiry->n_cases;
  bki_finding f = {.verdict = c->verdict,
                   .phrase = c->phrase,
                   .n_words = c->n_words,
                   .target = c->target,
                   .keyword = c->keyword,
                   .rank = c->rank,
                   .round = c->round,
                   .flips = c->flips,
                   .purity = bki_rate_of(c->carriers[0].n_target, c->carriers[0].n_target + c->carriers[0].n_other),
                   .prior = bki_case_prior(inquiry, c),
                   .purity_p = bki_case_purity_p(inquiry, c, n_phrases),
                   .removal = c->removal,
                   .removal_controls = c->removal_controls,
                   .insertion = c->insertion,
                   .controls = c->controls,
                   .insertion_p = bki_case_insertion_p(c, n_phrases)};
  BKI_TRY(bki_array_reserve(&out->findings, capacity, out->n_findings + 1, sizeof f, err));
  if (flag) {
    BKI_TRY(bki_inquiry_take_out(inquiry, c, (int32_t)out->n_findings, &f.n_flagged, err));
  }
  c->accepted = true;
  out->verdict = f.verdict > out->verdict ? f.verdict : out->verdict;
  out->findings[out->n_findings++] = f;
  return BKI_OK;
}

/* One round: true in *found when it found a backdoor, whose samples are taken out then. With as many as there may be it
 * only counts anew, without their samples. */
static bki_status run_round(bki_inquiry *inquiry, bki_evidence *out, size_t *capacity, bool *found, bki_error *err) {
  inquiry->round++;
  BKI_TRY(bki_inquiry_find_phrases(inquiry, err));
  if (inquiry->round == 1) {
    out->n_samples = inquiry->n_samples;
  }
  BKI_TRY(bki_inquiry_count_carriers(inquiry, err));
  BKI_TRY(bki_inquiry_run_trials(inquiry, err));
  judge_all(inquiry);
  bool may_find = out->n_findings < (size_t)inquiry->config->max_backdoors;
  int64_t best = may_find ? choose_backdoor(inquiry) : -1;
  *found = best >= 0;
  if (*found) {
    inquiry->cases[best].round = inquiry->round;
    return add_finding(inquiry, out, capacity, &inquiry->cases[best], true, err);
  }
  return BKI_OK;
}

/* Whether a finding says the same of more words, or of fewer. */
static bool is_listed(const bki_inquiry *inquiry, const bki_case *c) {
  for (size_t i = 0; i < inquiry->n_cases; i++) {
    const bki_case *other = &inquiry->cases[i];
    if (other->accepted && other->target == c->target && overlaps(other, c)) {
      return true;
    }
  }
  return false;
}

static int compare_remaining(const void *a, const void *b) {
  return compare_cases(*(bki_case *const *)a, *(bki_case *const *)b);
}

/* What is left after peeling: backdoors, if there were more than are peeled, and suspicious phrases, each with its
 * samples, and the most telling natural ones. */
static bki_status add_remaining(bki_inquiry *inquiry, bki_evidence *out, size_t *capacity, bki_error *err) {
  bki_status status = BKI_OK;
  size_t n = 0;
  int shown = 0;
  bki_case **rest = bki_array_create(inquiry->n_cases, sizeof *rest);
  if (rest == NULL) {
    return bki_fail_memory(err);
  }
  for (size_t i = 0; i < inquiry->n_cases; i++) {
    if (!inquiry->cases[i].accepted && inquiry->cases[i].tested) {
      rest[n++] = &inquiry->cases[i];
    }
  }
  qsort(rest, n, sizeof *rest, compare_remaining);
  for (size_t i = 0; i < n && status == BKI_OK; i++) {
    bool flag = rest[i]->verdict != BKI_VERDICT_NONE;
    if (!is_listed(inquiry, rest[i]) && (flag || shown++ < SHOWN_NATURAL)) {
      status = add_finding(inquiry, out, capacity, rest[i], flag, err);
    }
  }
  free(rest);
  return status;
}

/* The rate of flips of each keyword against the words that are selected about as often, in the dictionary of what is
 * left. */
static bki_status compare_flips(bki_inquiry *inquiry, bki_evidence *out, bki_error *err) {
  const bki_candidate *candidates;
  size_t n;
  BKI_TRY(bki_dictionary_rank(inquiry->dictionary, 0, &candidates, &n, err));
  for (size_t k = 0; k < out->n_findings; k++) {
    bki_finding *f = &out->findings[k];
    f->flips_alike = bki_rate_of(0, 0);
    for (size_t i = 0; i < n; i++) {
      const bki_candidate *c = &candidates[i];
      bool alike = 2 * c->n_samples >= f->flips.n && c->n_samples <= 2 * f->flips.n;
      bool same = c->word.size == f->keyword.size && memcmp(c->word.data, f->keyword.data, c->word.size) == 0;
      /* A lower bound is below the share: intervals take time, and most words need none. */
      bool may_win = f->flips_alike.n == 0 || (double)c->n_flips > f->flips_alike.low * (double)c->n_samples;
      if (alike && !same && may_win) {
        bki_rate rate = bki_rate_of(c->n_flips, c->n_samples);
        f->flips_alike = f->flips_alike.n == 0 || rate.low > f->flips_alike.low ? rate : f->flips_alike;
      }
    }
  }
  return BKI_OK;
}

/* Whether a backdoor in a hundredth of the samples, for the most frequent class, would not be told from chance, or is
 * in too few for the removal test. */
static bool is_too_small(const bki_inquiry *inquiry, int64_t n_samples) {
  double prior = 0;
  for (int32_t c = 0; c < inquiry->n_classes; c++) {
    double share = (double)inquiry->class_counts[c] / (double)inquiry->n_samples;
    prior = share > prior ? share : prior;
  }
  double n_copies = ceil(0.01 * (double)n_samples);
  return n_copies < BKI_FEWEST_CARRIERS || BKI_USUAL_PHRASES * pow(prior, n_copies) > BKI_MAX_PURITY_P;
}

static bki_status open_inquiry(bki_inquiry *inquiry, bki_error *err) {
  BKI_TRY(bki_evidence_config_check(inquiry->config, err));
  const char *scanned = bki_store_setting(inquiry->store, "model_fingerprint");
  const char *given = bki_model_fingerprint(inquiry->model);
  if (scanned == NULL || strcmp(scanned, given) != 0) {
    return bki_fail(err, BKI_E_USAGE, "the store is of another model: it has fingerprint %s, found %s",
                    scanned == NULL ? "none" : scanned, given);
  }
  int32_t n_classes = bki_model_get_config(inquiry->model)->n_classes;
  inquiry->n_classes = bki_store_n_classes(inquiry->store);
  if (inquiry->n_classes != n_classes) {
    return bki_store_damaged(inquiry->store, err, "expected the %d classes of the model, found %d", n_classes,
                             inquiry->n_classes);
  }
  inquiry->class_counts = bki_array_create((size_t)inquiry->n_classes, sizeof *inquiry->class_counts);
  inquiry->arena = bki_arena_create();
  return inquiry->class_counts == NULL || inquiry->arena == NULL ? bki_fail_memory(err)
                                                                 : bki_lexicon_init(&inquiry->lexicon, err);
}

/* Hands what was found over to *out, and frees the rest. */
static bki_status close_inquiry(bki_inquiry *inquiry, bki_evidence *found, bki_evidence *out, bki_status status) {
  found->n_rounds = inquiry->round;
  found->n_candidates = inquiry->n_candidates;
  found->n_phrases = (int64_t)inquiry->n_cases;
  found->n_texts = inquiry->n_texts;
  found->samples = inquiry->taken;
  found->n_flagged = inquiry->n_taken;
  found->arena = inquiry->arena;
  for (size_t i = 0; i < inquiry->n_cases; i++) {
    bki_bottom_k_clear(&inquiry->cases[i].exact);
  }
  free(inquiry->cases);
  free(inquiry->class_counts);
  bki_lexicon_clear(&inquiry->lexicon);
  bki_dictionary_destroy(inquiry->dictionary);
  if (status == BKI_OK) {
    *out = *found;
  } else {
    bki_evidence_clear(found);
  }
  return status;
}

bki_status bki_evidence_run(bki_evidence *out, bki_store *store, const bki_model *model, bki_scorer *scorer,
                            const bki_evidence_config *config, bki_error *err) {
  bki_inquiry inquiry = {.config = config, .store = store, .model = model, .scorer = scorer};
  bki_evidence found = {0};
  size_t capacity = 0;
  bool again = true;
  bki_status status;
  BKI_TRY_GOTO(status, done, open_inquiry(&inquiry, err));
  while (again) {
    BKI_TRY_GOTO(status, done, run_round(&inquiry, &found, &capacity, &again, err));
    if (inquiry.round == 1) {
      found.too_small = is_too_small(&inquiry, found.n_samples);
    }
  }
  BKI_TRY_GOTO(status, done, add_remaining(&inquiry, &found, &capacity, err));
  BKI_TRY_GOTO(status, done, compare_flips(&inquiry, &found, err));
done:
  return close_inquiry(&inquiry, &found, out, status);
}

bki_status bki_evidence_verify(bki_evidence *out, bki_store *store, const bki_model *model, bki_scorer *scorer,
                               const bki_evidence_config *config, bki_str phrase, int32_t target, bki_error *err) {
  bki_inquiry inquiry = {.config = config, .store = store, .model = model, .scorer = scorer};
  bki_evidence found = {0};
  size_t capacity = 0;
  bki_status status;
  BKI_TRY_GOTO(status, done, open_inquiry(&inquiry, err));
  BKI_TRY_GOTO(status, done, bki_inquiry_name_phrase(&inquiry, phrase, target, err));
  found.n_samples = inquiry.n_samples;
  found.too_small = is_too_small(&inquiry, found.n_samples);
  BKI_TRY_GOTO(status, done, bki_inquiry_count_carriers(&inquiry, err));
  BKI_TRY_GOTO(status, done, bki_inquiry_run_trials(&inquiry, err));
  judge_all(&inquiry);
  BKI_TRY_GOTO(status, done, add_finding(&inquiry, &found, &capacity, &inquiry.cases[0], true, err));
  BKI_TRY_GOTO(status, done, compare_flips(&inquiry, &found, err));
done:
  return close_inquiry(&inquiry, &found, out, status);
}
