/* Results for people: nothing that a corpus holds can steer a terminal, move its cursor or reorder a line. */
#ifndef BKI_REPORT_TERMINAL_H
#define BKI_REPORT_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <bki/analysis.h>
#include <bki/dictionary.h>
#include <bki/scan.h>

#include "names.h"

/* Writes text with a backslash doubled and with control, formatting and bidirectional characters, line separators and
 * bytes that are not UTF-8 escaped (\n, \t, \xNN, \uNNNN). Returns the columns that it takes. */
int bki_print_text(FILE *out, bki_str text);
/* The same for a word, of which no more than the first 100 bytes and "..." are shown. */
int bki_print_word(FILE *out, bki_str word);
/* The same for a message that quotes with backslashes (bki_error): they stay as they are. */
void bki_print_message(FILE *out, const char *message);

/* A table: cells row by row, columns as wide as they have to be. */
typedef struct bki_table bki_table;
/* `align`: a character a column, 'l' or 'r'. NULL when out of memory. */
bki_table *bki_table_create(const char *align);
void bki_table_destroy(bki_table *table); /* NULL is allowed */
/* Adds the next cell; formatted text is trusted, the others write as bki_print_text and bki_print_word. */
void bki_table_add(bki_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bki_table_add_text(bki_table *table, bki_str text);
void bki_table_add_word(bki_table *table, bki_str word);
/* false when out of memory: then nothing was written. */
bool bki_table_print(const bki_table *table, FILE *out);

/* The first `limit` candidates (0: all) as a table. */
bool bki_print_candidates(FILE *out, const bki_candidate *candidates, size_t n, const bki_classes *classes);

/* "MeanOfTransportation 98 %, Company 2 %": the labels of the samples that selected a candidate, the three largest. */
void bki_format_labels(char *buf, size_t size, const bki_candidate *candidate, const bki_classes *classes);

/* How to show a sample: under which rule `selected` was chosen, and on what. */
typedef struct bki_sample_view {
  const bki_rule *rule;
  const int32_t *selected;
  int32_t n_selected;
  int32_t phrase;   /* first word of a backdoor's phrase in the sample */
  int32_t n_phrase; /* its words; 0: none */
  bool colour;
  int columns;
} bki_sample_view;

/* A sample, after an empty line: its text with the background telling f, or with the selected words in brackets without
 * colour, and the phrase in braces; then what is selected, words or n-grams, with the scores that the rule ranks by,
 * and how many words were screened only. false: out of memory. */
bool bki_print_sample(FILE *out, const bki_sample *sample, const bki_sample_view *view);

/* "4 s", "12 min", "3 h 20 min", "2 d 4 h". */
void bki_format_duration(char *buf, size_t size, double seconds);

/* "34.5 % of the work, 1.02 M row-steps/s, 21.3 samples/s, 4210 records, 12 min left", or what it does before and
 * after scoring; one line without its end. */
void bki_format_progress(char *buf, size_t size, const bki_progress *progress);

#endif
