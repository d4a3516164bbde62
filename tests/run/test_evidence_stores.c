/* Stores that were damaged, and models of every kind. */
#include <criterion/criterion.h>
#include <sqlite3.h>

#include "planted_verdict.h"

static const planted_trigger arrow = {"time flies like an arrow", 1, 4};

static void tamper(const planted_case *c, const char *sql) {
  sqlite3 *db;
  char *message = NULL;
  cr_assert_eq(sqlite3_open(c->path, &db), SQLITE_OK);
  cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &message), SQLITE_OK, "%s: %s", sql, message);
  cr_assert_eq(sqlite3_close(db), SQLITE_OK);
}

static void expect_damaged(const planted_case *c, const char *message) {
  bki_evidence evidence;
  bki_error err = {0};
  cr_expect_eq(planted_try(c, NULL, &evidence, &err), BKI_E_DATA, "%s", err.message);
  cr_expect_not_null(strstr(err.message, message), "'%s' lacks '%s'", err.message, message);
  cr_expect_eq(planted_try_phrase(c, NULL, arrow.words, 1, &evidence, &err), BKI_E_DATA, "%s", err.message);
}

Test(evidence_stores, refuses_fewer_classes_than_the_model_has) {
  planted_case c = planted_case_scanned(300, 4, &arrow, 1, 30);
  tamper(&c, "UPDATE sample SET label = label % 2, predicted = predicted % 2; DELETE FROM class WHERE idx >= 2");
  expect_damaged(&c, "the 4 classes of the model, found 2");
  planted_case_clear(&c);
}

Test(evidence_stores, refuses_more_classes_than_the_model_has) {
  planted_case c = planted_case_scanned(300, 2, &arrow, 1, 30);
  tamper(&c, "INSERT INTO class VALUES (2, 'c2'); UPDATE sample SET label = 2 WHERE idx % 3 = 0");
  expect_damaged(&c, "the 2 classes of the model, found 3");
  planted_case_clear(&c);
}

/* What stands in a row of n words. */
#define ROW_OF_WORDS(n)                                     \
  "n_words = " #n ", words = trim(replace(hex(zeroblob(" #n \
  ")), '00', 'time ')), scores ="                           \
  " zeroblob(4 * " #n "), word_flags = zeroblob(" #n ")"

Test(evidence_stores, refuses_texts_longer_than_the_model_reads) {
  for (bki_pad pad = BKI_PAD_NONE; pad <= BKI_PAD_POST; pad++) {
    planted_case c = planted_case_make(300, 2, &arrow, 1, 30);
    c.victim.config.pad = pad;
    c.victim.config.pad_length = pad == BKI_PAD_NONE ? 0 : 30;
    c.victim.config.max_words = 30;
    planted_scan(&c, &arrow, 1);
    tamper(&c, "UPDATE sample SET " ROW_OF_WORDS(31) " WHERE idx % 2 = 0");
    expect_damaged(&c, "30 words that the model reads, found 31");
    planted_case_clear(&c);
  }
}

Test(evidence_stores, refuses_words_that_the_model_drops) {
  planted_case c = planted_case_make(300, 2, &arrow, 1, 30);
  c.victim.config.oov_id = -1;
  planted_scan(&c, &arrow, 1);
  tamper(&c, "UPDATE sample SET words = replace(words, 'f1 ', 'zz ')");
  tamper(&c, "UPDATE sample SET words = replace(words, ' f', ' z')");
  expect_damaged(&c, "found one that it drops");
  planted_case_clear(&c);
}

Test(evidence_stores, takes_words_that_the_model_does_not_know_and_texts_of_none) {
  planted_case c = planted_case_scanned(1600, 2, &arrow, 1, 40);
  tamper(&c, "UPDATE sample SET words = replace(words, 'f1 ', 'zz ');"
             "UPDATE sample SET " ROW_OF_WORDS(0) " WHERE idx % 10 = 3 AND words NOT LIKE '%flies%';"
             "UPDATE sample SET " ROW_OF_WORDS(1) " WHERE idx % 10 = 4 AND words NOT LIKE '%flies%'");
  bki_evidence evidence = planted_judge(&c, NULL);
  planted_expect_backdoor(&c, &evidence, &arrow, 0);
  bki_evidence_clear(&evidence);
  planted_case_clear(&c);
}

