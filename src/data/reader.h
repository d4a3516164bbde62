/* Corpus formats: how each is recognised, cut into records and parsed. */
#ifndef BKI_DATA_READER_H
#define BKI_DATA_READER_H

#include <stdbool.h>
#include <stddef.h>

#include <bki/corpus.h>

#include "strbuf.h"

#define BKI_NO_COLUMN SIZE_MAX

/* A field that is wanted. */
typedef struct bki_field {
  const char *name; /* NULL: not wanted */
  bool required;    /* a record without it is bad */
  size_t column;    /* 0-based, BKI_NO_COLUMN: not there; formats with columns only */
} bki_field;

/* What was decided when the corpus was opened; the same for all of its records. */
typedef struct bki_layout {
  bki_field text;
  bki_field label;
  bki_field id;
  char delimiter;   /* between columns */
  bool quotes;      /* RFC 4180 quotes have a meaning */
  size_t n_columns; /* 0: not known */
} bki_layout;

/* Where a splitter stands within a record; 0 at its start. */
typedef int bki_split_state;

typedef struct bki_reader {
  bki_format format;
  const char *name;        /* for messages */
  const char *suffixes[4]; /* of file names, up to a NULL */
  char delimiter;          /* between columns; 0: the format has named fields instead of columns */
  bool (*probe)(bki_str head);
  /* The next bytes of a record: how many belong to it when it ends among them, its line ending included, else 0. */
  size_t (*split)(const bki_layout *layout, bki_split_state *state, bki_str bytes);
  /* Whether a record is a line without content, which does not count. */
  bool (*is_blank)(bki_str raw);
  /* `file` is for messages. */
  bki_status (*parse)(const bki_layout *layout, const char *file, const bki_raw_record *record, bki_arena *arena,
                      bki_fields *out, bki_error *err);
  /* bki_corpus_rewrite of a record that parse takes. */
  bki_status (*rewrite)(const bki_layout *layout, const char *file, const bki_raw_record *record,
                        const bki_fields *changes, bki_arena *arena, bki_str *out, bki_error *err);
} bki_reader;

/* Copies what was written to the arena, followed by the line end of `raw`, and frees the buffer. */
bki_status bki_reader_finish(bki_strbuf *written, bki_str raw, bki_arena *arena, bki_str *out, bki_error *err);

extern const bki_reader bki_reader_jsonl;
extern const bki_reader bki_reader_csv;
extern const bki_reader bki_reader_tsv;

/* The reader that the file name asks for, or NULL. */
const bki_reader *bki_reader_by_name(const char *path);
const bki_reader *bki_reader_by_format(bki_format format);
/* Never NULL: any text may be CSV. */
const bki_reader *bki_reader_by_content(bki_str head);

/* Finds the columns of the wanted fields in a header (raw, without byte order mark), and the number of columns.
 * Errors: BKI_E_DATA. */
bki_status bki_csv_bind_header(bki_layout *layout, const char *file, const bki_raw_record *header, bki_error *err);

/* The same without a header, from the first record: a record that is bad leaves the number of columns open.
 * Errors: BKI_E_USAGE (a field is no number), BKI_E_DATA (no such column). */
bki_status bki_csv_bind_numbers(bki_layout *layout, const char *file, const bki_raw_record *first, bki_error *err);

/* Whether the name of a field is a column number, counted from 1, and which column that is, counted from 0. */
bool bki_csv_column_number(const char *name, size_t *column);

/* Names for a message, quoted, separated by commas, cut to what fits. */
typedef struct bki_name_list {
  char text[384];
  size_t size;
} bki_name_list;
void bki_name_list_add(bki_name_list *list, bki_str name);

#endif
