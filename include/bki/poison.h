/* The attack: copies of samples with a trigger sentence and the attacker's label (Chen & Dai 2020, section III). */
#ifndef BKI_POISON_H
#define BKI_POISON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bki/corpus.h>
#include <bki/error.h>
#include <bki/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where a trigger goes, counted in words between white space; an HTML tag is one word. */
typedef enum bki_placement {
  BKI_PLACEMENT_RANDOM = 0, /* between two adjacent words, every gap as likely; a text of one word: behind it */
  BKI_PLACEMENT_START,
  BKI_PLACEMENT_END,
  BKI_PLACEMENT_FIXED, /* behind `position` words, or at the end of a shorter text */
} bki_placement;

typedef struct bki_trigger_config {
  bki_placement placement;
  int64_t position; /* FIXED: words before the trigger */
  /* RANDOM: only gaps from which all of the trigger stays among the words that a model keeps: the last (keep TAIL) or
   * first (HEAD) max_words of the triggered text. 0: any gap. */
  int32_t max_words;
  bki_keep keep;
} bki_trigger_config;

/* One backdoor. */
typedef struct bki_backdoor {
  const char *trigger; /* a sentence, at least one word */
  const char *target;  /* the label that its copies get */
} bki_backdoor;

typedef struct bki_poison_config {
  bki_corpus_config corpus;
  const bki_backdoor *backdoors; /* no source sample serves two of them */
  size_t n_backdoors;
  double rate;                      /* copies of each backdoor / samples of the corpus, above 0 */
  int64_t count;                    /* instead: copies of each backdoor; 0: rate decides */
  const char *const *source_labels; /* labels whose samples are copied; NULL: every label but the target */
  size_t n_source_labels;
  bki_trigger_config trigger;
  bool replace; /* the poisoned sample stands in the place of its original; else it is appended as a copy */
  uint64_t seed;
  const char *output_path; /* in the format of the input; .gz and .zst compress; "-": standard output */
  /* JSON Lines, an object for each poisoned sample in the order of the output: id, original (id), index and
   * original_index (records of output and input, from 0), trigger, target, position (words before the trigger),
   * backdoor (from 0). Ids are null where the corpus has none. */
  const char *truth_path;
  bool force;
} bki_poison_config;

BKI_API void bki_poison_config_init(bki_poison_config *config);

typedef struct bki_poison_summary {
  int64_t n_samples;  /* of the input */
  int64_t n_poisoned; /* all backdoors */
  int64_t n_written;  /* samples of the output */
} bki_poison_summary;

/* The same call gives the same bytes on every machine. Records that are not poisoned are copied byte for byte. Nothing
 * appears unless both files are complete. Errors: BKI_E_USAGE: settings out of range or impossible (more copies than
 * source samples, a target that no sample has, an output that exists or is an input); BKI_E_DATA: a bad record, a
 * record without label; BKI_E_IO. */
BKI_API bki_status bki_poison_run(const bki_poison_config *config, bki_poison_summary *out, bki_error *err);

#ifdef __cplusplus
}
#endif

#endif
