#include <bki/stream.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#include "array.h"
#include "fail.h"

enum {
  OUTPUT_BYTES = 256 * 1024,
  MAX_DEFLATE_BYTES = 1 << 30, /* zlib's counters have 32 bits */
  NAME_ATTEMPTS = 100,
};

/* Encodes all of data into the output; with `finish` also what the encoder holds back. */
typedef bki_status (*encode_fn)(bki_sink *sink, const char *data, size_t size, bool finish, bki_error *err);

struct bki_sink {
  int fd;
  char *name;      /* as in messages */
  char *path;      /* the name to be; NULL for standard output */
  char *temporary; /* NULL before it exists */
  bool force;
  encode_fn encode;
  char *output; /* [OUTPUT_BYTES]; the first `used` are not yet written */
  size_t used;
  z_stream gzip;
  bool has_gzip;
  ZSTD_CStream *zstd;
};

static bki_status flush(bki_sink *s, bki_error *err) {
  for (size_t done = 0; done < s->used;) {
    ssize_t n = write(s->fd, s->output + done, s->used - done);
    if (n < 0 && errno != EINTR) {
      return bki_fail_errno(err, s->name, "write");
    }
    done += n < 0 ? 0 : (size_t)n;
  }
  s->used = 0;
  return BKI_OK;
}

static bki_status flush_if_full(bki_sink *s, bki_error *err) {
  return s->used == OUTPUT_BYTES ? flush(s, err) : BKI_OK;
}

static bki_status encode_plain(bki_sink *s, const char *data, size_t size, bool finish, bki_error *err) {
  (void)finish;
  while (size > 0) {
    size_t room = OUTPUT_BYTES - s->used;
    size_t n = size < room ? size : room;
    memcpy(s->output + s->used, data, n);
    s->used += n;
    data += n;
    size -= n;
    BKI_TRY(flush_if_full(s, err));
  }
  return BKI_OK;
}

static bki_status encode_gzip(bki_sink *s, const char *data, size_t size, bool finish, bki_error *err) {
  z_stream *z = &s->gzip;
  int result = Z_OK;
  do {
    size_t piece = size < MAX_DEFLATE_BYTES ? size : MAX_DEFLATE_BYTES;
    z->next_in = (const Bytef *)data;
    z->avail_in = (uInt)piece;
    z->next_out = (Bytef *)s->output + s->used;
    z->avail_out = (uInt)(OUTPUT_BYTES - s->used);
    result = deflate(z, finish ? Z_FINISH : Z_NO_FLUSH);
    if (result == Z_STREAM_ERROR) {
      return bki_fail(err, BKI_E_INTERNAL, "zlib refused to compress");
    }
    data += piece - z->avail_in;
    size -= piece - z->avail_in;
    s->used = OUTPUT_BYTES - z->avail_out;
    BKI_TRY(flush_if_full(s, err));
  } while (size > 0 || (finish && result != Z_STREAM_END));
  return BKI_OK;
}

static bki_status encode_zstd(bki_sink *s, const char *data, size_t size, bool finish, bki_error *err) {
  ZSTD_inBuffer in = {data, size, 0};
  size_t left;
  do {
    ZSTD_outBuffer out = {s->output, OUTPUT_BYTES, s->used};
    left = ZSTD_compressStream2(s->zstd, &out, &in, finish ? ZSTD_e_end : ZSTD_e_continue);
    if (ZSTD_isError(left)) {
      return bki_fail(err, BKI_E_INTERNAL, "zstd refused to compress: %s", ZSTD_getErrorName(left));
    }
    s->used = out.pos;
    BKI_TRY(flush_if_full(s, err));
  } while (in.pos < in.size || (finish && left > 0));
  return BKI_OK;
}

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text);
  size_t k = strlen(end);
  return n >= k && strcmp(text + n - k, end) == 0;
}

static bki_status choose_encoder(bki_sink *s, const char *path, bki_error *err) {
  s->encode = encode_plain;
  if (ends_with(path, ".gz")) {
    s->encode = encode_gzip;
    s->has_gzip = deflateInit2(&s->gzip, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
    return s->has_gzip ? BKI_OK : bki_fail_memory(err);
  }
  if (ends_with(path, ".zst")) {
    s->encode = encode_zstd;
    s->zstd = ZSTD_createCStream();
    if (s->zstd == NULL) {
      return bki_fail_memory(err);
    }
    ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_checksumFlag, 1);
  }
  return BKI_OK;
}

static bki_status already_there(const bki_sink *s, bki_error *err) {
  return bki_fail_at(err, BKI_E_USAGE, s->name, 0, -1,
                     "expected a name that is free, found an existing file (--force replaces it)");
}

