#include <bki/evidence.h>

#include <stdlib.h>
#include <string.h>

#include <bki/scan.h>

#include "array.h"
#include "evidence_internal.h"
#include "fail.h"
#include "store_internal.h"
#include "strbuf.h"

enum { MAX_TEXTS = 100 * 1000, MAX_CANDIDATES = 1000, MAX_BACKDOORS = 1000 };

void bki_evidence_config_init(bki_evidence_config *config) {
  *config = (bki_evidence_config){.n_candidates = 20, .n_texts = 200, .max_backdoors = 16, .seed = 1};
  bki_rule_init(&config->rule, BKI_PRESET_PAPER);
}

bki_status bki_evidence_config_check(const bki_evidence_config *config, bki_error *err) {
  BKI_TRY(bki_rule_check(&config->rule, err));
  const struct {
    const char *what;
    int32_t found;
    int32_t min;
    int32_t max;
  } numbers[] = {{"candidates", config->n_candidates, 1, MAX_CANDIDATES},
                 {"texts of a test", config->n_texts, 20, MAX_TEXTS},
                 {"backdoors at most", config->max_backdoors, 1, MAX_BACKDOORS}};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    if (numbers[i].found < numbers[i].min || numbers[i].found > numbers[i].max) {
      return bki_fail(err, BKI_E_USAGE, "evidence: expected %d to %d %s, found %d", numbers[i].min, numbers[i].max,
                      numbers[i].what, numbers[i].found);
    }
  }
  return BKI_OK;
}

bki_status bki_inquiry_check_stop(const bki_inquiry *inquiry, bki_error *err) {
  const bki_evidence_config *config = inquiry->config;
  return config->stop != NULL && config->stop(config->user)
             ? bki_fail(err, BKI_E_INTERRUPTED, "stopped while judging: the same command judges anew")
             : BKI_OK;
}

bki_status bki_inquiry_each(const bki_inquiry *inquiry, bki_inquiry_fn fn, void *user, bki_error *err) {
  bki_store_cursor *cursor;
  bki_status status;
  size_t next = 0;
  BKI_TRY(bki_store_cursor_open(&cursor, inquiry->store, 0, err));
  for (int64_t i = 0;; i++) {
    bki_sample sample;
    bool end;
    if (i % 1024 == 0) {
      BKI_TRY_GOTO(status, done, bki_inquiry_check_stop(inquiry, err));
    }
    BKI_TRY_GOTO(status, done, bki_store_cursor_next(cursor, &sample, &end, err));
    if (end) {
      break;
    }
    while (next < inquiry->n_taken && inquiry->taken[next].index < sample.index) {
      next++;
    }
    if (next == inquiry->n_taken || inquiry->taken[next].index != sample.index) {
      BKI_TRY_GOTO(status, done, fn(user, &sample, err));
    }
  }
done:
  bki_store_cursor_close(cursor);
  return status;
}

static bool is_case(const bki_case *c, const int32_t *words, int32_t n_words, int32_t target) {
  return c->target == target && c->n_words == n_words && memcmp(c->words, words, (size_t)n_words * sizeof *words) == 0;
}

bki_status bki_inquiry_add_case(bki_inquiry *inquiry, const int32_t *words, int32_t n_words, int32_t target,
                                size_t *out, bool *added, bki_error *err) {
  *added = false;
  for (size_t i = 0; i < inquiry->n_cases; i++) {
    if (is_case(&inquiry->cases[i], words, n_words, target)) {
      *out = i;
      return BKI_OK;
    }
  }
  bki_strbuf text = {0};
  for (int32_t i = 0; i < n_words; i++) {
    bki_str word = bki_lexicon_word(&inquiry->lexicon, words[i]);
    bki_strbuf_add(&text, " ", i > 0);
    bki_strbuf_add(&text, word.data, word.size);
    if (text.size > BKI_MAX_PHRASE_BYTES) {
      bki_strbuf_clear(&text);
      return BKI_OK;
    }
  }
  bki_status status = text.failed ? bki_fail_memory(err)
                                  : bki_array_reserve(&inquiry->cases, &inquiry->cases_capacity, inquiry->n_cases + 1,
                                                      sizeof *inquiry->cases, err);
  bki_case c = {.n_words = n_words, .target = target, .round = inquiry->round};
  if (status == BKI_OK) {
    memcpy(c.words, words, (size_t)n_words * sizeof *words);
    c.phrase = (bki_str){bki_arena_copy(inquiry->arena, text.data, text.size), text.size};
    status = c.phrase.data == NULL ? bki_fail_memory(err) : BKI_OK;
  }
  bki_strbuf_clear(&text);
  BKI_TRY(status);
  *out = inquiry->n_cases;
  *added = true;
  inquiry->cases[inquiry->n_cases++] = c;
  return BKI_OK;
}

