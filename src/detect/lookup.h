/* Single entries of a dictionary. */
#ifndef BKI_DETECT_LOOKUP_H
#define BKI_DETECT_LOOKUP_H

#include <bki/dictionary.h>

/* How often a key was selected (bki_candidate.count); 0: never. `label` counts where it is part of the key. */
int64_t bki_dictionary_count(bki_dictionary *dictionary, bki_str word, int32_t label);
/* The same for the unit of a sample that begins at `position`, of which the rule makes the key. */
int64_t bki_dictionary_count_unit(bki_dictionary *dictionary, const bki_sample *sample, int32_t position,
                                  int32_t label);

#endif
