/* SHA-256 (FIPS 180-4), for the Content-Security-Policy of the HTML report. */
#ifndef BKI_REPORT_SHA256_H
#define BKI_REPORT_SHA256_H

#include <stddef.h>

enum { BKI_SHA256_BASE64_SIZE = 45 };

/* The digest of `size` bytes in base64, NUL-terminated. Returns out. */
const char *bki_sha256_base64(char out[BKI_SHA256_BASE64_SIZE], const void *data, size_t size);

#endif
