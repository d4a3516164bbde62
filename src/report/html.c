#include "html.h"

#include <string.h>

#include <bki/version.h>

#include "fail.h"
#include "html_internal.h"
#include "same_file.h"
#include "sha256.h"

static bki_status write_buffer(bki_strbuf *text, bki_sink *sink, bki_error *err) {
  bki_status status = text->failed ? bki_fail_memory(err) : bki_sink_write(sink, text->data, text->size, err);
  bki_strbuf_clear(text);
  return status;
}

static bki_status write_version(const bki_html_report *report, bki_sink *sink, bki_error *err) {
  (void)report;
  return bki_sink_write(sink, bki_version(), strlen(bki_version()), err);
}

static void add_hash(bki_strbuf *out, bki_html_asset asset) {
  char hash[BKI_SHA256_BASE64_SIZE];
  bki_strbuf_format(out, " 'sha256-%s'", bki_sha256_base64(hash, asset.data, asset.size));
}

/* Only what the program wrote runs, nothing is fetched, and no text can become markup. */
static bki_status write_policy(const bki_html_report *report, bki_sink *sink, bki_error *err) {
  (void)report;
  bki_strbuf text = {0};
  bki_strbuf_add_text(&text,
                      "default-src 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; "
                      "trusted-types 'none'; style-src");
  add_hash(&text, bki_html_style());
  bki_strbuf_add_text(&text, "; script-src");
  add_hash(&text, bki_html_chart());
  add_hash(&text, bki_html_script());
  return write_buffer(&text, sink, err);
}

static bki_status write_title(const bki_html_report *report, bki_sink *sink, bki_error *err) {
  bki_strbuf text = {0};
  bki_html_add_headline(&text, report);
  bki_strbuf_add_text(&text, " - bki report");
  return write_buffer(&text, sink, err);
}

static bki_status write_verdict(const bki_html_report *report, bki_sink *sink, bki_error *err) {
  bki_strbuf text = {0};
  bki_html_add_verdict(&text, report);
  return write_buffer(&text, sink, err);
}

static bki_status write_data(const bki_html_report *report, bki_sink *sink, bki_error *err) {
  return bki_html_write_json(bki_html_data(report), sink, err);
}

/* What stands in the template as {{name}}: a file, or what a function writes. */
typedef struct slot {
  const char *name;
  bki_html_asset (*asset)(void);
  bki_status (*write)(const bki_html_report *report, bki_sink *sink, bki_error *err);
} slot;

static const slot slots[] = {
    {"policy", NULL, write_policy},    {"version", NULL, write_version},          {"title", NULL, write_title},
    {"style", bki_html_style, NULL},   {"verdict", NULL, write_verdict},          {"licence", bki_html_licence, NULL},
    {"data", NULL, write_data},        {"samples", NULL, bki_html_write_samples}, {"chart", bki_html_chart, NULL},
    {"script", bki_html_script, NULL},
};

static bki_status write_slot(bki_str name, const bki_html_report *report, bki_sink *sink, bki_error *err) {
  for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
    const slot *s = &slots[i];
    if (strlen(s->name) == name.size && memcmp(s->name, name.data, name.size) == 0) {
      if (s->write != NULL) {
        return s->write(report, sink, err);
      }
      const bki_html_asset asset = s->asset();
      return bki_sink_write(sink, asset.data, asset.size, err);
    }
  }
  return bki_fail(err, BKI_E_INTERNAL, "the template of the report asks for \"%.*s\"", (int)name.size, name.data);
}

static bki_status write_page(const bki_html_report *report, bki_sink *sink, bki_error *err) {
  const bki_html_asset template = bki_html_template();
  const char *at = template.data;
  const char *end = at + template.size;
  for (;;) {
    const char *open = memmem(at, (size_t)(end - at), "{{", 2);
    const char *close = open == NULL ? NULL : memmem(open, (size_t)(end - open), "}}", 2);
    if (close == NULL) {
      return bki_sink_write(sink, at, (size_t)(end - at), err);
    }
    BKI_TRY(bki_sink_write(sink, at, (size_t)(open - at), err));
    BKI_TRY(write_slot((bki_str){open + 2, (size_t)(close - open - 2)}, report, sink, err));
    at = close + 2;
  }
}

bki_status bki_html_save(const bki_html_report *report, const char *path, const char *store_path, bool force,
                         bki_error *err) {
  if (bki_same_file(path, store_path)) {
    return bki_fail_at(err, BKI_E_USAGE, path, 0, -1, "the report would be the store");
  }
  bki_sink *sink;
  BKI_TRY(bki_sink_open(&sink, path, force, err));
  bki_status status = write_page(report, sink, err);
  if (status != BKI_OK) {
    bki_sink_discard(sink);
    return status;
  }
  return bki_sink_commit(sink, err);
}
