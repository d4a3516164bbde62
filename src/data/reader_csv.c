/* CSV and TSV through libcsv. */
#include <stdlib.h>
#include <string.h>

#include <csv.h>
#include <unistr.h>

#include "fail.h"
#include "reader.h"

/* A record, column by column. */
typedef struct row {
  size_t n_columns;
  void (*column)(struct row *row, size_t index, bki_str value);
  const bki_layout *layout;
  bki_arena *arena;
  bki_fields fields;
  bki_name_list *names;
  bool out_of_memory;
} row;

/* Blanks are part of a field, and a record has no ends of line outside of quotes: libcsv knows both by function. */
static int never(unsigned char c) {
  (void)c;
  return 0;
}

static void on_column(void *value, size_t size, void *context) {
  row *r = context;
  if (r->column != NULL) {
    r->column(r, r->n_columns, (bki_str){value, size});
  }
  r->n_columns++;
}

static bki_str without_line_ending(bki_str raw) {
  if (raw.size > 0 && raw.data[raw.size - 1] == '\n') {
    raw.size--;
  }
  if (raw.size > 0 && raw.data[raw.size - 1] == '\r') {
    raw.size--;
  }
  return raw;
}

/* An error at a byte of the record: quoted line ends before it count. */
static bki_status fail_within(const char *file, const bki_raw_record *record, size_t at, const char *expected,
                              bki_error *err) {
  int64_t line = record->line;
  for (size_t i = 0; i < at; i++) {
    line += record->raw.data[i] == '\n';
  }
  size_t from = at < 16 ? 0 : at - 16;
  char near[BKI_QUOTE_SIZE];
  return bki_fail_at(err, BKI_E_DATA, file, line, record->byte + (int64_t)at, "%s at byte %zu of the record, after %s",
                     expected, at, bki_quote(near, (bki_str){record->raw.data + from, at - from}));
}

static bki_status check_text(const char *file, const bki_raw_record *record, bki_error *err) {
  const char *nul = memchr(record->raw.data, '\0', record->raw.size);
  if (nul != NULL) {
    return fail_within(file, record, (size_t)(nul - record->raw.data), "expected text, found a NUL byte", err);
  }
  const uint8_t *start = (const uint8_t *)record->raw.data;
  const uint8_t *bad = u8_check(start, record->raw.size);
  if (bad != NULL) {
    return fail_within(file, record, (size_t)(bad - start), "expected UTF-8, found an invalid byte", err);
  }
  return BKI_OK;
}

static bki_status read_row(row *r, const char *file, const bki_raw_record *record, bki_error *err) {
  BKI_TRY(check_text(file, record, err));
  bki_str content = without_line_ending(record->raw);
  struct csv_parser parser;
  csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI);
  csv_set_delim(&parser, (unsigned char)r->layout->delimiter);
  csv_set_quote(&parser, r->layout->quotes ? CSV_QUOTE : '\0'); /* a byte that check_text has ruled out */
  csv_set_space_func(&parser, never);
  csv_set_term_func(&parser, never);
  csv_set_blk_size(&parser, content.size + 1); /* one allocation: no field is longer */
  size_t parsed = csv_parse(&parser, content.data, content.size, on_column, NULL, r);
  bool ended = parsed == content.size && csv_fini(&parser, on_column, NULL, r) == 0;
  bool no_memory = r->out_of_memory || csv_error(&parser) == CSV_ENOMEM;
  csv_free(&parser);
  if (no_memory) {
    return bki_fail_memory(err);
  }
  if (parsed < content.size) {
    const char *found = content.data[parsed] == '"' ? "expected quotes around the whole field and doubled within it, "
                                                      "found a stray quote"
                                                    : "expected a delimiter or the end after a closing quote, found "
                                                      "more text";
    return fail_within(file, record, parsed, found, err);
  }
  return ended ? BKI_OK : fail_within(file, record, content.size, "expected a closing quote, found the end", err);
}

