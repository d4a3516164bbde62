#include "scan_judge.h"

#include <string.h>

#include "fail.h"
#include "store_evidence.h"

/* Whether the store has been judged with these settings. */
static bki_status is_judged(bki_store *store, const bki_evidence_config *config, bool *judged, bki_error *err) {
  bki_evidence_config stored;
  bki_strbuf texts[2] = {{0}, {0}};
  BKI_TRY(bki_evidence_load_config(&stored, judged, store, err));
  if (!*judged) {
    return BKI_OK;
  }
  bki_evidence_settings_format(config, &texts[0]);
  bki_evidence_settings_format(&stored, &texts[1]);
  bool failed = texts[0].failed || texts[1].failed;
  *judged = !failed && strcmp(texts[0].data, texts[1].data) == 0;
  bki_strbuf_clear(&texts[0]);
  bki_strbuf_clear(&texts[1]);
  return failed ? bki_fail_memory(err) : BKI_OK;
}

static bki_evidence_config judging_of(const bki_scan_config *config) {
  bki_evidence_config judging = config->evidence;
  judging.rule = config->rule;
  judging.stop = config->stop;
  judging.user = config->user;
  return judging;
}

bki_status bki_scan_judge_check(const bki_scan_config *config, bki_error *err) {
  const bki_evidence_config judging = judging_of(config);
  return config->judge ? bki_evidence_config_check(&judging, err) : BKI_OK;
}

bki_status bki_scan_judge(const bki_scan_config *config, bki_store *store, bki_scorer *scorer, bki_error *err) {
  const bki_evidence_config judging = judging_of(config);
  bki_evidence evidence;
  bool judged;
  BKI_TRY(is_judged(store, &judging, &judged, err));
  if (judged) {
    return BKI_OK;
  }
  BKI_TRY(bki_evidence_run(&evidence, store, config->model, scorer, &judging, err));
  bki_status status = bki_evidence_save(&evidence, &judging, store, err);
  bki_evidence_clear(&evidence);
  return status;
}
