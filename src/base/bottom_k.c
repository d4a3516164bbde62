#include "bottom_k.h"

#include <stdbool.h>
#include <stdlib.h>

#include "array.h"
#include "fail.h"

static bool is_before(const bki_drawn *a, const bki_drawn *b) {
  return a->key != b->key ? a->key < b->key : a->index < b->index;
}

bki_status bki_bottom_k_init(bki_bottom_k *draw, size_t capacity, bki_error *err) {
  *draw = (bki_bottom_k){.heap = bki_array_create(capacity, sizeof *draw->heap), .capacity = capacity};
  return draw->heap == NULL ? bki_fail_memory(err) : BKI_OK;
}

void bki_bottom_k_clear(bki_bottom_k *draw) {
  free(draw->heap);
  *draw = (bki_bottom_k){0};
}

static void swap(bki_drawn *a, bki_drawn *b) {
  const bki_drawn moved = *a;
  *a = *b;
  *b = moved;
}

static void sift_down(bki_bottom_k *draw, size_t i) {
  for (;;) {
    size_t largest = i;
    for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < draw->n; child++) {
      largest = is_before(&draw->heap[largest], &draw->heap[child]) ? child : largest;
    }
    if (largest == i) {
      return;
    }
    swap(&draw->heap[i], &draw->heap[largest]);
    i = largest;
  }
}

void bki_bottom_k_offer(bki_bottom_k *draw, bki_drawn drawn) {
  if (draw->n == draw->capacity) {
    if (draw->n > 0 && is_before(&drawn, &draw->heap[0])) {
      draw->heap[0] = drawn;
      sift_down(draw, 0);
    }
    return;
  }
  size_t i = draw->n++;
  draw->heap[i] = drawn;
  for (; i > 0 && is_before(&draw->heap[(i - 1) / 2], &draw->heap[i]); i = (i - 1) / 2) {
    swap(&draw->heap[i], &draw->heap[(i - 1) / 2]);
  }
}

static int compare(const void *a, const void *b) {
  return is_before(a, b) ? -1 : 1;
}

void bki_bottom_k_sort(bki_bottom_k *draw) {
  if (draw->n > 0) {
    qsort(draw->heap, draw->n, sizeof *draw->heap, compare);
  }
}
