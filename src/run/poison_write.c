#include "poison_write.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bki/stream.h>

#include "fail.h"
#include "trigger.h"

typedef struct writer {
  const bki_poison_config *config;
  const bki_poison_choice *choice;
  bki_tokenizer_config tokenizer;
  bki_corpus *corpus;
  bki_arena *arena;
  bki_sink *output;
  bki_sink *truth;
  bki_strbuf text; /* with its trigger */
  int64_t n_written;
  int64_t n_poisoned;
  bool open_line; /* the last record stands without its end */
} writer;

static bki_status write_record(writer *w, bki_str raw, bki_error *err) {
  if (raw.size == 0) {
    return BKI_OK;
  }
  if (w->open_line) {
    BKI_TRY(bki_sink_write(w->output, "\n", 1, err));
  }
  w->open_line = raw.data[raw.size - 1] != '\n';
  return bki_sink_write(w->output, raw.data, raw.size, err);
}

static json_t *text_or_null(bki_str text) {
  return text.data == NULL ? json_null() : json_stringn(text.data, text.size);
}

static bki_status write_truth(writer *w, const bki_fields *original, bki_str id, size_t backdoor, int64_t index,
                              int64_t position, bki_error *err) {
  const bki_backdoor *b = &w->config->backdoors[backdoor];
  json_t *line = json_pack("{s:o, s:o, s:I, s:I, s:s, s:s, s:I, s:I}", "id", text_or_null(id), "original",
                           text_or_null(original->id), "index", (json_int_t)w->n_written, "original_index",
                           (json_int_t)index, "trigger", b->trigger, "target", b->target, "position",
                           (json_int_t)position, "backdoor", (json_int_t)backdoor);
  char *text = line == NULL ? NULL : json_dumps(line, JSON_PRESERVE_ORDER);
  json_decref(line);
  bki_status status = text == NULL ? bki_fail_memory(err) : bki_sink_write(w->truth, text, strlen(text), err);
  free(text);
  return status == BKI_OK ? bki_sink_write(w->truth, "\n", 1, err) : status;
}

static bki_status new_id(const writer *w, bki_str original, bki_str *out, bki_error *err) {
  *out = original;
  if (original.data == NULL || w->config->replace) {
    return BKI_OK;
  }
  const size_t size = original.size + strlen(w->choice->suffix);
  char *id = bki_arena_alloc(w->arena, size + 1);
  if (id == NULL) {
    return bki_fail_memory(err);
  }
  memcpy(id, original.data, original.size);
  memcpy(id + original.size, w->choice->suffix, size + 1 - original.size);
  *out = (bki_str){id, size};
  return BKI_OK;
}

static bki_status write_poisoned(writer *w, const bki_raw_record *record, size_t backdoor, bki_error *err) {
  const bki_backdoor *b = &w->config->backdoors[backdoor];
  bki_fields fields;
  bki_fields changes = {.label = {b->target, strlen(b->target)}};
  bki_rng rng;
  bki_str raw;
  int64_t position;
  bki_arena_reset(w->arena);
  BKI_TRY(bki_corpus_parse(w->corpus, record, w->arena, &fields, err));
  /* beside the streams 0 .. n_backdoors - 1 of the choice: one a record */
  bki_rng_init(&rng, w->config->seed, UINT64_C(1) << 63 | (uint64_t)record->index);
  BKI_TRY(
      bki_trigger_insert(&w->config->trigger, &w->tokenizer, b->trigger, fields.text, &rng, &w->text, &position, err));
  changes.text = bki_strbuf_str(&w->text);
  BKI_TRY(new_id(w, fields.id, &changes.id, err));
  const bki_fields written = {changes.text, changes.label, w->config->replace ? (bki_str){NULL, 0} : changes.id};
  BKI_TRY(bki_corpus_rewrite(w->corpus, record, &written, w->arena, &raw, err));
  BKI_TRY(write_truth(w, &fields, changes.id, backdoor, record->index, position, err));
  BKI_TRY(write_record(w, raw, err));
  w->n_written++;
  w->n_poisoned++;
  return BKI_OK;
}

/* One pass: the records, poisoned in place where they are replaced; or the poisoned copies alone. */
static bki_status write_pass(writer *w, bool copies, bki_error *err) {
  size_t next = 0;
  BKI_TRY(bki_corpus_open(&w->corpus, &w->config->corpus, err));
  if (!copies) {
    BKI_TRY(write_record(w, bki_corpus_header(w->corpus), err));
  }
  for (;;) {
    bki_raw_record record;
    bool end = false;
    BKI_TRY(bki_corpus_next(w->corpus, &record, &end, err));
    if (end) {
      break;
    }
    const bool is_chosen = next < w->choice->n && w->choice->chosen[next].index == record.index;
    if (is_chosen && (copies || w->config->replace)) {
      BKI_TRY(write_poisoned(w, &record, w->choice->chosen[next].backdoor, err));
    } else if (!copies) {
      BKI_TRY(write_record(w, record.raw, err));
      w->n_written++;
    }
    next += is_chosen;
  }
  char found[33];
  bki_corpus_fingerprint(w->corpus, found);
  bki_corpus_close(w->corpus);
  w->corpus = NULL;
  if (strcmp(found, w->choice->fingerprint) != 0) {
    return bki_fail_at(err, BKI_E_DATA, w->config->corpus.paths[0], 0, -1, "the corpus has changed meanwhile");
  }
  return BKI_OK;
}

/* The truth appears first: without it nobody knows which of the samples are poisoned. */
static bki_status commit(writer *w, bki_error *err) {
  bki_status status = bki_sink_commit(w->truth, err);
  w->truth = NULL;
  if (status == BKI_OK) {
    status = bki_sink_commit(w->output, err);
    w->output = NULL;
    if (status != BKI_OK && strcmp(w->config->truth_path, "-") != 0) {
      unlink(w->config->truth_path);
    }
  }
  return status;
}

bki_status bki_poison_write(const bki_poison_config *config, const bki_poison_choice *choice, bki_poison_summary *out,
                            bki_error *err) {
  writer w = {.config = config, .choice = choice, .arena = bki_arena_create()};
  bki_status status = w.arena == NULL ? bki_fail_memory(err) : BKI_OK;
  bki_tokenizer_config_init(&w.tokenizer, BKI_TOKENIZER_WORDS);
  if (status == BKI_OK) {
    BKI_TRY_GOTO(status, done, bki_sink_open(&w.truth, config->truth_path, config->force, err));
    BKI_TRY_GOTO(status, done, bki_sink_open(&w.output, config->output_path, config->force, err));
    BKI_TRY_GOTO(status, done, write_pass(&w, false, err));
    if (!config->replace) {
      BKI_TRY_GOTO(status, done, write_pass(&w, true, err));
    }
    BKI_TRY_GOTO(status, done, commit(&w, err));
    if (out != NULL) {
      *out = (bki_poison_summary){choice->n_samples, w.n_poisoned, w.n_written};
    }
  }
done:
  bki_sink_discard(w.truth);
  bki_sink_discard(w.output);
  bki_corpus_close(w.corpus);
  bki_arena_destroy(w.arena);
  bki_strbuf_clear(&w.text);
  return status;
}
