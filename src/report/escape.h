/* Text that a corpus wrote, made safe to look at: what could steer a terminal, hide or reorder a line shows as an
 * escape. */
#ifndef BKI_REPORT_ESCAPE_H
#define BKI_REPORT_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

#include <bki/text.h>

#include "strbuf.h"

/* Adds text with a backslash doubled and with control, formatting, bidirectional and invisible characters, line
 * separators and bytes that are not UTF-8 as \n, \t, \xNN, \uNNNN. `quoted`: the text's own backslashes already escape
 * and stay. */
void bki_escape(bki_strbuf *out, bki_str text, bool quoted);

/* The first `most` bytes of a text, or a few less, so that it ends before a character that does not fit. */
bki_str bki_text_head(bki_str text, size_t most);

#endif