/* A file of its own next to the one to be, made with the rights that the umask leaves. */
static bki_status create_temporary(bki_sink *s, bki_error *err) {
  const char *slash = strrchr(s->path, '/');
  int directory = slash == NULL ? 0 : (int)(slash + 1 - s->path);
  for (int i = 0; i < NAME_ATTEMPTS; i++) {
    uint64_t random = 0;
    if (getrandom(&random, sizeof random, 0) < 0) {
      return bki_fail_errno(err, s->name, "choose a temporary name");
    }
    char *name = NULL;
    if (asprintf(&name, "%.*s.bki-%016" PRIx64 ".tmp", directory, s->path, random) < 0) {
      return bki_fail_memory(err);
    }
    s->fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (s->fd >= 0) {
      s->temporary = name;
      return BKI_OK;
    }
    free(name);
    if (errno != EEXIST) {
      break;
    }
  }
  return bki_fail_errno(err, s->name, "create a file beside it");
}

static bki_status open_file(bki_sink *s, const char *path, bki_error *err) {
  struct stat old;
  bool exists = lstat(path, &old) == 0;
  if (exists && !s->force) {
    return already_there(s, err);
  }
  /* A link goes on pointing to the file that is replaced. */
  s->path = exists ? realpath(path, NULL) : strdup(path);
  if (s->path == NULL) {
    return exists ? bki_fail_errno(err, s->name, "replace") : bki_fail_memory(err);
  }
  if (exists && (stat(s->path, &old) != 0 || !S_ISREG(old.st_mode))) {
    return bki_fail_at(err, BKI_E_IO, s->name, 0, -1, "expected a regular file to replace, found something else");
  }
  BKI_TRY(create_temporary(s, err));
  if (exists && fchmod(s->fd, old.st_mode & 07777) != 0) {
    return bki_fail_errno(err, s->name, "set the mode of the new file");
  }
  return choose_encoder(s, path, err);
}

bki_status bki_sink_open(bki_sink **out, const char *path, bool force, bki_error *err) {
  bool standard = strcmp(path, "-") == 0;
  bki_sink *s = bki_array_create(1, sizeof *s);
  if (s == NULL) {
    return bki_fail_memory(err);
  }
  s->fd = standard ? STDOUT_FILENO : -1;
  s->force = force;
  s->encode = encode_plain;
  s->name = strdup(standard ? "<stdout>" : path);
  s->output = malloc(OUTPUT_BYTES);
  bki_status status = s->name == NULL || s->output == NULL ? bki_fail_memory(err) : BKI_OK;
  if (status == BKI_OK && !standard) {
    status = open_file(s, path, err);
  }
  if (status != BKI_OK) {
    bki_sink_discard(s);
    return status;
  }
  *out = s;
  return BKI_OK;
}

bki_status bki_sink_write(bki_sink *sink, const void *data, size_t size, bki_error *err) {
  return size == 0 ? BKI_OK : sink->encode(sink, data, size, false, err);
}

/* Gives the temporary file its name without replacing another. */
static int rename_to_free_name(const bki_sink *s) {
  int result = renameat2(AT_FDCWD, s->temporary, AT_FDCWD, s->path, RENAME_NOREPLACE);
  if (result != 0 && (errno == EINVAL || errno == ENOSYS)) { /* NFS and other file systems without that flag */
    result = link(s->temporary, s->path);
    if (result == 0) {
      unlink(s->temporary);
    }
  }
  return result;
}

/* Best effort: once renamed, the file is there, and some file systems cannot sync a directory. */
static void sync_directory(const char *path) {
  char *directory = strdup(path);
  char *slash = directory == NULL ? NULL : strrchr(directory, '/');
  if (slash != NULL) {
    slash[slash == directory] = '\0';
  }
  int fd = directory == NULL ? -1 : open(slash == NULL ? "." : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    fsync(fd);
    close(fd);
  }
  free(directory);
}

static bki_status publish(bki_sink *s, bki_error *err) {
  if (fsync(s->fd) != 0) {
    return bki_fail_errno(err, s->name, "write");
  }
  int fd = s->fd;
  s->fd = -1;
  if (close(fd) != 0) {
    return bki_fail_errno(err, s->name, "write");
  }
  if ((s->force ? rename(s->temporary, s->path) : rename_to_free_name(s)) != 0) {
    return errno == EEXIST ? already_there(s, err) : bki_fail_errno(err, s->name, "create");
  }
  free(s->temporary);
  s->temporary = NULL;
  sync_directory(s->path);
  return BKI_OK;
}

bki_status bki_sink_commit(bki_sink *sink, bki_error *err) {
  bki_status status;
  BKI_TRY_GOTO(status, done, sink->encode(sink, NULL, 0, true, err));
  BKI_TRY_GOTO(status, done, flush(sink, err));
  if (sink->path != NULL) {
    status = publish(sink, err);
  }
done:
  bki_sink_discard(sink);
  return status;
}

void bki_sink_discard(bki_sink *sink) {
  if (sink == NULL) {
    return;
  }
  if (sink->temporary != NULL) {
    unlink(sink->temporary);
    free(sink->temporary);
  }
  if (sink->path != NULL && sink->fd >= 0) {
    close(sink->fd);
  }
  if (sink->has_gzip) {
    deflateEnd(&sink->gzip);
  }
  ZSTD_freeCStream(sink->zstd);
  free(sink->output);
  free(sink->path);
  free(sink->name);
  free(sink);
}
