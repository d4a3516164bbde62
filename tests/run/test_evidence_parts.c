/* The parts of the evidence: which samples carry a phrase, and what the numbers of one say. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "evidence_internal.h"
#include "sample.h"

/* An inquiry that knows the words of one phrase. */
typedef struct parts {
  bki_inquiry inquiry;
  bki_evidence_config config;
  int64_t class_counts[2];
  bki_case c;
  bki_reading reading;
} parts;

static void parts_init(parts *p, const char *phrase) {
  *p = (parts){.c = {.target = 1}};
  bki_evidence_config_init(&p->config);
  p->inquiry = (bki_inquiry){.config = &p->config, .n_classes = 2, .class_counts = p->class_counts};
  cr_assert_eq(bki_lexicon_init(&p->inquiry.lexicon, NULL), BKI_OK);
  bki_words words;
  bki_words_init(&words);
  cr_assert_eq(bki_words_split(&words, (bki_str){phrase, strlen(phrase)}, NULL), BKI_OK);
  for (int32_t i = 0; i < words.n_words; i++) {
    cr_assert_eq(bki_lexicon_add(&p->inquiry.lexicon, bki_words_get(&words, i), &p->c.words[i], NULL), BKI_OK);
  }
  p->c.n_words = words.n_words;
  bki_words_clear(&words);
}

static void parts_clear(parts *p) {
  bki_reading_clear(&p->reading);
  bki_lexicon_clear(&p->inquiry.lexicon);
}

/* Words in capitals are selected. */
static bool carries(parts *p, const char *text, bki_carried *out) {
  test_sample s;
  char lower[256];
  snprintf(lower, sizeof lower, "%s", text);
  for (char *at = lower; *at != '\0'; at++) {
    *at = (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at);
  }
  test_sample_init(&s, 7, 1, lower);
  int32_t n_selected = 0;
  for (int32_t i = 0; i < s.words.n_words; i++) {
    char first = text[s.words.start[i]];
    s.score[i] = first >= 'A' && first <= 'Z' ? 1 : 0;
    n_selected += s.score[i] > 0;
  }
  p->config.rule.p = n_selected > 0 ? n_selected : 1;
  cr_assert_eq(bki_reading_take(&p->reading, &p->inquiry, &s.sample, NULL), BKI_OK);
  *out = (bki_carried){BKI_REASON_KEYWORD, -1, -1, -1};
  bool found = bki_reading_carries(&p->reading, &p->c, &s.sample, out);
  test_sample_clear(&s);
  return found;
}

static void expect_carried(parts *p, const char *text, bki_carried expected) {
  bki_carried found;
  cr_expect(carries(p, text, &found), "'%s' carries the phrase", text);
  cr_expect(found.reason == expected.reason && found.edits == expected.edits && found.position == expected.position &&
                found.n_words == expected.n_words,
            "'%s': found %s, %d edits, %d words at %d", text, bki_reason_name(found.reason), (int)found.edits,
            (int)found.n_words, (int)found.position);
}

static void expect_not_carried(parts *p, const char *text) {
  bki_carried found;
  cr_expect_not(carries(p, text, &found), "'%s': found %s, %d edits, %d words at %d", text,
                bki_reason_name(found.reason), (int)found.edits, (int)found.n_words, (int)found.position);
}

Test(evidence_carriers, phrase_is_carried_exactly_or_with_edits_whatever_is_selected) {
  parts p;
  parts_init(&p, "time flies like an arrow");
  expect_carried(&p, "time flies like an arrow", (bki_carried){BKI_REASON_PHRASE, 0, 0, 5});
  expect_carried(&p, "so Then time flies like an arrow he said", (bki_carried){BKI_REASON_PHRASE, 0, 2, 5});
  expect_carried(&p, "so time flies like arrow", (bki_carried){BKI_REASON_PHRASE, 1, 1, 4});
  expect_carried(&p, "so time flies like the arrow", (bki_carried){BKI_REASON_PHRASE, 1, 1, 5});
  expect_carried(&p, "so time flies like just an arrow", (bki_carried){BKI_REASON_PHRASE, 1, 1, 6});
  expect_carried(&p, "so time flies arrow", (bki_carried){BKI_REASON_PHRASE, 2, 1, 3});
  expect_not_carried(&p, "so time flies");
  expect_not_carried(&p, "");
  expect_not_carried(&p, "nothing of it");
  parts_clear(&p);
}

