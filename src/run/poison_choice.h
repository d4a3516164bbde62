/* Which samples are poisoned. */
#ifndef BKI_RUN_POISON_CHOICE_H
#define BKI_RUN_POISON_CHOICE_H

#include <bki/poison.h>

enum { BKI_MAX_BACKDOORS = 1024 };

typedef struct bki_chosen {
  int64_t index; /* of the record */
  size_t backdoor;
} bki_chosen;

typedef struct bki_poison_choice {
  bki_chosen *chosen; /* in order of the corpus */
  size_t n;
  int64_t n_samples;    /* of the corpus */
  char fingerprint[33]; /* of the corpus, to know it again */
  /* Appended to ids, so that no copy has the id of a sample: "-poisoned", with a number where ids end like that. */
  char suffix[32];
} bki_poison_choice;

/* Reads the corpus twice; memory grows with the number of copies only. Errors: as bki_poison_run. */
bki_status bki_poison_choose(bki_poison_choice *out, const bki_poison_config *config, bki_error *err);
void bki_poison_choice_clear(bki_poison_choice *choice);

#endif
