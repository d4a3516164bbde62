/* The settings of a verdict as text, and back. */
#include <inttypes.h>
#include <string.h>

#include "rule_settings.h"
#include "store_evidence.h"

/* Of the rule that judges: another one reaches other verdicts with the same settings. */
#define JUDGE "1"

void bki_evidence_settings_format(const bki_evidence_config *config, bki_strbuf *out) {
  bki_strbuf_add_text(out, "judge=" JUDGE " ");
  for (int i = 0; i < BKI_RULE_N_SETTINGS; i++) {
    char value[BKI_RULE_VALUE_SIZE];
    bki_rule_setting_format(&config->rule, i, value);
    bki_strbuf_format(out, "%s=%s ", bki_rule_setting_keys[i], value);
  }
  bki_strbuf_format(out, "n_candidates=%" PRId32 " n_texts=%" PRId32 " max_backdoors=%" PRId32 " seed=%" PRIu64,
                    config->n_candidates, config->n_texts, config->max_backdoors, config->seed);
}

/* "key=value" at the beginning of *text, which then begins behind it. */
static bool take(bki_str *text, const char *key, char value[BKI_RULE_VALUE_SIZE]) {
  size_t key_size = strlen(key);
  if (text->size <= key_size || memcmp(text->data, key, key_size) != 0 || text->data[key_size] != '=') {
    return false;
  }
  const char *begin = text->data + key_size + 1;
  size_t left = text->size - key_size - 1;
  const char *space = memchr(begin, ' ', left);
  size_t size = space == NULL ? left : (size_t)(space - begin);
  if (size >= BKI_RULE_VALUE_SIZE) {
    return false;
  }
  memcpy(value, begin, size);
  value[size] = '\0';
  size_t used = size + (space == NULL ? 0 : 1);
  *text = (bki_str){begin + used, left - used};
  return true;
}

static bool take_number(bki_str *text, const char *key, uint64_t max, uint64_t *out) {
  char value[BKI_RULE_VALUE_SIZE];
  if (!take(text, key, value) || value[0] == '\0') {
    return false;
  }
  *out = 0;
  for (const char *digit = value; *digit != '\0'; digit++) {
    if (*digit < '0' || *digit > '9' || __builtin_mul_overflow(*out, 10, out) ||
        __builtin_add_overflow(*out, (uint64_t)(*digit - '0'), out)) {
      return false;
    }
  }
  return *out <= max;
}

static bool parse(bki_str text, bki_evidence_config *out) {
  char value[BKI_RULE_VALUE_SIZE];
  uint64_t n_candidates;
  uint64_t n_texts;
  uint64_t max_backdoors;
  if (!take(&text, "judge", value) || strcmp(value, JUDGE) != 0) {
    return false;
  }
  for (int i = 0; i < BKI_RULE_N_SETTINGS; i++) {
    if (!take(&text, bki_rule_setting_keys[i], value) || !bki_rule_setting_parse(&out->rule, i, value)) {
      return false;
    }
  }
  if (!take_number(&text, "n_candidates", INT32_MAX, &n_candidates) ||
      !take_number(&text, "n_texts", INT32_MAX, &n_texts) ||
      !take_number(&text, "max_backdoors", INT32_MAX, &max_backdoors) ||
      !take_number(&text, "seed", UINT64_MAX, &out->seed)) {
    return false;
  }
  out->n_candidates = (int32_t)n_candidates;
  out->n_texts = (int32_t)n_texts;
  out->max_backdoors = (int32_t)max_backdoors;
  return true;
}

bool bki_evidence_settings_parse(bki_str text, bki_evidence_config *out) {
  bki_evidence_config config = {0};
  bki_rule_init(&config.rule, BKI_PRESET_PAPER);
  if (!parse(text, &config) || bki_rule_check(&config.rule, NULL) != BKI_OK) {
    return false;
  }
  /* One spelling only: what is read would be written the same. */
  bki_strbuf again = {0};
  bki_evidence_settings_format(&config, &again);
  bool same = !again.failed && again.size == text.size && memcmp(again.data, text.data, text.size) == 0;
  bki_strbuf_clear(&again);
  if (same) {
    *out = config;
  }
  return same;
}
