/* What a scan in precision exact leaves in its store besides scores. */
#ifndef BKI_RUN_SCAN_SCREENING_H
#define BKI_RUN_SCAN_SCREENING_H

#include <bki/error.h>
#include <bki/scan.h>
#include <bki/store.h>

/* Puts epsilon and the counts of texts into the store, with p, the best words of each text that are as in fp32. The
 * next commit makes them durable. */
bki_status bki_scan_set_screening(bki_store *store, int32_t p, const bki_screening *screening, bki_error *err);

#endif
