#include "backend.h"

const char *bki_isa_name(bki_isa isa) {
  static const char *const names[] = {"auto", "portable", "avx2", "avx512", "avx512bf16", "amx"};
  return names[isa];
}

const char *bki_engine_name(bki_engine engine) {
  static const char *const names[] = {
      [BKI_ENGINE_FULL] = "full", [BKI_ENGINE_INCREMENTAL] = "incremental", [BKI_ENGINE_PERSISTENT] = "persistent"};
  return names[engine];
}

const char *bki_precision_name(bki_precision precision) {
  static const char *const names[] = {"fp32", "bf16", "tf32", "fp16", "split", "exact", "auto"};
  return (unsigned)precision < sizeof names / sizeof *names ? names[precision] : NULL;
}
