/* Reading a JSON object strictly: types are what they have to be, every key is known. */
#ifndef BKI_MODEL_SECTION_H
#define BKI_MODEL_SECTION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include <bki/error.h>

typedef struct bki_section {
  json_t *object;
  char name[40];    /* for messages: "" (the whole file), "tokenizer", "selftest[3]" */
  const char *path; /* of the file */
} bki_section;

typedef enum bki_presence { BKI_OPTIONAL, BKI_REQUIRED } bki_presence;

/* The readers leave *out alone when an optional key is absent: the caller has put the default there. All errors are
 * BKI_E_DATA with the file and the key. */
bki_status bki_section_int(const bki_section *s, const char *key, bki_presence presence, int32_t *out, bki_error *err);
bki_status bki_section_bool(const bki_section *s, const char *key, bool *out, bki_error *err);
/* Borrowed from the object; UTF-8 without NUL. */
bki_status bki_section_string(const bki_section *s, const char *key, bki_presence presence, const char **out,
                              bki_error *err);
/* The index of a name in a list that ends with NULL. */
bki_status bki_section_name(const bki_section *s, const char *key, bki_presence presence, const char *const *names,
                            int *out, bki_error *err);
bki_status bki_section_array(const bki_section *s, const char *key, bki_presence presence, json_t **out,
                             bki_error *err);
bki_status bki_section_object(const bki_section *s, const char *key, bki_presence presence, json_t **out,
                              bki_error *err);

/* Fails on a key that is not in the list, NULL at its end. */
bki_status bki_section_check_keys(const bki_section *s, const char *const *known, bki_error *err);

/* "<section>.<key>: <message>". */
bki_status bki_section_fail(const bki_section *s, const char *key, bki_error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* "an object", "a string", ... */
const char *bki_json_type_name(const json_t *value);

#endif
