/* Cuts raw records from a stream and hashes them. */
#ifndef BKI_DATA_CUTTER_H
#define BKI_DATA_CUTTER_H

#include "reader.h"
#include "window.h"

#define BKI_BYTE_ORDER_MARK "\xef\xbb\xbf"

typedef struct bki_cutter {
  const bki_reader *reader; /* the owner's to set before the first peek, as the two below */
  bki_layout layout;
  size_t max_record_bytes;
  bki_window window;
  int64_t line;          /* of the window's first byte */
  size_t size;           /* bytes of the peeked record that the window holds */
  bool ended;            /* they are all of it */
  bki_split_state state; /* after them */
  struct bki_hash *hash;
} bki_cutter;

/* From zeros; the owner closes it on failure too. */
bki_status bki_cutter_init(bki_cutter *cutter, bki_error *err);
void bki_cutter_close(bki_cutter *cutter);

/* Goes on with another file, passing over its byte order mark: whether there was one into *marked. */
bki_status bki_cutter_open(bki_cutter *cutter, const char *path, bool *marked, bki_error *err);

/* The next record that is not blank, its index and path left 0; *end = true behind the last. The bytes of a record are
 * borrowed until the next peek or open. The same record comes again until it is taken. */
bki_status bki_cutter_peek(bki_cutter *cutter, bki_raw_record *out, bool *end, bki_error *err);

/* Hashes the record that was peeked and goes behind it; one that is too long is read to its end in pieces. */
bki_status bki_cutter_take(bki_cutter *cutter, bki_error *err);

void bki_cutter_hash(bki_cutter *cutter, const char *data, size_t size);
void bki_cutter_fingerprint(const bki_cutter *cutter, char out[33]);

#endif
