#include <criterion/criterion.h>
#include <stdlib.h>

#include "bottom_k.h"
#include "rng.h"

static int compare_drawn(const void *a, const void *b) {
  const bki_drawn *x = a;
  const bki_drawn *y = b;
  if (x->key != y->key) {
    return x->key < y->key ? -1 : 1;
  }
  return (x->index > y->index) - (x->index < y->index);
}

/* Every draw of up to `n` from `all`, offered in this order, is the beginning of `sorted`. */
static void expect_smallest(const bki_drawn *all, const bki_drawn *sorted, size_t n) {
  for (size_t capacity = 0; capacity <= n + 2; capacity++) {
    bki_bottom_k draw = {0};
    cr_assert_eq(bki_bottom_k_init(&draw, capacity, NULL), BKI_OK);
    for (size_t i = 0; i < n; i++) {
      bki_bottom_k_offer(&draw, all[i]);
    }
    bki_bottom_k_sort(&draw);
    cr_assert_eq(draw.n, capacity < n ? capacity : n);
    for (size_t i = 0; i < draw.n; i++) {
      cr_expect(draw.heap[i].key == sorted[i].key && draw.heap[i].index == sorted[i].index, "place %zu of %zu", i,
                draw.n);
    }
    bki_bottom_k_clear(&draw);
  }
}

Test(bottom_k, draws_the_smallest_keys_in_whatever_order_they_are_offered) {
  enum { N = 40, ORDERS = 20 };
  bki_drawn all[N];
  bki_drawn sorted[N];
  bki_rng rng;
  bki_rng_init(&rng, 5, 0);
  for (int i = 0; i < N; i++) {
    all[i] = sorted[i] = (bki_drawn){bki_rng_below(&rng, 12), i}; /* many keys twice and more */
  }
  all[0].key = sorted[0].key = UINT64_MAX;
  all[1].key = sorted[1].key = 0;
  qsort(sorted, N, sizeof *sorted, compare_drawn);
  for (int order = 0; order < ORDERS; order++) {
    for (size_t i = N - 1; i > 0; i--) {
      size_t k = bki_rng_below(&rng, (uint32_t)i + 1);
      bki_drawn moved = all[i];
      all[i] = all[k];
      all[k] = moved;
    }
    expect_smallest(all, sorted, N);
  }
  expect_smallest(sorted, sorted, N);
}

Test(bottom_k, may_be_cleared_and_sorted_without_anything_in_it) {
  bki_bottom_k draw = {0};
  bki_bottom_k_sort(&draw);
  bki_bottom_k_clear(&draw);
  cr_assert_eq(bki_bottom_k_init(&draw, 3, NULL), BKI_OK);
  bki_bottom_k_sort(&draw);
  cr_expect_eq(draw.n, 0);
  bki_bottom_k_clear(&draw);
  bki_bottom_k_clear(&draw);
}
