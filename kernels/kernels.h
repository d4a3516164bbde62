/* Launchers of the CUDA kernels, for plain C.
 *
 * Letters: B rows, T steps, E embedding size, H hidden size of a direction, C classes, V vocabulary, S slots (readouts
 * of texts and variants). Pointers are device memory unless said otherwise, matrices are row-major, sums of indices are
 * 64-bit. Every launcher is asynchronous on its stream and returns cudaGetLastError(); for zero rows it launches
 * nothing. No kernel reads a result of another row, so that no result depends on what else is in a batch. */
#ifndef BKI_KERNELS_H
#define BKI_KERNELS_H

#include <stdint.h>

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A row of engine `full`: the words of a text but one, and pads. */
typedef struct bki_k_row {
  int64_t first;   /* of the text's words, in ids */
  int32_t length;  /* words of the text that count: a prefix has fewer */
  int32_t without; /* position of the deleted word; `length` where none is */
  int32_t lead;    /* pads before the words */
  int32_t steps;   /* T of this row, pads included */
  int32_t slot;    /* where its readout goes */
  int32_t unused;
} bki_k_row;

/* A row of engine `incremental`: a run of bki_plan_row on the device, from time `first` to time `end`. The word that is
 * read from time t - 1 to t is ids[words + direction * (t - 1)], and the pad behind words_end. */
typedef struct bki_k_run {
  int64_t words;
  int32_t direction; /* 1 or -1 */
  int32_t words_end;
  int32_t first;
  int32_t end;
  int32_t source; /* state to begin with */
  int32_t store;  /* where the state after time `first` goes, the others behind it; -1: nowhere */
  int32_t slot;   /* where its readout goes; -1: nowhere */
  int32_t unused;
} bki_k_run;

typedef enum bki_k_readout { BKI_K_FINAL, BKI_K_LAST, BKI_K_MEAN, BKI_K_MAX } bki_k_readout;
typedef enum bki_k_activation { BKI_K_RELU, BKI_K_TANH, BKI_K_LINEAR } bki_k_activation;

/* What a step of engine `incremental` works on, for the runs 0 <= r < R of one direction, sorted by their number of
 * steps, most first. States are pairs [2, H] of h and c. */
typedef struct bki_k_states {
  const bki_k_run *runs; /* [R] */
  const int32_t *ids;
  const float *inputs; /* [V + 1, 4H] W_ih x + b_ih + b_hh of each word; of a pad in row V */
  int64_t pad_row;     /* V */
  float *states;       /* [.., 2, H] states to begin with, and those that runs store */
  float *h;            /* [R, H] */
  void *h16;           /* [R, H] the same in half precision, for a product in it; or NULL */
  float *c;            /* [R, H] */
  float *readout;      /* [S, 2H] */
  int32_t hidden;
  int32_t half; /* of the readout: 0 forward, 1 backward */
} bki_k_states;

/* h and c of n runs from their sources; runs of no steps are read out. */
cudaError_t bki_k_begin(const bki_k_states *s, int64_t n, cudaStream_t stream);

/* The step after which a run has `left` - 1 steps to go, for the n runs that have at least `left`:
 *   z = gates + input, (i, f, o) = sigma(z_i, z_f, z_o), g = tanh(z_g), c = f c + i g, h = o tanh(c).
 * gates [n, 4H] is W_hh h. After the last step h is read out. */
cudaError_t bki_k_step(const bki_k_states *s, const float *gates, int32_t left, int64_t n, cudaStream_t stream);

/* x [T, B, E]: the vectors of row b at step t; zeros behind its steps, and for a pad when pad_id is -1. `half_x`: x is
 * in half precision. */
cudaError_t bki_k_expand(void *x, int half_x, const bki_k_row *rows, const int32_t *ids, const float *embedding,
                         int32_t pad_id, int64_t T, int64_t B, int64_t E, cudaStream_t stream);

/* Readouts [S, 2H] of B rows from the outputs y [T, B, 2H] of a layer; mean and maximum are over a row's own steps. */
cudaError_t bki_k_read_out(float *readout, const void *y, int half_y, const bki_k_row *rows, bki_k_readout kind,
                           int64_t B, int64_t H, cudaStream_t stream);

/* out [n] = max_k | readout[left, k] - readout[right, k] | over `units` units (algorithm: L-infinity). */
cudaError_t bki_k_linf(float *out, const float *readout, const int32_t *left, const int32_t *right, int64_t n,
                       int32_t units, cudaStream_t stream);

/* x [n, width] = act(x + bias). */
cudaError_t bki_k_bias_activation(float *x, const float *bias, bki_k_activation activation, int64_t n, int64_t width,
                                  cudaStream_t stream);

/* out [n]: index of the largest of x [n, width], the lowest of equal ones. */
cudaError_t bki_k_argmax(int32_t *out, const float *x, int64_t n, int32_t width, cudaStream_t stream);

/* out [n] = x [n], rounded to half precision. */
cudaError_t bki_k_to_half(void *out, const float *x, int64_t n, cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif
