/* A batch of training on its way to the device: rows of the LSTM with most steps first, and where each word stands. */
#ifndef BKI_BACKEND_CUDA_BATCH_H
#define BKI_BACKEND_CUDA_BATCH_H

#include "cuda.h"
#include "learner.h"
#include "train.h"

/* Zero-initialise; make it again and again. Cell t B + b of a batch is step t of row b. */
typedef struct bki_cuda_batch {
  size_t n;      /* texts */
  size_t n_rows; /* B: texts with steps; the others never reach cuDNN */
  int32_t steps; /* T of the longest */
  int *lengths;  /* [B] steps */
  size_t lengths_capacity;
  bki_cuda_mirror rows;   /* bki_k_row [n], those without steps last */
  bki_cuda_mirror ids;    /* int32, of all texts */
  bki_cuda_mirror labels; /* int32 [n] */
  bki_cuda_mirror losses; /* bki_k_loss [n], from the device */
  /* For the gradients of word vectors: the cells of a word are summed by segments, then its segments. */
  size_t n_words;
  size_t n_segments;
  bki_cuda_mirror words;      /* int64 [n_words] ids */
  bki_cuda_mirror first_part; /* int64 [n_words + 1] segments of each word */
  bki_cuda_mirror first_cell; /* int64 [n_segments + 1] places in `cells` where each segment begins */
  bki_cuda_mirror cells;      /* int64, word by word, ascending by row and step within a word */
  int32_t *place;             /* [V] which of the n_words an id is; -1 between batches */
} bki_cuda_batch;

bki_status bki_cuda_batch_init(bki_cuda_batch *batch, const bki_model_config *model, bki_error *err);
void bki_cuda_batch_clear(bki_cuda_batch *batch);
/* Lays the texts out in pinned memory and copies them on the stream, on which nothing may be at work. `with_words`: for
 * their gradients too. */
bki_status bki_cuda_batch_push(bki_cuda_batch *batch, bki_cuda_device *device, const bki_model_config *model,
                               const bki_minibatch *texts, bool with_words, cudaStream_t stream, bki_error *err);

#endif
