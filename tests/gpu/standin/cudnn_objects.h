// Handles and descriptors of the stand-in's cuDNN.
#ifndef BKI_TESTS_STANDIN_CUDNN_OBJECTS_H
#define BKI_TESTS_STANDIN_CUDNN_OBJECTS_H

#include <cudnn.h>

#include "core.h"

namespace standin {

constexpr char CUDNN_HANDLE[] = "cudnnHandle_t", CUDNN_RNN[] = "cudnnRNNDescriptor_t";
constexpr char CUDNN_RNN_DATA[] = "cudnnRNNDataDescriptor_t", CUDNN_TENSOR[] = "cudnnTensorDescriptor_t";
constexpr char CUDNN_DROPOUT[] = "cudnnDropoutDescriptor_t";

struct cudnn_handle {
  std::shared_ptr<device> on;
  std::shared_ptr<stream> where;  // none: the default stream
};
struct cudnn_rnn {
  bool set = false;
  cudnnRNNAlgo_t algo;
  bool bidirectional;
  cudnnDataType_t type;
  cudnnMathType_t math;
  int inputs, hidden;
};
struct cudnn_rnn_data {
  bool set = false;
  cudnnDataType_t type;
  int T, B, size;
  std::vector<int> lengths;
  bool filled;  // padding of the output has a value
  double fill;
};
struct cudnn_tensor {
  cudnnDataType_t type;
  std::vector<int> sizes, strides;
};
struct cudnn_dropout {};

// What a call has to return at once.
inline cudnnStatus_t cudnn_failure(const call &c) {
  return static_cast<cudnnStatus_t>(c.injected());
}

}  // namespace standin

#endif
