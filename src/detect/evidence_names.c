#include <bki/evidence.h>

const char *bki_verdict_name(bki_verdict verdict) {
  switch (verdict) {
    case BKI_VERDICT_NONE: return "none found";
    case BKI_VERDICT_SUSPICIOUS: return "suspicious";
    case BKI_VERDICT_BACKDOOR: return "backdoor";
  }
  return "unknown";
}

const char *bki_reason_name(bki_reason reason) {
  switch (reason) {
    case BKI_REASON_KEYWORD: return "keyword";
    case BKI_REASON_PHRASE: return "phrase";
    case BKI_REASON_PART: return "part";
  }
  return "unknown";
}