static bki_status open_inquiry(bki_inquiry *inquiry, bki_error *err) {
  BKI_TRY(bki_evidence_config_check(inquiry->config, err));
  BKI_TRY(bki_scan_check_rule(inquiry->store, &inquiry->config->rule, err));
  const char *scanned = bki_store_setting(inquiry->store, "model_fingerprint");
  const char *given = bki_model_fingerprint(inquiry->model);
  if (scanned == NULL || strcmp(scanned, given) != 0) {
    return bki_fail_at(err, BKI_E_USAGE, inquiry->store->path, 0, -1,
                       "the store is of another model: it has fingerprint %s, found %s",
                       scanned == NULL ? "none" : scanned, given);
  }
  int32_t n_classes = bki_model_get_config(inquiry->model)->n_classes;
  inquiry->n_classes = bki_store_n_classes(inquiry->store);
  if (inquiry->n_classes != n_classes) {
    return bki_store_damaged(inquiry->store, err, "expected the %d classes of the model, found %d", n_classes,
                             inquiry->n_classes);
  }
  inquiry->class_counts = bki_array_create((size_t)inquiry->n_classes, sizeof *inquiry->class_counts);
  inquiry->arena = bki_arena_create();
  return inquiry->class_counts == NULL || inquiry->arena == NULL ? bki_fail_memory(err)
                                                                 : bki_lexicon_init(&inquiry->lexicon, err);
}

/* Hands what was found over to *out, and frees the rest. */
static bki_status close_inquiry(bki_inquiry *inquiry, bki_evidence *out, bki_status status) {
  bki_evidence *found = &inquiry->found;
  found->n_rounds = inquiry->round;
  found->n_candidates = inquiry->n_candidates;
  found->n_phrases = (int64_t)inquiry->n_cases;
  found->n_texts = inquiry->n_texts;
  found->samples = inquiry->taken;
  found->n_flagged = inquiry->n_taken;
  found->arena = inquiry->arena;
  for (size_t i = 0; i < inquiry->n_cases; i++) {
    bki_bottom_k_clear(&inquiry->cases[i].exact);
  }
  free(inquiry->cases);
  free(inquiry->class_counts);
  bki_lexicon_clear(&inquiry->lexicon);
  bki_dictionary_destroy(inquiry->dictionary);
  if (status == BKI_OK) {
    *out = *found;
  } else {
    bki_evidence_clear(found);
  }
  return status;
}

bki_status bki_evidence_run(bki_evidence *out, bki_store *store, const bki_model *model, bki_scorer *scorer,
                            const bki_evidence_config *config, bki_error *err) {
  bki_inquiry inquiry = {.config = config, .store = store, .model = model, .scorer = scorer};
  bool again = true;
  bki_status status;
  BKI_TRY_GOTO(status, done, open_inquiry(&inquiry, err));
  while (again) {
    BKI_TRY_GOTO(status, done, bki_inquiry_run_round(&inquiry, &again, err));
  }
  BKI_TRY_GOTO(status, done, bki_inquiry_list_remaining(&inquiry, err));
  BKI_TRY_GOTO(status, done, bki_inquiry_compare_flips(&inquiry, err));
done:
  return close_inquiry(&inquiry, out, status);
}

bki_status bki_evidence_verify(bki_evidence *out, bki_store *store, const bki_model *model, bki_scorer *scorer,
                               const bki_evidence_config *config, bki_str phrase, int32_t target, bki_error *err) {
  bki_inquiry inquiry = {.config = config, .store = store, .model = model, .scorer = scorer};
  bki_status status;
  BKI_TRY_GOTO(status, done, open_inquiry(&inquiry, err));
  BKI_TRY_GOTO(status, done, bki_inquiry_name_phrase(&inquiry, phrase, target, err));
  BKI_TRY_GOTO(status, done, bki_inquiry_count_carriers(&inquiry, err));
  BKI_TRY_GOTO(status, done, bki_inquiry_run_trials(&inquiry, err));
  bki_inquiry_judge(&inquiry);
  BKI_TRY_GOTO(status, done, bki_inquiry_add_finding(&inquiry, &inquiry.cases[0], true, err));
  BKI_TRY_GOTO(status, done, bki_inquiry_compare_flips(&inquiry, err));
done:
  return close_inquiry(&inquiry, out, status);
}
