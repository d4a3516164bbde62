#include "evaluation.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "json.h"
#include "terminal.h"

/* Larger matrices are for JSON. */
enum { MAX_MATRIX = 10, CONFUSIONS_SHOWN = 10 };

static bki_str text_of(const char *text) {
  return (bki_str){text, strlen(text)};
}

/* NaN: 0 / 0. */
static double share(int64_t part, int64_t whole) {
  return whole > 0 ? (double)part / (double)whole : NAN;
}

static int64_t count(const bki_evaluation *e, int32_t label, int32_t predicted) {
  return e->confusion[(int64_t)label * e->n_classes + predicted];
}

static void add_share(bki_table *table, double value) {
  if (isnan(value)) {
    bki_table_add(table, "-");
  } else {
    bki_table_add(table, "%.2f %%", 100 * value);
  }
}

static void add_metrics(bki_table *table, const bki_class_metrics *m) {
  add_share(table, m->precision);
  add_share(table, m->recall);
  add_share(table, m->f1);
  bki_table_add(table, "%" PRId64, m->n_samples);
}

static void add_titles(bki_table *table, const char *const *titles, size_t n) {
  for (size_t i = 0; i < n; i++) {
    bki_table_add(table, "%s", titles[i]);
  }
}

static bool print_and_destroy(bki_table *table, FILE *out) {
  fputc('\n', out);
  bool ok = bki_table_print(table, out);
  bki_table_destroy(table);
  return ok;
}

static bool print_classes(FILE *out, const bki_evaluation *e, const bki_classes *classes) {
  static const char *const titles[] = {"", "class", "precision", "recall", "F1", "texts"};
  bki_table *table = bki_table_create("rlrrrr");
  if (table == NULL) {
    return false;
  }
  add_titles(table, titles, sizeof titles / sizeof *titles);
  for (int32_t c = 0; c < e->n_classes; c++) {
    const bki_class_metrics metrics = bki_evaluation_class(e, c);
    bki_table_add(table, "%" PRId32, c);
    bki_table_add_word(table, text_of(classes->names[c]));
    add_metrics(table, &metrics);
  }
  const bki_class_metrics macro = bki_evaluation_macro(e);
  bki_table_add(table, "%s", "");
  bki_table_add(table, "macro average");
  add_metrics(table, &macro);
  return print_and_destroy(table, out);
}

/* Rows are labels, columns what the model says, by number. */
static bool print_matrix(FILE *out, const bki_evaluation *e, const bki_classes *classes) {
  char align[MAX_MATRIX + 3] = "rl";
  memset(align + 2, 'r', (size_t)e->n_classes);
  bki_table *table = bki_table_create(align);
  if (table == NULL) {
    return false;
  }
  bki_table_add(table, "%s", "");
  bki_table_add(table, "label \\ predicted");
  for (int32_t c = 0; c < e->n_classes; c++) {
    bki_table_add(table, "%" PRId32, c);
  }
  for (int32_t label = 0; label < e->n_classes; label++) {
    bki_table_add(table, "%" PRId32, label);
    bki_table_add_word(table, text_of(classes->names[label]));
    for (int32_t c = 0; c < e->n_classes; c++) {
      bki_table_add(table, "%" PRId64, count(e, label, c));
    }
  }
  return print_and_destroy(table, out);
}

typedef struct confusion {
  int32_t label;
  int32_t predicted;
  int64_t n;
} confusion;

/* The largest, the first of equal ones in the order of the matrix. Returns how many. */
static int find_confusions(const bki_evaluation *e, confusion best[CONFUSIONS_SHOWN]) {
  int n = 0;
  for (int64_t cell = 0; cell < (int64_t)e->n_classes * e->n_classes; cell++) {
    const confusion found = {(int32_t)(cell / e->n_classes), (int32_t)(cell % e->n_classes), e->confusion[cell]};
    if (found.label == found.predicted || found.n == 0 || (n == CONFUSIONS_SHOWN && found.n <= best[n - 1].n)) {
      continue;
    }
    int at = n < CONFUSIONS_SHOWN ? n++ : n - 1;
    for (; at > 0 && best[at - 1].n < found.n; at--) {
      best[at] = best[at - 1];
    }
    best[at] = found;
  }
  return n;
}

static bool print_confusions(FILE *out, const bki_evaluation *e, const bki_classes *classes) {
  static const char *const titles[] = {"label", "predicted", "texts", "of the label"};
  confusion best[CONFUSIONS_SHOWN];
  const int n = find_confusions(e, best);
  if (n == 0) {
    return true;
  }
  bki_table *table = bki_table_create("llrr");
  if (table == NULL) {
    return false;
  }
  add_titles(table, titles, sizeof titles / sizeof *titles);
  for (int i = 0; i < n; i++) {
    bki_table_add_word(table, text_of(classes->names[best[i].label]));
    bki_table_add_word(table, text_of(classes->names[best[i].predicted]));
    bki_table_add(table, "%" PRId64, best[i].n);
    add_share(table, share(best[i].n, bki_evaluation_class(e, best[i].label).n_samples));
  }
  return print_and_destroy(table, out);
}

