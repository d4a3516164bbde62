#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "strbuf.h"
#include "terminal.h"

/* "95 %"; "<1 %" is more than none and ">99 %" less than all. */
static void format_share(char *buf, size_t size, int64_t count, int64_t n) {
  double percent = 100.0 * (double)count / (double)n;
  if (percent < 0.5) {
    snprintf(buf, size, "<1 %%");
  } else if (count < n && percent >= 99.5) {
    snprintf(buf, size, ">99 %%");
  } else {
    snprintf(buf, size, "%.0f %%", percent);
  }
}

void bki_format_labels(char *buf, size_t size, const bki_candidate *candidate, const bki_classes *classes) {
  int32_t shown[3];
  size_t used = 0;
  buf[0] = '\0';
  for (int32_t rank = 0; rank < 3 && used < size; rank++) {
    int32_t best = -1;
    for (int32_t i = 0; i <= classes->n; i++) {
      bool again = (rank > 0 && shown[0] == i) || (rank > 1 && shown[1] == i);
      if (!again && candidate->label_counts[i] > 0 &&
          (best < 0 || candidate->label_counts[i] > candidate->label_counts[best])) {
        best = i;
      }
    }
    if (best < 0) {
      return;
    }
    shown[rank] = best;
    const char *name = bki_class_name(classes, best);
    char share[16];
    format_share(share, sizeof share, candidate->label_counts[best], candidate->n_samples);
    used += (size_t)snprintf(buf + used, size - used, "%s%.60s %s", rank == 0 ? "" : ", ",
                             name == NULL ? "(no label)" : name, share);
  }
}

bool bki_print_candidates(FILE *out, const bki_candidate *candidates, size_t n, const bki_classes *classes) {
  static const char *const titles[] = {"rank", "word", "count", "samples", "flips", "mean", "g", "labels"};
  bki_table *table = bki_table_create("rlrrrrrl");
  if (table == NULL) {
    return false;
  }
  for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) {
    bki_table_add(table, "%s", titles[i]);
  }
  for (size_t i = 0; i < n; i++) {
    const bki_candidate *c = &candidates[i];
    char labels[256];
    bki_table_add(table, "%zu", i + 1);
    bki_table_add_word(table, c->word);
    bki_table_add(table, "%lld", (long long)c->count);
    bki_table_add(table, "%lld", (long long)c->n_samples);
    bki_table_add(table, "%lld", (long long)c->n_flips);
    bki_table_add(table, "%.4f", c->mean);
    bki_table_add(table, "%.4f", c->g);
    bki_format_labels(labels, sizeof labels, c, classes);
    bki_table_add_text(table, (bki_str){labels, strlen(labels)});
  }
  bool ok = bki_table_print(table, out);
  bki_table_destroy(table);
  return ok;
}

/* Five reds of the 256-colour palette, by the score's share of the sample's highest. */
static int shade(float score, float highest) {
  static const int palette[] = {0, 52, 88, 124, 160, 196};
  int level = highest > 0 ? (int)(5.0F * score / highest + 0.5F) : 0;
  return palette[level < 0 ? 0 : level > 5 ? 5 : level];
}

/* Returns the columns that it takes. */
static int print_word(FILE *out, bki_str word, int background, bool chosen, bool colour) {
  if (colour && background > 0) {
    fprintf(out, "\033[%s97;48;5;%dm", chosen ? "1;4;" : "", background);
  } else if (!colour && chosen) {
    fputc('[', out);
  }
  int width = bki_print_word(out, word) + (chosen && !colour ? 2 : 0);
  if (colour && background > 0) {
    fputs("\033[0m", out);
  } else if (!colour && chosen) {
    fputc(']', out);
  }
  return width;
}

