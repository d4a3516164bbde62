#include "defence.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "json.h"
#include "terminal.h"
#include "verdict.h"

/* NaN: 0 / 0. */
static double share(int64_t part, int64_t whole) {
  return whole > 0 ? (double)part / (double)whole : NAN;
}

static json_t *share_json(int64_t part, int64_t whole) {
  return whole > 0 ? json_real(share(part, whole)) : json_null();
}

static bki_classes classes_of(const bki_defend_summary *summary) {
  return (bki_classes){bki_store_classes(summary->store), bki_store_n_classes(summary->store)};
}

static bki_str text_of(const char *text) {
  return (bki_str){text, text == NULL ? 0 : strlen(text)};
}

static json_t *attack_json(const bki_attack_result *attack, const bki_backdoor *backdoor) {
  return json_pack("{s:o, s:o, s:I, s:I, s:o, s:I, s:o}", "trigger", bki_json_text(text_of(backdoor->trigger)),
                   "target", bki_json_text(text_of(backdoor->target)), "texts", (json_int_t)attack->n_texts, "hits",
                   (json_int_t)attack->n_hit, "success", share_json(attack->n_hit, attack->n_texts), "control_hits",
                   (json_int_t)attack->n_control, "control", share_json(attack->n_control, attack->n_texts));
}

static json_t *evaluation_json(const bki_evaluation *e, const bki_backdoor *backdoors) {
  if (e == NULL) {
    return json_null();
  }
  json_t *attacks = json_array();
  for (size_t i = 0; i < e->n_attacks; i++) {
    json_array_append_new(attacks, attack_json(&e->attacks[i], &backdoors[i]));
  }
  return json_pack("{s:I, s:I, s:I, s:o, s:o, s:o}", "samples", (json_int_t)e->n_samples, "skipped",
                   (json_int_t)e->n_skipped, "correct", (json_int_t)e->n_correct, "accuracy",
                   share_json(e->n_correct, e->n_samples), "loss", isfinite(e->loss) ? json_real(e->loss) : json_null(),
                   "attacks", attacks);
}

static json_t *truth_json(const bki_defend_summary *s) {
  if (!s->has_truth) {
    return json_null();
  }
  return json_pack("{s:I, s:I, s:o, s:o}", "poisoned", (json_int_t)s->n_poisoned, "flagged",
                   (json_int_t)s->n_poisoned_flagged, "precision",
                   share_json(s->n_poisoned_flagged, s->purified.n_flagged), "recall",
                   share_json(s->n_poisoned_flagged, s->n_poisoned));
}

/* What stands in the directory under a name that depends on the corpus. */
static json_t *file_json(const char *path) {
  const char *slash = path == NULL ? NULL : strrchr(path, '/');
  return bki_json_text(text_of(slash == NULL ? path : slash + 1));
}

json_t *bki_json_defence(const bki_defend_summary *summary, const bki_defend_config *config) {
  bki_classes classes = classes_of(summary);
  const bki_purify_summary *purified = &summary->purified;
  return json_pack(
      "{s:I, s:o, s:o, s:o, s:I, s:I, s:I, s:o, s:b, s:o, s:o, s:{s:o, s:o}}", "samples",
      (json_int_t)bki_analysis_n_samples(summary->analysis), "evidence",
      bki_json_evidence(bki_analysis_evidence(summary->analysis), &classes), "rule", bki_json_rule(&config->rule),
      "keyword", bki_json_candidate(bki_analysis_keyword(summary->analysis), &classes), "kept",
      (json_int_t)purified->n_kept, "flagged", (json_int_t)purified->n_flagged, "unscanned",
      (json_int_t)purified->n_unscanned, "truth", truth_json(summary), "retrained", (int)summary->retrained, "before",
      evaluation_json(summary->before, config->backdoors), "after", evaluation_json(summary->after, config->backdoors),
      "files", "kept", file_json(summary->kept_path), "removed", file_json(summary->removed_path));
}

static void add_share(bki_table *table, const bki_evaluation *e, int64_t part, int64_t whole) {
  if (e == NULL || whole == 0) {
    bki_table_add(table, "-");
  } else {
    bki_table_add(table, "%.2f %%", 100 * share(part, whole));
  }
}

static void add_accuracy(bki_table *table, const bki_defend_summary *s) {
  const bki_evaluation *columns[] = {s->before, s->after};
  bki_table_add(table, "accuracy");
  for (size_t i = 0; i < 2; i++) {
    const bki_evaluation *e = columns[i];
    add_share(table, e, e == NULL ? 0 : e->n_correct, e == NULL ? 0 : e->n_samples);
  }
  bki_table_add(table, "of %" PRId64 " test texts", s->before->n_samples);
}

