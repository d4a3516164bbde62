/* The samples of a training as ids, in a file without a name that goes with the process: memory is for the batch that
 * is read, not for the corpus. */
#ifndef BKI_RUN_TRAIN_SPOOL_H
#define BKI_RUN_TRAIN_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include <bki/error.h>

typedef struct bki_spool bki_spool;

typedef struct bki_spool_entry {
  uint64_t first; /* of its ids */
  int32_t length;
  int32_t label;
} bki_spool_entry;

/* Makes the file in `directory`, which also names it in errors. Errors: BKI_E_IO. */
bki_status bki_spool_create(bki_spool **out, const char *directory, bki_error *err);
void bki_spool_destroy(bki_spool *spool); /* NULL is allowed */

/* Appends a sample. Errors: BKI_E_IO (disk full). */
bki_status bki_spool_add(bki_spool *spool, const int32_t *ids, int32_t length, int32_t label, bki_error *err);
/* No more samples: from now on they can be read, and the fingerprint is known. */
bki_status bki_spool_finish(bki_spool *spool, bki_error *err);

/* XXH3-128 over all ids, lengths and labels, 32 hexadecimal digits. */
const char *bki_spool_fingerprint(const bki_spool *spool);
size_t bki_spool_count(const bki_spool *spool);
/* Where sample i stands; i < count. Errors: BKI_E_IO. */
bki_status bki_spool_find(const bki_spool *spool, size_t i, bki_spool_entry *out, bki_error *err);
/* Its ids: ids[length]. Errors: BKI_E_IO. */
bki_status bki_spool_read(const bki_spool *spool, const bki_spool_entry *entry, int32_t *ids, bki_error *err);

#endif
