/* What the files of the evidence share. A round goes through them in this order: candidates, phrases, carriers, trials,
 * judge, flags. */
#ifndef BKI_RUN_EVIDENCE_INTERNAL_H
#define BKI_RUN_EVIDENCE_INTERNAL_H

#include <bki/evidence.h>

#include "bottom_k.h"
#include "lexicon.h"
#include "phrase.h"

/* Among the samples that carry a phrase in one way (with so many edits, or in part). */
typedef struct bki_carriers {
  int64_t n_target; /* of the target's class */
  int64_t n_other;
} bki_carriers;

enum { BKI_CARRIER_EDITS = BKI_MAX_PHRASE_WORDS / 2 + 1 }; /* ways to carry a phrase: by edits, 0 first */

/* Where a text carries a phrase: words before and behind it. */
typedef struct bki_placing {
  int32_t before;
  int32_t behind;
} bki_placing;

enum { BKI_PLACINGS = 64 };

/* One phrase with a target, and what is known of it. */
typedef struct bki_case {
  int32_t words[BKI_MAX_PHRASE_WORDS]; /* ids of the lexicon */
  int32_t n_words;
  int32_t target;
  bki_str phrase;  /* arena */
  bki_str keyword; /* arena; empty: none */
  int32_t rank;
  int32_t round;
  bki_rate flips;

  bki_carriers carriers[BKI_CARRIER_EDITS]; /* of this round */
  bki_carriers parts;
  bki_bottom_k exact;                 /* samples that carry it exactly, of the target's class and called the target */
  bki_placing placings[BKI_PLACINGS]; /* of the last ones of these */
  int64_t n_placings;                 /* of all of them */

  bool named;  /* by a person: tested whatever its carriers say */
  bool placed; /* insertion was tried where the carriers have it */
  bool tested; /* the trials have been run; later rounds repeat removal only, where they lack some of its carriers */
  bki_rate removal;
  bki_rate removal_controls;
  int64_t n_removal; /* carriers of the target's class when removal was tried */
  bki_rate insertion;
  bki_rate controls;
  int64_t wins;   /* texts that the phrase turns and the control does not */
  int64_t losses; /* the other way round */
  bki_verdict verdict;
  bool accepted; /* a finding of an earlier round: its samples are taken out */
} bki_case;

/* The work on one store. */
typedef struct bki_inquiry {
  const bki_evidence_config *config;
  bki_store *store;
  const bki_model *model;
  bki_scorer *scorer;
  bki_arena *arena;
  bki_lexicon lexicon;
  bki_dictionary *dictionary; /* of this round */
  int32_t round;

  bki_case *cases;
  size_t n_cases;
  size_t cases_capacity;

  /* Of this round's samples: those that are not taken out. */
  int64_t n_samples;
  int32_t n_classes;
  int64_t *class_counts; /* [C] by bki_class_of */

  bki_evidence_sample *taken; /* flagged by earlier rounds, ascending index */
  size_t n_taken;
  size_t taken_capacity;
  int64_t n_texts;
  int64_t n_candidates;

  bki_evidence found; /* findings, verdict, n_samples and too_small; the rest is filled in at the end */
  size_t findings_capacity;
} bki_inquiry;

/* The class that stands for a sample: its label; without one, what the model calls it. */
static inline int32_t bki_class_of(const bki_sample *sample) {
  return sample->label >= 0 ? sample->label : sample->predicted;
}

/* Calls fn for the samples that are not taken out, in order. BKI_E_INTERRUPTED when the configuration says so. */
typedef bki_status (*bki_inquiry_fn)(void *user, const bki_sample *sample, bki_error *err);
bki_status bki_inquiry_each(const bki_inquiry *inquiry, bki_inquiry_fn fn, void *user, bki_error *err);
bki_status bki_inquiry_check_stop(const bki_inquiry *inquiry, bki_error *err);

/* A case for the phrase, unless there is one (*out is that one and *added false). Pointers into cases die. A phrase of
 * more than BKI_MAX_PHRASE_BYTES is passed over (*added false): words may be as long as records. */
#define BKI_MAX_PHRASE_BYTES ((size_t)64 * 1024)
bki_status bki_inquiry_add_case(bki_inquiry *inquiry, const int32_t *words, int32_t n_words, int32_t target,
                                size_t *out, bool *added, bki_error *err);

/* Makes the dictionary and the counts of this round. */
bki_status bki_inquiry_count_words(bki_inquiry *inquiry, bki_error *err);
/* The same, and the cases of the phrases around its best words. */
bki_status bki_inquiry_find_phrases(bki_inquiry *inquiry, bki_error *err);