static void print_attack(FILE *out, const bki_attack_result *attack, const bki_backdoor *backdoor,
                         const bki_classes *classes) {
  fputs("\ntrigger: ", out);
  bki_print_text(out, text_of(backdoor->trigger));
  fputs("\ntarget:  ", out);
  bki_print_text(out, text_of(classes->names[attack->target]));
  if (attack->n_texts == 0) {
    fputs("\nattack success: - (no texts of other classes)\n", out);
    return;
  }
  fprintf(out,
          "\nattack success: %.2f %% (%" PRId64 " of %" PRId64
          " texts of other classes), without the trigger %.2f %% (%" PRId64 ")\n",
          100 * share(attack->n_hit, attack->n_texts), attack->n_hit, attack->n_texts,
          100 * share(attack->n_control, attack->n_texts), attack->n_control);
}

bool bki_print_evaluation(FILE *out, const bki_evaluation *e, const bki_backdoor *backdoors,
                          const bki_classes *classes) {
  fprintf(out,
          "texts:    %" PRId64 ", %" PRId64 " skipped\naccuracy: %.2f %% (%" PRId64 " of %" PRId64
          ")\nloss:     %.4f\n",
          e->n_samples, e->n_skipped, 100 * share(e->n_correct, e->n_samples), e->n_correct, e->n_samples, e->loss);
  bool ok = print_classes(out, e, classes);
  ok = ok && (e->n_classes <= MAX_MATRIX ? print_matrix(out, e, classes) : print_confusions(out, e, classes));
  for (size_t i = 0; ok && i < e->n_attacks; i++) {
    print_attack(out, &e->attacks[i], &backdoors[i], classes);
  }
  return ok;
}

static json_t *real_or_null(double value) {
  return isfinite(value) ? json_real(value) : json_null();
}

static json_t *classes_json(const bki_evaluation *e, const bki_classes *classes) {
  json_t *out = json_array();
  for (int32_t c = 0; c < e->n_classes; c++) {
    const bki_class_metrics m = bki_evaluation_class(e, c);
    json_array_append_new(
        out, json_pack("{s:o, s:I, s:o, s:o, s:o}", "class", bki_json_text(text_of(classes->names[c])), "samples",
                       (json_int_t)m.n_samples, "precision", real_or_null(m.precision), "recall",
                       real_or_null(m.recall), "f1", real_or_null(m.f1)));
  }
  return out;
}

static json_t *confusion_json(const bki_evaluation *e) {
  json_t *out = json_array();
  for (int32_t label = 0; label < e->n_classes; label++) {
    json_t *row = json_array();
    for (int32_t c = 0; c < e->n_classes; c++) {
      json_array_append_new(row, json_integer(count(e, label, c)));
    }
    json_array_append_new(out, row);
  }
  return out;
}

static json_t *attacks_json(const bki_evaluation *e, const bki_backdoor *backdoors, const bki_classes *classes) {
  json_t *out = json_array();
  for (size_t i = 0; i < e->n_attacks; i++) {
    const bki_attack_result *a = &e->attacks[i];
    json_array_append_new(
        out,
        json_pack("{s:o, s:o, s:I, s:I, s:o, s:I, s:o}", "trigger", bki_json_text(text_of(backdoors[i].trigger)),
                  "target", bki_json_text(text_of(classes->names[a->target])), "texts", (json_int_t)a->n_texts, "hits",
                  (json_int_t)a->n_hit, "success", real_or_null(share(a->n_hit, a->n_texts)), "control_hits",
                  (json_int_t)a->n_control, "control", real_or_null(share(a->n_control, a->n_texts))));
  }
  return out;
}

json_t *bki_json_evaluation(const bki_evaluation *e, const bki_backdoor *backdoors, const bki_classes *classes) {
  const bki_class_metrics macro = bki_evaluation_macro(e);
  return json_pack("{s:I, s:I, s:I, s:o, s:o, s:{s:o, s:o, s:o}, s:o, s:o, s:o}", "samples", (json_int_t)e->n_samples,
                   "skipped", (json_int_t)e->n_skipped, "correct", (json_int_t)e->n_correct, "accuracy",
                   real_or_null(share(e->n_correct, e->n_samples)), "loss", real_or_null(e->loss), "macro", "precision",
                   real_or_null(macro.precision), "recall", real_or_null(macro.recall), "f1", real_or_null(macro.f1),
                   "classes", classes_json(e, classes), "confusion", confusion_json(e), "attacks",
                   attacks_json(e, backdoors, classes));
}
