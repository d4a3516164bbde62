#include <bki/embeddings.h>

#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <unistr.h>

#include "array.h"
#include "fail.h"
#include "lines.h"
#include "strmap.h"

enum {
  MAX_DIMENSION = BKI_LINE_MAX_BYTES / 2, /* a digit and a space each */
  NUMBER_SIZE = 128,                      /* the longest number, with a NUL */
};

struct bki_embeddings {
  int32_t dimension;   /* d; 0: not yet known */
  bki_strmap *vectors; /* word -> float[d]; made when d is known */
};

typedef struct loader {
  bki_embeddings *embeddings;
  const bki_vocabulary *only;
  int32_t wanted_dimension; /* 0: any */
  locale_t c_locale;        /* the decimal point is a point */
  bki_lines lines;
  float *row; /* [d] */
  bki_error *err;
} loader;

#define FAIL(l, ...) \
  bki_fail_at((l)->err, BKI_E_DATA, bki_stream_name((l)->lines.window.stream), (l)->lines.number, -1, __VA_ARGS__)

static bki_status set_dimension(loader *l, long dimension) {
  if (dimension < 1 || dimension > MAX_DIMENSION) {
    return FAIL(l, "expected a word and 1 to %d numbers, found %ld", MAX_DIMENSION, dimension);
  }
  if (l->wanted_dimension != 0 && dimension != l->wanted_dimension) {
    return FAIL(l, "expected vectors of %d numbers, found %ld", l->wanted_dimension, dimension);
  }
  l->row = bki_array_create((size_t)dimension, sizeof *l->row);
  if (l->row == NULL) {
    return bki_fail_memory(l->err);
  }
  l->embeddings->dimension = (int32_t)dimension;
  return bki_strmap_create(&l->embeddings->vectors, (size_t)dimension * sizeof *l->row, l->err);
}

/* Whether the line is "count dimension", two decimal integers. */
static bool read_header(bki_str line, long *dimension) {
  const char *space = memchr(line.data, ' ', line.size);
  if (space == NULL || space == line.data || line.size > 24) {
    return false;
  }
  for (size_t i = 0; i < line.size; i++) {
    if (!isdigit((unsigned char)line.data[i]) && line.data + i != space) {
      return false;
    }
  }
  char digits[24] = {0};
  memcpy(digits, space + 1, (size_t)(line.data + line.size - space - 1));
  *dimension = strtol(digits, NULL, 10);
  return digits[0] != '\0';
}

static long count_spaces(bki_str line) {
  long n = 0;
  for (size_t i = 0; i < line.size; i++) {
    n += line.data[i] == ' ';
  }
  return n;
}

