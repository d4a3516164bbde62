#include "cutter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "array.h"
#include "fail.h"

struct bki_hash {
  XXH3_state_t state;
};

bki_status bki_cutter_init(bki_cutter *cutter, bki_error *err) {
  *cutter = (bki_cutter){.hash = bki_array_create_aligned(1, sizeof *cutter->hash)};
  if (cutter->hash == NULL) {
    return bki_fail_memory(err);
  }
  memset(cutter->hash, 0, sizeof *cutter->hash);
  XXH3_128bits_reset(&cutter->hash->state);
  return BKI_OK;
}

void bki_cutter_close(bki_cutter *cutter) {
  bki_window_close(&cutter->window);
  free(cutter->hash);
}

bki_status bki_cutter_open(bki_cutter *cutter, const char *path, bool *marked, bki_error *err) {
  static const char mark[] = BKI_BYTE_ORDER_MARK;
  const size_t size = sizeof mark - 1;
  bki_window *window = &cutter->window;
  BKI_TRY(bki_window_open(window, path, err));
  cutter->line = 1;
  while (!window->at_end && bki_window_str(window).size < size) {
    BKI_TRY(bki_window_fill(window, err));
  }
  bki_str head = bki_window_str(window);
  *marked = head.size >= size && memcmp(head.data, mark, size) == 0;
  bki_window_take(window, *marked ? size : 0);
  return BKI_OK;
}

/* Drops bytes of the window and counts their lines. */
static void drop(bki_cutter *c, size_t n) {
  const char *at = c->window.data + c->window.begin;
  const char *end = at + n;
  while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
    c->line++;
    at++;
  }
  bki_window_take(&c->window, n);
}

/* Looks for the end of the record behind the bytes that are known to belong to it. */
static void extend(bki_cutter *c) {
  bki_str bytes = bki_window_str(&c->window);
  bki_str fresh = {bytes.data + c->size, bytes.size - c->size};
  size_t n = c->reader->split(&c->layout, &c->state, fresh);
  c->ended = n > 0 || c->window.at_end;
  c->size = n > 0 ? c->size + n : bytes.size;
}

/* Makes the window hold the next record as a whole, or more than max_record_bytes of it. */
static bki_status find_end(bki_cutter *c, bki_error *err) {
  c->size = 0;
  c->state = 0;
  for (extend(c); !c->ended && c->size <= c->max_record_bytes; extend(c)) {
    BKI_TRY(bki_window_fill(&c->window, err));
  }
  return BKI_OK;
}

bki_status bki_cutter_peek(bki_cutter *cutter, bki_raw_record *out, bool *end, bki_error *err) {
  for (;;) {
    BKI_TRY(find_end(cutter, err));
    bki_str raw = {cutter->window.data + cutter->window.begin, cutter->size};
    bool too_long = raw.size > cutter->max_record_bytes;
    *end = raw.size == 0;
    *out = (bki_raw_record){.line = cutter->line,
                            .byte = cutter->window.byte,
                            .raw = too_long ? (bki_str){NULL, 0} : raw,
                            .too_long = too_long};
    if (*end || too_long || !cutter->reader->is_blank(raw)) {
      return BKI_OK;
    }
    drop(cutter, raw.size);
  }
}

bki_status bki_cutter_take(bki_cutter *cutter, bki_error *err) {
  for (;;) {
    bki_cutter_hash(cutter, cutter->window.data + cutter->window.begin, cutter->size);
    drop(cutter, cutter->size);
    cutter->size = 0;
    if (cutter->ended) {
      return BKI_OK;
    }
    BKI_TRY(bki_window_fill(&cutter->window, err));
    extend(cutter);
  }
}

void bki_cutter_hash(bki_cutter *cutter, const char *data, size_t size) {
  XXH3_128bits_update(&cutter->hash->state, data, size);
}

void bki_cutter_fingerprint(const bki_cutter *cutter, char out[33]) {
  XXH128_hash_t digest = XXH3_128bits_digest(&cutter->hash->state);
  snprintf(out, 33, "%016llx%016llx", (unsigned long long)digest.high64, (unsigned long long)digest.low64);
}
