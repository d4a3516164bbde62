#include <string.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>

#include <criterion/criterion.h>

#include <bki/stream.h>

#include "scratch.h"

/* Enough that every buffer of the stream is filled several times, and not so regular that it compresses to nothing. */
enum { LONG_BYTES = 1500 * 1000 };

static void fill(bki_strbuf *out, size_t size) {
  unsigned state = 1;
  while (out->size < size) {
    state = state * 1664525u + 1013904223u;
    bki_strbuf_format(out, "%u ", state >> 8);
  }
  bki_strbuf_truncate(out, size);
}

static void add_plain(bki_strbuf *out, bki_str plain) {
  bki_strbuf_add(out, plain.data, plain.size);
}

static void add_gzip(bki_strbuf *out, bki_str plain) {
  z_stream z = {0};
  cr_assert_eq(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  uLong bound = deflateBound(&z, plain.size) + 64;
  char *packed = malloc(bound);
  z.next_in = (Bytef *)(uintptr_t)plain.data;
  z.avail_in = (uInt)plain.size;
  z.next_out = (Bytef *)packed;
  z.avail_out = (uInt)bound;
  cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
  bki_strbuf_add(out, packed, z.total_out);
  deflateEnd(&z);
  free(packed);
}

static void add_zstd(bki_strbuf *out, bki_str plain) {
  ZSTD_CCtx *zstd = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
  size_t bound = ZSTD_compressBound(plain.size);
  char *packed = malloc(bound);
  size_t size = ZSTD_compress2(zstd, packed, bound, plain.data, plain.size);
  cr_assert_not(ZSTD_isError(size));
  bki_strbuf_add(out, packed, size);
  free(packed);
  ZSTD_freeCCtx(zstd);
}

typedef void (*add_fn)(bki_strbuf *out, bki_str plain);
static const struct {
  const char *name;
  add_fn add;
} codecs[] = {{"plain", add_plain}, {"gzip", add_gzip}, {"zstd", add_zstd}};

static void pack(size_t codec, bki_strbuf *out, bki_str plain) {
  codecs[codec].add(out, plain);
}

/* Reads the file `content` to its end or its error. */
static bki_status read_all(bki_str content, size_t capacity, bki_strbuf *plain, bki_error *err) {
  const char *path = scratch_path("input");
  scratch_write(path, content.data, content.size);
  bki_stream *stream;
  bki_status status = bki_stream_open(&stream, path, err);
  cr_assert_eq(status, BKI_OK, "%s", err->message);
  cr_assert_eq(bki_stream_size(stream), (int64_t)content.size);
  char *buf = malloc(capacity);
  size_t got = 0;
  while ((status = bki_stream_read(stream, buf, capacity, &got, err)) == BKI_OK && got > 0) {
    bki_strbuf_add(plain, buf, got);
  }
  if (status == BKI_OK) {
    cr_assert_eq(bki_stream_position(stream), (int64_t)content.size);
  } else {
    cr_assert_eq(bki_stream_read(stream, buf, capacity, &got, err), status, "an error has to stay");
  }
  free(buf);
  bki_stream_close(stream);
  return status;
}

static void assert_reads(size_t codec, bki_str content, bki_str expected, size_t capacity) {
  bki_strbuf plain = {0};
  bki_error err;
  bki_status status = read_all(content, capacity, &plain, &err);
  cr_assert_eq(status, BKI_OK, "%s: %s", codecs[codec].name, err.message);
  cr_assert_eq(plain.size, expected.size, "%s: %zu bytes, not %zu", codecs[codec].name, plain.size, expected.size);
  cr_assert(plain.size == 0 || memcmp(plain.data, expected.data, plain.size) == 0, "%s", codecs[codec].name);
  bki_strbuf_clear(&plain);
}

Test(stream, reads_every_compression_whatever_the_read_size) {
  bki_strbuf text = {0};
  fill(&text, LONG_BYTES);
  for (size_t codec = 0; codec < 3; codec++) {
    bki_strbuf packed = {0};
    pack(codec, &packed, bki_strbuf_str(&text));
    const size_t capacities[] = {1000, 1 << 16, 4 << 20};
    for (size_t i = 0; i < 3; i++) {
      assert_reads(codec, bki_strbuf_str(&packed), bki_strbuf_str(&text), capacities[i]);
    }
    bki_strbuf_clear(&packed);
  }
  bki_strbuf_clear(&text);
}

Test(stream, reads_one_byte_at_a_time) {
  for (size_t codec = 0; codec < 3; codec++) {
    bki_strbuf packed = {0};
    pack(codec, &packed, (bki_str){"ab\ncd", 5});
    assert_reads(codec, bki_strbuf_str(&packed), (bki_str){"ab\ncd", 5}, 1);
    bki_strbuf_clear(&packed);
  }
}

Test(stream, reads_empty_input) {
  for (size_t codec = 0; codec < 3; codec++) {
    bki_strbuf packed = {0};
    pack(codec, &packed, (bki_str){"", 0});
    assert_reads(codec, bki_strbuf_str(&packed), (bki_str){"", 0}, 100);
    bki_strbuf_clear(&packed);
  }
}

Test(stream, joins_concatenated_members_and_frames) {
  for (size_t codec = 0; codec < 3; codec++) {
    bki_strbuf packed = {0};
    pack(codec, &packed, (bki_str){"one ", 4});
    pack(codec, &packed, (bki_str){"", 0});
    pack(codec, &packed, (bki_str){"two", 3});
    assert_reads(codec, bki_strbuf_str(&packed), (bki_str){"one two", 7}, 100);
    bki_strbuf_clear(&packed);
  }
}

Test(stream, passes_over_skippable_zstd_frames) {
  static const char skippable[] = "\x5a\x2a\x4d\x18\x03\x00\x00\x00xyz";
  bki_strbuf packed = {0};
  bki_strbuf_add(&packed, skippable, sizeof skippable - 1);
  add_zstd(&packed, (bki_str){"text", 4});
  bki_strbuf_add(&packed, skippable, sizeof skippable - 1);
  assert_reads(2, bki_strbuf_str(&packed), (bki_str){"text", 4}, 100);
  bki_strbuf_clear(&packed);
}

Test(stream, takes_a_few_bytes_as_they_are) {
  static const char *const inputs[] = {"a", "\x1f", "\x28\xb5\x2f", "P*M"};
  for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
    bki_str input = {inputs[i], strlen(inputs[i])};
    assert_reads(0, input, input, 100);
  }
}

