/* JSON Lines through jansson. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "fail.h"
#include "reader.h"

/* jansson builds all values of a record before it hands out one. A record of "{},{},{}" takes 75 times its size then:
 * whoever wrote it does not get more than about 60 MB. */
enum { MAX_VALUES = 1 << 18 };

static bool is_json_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t count_space(bki_str text) {
  size_t n = 0;
  while (n < text.size && is_json_space(text.data[n])) {
    n++;
  }
  return n;
}

/* An array is no JSON Lines, but the message about it should come from here. */
static bool probe(bki_str head) {
  size_t i = count_space(head);
  return i < head.size && (head.data[i] == '{' || head.data[i] == '[');
}

static size_t split(const bki_layout *layout, bki_split_state *state, bki_str bytes) {
  (void)layout;
  (void)state;
  const char *end = memchr(bytes.data, '\n', bytes.size);
  return end == NULL ? 0 : (size_t)(end - bytes.data) + 1;
}

static bool is_blank(bki_str raw) {
  return count_space(raw) == raw.size;
}

/* Whether something that may begin a value stands there more than MAX_VALUES times, outside of strings. */
static bool has_too_many_values(bki_str text) {
  size_t n = 0;
  for (size_t i = 0; i < text.size && text.size > MAX_VALUES; i++) {
    char c = text.data[i];
    n += c == ',' || c == '[' || c == '{';
    if (c == '"') {
      for (i++; i < text.size && text.data[i] != '"'; i++) {
        i += text.data[i] == '\\';
      }
    }
  }
  return n > MAX_VALUES;
}

static const char *describe_error(const json_error_t *error) {
  switch (json_error_code(error)) {
    case json_error_premature_end_of_input: return "its end is missing";
    case json_error_end_of_input_expected: return "something follows it";
    case json_error_duplicate_key: return "a key stands in it twice";
    case json_error_invalid_utf8: return "invalid UTF-8";
    case json_error_null_character:
    case json_error_null_byte_in_key: return "a NUL character";
    case json_error_numeric_overflow: return "a number that is too large";
    case json_error_stack_overflow: return "nested too deeply";
    default: return "invalid syntax";
  }
}

/* The position jansson names is behind the token that it could not take. */
static bki_status refuse(const char *file, const bki_raw_record *record, const json_error_t *error, bki_error *err) {
  if (json_error_code(error) == json_error_out_of_memory) {
    return bki_fail_memory(err);
  }
  size_t at = error->position < 0 ? 0 : (size_t)error->position;
  at = at < record->raw.size ? at : record->raw.size;
  size_t from = at < 16 ? 0 : at - 16;
  char near[BKI_QUOTE_SIZE];
  bki_quote(near, (bki_str){record->raw.data + from, at - from});
  return bki_fail_at(err, BKI_E_DATA, file, record->line, record->byte + (int64_t)at,
                     "expected one JSON object on the line: %s, at byte %zu of the line%s%s", describe_error(error), at,
                     at == 0 ? "" : ", after ", at == 0 ? "" : near);
}

static const char *type_name(const json_t *value) {
  switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number";
    case JSON_TRUE:
    case JSON_FALSE: return "a truth value";
    case JSON_NULL: return "null";
  }
  return "something else";
}

static bki_status missing(const char *file, const bki_raw_record *record, const bki_field *field, const json_t *object,
                          bki_error *err) {
  bki_name_list found = {.size = 0};
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)object, key, value) {
    bki_name_list_add(&found, (bki_str){key, strlen(key)});
  }
  char wanted[BKI_QUOTE_SIZE];
  return bki_fail_at(err, BKI_E_DATA, file, record->line, record->byte, "expected a field %s, found %s",
                     bki_quote(wanted, (bki_str){field->name, strlen(field->name)}),
                     found.size == 0 ? "none at all" : found.text);
}

