/* The files of src/report/html and Chart.js, as the build found them (CMake defines the paths). */
#include "html_internal.h"

/* The bytes of one or more files between two symbols. */
#define ASSET(name, files)                              \
  __asm__(                                              \
      ".pushsection .rodata\n"                          \
      "bki_asset_" #name ":\n" files "bki_asset_" #name \
      "_end:\n"                                         \
      ".byte 0\n"                                       \
      ".popsection\n");                                 \
  extern const char bki_asset_##name[];                 \
  extern const char bki_asset_##name##_end[]
#define FILE_BYTES(path) ".incbin \"" path "\"\n"

ASSET(template, FILE_BYTES(BKI_HTML "/report.html"));
ASSET(style, FILE_BYTES(BKI_HTML "/report.css"));
ASSET(script, FILE_BYTES(BKI_HTML "/dom.js") FILE_BYTES(BKI_HTML "/verdict.js") FILE_BYTES(BKI_HTML "/tests.js")
                  FILE_BYTES(BKI_HTML "/scatter.js") FILE_BYTES(BKI_HTML "/flow.js") FILE_BYTES(BKI_HTML "/samples.js")
                      FILE_BYTES(BKI_HTML "/main.js"));
ASSET(chart, FILE_BYTES(BKI_CHART_JS));
ASSET(licence, FILE_BYTES(BKI_HTML "/chart-licence.txt"));

#define GETTER(name)                                                                                \
  bki_html_asset bki_html_##name(void) {                                                            \
    return (bki_html_asset){bki_asset_##name, (size_t)(bki_asset_##name##_end - bki_asset_##name)}; \
  }
GETTER(template)
GETTER(style)
GETTER(script)
GETTER(chart)
GETTER(licence)
