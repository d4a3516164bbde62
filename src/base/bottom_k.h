/* Sampling without replacement in one pass over any number of things ("bottom-k sampling"): each has a random key that
 * depends on nothing but itself, and those with the smallest keys are drawn. */
#ifndef BKI_BASE_BOTTOM_K_H
#define BKI_BASE_BOTTOM_K_H

#include <stddef.h>
#include <stdint.h>

#include <bki/error.h>

typedef struct bki_drawn {
  uint64_t key;
  int64_t index;
} bki_drawn;

/* The `capacity` smallest, by key and then index, of those that were offered. Initialise with {0}. */
typedef struct bki_bottom_k {
  bki_drawn *heap; /* the largest first */
  size_t n;
  size_t capacity;
} bki_bottom_k;

/* Makes an empty one. */
bki_status bki_bottom_k_init(bki_bottom_k *draw, size_t capacity, bki_error *err);
void bki_bottom_k_clear(bki_bottom_k *draw);
void bki_bottom_k_offer(bki_bottom_k *draw, bki_drawn drawn);
/* Orders what was drawn by key; nothing may be offered after that. */
void bki_bottom_k_sort(bki_bottom_k *draw);

#endif
