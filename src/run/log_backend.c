#include "log_backend.h"

#include <string.h>

#include "log.h"

void bki_log_choice(const bki_logger *logger, const char *backend, const char *reason) {
  if (reason[0] != '\0') {
    bki_log(logger, BKI_LOG_INFO, "backend auto is %s: %s", backend, reason);
  }
}

void bki_log_scorer(const bki_logger *logger, const bki_scorer *scorer) {
  const char *isa = bki_scorer_isa(scorer);
  bki_log(logger, BKI_LOG_INFO, "backend %s, engine %s, %s, %s, %d threads", bki_scorer_backend(scorer),
          bki_scorer_engine(scorer), bki_scorer_precision(scorer), isa, bki_scorer_threads(scorer));
  bki_log_choice(logger, bki_scorer_backend(scorer), bki_scorer_reason(scorer));
  if (strstr(isa, "emulated") != NULL) {
    bki_log(logger, BKI_LOG_WARNING, "this CPU has no bf16 units: %s", isa);
  }
}
