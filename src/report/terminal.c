#include "terminal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <uniwidth.h>

#include <bki/text.h>

#include "array.h"
#include "escape.h"
#include "strbuf.h"

enum { MAX_WORD_BYTES = 100 };

static int width_of(const bki_strbuf *text) {
  return text->size == 0 ? 0 : u8_width((const uint8_t *)text->data, text->size, "UTF-8");
}

/* A word may have as many bytes as a record: what is shown of it ends before a character that does not fit. */
static void add_word(bki_strbuf *out, bki_str word) {
  bki_str head = bki_text_head(word, MAX_WORD_BYTES);
  bki_escape(out, head, false);
  if (head.size < word.size) {
    bki_strbuf_add_text(out, "...");
  }
}

/* Prints and releases. */
static int print_safe(FILE *out, bki_strbuf *safe) {
  int width = safe->failed ? 0 : width_of(safe);
  if (safe->failed) {
    fputs("?", out);
  } else if (safe->size > 0) {
    fwrite(safe->data, 1, safe->size, out);
  }
  bki_strbuf_clear(safe);
  return width;
}

int bki_print_text(FILE *out, bki_str text) {
  bki_strbuf safe = {0};
  bki_escape(&safe, text, false);
  return print_safe(out, &safe);
}

int bki_print_word(FILE *out, bki_str word) {
  bki_strbuf safe = {0};
  add_word(&safe, word);
  return print_safe(out, &safe);
}

void bki_print_message(FILE *out, const char *message) {
  bki_strbuf safe = {0};
  bki_escape(&safe, (bki_str){message, strlen(message)}, true);
  print_safe(out, &safe);
}

struct bki_table {
  const char *align;
  bki_strbuf *cells;
  size_t n;
  size_t capacity;
  bool failed;
};

bki_table *bki_table_create(const char *align) {
  bki_table *table = bki_array_create(1, sizeof *table);
  if (table != NULL) {
    table->align = align;
  }
  return table;
}

void bki_table_destroy(bki_table *table) {
  if (table == NULL) {
    return;
  }
  for (size_t i = 0; i < table->n; i++) {
    bki_strbuf_clear(&table->cells[i]);
  }
  free(table->cells);
  free(table);
}

static bki_strbuf *add_cell(bki_table *table) {
  if (bki_array_reserve(&table->cells, &table->capacity, table->n + 1, sizeof *table->cells, NULL) != BKI_OK) {
    table->failed = true;
    return NULL;
  }
  table->cells[table->n] = (bki_strbuf){0};
  return &table->cells[table->n++];
}

void bki_table_add(bki_table *table, const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  bki_strbuf *cell = add_cell(table);
  if (cell != NULL) {
    bki_strbuf_add_text(cell, text);
  }
}

void bki_table_add_text(bki_table *table, bki_str text) {
  bki_strbuf *cell = add_cell(table);
  if (cell != NULL) {
    bki_escape(cell, text, false);
  }
}

void bki_table_add_word(bki_table *table, bki_str word) {
  bki_strbuf *cell = add_cell(table);
  if (cell != NULL) {
    add_word(cell, word);
  }
}

bool bki_table_print(const bki_table *table, FILE *out) {
  size_t columns = strlen(table->align);
  int *widths = bki_array_create(columns, sizeof *widths);
  bool ok = widths != NULL && !table->failed;
  for (size_t i = 0; ok && i < table->n; i++) {
    int width = width_of(&table->cells[i]);
    ok = !table->cells[i].failed;
    widths[i % columns] = width > widths[i % columns] ? width : widths[i % columns];
  }
  for (size_t i = 0; ok && i < table->n; i++) {
    const bki_strbuf *cell = &table->cells[i];
    size_t column = i % columns;
    bool last = column + 1 == columns;
    int pad = widths[column] - width_of(cell);
    bool right = table->align[column] == 'r';
    const char *text = cell->size == 0 ? "" : cell->data;
    fprintf(out, "%*s%s%*s%s", right ? pad : 0, "", text, right || last ? 0 : pad, "", last ? "\n" : "  ");
  }
  free(widths);
  return ok;
}

void bki_format_duration(char *buf, size_t size, double seconds) {
  long long s = (long long)(seconds + 0.5);
  if (s < 120) {
    snprintf(buf, size, "%lld s", s);
  } else if (s < 7200) {
    snprintf(buf, size, "%lld min", s / 60);
  } else if (s < 48 * 3600) {
    snprintf(buf, size, "%lld h %lld min", s / 3600, s % 3600 / 60);
  } else {
    snprintf(buf, size, "%lld d %lld h", s / 86400, s % 86400 / 3600);
  }
}

/* 1234567 as "1.23 M". */
static void format_scaled(char *buf, size_t size, double value) {
  static const char *const units[] = {"", " k", " M", " G", " T"};
  size_t i = 0;
  while (value >= 999.5 && i + 1 < sizeof units / sizeof *units) {
    value /= 1000;
    i++;
  }
  snprintf(buf, size, "%.3g%s", value, units[i]);
}

void bki_format_progress(char *buf, size_t size, const bki_progress *progress) {
  char done[64];
  if (progress->bytes_total > 0) {
    snprintf(done, sizeof done, "%.1f %%", 100.0 * (double)progress->bytes_done / (double)progress->bytes_total);
  } else {
    snprintf(done, sizeof done, "%.1f MB", (double)progress->bytes_done / 1e6);
  }
  if (progress->judging) {
    snprintf(buf, size, "judging: %lld samples", (long long)progress->n_samples);
    return;
  }
  if (progress->surveying) {
    snprintf(buf, size, "reading: %s, %lld records", done, (long long)progress->n_records);
    return;
  }
  double work = (double)(progress->work_done - progress->work_done_before);
  double samples = (double)(progress->n_samples - progress->samples_before);
  double seconds = progress->seconds > 0 ? progress->seconds : 1;
  char left[48] = "";
  char rate[32];
  format_scaled(rate, sizeof rate, work / seconds);
  if (progress->work_total >= 0) {
    double total = progress->work_total > 0 ? (double)progress->work_total : 1;
    double share = progress->work_total > 0 ? (double)progress->work_done / total : 1;
    snprintf(done, sizeof done, "%.1f %% of the work", 100 * share);
    if (work > 0) {
      char time[32];
      bki_format_duration(time, sizeof time, (total - (double)progress->work_done) * seconds / work);
      snprintf(left, sizeof left, ", %s left", time);
    }
  }
  snprintf(buf, size, "%s, %s row-steps/s, %.3g samples/s, %lld records%s", done, rate, samples / seconds,
           (long long)progress->n_records, left);
}