/* In the place of that: one case, for a phrase that a person names; target -1: the class that most carriers have. */
bki_status bki_inquiry_name_phrase(bki_inquiry *inquiry, bki_str phrase, int32_t target, bki_error *err);

/* Counts the carriers of every case that is not accepted, and draws those whose removal is tried. */
bki_status bki_inquiry_count_carriers(bki_inquiry *inquiry, bki_error *err);
/* The best window, and how the sample carries the phrase: BKI_REASON_PHRASE with up to bki_phrase_max_edits, else
 * BKI_REASON_PART where a selected word stands beside a neighbour of the phrase; false: not at all. `ids` [n_words] are
 * the sample's words in the lexicon, negative where it lacks them; `selected` the positions that it selects. */
typedef struct bki_carried {
  bki_reason reason;
  int32_t edits;
  int32_t position;
  int32_t n_words;
} bki_carried;

/* Scratch memory for looking at samples one after the other. Initialise with {0}. */
typedef struct bki_reading {
  int32_t *ids;      /* [n_words] */
  int32_t *selected; /* [n_selected] */
  int32_t n_selected;
  uint64_t *stamp; /* [lexicon] the last sample that has the word */
  size_t stamp_size;
  size_t ids_capacity;
  size_t selected_capacity;
  size_t stamp_capacity;
  uint64_t n_read;
} bki_reading;
void bki_reading_clear(bki_reading *reading);
bki_status bki_reading_take(bki_reading *reading, const bki_inquiry *inquiry, const bki_sample *sample, bki_error *err);
bool bki_reading_carries(const bki_reading *reading, const bki_case *c, const bki_sample *sample, bki_carried *out);

/* Runs the removal and insertion tests of the cases that may be a backdoor and were not tested before. */
bki_status bki_inquiry_run_trials(bki_inquiry *inquiry, bki_error *err);

/* A planted phrase has to be the target's by more than chance: one in a hundred, corrected for all that is looked at,
 * which is about so many phrases. */
#define BKI_MAX_PURITY_P 0.01
#define BKI_USUAL_PHRASES 200
/* Of fewer carriers, all turned by removal, the interval still begins below a half. */
#define BKI_FEWEST_CARRIERS 6

/* What the numbers of a case say. `n_phrases`: what p-values are multiplied by. */
double bki_case_prior(const bki_inquiry *inquiry, const bki_case *c); /* share of the target; 0 without samples */
double bki_case_purity_p(const bki_inquiry *inquiry, const bki_case *c, double n_phrases);
double bki_case_insertion_p(const bki_case *c, double n_phrases);
bki_verdict bki_case_judge(const bki_inquiry *inquiry, const bki_case *c, double n_phrases);
/* Whether it is worth running trials: its carriers are of the target more than chance has it. */
bool bki_case_is_pure(const bki_inquiry *inquiry, const bki_case *c, double n_phrases);

/* 1 - expected natural carriers / carriers of the target's class; see docs/evidence.md. */
double bki_case_confidence(const bki_inquiry *inquiry, const bki_case *c, const bki_carried *carried);

/* Judges every case that is not a finding yet. */
void bki_inquiry_judge(bki_inquiry *inquiry);
/* Whether a backdoor in a hundredth of the samples, for the most frequent class, would not be told from chance, or is
 * in too few for the removal test. */
bool bki_inquiry_is_too_small(const bki_inquiry *inquiry);

/* One round: true in *found when it found a backdoor, whose samples are taken out then. With as many as there may be it
 * only counts anew, without their samples. */
bki_status bki_inquiry_run_round(bki_inquiry *inquiry, bool *found, bki_error *err);
/* What is left after peeling: backdoors, if there were more than are peeled, and suspicious phrases, each with its
 * samples, and the most telling natural ones. */
bki_status bki_inquiry_list_remaining(bki_inquiry *inquiry, bki_error *err);
/* Adds what is known of a case to the findings, with `flag` its samples to those that are taken out. */
bki_status bki_inquiry_add_finding(bki_inquiry *inquiry, bki_case *c, bool flag, bki_error *err);
/* The rate of flips of each keyword against the words that are selected about as often, in the dictionary of what is
 * left. */
bki_status bki_inquiry_compare_flips(bki_inquiry *inquiry, bki_error *err);

/* Adds the samples that a case flags to inquiry->taken; *n how many. */
bki_status bki_inquiry_take_out(bki_inquiry *inquiry, const bki_case *c, int32_t finding, int64_t *n, bki_error *err);

#endif
