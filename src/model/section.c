#include "section.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fail.h"

const char *bki_json_type_name(const json_t *value) {
  switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a real number";
    case JSON_TRUE: return "true";
    case JSON_FALSE: return "false";
    case JSON_NULL: return "null";
  }
  return "something else";
}

bki_status bki_section_fail(const bki_section *s, const char *key, bki_error *err, const char *format, ...) {
  char message[512];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  return bki_fail_at(err, BKI_E_DATA, s->path, 0, -1, "%s%s%s: %s", s->name, s->name[0] == '\0' ? "" : ".", key,
                     message);
}

/* The value of a key if its type is one of two; NULL when an optional one is absent. */
static bki_status get(const bki_section *s, const char *key, bki_presence presence, json_type type, json_type other,
                      const char *expected, json_t **out, bki_error *err) {
  json_t *value = json_object_get(s->object, key);
  if (value == NULL && presence == BKI_REQUIRED) {
    return bki_section_fail(s, key, err, "missing; expected %s", expected);
  }
  if (value != NULL && json_typeof(value) != type && json_typeof(value) != other) {
    return bki_section_fail(s, key, err, "expected %s, found %s", expected, bki_json_type_name(value));
  }
  *out = value;
  return BKI_OK;
}

bki_status bki_section_int(const bki_section *s, const char *key, bki_presence presence, int32_t *out, bki_error *err) {
  json_t *value = NULL;
  BKI_TRY(get(s, key, presence, JSON_INTEGER, JSON_INTEGER, "an integer", &value, err));
  if (value == NULL) {
    return BKI_OK;
  }
  const json_int_t number = json_integer_value(value);
  if (number < INT32_MIN || number > INT32_MAX) {
    return bki_section_fail(s, key, err, "expected a 32-bit integer, found %lld", (long long)number);
  }
  *out = (int32_t)number;
  return BKI_OK;
}

bki_status bki_section_bool(const bki_section *s, const char *key, bool *out, bki_error *err) {
  json_t *value = NULL;
  BKI_TRY(get(s, key, BKI_OPTIONAL, JSON_TRUE, JSON_FALSE, "true or false", &value, err));
  *out = value == NULL ? *out : json_is_true(value);
  return BKI_OK;
}

bki_status bki_section_string(const bki_section *s, const char *key, bki_presence presence, const char **out,
                              bki_error *err) {
  json_t *value = NULL;
  BKI_TRY(get(s, key, presence, JSON_STRING, JSON_STRING, "a string", &value, err));
  *out = value == NULL ? *out : json_string_value(value);
  return BKI_OK;
}

bki_status bki_section_name(const bki_section *s, const char *key, bki_presence presence, const char *const *names,
                            int *out, bki_error *err) {
  const char *found = NULL;
  BKI_TRY(bki_section_string(s, key, presence, &found, err));
  if (found == NULL) {
    return BKI_OK;
  }
  char list[128] = "";
  for (int i = 0; names[i] != NULL; i++) {
    if (strcmp(names[i], found) == 0) {
      *out = i;
      return BKI_OK;
    }
    const size_t used = strlen(list);
    snprintf(list + used, sizeof list - used, "%s\"%s\"", i == 0 ? "" : names[i + 1] == NULL ? " or " : ", ", names[i]);
  }
  char quoted[BKI_QUOTE_SIZE];
  return bki_section_fail(s, key, err, "expected %s, found %s", list,
                          bki_quote(quoted, (bki_str){found, strlen(found)}));
}

bki_status bki_section_array(const bki_section *s, const char *key, bki_presence presence, json_t **out,
                             bki_error *err) {
  return get(s, key, presence, JSON_ARRAY, JSON_ARRAY, "an array", out, err);
}

bki_status bki_section_object(const bki_section *s, const char *key, bki_presence presence, json_t **out,
                              bki_error *err) {
  return get(s, key, presence, JSON_OBJECT, JSON_OBJECT, "an object", out, err);
}

bki_status bki_section_check_keys(const bki_section *s, const char *const *known, bki_error *err) {
  const char *key;
  json_t *value = NULL;
  json_object_foreach(s->object, key, value) {
    size_t i = 0;
    while (known[i] != NULL && strcmp(known[i], key) != 0) {
      i++;
    }
    if (known[i] == NULL) {
      char quoted[BKI_QUOTE_SIZE];
      bki_quote(quoted, (bki_str){key, strlen(key)});
      return s->name[0] != '\0'
                 ? bki_fail_at(err, BKI_E_DATA, s->path, 0, -1, "%s: unknown key %s", s->name, quoted)
                 : bki_fail_at(err, BKI_E_DATA, s->path, 0, -1, "unknown key %s (notes belong into \"meta\")", quoted);
    }
  }
  return BKI_OK;
}
