#include <bki/stream.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#include "array.h"
#include "fail.h"

enum {
  INPUT_BYTES = 256 * 1024,
  MAGIC_BYTES = 4,
  MAX_READ_BYTES = 1 << 30, /* what read(2) and zlib's 32-bit counters take at once */
};

/* Decodes at least one byte, or *got = 0 at the end. capacity > 0. */
typedef bki_status (*decode_fn)(bki_stream *stream, void *buf, size_t capacity, size_t *got, bki_error *err);

struct bki_stream {
  int fd;
  char *name;
  int64_t size;
  decode_fn decode;
  char *input; /* [INPUT_BYTES], what was read from fd; begin .. end is not yet decoded */
  size_t begin;
  size_t end;
  bool at_eof;
  int64_t consumed; /* bytes of the file decoded */
  int64_t produced; /* bytes handed out */
  bool inside;      /* of a gzip member or a zstd frame: the end may not come here */
  z_stream gzip;
  bool has_gzip;
  bool bad_gzip;
  ZSTD_DStream *zstd;
  bki_error failure; /* a failed stream goes on failing: the decoders are not to be called again */
};

static bki_status read_some(bki_stream *s, void *buf, size_t capacity, size_t *got, bki_error *err) {
  ssize_t n;
  do {
    n = read(s->fd, buf, capacity < MAX_READ_BYTES ? capacity : MAX_READ_BYTES);
  } while (n < 0 && errno == EINTR);
  if (n < 0) {
    return bki_fail_errno(err, s->name, "read");
  }
  s->at_eof = n == 0;
  *got = (size_t)n;
  return BKI_OK;
}

/* Reads on when everything read so far is decoded. */
static bki_status refill(bki_stream *s, bki_error *err) {
  if (s->begin < s->end || s->at_eof) {
    return BKI_OK;
  }
  s->begin = s->end = 0;
  return read_some(s, s->input, INPUT_BYTES, &s->end, err);
}

static void consume(bki_stream *s, size_t n) {
  s->begin += n;
  s->consumed += (int64_t)n;
}

static bki_status decode_plain(bki_stream *s, void *buf, size_t capacity, size_t *got, bki_error *err) {
  if (s->begin == s->end) { /* past the bytes that told the format: straight into the caller's buffer */
    BKI_TRY(read_some(s, buf, capacity, got, err));
    s->consumed += (int64_t)*got;
    return BKI_OK;
  }
  size_t n = s->end - s->begin < capacity ? s->end - s->begin : capacity;
  memcpy(buf, s->input + s->begin, n);
  consume(s, n);
  *got = n;
  return BKI_OK;
}

static bki_status truncated(const bki_stream *s, const char *what, bki_error *err) {
  return bki_fail_at(err, BKI_E_DATA, s->name, 0, s->produced,
                     "truncated %s data: expected more after byte %lld, which decompress to %lld bytes", what,
                     (long long)s->consumed, (long long)s->produced);
}

static bki_status damaged(const bki_stream *s, const char *what, const char *reason, bki_error *err) {
  return bki_fail_at(err, BKI_E_DATA, s->name, 0, s->produced,
                     "damaged %s data near byte %lld, after %lld decompressed bytes: %s", what, (long long)s->consumed,
                     (long long)s->produced, reason);
}

static bki_status decode_gzip(bki_stream *s, void *buf, size_t capacity, size_t *got, bki_error *err) {
  z_stream *z = &s->gzip;
  z->next_out = buf;
  z->avail_out = (uInt)(capacity < MAX_READ_BYTES ? capacity : MAX_READ_BYTES);
  const uInt room = z->avail_out;
  while (z->avail_out == room && !s->bad_gzip) {
    BKI_TRY(refill(s, err));
    if (s->begin == s->end) {
      *got = 0;
      return s->inside ? truncated(s, "gzip", err) : BKI_OK;
    }
    if (!s->inside) { /* the next member */
      inflateReset(z);
      s->inside = true;
    }
    z->next_in = (const Bytef *)s->input + s->begin;
    z->avail_in = (uInt)(s->end - s->begin);
    int result = inflate(z, Z_NO_FLUSH);
    consume(s, s->end - s->begin - z->avail_in);
    if (result == Z_MEM_ERROR) {
      return bki_fail_memory(err);
    }
    s->inside = result != Z_STREAM_END;
    s->bad_gzip = result != Z_OK && result != Z_STREAM_END;
  }
  *got = room - z->avail_out;
  if (*got == 0) { /* what was good before the damage has been handed out */
    return damaged(s, "gzip", z->msg == NULL ? "not a deflate stream" : z->msg, err);
  }
  return BKI_OK;
}

