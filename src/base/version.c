#include <bki/version.h>

const char *bki_version(void) {
  return BKI_VERSION_STRING;
}