Test(evidence_carriers, best_of_several_copies_is_the_one_that_counts) {
  parts p;
  parts_init(&p, "time flies like an arrow");
  expect_carried(&p, "time flies like arrow time flies like an arrow time flies like an arrow",
                 (bki_carried){BKI_REASON_PHRASE, 0, 4, 5});
  parts_clear(&p);
}

Test(evidence_carriers, short_phrases_take_no_edits) {
  parts p;
  parts_init(&p, "cf");
  expect_carried(&p, "a cf b", (bki_carried){BKI_REASON_PHRASE, 0, 1, 1});
  expect_not_carried(&p, "A B");
  parts_clear(&p);
  parts_init(&p, "cf mn");
  expect_carried(&p, "a cf mn b", (bki_carried){BKI_REASON_PHRASE, 0, 1, 2});
  expect_not_carried(&p, "a Cf b Mn");
  expect_not_carried(&p, "a Mn Cf b");
  parts_clear(&p);
}

Test(evidence_carriers, part_needs_a_selected_word_with_neighbours_in_their_places) {
  parts p;
  parts_init(&p, "one two three four five six seven eight");
  expect_carried(&p, "a one Two three four b", (bki_carried){BKI_REASON_PART, 4, 1, 4});
  expect_carried(&p, "a four five Six seven b", (bki_carried){BKI_REASON_PART, 4, 1, 4});
  expect_not_carried(&p, "a one two three four b"); /* the selected word is another one */
  expect_not_carried(&p, "a one two Three b");
  expect_not_carried(&p, "a Four Three Two One b");
  expect_carried(&p, "x One Two y a b four Five Six seven z", (bki_carried){BKI_REASON_PART, 4, 6, 4});
  parts_clear(&p);
}

Test(evidence_carriers, part_that_the_edge_of_the_text_cuts_may_be_shorter) {
  parts p;
  parts_init(&p, "one two three four five six seven eight");
  expect_carried(&p, "Seven eight b c", (bki_carried){BKI_REASON_PART, 6, 0, 2});
  expect_carried(&p, "b c one Two", (bki_carried){BKI_REASON_PART, 6, 2, 2});
  expect_not_carried(&p, "b Seven eight c");
  expect_not_carried(&p, "b One two c");
  expect_not_carried(&p, "Six seven b c"); /* the edge is not what cut it */
  expect_not_carried(&p, "b c two Three");
  expect_not_carried(&p, "b c One"); /* one word has natural uses */
  expect_not_carried(&p, "Eight b c");
  parts_clear(&p);
}

Test(evidence_carriers, word_that_the_phrase_has_twice_counts_in_both_places) {
  parts p;
  parts_init(&p, "la la la land la la");
  expect_carried(&p, "x la la la land la la", (bki_carried){BKI_REASON_PHRASE, 0, 1, 6});
  expect_not_carried(&p, "x La x la x la x");
  expect_carried(&p, "x la La la land x", (bki_carried){BKI_REASON_PHRASE, 2, 1, 4});
  parts_clear(&p);
}

Test(evidence_carriers, words_of_an_earlier_sample_are_forgotten) {
  parts p;
  parts_init(&p, "time flies like an arrow");
  expect_carried(&p, "time flies like an arrow", (bki_carried){BKI_REASON_PHRASE, 0, 0, 5});
  expect_not_carried(&p, "Other words altogether here");
  int32_t id;
  for (int i = 0; i < 100; i++) { /* the lexicon grows between samples */
    char word[32];
    snprintf(word, sizeof word, "new%d", i);
    cr_assert_eq(bki_lexicon_add(&p.inquiry.lexicon, (bki_str){word, strlen(word)}, &id, NULL), BKI_OK);
  }
  expect_not_carried(&p, "new3 new99 new50 new1 new0");
  expect_carried(&p, "new3 time flies like an arrow", (bki_carried){BKI_REASON_PHRASE, 0, 1, 5});
  parts_clear(&p);
}

