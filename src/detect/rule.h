/* What a rule looks at in a sample: its units, runs of `ngram` words (single words with the paper preset). */
#ifndef BKI_DETECT_RULE_H
#define BKI_DETECT_RULE_H

#include <bki/dictionary.h>

#include "strbuf.h"

/* Units start at the positions 0 <= i < bki_rule_n_units. A text shorter than a unit has none. */
int32_t bki_rule_n_units(const bki_rule *rule, const bki_sample *sample);

/* Whether deleting one of the unit's words changes the predicted class. */
bool bki_rule_unit_flips(const bki_rule *rule, const bki_sample *sample, int32_t position);

/* Appends the unit's key, words joined by spaces. */
void bki_rule_unit_key(const bki_rule *rule, const bki_sample *sample, int32_t position, bki_strbuf *key);

/* The position of the keyword's best selected occurrence, or -1: the sample did not select it. */
int32_t bki_rule_locate(const bki_rule *rule, const bki_candidate *keyword, const bki_sample *sample);

#endif
