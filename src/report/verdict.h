/* The verdict on a corpus, for people and as JSON. */
#ifndef BKI_REPORT_VERDICT_H
#define BKI_REPORT_VERDICT_H

#include <jansson.h>
#include <stdio.h>

#include <bki/evidence.h>

#include "names.h"

/* One paragraph: what was found, what it does, how that was seen, and how many samples are flagged; written for
 * somebody who never read the paper. `evidence` NULL: the store was not judged. */
void bki_print_verdict(FILE *out, const bki_evidence *evidence, const bki_classes *classes);

/* The same of a phrase that a person named: the one finding, whatever its verdict. */
void bki_print_verification(FILE *out, const bki_evidence *evidence, const bki_classes *classes);

/* "time flies like an arrow", each word cut and escaped as bki_print_word does, of many words the first ones. */
void bki_print_phrase(FILE *out, bki_str phrase);

/* docs/json.md. JSON null when `evidence` is NULL; NULL: out of memory. */
json_t *bki_json_evidence(const bki_evidence *evidence, const bki_classes *classes);

/* What a sample carries, and as which finding. JSON null when `carried` is NULL; NULL: out of memory. */
json_t *bki_json_carried(const bki_evidence *evidence, const bki_evidence_sample *carried, const bki_classes *classes);
/* "carries: time flies like an arrow (backdoor, leads to positive), confidence 0.999", a line. */
void bki_print_carried(FILE *out, const bki_evidence *evidence, const bki_evidence_sample *carried,
                       const bki_classes *classes);

#endif
