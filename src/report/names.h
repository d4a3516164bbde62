/* Names of settings, as options and reports spell them; NULL ends each list, the order is that of the enum. */
#ifndef BKI_REPORT_NAMES_H
#define BKI_REPORT_NAMES_H

#include <stdint.h>

extern const char *const bki_decision_names[];
extern const char *const bki_preset_names[];
extern const char *const bki_keys_names[];
extern const char *const bki_oov_key_names[];

/* The classes of a model or a store; borrowed. */
typedef struct bki_classes {
  const char *const *names;
  int32_t n;
} bki_classes;

/* The name of a class; NULL for -1 and whatever is out of range. */
const char *bki_class_name(const bki_classes *classes, int32_t index);

#endif
