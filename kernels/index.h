// Which word a row reads, in functions of host and device: the tests try every row of every small text.
#ifndef BKI_KERNELS_INDEX_H
#define BKI_KERNELS_INDEX_H

#include "kernels.h"

#ifdef __CUDACC__
#define BKI_HD __host__ __device__ static inline
#else
#define BKI_HD static inline
#endif

// Position in the text of the word that a row of engine `full` reads at step t; -1: a pad, or behind the row's steps.
BKI_HD int32_t bki_k_row_word(const bki_k_row *row, int64_t t) {
  const int64_t j = t - row->lead;
  const int64_t left = row->length - (row->without < row->length ? 1 : 0);
  return j < 0 || j >= left ? -1 : (int32_t)(j + (j >= row->without ? 1 : 0));
}

// Index in ids of the word that a run reads from time t - 1 to time t; -1: a pad.
BKI_HD int64_t bki_k_run_word(const bki_k_run *run, int32_t t) {
  return t > run->words_end ? -1 : run->words + (int64_t)run->direction * (t - 1);
}

BKI_HD int32_t bki_k_run_steps(const bki_k_run *run) {
  return run->end < run->first ? 0 : run->end - run->first + 1;
}

// Blocks of `block` threads for n items.
BKI_HD int64_t bki_k_blocks(int64_t n, int64_t block) {
  return (n + block - 1) / block;
}

#endif