/* chosen: [n_words] */
static void print_words(FILE *out, const bki_sample *sample, const bki_sample_view *view, const bool *chosen) {
  float highest = 0;
  int column = 0;
  for (int32_t i = 0; i < sample->words->n_words; i++) {
    highest = sample->score[i] > highest ? sample->score[i] : highest;
  }
  for (int32_t i = 0; i < sample->words->n_words; i++) {
    bki_str word = bki_words_get(sample->words, i);
    bool opens = view->n_phrase > 0 && i == view->phrase;
    bool closes = view->n_phrase > 0 && i == view->phrase + view->n_phrase - 1;
    int marks = (opens ? 1 : 0) + (closes ? 1 : 0);
    int estimate = (int)(word.size > 1000 ? 1000 : word.size) + (chosen[i] && !view->colour ? 2 : 0) + marks;
    if (column > 0 && column + 1 + estimate > view->columns) {
      fputc('\n', out);
      column = 0;
    }
    if (column > 0) {
      fputc(' ', out);
      column++;
    }
    fputs(opens ? "{" : "", out);
    column += marks + print_word(out, word, shade(sample->score[i], highest), chosen[i], view->colour);
    fputs(closes ? "}" : "", out);
  }
  fputs(column > 0 ? "\n" : "", out);
}

/* A row of the table of what is selected: the unit's words, its score, whether any flips and all are known. */
static bool add_selected(bki_table *table, const bki_sample *sample, const bki_rule *rule, int32_t position) {
  bki_strbuf words = {0};
  bool flips = false;
  bool known = true;
  for (int32_t i = position; i < position + rule->ngram; i++) {
    bki_str word = bki_words_get(sample->words, i);
    bki_strbuf_add_text(&words, i == position ? "" : " ");
    bki_strbuf_add(&words, word.data, word.size);
    flips = flips || (sample->word_flags[i] & BKI_WORD_FLIP) != 0;
    known = known && (sample->word_flags[i] & BKI_WORD_OOV) == 0;
  }
  bool ok = !words.failed;
  if (ok) {
    bki_table_add_word(table, bki_strbuf_str(&words));
    bki_table_add(table, "%.6f", bki_rule_unit_score(rule, sample, position));
    bki_table_add(table, "%s", flips ? "yes" : "no");
    bki_table_add(table, "%s", known ? "yes" : "no");
  }
  bki_strbuf_clear(&words);
  return ok;
}

static bool print_selected(FILE *out, const bki_sample *sample, const bki_sample_view *view) {
  static const char *const titles[] = {"rank", "position", "word", "score", "flips", "known"};
  bki_table *table = bki_table_create("rrlrll");
  if (table == NULL) {
    return false;
  }
  bool ok = true;
  for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) {
    bki_table_add(table, "%s", titles[i]);
  }
  for (int32_t i = 0; ok && i < view->n_selected; i++) {
    bki_table_add(table, "%d", i + 1);
    bki_table_add(table, "%d", view->selected[i]);
    ok = add_selected(table, sample, view->rule, view->selected[i]);
  }
  ok = ok && bki_table_print(table, out);
  bki_table_destroy(table);
  return ok;
}

static void print_screened(FILE *out, const bki_sample *sample) {
  int32_t n = 0;
  for (int32_t i = 0; i < sample->words->n_words; i++) {
    n += (sample->word_flags[i] & BKI_WORD_SCREENED) != 0;
  }
  if (n > 0) {
    fprintf(out, "\n%d of %d words were screened only: their scores and shades are not those of fp32\n", n,
            sample->words->n_words);
  }
}

bool bki_print_sample(FILE *out, const bki_sample *sample, const bki_sample_view *view) {
  size_t n = (size_t)sample->words->n_words;
  if (n == 0) {
    return true;
  }
  bool *chosen = bki_array_create(n, sizeof *chosen);
  if (chosen == NULL) {
    return false;
  }
  for (int32_t i = 0; i < view->n_selected; i++) {
    for (int32_t k = 0; k < view->rule->ngram; k++) {
      chosen[view->selected[i] + k] = true;
    }
  }
  fputc('\n', out);
  print_words(out, sample, view, chosen);
  fputc('\n', out);
  free(chosen);
  bool ok = print_selected(out, sample, view);
  print_screened(out, sample);
  return ok;
}