static bki_status decode_zstd(bki_stream *s, void *buf, size_t capacity, size_t *got, bki_error *err) {
  ZSTD_outBuffer out = {buf, capacity, 0};
  while (out.pos == 0) {
    BKI_TRY(refill(s, err));
    ZSTD_inBuffer in = {s->input + s->begin, s->end - s->begin, 0};
    if (in.size == 0 && !s->inside) {
      break;
    }
    size_t hint = ZSTD_decompressStream(s->zstd, &out, &in);
    consume(s, in.pos);
    if (ZSTD_isError(hint)) {
      return damaged(s, "zstd", ZSTD_getErrorName(hint), err);
    }
    s->inside = hint != 0;
    if (in.size == 0 && out.pos == 0) { /* nothing is left to flush either */
      return truncated(s, "zstd", err);
    }
  }
  *got = out.pos;
  return BKI_OK;
}

static bool is_zstd(const unsigned char *magic) {
  bool frame = magic[0] == 0x28 && magic[1] == 0xb5 && magic[2] == 0x2f && magic[3] == 0xfd;
  bool skippable = (magic[0] & 0xf0) == 0x50 && magic[1] == 0x2a && magic[2] == 0x4d && magic[3] == 0x18;
  return frame || skippable;
}

/* Tells the compression from the first bytes, however few a pipe hands out at once. */
static bki_status choose_decoder(bki_stream *s, bki_error *err) {
  while (s->end < MAGIC_BYTES && !s->at_eof) {
    size_t got = 0;
    BKI_TRY(read_some(s, s->input + s->end, INPUT_BYTES - s->end, &got, err));
    s->end += got;
  }
  const unsigned char *magic = (const unsigned char *)s->input;
  s->decode = decode_plain;
  if (s->end >= 2 && magic[0] == 0x1f && magic[1] == 0x8b) {
    s->decode = decode_gzip;
    s->has_gzip = inflateInit2(&s->gzip, 15 + 16) == Z_OK; /* the largest window; gzip wrapper only */
    return s->has_gzip ? BKI_OK : bki_fail_memory(err);
  }
  if (s->end >= MAGIC_BYTES && is_zstd(magic)) {
    s->decode = decode_zstd;
    s->zstd = ZSTD_createDStream();
    return s->zstd != NULL ? BKI_OK : bki_fail_memory(err);
  }
  return BKI_OK;
}

static bki_status open_file(bki_stream *s, const char *path, bki_error *err) {
  bool standard = strcmp(path, "-") == 0;
  s->name = strdup(standard ? "<stdin>" : path);
  s->input = malloc(INPUT_BYTES);
  if (s->name == NULL || s->input == NULL) {
    return bki_fail_memory(err);
  }
  s->fd = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : open(path, O_RDONLY | O_CLOEXEC);
  struct stat info;
  if (s->fd < 0 || fstat(s->fd, &info) != 0) {
    return bki_fail_errno(err, s->name, "open");
  }
  if (S_ISDIR(info.st_mode)) {
    return bki_fail_at(err, BKI_E_IO, s->name, 0, -1, "expected a file, found a directory");
  }
  s->size = S_ISREG(info.st_mode) ? (int64_t)info.st_size : -1;
  return choose_decoder(s, err);
}

bki_status bki_stream_open(bki_stream **out, const char *path, bki_error *err) {
  bki_stream *s = bki_array_create(1, sizeof *s);
  if (s == NULL) {
    return bki_fail_memory(err);
  }
  s->fd = -1;
  bki_status status = open_file(s, path, err);
  if (status != BKI_OK) {
    bki_stream_close(s);
    return status;
  }
  *out = s;
  return BKI_OK;
}

bki_status bki_stream_read(bki_stream *stream, void *buf, size_t capacity, size_t *got, bki_error *err) {
  size_t n = 0;
  if (stream->failure.status == BKI_OK && capacity > 0) {
    stream->failure.status = stream->decode(stream, buf, capacity, &n, &stream->failure);
    stream->produced += (int64_t)n;
  }
  if (stream->failure.status != BKI_OK) {
    if (err != NULL) {
      *err = stream->failure;
    }
    return stream->failure.status;
  }
  *got = n;
  return BKI_OK;
}

const char *bki_stream_name(const bki_stream *stream) {
  return stream->name;
}

int64_t bki_stream_position(const bki_stream *stream) {
  return stream->consumed;
}

int64_t bki_stream_size(const bki_stream *stream) {
  return stream->size;
}

void bki_stream_close(bki_stream *stream) {
  if (stream == NULL) {
    return;
  }
  if (stream->has_gzip) {
    inflateEnd(&stream->gzip);
  }
  ZSTD_freeDStream(stream->zstd);
  if (stream->fd >= 0) {
    close(stream->fd);
  }
  free(stream->input);
  free(stream->name);
  free(stream);
}
