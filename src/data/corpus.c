#include <bki/corpus.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistr.h>

#include "array.h"
#include "cutter.h"
#include "fail.h"
#include "strbuf.h"

enum {
  DEFAULT_MAX_RECORD_BYTES = 16 << 20,
  LIMIT_MAX_RECORD_BYTES = 1 << 30,
  PROBE_BYTES = 64 * 1024,
};

struct bki_corpus {
  bki_arena *arena; /* of the copied settings */
  const char **paths;
  const char **names; /* as in messages */
  size_t n_paths;
  bki_quoting quoting;
  bki_header header_setting;
  bool has_header;
  bki_strbuf header; /* of the first file, as it stands there */
  bki_cutter cutter;
  size_t path;  /* the one that is read */
  bool started; /* its header is behind us */
  int64_t index;
  int64_t size;     /* of all files, -1 unknown */
  int64_t finished; /* bytes of the files before this one */
};

void bki_corpus_config_init(bki_corpus_config *config) {
  *config = (bki_corpus_config){.max_record_bytes = DEFAULT_MAX_RECORD_BYTES};
}

static bool is_standard_input(const char *path) {
  return strcmp(path, "-") == 0;
}

static bki_status check_config(const bki_corpus_config *config, bki_error *err) {
  if (config->n_paths == 0) {
    return bki_fail(err, BKI_E_USAGE, "expected at least one corpus file, found none");
  }
  size_t n_standard = 0;
  for (size_t i = 0; i < config->n_paths; i++) {
    n_standard += is_standard_input(config->paths[i]);
  }
  if (n_standard > 1) {
    return bki_fail(err, BKI_E_USAGE, "expected standard input (-) at most once, found it %zu times", n_standard);
  }
  if (config->max_record_bytes < 1 || config->max_record_bytes > LIMIT_MAX_RECORD_BYTES) {
    return bki_fail(err, BKI_E_USAGE, "expected a record limit of 1 to %d bytes, found %zu", LIMIT_MAX_RECORD_BYTES,
                    config->max_record_bytes);
  }
  return BKI_OK;
}

static bki_status copy_field(bki_corpus *c, bki_field *field, const char *name, const char *default_name,
                             bki_error *err) {
  const char *chosen = name == NULL ? default_name : name;
  if (u8_check((const uint8_t *)chosen, strlen(chosen)) != NULL) {
    char quoted[BKI_QUOTE_SIZE];
    return bki_fail(err, BKI_E_USAGE, "expected the name of a field in UTF-8, found %s",
                    bki_quote(quoted, (bki_str){chosen, strlen(chosen)}));
  }
  field->name = bki_arena_copy(c->arena, chosen, strlen(chosen));
  field->required = name != NULL;
  field->column = BKI_NO_COLUMN;
  return field->name == NULL ? bki_fail_memory(err) : BKI_OK;
}

static bki_status copy_config(bki_corpus *c, const bki_corpus_config *config, bki_error *err) {
  c->arena = bki_arena_create();
  c->paths = bki_array_create(config->n_paths, sizeof *c->paths);
  c->names = bki_array_create(config->n_paths, sizeof *c->names);
  if (c->arena == NULL || c->paths == NULL || c->names == NULL) {
    return bki_fail_memory(err);
  }
  c->n_paths = config->n_paths;
  for (size_t i = 0; i < config->n_paths; i++) {
    c->paths[i] = bki_arena_copy(c->arena, config->paths[i], strlen(config->paths[i]));
    if (c->paths[i] == NULL) {
      return bki_fail_memory(err);
    }
    c->names[i] = is_standard_input(c->paths[i]) ? "<stdin>" : c->paths[i];
  }
  c->quoting = config->quoting;
  c->header_setting = config->header;
  c->cutter.max_record_bytes = config->max_record_bytes;
  c->cutter.reader = bki_reader_by_format(config->format);
  bki_layout *layout = &c->cutter.layout;
  BKI_TRY(copy_field(c, &layout->text, config->text_field, "text", err));
  BKI_TRY(copy_field(c, &layout->label, config->label_field, "label", err));
  BKI_TRY(copy_field(c, &layout->id, config->id_field, "id", err));
  layout->text.required = true;
  return BKI_OK;
}

