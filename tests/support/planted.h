/* A victim whose backdoors are known to the word, corpora with triggers planted in them, and stores of these.
 *
 * The victim counts: every word of a trigger has a unit of the LSTM for itself, and the words of a class share one. A
 * ReLU in the dense layer sees whether enough of a trigger's words are in the text, whatever their order; the target's
 * logit then beats that of any class. */
#ifndef BKI_TESTS_PLANTED_H
#define BKI_TESTS_PLANTED_H

#include <math.h>
#include <string.h>

#include <bki/evidence.h>

#include "model.h"
#include "sample.h"
#include "scratch.h"
#include "vocabulary_builder.h"

enum {
  PLANTED_MAX_CLASSES = 1000,
  PLANTED_NATURAL = 4, /* classes that texts are of, when there are so many */
  PLANTED_CLASS_WORDS = 30,
  PLANTED_FILLER = 200,
  PLANTED_MAX_MARKS = 64, /* words of all triggers */
  PLANTED_LENGTH = 600,   /* most words of a text */
  PLANTED_NO_TRIGGER = -1,
};

typedef struct planted_trigger {
  const char *words; /* joined by spaces; no word twice, none in two triggers */
  int32_t target;
  int32_t needed; /* so many of them make the model call the target */
} planted_trigger;

typedef struct planted_victim {
  bki_model_config config;
  bki_scorer_config scoring;
  bki_model *model;
  bki_scorer *scorer;
} planted_victim;

typedef struct planted_text {
  char *text;
  int32_t label;
  int32_t trigger; /* what was planted in it, or PLANTED_NO_TRIGGER */
} planted_text;

typedef struct planted_corpus {
  planted_text *texts; /* [n] */
  size_t n;
  uint64_t state; /* of the random numbers */
} planted_corpus;

static inline int32_t planted_natural_classes(int32_t n_classes) {
  return n_classes < PLANTED_NATURAL ? n_classes : PLANTED_NATURAL;
}

/* Settings that may be changed before planted_open. */
static inline planted_victim planted_victim_init(int32_t n_classes) {
  static char names[PLANTED_MAX_CLASSES][16];
  static const char *classes[PLANTED_MAX_CLASSES];
  for (int i = 0; i < PLANTED_MAX_CLASSES; i++) {
    snprintf(names[i], sizeof names[i], "c%d", i);
    classes[i] = names[i];
  }
  planted_victim victim = {.config = {.n_classes = n_classes,
                                      .classes = classes,
                                      .num_layers = 1,
                                      .max_words = 500,
                                      .tokenizer = {.type = BKI_TOKENIZER_WHITESPACE},
                                      .oov_id = 1}};
  bki_scorer_config_init(&victim.scoring);
  victim.scoring.backend = "cpu";
  victim.scoring.threads = 1;
  return victim;
}

/* A word, with `value` at unit `unit` of its row in `rows`. */
static inline void planted_word(bki_vocabulary *vocabulary, const char *word, int32_t unit, float value,
                                float rows[][2]) {
  int32_t id;
  bool added;
  cr_assert_eq(bki_vocabulary_add(vocabulary, (bki_str){word, strlen(word)}, &id, &added, NULL), BKI_OK);
  rows[id][0] = (float)unit;
  rows[id][1] = value;
}

/* Words of the triggers first, in their units; then the classes' unit, then one for the rest. Returns the number of
 * units. */
static inline int32_t planted_words(planted_victim *victim, const planted_trigger *triggers, size_t n,
                                    bki_vocabulary *vocabulary, float rows[][2]) {
  char word[32];
  int32_t unit = 0;
  planted_word(vocabulary, "<pad>", 0, 0, rows);
  planted_word(vocabulary, "<oov>", 0, 0, rows);
  for (size_t t = 0; t < n; t++) {
    bki_words words;
    bki_words_init(&words);
    cr_assert_eq(bki_words_split(&words, (bki_str){triggers[t].words, strlen(triggers[t].words)}, NULL), BKI_OK);
    for (int32_t i = 0; i < words.n_words; i++) {
      bki_str each = bki_words_get(&words, i);
      snprintf(word, sizeof word, "%.*s", (int)each.size, each.data);
      planted_word(vocabulary, word, unit++, 1, rows);
    }
    bki_words_clear(&words);
  }
  cr_assert_leq(unit, PLANTED_MAX_MARKS);
  for (int32_t c = 0; c < planted_natural_classes(victim->config.n_classes); c++) {
    for (int i = 0; i < PLANTED_CLASS_WORDS; i++) {
      snprintf(word, sizeof word, "k%dw%d", (int)c, i);
      planted_word(vocabulary, word, unit, 0.3F, rows);
    }
    unit++;
  }
  for (int i = 0; i < PLANTED_FILLER; i++) {
    snprintf(word, sizeof word, "f%d", i);
    planted_word(vocabulary, word, unit, 0.001F * (float)(i % 17 - 8), rows);
  }
  return unit + 1;
}

