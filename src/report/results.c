#include <string.h>

#include "strbuf.h"
#include "terminal.h"

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
    double share = 100.0 * (double)candidate->label_counts[best] / (double)candidate->n_samples;
    used += (size_t)snprintf(buf + used, size - used, "%s%.60s %.0f %%", rank == 0 ? "" : ", ",
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
    bki_table_add_text(table, c->word);
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

static bool is_selected(const int32_t *selected, int32_t n_selected, int32_t position) {
  for (int32_t i = 0; i < n_selected; i++) {
    if (selected[i] == position) {
      return true;
    }
  }
  return false;
}

/* Five reds of the 256-colour palette, by the score's share of the sample's highest. */
static int shade(float score, float highest) {
  static const int palette[] = {0, 52, 88, 124, 160, 196};
  int level = highest > 0 ? (int)(5.0F * score / highest + 0.5F) : 0;
  return palette[level < 0 ? 0 : level > 5 ? 5 : level];
}

static void print_words(FILE *out, const bki_sample *sample, const int32_t *selected, int32_t n_selected, bool colour,
                        int columns) {
  float highest = 0;
  int column = 0;
  for (int32_t i = 0; i < sample->words->n_words; i++) {
    highest = sample->score[i] > highest ? sample->score[i] : highest;
  }
  for (int32_t i = 0; i < sample->words->n_words; i++) {
    bki_str word = bki_words_get(sample->words, i);
    bool chosen = is_selected(selected, n_selected, i);
    int estimate = (int)(word.size > 1000 ? 1000 : word.size) + (chosen && !colour ? 2 : 0);
    if (column > 0 && column + 1 + estimate > columns) {
      fputc('\n', out);
      column = 0;
    }
    if (column > 0) {
      fputc(' ', out);
      column++;
    }
    int background = shade(sample->score[i], highest);
    if (colour && background > 0) {
      fprintf(out, "\033[%s97;48;5;%dm", chosen ? "1;4;" : "", background);
    } else if (!colour && chosen) {
      fputc('[', out);
    }
    column += bki_print_text(out, word) + (chosen && !colour ? 2 : 0);
    if (colour && background > 0) {
      fputs("\033[0m", out);
    } else if (!colour && chosen) {
      fputc(']', out);
    }
  }
  fputs(column > 0 ? "\n" : "", out);
}

static bool print_selected(FILE *out, const bki_sample *sample, const int32_t *selected, int32_t n_selected) {
  static const char *const titles[] = {"rank", "position", "word", "score", "flips", "known"};
  bki_table *table = bki_table_create("rrlrll");
  if (table == NULL) {
    return false;
  }
  for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) {
    bki_table_add(table, "%s", titles[i]);
  }
  for (int32_t i = 0; i < n_selected; i++) {
    int32_t at = selected[i];
    bki_table_add(table, "%d", i + 1);
    bki_table_add(table, "%d", at);
    bki_table_add_text(table, bki_words_get(sample->words, at));
    bki_table_add(table, "%.6f", (double)sample->score[at]);
    bki_table_add(table, "%s", (sample->word_flags[at] & BKI_WORD_FLIP) ? "yes" : "no");
    bki_table_add(table, "%s", (sample->word_flags[at] & BKI_WORD_OOV) ? "no" : "yes");
  }
  bool ok = bki_table_print(table, out);
  bki_table_destroy(table);
  return ok;
}

bool bki_print_sample(FILE *out, const bki_sample *sample, const int32_t *selected, int32_t n_selected, bool colour,
                      int columns) {
  if (sample->words->n_words == 0) {
    return true;
  }
  fputc('\n', out);
  print_words(out, sample, selected, n_selected, colour, columns);
  fputc('\n', out);
  return print_selected(out, sample, selected, n_selected);
}
