#include "train_spool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "array.h"
#include "fail.h"

enum { BUFFER_BYTES = 1 << 18 };

/* A file that is written once and then read here and there. */
typedef struct part {
  int fd;
  char *buffer; /* [BUFFER_BYTES] */
  size_t used;
  size_t size; /* bytes given so far */
} part;

enum { IDS, ENTRIES, N_PARTS };

struct bki_spool {
  char *directory;
  part parts[N_PARTS];
  XXH3_state_t *hash;
  char fingerprint[33];
};

/* Without a name from the start, or where the file system cannot do that, from right after. */
static int create_nameless(const char *directory) {
  int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    char *name = NULL;
    if (asprintf(&name, "%s/.bki-spool-XXXXXX", directory) < 0) {
      errno = ENOMEM;
      return -1;
    }
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0) {
      unlink(name);
    }
    free(name);
  }
  return fd;
}

bki_status bki_spool_create(bki_spool **out, const char *directory, bki_error *err) {
  bki_spool *spool = bki_array_create(1, sizeof *spool);
  if (spool == NULL) {
    return bki_fail_memory(err);
  }
  spool->directory = strdup(directory);
  spool->hash = XXH3_createState();
  bki_status status = spool->directory == NULL || spool->hash == NULL ? bki_fail_memory(err) : BKI_OK;
  if (status == BKI_OK) {
    XXH3_128bits_reset(spool->hash);
  }
  for (int i = 0; i < N_PARTS; i++) {
    spool->parts[i].fd = -1;
  }
  for (int i = 0; i < N_PARTS && status == BKI_OK; i++) {
    part *p = &spool->parts[i];
    p->buffer = malloc(BUFFER_BYTES);
    p->fd = create_nameless(directory);
    status = p->fd < 0           ? bki_fail_errno(err, directory, "create a file in it")
             : p->buffer == NULL ? bki_fail_memory(err)
                                 : BKI_OK;
  }
  if (status != BKI_OK) {
    bki_spool_destroy(spool);
    return status;
  }
  *out = spool;
  return BKI_OK;
}

void bki_spool_destroy(bki_spool *spool) {
  if (spool == NULL) {
    return;
  }
  for (int i = 0; i < N_PARTS; i++) {
    part *p = &spool->parts[i];
    if (p->fd >= 0) {
      close(p->fd);
    }
    free(p->buffer);
  }
  XXH3_freeState(spool->hash);
  free(spool->directory);
  free(spool);
}

static bki_status flush(const bki_spool *spool, part *p, bki_error *err) {
  for (size_t done = 0; done < p->used;) {
    ssize_t n = write(p->fd, p->buffer + done, p->used - done);
    if (n < 0 && errno != EINTR) {
      return bki_fail_errno(err, spool->directory, "write the samples to a file in it");
    }
    done += n < 0 ? 0 : (size_t)n;
  }
  p->used = 0;
  return BKI_OK;
}

static bki_status append(const bki_spool *spool, part *p, const void *data, size_t size, bki_error *err) {
  const char *next = data;
  XXH3_128bits_update(spool->hash, data, size);
  p->size += size;
  while (size > 0) {
    const size_t room = BUFFER_BYTES - p->used;
    const size_t n = size < room ? size : room;
    memcpy(p->buffer + p->used, next, n);
    p->used += n;
    next += n;
    size -= n;
    if (p->used == BUFFER_BYTES) {
      BKI_TRY(flush(spool, p, err));
    }
  }
  return BKI_OK;
}

bki_status bki_spool_add(bki_spool *spool, const int32_t *ids, int32_t length, int32_t label, bki_error *err) {
  const bki_spool_entry added = {.first = spool->parts[IDS].size / sizeof *ids, .length = length, .label = label};
  BKI_TRY(append(spool, &spool->parts[IDS], ids, (size_t)length * sizeof *ids, err));
  return append(spool, &spool->parts[ENTRIES], &added, sizeof added, err);
}

bki_status bki_spool_finish(bki_spool *spool, bki_error *err) {
  const XXH128_hash_t hash = XXH3_128bits_digest(spool->hash);
  snprintf(spool->fingerprint, sizeof spool->fingerprint, "%016llx%016llx", (unsigned long long)hash.high64,
           (unsigned long long)hash.low64);
  for (int i = 0; i < N_PARTS; i++) {
    part *p = &spool->parts[i];
    BKI_TRY(flush(spool, p, err));
    free(p->buffer);
    p->buffer = NULL;
  }
  return BKI_OK;
}

const char *bki_spool_fingerprint(const bki_spool *spool) {
  return spool->fingerprint;
}

size_t bki_spool_count(const bki_spool *spool) {
  return spool->parts[ENTRIES].size / sizeof(bki_spool_entry);
}

/* Exactly `size` bytes from `offset` on. */
static bki_status read_at(const bki_spool *spool, const part *p, void *out, size_t size, size_t offset,
                          bki_error *err) {
  for (size_t done = 0; done < size;) {
    const ssize_t n = pread(p->fd, (char *)out + done, size - done, (off_t)(offset + done));
    if (n == 0) {
      errno = EIO;
    }
    if (n == 0 || (n < 0 && errno != EINTR)) {
      return bki_fail_errno(err, spool->directory, "read the samples from a file in it");
    }
    done += n < 0 ? 0 : (size_t)n;
  }
  return BKI_OK;
}

bki_status bki_spool_find(const bki_spool *spool, size_t i, bki_spool_entry *out, bki_error *err) {
  assert(i < bki_spool_count(spool));
  return read_at(spool, &spool->parts[ENTRIES], out, sizeof *out, i * sizeof *out, err);
}

bki_status bki_spool_read(const bki_spool *spool, const bki_spool_entry *entry, int32_t *ids, bki_error *err) {
  return read_at(spool, &spool->parts[IDS], ids, (size_t)entry->length * sizeof *ids, entry->first * sizeof *ids, err);
}
