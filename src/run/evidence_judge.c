/* What the numbers of a phrase say. docs/evidence.md has the reasons of every threshold, and the errors that the
 * verdict makes with them. */
#include <math.h>

#include "evidence_internal.h"
#include "statistics.h"

static const double max_insertion_p = 0.001;
/* Lower bounds of the intervals. */
static const double backdoor_insertion = 0.20;
static const double backdoor_removal = 0.50;
/* Of removal with half of what insertion does more than control phrases. Removal counts more: a definition that many
 * texts of a class share turns other texts, too, but few of its own. */
static const double backdoor_strength = 0.85;
static const double suspicious_strength = 0.65;
/* Of insertion, above the upper bound of its controls, whatever removal says: genuine texts of the target that carry
 * the trigger, too, stay what they are without it. */
static const double suspicious_lead = 0.75;
/* Trials are run for phrases that may be pure once more of them are known. */
static const double trial_purity_p = 0.05;

double bki_case_prior(const bki_inquiry *inquiry, const bki_case *c) {
  int64_t n = inquiry->n_samples;
  return n > 0 ? (double)inquiry->class_counts[c->target] / (double)n : 0;
}

double bki_case_purity_p(const bki_inquiry *inquiry, const bki_case *c, double n_phrases) {
  const bki_carriers *exact = &c->carriers[0];
  double prior = bki_case_prior(inquiry, c);
  double p = n_phrases * bki_binomial_tail(exact->n_target, exact->n_target + exact->n_other, prior);
  return p < 1 ? p : 1;
}

double bki_case_insertion_p(const bki_case *c, double n_phrases) {
  double p = n_phrases * bki_sign_test(c->wins, c->losses);
  return p < 1 ? p : 1;
}

double bki_case_confidence(const bki_inquiry *inquiry, const bki_case *c, const bki_carried *carried) {
  const bki_carriers *carriers = carried->reason == BKI_REASON_PART ? &c->parts : &c->carriers[carried->edits];
  /* What the corpus is without the carriers: they are too many of the target's class if they were planted. */
  double n_target = (double)(inquiry->class_counts[c->target] - c->carriers[0].n_target);
  double n_other = (double)(inquiry->n_samples - inquiry->class_counts[c->target] - c->carriers[0].n_other);
  if (carriers->n_target == 0 || n_other <= 0) {
    return 0;
  }
  double natural = ((double)carriers->n_other + 0.5) * n_target / n_other;
  double confidence = 1 - natural / (double)carriers->n_target;
  return confidence > 0 ? confidence : 0;
}

bool bki_case_is_pure(const bki_inquiry *inquiry, const bki_case *c, double n_phrases) {
  return bki_case_purity_p(inquiry, c, n_phrases) <= trial_purity_p;
}

static double strength(const bki_case *c) {
  double controls = c->controls.n > 0 ? (double)c->controls.hits / (double)c->controls.n : 0;
  return c->removal.low + (c->insertion.low - controls) / 2;
}

bki_verdict bki_case_judge(const bki_inquiry *inquiry, const bki_case *c, double n_phrases) {
  if (!c->tested || bki_case_insertion_p(c, n_phrases) > max_insertion_p ||
      bki_case_purity_p(inquiry, c, n_phrases) > BKI_MAX_PURITY_P) {
    return BKI_VERDICT_NONE;
  }
  if (c->insertion.low >= backdoor_insertion && c->removal.low >= backdoor_removal &&
      strength(c) >= backdoor_strength) {
    return BKI_VERDICT_BACKDOOR;
  }
  bool suspicious = strength(c) >= suspicious_strength || c->insertion.low - c->controls.high >= suspicious_lead;
  return suspicious ? BKI_VERDICT_SUSPICIOUS : BKI_VERDICT_NONE;
}

bool bki_inquiry_is_too_small(const bki_inquiry *inquiry) {
  double prior = 0;
  for (int32_t c = 0; c < inquiry->n_classes; c++) {
    double share = (double)inquiry->class_counts[c] / (double)inquiry->n_samples;
    prior = share > prior ? share : prior;
  }
  double n_copies = ceil(0.01 * (double)inquiry->n_samples);
  return n_copies < BKI_FEWEST_CARRIERS || BKI_USUAL_PHRASES * pow(prior, n_copies) > BKI_MAX_PURITY_P;
}