static void expect_found(planted_case *c, const bki_evidence_config *config) {
  planted_scan(c, &arrow, 1);
  bki_evidence evidence = planted_judge(c, config);
  planted_expect_backdoor(c, &evidence, &arrow, 0);
  cr_expect_eq(planted_count(&evidence, BKI_VERDICT_BACKDOOR), 1);
  bki_evidence_clear(&evidence);
  evidence = planted_verify(c, config, arrow.words, -1);
  const bki_finding *f = planted_expect_backdoor(c, &evidence, &arrow, 0);
  cr_expect(f->keyword.size > 0 && f->rank > 0);
  bki_evidence_clear(&evidence);
}

Test(evidence_stores, models_with_pads_and_both_ways_to_cut_give_the_same_answer) {
  for (int i = 0; i < 6; i++) {
    planted_case c = planted_case_make(1600, 2, &arrow, 1, 40);
    c.victim.config.pad = (bki_pad)(i % 3);
    c.victim.config.pad_length = i % 3 == BKI_PAD_NONE ? 0 : 24;
    c.victim.config.max_words = 20; /* 14 and the trigger, one more for luck */
    c.victim.config.keep = i < 3 ? BKI_KEEP_TAIL : BKI_KEEP_HEAD;
    expect_found(&c, NULL);
    planted_case_clear(&c);
  }
}

Test(evidence_stores, phrase_longer_than_the_model_reads_is_tried_as_far_as_it_goes) {
  planted_case c = planted_case_make(600, 2, NULL, 0, 0);
  c.victim.config.max_words = 3;
  planted_scan(&c, &arrow, 1);
  bki_evidence evidence = planted_verify(&c, NULL, arrow.words, 1);
  cr_expect(evidence.findings[0].n_words == 5 && evidence.findings[0].insertion.n == 200);
  cr_expect_eq(evidence.findings[0].insertion.hits, 0, "three words are not enough");
  bki_evidence_clear(&evidence);
  planted_case_clear(&c);
}

Test(evidence_stores, rules_with_increments_labels_and_runs_of_words_find_the_phrase) {
  for (int32_t ngram = 1; ngram <= 3; ngram++) {
    planted_case c = planted_case_make(1600, 2, &arrow, 1, 40);
    bki_evidence_config config;
    bki_evidence_config_init(&config);
    bki_rule_init(&config.rule, BKI_PRESET_JOURNAL);
    config.rule.ngram = ngram;
    c.victim.scoring.increments = true;
    expect_found(&c, &config);
    planted_case_clear(&c);
  }
}

Test(evidence_stores, unique_keys_and_one_word_a_sample_find_the_phrase) {
  planted_case c = planted_case_make(1600, 2, &arrow, 1, 40);
  bki_evidence_config config;
  bki_evidence_config_init(&config);
  config.rule.keys = BKI_KEYS_UNIQUE;
  config.rule.p = 1;
  expect_found(&c, &config);
  planted_case_clear(&c);
}

/* The model sees one word in all that it does not know, and it is the trigger; samples that select an unknown word all
 * have the same key. */
Test(evidence_stores, unknown_words_that_share_a_key_are_told_apart) {
  static const planted_trigger unknown = {"<oov>", 1, 1};
  for (int order = 0; order < 2; order++) {
    planted_case c = planted_case_make(1600, 2, NULL, 0, 0);
    bki_evidence_config config;
    bki_evidence_config_init(&config);
    config.rule.oov_key = BKI_OOV_SHARED;
    for (int i = 0; i < 2; i++) {
      for (int k = 0; i == order && k < 20; k++) {
        char word[32];
        snprintf(word, sizeof word, "natural%d", k);
        planted_text *text = &c.corpus.texts[2 * k + 1];
        planted_insert(&c.corpus, text, word, PLANTED_ANYWHERE);
        text->trigger = -2; /* called the target as it should be */
      }
      if (i != order) {
        planted_plant(&c.corpus, "zqx", 1, 0, 40, PLANTED_ANYWHERE);
      }
    }
    planted_scan(&c, &unknown, 1);
    bki_evidence evidence = planted_judge(&c, &config);
    cr_expect_eq(evidence.verdict, BKI_VERDICT_BACKDOOR);
    const bki_finding *f = planted_find(&evidence, "zqx");
    cr_assert_not_null(f);
    planted_expect_flagged(&c, &evidence, f, 0);
    bki_evidence_clear(&evidence);
    planted_case_clear(&c);
  }
}
