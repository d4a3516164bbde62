/* What a scan in precision exact leaves in its store besides scores. */
#ifndef BKI_RUN_SCAN_SCREENING_H
#define BKI_RUN_SCAN_SCREENING_H

#include <bki/error.h>
#include <bki/scan.h>
#include <bki/store.h>

/* Puts top_words, epsilon and the counts of texts into the store. The next commit makes them durable. */
bki_status bki_scan_set_screening(bki_store *store, const bki_screening *screening, bki_error *err);

/* BKI_E_USAGE when the rule selects more words than screening makes sure of. */
bki_status bki_scan_check_top_words(const bki_screening *screening, const bki_rule *rule, bki_error *err);

#endif