/* All files have to be there, and of one format as far as their names tell, before the first one is read. */
static bki_status check_files(bki_corpus *c, bki_error *err) {
  const bool detect = c->cutter.reader == NULL;
  for (size_t i = 0; i < c->n_paths; i++) {
    struct stat info;
    if (is_standard_input(c->paths[i])) {
      c->size = -1;
      continue;
    }
    if (stat(c->paths[i], &info) != 0) {
      return bki_fail_errno(err, c->names[i], "open");
    }
    c->size = c->size >= 0 && S_ISREG(info.st_mode) ? c->size + (int64_t)info.st_size : -1;
    const bki_reader *named = detect ? bki_reader_by_name(c->paths[i]) : NULL;
    if (named != NULL && c->cutter.reader != NULL && named != c->cutter.reader) {
      return bki_fail_at(err, BKI_E_DATA, c->names[i], 0, -1, "expected %s like the files before it, found %s",
                         c->cutter.reader->name, named->name);
    }
    c->cutter.reader = named != NULL ? named : c->cutter.reader;
  }
  return BKI_OK;
}

static bki_status detect_format(bki_cutter *cutter, bki_error *err) {
  bki_str head = bki_window_str(&cutter->window);
  while (!cutter->window.at_end && head.size < PROBE_BYTES && memchr(head.data, '\n', head.size) == NULL) {
    BKI_TRY(bki_window_fill(&cutter->window, err));
    head = bki_window_str(&cutter->window);
  }
  /* Nothing at all is an empty corpus: JSON Lines has no header to miss. */
  cutter->reader = head.size == 0 ? bki_reader_by_format(BKI_FORMAT_JSONL) : bki_reader_by_content(head);
  return BKI_OK;
}

/* Decides what only formats with columns ask for. */
static bki_status settle_columns(bki_corpus *c, bki_error *err) {
  const bki_reader *reader = c->cutter.reader;
  bki_layout *layout = &c->cutter.layout;
  if (reader->delimiter == '\0') {
    bool asked = c->quoting != BKI_QUOTING_AUTO || c->header_setting != BKI_HEADER_AUTO;
    return asked ? bki_fail(err, BKI_E_USAGE, "expected quoting and header settings with CSV or TSV only, found %s",
                            reader->name)
                 : BKI_OK;
  }
  layout->delimiter = reader->delimiter;
  layout->quotes = c->quoting == BKI_QUOTING_AUTO ? reader == &bki_reader_csv : c->quoting == BKI_QUOTING_DOUBLE;
  c->has_header = c->header_setting == BKI_HEADER_PRESENT;
  const bki_field *fields[] = {&layout->text, &layout->label, &layout->id};
  size_t column;
  for (size_t i = 0; i < 3 && c->header_setting == BKI_HEADER_AUTO; i++) {
    c->has_header |= fields[i]->required && !bki_csv_column_number(fields[i]->name, &column);
  }
  return BKI_OK;
}

static bki_str without_line_ending(bki_str text) {
  while (text.size > 0 && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r')) {
    text.size--;
  }
  return text;
}

static bki_status check_header(const bki_corpus *c, const bki_raw_record *record, bki_error *err) {
  bki_str expected = without_line_ending(bki_strbuf_str(&c->header));
  const size_t mark = strlen(BKI_BYTE_ORDER_MARK);
  if (expected.size >= mark && memcmp(expected.data, BKI_BYTE_ORDER_MARK, mark) == 0) {
    expected = (bki_str){expected.data + mark, expected.size - mark};
  }
  bki_str found = without_line_ending(record->raw);
  if (found.size == expected.size && memcmp(found.data, expected.data, found.size) == 0) {
    return BKI_OK;
  }
  char quoted_expected[BKI_QUOTE_SIZE];
  char quoted_found[BKI_QUOTE_SIZE];
  return bki_fail_at(err, BKI_E_DATA, c->names[c->path], record->line, record->byte,
                     "expected the header of the first file, %s, found %s", bki_quote(quoted_expected, expected),
                     bki_quote(quoted_found, found));
}

/* The first file's header is kept, with the byte order mark before it; the others have to have the same. */
static bki_status read_header(bki_corpus *c, bool marked, bki_error *err) {
  bki_raw_record record;
  bool end;
  BKI_TRY(bki_cutter_peek(&c->cutter, &record, &end, err));
  if (end || record.too_long) {
    return bki_fail_at(err, BKI_E_DATA, c->names[c->path], record.line, record.byte,
                       "expected a header line of at most %zu bytes, found %s", c->cutter.max_record_bytes,
                       end ? "nothing" : "a longer one");
  }
  const char *mark = marked ? BKI_BYTE_ORDER_MARK : "";
  if (c->path == 0) {
    BKI_TRY(bki_csv_bind_header(&c->cutter.layout, c->names[0], &record, err));
    bki_strbuf_add_text(&c->header, mark);
    bki_strbuf_add(&c->header, record.raw.data, record.raw.size);
    if (c->header.failed) {
      return bki_fail_memory(err);
    }
  } else {
    BKI_TRY(check_header(c, &record, err));
  }
  bki_cutter_hash(&c->cutter, mark, strlen(mark));
  return bki_cutter_take(&c->cutter, err);
}

