#include "cuda_rnn.h"

static bki_status create_descriptors(bki_cuda_rnn *r, bki_error *err) {
  bki_cuda_device *d = r->device;
  BKI_CUDA_DNN(d, err, cudnnCreateRNNDescriptor(&r->rnn));
  BKI_CUDA_DNN(d, err, cudnnCreateDropoutDescriptor(&r->dropout));
  BKI_CUDA_DNN(d, err, cudnnCreateRNNDataDescriptor(&r->x));
  BKI_CUDA_DNN(d, err, cudnnCreateRNNDataDescriptor(&r->y));
  BKI_CUDA_DNN(d, err, cudnnCreateTensorDescriptor(&r->state));
  BKI_CUDA_DNN(d, err, cudnnCreateTensorDescriptor(&r->matrix));
  BKI_CUDA_DNN(d, err, cudnnCreateTensorDescriptor(&r->bias));
  return BKI_OK;
}

static bki_status create(bki_cuda_rnn *r, bki_cuda_math math, bki_error *err) {
  static const cudnnMathType_t types[] = {
      [BKI_CUDA_FP32] = CUDNN_FMA_MATH, /* the default would be TF32 */
      [BKI_CUDA_TF32] = CUDNN_DEFAULT_MATH,
      [BKI_CUDA_FP16] = CUDNN_TENSOR_OP_MATH,
  };
  bki_cuda_device *d = r->device;
  BKI_TRY(create_descriptors(r, err));
  BKI_CUDA_DNN(d, err, cudnnSetDropoutDescriptor(r->dropout, r->handle, 0, NULL, 0, 0));
  BKI_CUDA_DNN(d, err,
               cudnnSetRNNDescriptor_v8(r->rnn, CUDNN_RNN_ALGO_STANDARD, CUDNN_LSTM, CUDNN_RNN_DOUBLE_BIAS,
                                        CUDNN_BIDIRECTIONAL, CUDNN_LINEAR_INPUT, r->type, CUDNN_DATA_FLOAT, types[math],
                                        r->inputs, r->hidden, r->hidden, 1, r->dropout, CUDNN_RNN_PADDED_IO_ENABLED));
  BKI_CUDA_DNN(d, err, cudnnGetRNNWeightSpaceSize(r->handle, r->rnn, &r->weight_bytes));
  return BKI_OK;
}

bki_status bki_cuda_rnn_create(bki_cuda_rnn *rnn, bki_cuda_device *device, cudnnHandle_t handle, int32_t inputs,
                               int32_t hidden, bki_cuda_math math, bki_error *err) {
  *rnn = (bki_cuda_rnn){.device = device,
                        .handle = handle,
                        .type = math == BKI_CUDA_FP16 ? CUDNN_DATA_HALF : CUDNN_DATA_FLOAT,
                        .inputs = inputs,
                        .hidden = hidden};
  const bki_status status = create(rnn, math, err);
  if (status != BKI_OK) {
    bki_cuda_rnn_destroy(rnn);
  }
  return status;
}

void bki_cuda_rnn_destroy(bki_cuda_rnn *rnn) {
  cudnnTensorDescriptor_t tensors[] = {rnn->state, rnn->matrix, rnn->bias};
  for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
    if (tensors[i] != NULL) {
      (void)cudnnDestroyTensorDescriptor(tensors[i]);
    }
  }
  cudnnRNNDataDescriptor_t data[] = {rnn->x, rnn->y};
  for (size_t i = 0; i < sizeof data / sizeof *data; i++) {
    if (data[i] != NULL) {
      (void)cudnnDestroyRNNDataDescriptor(data[i]);
    }
  }
  if (rnn->dropout != NULL) {
    (void)cudnnDestroyDropoutDescriptor(rnn->dropout);
  }
  if (rnn->rnn != NULL) {
    (void)cudnnDestroyRNNDescriptor(rnn->rnn);
  }
  *rnn = (bki_cuda_rnn){0};
}

