/* What the two files of the screen share. */
#ifndef BKI_DETECT_SCREEN_INTERNAL_H
#define BKI_DETECT_SCREEN_INTERNAL_H

#include <bki/text.h>

#include "screen.h"

struct bki_screen {
  const bki_model_config *model;
  bki_backend *fast;
  bki_backend *fp32;
  int32_t p;
  double far; /* of the model, see BKI_SCREEN_FAR */
  bki_screening screening;
  bki_arena *arena; /* of a call */
};

/* NULL when out of memory, 64-bit sizes included. */
void *bki_screen_allocate(bki_screen *screen, size_t count, size_t size);

#endif
