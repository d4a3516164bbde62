#include "walk_corpus.h"

/* The first byte chooses the settings, bit by bit. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) {
    return 0;
  }
  const unsigned bits = data[0];
  bki_corpus_config config;
  bki_corpus_config_init(&config);
  config.format = bits & 1 ? BKI_FORMAT_TSV : BKI_FORMAT_CSV;
  config.quoting = bits & 2 ? BKI_QUOTING_DOUBLE : BKI_QUOTING_AUTO;
  config.max_record_bytes = bits & 4 ? 20 : 1000;
  if (bits & 8) {
    config.text_field = "1";
    config.label_field = bits & 16 ? "2" : NULL;
  }
  walk_corpus(&config, data + 1, size - 1, "\r\n");
  return 0;
}
