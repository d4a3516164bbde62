/* Making a vocabulary word by word: create, add, finish; destroy when any of them fails. */
#ifndef BKI_DATA_VOCABULARY_BUILDER_H
#define BKI_DATA_VOCABULARY_BUILDER_H

#include <bki/vocabulary.h>

bki_status bki_vocabulary_create(bki_vocabulary **out, bki_error *err);

/* Gives a new word (copied) the next id. *id is the id of the word, *added whether it is new.
 * Errors: BKI_E_DATA (2^31 - 1 words are there already), BKI_E_INTERNAL. */
bki_status bki_vocabulary_add(bki_vocabulary *vocabulary, bki_str word, int32_t *id, bool *added, bki_error *err);

/* The vocabulary is complete: ids can be turned into words. */
bki_status bki_vocabulary_finish(bki_vocabulary *vocabulary, bki_error *err);

#endif