/* Two rows: with the trigger and, as control, without it. */
static void add_attack(bki_table *table, const bki_defend_summary *s, size_t attack, const bki_backdoor *backdoor) {
  const bki_evaluation *columns[] = {s->before, s->after};
  for (int control = 0; control < 2; control++) {
    bki_table_add(table, "%s", control == 0 ? "attack success" : "  without trigger");
    for (size_t i = 0; i < 2; i++) {
      const bki_evaluation *e = columns[i];
      const bki_attack_result none = {0};
      const bki_attack_result *a = e == NULL ? &none : &e->attacks[attack];
      add_share(table, e, control == 0 ? a->n_hit : a->n_control, a->n_texts);
    }
    char what[256];
    snprintf(what, sizeof what, "\"%.100s\" -> %.100s", backdoor->trigger, backdoor->target);
    bki_table_add_text(table, text_of(control == 0 ? what : "the same texts as they are"));
  }
}

static bool print_table(FILE *out, const bki_defend_summary *s, const bki_defend_config *config) {
  bki_table *table = bki_table_create("lrrl");
  if (table == NULL) {
    return false;
  }
  static const char *const titles[] = {"", "before", "after", ""};
  for (size_t i = 0; i < 4; i++) {
    bki_table_add(table, "%s", titles[i]);
  }
  add_accuracy(table, s);
  for (size_t i = 0; i < s->before->n_attacks; i++) {
    add_attack(table, s, i, &config->backdoors[i]);
  }
  fputc('\n', out);
  bool ok = bki_table_print(table, out);
  bki_table_destroy(table);
  return ok;
}

static void print_keyword(FILE *out, const bki_defend_summary *s) {
  const bki_candidate *keyword = bki_analysis_keyword(s->analysis);
  if (keyword == NULL) {
    fputs("keyword:   none: no word stands out, nothing was removed\n", out);
    return;
  }
  bki_classes classes = classes_of(s);
  char labels[256];
  bki_format_labels(labels, sizeof labels, keyword, &classes);
  fputs("keyword:   ", out);
  bki_print_word(out, keyword->word);
  fprintf(out,
          " (g %.4f, mean %.4f, count %" PRId64 "), flips %" PRId64 " of %" PRId64 " samples\nlabels:    ", keyword->g,
          keyword->mean, keyword->count, keyword->n_flips, keyword->n_samples);
  bki_print_text(out, text_of(labels));
  fputc('\n', out);
}

static void print_share(FILE *out, const char *name, int64_t part, int64_t whole) {
  if (whole > 0) {
    fprintf(out, "%s %.2f %% (%" PRId64 " of %" PRId64 ")", name, 100 * share(part, whole), part, whole);
  } else {
    fprintf(out, "%s - (none)", name);
  }
}

static void print_removed(FILE *out, const bki_defend_summary *s) {
  fprintf(out, "removed:   %" PRId64 " of %" PRId64 " samples", s->purified.n_flagged,
          bki_analysis_n_samples(s->analysis));
  if (s->purified.n_unscanned > 0) {
    fprintf(out, ", and %" PRId64 " records that the scan skipped", s->purified.n_unscanned);
  }
  fputc('\n', out);
  if (s->has_truth) {
    fputs("truth:     ", out);
    print_share(out, "precision", s->n_poisoned_flagged, s->purified.n_flagged);
    print_share(out, ", recall", s->n_poisoned_flagged, s->n_poisoned);
    fputc('\n', out);
  }
}

static void print_file(FILE *out, const char *what, const char *path, const char *name) {
  fprintf(out, "%s ", what);
  bki_print_text(out, text_of(path));
  fprintf(out, "%s\n", name);
}

static void print_files(FILE *out, const bki_defend_summary *s, const bki_defend_config *config) {
  fputc('\n', out);
  if (config->model_path == NULL) {
    print_file(out, "victim:   ", config->work_path, "/victim");
  }
  print_file(out, "scan:     ", config->work_path, "/scan.db");
  if (s->kept_path != NULL) {
    print_file(out, "kept:     ", s->kept_path, "");
    print_file(out, "removed:  ", s->removed_path, "");
  }
  if (s->retrained) {
    print_file(out, "retrained:", config->work_path, "/retrained");
  }
  print_file(out, "summary:  ", config->work_path, "/summary.json");
}

bool bki_print_defence(FILE *out, const bki_defend_summary *summary, const bki_defend_config *config) {
  const bki_evidence *evidence = bki_analysis_evidence(summary->analysis);
  if (evidence == NULL) {
    print_keyword(out, summary);
  } else {
    bki_classes classes = classes_of(summary);
    bki_print_verdict(out, evidence, &classes);
    fputc('\n', out);
  }
  print_removed(out, summary);
  if (summary->before != NULL && !print_table(out, summary, config)) {
    return false;
  }
  print_files(out, summary, config);
  return true;
}
