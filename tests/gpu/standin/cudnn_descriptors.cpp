// libcudnn: the handle and the descriptors.
#include <cstdio>
#include <limits>

#include "cudnn_objects.h"
#include "numbers.h"

using namespace standin;

namespace {

template <typename T, typename Handle>
cudnnStatus_t make(const call &c, const char *kind, Handle *out) {
  if (cudnn_failure(c) == CUDNN_STATUS_SUCCESS) {
    create(kind, out, std::make_shared<T>());
  }
  return cudnn_failure(c);
}

template <typename Handle>
cudnnStatus_t destroy(const call &c, const char *kind, Handle handle) {
  if (handle != nullptr) {
    forget(kind, handle);
  }
  return cudnn_failure(c);
}

}  // namespace

cudnnStatus_t cudnnCreate(cudnnHandle_t *out) {
  call c(__func__, true);
  if (cudnn_failure(c) != CUDNN_STATUS_SUCCESS || c.broken()) {
    return cudnn_failure(c) != CUDNN_STATUS_SUCCESS ? cudnn_failure(c) : CUDNN_STATUS_NOT_INITIALIZED;
  }
  create(CUDNN_HANDLE, out, std::make_shared<cudnn_handle>(cudnn_handle{current_device(), nullptr}));
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  call c(__func__, true);
  return destroy(c, CUDNN_HANDLE, handle);
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream_handle) {
  call c(__func__, true);
  const auto h = get<cudnn_handle>(CUDNN_HANDLE, handle);
  const auto s = get_stream(c.function(), stream_handle);
  if (cudnn_failure(c) != CUDNN_STATUS_SUCCESS || s->on != h->on) {
    return s->on != h->on ? CUDNN_STATUS_BAD_PARAM_STREAM_MISMATCH : cudnn_failure(c);
  }
  if (h->where != nullptr && h->where != s && !h->where->pending.empty()) {
    die("%s: the handle has work under way on another stream", c.function());
  }
  h->where = s;
  return CUDNN_STATUS_SUCCESS;
}

size_t cudnnGetVersion(void) {
  return CUDNN_VERSION;
}

const char *cudnnGetErrorString(cudnnStatus_t status) {
  switch (status) {
    case CUDNN_STATUS_SUCCESS: return "CUDNN_STATUS_SUCCESS";
    case CUDNN_STATUS_NOT_INITIALIZED: return "CUDNN_STATUS_NOT_INITIALIZED";
    case CUDNN_STATUS_BAD_PARAM: return "CUDNN_STATUS_BAD_PARAM";
    case CUDNN_STATUS_NOT_SUPPORTED: return "CUDNN_STATUS_NOT_SUPPORTED";
    case CUDNN_STATUS_INTERNAL_ERROR: return "CUDNN_STATUS_INTERNAL_ERROR";
    case CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED:
      return "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED";
    case CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED:
      return "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED";
    case CUDNN_STATUS_EXECUTION_FAILED: return "CUDNN_STATUS_EXECUTION_FAILED";
    default: return "CUDNN_UNKNOWN_STATUS";
  }
}

// As cuDNN tells it: over several lines, and whole or cut to what there is room for.
void cudnnGetLastErrorString(char *message, size_t max_size) {
  call c(__func__, true);
  std::snprintf(message, max_size, "%s", "Error: refused by the stand-in\n\tbecause: a test wants it;\n");
}

cudnnStatus_t cudnnCreateRNNDescriptor(cudnnRNNDescriptor_t *out) {
  call c(__func__, true);
  return make<cudnn_rnn>(c, CUDNN_RNN, out);
}

cudnnStatus_t cudnnDestroyRNNDescriptor(cudnnRNNDescriptor_t handle) {
  call c(__func__, true);
  return destroy(c, CUDNN_RNN, handle);
}

