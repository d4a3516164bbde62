/* From cases to findings: which phrase is the backdoor of a round, and what is listed besides. */
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "evidence_internal.h"
#include "fail.h"

enum { SHOWN_NATURAL = 10 }; /* of the phrases that are no finding, the most telling ones */

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

void bki_inquiry_judge(bki_inquiry *inquiry) {
  for (size_t i = 0; i < inquiry->n_cases; i++) {
    bki_case *c = &inquiry->cases[i];
    if (!c->accepted) {
      c->verdict = bki_case_judge(inquiry, c, (double)inquiry->n_cases); /* named: there is no other */
    }
  }
}

bki_status bki_inquiry_add_finding(bki_inquiry *inquiry, bki_case *c, bool flag, bki_error *err) {
  bki_evidence *out = &inquiry->found;
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
  BKI_TRY(bki_array_reserve(&out->findings, &inquiry->findings_capacity, out->n_findings + 1, sizeof f, err));
  if (flag) {
    BKI_TRY(bki_inquiry_take_out(inquiry, c, (int32_t)out->n_findings, &f.n_flagged, err));
  }
  c->accepted = true;
  out->verdict = f.verdict > out->verdict ? f.verdict : out->verdict;
  out->findings[out->n_findings++] = f;
  return BKI_OK;
}

bki_status bki_inquiry_run_round(bki_inquiry *inquiry, bool *found, bki_error *err) {
  inquiry->round++;
  BKI_TRY(bki_inquiry_find_phrases(inquiry, err));
  BKI_TRY(bki_inquiry_count_carriers(inquiry, err));
  BKI_TRY(bki_inquiry_run_trials(inquiry, err));
  bki_inquiry_judge(inquiry);
  bool may_find = inquiry->found.n_findings < (size_t)inquiry->config->max_backdoors;
  int64_t best = may_find ? choose_backdoor(inquiry) : -1;
  *found = best >= 0;
  if (*found) {
    inquiry->cases[best].round = inquiry->round;
    return bki_inquiry_add_finding(inquiry, &inquiry->cases[best], true, err);
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

/* Of equals the one that was found first: cases stand in that order. */
static int compare_remaining(const void *a, const void *b) {
  const bki_case *x = *(bki_case *const *)a;
  const bki_case *y = *(bki_case *const *)b;
  int order = compare_cases(x, y);
  return order != 0 ? order : (x > y) - (x < y);
}

bki_status bki_inquiry_list_remaining(bki_inquiry *inquiry, bki_error *err) {
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
      status = bki_inquiry_add_finding(inquiry, rest[i], flag, err);
    }
  }
  free(rest);
  return status;
}

bki_status bki_inquiry_compare_flips(bki_inquiry *inquiry, bki_error *err) {
  bki_evidence *out = &inquiry->found;
  const bki_candidate *candidates;
  size_t n;
  if (inquiry->n_samples + (int64_t)inquiry->n_taken != out->n_samples) { /* some were taken out since */
    BKI_TRY(bki_inquiry_count_words(inquiry, err));
  }
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