Test(stream, refuses_truncated_data_wherever_it_is_cut) {
  for (size_t codec = 1; codec < 3; codec++) {
    bki_strbuf packed = {0};
    pack(codec, &packed, (bki_str){"first", 5});
    size_t complete = packed.size;
    pack(codec, &packed, (bki_str){"second", 6});
    for (size_t cut = 5; cut < packed.size; cut++) {
      if (cut == complete) {
        continue;
      }
      bki_strbuf plain = {0};
      bki_error err;
      bki_status status = read_all((bki_str){packed.data, cut}, 100, &plain, &err);
      cr_assert_eq(status, BKI_E_DATA, "%s cut at %zu", codecs[codec].name, cut);
      cr_assert_not_null(strstr(err.message, "truncated"), "%s", err.message);
      cr_assert_eq(err.byte, (int64_t)plain.size);
      cr_assert(cut < complete || plain.size >= 5);
      bki_strbuf_clear(&plain);
    }
    bki_strbuf_clear(&packed);
  }
}

Test(stream, tells_the_decompressed_offset_of_damage) {
  bki_strbuf text = {0};
  fill(&text, LONG_BYTES);
  for (size_t codec = 1; codec < 3; codec++) {
    bki_strbuf packed = {0};
    pack(codec, &packed, bki_strbuf_str(&text));
    for (size_t i = 0; i < 64; i++) {
      packed.data[packed.size / 2 + i] ^= 0x55;
    }
    bki_strbuf plain = {0};
    bki_error err;
    cr_assert_eq(read_all(bki_strbuf_str(&packed), 1 << 16, &plain, &err), BKI_E_DATA);
    cr_assert_not_null(strstr(err.message, "damaged"), "%s", err.message);
    cr_assert_eq(err.byte, (int64_t)plain.size, "%s: byte %lld, %zu read", codecs[codec].name, (long long)err.byte,
                 plain.size);
    cr_assert_gt(plain.size, 0);
    bki_strbuf_clear(&plain);
    bki_strbuf_clear(&packed);
  }
  bki_strbuf_clear(&text);
}

