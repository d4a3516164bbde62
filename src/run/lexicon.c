#include "lexicon.h"

#include <stdlib.h>

#include "array.h"
#include "fail.h"

bki_status bki_lexicon_init(bki_lexicon *lexicon, bki_error *err) {
  *lexicon = (bki_lexicon){.arena = bki_arena_create()};
  return lexicon->arena == NULL ? bki_fail_memory(err) : bki_strmap_create(&lexicon->ids, sizeof(int32_t), err);
}

void bki_lexicon_clear(bki_lexicon *lexicon) {
  bki_strmap_destroy(lexicon->ids);
  bki_arena_destroy(lexicon->arena);
  free(lexicon->words);
  *lexicon = (bki_lexicon){0};
}

bki_status bki_lexicon_add(bki_lexicon *lexicon, bki_str word, int32_t *id, bki_error *err) {
  int32_t *found;
  BKI_TRY(bki_strmap_put(lexicon->ids, word, &found, NULL, err));
  if (*found == 0) {
    char *copy = bki_arena_copy(lexicon->arena, word.data, word.size);
    if (copy == NULL || lexicon->n == INT32_MAX) {
      return bki_fail_memory(err);
    }
    BKI_TRY(bki_array_reserve(&lexicon->words, &lexicon->capacity, lexicon->n + 1, sizeof *lexicon->words, err));
    lexicon->words[lexicon->n++] = (bki_str){copy, word.size};
    *found = (int32_t)lexicon->n;
  }
  *id = *found - 1;
  return BKI_OK;
}

int32_t bki_lexicon_find(const bki_lexicon *lexicon, bki_str word) {
  const int32_t *found = bki_strmap_get(lexicon->ids, word);
  return found == NULL ? -1 : *found - 1;
}

bki_str bki_lexicon_word(const bki_lexicon *lexicon, int32_t id) {
  return lexicon->words[id];
}
