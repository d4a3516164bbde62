/* Unicode lower-casing, one code point at a time. */
#ifndef BKI_DATA_LOWERCASE_H
#define BKI_DATA_LOWERCASE_H

#include <stddef.h>
#include <stdint.h>

enum { BKI_LOWERCASE_MAX = 4 }; /* bytes that one code point becomes at most */

/* Writes the lower case of the code point at text[at .. at + length), which is not ASCII, as UTF-8 to `out`; returns
 * the number of bytes. The full default mapping of Python's str.lower: U+0130 becomes two code points, and a capital
 * sigma asks its neighbours. text[0 .. at) has to be valid UTF-8. */
size_t bki_lowercase(uint8_t out[BKI_LOWERCASE_MAX], const uint8_t *text, size_t size, size_t at, size_t length,
                     uint32_t code_point);

#endif