static void keep(row *r, const bki_field *field, size_t index, bki_str value, bki_str *out) {
  if (field->column == index) {
    out->data = bki_arena_copy(r->arena, value.data, value.size);
    out->size = value.size;
    r->out_of_memory |= out->data == NULL;
  }
}

static void keep_fields(row *r, size_t index, bki_str value) {
  keep(r, &r->layout->text, index, value, &r->fields.text);
  if (value.size > 0) { /* an empty label or id is none */
    keep(r, &r->layout->label, index, value, &r->fields.label);
    keep(r, &r->layout->id, index, value, &r->fields.id);
  }
}

static bki_status check_present(const char *file, const bki_raw_record *record, const bki_field *field, bki_str value,
                                bki_error *err) {
  if (value.data != NULL || !field->required) {
    return BKI_OK;
  }
  char name[BKI_QUOTE_SIZE];
  return bki_fail_at(err, BKI_E_DATA, file, record->line, record->byte,
                     "expected a value in column %zu, the field %s, found it empty", field->column + 1,
                     bki_quote(name, (bki_str){field->name, strlen(field->name)}));
}

static size_t columns_needed(const bki_layout *layout) {
  const bki_field *fields[] = {&layout->text, &layout->label, &layout->id};
  size_t need = 0;
  for (size_t i = 0; i < 3; i++) {
    if (fields[i]->column != BKI_NO_COLUMN && fields[i]->column >= need) {
      need = fields[i]->column + 1;
    }
  }
  return need;
}

static bki_status parse(const bki_layout *layout, const char *file, const bki_raw_record *record, bki_arena *arena,
                        bki_fields *out, bki_error *err) {
  row r = {.column = keep_fields, .layout = layout, .arena = arena};
  BKI_TRY(read_row(&r, file, record, err));
  size_t need = columns_needed(layout);
  if (layout->n_columns > 0 ? r.n_columns != layout->n_columns : r.n_columns < need) {
    return bki_fail_at(err, BKI_E_DATA, file, record->line, record->byte, "expected %s%zu columns, found %zu",
                       layout->n_columns > 0 ? "" : "at least ", layout->n_columns > 0 ? layout->n_columns : need,
                       r.n_columns);
  }
  BKI_TRY(check_present(file, record, &layout->label, r.fields.label, err));
  BKI_TRY(check_present(file, record, &layout->id, r.fields.id, err));
  *out = r.fields;
  return BKI_OK;
}

/* A record that is written again. */
typedef struct rewriting {
  row row; /* first: callbacks get a pointer to it */
  const bki_fields *changes;
  bki_strbuf *out;
  bool impossible;
} rewriting;

static void write_value(rewriting *w, bki_str value) {
  const bki_layout *layout = w->row.layout;
  /* Without quotes a carriage return that is there already may stay: it ends nothing. */
  const char special[] = {layout->delimiter, '\n', layout->quotes ? '\r' : '\n', layout->quotes ? '"' : '\n'};
  bool plain = true;
  for (size_t i = 0; i < value.size; i++) {
    plain = plain && memchr(special, value.data[i], sizeof special) == NULL;
  }
  if (plain) {
    bki_strbuf_add(w->out, value.data, value.size);
    return;
  }
  w->impossible |= !layout->quotes;
  bki_strbuf_add_text(w->out, "\"");
  for (size_t i = 0; i < value.size; i++) {
    bki_strbuf_add(w->out, value.data[i] == '"' ? "\"\"" : value.data + i, value.data[i] == '"' ? 2 : 1);
  }
  bki_strbuf_add_text(w->out, "\"");
}

static void rewrite_column(row *r, size_t index, bki_str value) {
  rewriting *w = (rewriting *)r;
  const bki_layout *layout = r->layout;
  const bki_field *const fields[] = {&layout->text, &layout->label, &layout->id};
  const bki_str values[] = {w->changes->text, w->changes->label, w->changes->id};
  for (size_t i = 0; i < 3; i++) {
    if (fields[i]->column == index && values[i].data != NULL) {
      value = values[i];
    }
  }
  bki_strbuf_add(w->out, &layout->delimiter, index > 0 ? 1 : 0);
  write_value(w, value);
}

