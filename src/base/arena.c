#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include <bki/text.h>

#include "array.h"

enum { FIRST_BLOCK_BYTES = 16 * 1024 };

typedef struct block {
  struct block *older;
  size_t capacity;
  size_t used;
  alignas(max_align_t) char data[];
} block;

struct bki_arena {
  block *newest; /* blocks grow: the newest is the largest */
  size_t used;
};

bki_arena *bki_arena_create(void) {
  return calloc(1, sizeof(bki_arena));
}

static void free_blocks(block *b) {
  while (b != NULL) {
    block *older = b->older;
    free(b);
    b = older;
  }
}

void bki_arena_destroy(bki_arena *arena) {
  if (arena != NULL) {
    free_blocks(arena->newest);
    free(arena);
  }
}

void bki_arena_reset(bki_arena *arena) {
  if (arena->newest != NULL) {
    free_blocks(arena->newest->older);
    arena->newest->older = NULL;
    arena->newest->used = 0;
  }
  arena->used = 0;
}

static block *add_block(bki_arena *arena, size_t size) {
  size_t capacity = arena->newest == NULL ? FIRST_BLOCK_BYTES : arena->newest->capacity * 2;
  if (capacity < size) {
    capacity = size;
  }
  size_t bytes;
  block *b = bki_size_add(capacity, sizeof(block), &bytes) ? malloc(bytes) : NULL;
  if (b != NULL) {
    *b = (block){.older = arena->newest, .capacity = capacity};
    arena->newest = b;
  }
  return b;
}

void *bki_arena_alloc(bki_arena *arena, size_t size) {
  const size_t align = alignof(max_align_t);
  size_t rounded;
  if (!bki_size_add(size, align - 1, &rounded)) {
    return NULL;
  }
  rounded &= ~(align - 1);
  block *b = arena->newest;
  if (b == NULL || rounded > b->capacity - b->used) {
    b = add_block(arena, rounded);
    if (b == NULL) {
      return NULL;
    }
  }
  void *result = b->data + b->used;
  b->used += rounded;
  arena->used += rounded;
  return result;
}

char *bki_arena_copy(bki_arena *arena, const char *data, size_t size) {
  size_t bytes;
  char *copy = bki_size_add(size, 1, &bytes) ? bki_arena_alloc(arena, bytes) : NULL;
  if (copy != NULL) {
    if (size > 0) {
      memcpy(copy, data, size);
    }
    copy[size] = '\0';
  }
  return copy;
}

size_t bki_arena_used(const bki_arena *arena) {
  return arena->used;
}