/* Opens the current path and stops before its first record. */
static bki_status start_path(bki_corpus *c, bki_error *err) {
  bool marked;
  BKI_TRY(bki_cutter_open(&c->cutter, c->paths[c->path], &marked, err));
  if (c->path == 0) {
    if (c->cutter.reader == NULL) {
      BKI_TRY(detect_format(&c->cutter, err));
    }
    BKI_TRY(settle_columns(c, err));
  }
  if (c->has_header) {
    BKI_TRY(read_header(c, marked, err));
  } else if (c->path == 0 && c->cutter.reader->delimiter != '\0') {
    bki_raw_record first;
    bool end;
    BKI_TRY(bki_cutter_peek(&c->cutter, &first, &end, err));
    BKI_TRY(bki_csv_bind_numbers(&c->cutter.layout, c->names[0], &first, err));
  }
  c->started = true;
  return BKI_OK;
}

static bki_status open_corpus(bki_corpus *c, const bki_corpus_config *config, bki_error *err) {
  BKI_TRY(bki_cutter_init(&c->cutter, err));
  BKI_TRY(copy_config(c, config, err));
  BKI_TRY(check_files(c, err));
  return start_path(c, err);
}

bki_status bki_corpus_open(bki_corpus **out, const bki_corpus_config *config, bki_error *err) {
  BKI_TRY(check_config(config, err));
  bki_corpus *c = bki_array_create(1, sizeof *c);
  if (c == NULL) {
    return bki_fail_memory(err);
  }
  bki_status status = open_corpus(c, config, err);
  if (status != BKI_OK) {
    bki_corpus_close(c);
    return status;
  }
  *out = c;
  return BKI_OK;
}

/* Peeks across the ends of files. */
static bki_status find_record(bki_corpus *c, bki_raw_record *record, bool *end, bki_error *err) {
  for (;;) {
    if (!c->started) {
      BKI_TRY(start_path(c, err));
    }
    BKI_TRY(bki_cutter_peek(&c->cutter, record, end, err));
    if (!*end || c->path + 1 == c->n_paths) {
      return BKI_OK;
    }
    c->finished += bki_stream_position(c->cutter.window.stream);
    c->path++;
    c->started = false;
  }
}

bki_status bki_corpus_next(bki_corpus *corpus, bki_raw_record *out, bool *end, bki_error *err) {
  bki_raw_record record;
  BKI_TRY(find_record(corpus, &record, end, err));
  if (!*end) {
    BKI_TRY(bki_cutter_take(&corpus->cutter, err));
    record.path = corpus->path;
    record.index = corpus->index++;
    *out = record;
  }
  return BKI_OK;
}

bki_status bki_corpus_parse(const bki_corpus *corpus, const bki_raw_record *record, bki_arena *arena, bki_fields *out,
                            bki_error *err) {
  const bki_cutter *cutter = &corpus->cutter;
  const char *file = corpus->names[record->path];
  if (record->too_long) {
    return bki_fail_at(err, BKI_E_DATA, file, record->line, record->byte,
                       "expected a record of at most %zu bytes, found a longer one%s", cutter->max_record_bytes,
                       cutter->layout.quotes ? " (or a quote that is never closed)" : "");
  }
  return cutter->reader->parse(&cutter->layout, file, record, arena, out, err);
}

bki_status bki_corpus_rewrite(const bki_corpus *corpus, const bki_raw_record *record, const bki_fields *changes,
                              bki_arena *arena, bki_str *out, bki_error *err) {
  const bki_cutter *cutter = &corpus->cutter;
  bki_fields fields;
  BKI_TRY(bki_corpus_parse(corpus, record, arena, &fields, err));
  return cutter->reader->rewrite(&cutter->layout, corpus->names[record->path], record, changes, arena, out, err);
}

bki_format bki_corpus_format(const bki_corpus *corpus) {
  return corpus->cutter.reader->format;
}

bki_str bki_corpus_header(const bki_corpus *corpus) {
  return bki_strbuf_str(&corpus->header);
}

void bki_corpus_fingerprint(const bki_corpus *corpus, char out[33]) {
  bki_cutter_fingerprint(&corpus->cutter, out);
}

int64_t bki_corpus_position(const bki_corpus *corpus) {
  return corpus->finished + (corpus->started ? bki_stream_position(corpus->cutter.window.stream) : 0);
}

int64_t bki_corpus_size(const bki_corpus *corpus) {
  return corpus->size;
}

void bki_corpus_close(bki_corpus *corpus) {
  if (corpus == NULL) {
    return;
  }
  bki_cutter_close(&corpus->cutter);
  bki_strbuf_clear(&corpus->header);
  bki_arena_destroy(corpus->arena);
  free(corpus->names);
  free(corpus->paths);
  free(corpus);
}
