/* Filling a list of words. */
#ifndef BKI_DATA_WORDS_H
#define BKI_DATA_WORDS_H

#include <bki/tokenizer.h>

/* Empties the list and makes room for the words of a text of this size, lower-cased: at most half again as long (2
 * bytes become 3). Errors: BKI_E_DATA (4 GiB or more), BKI_E_INTERNAL. */
bki_status bki_words_begin(bki_words *words, size_t size_bytes, bki_error *err);

/* Adds bytes[start .. end) as a word; start is one behind the last word's end. Errors: BKI_E_DATA (the positions do not
 * fit 32 bits), BKI_E_INTERNAL. */
bki_status bki_words_end_word(bki_words *words, size_t start, size_t end, bki_error *err);

#endif
