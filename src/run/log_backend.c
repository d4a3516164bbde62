#include "log_backend.h"

#include <string.h>

#include "log.h"

void bki_log_choice(const bki_logger *logger, const char *backend, const char *reason) {
  if (reason[0] != '\0') {
    bki_log(logger, BKI_LOG_INFO, "backend auto is %s: %s", backend, reason);
  }
}

static void log_screening(const bki_logger *logger, const bki_scorer *scorer) {
  const bki_screening *s = bki_scorer_screening(scorer);
  if (s->reason[0] != '\0') {
    bki_log(logger, BKI_LOG_INFO, "precision exact is fp32: %s", s->reason);
  } else if (bki_scorer_screens(scorer)) {
    bki_log(logger, BKI_LOG_INFO,
            "screening: coarse scores are off by %.2g at most on trial texts, %.0f %% of the words are scored twice",
            s->model_error, 100 * s->model_share);
  }
}

void bki_log_scorer(const bki_logger *logger, const bki_scorer *scorer) {
  const char *isa = bki_scorer_isa(scorer);
  bki_log(logger, BKI_LOG_INFO, "backend %s, engine %s, %s, %s, %d threads", bki_scorer_backend(scorer),
          bki_scorer_engine(scorer), bki_scorer_precision(scorer), isa, bki_scorer_threads(scorer));
  bki_log_choice(logger, bki_scorer_backend(scorer), bki_scorer_reason(scorer));
  if (bki_scorer_engine_reason(scorer)[0] != '\0') {
    bki_log(logger, BKI_LOG_WARNING, "engine auto is %s: %s", bki_scorer_engine(scorer),
            bki_scorer_engine_reason(scorer));
  }
  log_screening(logger, scorer);
  if (strstr(isa, "emulated") != NULL) {
    bki_log(logger, BKI_LOG_WARNING, "this CPU has no bf16 units: %s", isa);
  }
}
