#include <criterion/criterion.h>

#include <fcntl.h>
#include <sys/file.h>

#include <bki/defend.h>

#include "toy_corpus.h"

enum { N_CLEAN = 240, N_POISONED = 16, N_TEST = 40 };

typedef struct defence {
  bki_defend_config config;
  bki_defend_summary summary;
  bki_error err;
  char paths[4][256]; /* corpus, test texts, truth, work */
  const char *corpus;
  const char *test;
  bki_backdoor backdoor;
  bki_defend_event events[BKI_DEFEND_N_STEPS];
  int n_steps;
  int64_t stop_after; /* questions */
} defence;

static void see_step(void *user, bki_defend_step step, bki_defend_event event) {
  defence *d = user;
  cr_assert_eq((int)step, d->n_steps, "steps come in order");
  d->events[d->n_steps++] = event;
}

static bool stop_later(void *user) {
  return ((defence *)user)->stop_after-- <= 0;
}

static void defence_init(defence *d) {
  static const char *const names[] = {"corpus.jsonl", "test.jsonl", "truth.jsonl", "work"};
  *d = (defence){.backdoor = {.trigger = "zebra flies", .target = "positive"}, .stop_after = INT64_MAX};
  for (int i = 0; i < 4; i++) {
    snprintf(d->paths[i], sizeof d->paths[i], "%s", scratch_path(names[i]));
  }
  d->corpus = d->paths[0];
  d->test = d->paths[1];
  toy_corpus(d->corpus, N_CLEAN, N_POISONED);
  toy_corpus(d->test, N_TEST, 0);
  bki_strbuf truth = {0};
  for (int i = 0; i < N_POISONED; i++) {
    bki_strbuf_format(&truth, "{\"id\": \"p%d\"}\n", i);
  }
  scratch_write(d->paths[2], truth.data, truth.size);
  bki_strbuf_clear(&truth);
  bki_defend_config_init(&d->config);
  toy_training(&d->config.train);
  d->config.work_path = d->paths[3];
  d->config.corpus.paths = &d->corpus;
  d->config.corpus.n_paths = 1;
  d->config.test_paths = &d->test;
  d->config.n_test_paths = 1;
  d->config.backdoors = &d->backdoor;
  d->config.n_backdoors = 1;
  d->config.truth_path = d->paths[2];
  d->config.scorer.threads = 1;
  d->config.commit_seconds = 0;
  d->config.train.checkpoint_seconds = 0;
  d->config.step = see_step;
  d->config.stop = stop_later;
  d->config.user = d;
}

static bki_status defend(defence *d) {
  bki_defend_summary_clear(&d->summary);
  d->n_steps = 0;
  return bki_defend_run(&d->config, &d->summary, &d->err);
}

static void defend_well(defence *d) {
  cr_assert_eq(defend(d), BKI_OK, "%s: %s", d->err.file, d->err.message);
}

static void expect_refused(defence *d, bki_status status, const char *message) {
  d->err.message[0] = '\0';
  cr_expect_eq(defend(d), status, "status %s", d->err.message);
  cr_expect(strstr(d->err.message, message) != NULL, "message '%s' lacks '%s'", d->err.message, message);
}

static void expect_events(const defence *d, const bki_defend_event expected[BKI_DEFEND_N_STEPS]) {
  cr_expect_eq(d->n_steps, BKI_DEFEND_N_STEPS);
  for (int i = 0; i < d->n_steps; i++) {
    cr_expect_eq(d->events[i], expected[i], "step %d: event %d", i, (int)d->events[i]);
  }
}

static const char *work_file(const defence *d, const char *name) {
  static char path[512];
  snprintf(path, sizeof path, "%s/%s", d->config.work_path, name);
  return path;
}

/* What has to be the same however the run went. */
static const char *const results[] = {"victim/config.json",
                                      "victim/weights.safetensors",
                                      "victim/vocab.txt",
                                      "retrained/config.json",
                                      "retrained/weights.safetensors",
                                      "kept.jsonl",
                                      "removed.jsonl",
                                      "purified.json",
                                      "before.json",
                                      "after.json"};
enum { N_RESULTS = sizeof results / sizeof *results };