// What cuDNN 9.19 accepts, of what the stand-in has.
cudnnStatus_t cudnnSetRNNDescriptor_v8(cudnnRNNDescriptor_t handle, cudnnRNNAlgo_t algo, cudnnRNNMode_t cell,
                                       cudnnRNNBiasMode_t bias, cudnnDirectionMode_t directions,
                                       cudnnRNNInputMode_t input, cudnnDataType_t type, cudnnDataType_t precision,
                                       cudnnMathType_t math, int32_t inputs, int32_t hidden, int32_t projection,
                                       int32_t layers, cudnnDropoutDescriptor_t dropout, uint32_t flags) {
  call c(__func__, true);
  const auto rnn = get<cudnn_rnn>(CUDNN_RNN, handle);
  if (cudnn_failure(c) != CUDNN_STATUS_SUCCESS) {
    return cudnn_failure(c);
  }
  if (cell != CUDNN_LSTM || bias != CUDNN_RNN_DOUBLE_BIAS || input != CUDNN_LINEAR_INPUT || layers > 1 ||
      (flags & CUDNN_RNN_PADDED_IO_ENABLED) == 0 || math == CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION) {
    die("%s: a kind of RNN that the stand-in does not have", c.function());
  }
  if (dropout != nullptr) {
    find(CUDNN_DROPOUT, dropout);
  }
  if (inputs < 1 || hidden < 1 || projection != hidden || layers < 1) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  if ((type != CUDNN_DATA_FLOAT && type != CUDNN_DATA_HALF) || precision != CUDNN_DATA_FLOAT) {
    return CUDNN_STATUS_NOT_SUPPORTED;
  }
  *rnn = {true, algo, directions == CUDNN_BIDIRECTIONAL, type, math, inputs, hidden};
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnCreateRNNDataDescriptor(cudnnRNNDataDescriptor_t *out) {
  call c(__func__, true);
  return make<cudnn_rnn_data>(c, CUDNN_RNN_DATA, out);
}

cudnnStatus_t cudnnDestroyRNNDataDescriptor(cudnnRNNDataDescriptor_t handle) {
  call c(__func__, true);
  return destroy(c, CUDNN_RNN_DATA, handle);
}

// A length of zero passes here, as it does in cuDNN. Without a fill the padding of an output is undefined: NaN.
cudnnStatus_t cudnnSetRNNDataDescriptor(cudnnRNNDataDescriptor_t handle, cudnnDataType_t type,
                                        cudnnRNNDataLayout_t layout, int T, int B, int size, const int lengths[],
                                        void *fill) {
  call c(__func__, true);
  const auto data = get<cudnn_rnn_data>(CUDNN_RNN_DATA, handle);
  if (cudnn_failure(c) != CUDNN_STATUS_SUCCESS) {
    return cudnn_failure(c);
  }
  if (layout != CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_UNPACKED) {
    die("%s: a layout that the stand-in does not have", c.function());
  }
  if ((type != CUDNN_DATA_FLOAT && type != CUDNN_DATA_HALF) || T < 1 || B < 1 || size < 1 || lengths == nullptr) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  for (int b = 0; b < B; b++) {
    if (lengths[b] < 0 || lengths[b] > T) {
      return CUDNN_STATUS_BAD_PARAM;
    }
  }
  const number stored = type == CUDNN_DATA_FLOAT ? number::FLOAT : number::HALF;
  *data = {true,
           type,
           T,
           B,
           size,
           std::vector<int>(lengths, lengths + B),
           fill != nullptr,
           fill != nullptr ? load(fill, 0, stored) : std::numeric_limits<double>::quiet_NaN()};
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t *out) {
  call c(__func__, true);
  return make<cudnn_tensor>(c, CUDNN_TENSOR, out);
}

cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t handle) {
  call c(__func__, true);
  return destroy(c, CUDNN_TENSOR, handle);
}

cudnnStatus_t cudnnSetTensorNdDescriptor(cudnnTensorDescriptor_t handle, cudnnDataType_t type, int n, const int sizes[],
                                         const int strides[]) {
  call c(__func__, true);
  const auto tensor = get<cudnn_tensor>(CUDNN_TENSOR, handle);
  if (cudnn_failure(c) != CUDNN_STATUS_SUCCESS) {
    return cudnn_failure(c);
  }
  if (n < 3 || n > CUDNN_DIM_MAX) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  *tensor = {type, std::vector<int>(sizes, sizes + n), std::vector<int>(strides, strides + n)};
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnGetTensorNdDescriptor(const cudnnTensorDescriptor_t handle, int requested, cudnnDataType_t *type,
                                         int *n, int sizes[], int strides[]) {
  call c(__func__, true);
  const auto tensor = get<cudnn_tensor>(CUDNN_TENSOR, handle);
  if (cudnn_failure(c) != CUDNN_STATUS_SUCCESS) {
    return cudnn_failure(c);
  }
  *type = tensor->type;
  *n = static_cast<int>(tensor->sizes.size());
  for (size_t i = 0; i < tensor->sizes.size() && i < static_cast<size_t>(requested); i++) {
    sizes[i] = tensor->sizes[i];
    strides[i] = tensor->strides[i];
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnCreateDropoutDescriptor(cudnnDropoutDescriptor_t *out) {
  call c(__func__, true);
  return make<cudnn_dropout>(c, CUDNN_DROPOUT, out);
}

cudnnStatus_t cudnnDestroyDropoutDescriptor(cudnnDropoutDescriptor_t handle) {
  call c(__func__, true);
  return destroy(c, CUDNN_DROPOUT, handle);
}

cudnnStatus_t cudnnSetDropoutDescriptor(cudnnDropoutDescriptor_t handle, cudnnHandle_t cudnn, float dropout, void *,
                                        size_t, unsigned long long) {
  call c(__func__, true);
  find(CUDNN_DROPOUT, handle);
  if (cudnn_failure(c) != CUDNN_STATUS_SUCCESS || cudnn == nullptr) {
    return cudnn == nullptr ? CUDNN_STATUS_BAD_PARAM : cudnn_failure(c);
  }
  if (dropout != 0) {
    die("%s: the stand-in has no dropout", c.function());
  }
  return CUDNN_STATUS_SUCCESS;
}
