/* Launchers of the kernels that only training uses. Rules and letters are those of kernels.h, but that sums run over
 * the rows of a batch: always in an order that the shapes fix, so that a batch gives the same bytes each time.
 *
 * A batch has n texts. Those with steps are the B rows of the LSTM, bki_k_row with the number of the text as `slot`;
 * what is of texts is in their order, [n, ..]. */
#ifndef BKI_KERNELS_TRAIN_H
#define BKI_KERNELS_TRAIN_H

#include "kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers that lie together in a block of parameters and in cuDNN's weight spaces; both places count floats. */
typedef struct bki_k_part {
  int64_t block;
  int64_t space;
  int64_t count;
} bki_k_part;

/* n parts from a block into the spaces, or back; the block begins with its number `first`. */
cudaError_t bki_k_pack(float *spaces, const float *block, const bki_k_part *parts, int64_t n, cudaStream_t stream);
cudaError_t bki_k_unpack(float *block, int64_t first, const float *spaces, const bki_k_part *parts, int64_t n,
                         cudaStream_t stream);

/* Which units a step of the training zeroes, and what it multiplies the others by. */
typedef struct bki_k_dropout_mask {
  uint64_t seed;
  uint64_t step;
  uint64_t threshold; /* 32 random bits keep a unit from here on: share 2^32, rounded up; 0: all are kept as they are */
  float scale;        /* 1 / (1 - share) */
} bki_k_dropout_mask;

/* out [T, B, units] = in, masked, with zeros behind the steps of a row; out may be in. `mask` is on the host. */
cudaError_t bki_k_dropout(float *out, const float *in, const bki_k_row *rows, const bki_k_dropout_mask *mask,
                          uint32_t site, int64_t T, int64_t B, int64_t units, cudaStream_t stream);
/* x [n, units], masked in place, as the readouts of n texts are. */
cudaError_t bki_k_dropout_texts(float *x, const bki_k_dropout_mask *mask, uint32_t site, int64_t n, int64_t units,
                                cudaStream_t stream);

/* Readouts [n, 2H] of B rows from y [T, B, 2H]; those of other texts stay. source [B, 2H] is the step that each unit
 * was read from, the lowest of equal ones; -1: the mean of all. */
cudaError_t bki_k_read_out_from(float *readout, int32_t *source, const float *y, const bki_k_row *rows,
                                bki_k_readout kind, int64_t B, int64_t H, cudaStream_t stream);
/* All of dy [T, B, 2H] from the gradients of the readouts [n, 2H]. */
cudaError_t bki_k_read_out_back(float *dy, const float *d_readout, const int32_t *source, const bki_k_row *rows,
                                int64_t T, int64_t B, int64_t H, cudaStream_t stream);

/* Row targets[i] of out [.., E] = the sum of the rows index[first[i]] .. index[first[i + 1] - 1] of in [.., E], in that
 * order, for n sums. `targets` NULL: i itself; `index` NULL: the rows first[i] .. first[i + 1] - 1. */
cudaError_t bki_k_sum_rows(float *out, const int64_t *targets, const float *in, const int64_t *index,
                           const int64_t *first, int64_t n, int64_t E, cudaStream_t stream);

typedef struct bki_k_loss {
  double loss;     /* -log softmax(logits)_label */
  int64_t correct; /* 1 where the largest logit, the lowest of equal ones, is the label's */
} bki_k_loss;

/* out [n]; logits [n, C] become the gradients of the mean loss: (softmax(logits) - onehot(label)) / n. */
cudaError_t bki_k_cross_entropy(bki_k_loss *out, float *logits, const int32_t *labels, int64_t n, int32_t C,
                                cudaStream_t stream);
/* d [n] = d act'(z), where a [n] is act(z). */
cudaError_t bki_k_activation_back(float *d, const float *a, bki_k_activation activation, int64_t n,
                                  cudaStream_t stream);
/* out [width]: the sums of the columns of x [n, width]. */
cudaError_t bki_k_column_sums(float *out, const float *x, int64_t n, int64_t width, cudaStream_t stream);

typedef struct bki_k_norm {
  double norm;   /* Euclidean, of the gradients */
  double factor; /* min(1, clip / (norm + 1e-6)), 1 without clipping: what they are multiplied by */
} bki_k_norm;

/* Doubles of scratch that a norm of n numbers takes. */
int64_t bki_k_norm_parts(int64_t n);
/* *out, for g [n]; `clip` 0: no clipping. */
cudaError_t bki_k_measure(bki_k_norm *out, double *parts, const float *g, int64_t n, double clip, cudaStream_t stream);

/* optimizer.h has the equations. The step is rate m / (sqrt(v) root + epsilon); g is multiplied by norm->factor, which
 * is on the device. */
typedef struct bki_k_optimizer {
  float beta1;
  float beta2;
  float rest1; /* 1 - beta1 */
  float rest2;
  float rate;
  float root;
  float epsilon;
} bki_k_optimizer;

/* One step of n parameters w. RMSprop has no m, and reads neither beta1 nor root. */
cudaError_t bki_k_adam(float *w, float *m, float *v, const float *g, const bki_k_norm *norm, const bki_k_optimizer *o,
                       int64_t n, cudaStream_t stream);
cudaError_t bki_k_rmsprop(float *w, float *v, const float *g, const bki_k_norm *norm, const bki_k_optimizer *o,
                          int64_t n, cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif
