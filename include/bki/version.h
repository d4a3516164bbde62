/* Version of the library these headers belong to. */
#ifndef BKI_VERSION_H
#define BKI_VERSION_H

#include <bki/export.h>

#define BKI_VERSION_MAJOR 0
#define BKI_VERSION_MINOR 1
#define BKI_VERSION_PATCH 0
#define BKI_VERSION_STRING "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that is running, "major.minor.patch". Never NULL; static storage. */
BKI_API const char *bki_version(void);

#ifdef __cplusplus
}
#endif

#endif
