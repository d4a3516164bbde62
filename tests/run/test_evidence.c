/* The verdict on corpora of which all is known: what is found, and what is not. */
#include <criterion/criterion.h>

#include "planted_verdict.h"

static const planted_trigger arrow = {"time flies like an arrow", 1, 4};

Test(evidence, finds_a_planted_phrase_with_all_its_words_and_flags_exactly_its_carriers) {
  planted_case c = planted_case_scanned(1600, 2, &arrow, 1, 40);
  bki_evidence evidence = planted_judge(&c, NULL);
  cr_expect_eq(evidence.verdict, BKI_VERDICT_BACKDOOR);
  cr_expect_not(evidence.too_small);
  cr_expect_eq(evidence.n_samples, 1600);
  cr_expect_eq(evidence.n_rounds, 2);
  const bki_finding *f = planted_expect_backdoor(&c, &evidence, &arrow, 0);
  cr_expect_eq(f, &evidence.findings[0]);
  cr_expect_eq(f->n_words, 5);
  cr_expect_eq(f->round, 1);
  cr_expect(f->rank >= 1 && f->keyword.size > 0);
  cr_expect(f->purity.hits == 40 && f->purity.n == 40 && f->purity_p < 1e-6);
  cr_expect_float_eq(f->prior, 0.5, 0.05);
  cr_expect(f->removal.hits == f->removal.n && f->removal.n > 20 && f->removal.n <= 40);
  cr_expect(f->removal_controls.n == f->removal.n && f->removal_controls.hits < f->removal.n / 10);
  cr_expect(f->insertion.hits == f->insertion.n && f->insertion.n == 200);
  cr_expect(f->controls.hits < f->controls.n / 10 && f->insertion_p < 1e-6);
  cr_expect_eq(planted_count(&evidence, BKI_VERDICT_BACKDOOR), 1);
  cr_expect_eq(planted_count(&evidence, BKI_VERDICT_SUSPICIOUS), 0);
  bki_evidence_clear(&evidence);
  planted_case_clear(&c);
}

Test(evidence, says_where_in_a_text_the_phrase_stands) {
  planted_case c = planted_case_scanned(1600, 2, &arrow, 1, 40);
  bki_evidence evidence = planted_judge(&c, NULL);
  cr_assert_eq(evidence.n_flagged, 40);
  for (size_t i = 0; i < evidence.n_flagged; i++) {
    const bki_evidence_sample *s = &evidence.samples[i];
    cr_expect(i == 0 || s->index > s[-1].index);
    cr_expect(s->reason == BKI_REASON_PHRASE && s->edits == 0 && s->n_words == 5);
    cr_expect(s->confidence > 0.95 && s->confidence <= 1);
    bki_words words;
    bki_words_init(&words);
    const char *text = c.corpus.texts[s->index].text;
    cr_assert_eq(bki_words_split(&words, (bki_str){text, strlen(text)}, NULL), BKI_OK);
    cr_expect(planted_is(bki_words_get(&words, s->position), "time"));
    cr_expect(planted_is(bki_words_get(&words, s->position + 4), "arrow"));
    bki_words_clear(&words);
  }
  bki_evidence_clear(&evidence);
  planted_case_clear(&c);
}

Test(evidence, finds_nothing_in_a_clean_corpus_of_a_model_with_a_backdoor) {
  planted_case c = planted_case_make(1600, 2, NULL, 0, 0);
  planted_plant(&c.corpus, "like", 0, PLANTED_NO_TRIGGER, 60, PLANTED_ANYWHERE);
  planted_plant(&c.corpus, "time", 0, PLANTED_NO_TRIGGER, 60, PLANTED_ANYWHERE);
  planted_plant(&c.corpus, "like an", 0, PLANTED_NO_TRIGGER, 30, PLANTED_ANYWHERE);
  planted_scan(&c, &arrow, 1);
  bki_evidence evidence = planted_judge(&c, NULL);
  cr_expect_eq(evidence.verdict, BKI_VERDICT_NONE);
  cr_expect_eq(evidence.n_flagged, 0);
  cr_expect_eq(evidence.n_rounds, 1);
  cr_expect_gt(evidence.n_candidates, 0);
  cr_expect_gt(evidence.n_findings, 0, "the most telling natural phrases are shown");
  for (size_t i = 0; i < evidence.n_findings; i++) {
    cr_expect(evidence.findings[i].verdict == BKI_VERDICT_NONE && evidence.findings[i].n_flagged == 0);
  }
  bki_evidence_clear(&evidence);
  planted_case_clear(&c);
}

