#include "scan_screening.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fail.h"

#define KEY "screening"

bki_status bki_scan_set_screening(bki_store *store, const bki_screening *screening, bki_error *err) {
  char text[256];
  snprintf(text, sizeof text,
           "top_words=%" PRId32 " epsilon=%.6g short=%" PRId64 " screened=%" PRId64 " words=%" PRId64
           " rescored=%" PRId64 " widened=%" PRId64,
           screening->top_words, screening->epsilon, screening->n_short, screening->n_screened, screening->n_words,
           screening->n_rescored, screening->n_widened);
  return bki_store_set(store, KEY, text, err);
}

bki_status bki_scan_get_screening(const bki_store *store, bki_screening *out, bki_error *err) {
  const char *value = bki_store_setting(store, KEY);
  *out = (bki_screening){0};
  if (value == NULL) {
    return BKI_OK;
  }
  int end = -1;
  const int n = sscanf(value,
                       "top_words=%" SCNd32 " epsilon=%lf short=%" SCNd64 " screened=%" SCNd64 " words=%" SCNd64
                       " rescored=%" SCNd64 " widened=%" SCNd64 "%n",
                       &out->top_words, &out->epsilon, &out->n_short, &out->n_screened, &out->n_words, &out->n_rescored,
                       &out->n_widened, &end);
  if (n != 7 || end < 0 || value[end] != '\0' || out->top_words < 1 || !(out->epsilon > 0) || out->n_short < 0 ||
      out->n_screened < 0 || out->n_words < 0 || out->n_rescored < 0 || out->n_widened < 0) {
    char quoted[BKI_QUOTE_SIZE];
    return bki_fail(err, BKI_E_DATA, "setting " KEY " of the store: expected what a scan writes, found %s",
                    bki_quote(quoted, (bki_str){value, strlen(value)}));
  }
  return BKI_OK;
}

bki_status bki_scan_check_top_words(const bki_screening *screening, const bki_rule *rule, bki_error *err) {
  if (screening->top_words == 0 || rule->p <= screening->top_words) {
    return BKI_OK;
  }
  return bki_fail(
      err, BKI_E_USAGE,
      "the scan made sure of the %d best words of each text (precision exact), found p = %d: scan into a new "
      "store with -p %d, or with --precision fp32, which answers every p",
      screening->top_words, rule->p, rule->p);
}

bki_status bki_scan_check_rule(const bki_store *store, const bki_rule *rule, bki_error *err) {
  bki_screening screening;
  BKI_TRY(bki_scan_get_screening(store, &screening, err));
  return screening.n_screened == 0 ? BKI_OK : bki_scan_check_top_words(&screening, rule, err);
}