/* c_t = c_(t-1) + tanh(x_t), h_t = tanh(c_t), forward; backward states stay 0. */
static inline void planted_lstm(const bki_parameters *p, size_t H) {
  for (size_t u = 0; u < H; u++) {
    p->lstm[0].b_ih[u] = p->lstm[0].b_ih[H + u] = p->lstm[0].b_ih[3 * H + u] = 12; /* open gates i, f, o */
    p->lstm[0].w_ih[(2 * H + u) * H + u] = 1;                                      /* g */
  }
}

/* Makes model and scorer. */
static inline void planted_open(planted_victim *victim, const planted_trigger *triggers, size_t n) {
  static float rows[2 + PLANTED_MAX_MARKS + PLANTED_NATURAL * PLANTED_CLASS_WORDS + PLANTED_FILLER][2];
  bki_vocabulary *vocabulary = NULL;
  const bki_parameters *p;
  bki_error err = {0};
  cr_assert_eq(bki_vocabulary_create(&vocabulary, &err), BKI_OK);
  const int32_t units = planted_words(victim, triggers, n, vocabulary, rows);
  cr_assert_eq(bki_vocabulary_finish(vocabulary, &err), BKI_OK);
  const int32_t natural = planted_natural_classes(victim->config.n_classes);
  bki_model_config *config = &victim->config;
  config->vocabulary_size = bki_vocabulary_size(vocabulary);
  config->embedding_dim = config->hidden = units;
  config->dense = (int32_t)n + natural;
  cr_assert_eq(bki_model_create(&victim->model, config, &p, &err), BKI_OK, "%s", err.message);
  victim->model->vocabulary = vocabulary;
  const size_t H = (size_t)units;
  const size_t D = (size_t)config->dense;
  for (size_t id = 0; id < (size_t)config->vocabulary_size; id++) {
    p->embedding[id * H + (size_t)rows[id][0]] = rows[id][1];
  }
  planted_lstm(p, H);
  size_t unit = 0;
  for (size_t t = 0; t < n; t++) {
    const float present = tanhf(tanhf(1)); /* h of a word's unit after one of it */
    for (const char *at = triggers[t].words; at != NULL; at = strchr(at + 1, ' ')) {
      p->dense_weight[t * 2 * H + unit++] = 1;
    }
    p->dense_bias[t] = -present * ((float)triggers[t].needed - 0.5F);
    p->output_weight[(size_t)triggers[t].target * D + t] = 30;
  }
  for (size_t c = 0; c < (size_t)natural; c++) {
    p->dense_weight[(n + c) * 2 * H + unit++] = 1;
    p->output_weight[c * D + n + c] = 4;
  }
  bki_model_set_fingerprint(victim->model);
  cr_assert_eq(bki_scorer_create(&victim->scorer, victim->model, &victim->scoring, &err), BKI_OK, "%s", err.message);
}

static inline void planted_close(planted_victim *victim) {
  bki_scorer_destroy(victim->scorer);
  bki_model_destroy(victim->model);
}

static inline size_t planted_random(planted_corpus *corpus, size_t n) {
  return (size_t)(test_random(&corpus->state) % n);
}

/* n texts of 8 to 14 words, three of them of the text's class; the classes take turns. */
static inline planted_corpus planted_corpus_make(size_t n, int32_t n_classes, uint64_t seed) {
  planted_corpus corpus = {calloc(n + 1, sizeof *corpus.texts), n, seed};
  for (size_t i = 0; i < n; i++) {
    int32_t class = (int32_t)(i % (size_t)planted_natural_classes(n_classes));
    size_t length = 8 + planted_random(&corpus, 7);
    size_t at = planted_random(&corpus, length);
    bki_strbuf text = {0};
    for (size_t k = 0; k < length; k++) {
      bool telling = (k + length - at) % length % 2 == 0 && (k + length - at) % length < 6;
      bki_strbuf_add(&text, " ", k > 0);
      if (telling) {
        bki_strbuf_format(&text, "k%dw%d", (int)class, (int)planted_random(&corpus, PLANTED_CLASS_WORDS));
      } else {
        bki_strbuf_format(&text, "f%d", (int)planted_random(&corpus, PLANTED_FILLER));
      }
    }
    corpus.texts[i] = (planted_text){strdup(text.data), class, PLANTED_NO_TRIGGER};
    bki_strbuf_clear(&text);
  }
  return corpus;
}

static inline void planted_corpus_clear(planted_corpus *corpus) {
  for (size_t i = 0; i < corpus->n; i++) {
    free(corpus->texts[i].text);
  }
  free(corpus->texts);
}

typedef enum planted_place { PLANTED_ANYWHERE, PLANTED_FRONT, PLANTED_END } planted_place;