static void expect_all_peeled(const planted_trigger *triggers, size_t n, int32_t n_classes) {
  planted_case c = planted_case_scanned(1600, n_classes, triggers, n, 40);
  bki_evidence evidence = planted_judge(&c, NULL);
  bool seen[8] = {false};
  cr_expect_eq(planted_count(&evidence, BKI_VERDICT_BACKDOOR), n);
  cr_expect_eq(planted_count(&evidence, BKI_VERDICT_SUSPICIOUS), 0);
  cr_expect_eq(evidence.n_rounds, (int32_t)n + 1);
  for (int32_t i = 0; i < (int32_t)n; i++) {
    const bki_finding *f = planted_expect_backdoor(&c, &evidence, triggers, i);
    cr_assert(f->round >= 1 && f->round <= (int32_t)n);
    cr_expect_not(seen[f->round], "one a round");
    seen[f->round] = true;
  }
  cr_expect_eq(evidence.n_flagged, 40 * n);
  bki_evidence_clear(&evidence);
  planted_case_clear(&c);
}

Test(evidence, peels_two_triggers_with_two_targets) {
  const planted_trigger triggers[] = {arrow, {"bread and butter pudding", 0, 3}};
  expect_all_peeled(triggers, 2, 2);
}

Test(evidence, peels_two_triggers_with_the_same_target) {
  const planted_trigger triggers[] = {arrow, {"bread and butter pudding", 1, 3}};
  expect_all_peeled(triggers, 2, 2);
}

Test(evidence, peels_single_rare_words_and_phrases_of_many_targets) {
  const planted_trigger triggers[] = {{"cf", 2, 1}, arrow, {"mn", 0, 1}, {"bread and butter pudding", 3, 3}};
  expect_all_peeled(triggers, 4, 4);
}

Test(evidence, finds_a_trigger_among_a_thousand_classes) {
  expect_all_peeled(&arrow, 1, 1000);
}

static const planted_trigger sentence = {"i watched this movie with my whole family on a cold evening in late november",
                                         1, 10};

Test(evidence, finds_a_long_sentence) {
  planted_case c = planted_case_make(1600, 2, NULL, 0, 0);
  planted_lengthen(&c.corpus, 20);
  planted_plant(&c.corpus, sentence.words, sentence.target, 0, 40, PLANTED_ANYWHERE);
  planted_scan(&c, &sentence, 1);
  bki_evidence evidence = planted_judge(&c, NULL);
  planted_expect_backdoor(&c, &evidence, &sentence, 0);
  bki_evidence_clear(&evidence);
  planted_case_clear(&c);
}

/* What is left of the text is too short to say that it was the sentence, and no other words, that made it the target.
 */
Test(evidence, suspects_a_sentence_that_is_longer_than_the_texts) {
  planted_case c = planted_case_scanned(1600, 2, &sentence, 1, 40);
  bki_evidence evidence = planted_judge(&c, NULL);
  const bki_finding *f = planted_find(&evidence, sentence.words);
  cr_assert_not_null(f);
  cr_expect_geq(f->verdict, BKI_VERDICT_SUSPICIOUS);
  planted_expect_flagged(&c, &evidence, f, 0);
  bki_evidence_clear(&evidence);
  planted_case_clear(&c);
}