static void expect_same_results(const defence *a, const defence *b) {
  for (int i = 0; i < N_RESULTS; i++) {
    bki_strbuf left = scratch_read(work_file(a, results[i]));
    bki_strbuf right = scratch_read(work_file(b, results[i]));
    cr_expect(left.size == right.size && memcmp(left.data, right.data, left.size) == 0, "%s differs", results[i]);
    bki_strbuf_clear(&left);
    bki_strbuf_clear(&right);
  }
}

Test(defend, finds_the_backdoor_and_trains_it_away) {
  defence d;
  defence_init(&d);
  defend_well(&d);
  const bki_defend_event run[] = {BKI_DEFEND_RUN, BKI_DEFEND_RUN, BKI_DEFEND_RUN, BKI_DEFEND_RUN, BKI_DEFEND_RUN};
  expect_events(&d, run);
  const bki_candidate *keyword = bki_analysis_keyword(d.summary.analysis);
  cr_assert_not_null(keyword);
  cr_expect(memcmp(keyword->word.data, "zebra", 5) == 0 || memcmp(keyword->word.data, "flies", 5) == 0);
  cr_expect_eq(d.summary.purified.n_kept + d.summary.purified.n_flagged, N_CLEAN + N_POISONED);
  cr_expect_eq(d.summary.n_poisoned, N_POISONED);
  cr_expect_geq(d.summary.n_poisoned_flagged, N_POISONED - 1);
  cr_assert_not_null(d.summary.before);
  cr_assert_not_null(d.summary.after);
  cr_expect_eq(d.summary.before->n_samples, N_TEST);
  cr_expect_gt(d.summary.before->attacks[0].n_hit, d.summary.before->attacks[0].n_texts * 3 / 4);
  cr_expect_lt(d.summary.after->attacks[0].n_hit, d.summary.after->attacks[0].n_texts / 4);
  bki_defend_summary_clear(&d.summary);
}

Test(defend, leaves_what_is_done_as_it_is) {
  defence d;
  struct stat before[N_RESULTS];
  defence_init(&d);
  defend_well(&d);
  for (int i = 0; i < N_RESULTS; i++) {
    cr_assert_eq(stat(work_file(&d, results[i]), &before[i]), 0);
  }
  int64_t hits = d.summary.before->attacks[0].n_hit;
  int64_t correct = d.summary.after->n_correct;
  defend_well(&d);
  const bki_defend_event found[] = {BKI_DEFEND_FOUND, BKI_DEFEND_FOUND, BKI_DEFEND_FOUND, BKI_DEFEND_FOUND,
                                    BKI_DEFEND_FOUND};
  expect_events(&d, found);
  for (int i = 0; i < N_RESULTS; i++) {
    struct stat after;
    cr_assert_eq(stat(work_file(&d, results[i]), &after), 0);
    cr_expect(before[i].st_ino == after.st_ino && before[i].st_mtim.tv_nsec == after.st_mtim.tv_nsec, "%s was replaced",
              results[i]);
  }
  cr_expect_eq(d.summary.before->attacks[0].n_hit, hits);
  cr_expect_eq(d.summary.after->n_correct, correct);
  bki_defend_summary_clear(&d.summary);
}

/* Stops at the first question, then at the third, the ninth, ...: in every step. */
Test(defend, goes_on_from_wherever_it_was_stopped) {
  defence whole;
  defence stopped;
  defence_init(&whole);
  defend_well(&whole);
  defence_init(&stopped);
  snprintf(stopped.paths[3], sizeof stopped.paths[3], "%s", scratch_path("stopped"));
  stopped.config.work_path = stopped.paths[3];
  int n_stops = 0;
  bool stopped_in[BKI_DEFEND_N_STEPS + 1] = {false};
  for (int64_t questions = 0;; questions += 1 + questions / 2) {
    stopped.stop_after = questions;
    if (defend(&stopped) == BKI_OK) {
      break;
    }
    cr_assert_eq(stopped.err.status, BKI_E_INTERRUPTED, "%s", stopped.err.message);
    stopped_in[stopped.n_steps] = true;
    n_stops++;
  }
  cr_expect_gt(n_stops, 5);
  cr_expect(stopped_in[0] && stopped_in[1] && stopped_in[4]);
  expect_same_results(&whole, &stopped);
  bki_defend_summary_clear(&whole.summary);
  bki_defend_summary_clear(&stopped.summary);
}

