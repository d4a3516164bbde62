/* Byte streams: files or standard input and output, plain, gzip or zstd. */
#ifndef BKI_STREAM_H
#define BKI_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bki/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An input. Not thread-safe. */
typedef struct bki_stream bki_stream;

/* Opens `path`, "-" being standard input. Compression is told from the first bytes (gzip 1f 8b, zstd 28 b5 2f fd or a
 * skippable frame), never from the name; concatenated gzip members and zstd frames are one stream.
 * Errors: BKI_E_IO when it cannot be opened or is a directory. On success the caller closes *out. */
BKI_API bki_status bki_stream_open(bki_stream **out, const char *path, bki_error *err);

/* Reads up to `capacity` decompressed bytes into buf; *got is 0 only at the end.
 * Errors: BKI_E_IO when the system refuses; BKI_E_DATA when the compressed data is damaged or truncated (the error's
 * byte is the offset in the decompressed data up to which everything was good). */
BKI_API bki_status bki_stream_read(bki_stream *stream, void *buf, size_t capacity, size_t *got, bki_error *err);

/* The path it was opened with ("<stdin>" for "-"); borrowed. */
BKI_API const char *bki_stream_name(const bki_stream *stream);

/* Bytes of the underlying file consumed so far, and its size (-1 when it is no regular file): for progress. */
BKI_API int64_t bki_stream_position(const bki_stream *stream);
BKI_API int64_t bki_stream_size(const bki_stream *stream);

/* NULL is allowed. */
BKI_API void bki_stream_close(bki_stream *stream);

/* An output that appears under its name only when it is complete. Not thread-safe. */
typedef struct bki_sink bki_sink;

/* Opens an output; ".gz" and ".zst" at the end of `path` choose the compression; "-" is standard output (plain).
 * The bytes go to a temporary file in the same directory until bki_sink_commit renames it.
 * Errors: BKI_E_IO when it cannot be created; BKI_E_USAGE when `path` exists and `force` is false. */
BKI_API bki_status bki_sink_open(bki_sink **out, const char *path, bool force, bki_error *err);

/* Errors: BKI_E_IO (disk full, broken pipe). After an error only bki_sink_discard is allowed. */
BKI_API bki_status bki_sink_write(bki_sink *sink, const void *data, size_t size, bki_error *err);

/* Finishes the compression, syncs, renames, and frees the sink, on success and on failure. On failure nothing stands
 * under the name that did not stand there before. When `force` was false and somebody created `path` meanwhile it is
 * left alone: BKI_E_USAGE. */
BKI_API bki_status bki_sink_commit(bki_sink *sink, bki_error *err);

/* Drops what was written and frees the sink. NULL is allowed. */
BKI_API void bki_sink_discard(bki_sink *sink);

#ifdef __cplusplus
}
#endif

#endif