static bki_status check_columns(const bki_layout *layout, const char *file, const bki_raw_record *record,
                                const bki_fields *changes, bki_error *err) {
  const bki_field *const fields[] = {&layout->text, &layout->label, &layout->id};
  const bki_str values[] = {changes->text, changes->label, changes->id};
  for (size_t i = 0; i < 3; i++) {
    if (values[i].data != NULL && fields[i]->column == BKI_NO_COLUMN) {
      char name[BKI_QUOTE_SIZE];
      bki_quote(name, (bki_str){fields[i]->name, strlen(fields[i]->name)});
      return bki_fail_at(err, BKI_E_DATA, file, record->line, record->byte,
                         "there is no column for the field %s, which was to be changed", name);
    }
  }
  return BKI_OK;
}

static bki_status rewrite(const bki_layout *layout, const char *file, const bki_raw_record *record,
                          const bki_fields *changes, bki_arena *arena, bki_str *out, bki_error *err) {
  BKI_TRY(check_columns(layout, file, record, changes, err));
  bki_strbuf written = {0};
  rewriting w = {.row = {.column = rewrite_column, .layout = layout}, .changes = changes, .out = &written};
  bki_status status = read_row(&w.row, file, record, err);
  if (status == BKI_OK && w.impossible) {
    status = bki_fail_at(err, BKI_E_DATA, file, record->line, record->byte,
                         "expected a value without tabs and line ends, as this format has no quotes");
  }
  if (status != BKI_OK) {
    bki_strbuf_clear(&written);
    return status;
  }
  return bki_reader_finish(&written, record->raw, arena, out, err);
}

enum { FIELD_START, UNQUOTED, QUOTED, AFTER_QUOTE };

/* Agrees with what libcsv accepts. What it refuses ends at the next line end that is not inside quotes, so that a bad
 * record costs no good ones. */
static size_t split(const bki_layout *layout, bki_split_state *state, bki_str bytes) {
  if (!layout->quotes) {
    const char *end = memchr(bytes.data, '\n', bytes.size);
    return end == NULL ? 0 : (size_t)(end - bytes.data) + 1;
  }
  int now = *state;
  for (size_t i = 0; i < bytes.size; i++) {
    if (now == QUOTED) {
      const char *quote = memchr(bytes.data + i, '"', bytes.size - i);
      if (quote == NULL) {
        break;
      }
      i = (size_t)(quote - bytes.data);
      now = AFTER_QUOTE;
      continue;
    }
    char c = bytes.data[i];
    if (c == '\n') {
      return i + 1;
    }
    if (c == '"' && now != UNQUOTED) {
      now = QUOTED;
    } else {
      now = c == layout->delimiter ? FIELD_START : UNQUOTED;
    }
  }
  *state = now;
  return 0;
}

static bool is_blank(bki_str raw) {
  return without_line_ending(raw).size == 0;
}

static bool probe_any(bki_str head) {
  (void)head;
  return true;
}

static bool probe_tab(bki_str head) {
  const char *end = memchr(head.data, '\n', head.size);
  return memchr(head.data, '\t', end == NULL ? head.size : (size_t)(end - head.data)) != NULL;
}

bool bki_csv_column_number(const char *name, size_t *column) {
  size_t digits = strspn(name, "0123456789");
  if (digits == 0 || digits > 9 || name[digits] != '\0') {
    return false;
  }
  size_t number = strtoul(name, NULL, 10);
  *column = number - 1;
  return number > 0;
}

/* Which column of a header bears the name of a field. */
typedef struct column_search {
  row row; /* first: callbacks get a pointer to it */
  const char *name;
  size_t column;
  bool twice;
} column_search;

