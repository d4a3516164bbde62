#include "names.h"

#include <stddef.h>

const char *const bki_decision_names[] = {"evidence", "suspicious", "paper", NULL};
const char *const bki_preset_names[] = {"paper", "journal", NULL};
const char *const bki_keys_names[] = {"positions", "unique", NULL};
const char *const bki_oov_key_names[] = {"surface", "shared", NULL};

const char *bki_class_name(const bki_classes *classes, int32_t index) {
  return index >= 0 && index < classes->n ? classes->names[index] : NULL;
}
