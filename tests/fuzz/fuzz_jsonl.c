#include "walk_corpus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  bki_corpus_config config;
  bki_corpus_config_init(&config);
  config.format = BKI_FORMAT_JSONL;
  config.max_record_bytes = 200;
  walk_corpus(&config, data, size, " \t\r\n");
  return 0;
}