static void match_name(row *r, size_t index, bki_str value) {
  column_search *search = (column_search *)r;
  bki_name_list_add(r->names, value);
  if (search->name != NULL && strlen(search->name) == value.size && memcmp(search->name, value.data, value.size) == 0) {
    search->twice = search->column != BKI_NO_COLUMN;
    search->column = index;
  }
}

static bki_status bind_field(bki_layout *layout, bki_field *field, const char *file, const bki_raw_record *header,
                             bki_error *err) {
  bki_name_list names = {.size = 0};
  column_search search = {.row = {.column = match_name, .layout = layout, .names = &names}, .column = BKI_NO_COLUMN};
  size_t number;
  bool by_number = bki_csv_column_number(field->name, &number);
  search.name = by_number ? NULL : field->name;
  BKI_TRY(read_row(&search.row, file, header, err));
  layout->n_columns = search.row.n_columns;
  field->column = by_number ? number : search.column;
  char name[BKI_QUOTE_SIZE];
  bki_quote(name, (bki_str){field->name, strlen(field->name)});
  if (search.twice) {
    return bki_fail_at(err, BKI_E_DATA, file, header->line, header->byte, "expected one column %s, found several",
                       name);
  }
  bool there = by_number ? field->column < layout->n_columns : field->column != BKI_NO_COLUMN;
  if (!there && field->required) {
    return bki_fail_at(err, BKI_E_DATA, file, header->line, header->byte, "expected a column %s, found %s", name,
                       names.text);
  }
  return BKI_OK;
}

bki_status bki_csv_bind_header(bki_layout *layout, const char *file, const bki_raw_record *header, bki_error *err) {
  BKI_TRY(bind_field(layout, &layout->text, file, header, err));
  BKI_TRY(bind_field(layout, &layout->label, file, header, err));
  return bind_field(layout, &layout->id, file, header, err);
}

static bki_status bind_number(bki_field *field, bki_error *err) {
  if (!field->required) { /* a default name: without a header it names nothing */
    field->column = BKI_NO_COLUMN;
    return BKI_OK;
  }
  if (!bki_csv_column_number(field->name, &field->column)) {
    char name[BKI_QUOTE_SIZE];
    return bki_fail(err, BKI_E_USAGE, "expected the number of a column, as there is no header, found the name %s",
                    bki_quote(name, (bki_str){field->name, strlen(field->name)}));
  }
  return BKI_OK;
}

bki_status bki_csv_bind_numbers(bki_layout *layout, const char *file, const bki_raw_record *first, bki_error *err) {
  BKI_TRY(bind_number(&layout->text, err));
  BKI_TRY(bind_number(&layout->label, err));
  BKI_TRY(bind_number(&layout->id, err));
  row r = {.layout = layout};
  bki_status status = first->raw.size == 0 ? BKI_E_DATA : read_row(&r, file, first, NULL);
  layout->n_columns = status == BKI_OK ? r.n_columns : 0;
  size_t need = columns_needed(layout);
  if (status == BKI_OK && r.n_columns < need) {
    return bki_fail_at(err, BKI_E_DATA, file, first->line, first->byte, "expected at least %zu columns, found %zu",
                       need, r.n_columns);
  }
  return status == BKI_E_INTERNAL ? bki_fail_memory(err) : BKI_OK;
}

const bki_reader bki_reader_csv = {
    .format = BKI_FORMAT_CSV,
    .name = "CSV",
    .suffixes = {".csv"},
    .delimiter = ',',
    .probe = probe_any,
    .split = split,
    .is_blank = is_blank,
    .parse = parse,
    .rewrite = rewrite,
};

const bki_reader bki_reader_tsv = {
    .format = BKI_FORMAT_TSV,
    .name = "TSV",
    .suffixes = {".tsv", ".tab"},
    .delimiter = '\t',
    .probe = probe_tab,
    .split = split,
    .is_blank = is_blank,
    .parse = parse,
    .rewrite = rewrite,
};