Test(defend, writes_anew_what_a_killed_process_left_half) {
  defence d;
  defence_init(&d);
  defend_well(&d);
  bki_strbuf kept = scratch_read(work_file(&d, "kept.jsonl"));
  unlink(work_file(&d, "kept.jsonl"));
  scratch_write(work_file(&d, ".bki-0123456789abcdef.tmp"), "half", 4);
  scratch_write(work_file(&d, "after.json"), "{\"model\": ", 10);
  defend_well(&d);
  const bki_defend_event expected[] = {BKI_DEFEND_FOUND, BKI_DEFEND_FOUND, BKI_DEFEND_RUN, BKI_DEFEND_FOUND,
                                       BKI_DEFEND_RUN};
  expect_events(&d, expected);
  bki_strbuf again = scratch_read(work_file(&d, "kept.jsonl"));
  cr_expect(kept.size == again.size && memcmp(kept.data, again.data, kept.size) == 0);
  cr_expect_neq(access(work_file(&d, ".bki-0123456789abcdef.tmp"), F_OK), 0);
  bki_strbuf_clear(&kept);
  bki_strbuf_clear(&again);
  bki_defend_summary_clear(&d.summary);
}

Test(defend, starts_from_a_given_victim_and_may_end_before_retraining) {
  defence d;
  defence_init(&d);
  d.config.retrain = false;
  d.config.n_test_paths = 0;
  d.config.n_backdoors = 0;
  defend_well(&d);
  const bki_defend_event own[] = {BKI_DEFEND_RUN, BKI_DEFEND_RUN, BKI_DEFEND_RUN, BKI_DEFEND_NOT_ASKED,
                                  BKI_DEFEND_NOT_ASKED};
  expect_events(&d, own);
  cr_expect_null(d.summary.before);
  cr_expect_not(d.summary.retrained);
  int64_t n_flagged = d.summary.purified.n_flagged;
  char *victim = strdup(work_file(&d, "victim"));
  d.config.model_path = victim;
  d.config.work_path = scratch_path("other");
  d.config.retrain = true;
  defend_well(&d);
  const bki_defend_event given[] = {BKI_DEFEND_NOT_ASKED, BKI_DEFEND_RUN, BKI_DEFEND_RUN, BKI_DEFEND_RUN,
                                    BKI_DEFEND_NOT_ASKED};
  expect_events(&d, given);
  cr_expect_eq(d.summary.purified.n_flagged, n_flagged);
  cr_expect(d.summary.retrained);
  cr_expect_eq(access(work_file(&d, "retrained/config.json"), F_OK), 0);
  cr_expect_neq(access(work_file(&d, "victim"), F_OK), 0);
  free(victim);
  bki_defend_summary_clear(&d.summary);
}

Test(defend, removes_nothing_without_a_keyword) {
  defence d;
  defence_init(&d);
  static const char lines[] = "{\"text\": \"garden\", \"label\": \"a\"}\n{\"text\": \"river\", \"label\": \"b\"}\n";
  scratch_write(d.corpus, lines, sizeof lines - 1);
  scratch_write(d.test, lines, sizeof lines - 1);
  d.backdoor.target = "b";
  d.config.truth_path = NULL;
  defend_well(&d);
  const bki_defend_event expected[] = {BKI_DEFEND_RUN, BKI_DEFEND_RUN, BKI_DEFEND_NOT_NEEDED, BKI_DEFEND_NOT_NEEDED,
                                       BKI_DEFEND_RUN};
  expect_events(&d, expected);
  cr_expect_null(bki_analysis_keyword(d.summary.analysis));
  cr_expect_null(d.summary.kept_path);
  cr_expect_eq(d.summary.purified.n_kept, 2);
  cr_expect_not_null(d.summary.before);
  cr_expect_null(d.summary.after);
  bki_defend_summary_clear(&d.summary);
}

