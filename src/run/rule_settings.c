#include "rule_settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PRESET, P, KEYS, OOV_KEY, NGRAM, ALPHA };

const char *const bki_rule_setting_keys[BKI_RULE_N_SETTINGS] = {"preset", "p", "keys", "oov_key", "ngram", "alpha"};
const char *const bki_rule_setting_options[BKI_RULE_N_SETTINGS] = {"--preset",  "-p",      "--keys",
                                                                   "--oov-key", "--ngram", "--alpha"};

/* Of the fields that are one of two. */
static const char *const names[BKI_RULE_N_SETTINGS][2] = {
    [PRESET] = {"paper", "journal"},
    [KEYS] = {"positions", "unique"},
    [OOV_KEY] = {"surface", "shared"},
};

void bki_rule_setting_format(const bki_rule *rule, int which, char out[BKI_RULE_VALUE_SIZE]) {
  switch (which) {
    case PRESET: snprintf(out, BKI_RULE_VALUE_SIZE, "%s", names[which][rule->preset]); break;
    case P: snprintf(out, BKI_RULE_VALUE_SIZE, "%" PRId32, rule->p); break;
    case KEYS: snprintf(out, BKI_RULE_VALUE_SIZE, "%s", names[which][rule->keys]); break;
    case OOV_KEY: snprintf(out, BKI_RULE_VALUE_SIZE, "%s", names[which][rule->oov_key]); break;
    case NGRAM: snprintf(out, BKI_RULE_VALUE_SIZE, "%" PRId32, rule->ngram); break;
    default: snprintf(out, BKI_RULE_VALUE_SIZE, "%.17g", rule->alpha); break;
  }
}

void bki_rule_setting_show(const bki_rule *rule, int which, char out[BKI_RULE_VALUE_SIZE]) {
  if (which == ALPHA) {
    snprintf(out, BKI_RULE_VALUE_SIZE, "%g", rule->alpha);
  } else {
    bki_rule_setting_format(rule, which, out);
  }
}

static bool parse_name(int which, const char *text, int *out) {
  *out = strcmp(text, names[which][1]) == 0 ? 1 : 0;
  return strcmp(text, names[which][*out]) == 0;
}

static bool parse_number(const char *text, int32_t *out) {
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  if (end == text || *end != '\0' || errno != 0 || value < 1 || value > INT32_MAX) {
    return false;
  }
  *out = (int32_t)value;
  return true;
}

static bool parse_real(const char *text, double *out) {
  char *end;
  *out = strtod(text, &end);
  return end != text && *end == '\0';
}

bool bki_rule_setting_parse(bki_rule *rule, int which, const char *text) {
  int name = 0;
  bool ok;
  switch (which) {
    case PRESET:
      ok = parse_name(which, text, &name);
      rule->preset = (bki_preset)name;
      return ok;
    case KEYS:
      ok = parse_name(which, text, &name);
      rule->keys = (bki_keys)name;
      return ok;
    case OOV_KEY:
      ok = parse_name(which, text, &name);
      rule->oov_key = (bki_oov_key)name;
      return ok;
    case P: return parse_number(text, &rule->p);
    case NGRAM: return parse_number(text, &rule->ngram);
    default: return parse_real(text, &rule->alpha);
  }
}