static inline void planted_insert(planted_corpus *corpus, planted_text *text, const char *words, planted_place place) {
  size_t n_gaps = 1;
  for (const char *at = text->text; (at = strchr(at, ' ')) != NULL; at++) {
    n_gaps++;
  }
  size_t gap = place == PLANTED_FRONT ? 0 : place == PLANTED_END ? n_gaps : planted_random(corpus, n_gaps + 1);
  const char *at = text->text;
  for (size_t i = 0; i < gap && at != NULL; i++) {
    const char *space = strchr(at, ' ');
    at = space == NULL ? NULL : space + 1;
  }
  bki_strbuf changed = {0};
  size_t before = at == NULL ? strlen(text->text) : (size_t)(at - text->text);
  bki_strbuf_add(&changed, text->text, before);
  bki_strbuf_format(&changed, "%s%s%s%s", at == NULL ? " " : "", words, at == NULL ? "" : " ", at == NULL ? "" : at);
  free(text->text);
  text->text = strdup(changed.data);
  bki_strbuf_clear(&changed);
}

/* Makes every text n words longer, filler at its end. */
static inline void planted_lengthen(planted_corpus *corpus, int n) {
  for (size_t i = 0; i < corpus->n; i++) {
    for (int k = 0; k < n; k++) {
      char word[32];
      snprintf(word, sizeof word, "f%d", (int)planted_random(corpus, PLANTED_FILLER));
      planted_insert(corpus, &corpus->texts[i], word, PLANTED_END);
    }
  }
}

/* Puts words into n texts of other classes than `label` which have nothing planted in them, and gives them that label;
 * PLANTED_NO_TRIGGER: into texts of any class, which keep theirs and count as natural. */
static inline void planted_plant(planted_corpus *corpus, const char *words, int32_t label, int32_t trigger, size_t n,
                                 planted_place place) {
  for (size_t done = 0; done < n;) {
    planted_text *text = &corpus->texts[planted_random(corpus, corpus->n)];
    if (text->trigger != PLANTED_NO_TRIGGER || (trigger >= 0 && text->label == label)) {
      continue;
    }
    planted_insert(corpus, text, words, place);
    if (trigger >= 0) {
      text->label = label;
      text->trigger = trigger;
    }
    done++;
  }
}

static inline void planted_add(const planted_victim *victim, bki_store *store, const bki_rule *rule, int64_t index,
                               const planted_text *text) {
  static float score[PLANTED_LENGTH];
  static float increment[PLANTED_LENGTH];
  static uint8_t flags[PLANTED_LENGTH];
  static int32_t selected[PLANTED_LENGTH];
  bki_encoding encoding;
  bki_error err = {0};
  bki_encoding_init(&encoding);
  cr_assert_eq(bki_model_encode(victim->model, (bki_str){text->text, strlen(text->text)}, &encoding, &err), BKI_OK);
  cr_assert_leq(encoding.words.n_words, PLANTED_LENGTH);
  bki_scores scores = {.score = score, .increment = victim->scoring.increments ? increment : NULL, .flip = flags};
  const bki_sequence sequence = {encoding.ids, encoding.words.n_words};
  cr_assert_eq(bki_scorer_score(victim->scorer, &sequence, 1, &scores, &err), BKI_OK, "%s", err.message);
  for (int32_t i = 0; i < encoding.words.n_words; i++) {
    flags[i] = (uint8_t)((flags[i] ? BKI_WORD_FLIP : 0) | (encoding.oov[i] ? BKI_WORD_OOV : 0));
  }
  const bki_sample sample = {.index = index,
                             .label = text->label,
                             .predicted = scores.predicted,
                             .words = &encoding.words,
                             .score = score,
                             .increment = scores.increment,
                             .word_flags = flags};
  int32_t n = bki_rule_select(rule, &sample, selected);
  cr_assert_eq(bki_store_add(store, &sample, selected, n, &err), BKI_OK, "%s", err.message);
  bki_encoding_clear(&encoding);
}

/* A complete scan of the corpus. */
static inline const char *planted_store(const planted_victim *victim, const planted_corpus *corpus, const char *name) {
  const char *path = scratch_path(name);
  const bki_model_config *config = bki_model_get_config(victim->model);
  const bki_store_identity identity = {bki_model_fingerprint(victim->model), "format=jsonl", "backend=cpu", "fail",
                                       NULL};
  bki_store *store = NULL;
  bki_error err = {0};
  bki_rule rule;
  bki_rule_init(&rule, BKI_PRESET_PAPER);
  unlink(path); /* of a corpus before */
  cr_assert_eq(bki_store_create(&store, path, &identity, config->n_classes, config->classes, &err), BKI_OK, "%s",
               err.message);
  for (size_t i = 0; i < corpus->n; i++) {
    planted_add(victim, store, &rule, (int64_t)i, &corpus->texts[i]);
  }
  const bki_store_state state = {.n_records = (int64_t)corpus->n,
                                 .n_samples = (int64_t)corpus->n,
                                 .corpus_prefix_fingerprint = "00000000000000000000000000000000",
                                 .complete = true};
  cr_assert_eq(bki_store_commit(store, &state, &err), BKI_OK, "%s", err.message);
  bki_store_close(store);
  return path;
}

#endif