bki_status bki_cuda_rnn_find(bki_cuda_rnn *rnn, void *weight_space, int direction, int q, bool recurrent, void **matrix,
                             void **bias, bki_error *err) {
  BKI_CUDA_DNN(rnn->device, err,
               cudnnGetRNNWeightParams(rnn->handle, rnn->rnn, direction, rnn->weight_bytes, weight_space,
                                       q + (recurrent ? 4 : 0), rnn->matrix, matrix, rnn->bias, bias));
  return BKI_OK;
}

bki_status bki_cuda_rnn_shape(bki_cuda_rnn *rnn, int T, int B, const int *lengths, bki_error *err) {
  bki_cuda_device *d = rnn->device;
  const int dims[] = {2, B, rnn->hidden};
  const int strides[] = {B * rnn->hidden, rnn->hidden, 1};
  float fill = 0;
  BKI_CUDA_DNN(d, err,
               cudnnSetRNNDataDescriptor(rnn->x, rnn->type, CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_UNPACKED, T, B, rnn->inputs,
                                         lengths, &fill));
  BKI_CUDA_DNN(d, err,
               cudnnSetRNNDataDescriptor(rnn->y, rnn->type, CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_UNPACKED, T, B,
                                         2 * rnn->hidden, lengths, &fill));
  BKI_CUDA_DNN(d, err, cudnnSetTensorNdDescriptor(rnn->state, rnn->type, 3, dims, strides));
  return BKI_OK;
}

static cudnnForwardMode_t mode(bool training) {
  return training ? CUDNN_FWD_MODE_TRAINING : CUDNN_FWD_MODE_INFERENCE;
}

bki_status bki_cuda_rnn_sizes(bki_cuda_rnn *rnn, bool training, size_t *work_bytes, size_t *reserve_bytes,
                              bki_error *err) {
  BKI_CUDA_DNN(rnn->device, err,
               cudnnGetRNNTempSpaceSizes(rnn->handle, rnn->rnn, mode(training), rnn->x, work_bytes, reserve_bytes));
  return BKI_OK;
}

bki_status bki_cuda_rnn_forward(bki_cuda_rnn *rnn, bool training, const void *weights, const void *x, void *y,
                                const bki_cuda_buffer *work, const bki_cuda_buffer *reserve, bki_error *err) {
  /* Since 8.9.1 the lengths on the device are cuDNN's own affair: NULL. */
  BKI_CUDA_DNN(rnn->device, err,
               cudnnRNNForward(rnn->handle, rnn->rnn, mode(training), NULL, rnn->x, x, rnn->y, y, rnn->state, NULL,
                               NULL, rnn->state, NULL, NULL, rnn->weight_bytes, weights, work->capacity_bytes,
                               work->data, training ? reserve->capacity_bytes : 0, training ? reserve->data : NULL));
  return BKI_OK;
}

bki_status bki_cuda_rnn_backward(bki_cuda_rnn *rnn, const void *weights, void *d_weights, const void *x, void *dx,
                                 const void *y, const void *dy, const bki_cuda_buffer *work,
                                 const bki_cuda_buffer *reserve, bki_error *err) {
  bki_cuda_device *d = rnn->device;
  BKI_CUDA_DNN(d, err,
               cudnnRNNBackwardData_v8(rnn->handle, rnn->rnn, NULL, rnn->y, y, dy, rnn->x, dx, rnn->state, NULL, NULL,
                                       NULL, rnn->state, NULL, NULL, NULL, rnn->weight_bytes, weights,
                                       work->capacity_bytes, work->data, reserve->capacity_bytes, reserve->data));
  BKI_CUDA_DNN(d, err,
               cudnnRNNBackwardWeights_v8(rnn->handle, rnn->rnn, CUDNN_WGRAD_MODE_ADD, NULL, rnn->x, x, rnn->state,
                                          NULL, rnn->y, y, rnn->weight_bytes, d_weights, work->capacity_bytes,
                                          work->data, reserve->capacity_bytes, reserve->data));
  return BKI_OK;
}
