/* Results as JSON. Keys stand in a fixed order; numbers are exact. Each function gives NULL when out of memory; the
 * caller owns the value. */
#ifndef BKI_REPORT_JSON_H
#define BKI_REPORT_JSON_H

#include <jansson.h>

#include <bki/analysis.h>
#include <bki/dictionary.h>
#include <bki/purify.h>

#include "names.h"

/* A string; null when data is NULL. Bytes that are not UTF-8 (a damaged store) become U+FFFD. */
json_t *bki_json_text(bki_str text);

json_t *bki_json_rule(const bki_rule *rule);

/* null when candidate is NULL. */
json_t *bki_json_candidate(const bki_candidate *candidate, const bki_classes *classes);
/* The first `limit` (0: all). */
json_t *bki_json_candidates(const bki_analysis *analysis, size_t limit, const bki_classes *classes);

/* With the phrase of the evidence that each carries, or the keyword. */
json_t *bki_json_flagged(const bki_analysis *analysis, const bki_classes *classes);

/* A sample with all its words; `selected` are the positions that the rule chose, best first. */
json_t *bki_json_sample(const bki_sample *sample, const int32_t *selected, int32_t n_selected,
                        const bki_classes *classes);

json_t *bki_json_purify(const bki_purify_summary *summary);

#endif
