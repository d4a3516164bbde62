/* The verdict at the end of a scan. */
#ifndef BKI_RUN_SCAN_JUDGE_H
#define BKI_RUN_SCAN_JUDGE_H

#include <bki/scan.h>

/* Whether it can be judged with these settings, which is to be known before hours of scoring. */
bki_status bki_scan_judge_check(const bki_scan_config *config, bki_error *err);

/* Judges a complete scan and saves the verdict, unless the store has one that was reached with the same settings. */
bki_status bki_scan_judge(const bki_scan_config *config, bki_store *store, bki_scorer *scorer, bki_error *err);

#endif
