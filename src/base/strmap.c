#include "strmap.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((element)->orphan = true)
#include <uthash.h>

#include "array.h"
#include "fail.h"

typedef struct entry {
  UT_hash_handle hh;
  const char *key;
  bool orphan; /* uthash ran out of memory while adding it */
  alignas(max_align_t) char value[];
} entry;

struct bki_strmap {
  entry *entries;
  bki_arena *arena;
  size_t value_size;
  uint64_t seed;
};

static unsigned hash_of(const bki_strmap *map, bki_str key) {
  return (unsigned)XXH3_64bits_withSeed(key.size == 0 ? "" : key.data, key.size, map->seed);
}

bki_status bki_strmap_create(bki_strmap **out, size_t value_size, bki_error *err) {
  bki_strmap *map = bki_array_create(1, sizeof *map);
  if (map == NULL) {
    return bki_fail_memory(err);
  }
  map->arena = bki_arena_create();
  map->value_size = value_size;
  if (map->arena == NULL) {
    bki_strmap_destroy(map);
    return bki_fail_memory(err);
  }
  if (getrandom(&map->seed, sizeof map->seed, 0) != (ssize_t)sizeof map->seed) {
    map->seed = (uint64_t)(uintptr_t)map; /* only an attacker's guess gets easier */
  }
  *out = map;
  return BKI_OK;
}

void bki_strmap_destroy(bki_strmap *map) {
  if (map == NULL) {
    return;
  }
  HASH_CLEAR(hh, map->entries);
  bki_arena_destroy(map->arena);
  free(map);
}

size_t bki_strmap_count(const bki_strmap *map) {
  return HASH_COUNT(map->entries);
}

static entry *find(const bki_strmap *map, bki_str key, unsigned hash) {
  entry *found;
  HASH_FIND_BYHASHVALUE(hh, map->entries, key.size == 0 ? "" : key.data, key.size, hash, found);
  return found;
}

void *bki_strmap_get(const bki_strmap *map, bki_str key) {
  entry *found = find(map, key, hash_of(map, key));
  return found == NULL ? NULL : found->value;
}

bki_status bki_strmap_put(bki_strmap *map, bki_str key, void *value, bool *added, bki_error *err) {
  unsigned hash = hash_of(map, key);
  entry *e = find(map, key, hash);
  if (added != NULL) {
    *added = e == NULL;
  }
  if (e == NULL) {
    e = bki_arena_alloc(map->arena, sizeof *e + map->value_size);
    char *copy = e == NULL ? NULL : bki_arena_copy(map->arena, key.data, key.size);
    if (copy == NULL) {
      return bki_fail_memory(err);
    }
    memset(e, 0, sizeof *e + map->value_size);
    e->key = copy;
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, map->entries, e->key, key.size, hash, e);
    if (e->orphan) {
      return bki_fail_memory(err);
    }
  }
  void *found = e->value;
  memcpy(value, &found, sizeof found);
  return BKI_OK;
}

bool bki_strmap_next(const bki_strmap *map, void **cursor, bki_str *key, void *value) {
  entry *e = *cursor == NULL ? map->entries : ((entry *)*cursor)->hh.next;
  if (e == NULL) {
    return false;
  }
  *cursor = e;
  *key = (bki_str){e->key, e->hh.keylen};
  void *found = e->value;
  memcpy(value, &found, sizeof found);
  return true;
}
