#include <bki/poison.h>

#include <inttypes.h>
#include <string.h>

#include <bki/stream.h>

#include "array.h"
#include "fail.h"
#include "poison_choice.h"
#include "poison_write.h"
#include "same_file.h"
#include "trigger.h"

void bki_poison_config_init(bki_poison_config *config) {
  *config = (bki_poison_config){.seed = 1};
  bki_corpus_config_init(&config->corpus);
}

static bki_status check_amount(const bki_poison_config *config, bki_error *err) {
  if (config->count < 0 || !(config->rate >= 0 && config->rate <= 1)) {
    return bki_fail(err, BKI_E_USAGE, "expected a rate of 0 to 1 and a count of at least 0, found %g and %" PRId64,
                    config->rate, config->count);
  }
  if ((config->count > 0) == (config->rate > 0)) {
    return bki_fail(err, BKI_E_USAGE, "expected either a rate or a count above 0, found %s",
                    config->count > 0 ? "both" : "neither");
  }
  return BKI_OK;
}

static bki_status check_outputs(const bki_poison_config *config, bki_error *err) {
  const char *const outputs[] = {config->output_path, config->truth_path};
  if (bki_same_file(outputs[0], outputs[1])) {
    return bki_fail_at(err, BKI_E_USAGE, outputs[0], 0, -1, "expected two different outputs, found one file twice");
  }
  for (size_t j = 0; j < config->corpus.n_paths; j++) {
    const char *input = config->corpus.paths[j];
    if (strcmp(input, "-") == 0) {
      return bki_fail(err, BKI_E_USAGE, "the corpus is read more than once: expected files, found standard input (-)");
    }
    for (size_t i = 0; i < 2; i++) {
      if (bki_same_file(outputs[i], input)) {
        return bki_fail_at(err, BKI_E_USAGE, outputs[i], 0, -1, "the output is one of the inputs");
      }
    }
  }
  return BKI_OK;
}

static bki_status check_config(const bki_poison_config *config, bki_error *err) {
  if (config->n_backdoors == 0 || config->n_backdoors > BKI_MAX_BACKDOORS) {
    return bki_fail(err, BKI_E_USAGE, "expected 1 to %d triggers, found %zu", BKI_MAX_BACKDOORS, config->n_backdoors);
  }
  BKI_TRY(check_amount(config, err));
  bki_tokenizer_config tokenizer;
  bki_tokenizer_config_init(&tokenizer, BKI_TOKENIZER_WORDS);
  for (size_t b = 0; b < config->n_backdoors; b++) {
    BKI_TRY(bki_trigger_check(&config->trigger, &tokenizer, config->backdoors[b].trigger, err));
  }
  return check_outputs(config, err);
}

bki_status bki_poison_run(const bki_poison_config *config, bki_poison_summary *out, bki_error *err) {
  bki_poison_choice choice = {0};
  BKI_TRY(check_config(config, err));
  bki_status status = bki_poison_choose(&choice, config, err);
  if (status == BKI_OK) {
    status = bki_poison_write(config, &choice, out, err);
  }
  bki_poison_choice_clear(&choice);
  return status;
}