/* A decimal number within float32's range: no "nan", "inf", hexadecimal or white space, which strtof would take. */
static bool read_number(const loader *l, bki_str field, float *out) {
  char number[NUMBER_SIZE];
  if (field.size == 0 || field.size >= sizeof number) {
    return false;
  }
  for (size_t i = 0; i < field.size; i++) {
    const char c = field.data[i];
    if (!(c >= '0' && c <= '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E') {
      return false;
    }
    number[i] = c;
  }
  number[field.size] = '\0';
  char *end;
  *out = strtof_l(number, &end, l->c_locale);
  return *end == '\0' && isfinite(*out);
}

/* The word in front of the last d fields. One of several parts whose last is a number
 * means a line of too many columns. */
static bki_status read_word(loader *l, bki_str line, bki_str *word) {
  char quoted[BKI_QUOTE_SIZE];
  const int32_t d = l->embeddings->dimension;
  size_t end = line.size;
  for (int32_t i = 0; i < d; i++) {
    const char *space = memrchr(line.data, ' ', end);
    if (space == NULL) {
      return FAIL(l, "expected a word and %d numbers, found %ld columns", d, count_spaces(line) + 1);
    }
    end = (size_t)(space - line.data);
  }
  *word = (bki_str){line.data, end};
  if (end == 0) {
    return FAIL(l, "expected a word in front of %d numbers, found none", d);
  }
  if (u8_check((const uint8_t *)word->data, end) != NULL) {
    return FAIL(l, "expected a word in UTF-8, found %s", bki_quote(quoted, *word));
  }
  const char *space = memrchr(word->data, ' ', end);
  const bki_str last =
      space == NULL ? (bki_str){NULL, 0} : (bki_str){space + 1, (size_t)(word->data + end - space - 1)};
  float number;
  if (space != NULL && (last.size == 0 || word->data[0] == ' ' || read_number(l, last, &number))) {
    return FAIL(l, "expected a word and %d numbers, separated by single spaces, found %ld columns", d,
                count_spaces(line) + 1);
  }
  return BKI_OK;
}

static bki_status read_row(loader *l, bki_str numbers) {
  const char *p = numbers.data;
  const char *end = p + numbers.size;
  for (int32_t i = 0; i < l->embeddings->dimension; i++) {
    const char *space = memchr(p, ' ', (size_t)(end - p));
    const bki_str field = {p, (size_t)((space == NULL ? end : space) - p)};
    if (!read_number(l, field, &l->row[i])) {
      char quoted[BKI_QUOTE_SIZE];
      return FAIL(l, "expected a finite number as number %d of the vector, found %s", i + 1, bki_quote(quoted, field));
    }
    p = space == NULL ? end : space + 1;
  }
  return BKI_OK;
}

static bki_status add_line(loader *l, bki_str line) {
  bki_str word;
  BKI_TRY(read_word(l, line, &word));
  BKI_TRY(read_row(l, (bki_str){line.data + word.size + 1, line.size - word.size - 1}));
  if (l->only != NULL && bki_vocabulary_find(l->only, word) < 0) {
    return BKI_OK;
  }
  float *vector;
  bool added;
  BKI_TRY(bki_strmap_put(l->embeddings->vectors, word, &vector, &added, l->err));
  if (added) {
    memcpy(vector, l->row, (size_t)l->embeddings->dimension * sizeof *vector);
  }
  return BKI_OK;
}

static void trim_end(bki_str *line, char c) {
  if (line->size > 0 && line->data[line->size - 1] == c) {
    line->size--;
  }
}

static bki_status read_lines(loader *l) {
  bki_str line;
  bool found;
  bool any = false;
  for (;;) {
    BKI_TRY(bki_lines_next(&l->lines, &line, &found, l->err));
    if (!found) {
      break;
    }
    trim_end(&line, '\r');
    trim_end(&line, ' '); /* word2vec and fastText write one behind each number */
    if (l->embeddings->dimension == 0) {
      long dimension;
      const bool header = read_header(line, &dimension);
      if (!header) {
        dimension = l->wanted_dimension != 0 ? l->wanted_dimension : count_spaces(line);
      }
      BKI_TRY(set_dimension(l, dimension));
      if (header) {
        continue;
      }
    }
    BKI_TRY(add_line(l, line));
    any = true;
  }
  return any ? BKI_OK : FAIL(l, "expected lines of a word and its vector, found none");
}

bki_status bki_embeddings_load(bki_embeddings **out, const char *path, const bki_vocabulary *only, int32_t dimension,
                               bki_error *err) {
  loader l = {.only = only, .wanted_dimension = dimension, .err = err};
  l.embeddings = bki_array_create(1, sizeof *l.embeddings);
  l.c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  bki_status status =
      l.embeddings == NULL || l.c_locale == (locale_t)0 ? bki_fail_memory(err) : bki_lines_open(&l.lines, path, err);
  if (status == BKI_OK) {
    status = read_lines(&l);
  }
  bki_lines_close(&l.lines);
  free(l.row);
  if (l.c_locale != (locale_t)0) {
    freelocale(l.c_locale);
  }
  if (status != BKI_OK) {
    bki_embeddings_destroy(l.embeddings);
    return status;
  }
  *out = l.embeddings;
  return BKI_OK;
}

void bki_embeddings_destroy(bki_embeddings *embeddings) {
  if (embeddings != NULL) {
    bki_strmap_destroy(embeddings->vectors);
    free(embeddings);
  }
}

int32_t bki_embeddings_dimension(const bki_embeddings *embeddings) {
  return embeddings->dimension;
}

int64_t bki_embeddings_count(const bki_embeddings *embeddings) {
  return (int64_t)bki_strmap_count(embeddings->vectors);
}

const float *bki_embeddings_find(const bki_embeddings *embeddings, bki_str word) {
  return bki_strmap_get(embeddings->vectors, word);
}
