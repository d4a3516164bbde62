/* Precision `exact`: all words of a text are scored in a fast precision (screened), and those that may be among its p
 * best are scored again in fp32. Then the p best words, their scores and flips and the predicted class are those of a
 * scan in fp32, to the bit; all other words keep what screening gave.
 *
 * It stands above the backends, which know nothing of it: whichever pair of precisions it is given, the procedure is
 * the same. With s screened, f fp32, s(p) the p-th best and e a limit of |s - f| that holds for the text:
 *   a word with s < s(p) - 2e is not among the p best, since its f < s(p) - e, and p words have f >= s(p) - e.
 * e is not known but estimated. It begins at epsilon, which is found once a model (screen_calibrate.c), and is widened
 * to four times the largest error of the words that were scored again, until no word comes in.
 *
 * No limit holds where a text is near the border between two ends that its state is drawn to (attractors): a variant at
 * the border ends at one of them in fp32 and at the other in the fast precision, however small all other errors are.
 * Such a text shows otherwise: several of its words, deleted, lead to one other end, to nearly the same distance. It is
 * scored in fp32 as a whole. docs/cpu.md says how far all that can be trusted. */
#ifndef BKI_DETECT_SCREEN_H
#define BKI_DETECT_SCREEN_H

#include <bki/scorer.h>

#include "backend.h"

/* Texts of fewer than so many times p words are scored in fp32 at once: too many of their words would be twice. */
enum { BKI_SCREEN_MIN_WORDS = 6 };
/* e is at least so many times the largest error that was seen in a text. */
#define BKI_SCREEN_WIDENING 4.0
/* Words are far when deleting them moves the state by this, or by as much as the best word of a middling text of the
 * model's vocabulary, if that is less. Two that are nearer to each other than this share of it have led to one end. */
#define BKI_SCREEN_FAR 0.6
#define BKI_SCREEN_TOGETHER (1.0 / 60)

typedef struct bki_screen bki_screen;

/* Both backends are of `model`, without increments; all of them outlive the screen. p >= 1. */
bki_status bki_screen_create(bki_screen **out, const bki_model_config *model, bki_backend *fast, bki_backend *fp32,
                             int32_t p, bki_error *err);
void bki_screen_destroy(bki_screen *screen); /* NULL is allowed */

/* Finds epsilon on texts that are made of the model's vocabulary, and with it the fields of bki_screening that are said
 * to be of the model. When screening does not pay, `reason` says why and epsilon is 0. Errors: as bki_scorer_score. */
bki_status bki_screen_calibrate(bki_screen *screen, bki_error *err);
/* Takes another one; for tests. */
void bki_screen_set_epsilon(bki_screen *screen, double epsilon);

/* As bki_scorer_score. */
bki_status bki_screen_score(bki_screen *screen, const bki_sequence *sequences, size_t n, bki_scores *scores,
                            bki_error *err);

const bki_screening *bki_screen_get(const bki_screen *screen);

/* Whether the state of a text that was screened is drawn to two ends. score, buffer [length]. */
bool bki_screen_is_bistable(const bki_screen *screen, const bki_sequence *sequence, const float *score, float *buffer);

/* The p-th best of n > 0 scores, the least of them when p > n; in O(n) for small p. buffer [min(p, n)]. A NaN is better
 * than all numbers. */
float bki_screen_pth_best(const float *score, size_t n, int32_t p, float *buffer);
/* Whether a word that was screened as `score` may be among the p best. A NaN may. */
static inline bool bki_screen_may_be_best(float score, float pth_best, double limit) {
  return !((double)score < (double)pth_best - 2 * limit);
}

#endif