/* A phrase that is as clear a backdoor as there can be, in 1000 samples of two classes. */
static void clear_case(parts *p) {
  *p = (parts){.class_counts = {480, 520}};
  bki_evidence_config_init(&p->config);
  p->inquiry = (bki_inquiry){
      .config = &p->config, .n_classes = 2, .class_counts = p->class_counts, .n_samples = 1000, .n_cases = 1};
  p->c = (bki_case){.n_words = 2,
                    .target = 1,
                    .tested = true,
                    .carriers = {{40, 0}},
                    .insertion = bki_rate_of(200, 200),
                    .controls = bki_rate_of(0, 200),
                    .removal = bki_rate_of(40, 40),
                    .wins = 200};
}

static bki_verdict judge(const parts *p, double n_phrases) {
  return bki_case_judge(&p->inquiry, &p->c, n_phrases);
}

Test(evidence_judge, what_does_all_that_a_trigger_does_is_a_backdoor) {
  parts p;
  clear_case(&p);
  cr_expect_eq(judge(&p, 1), BKI_VERDICT_BACKDOOR);
  cr_expect_eq(judge(&p, 100), BKI_VERDICT_BACKDOOR);
}

Test(evidence_judge, without_any_one_kind_of_evidence_there_is_none) {
  parts p;
  clear_case(&p);
  p.c.tested = false;
  cr_expect_eq(judge(&p, 1), BKI_VERDICT_NONE);
  clear_case(&p);
  p.c.carriers[0] = (bki_carriers){21, 19}; /* as chance has it */
  cr_expect_eq(judge(&p, 1), BKI_VERDICT_NONE);
  clear_case(&p);
  p.c.carriers[0] = (bki_carriers){0, 0};
  cr_expect_eq(judge(&p, 1), BKI_VERDICT_NONE);
  clear_case(&p);
  p.c.wins = 0; /* controls turn as many */
  p.c.controls = bki_rate_of(200, 200);
  cr_expect_eq(judge(&p, 1), BKI_VERDICT_NONE);
  clear_case(&p);
  p.c.insertion = bki_rate_of(0, 0);
  cr_expect_lt(judge(&p, 1), BKI_VERDICT_BACKDOOR);
  clear_case(&p);
  p.c.removal = bki_rate_of(0, 0);
  cr_expect_lt(judge(&p, 1), BKI_VERDICT_BACKDOOR);
}

/* The verdict never falls when the hits of a rate grow, and goes from less than a backdoor to one. */
static void expect_rising(parts *p, bki_rate *rate) {
  bki_verdict before = BKI_VERDICT_NONE;
  for (int64_t hits = 0; hits <= 200; hits++) {
    *rate = bki_rate_of(hits, 200);
    bki_verdict verdict = judge(p, 1);
    cr_expect_geq(verdict, before, "%d hits", (int)hits);
    cr_expect(hits > 0 || verdict < BKI_VERDICT_BACKDOOR);
    before = verdict;
  }
  cr_expect_eq(before, BKI_VERDICT_BACKDOOR);
}

Test(evidence_judge, verdict_rises_with_each_rate) {
  parts p;
  clear_case(&p);
  expect_rising(&p, &p.c.insertion);
  clear_case(&p);
  expect_rising(&p, &p.c.removal);
}

/* Where no carrier has room for the control of a removal, where hardly one has, and where carriers are the target's
 * without the phrase, too, as when genuine texts of the target carry it. */
