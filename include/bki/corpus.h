/* Reading a labelled corpus: JSON Lines, CSV or TSV, each plain, .gz or .zst, from files or standard input.
 *
 * Reading has two halves, so that the expensive one can run on many threads: bki_corpus_next cuts the stream into raw
 * records, in order; bki_corpus_parse turns one raw record into fields and may be called from any thread. */
#ifndef BKI_CORPUS_H
#define BKI_CORPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bki/error.h>
#include <bki/text.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bki_format {
  BKI_FORMAT_AUTO = 0, /* by the name (.jsonl .ndjson .json .csv .tsv, before .gz/.zst), else by the first bytes */
  BKI_FORMAT_JSONL,    /* one JSON object a line (UTF-8, RFC 8259) */
  BKI_FORMAT_CSV,      /* RFC 4180: quotes doubled inside quotes, newlines allowed inside quotes */
  BKI_FORMAT_TSV,      /* fields between tabs; quotes as `quoting` says */
} bki_format;

typedef enum bki_quoting {
  BKI_QUOTING_AUTO = 0, /* CSV: double; TSV: none */
  BKI_QUOTING_DOUBLE,   /* RFC 4180 quotes (a TSV written by pandas or a spreadsheet) */
  BKI_QUOTING_NONE,     /* a quote is a character like any other (IANA text/tab-separated-values, GLUE) */
} bki_quoting;

typedef enum bki_header {
  BKI_HEADER_AUTO = 0, /* present unless every field that was asked for is a column number */
  BKI_HEADER_PRESENT,
  BKI_HEADER_ABSENT,
} bki_header;

typedef struct bki_corpus_config {
  const char *const *paths; /* at least one; "-" is standard input, at most once; read one after the other */
  size_t n_paths;
  bki_format format;
  bki_quoting quoting; /* CSV and TSV only */
  bki_header header;   /* CSV and TSV only */
  /* Field names; for CSV and TSV a decimal number is a 1-based column. NULL: "text", "label", "id", of which label and
   * id may then be absent. A field that is named here has to be there, in every record: a label or id that is null
   * (JSON) or an empty cell (CSV and TSV) counts as absent. Without a header only numbers find a column. */
  const char *text_field;
  const char *label_field;
  const char *id_field;
  size_t max_record_bytes; /* a longer record is a bad record; default 16 MiB, 1 to 1 GiB */
} bki_corpus_config;

/* Defaults. */
BKI_API void bki_corpus_config_init(bki_corpus_config *config);

/* An open corpus. bki_corpus_next is for one thread; bki_corpus_parse for any, also at the same time. */
typedef struct bki_corpus bki_corpus;

/* One raw record: its bytes exactly as they stand in the (decompressed) input, line ending included. Lines end with LF
 * or CRLF; the last one of a file may do without. The raw records and headers of a file, one after the other, are the
 * file but for its blank lines (of white space in JSON Lines, empty in CSV and TSV) and, where no header keeps it, a
 * byte order mark at its start. Whoever joins records of several files has to end a last line that does without. A CSV
 * record with a misplaced quote ends at the next line end outside of quotes. */
typedef struct bki_raw_record {
  int64_t index; /* 0-based over all paths; bad records count, a CSV header and blank lines do not */
  int64_t line;  /* 1-based line of its first byte in its file */
  int64_t byte;  /* 0-based offset of its first byte in its (decompressed) file */
  size_t path;   /* which of config.paths */
  bki_str raw;   /* borrowed until the next bki_corpus_next or close; empty when too_long */
  bool too_long; /* longer than max_record_bytes: its bytes were passed over; bki_corpus_parse refuses it */
} bki_raw_record;

/* The fields of a record. Strings live in the arena that was given to bki_corpus_parse, valid UTF-8 without NUL. */
typedef struct bki_fields {
  bki_str text;
  bki_str label; /* data NULL: the record has none. A JSON integer (64 bits) comes as its decimal text */
  bki_str id;    /* data NULL: the record has none. A JSON integer (64 bits) comes as its decimal text */
} bki_fields;

/* Opens the first path, detects its format and, for CSV and TSV, reads the header and finds the columns. All paths have
 * to be there, to have one format and, with headers, the same header. Copies what it needs of `config`.
 * Errors: BKI_E_USAGE (settings), BKI_E_IO, BKI_E_DATA (no such column, an unreadable header). */
BKI_API bki_status bki_corpus_open(bki_corpus **out, const bki_corpus_config *config, bki_error *err);

/* The next raw record, or *end = true. Errors end the corpus (BKI_E_IO, BKI_E_DATA for damaged compression or another
 * header in a later file): what can be passed over is reported by bki_corpus_parse instead. */
BKI_API bki_status bki_corpus_next(bki_corpus *corpus, bki_raw_record *out, bool *end, bki_error *err);

/* The fields of a raw record. Errors: BKI_E_DATA, with file, line and byte: not JSON, duplicate keys, not an object,
 * a missing field, a field of another type (a number where text belongs), invalid UTF-8, a NUL, a wrong number of
 * columns, a stray quote, more than 2^18 JSON values, too long. An empty text is a valid record (it has no words).
 * BKI_E_INTERNAL: out of memory. */
BKI_API bki_status bki_corpus_parse(const bki_corpus *corpus, const bki_raw_record *record, bki_arena *arena,
                                    bki_fields *out, bki_error *err);

/* The same record with other fields, ready to be written: those of `changes` whose data is not NULL replace what the
 * record has, everything else stays. A JSON object keeps its keys and their order, and a key that it lacks comes last,
 * though numbers and escapes may be spelled differently; an integer stays an integer where the new value is one. The
 * line ends as it did. On success the bytes live in the arena. Errors: as bki_corpus_parse; BKI_E_DATA: a value that
 * the format cannot hold (a tab or line end in a TSV without quotes), a field that has no column. */
BKI_API bki_status bki_corpus_rewrite(const bki_corpus *corpus, const bki_raw_record *record, const bki_fields *changes,
                                      bki_arena *arena, bki_str *out, bki_error *err);

/* The format in use (never AUTO). */
BKI_API bki_format bki_corpus_format(const bki_corpus *corpus);

/* The header line of a CSV or TSV as it stands in the first file, byte order mark and line ending included; empty when
 * there is none. */
BKI_API bki_str bki_corpus_header(const bki_corpus *corpus);

/* XXH3-128 over the raw bytes of the headers and of every record returned so far, as 32 hexadecimal digits: equal for
 * equal content whatever the compression. It guards against mix-ups, not against an attacker. `out` holds 33 bytes. */
BKI_API void bki_corpus_fingerprint(const bki_corpus *corpus, char out[33]);

/* Bytes of the underlying files consumed so far and in all (-1 when unknown): for progress. */
BKI_API int64_t bki_corpus_position(const bki_corpus *corpus);
BKI_API int64_t bki_corpus_size(const bki_corpus *corpus);

/* NULL is allowed. */
BKI_API void bki_corpus_close(bki_corpus *corpus);

#ifdef __cplusplus
}
#endif

#endif
