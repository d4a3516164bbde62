#include "reader.h"

#include <string.h>
#include <strings.h>

#include "fail.h"

/* CSV last: its probe takes any text. */
static const bki_reader *const readers[] = {&bki_reader_jsonl, &bki_reader_tsv, &bki_reader_csv};
enum { N_READERS = sizeof readers / sizeof readers[0] };

static bool ends_with(const char *text, size_t size, const char *end) {
  size_t k = strlen(end);
  return size >= k && strncasecmp(text + size - k, end, k) == 0;
}

const bki_reader *bki_reader_by_name(const char *path) {
  size_t size = strlen(path);
  if (ends_with(path, size, ".gz")) {
    size -= 3;
  } else if (ends_with(path, size, ".zst")) {
    size -= 4;
  }
  for (size_t i = 0; i < N_READERS; i++) {
    for (size_t k = 0; readers[i]->suffixes[k] != NULL; k++) {
      if (ends_with(path, size, readers[i]->suffixes[k])) {
        return readers[i];
      }
    }
  }
  return NULL;
}

const bki_reader *bki_reader_by_format(bki_format format) {
  for (size_t i = 0; i < N_READERS; i++) {
    if (readers[i]->format == format) {
      return readers[i];
    }
  }
  return NULL;
}

const bki_reader *bki_reader_by_content(bki_str head) {
  size_t i = 0;
  while (i + 1 < N_READERS && !readers[i]->probe(head)) {
    i++;
  }
  return readers[i];
}

void bki_name_list_add(bki_name_list *list, bki_str name) {
  char quoted[BKI_QUOTE_SIZE];
  const char *piece = bki_quote(quoted, name);
  const char *separator = list->size == 0 ? "" : ", ";
  size_t need = strlen(separator) + strlen(piece);
  const size_t room = sizeof list->text - sizeof ", ...";
  if (list->size + need > room) {
    piece = "...";
    need = strlen(separator) + strlen(piece);
    if (list->size > room || strcmp(list->text + list->size - 3, piece) == 0) {
      return;
    }
  }
  strcpy(list->text + list->size, separator);
  strcat(list->text + list->size, piece);
  list->size += need;
}

bki_status bki_reader_finish(bki_strbuf *written, bki_str raw, bki_arena *arena, bki_str *out, bki_error *err) {
  const bool lf = raw.size > 0 && raw.data[raw.size - 1] == '\n';
  const bool crlf = lf && raw.size > 1 && raw.data[raw.size - 2] == '\r';
  bki_strbuf_add_text(written, crlf ? "\r\n" : lf ? "\n" : "");
  char *copy = written->failed ? NULL : bki_arena_copy(arena, written->data, written->size);
  if (copy != NULL) {
    *out = (bki_str){copy, written->size};
  }
  bki_strbuf_clear(written);
  return copy == NULL ? bki_fail_memory(err) : BKI_OK;
}
