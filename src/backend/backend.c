#include "backend.h"

#include <string.h>

#include "fail.h"

/* The first one is "auto". */
static const bki_backend_ops *const backends[] = {&bki_backend_cpu, &bki_backend_ref};

bki_status bki_backend_find(const bki_backend_ops **out, const char *name, bki_error *err) {
  if (strcmp(name, "auto") == 0) {
    *out = backends[0];
    return BKI_OK;
  }
  for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
    if (strcmp(name, backends[i]->name) == 0) {
      *out = backends[i];
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
