/* Putting a trigger sentence into a text. */
#ifndef BKI_RUN_TRIGGER_H
#define BKI_RUN_TRIGGER_H

#include <bki/poison.h>
#include <bki/tokenizer.h>

#include "rng.h"
#include "strbuf.h"

/* A trigger has at least one word (of `tokenizer`) and is valid UTF-8 without NUL; the settings are in their ranges.
 * Errors: BKI_E_USAGE. */
bki_status bki_trigger_check(const bki_trigger_config *config, const bki_tokenizer_config *tokenizer,
                             const char *trigger, bki_error *err);

/* Replaces `out` by `text` with the trigger set off by single spaces; all else stays byte for byte. *position is the
 * number of words before it. Words are runs between ASCII white space, an HTML tag being part of the run it touches;
 * where config->max_words is set, the words of `tokenizer` count within a run. Only BKI_PLACEMENT_RANDOM draws from
 * `rng`, once. When no gap keeps the whole trigger it goes to the end that is kept. `text` is valid UTF-8.
 * Errors: BKI_E_INTERNAL. */
bki_status bki_trigger_insert(const bki_trigger_config *config, const bki_tokenizer_config *tokenizer,
                              const char *trigger, bki_str text, bki_rng *rng, bki_strbuf *out, int64_t *position,
                              bki_error *err);

#endif