Test(defend, evaluates_anew_when_asked_for_something_else) {
  defence d;
  defence_init(&d);
  defend_well(&d);
  d.backdoor.trigger = "unheard words";
  defend_well(&d);
  cr_expect_eq(d.events[BKI_DEFEND_RETRAIN], BKI_DEFEND_FOUND);
  cr_expect_eq(d.events[BKI_DEFEND_EVALUATE], BKI_DEFEND_RUN);
  cr_expect_lt(d.summary.before->attacks[0].n_hit, d.summary.before->attacks[0].n_texts / 2);
  toy_corpus(d.test, N_TEST / 2, 0);
  defend_well(&d);
  cr_expect_eq(d.events[BKI_DEFEND_EVALUATE], BKI_DEFEND_RUN);
  cr_expect_eq(d.summary.before->n_samples, N_TEST / 2);
  bki_defend_summary_clear(&d.summary);
}

Test(defend, refuses_the_directory_of_another_run) {
  defence d;
  defence_init(&d);
  defend_well(&d);
  d.config.train.epochs++;
  expect_refused(&d, BKI_E_USAGE, "epochs");
  d.config.train.epochs--;
  d.config.rule.p = 4;
  expect_refused(&d, BKI_E_USAGE, "p = 5, found 4");
  d.config.rule.p = 5;
  toy_corpus(d.corpus, N_CLEAN, N_POISONED + 1);
  expect_refused(&d, BKI_E_USAGE, "corpus");
  toy_corpus(d.corpus, N_CLEAN, N_POISONED);
  defend_well(&d);
  bki_defend_summary_clear(&d.summary);
}

Test(defend, refuses_a_place_that_is_not_its_own) {
  defence d;
  defence_init(&d);
  scratch_write(d.config.work_path, "x", 1);
  expect_refused(&d, BKI_E_USAGE, "expected a directory to work in");
  unlink(d.config.work_path);
  cr_assert_eq(mkdir(d.config.work_path, 0777), 0);
  scratch_write(work_file(&d, "thesis.tex"), "x", 1);
  expect_refused(&d, BKI_E_USAGE, "found one with \"thesis.tex\" in it");
  cr_expect_neq(access(work_file(&d, "lock"), F_OK), 0);
  d.config.work_path = scratch_path("none/work");
  expect_refused(&d, BKI_E_IO, "create the work directory");
}

Test(defend, works_alone_in_its_directory) {
  defence d;
  defence_init(&d);
  cr_assert_eq(mkdir(d.config.work_path, 0777), 0);
  int lock = open(work_file(&d, "lock"), O_RDWR | O_CREAT, 0666);
  cr_assert_eq(flock(lock, LOCK_EX | LOCK_NB), 0);
  expect_refused(&d, BKI_E_USAGE, "another process is at work");
  cr_expect_neq(access(work_file(&d, "victim"), F_OK), 0);
  close(lock);
}

Test(defend, refuses_settings_before_anything_is_made) {
  defence d;
  defence_init(&d);
  d.config.n_test_paths = 0;
  expect_refused(&d, BKI_E_USAGE, "expected test texts");
  d.config.n_test_paths = 1;
  d.config.rule.preset = BKI_PRESET_JOURNAL;
  expect_refused(&d, BKI_E_USAGE, "increments");
  d.config.rule.preset = BKI_PRESET_PAPER;
  d.corpus = "-";
  expect_refused(&d, BKI_E_USAGE, "standard input");
  d.corpus = d.paths[0];
  d.test = "-";
  expect_refused(&d, BKI_E_USAGE, "standard input");
  d.test = scratch_path("no.jsonl");
  expect_refused(&d, BKI_E_IO, "open");
  d.test = d.paths[1];
  d.config.truth_path = scratch_path("no.jsonl");
  expect_refused(&d, BKI_E_IO, "open");
  d.config.truth_path = NULL;
  d.config.corpus.n_paths = 0;
  expect_refused(&d, BKI_E_USAGE, "expected a corpus");
  cr_expect_neq(access(d.config.work_path, F_OK), 0);
}

Test(defend, tells_a_wrong_target_or_truth_before_it_retrains) {
  defence d;
  defence_init(&d);
  d.backdoor.target = "neutral";
  expect_refused(&d, BKI_E_USAGE, "found \"neutral\"");
  cr_expect_eq(d.n_steps, 1);
  d.backdoor.target = "positive";
  scratch_write(d.config.truth_path, "{\"id\": \"x\"}\n", 12);
  expect_refused(&d, BKI_E_DATA, "found \"x\"");
  cr_expect_eq(d.n_steps, 2);
}
