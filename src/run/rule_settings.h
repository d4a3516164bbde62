/* The fields of a rule as texts, which is how a store keeps them. */
#ifndef BKI_RUN_RULE_SETTINGS_H
#define BKI_RUN_RULE_SETTINGS_H

#include <stdbool.h>

#include <bki/dictionary.h>

enum { BKI_RULE_N_SETTINGS = 6, BKI_RULE_VALUE_SIZE = 32 };

/* "preset", "p", "keys", "oov_key", "ngram", "alpha". */
extern const char *const bki_rule_setting_keys[BKI_RULE_N_SETTINGS];
/* What the program's options call them: "--preset", "-p", ... */
extern const char *const bki_rule_setting_options[BKI_RULE_N_SETTINGS];

/* The value of setting `which`. */
void bki_rule_setting_format(const bki_rule *rule, int which, char out[BKI_RULE_VALUE_SIZE]);

/* The same as a person writes it. */
void bki_rule_setting_show(const bki_rule *rule, int which, char out[BKI_RULE_VALUE_SIZE]);

/* false: not a value that bki_rule_setting_format gives. Whether the fields fit together is for bki_rule_check. */
bool bki_rule_setting_parse(bki_rule *rule, int which, const char *text);

#endif