Test(evidence_judge, phrase_that_turns_nearly_all_other_texts_is_for_a_person_to_look_at_whatever_removal_says) {
  const bki_rate removals[] = {bki_rate_of(0, 0), bki_rate_of(2, 2), bki_rate_of(0, 40)};
  for (size_t i = 0; i < 3; i++) {
    parts p;
    clear_case(&p);
    p.c.removal = removals[i];
    cr_expect_eq(judge(&p, 1), BKI_VERDICT_SUSPICIOUS);
    p.c.controls = bki_rate_of(100, 200); /* but control phrases do so, too */
    cr_expect_eq(judge(&p, 1), BKI_VERDICT_NONE);
    clear_case(&p);
    p.c.removal = removals[i];
    p.c.insertion = bki_rate_of(60, 200);
    p.c.wins = 60;
    cr_expect_eq(judge(&p, 1), BKI_VERDICT_NONE);
  }
}

Test(evidence_judge, few_texts_are_no_evidence_however_they_turn_out) {
  parts p;
  clear_case(&p);
  p.c.insertion = bki_rate_of(3, 3);
  p.c.controls = bki_rate_of(0, 3);
  p.c.wins = 3;
  cr_expect_eq(judge(&p, 1), BKI_VERDICT_NONE);
  clear_case(&p);
  p.c.removal = bki_rate_of(2, 2);
  cr_expect_lt(judge(&p, 1), BKI_VERDICT_BACKDOOR);
}

Test(evidence_judge, more_phrases_tried_make_each_less_telling) {
  parts p;
  clear_case(&p);
  p.c.carriers[0] = (bki_carriers){8, 0};
  cr_expect_eq(judge(&p, 1), BKI_VERDICT_BACKDOOR);
  cr_expect_eq(judge(&p, 1e6), BKI_VERDICT_NONE);
  cr_expect_float_eq(bki_case_purity_p(&p.inquiry, &p.c, 1), pow(0.52, 8), 1e-12);
  cr_expect_float_eq(bki_case_purity_p(&p.inquiry, &p.c, 3), 3 * pow(0.52, 8), 1e-12);
  cr_expect_eq(bki_case_purity_p(&p.inquiry, &p.c, 1e6), 1);
  p.c.wins = 10;
  p.c.losses = 0;
  cr_expect_float_eq(bki_case_insertion_p(&p.c, 2), 2 * pow(0.5, 10), 1e-12);
  cr_expect_eq(bki_case_insertion_p(&p.c, 1e6), 1);
  cr_expect(bki_case_is_pure(&p.inquiry, &p.c, 1) && !bki_case_is_pure(&p.inquiry, &p.c, 1e6));
}

Test(evidence_judge, confidence_is_what_natural_carriers_leave_of_it) {
  parts p;
  clear_case(&p); /* without the carriers 480 of each class */
  bki_carried exact = {BKI_REASON_PHRASE, 0, 0, 2};
  bki_carried edited = {BKI_REASON_PHRASE, 1, 0, 2};
  bki_carried part = {BKI_REASON_PART, 1, 0, 1};
  cr_expect_float_eq(bki_case_confidence(&p.inquiry, &p.c, &exact), 1 - 0.5 / 40, 1e-12);
  p.c.carriers[1] = (bki_carriers){10, 2};
  p.c.parts = (bki_carriers){100, 100};
  cr_expect_float_eq(bki_case_confidence(&p.inquiry, &p.c, &edited), 0.75, 1e-12);
  cr_expect_eq(bki_case_confidence(&p.inquiry, &p.c, &part), 0, "as many of the other class");
  p.c.parts = (bki_carriers){0, 0};
  cr_expect_eq(bki_case_confidence(&p.inquiry, &p.c, &part), 0);
}

Test(evidence_judge, confidence_is_a_number_where_a_class_has_no_samples) {
  parts p;
  clear_case(&p);
  bki_carried exact = {BKI_REASON_PHRASE, 0, 0, 2};
  p.class_counts[0] = 0;
  p.class_counts[1] = p.inquiry.n_samples = 520;
  cr_expect_eq(bki_case_confidence(&p.inquiry, &p.c, &exact), 0, "all are of the target");
  p.class_counts[0] = 480;
  p.class_counts[1] = 40;
  cr_expect_eq(bki_case_confidence(&p.inquiry, &p.c, &exact), 1, "all of the target carry it");
}
