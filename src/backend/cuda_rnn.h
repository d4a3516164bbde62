/* One bidirectional LSTM layer in cuDNN, for scoring and training.
 *
 * Sequences are unpacked and step-major, x [T, B, I] and y [T, B, 2H], with a length each (padded IO): the backward
 * direction begins at a sequence's own last step. Persistent algorithms take equal lengths only, so it is STANDARD. */
#ifndef BKI_BACKEND_CUDA_RNN_H
#define BKI_BACKEND_CUDA_RNN_H

#include "cuda_device.h"
#include "cuda_gemm.h"
#include "parameters.h"

/* Zero-initialise. */
typedef struct bki_cuda_rnn {
  bki_cuda_device *device;
  cudnnHandle_t handle; /* borrowed; its stream is where the work goes */
  cudnnDataType_t type; /* of x, y and the weights */
  int32_t inputs;
  int32_t hidden;
  size_t weight_bytes; /* of the weight space */
  cudnnRNNDescriptor_t rnn;
  cudnnDropoutDescriptor_t dropout; /* none: dropout is our own */
  cudnnRNNDataDescriptor_t x;
  cudnnRNNDataDescriptor_t y;
  cudnnTensorDescriptor_t state; /* [2, B, H] */
  cudnnTensorDescriptor_t matrix;
  cudnnTensorDescriptor_t bias;
} bki_cuda_rnn;

/* Errors: BKI_E_DEVICE. */
bki_status bki_cuda_rnn_create(bki_cuda_rnn *rnn, bki_cuda_device *device, cudnnHandle_t handle, int32_t inputs,
                               int32_t hidden, bki_cuda_math math, bki_error *err);
void bki_cuda_rnn_destroy(bki_cuda_rnn *rnn);

/* Where gate q (i, f, g, o) of a direction lies in a weight space: w_ih [H, I] and b_ih [H] (recurrent false), w_hh [H,
 * H] and b_hh. */
bki_status bki_cuda_rnn_find(bki_cuda_rnn *rnn, void *weight_space, int direction, int q, bool recurrent, void **matrix,
                             void **bias, bki_error *err);

/* Sets the shape of the next passes: lengths [B] on the host, each 1 .. T. */
bki_status bki_cuda_rnn_shape(bki_cuda_rnn *rnn, int T, int B, const int *lengths, bki_error *err);
/* Bytes of the workspace and the reserve space of a pass of that shape. */
bki_status bki_cuda_rnn_sizes(bki_cuda_rnn *rnn, bool training, size_t *work_bytes, size_t *reserve_bytes,
                              bki_error *err);
/* y from x. In training the reserve keeps what the way back needs; else it may be NULL. */
bki_status bki_cuda_rnn_forward(bki_cuda_rnn *rnn, bool training, const void *weights, const void *x, void *y,
                                const bki_cuda_buffer *work, const bki_cuda_buffer *reserve, bki_error *err);
/* After a forward pass in training, with its weights, x, y and reserve: dx from dy, and the gradients of the weights,
 * added to d_weights. What dy holds behind the steps of a sequence must be a number, what dx then holds need not. */
bki_status bki_cuda_rnn_backward(bki_cuda_rnn *rnn, const void *weights, void *d_weights, const void *x, void *dx,
                                 const void *y, const void *dy, const bki_cuda_buffer *work,
                                 const bki_cuda_buffer *reserve, bki_error *err);

#endif