Test(stream, checks_the_checksum) {
  for (size_t codec = 1; codec < 3; codec++) {
    bki_strbuf packed = {0};
    pack(codec, &packed, (bki_str){"text", 4});
    packed.data[packed.size - (codec == 1 ? 8 : 1)] ^= 1;
    bki_strbuf plain = {0};
    bki_error err;
    cr_assert_eq(read_all(bki_strbuf_str(&packed), 100, &plain, &err), BKI_E_DATA);
    cr_assert_not_null(strstr(err.message, "damaged"), "%s", err.message);
    bki_strbuf_clear(&plain);
    bki_strbuf_clear(&packed);
  }
}

Test(stream, refuses_what_follows_the_compressed_data) {
  for (size_t codec = 1; codec < 3; codec++) {
    bki_strbuf packed = {0};
    pack(codec, &packed, (bki_str){"text", 4});
    bki_strbuf_add_text(&packed, "plain text");
    bki_strbuf plain = {0};
    bki_error err;
    cr_assert_eq(read_all(bki_strbuf_str(&packed), 100, &plain, &err), BKI_E_DATA);
    cr_assert_eq(plain.size, 4);
    bki_strbuf_clear(&plain);
    bki_strbuf_clear(&packed);
  }
}

Test(stream, refuses_a_window_that_would_take_gigabytes) {
  ZSTD_CCtx *zstd = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, 31);
  ZSTD_outBuffer out = {malloc(1000), 1000, 0};
  ZSTD_inBuffer in = {"text", 4, 0};
  cr_assert_not(ZSTD_isError(ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_flush)));
  bki_strbuf plain = {0};
  bki_error err;
  cr_assert_eq(read_all((bki_str){out.dst, out.pos}, 100, &plain, &err), BKI_E_DATA);
  cr_assert_not_null(strstr(err.message, "memory"), "%s", err.message);
  ZSTD_freeCCtx(zstd);
  free(out.dst);
}

Test(stream, reads_standard_input_in_small_pieces) {
  int ends[2];
  cr_assert_eq(pipe(ends), 0);
  bki_strbuf packed = {0};
  add_zstd(&packed, (bki_str){"from a pipe", 11});
  pid_t child = fork();
  if (child == 0) {
    for (size_t i = 0; i < packed.size; i++) {
      if (write(ends[1], packed.data + i, 1) != 1) {
        _exit(1);
      }
      usleep(100);
    }
    _exit(0);
  }
  close(ends[1]);
  dup2(ends[0], STDIN_FILENO);
  bki_stream *stream;
  bki_error err;
  cr_assert_eq(bki_stream_open(&stream, "-", &err), BKI_OK);
  cr_assert_str_eq(bki_stream_name(stream), "<stdin>");
  cr_assert_eq(bki_stream_size(stream), -1);
  char buf[100];
  size_t size = 0;
  for (size_t got = 1; got > 0; size += got) {
    cr_assert_eq(bki_stream_read(stream, buf + size, sizeof buf - size, &got, &err), BKI_OK);
  }
  cr_assert_eq(size, 11);
  cr_assert_arr_eq(buf, "from a pipe", 11);
  bki_stream_close(stream);
  bki_strbuf_clear(&packed);
}

Test(stream, cannot_open_what_is_missing_or_a_directory) {
  bki_stream *stream;
  bki_error err;
  cr_assert_eq(bki_stream_open(&stream, scratch_path("none"), &err), BKI_E_IO);
  cr_assert_not_null(strstr(err.message, "No such file"), "%s", err.message);
  cr_assert_eq(bki_stream_open(&stream, scratch_path(""), &err), BKI_E_IO);
  cr_assert_not_null(strstr(err.message, "directory"), "%s", err.message);
}
