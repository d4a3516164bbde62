/* The rows of engine `full`: what a lane holds, and how a group is cut into batches. */
#ifndef BKI_BACKEND_CUDA_FULL_H
#define BKI_BACKEND_CUDA_FULL_H

#include "cuda.h"

/* A batch is rows[first .. first + n), most steps first. */
typedef struct bki_cuda_full_lane {
  bki_cuda_mirror rows; /* bki_k_row [R] */
  size_t n_rows;
  int *lengths; /* [R] steps of the rows */
  size_t lengths_capacity;
  bki_cuda_buffer x;    /* [T, B, E] */
  bki_cuda_buffer y[2]; /* [T, B, 2H]: a layer reads one and writes the other */
  bki_cuda_buffer work;
} bki_cuda_full_lane;

/* The rows of the lane's group, most steps first, on the host; its mirror has room for all slots. Texts without a step
 * have no row: their readout is zeros. */
bki_status bki_cuda_full_list(const bki_cuda_worker *worker, bki_cuda_lane *lane, const bki_cuda_job *job,
                              bki_error *err);
/* Rows of the batch that begins with row `first`: as few batches as can be, and none much smaller than the others. */
size_t bki_cuda_full_cut(const bki_cuda_worker *worker, const bki_cuda_full_lane *lane, size_t first);

#endif
