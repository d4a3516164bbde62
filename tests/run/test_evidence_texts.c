/* Texts with words put in and taken away, as the trials of the evidence run them through the model. */
#include <criterion/criterion.h>

#include "evidence_texts.h"
#include "random_model.h"

enum { BASE = 10, PHRASE = 40, MAX_WORDS = 12 };

typedef struct lab {
  bki_evidence_config config;
  bki_model *model;
  bki_inquiry inquiry;
  bki_texts texts;
} lab;

static void lab_init(lab *l, bki_keep keep) {
  *l = (lab){.config = {.seed = 3}};
  bki_model_config config = random_config(4, 4);
  config.max_words = MAX_WORDS;
  config.keep = keep;
  l->model = random_model(1, &config);
  l->inquiry = (bki_inquiry){.config = &l->config, .model = l->model, .n_classes = config.n_classes};
}

static void lab_clear(lab *l) {
  bki_texts_clear(&l->texts);
  bki_model_destroy(l->model);
}

static void count_up(int32_t *ids, int32_t first, int32_t n) {
  for (int32_t i = 0; i < n; i++) {
    ids[i] = first + i;
  }
}

/* The text is ids BASE + first .. of the base with the n words of the phrase in it at one place, which is returned. */
static int32_t expect_put_in(const bki_text *text, int32_t first, int32_t n) {
  int32_t at = 0;
  while (at < text->n && text->ids[at] < PHRASE) {
    at++;
  }
  for (int32_t i = 0; i < text->n; i++) {
    int32_t expected = i < at ? BASE + first + i : i < at + n ? PHRASE + i - at : BASE + first + i - n;
    cr_expect_eq(text->ids[i], expected, "word %d: expected %d, found %d", (int)i, (int)expected, (int)text->ids[i]);
  }
  return at;
}

Test(evidence_texts, words_are_put_into_what_the_model_keeps_and_never_lost) {
  int32_t base_ids[20];
  int32_t ids[20];
  count_up(base_ids, BASE, 20);
  count_up(ids, PHRASE, 9);
  for (int keep = BKI_KEEP_TAIL; keep <= BKI_KEEP_HEAD; keep++) {
    for (int32_t length = 0; length <= 20; length++) {
      for (int32_t n = 0; n <= 9; n++) {
        lab l;
        lab_init(&l, (bki_keep)keep);
        const bki_text base = {.index = 5, .ids = base_ids, .n = length};
        cr_assert_eq(bki_texts_put_in(&l.texts, &l.inquiry, &base, ids, n, NULL), BKI_OK);
        const bki_text *text = &l.texts.items[0];
        int32_t kept = length + n <= MAX_WORDS ? length : MAX_WORDS - n;
        cr_expect_eq(text->n, kept + n);
        expect_put_in(text, keep == BKI_KEEP_TAIL ? length - kept : 0, n);
        lab_clear(&l);
      }
    }
  }
}

Test(evidence_texts, more_words_than_the_model_reads_fill_the_text) {
  lab l;
  int32_t base_ids[3];
  int32_t ids[20];
  count_up(base_ids, BASE, 3);
  count_up(ids, PHRASE, 20);
  lab_init(&l, BKI_KEEP_HEAD);
  const bki_text base = {.index = 5, .ids = base_ids, .n = 3};
  cr_assert_eq(bki_texts_put_in(&l.texts, &l.inquiry, &base, ids, 20, NULL), BKI_OK);
  cr_expect_eq(l.texts.items[0].n, MAX_WORDS);
  cr_expect_arr_eq(l.texts.items[0].ids, ids, MAX_WORDS * sizeof *ids);
  lab_clear(&l);
}

Test(evidence_texts, place_belongs_to_the_text_and_not_to_the_words) {
  lab l;
  int32_t base_ids[6];
  const int32_t a[] = {PHRASE, PHRASE + 1};
  bool seen[7] = {false};
  count_up(base_ids, BASE, 6);
  lab_init(&l, BKI_KEEP_TAIL);
  for (int64_t index = 0; index < 200; index++) {
    const bki_text base = {.index = index, .ids = base_ids, .n = 6};
    cr_assert_eq(bki_texts_put_in(&l.texts, &l.inquiry, &base, a, 1, NULL), BKI_OK);
    cr_assert_eq(bki_texts_put_in(&l.texts, &l.inquiry, &base, a, 2, NULL), BKI_OK);
    int32_t one = expect_put_in(&l.texts.items[2 * index], 0, 1);
    int32_t two = expect_put_in(&l.texts.items[2 * index + 1], 0, 2);
    cr_expect_eq(one, two);
    seen[one] = true;
  }
  for (int i = 0; i <= 6; i++) {
    cr_expect(seen[i], "no text has the phrase after %d words", i);
  }
  cr_expect_eq(bki_texts_place(&l.inquiry, INT64_MAX, 0), 0);
  int32_t far = bki_texts_place(&l.inquiry, 1, INT32_MAX - 1);
  cr_expect(far >= 0 && far < INT32_MAX);
  lab_clear(&l);
}

Test(evidence_texts, taking_words_away_leaves_the_others_in_their_order) {
  lab l;
  int32_t ids[6];
  count_up(ids, BASE, 6);
  lab_init(&l, BKI_KEEP_TAIL);
  const bki_text from = {.index = 5, .ids = ids, .n = 6};
  size_t at = 0;
  for (int32_t position = 0; position < 6; position++) {
    for (int32_t length = 1; position + length <= 6; length++, at++) {
      cr_assert_eq(bki_texts_take_away(&l.texts, &from, position, length, NULL), BKI_OK);
      const bki_text *text = &l.texts.items[at];
      cr_assert_eq(text->n, 6 - length);
      for (int32_t i = 0; i < text->n; i++) {
        cr_expect_eq(text->ids[i], BASE + (i < position ? i : i + length));
      }
    }
  }
  lab_clear(&l);
}

Test(evidence_texts, classes_are_those_of_the_highest_logit_the_lowest_class_of_equals) {
  lab l;
  int32_t ids[3] = {2, 3, 4};
  bki_scorer_config scoring;
  bki_error err = {0};
  lab_init(&l, BKI_KEEP_TAIL);
  bki_scorer_config_init(&scoring);
  scoring.backend = "ref";
  l.inquiry.scorer = open_scorer(l.model, &scoring);
  for (int32_t n = 0; n <= 3; n++) { /* a text of no words too */
    const bki_text from = {.ids = ids, .n = 3};
    cr_assert_eq(bki_texts_take_away(&l.texts, &from, n, 3 - n, NULL), BKI_OK);
  }
  int n_called[4] = {0};
  for (int32_t target = 0; target < 3; target++) {
    bool is_target[4];
    cr_assert_eq(bki_texts_run(&l.texts, &l.inquiry, target, is_target, &err), BKI_OK, "%s", err.message);
    for (int i = 0; i < 4; i++) {
      n_called[i] += is_target[i];
    }
  }
  for (int i = 0; i < 4; i++) {
    cr_expect_eq(n_called[i], 1, "text %d is called %d classes", i, n_called[i]);
  }
  cr_expect_eq(l.inquiry.n_texts, 12);
  const bki_texts none = {0};
  cr_expect_eq(bki_texts_run(&none, &l.inquiry, 0, NULL, &err), BKI_OK);
  bki_scorer_destroy(l.inquiry.scorer);
  lab_clear(&l);
}
