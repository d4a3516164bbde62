/* How good a model is, and how well attacks on it work. */
#ifndef BKI_REPORT_EVALUATION_H
#define BKI_REPORT_EVALUATION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include <bki/evaluate.h>

#include "names.h"

/* `backdoors`: [n_attacks]. Of many classes only the largest confusions are shown. false: out of memory. */
bool bki_print_evaluation(FILE *out, const bki_evaluation *evaluation, const bki_backdoor *backdoors,
                          const bki_classes *classes);
/* NULL: out of memory. What is not defined (0 / 0) is null. */
json_t *bki_json_evaluation(const bki_evaluation *evaluation, const bki_backdoor *backdoors,
                            const bki_classes *classes);

#endif