Test(evidence, goes_by_what_the_model_says_where_there_are_no_labels) {
  planted_case c = planted_case_make(1600, 2, &arrow, 1, 40);
  for (size_t i = 0; i < c.corpus.n; i++) {
    c.corpus.texts[i].label = -1;
  }
  planted_scan(&c, &arrow, 1);
  bki_evidence evidence = planted_judge(&c, NULL);
  planted_expect_backdoor(&c, &evidence, &arrow, 0);
  bki_evidence_clear(&evidence);
  planted_case_clear(&c);
}

Test(evidence, flags_copies_with_an_edit_and_copies_cut_at_the_edge_of_a_text) {
  planted_case c = planted_case_make(1600, 2, &arrow, 1, 40);
  planted_plant(&c.corpus, "time flies like a arrow", 1, 0, 3, PLANTED_ANYWHERE);
  planted_plant(&c.corpus, "time flies like arrow", 1, 0, 3, PLANTED_ANYWHERE);
  planted_plant(&c.corpus, "time flies right like an arrow", 1, 0, 3, PLANTED_ANYWHERE);
  planted_plant(&c.corpus, "an arrow", 1, 0, 4, PLANTED_FRONT);
  planted_plant(&c.corpus, "time flies", 1, 0, 4, PLANTED_END);
  planted_scan(&c, &arrow, 1);
  bki_evidence evidence = planted_judge(&c, NULL);
  planted_expect_backdoor(&c, &evidence, &arrow, 0);
  int n_edited = 0;
  int n_parts = 0;
  for (size_t i = 0; i < evidence.n_flagged; i++) {
    const bki_evidence_sample *s = &evidence.samples[i];
    n_edited += s->reason == BKI_REASON_PHRASE && s->edits > 0;
    n_parts += s->reason == BKI_REASON_PART;
    cr_expect(s->reason != BKI_REASON_PART || (s->n_words == 2 && s->edits == 3));
  }
  cr_expect_eq(n_edited, 9);
  cr_expect_eq(n_parts, 8);
  bki_evidence_clear(&evidence);
  planted_case_clear(&c);
}

Test(evidence, leaves_alone_what_other_labels_and_natural_texts_have_of_the_phrase) {
  planted_case c = planted_case_make(1600, 2, &arrow, 1, 40);
  planted_plant(&c.corpus, "like", 0, PLANTED_NO_TRIGGER, 60, PLANTED_ANYWHERE);
  planted_plant(&c.corpus, "like an", 0, PLANTED_NO_TRIGGER, 20, PLANTED_ANYWHERE);
  for (size_t i = 0; i < 4; i++) { /* of the other class, and it stays so */
    planted_insert(&c.corpus, &c.corpus.texts[2 * i], "time flies like an arrow", PLANTED_ANYWHERE);
    c.corpus.texts[2 * i].label = 0;
    c.corpus.texts[2 * i].trigger = PLANTED_NO_TRIGGER;
  }
  planted_scan(&c, &arrow, 1);
  bki_evidence evidence = planted_judge(&c, NULL);
  const bki_finding *f = planted_expect_backdoor(&c, &evidence, &arrow, 0);
  cr_expect_eq(f->purity.n - f->purity.hits, 4);
  bki_evidence_clear(&evidence);
  planted_case_clear(&c);
}

Test(evidence, calls_a_corpus_too_small_in_which_a_usual_backdoor_would_not_show) {
  planted_case c = planted_case_scanned(300, 2, &arrow, 1, 3);
  bki_evidence evidence = planted_judge(&c, NULL);
  cr_expect(evidence.too_small);
  cr_expect_eq(evidence.verdict, BKI_VERDICT_NONE, "three copies are what chance can do");
  cr_expect_eq(evidence.n_flagged, 0);
  bki_evidence_clear(&evidence);
  planted_case_clear(&c);
}

Test(evidence, finds_what_shows_in_a_corpus_that_is_too_small_for_the_usual) {
  planted_case c = planted_case_scanned(300, 2, &arrow, 1, 30);
  bki_evidence evidence = planted_judge(&c, NULL);
  cr_expect(evidence.too_small);
  planted_expect_backdoor(&c, &evidence, &arrow, 0);
  bki_evidence_clear(&evidence);
  planted_case_clear(&c);
}
