/* A record that can be parsed can be written with other fields, and is then a record of the same corpus with those
 * fields. The first byte chooses the settings, bit by bit. */
#include <bki/corpus.h>

#include "fuzz.h"

static bool is_same(bki_str a, bki_str b) {
  return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static bool reads_as(bki_str found, bki_str original, bki_str change) {
  return is_same(found, change.data != NULL ? change : original);
}

static void check_record(const bki_corpus *corpus, const bki_raw_record *record, const bki_fields *changes,
                         bki_arena *arena) {
  bki_fields fields;
  bki_fields again;
  bki_str out;
  bki_error err;
  bki_fields used = *changes;
  if (bki_corpus_parse(corpus, record, arena, &fields, NULL) != BKI_OK) {
    require(bki_corpus_rewrite(corpus, record, changes, arena, &out, &err) == BKI_E_DATA, "a bad record is rewritten");
    return;
  }
  used.label = fields.label.data == NULL ? (bki_str){NULL, 0} : used.label; /* there may be no column for it */
  used.id = fields.id.data == NULL ? (bki_str){NULL, 0} : used.id;
  bki_status status = bki_corpus_rewrite(corpus, record, &used, arena, &out, &err);
  require(status == BKI_OK, "a good record cannot be rewritten");
  const bki_raw_record rewritten = {.index = record->index, .line = 1, .path = record->path, .raw = out};
  require(bki_corpus_parse(corpus, &rewritten, arena, &again, &err) == BKI_OK, "a rewritten record is bad");
  require(reads_as(again.text, fields.text, used.text), "a rewritten text is another one");
  require(reads_as(again.label, fields.label, used.label), "a rewritten label is another one");
  require(reads_as(again.id, fields.id, used.id), "a rewritten id is another one");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0 || is_compressed(data + 1, size - 1)) {
    return 0;
  }
  static const bki_format formats[] = {BKI_FORMAT_JSONL, BKI_FORMAT_CSV, BKI_FORMAT_TSV, BKI_FORMAT_TSV};
  const unsigned bits = data[0];
  const char *path = path_of_bytes(data + 1, size - 1);
  const bki_fields changes = {.text = {bits & 16 ? "a \"b\", <c>" : "", bits & 16 ? 10 : 0},
                              .label = {bits & 32 ? "-7" : "n,\"", bits & 32 ? 2 : 3},
                              .id = {bits & 64 ? "12-poisoned" : NULL, bits & 64 ? 11 : 0}};
  bki_corpus_config config;
  bki_corpus_config_init(&config);
  config.paths = &path;
  config.n_paths = 1;
  config.format = formats[bits & 3];
  config.quoting = (bits & 3) == 3 ? BKI_QUOTING_DOUBLE : BKI_QUOTING_AUTO;
  config.max_record_bytes = 1000;
  if (bits & 8 && config.format != BKI_FORMAT_JSONL) {
    config.text_field = "1";
    config.label_field = "2";
  }
  bki_corpus *corpus;
  bki_error err;
  if (bki_corpus_open(&corpus, &config, &err) != BKI_OK) {
    return 0;
  }
  bki_arena *arena = bki_arena_create();
  for (;;) {
    bki_raw_record record;
    bool end;
    require(bki_corpus_next(corpus, &record, &end, &err) == BKI_OK, "next fails on plain bytes");
    if (end) {
      break;
    }
    check_record(corpus, &record, &changes, arena);
    bki_arena_reset(arena);
  }
  bki_arena_destroy(arena);
  bki_corpus_close(corpus);
  return 0;
}
