/* The settings of a scan as a store keeps them. */
#ifndef BKI_RUN_SCAN_SETTINGS_H
#define BKI_RUN_SCAN_SETTINGS_H

#include <bki/error.h>
#include <bki/scan.h>
#include <bki/scorer.h>
#include <bki/store.h>

/* What the scan is computed with. Precision AUTO comes to that of the store, so that the same command goes on with what
 * an older version began; without a store that says so, to exact. Best words are as many as the store made sure of. */
bki_scorer_config bki_scan_scorer_config(const bki_scan_config *config);

/* Creates the store of a scan or opens it to go on; what the corpus and the scorer have chosen counts, not "auto". A
 * store without records gets the settings that bki_scan_get_settings reads; with records it has to have the same rule
 * (BKI_E_USAGE). */
bki_status bki_scan_open_store(bki_store **out, const bki_scan_config *config, const bki_corpus *corpus,
                               const bki_scorer *scorer, bki_error *err);

#endif
