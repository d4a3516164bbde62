#include "learner.h"

#include <math.h>
#include <string.h>

#include "fail.h"
#include "rng.h"

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

bool bki_dropout_keeps(double dropout, uint64_t seed, uint64_t step, uint32_t site, uint32_t row, uint64_t unit) {
  /* A block is for four units next to each other. The highest bit keeps these numbers apart from other uses of the
   * seed, whose indices stay below 2^63. */
  const uint64_t index = (uint64_t)1 << 63 | (uint64_t)site << 56 | unit >> 2;
  uint32_t block[4];
  bki_philox(block, seed, step << 32 | row, index);
  return (double)block[unit & 3] >= dropout * 0x1p32;
}

double bki_clip_factor(double clip_norm, double norm) {
  return clip_norm > 0 ? fmin(1, clip_norm / (norm + 1e-6)) : 1;
}
