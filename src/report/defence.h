/* The summary of a defence, as JSON and for people. */
#ifndef BKI_REPORT_DEFENCE_H
#define BKI_REPORT_DEFENCE_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include <bki/defend.h>

/* `config` is what the summary was made with. NULL: out of memory. */
json_t *bki_json_defence(const bki_defend_summary *summary, const bki_defend_config *config);

/* Keyword, what was removed, before and after, the files. false: out of memory. */
bool bki_print_defence(FILE *out, const bki_defend_summary *summary, const bki_defend_config *config);

#endif
