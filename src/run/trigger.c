#include "trigger.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

#include "array.h"
#include "fail.h"

/* A run of text between white space. */
typedef struct run {
  size_t begin;
  size_t end;
  int32_t n_words; /* that the tokenizer sees in it */
} run;

typedef struct runs {
  run *items;
  size_t n;
  size_t capacity;
} runs;

static bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The end of the HTML tag that begins at `at`, or `at` when none does. */
static size_t skip_tag(bki_str text, size_t at) {
  const bool opens =
      at + 1 < text.size && text.data[at] == '<' &&
      (text.data[at + 1] == '/' || ((text.data[at + 1] | 0x20) >= 'a' && (text.data[at + 1] | 0x20) <= 'z'));
  for (size_t i = at + 1; opens && i < text.size && text.data[i] != '<'; i++) {
    if (text.data[i] == '>') {
      return i + 1;
    }
  }
  return at;
}

static size_t find_run_end(bki_str text, size_t at) {
  while (at < text.size && !is_space(text.data[at])) {
    const size_t end = skip_tag(text, at);
    at = end > at ? end : at + 1;
  }
  return at;
}

static bki_status find_runs(runs *out, bki_str text, bki_error *err) {
  for (size_t at = 0;;) {
    while (at < text.size && is_space(text.data[at])) {
      at++;
    }
    if (at == text.size) {
      return BKI_OK;
    }
    BKI_TRY(bki_array_reserve(&out->items, &out->capacity, out->n + 1, sizeof *out->items, err));
    const size_t end = find_run_end(text, at);
    out->items[out->n++] = (run){.begin = at, .end = end};
    at = end;
  }
}

static bki_status count_words(const bki_tokenizer_config *tokenizer, bki_words *words, bki_str text, int32_t *out,
                              bki_error *err) {
  BKI_TRY(bki_tokenizer_split(tokenizer, text, words, err));
  *out = words->n_words;
  return BKI_OK;
}

/* Gaps first .. last keep the whole trigger; gap i stands behind i runs. */
typedef struct gaps {
  size_t first;
  size_t last;
} gaps;

/* Narrows the gaps to those from which no word of the trigger falls out of the window. */
static void apply_window(gaps *g, const bki_trigger_config *config, int64_t n_trigger, const runs *all) {
  int64_t room = config->max_words - n_trigger;
  if (config->keep == BKI_KEEP_TAIL) {
    size_t gap = all->n; /* the words behind it have to fit beside the trigger */
    while (gap > g->first && room - all->items[gap - 1].n_words >= 0) {
      room -= all->items[--gap].n_words;
    }
    g->first = gap;
  } else {
    size_t gap = 0;
    while (gap < g->last && room - all->items[gap].n_words >= 0) {
      room -= all->items[gap++].n_words;
    }
    g->last = gap;
  }
}

static size_t choose_gap(const bki_trigger_config *config, int64_t n_trigger, const runs *all, bki_rng *rng) {
  switch (config->placement) {
    case BKI_PLACEMENT_START: return 0;
    case BKI_PLACEMENT_END: return all->n;
    case BKI_PLACEMENT_FIXED: return (uint64_t)config->position < all->n ? (size_t)config->position : all->n;
    case BKI_PLACEMENT_RANDOM: break;
  }
  const bool whole = config->max_words == 0 || config->keep == BKI_KEEP_TAIL;
  if (all->n < 2) { /* behind the one run, unless the window ends within it */
    return whole || all->n == 0 || all->items[0].n_words + n_trigger <= config->max_words ? all->n : 0;
  }
  gaps g = {1, all->n - 1};
  if (config->max_words > 0) {
    apply_window(&g, config, n_trigger, all);
  }
  if (g.first > g.last) { /* no such gap between two words */
    return config->keep == BKI_KEEP_TAIL ? all->n : 0;
  }
  return g.first + (size_t)bki_rng_below(rng, g.last - g.first + 1);
}

static void write_triggered(bki_strbuf *out, bki_str text, const runs *all, size_t gap, const char *trigger) {
  const size_t at = gap > 0 ? all->items[gap - 1].end : all->n > 0 ? all->items[0].begin : text.size;
  bki_strbuf_truncate(out, 0);
  bki_strbuf_add(out, text.data, at);
  bki_strbuf_add_text(out, gap > 0 ? " " : "");
  bki_strbuf_add_text(out, trigger);
  bki_strbuf_add_text(out, gap == 0 && all->n > 0 ? " " : "");
  bki_strbuf_add(out, text.data + at, text.size - at);
}

bki_status bki_trigger_check(const bki_trigger_config *config, const bki_tokenizer_config *tokenizer,
                             const char *trigger, bki_error *err) {
  const size_t size = strlen(trigger);
  char quoted[BKI_QUOTE_SIZE];
  bki_quote(quoted, (bki_str){trigger, size});
  if (u8_check((const uint8_t *)trigger, size) != NULL) {
    return bki_fail(err, BKI_E_USAGE, "expected a trigger in UTF-8, found %s", quoted);
  }
  if ((unsigned)config->placement > BKI_PLACEMENT_FIXED || config->position < 0 || config->max_words < 0) {
    return bki_fail(err, BKI_E_USAGE, "expected a placement with a position and a window of at least 0 words");
  }
  bki_words words;
  bki_words_init(&words);
  int32_t n = 0;
  bki_status status = count_words(tokenizer, &words, (bki_str){trigger, size}, &n, err);
  bki_words_clear(&words);
  if (status == BKI_OK && n == 0) {
    return bki_fail(err, BKI_E_USAGE, "expected a trigger with at least one word, found %s", quoted);
  }
  if (status == BKI_OK && config->max_words > 0 && n > config->max_words) {
    return bki_fail(err, BKI_E_USAGE, "expected a trigger of at most the %d words that are kept, found %d in %s",
                    config->max_words, n, quoted);
  }
  return status;
}

bki_status bki_trigger_insert(const bki_trigger_config *config, const bki_tokenizer_config *tokenizer,
                              const char *trigger, bki_str text, bki_rng *rng, bki_strbuf *out, int64_t *position,
                              bki_error *err) {
  runs all = {0};
  bki_words words;
  bki_words_init(&words);
  int32_t n_trigger = 0;
  bki_status status;
  BKI_TRY_GOTO(status, done, find_runs(&all, text, err));
  if (config->max_words > 0) {
    BKI_TRY_GOTO(status, done, count_words(tokenizer, &words, (bki_str){trigger, strlen(trigger)}, &n_trigger, err));
    for (size_t i = 0; i < all.n; i++) {
      const bki_str piece = {text.data + all.items[i].begin, all.items[i].end - all.items[i].begin};
      BKI_TRY_GOTO(status, done, count_words(tokenizer, &words, piece, &all.items[i].n_words, err));
    }
  }
  const size_t gap = choose_gap(config, n_trigger, &all, rng);
  write_triggered(out, text, &all, gap, trigger);
  *position = (int64_t)gap;
  status = out->failed ? bki_fail_memory(err) : BKI_OK;
done:
  free(all.items);
  bki_words_clear(&words);
  return status;
}