/* A string, or (where `integers`) an integer as its decimal text. Null is no value. */
static bki_status get_field(const char *file, const bki_raw_record *record, const bki_field *field,
                            const json_t *object, bool integers, bki_arena *arena, bki_str *out, bki_error *err) {
  const json_t *value = json_object_get(object, field->name);
  if (value == NULL || (json_is_null(value) && integers)) {
    *out = (bki_str){NULL, 0};
    return field->required ? missing(file, record, field, object, err) : BKI_OK;
  }
  char digits[24];
  bki_str text = {digits, 0};
  if (json_is_string(value)) {
    text = (bki_str){json_string_value(value), json_string_length(value)};
  } else if (json_is_integer(value) && integers) {
    text.size = (size_t)snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
  } else {
    char wanted[BKI_QUOTE_SIZE];
    return bki_fail_at(err, BKI_E_DATA, file, record->line, record->byte, "expected %s in field %s, found %s",
                       integers ? "a string or an integer" : "a string",
                       bki_quote(wanted, (bki_str){field->name, strlen(field->name)}), type_name(value));
  }
  *out = (bki_str){bki_arena_copy(arena, text.data, text.size), text.size};
  return out->data == NULL ? bki_fail_memory(err) : BKI_OK;
}

static bki_status parse(const bki_layout *layout, const char *file, const bki_raw_record *record, bki_arena *arena,
                        bki_fields *out, bki_error *err) {
  if (has_too_many_values(record->raw)) {
    return bki_fail_at(err, BKI_E_DATA, file, record->line, record->byte,
                       "expected at most %d values in a record, found more", MAX_VALUES);
  }
  json_error_t error;
  json_t *object = json_loadb(record->raw.data, record->raw.size, JSON_REJECT_DUPLICATES, &error);
  if (object == NULL) {
    return refuse(file, record, &error, err);
  }
  bki_fields fields = {0};
  bki_status status = BKI_OK;
  if (!json_is_object(object)) {
    status = bki_fail_at(err, BKI_E_DATA, file, record->line, record->byte,
                         "expected one JSON object on the line, found %s", type_name(object));
    goto done;
  }
  BKI_TRY_GOTO(status, done, get_field(file, record, &layout->text, object, false, arena, &fields.text, err));
  BKI_TRY_GOTO(status, done, get_field(file, record, &layout->label, object, true, arena, &fields.label, err));
  BKI_TRY_GOTO(status, done, get_field(file, record, &layout->id, object, true, arena, &fields.id, err));
  *out = fields;
done:
  json_decref(object);
  return status;
}

/* An integer stays an integer where the new value is one too. */
static json_t *new_value(const json_t *old, bki_str value) {
  char digits[24];
  if (json_is_integer(old) && value.size < sizeof digits) {
    memcpy(digits, value.data, value.size);
    digits[value.size] = '\0';
    char *end;
    errno = 0;
    const long long number = strtoll(digits, &end, 10);
    char again[24];
    snprintf(again, sizeof again, "%lld", number);
    if (errno == 0 && strcmp(again, digits) == 0) {
      return json_integer(number);
    }
  }
  return json_stringn(value.data, value.size);
}

static int append(const char *data, size_t size, void *context) {
  bki_strbuf_add(context, data, size);
  return 0;
}

static bki_status rewrite(const bki_layout *layout, const char *file, const bki_raw_record *record,
                          const bki_fields *changes, bki_arena *arena, bki_str *out, bki_error *err) {
  (void)file;
  const bki_field *const fields[] = {&layout->text, &layout->label, &layout->id};
  const bki_str values[] = {changes->text, changes->label, changes->id};
  json_t *object = json_loadb(record->raw.data, record->raw.size, 0, NULL);
  bool done = object != NULL;
  for (size_t i = 0; done && i < 3; i++) {
    if (values[i].data != NULL) {
      const json_t *old = json_object_get(object, fields[i]->name);
      done = json_object_set_new(object, fields[i]->name, new_value(old, values[i])) == 0;
    }
  }
  bki_strbuf written = {0};
  done = done && json_dump_callback(object, append, &written, JSON_PRESERVE_ORDER) == 0;
  json_decref(object);
  if (!done) {
    bki_strbuf_clear(&written);
    return bki_fail_memory(err);
  }
  return bki_reader_finish(&written, record->raw, arena, out, err);
}

const bki_reader bki_reader_jsonl = {
    .format = BKI_FORMAT_JSONL,
    .name = "JSON Lines",
    .suffixes = {".jsonl", ".ndjson", ".json"},
    .probe = probe,
    .split = split,
    .is_blank = is_blank,
    .parse = parse,
    .rewrite = rewrite,
};
