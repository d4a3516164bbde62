#include "scan_screening.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fail.h"

#define KEY "screening"

bki_status bki_scan_set_screening(bki_store *store, int32_t p, const bki_screening *screening, bki_error *err) {
  char text[256];
  snprintf(text, sizeof text,
           "top_words=%" PRId32 " epsilon=%.6g short=%" PRId64 " screened=%" PRId64 " words=%" PRId64
           " rescored=%" PRId64 " widened=%" PRId64,
           p, screening->epsilon, screening->n_short, screening->n_screened, screening->n_words, screening->n_rescored,
           screening->n_widened);
  return bki_store_set(store, KEY, text, err);
}

/* *p 0: the store is of another precision. */
static bki_status get(const bki_store *store, int32_t *p, bki_screening *out, bki_error *err) {
  const char *value = bki_store_setting(store, KEY);
  *p = 0;
  *out = (bki_screening){0};
  if (value == NULL) {
    return BKI_OK;
  }
  int end = -1;
  const int n =
      sscanf(value,
             "top_words=%" SCNd32 " epsilon=%lf short=%" SCNd64 " screened=%" SCNd64 " words=%" SCNd64
             " rescored=%" SCNd64 " widened=%" SCNd64 "%n",
             p, &out->epsilon, &out->n_short, &out->n_screened, &out->n_words, &out->n_rescored, &out->n_widened, &end);
  if (n != 7 || end < 0 || value[end] != '\0' || *p < 1 || !(out->epsilon > 0) || out->n_short < 0 ||
      out->n_screened < 0 || out->n_words < 0 || out->n_rescored < 0 || out->n_widened < 0) {
    char quoted[BKI_QUOTE_SIZE];
    return bki_fail(err, BKI_E_DATA, "setting " KEY " of the store: expected what a scan writes, found %s",
                    bki_quote(quoted, (bki_str){value, strlen(value)}));
  }
  return BKI_OK;
}

bki_status bki_scan_get_screening(const bki_store *store, bki_screening *out, bki_error *err) {
  int32_t p;
  return get(store, &p, out, err);
}

bki_status bki_scan_check_rule(const bki_store *store, const bki_rule *rule, bki_error *err) {
  int32_t p;
  bki_screening screening;
  BKI_TRY(get(store, &p, &screening, err));
  if (p == 0 || rule->p <= p) {
    return BKI_OK;
  }
  return bki_fail(err, BKI_E_USAGE,
                  "the scan made sure of the %d best words of each text (precision exact), found p = %d: scan with "
                  "-p %d, or in another precision",
                  p, rule->p, rule->p);
}
