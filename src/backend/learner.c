#include "learner.h"

#include "choose.h"
#include "fail.h"

bki_status bki_learner_find(const bki_learner_ops **out, const char *name, bki_error *err) {
  const bki_backend_request request = {.name = name};
  bki_backend_choice choice;
  BKI_TRY(bki_backend_choose(&choice, &request, err));
  *out = choice.learner;
  return BKI_OK;
}
