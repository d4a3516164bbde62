#include "learner.h"

#include <string.h>

#include "fail.h"

/* The first one is "auto". */
static const bki_learner_ops *const learners[] = {&bki_learner_cpu, &bki_learner_ref};

bki_status bki_learner_find(const bki_learner_ops **out, const char *name, bki_error *err) {
  if (strcmp(name, "auto") == 0) {
    *out = learners[0];
    return BKI_OK;
  }
  for (size_t i = 0; i < sizeof learners / sizeof learners[0]; i++) {
    if (strcmp(name, learners[i]->name) == 0) {
      *out = learners[i];
      return BKI_OK;
    }
  }
  if (strcmp(name, "cuda") == 0) {
    return bki_fail(err, BKI_E_DEVICE, "this build has no CUDA backend");
  }
  char quoted[BKI_QUOTE_SIZE];
  return bki_fail(err, BKI_E_USAGE, "expected backend auto, cpu, ref or cuda, found %s",
                  bki_quote(quoted, (bki_str){name, strlen(name)}));
}
