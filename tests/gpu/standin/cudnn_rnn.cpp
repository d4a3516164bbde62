// libcudnn: the passes of an RNN. Arguments are checked at the call; the work runs when the stream comes to it.
#include <algorithm>

#include "cudnn_objects.h"
#include "lstm.h"

using namespace standin;

namespace {

rnn_rows seen;  // of forward passes

number type_of(cudnnDataType_t type) {
  return type == CUDNN_DATA_FLOAT ? number::FLOAT : number::HALF;
}

lstm shape_of(const cudnn_rnn &rnn) {
  const bool tf32 = rnn.type == CUDNN_DATA_FLOAT && rnn.math != CUDNN_FMA_MATH;
  return {0,
          0,
          static_cast<size_t>(rnn.inputs),
          static_cast<size_t>(rnn.hidden),
          rnn.bidirectional ? 2u : 1u,
          {},
          type_of(rnn.type),
          tf32};
}

cudnnStatus_t check_lengths(const cudnn_rnn &rnn, const cudnn_rnn_data &x) {
  for (const int length : x.lengths) {
    if (length == 0) {
      return CUDNN_STATUS_BAD_PARAM;
    }
    if (length != x.T && rnn.algo != CUDNN_RNN_ALGO_STANDARD) {
      return CUDNN_STATUS_NOT_SUPPORTED;
    }
  }
  return rnn.algo == CUDNN_RNN_ALGO_PERSIST_STATIC_SMALL_H && rnn.hidden > 192 ? CUDNN_STATUS_NOT_SUPPORTED
                                                                               : CUDNN_STATUS_SUCCESS;
}

bool is_state(const lstm &l, const cudnn_rnn &rnn, cudnnTensorDescriptor_t handle) {
  const auto t = get<cudnn_tensor>(CUDNN_TENSOR, handle);
  const int D = static_cast<int>(l.D), B = static_cast<int>(l.B), H = static_cast<int>(l.H);
  return t->type == rnn.type && t->sizes == std::vector<int>{D, B, H} && t->strides == std::vector<int>{B * H, H, 1};
}

// What every pass has: the layer, and where it runs.
struct pass {
  lstm l;
  std::shared_ptr<device> on;
  std::shared_ptr<stream> where;
  double fill;
  const char *function;

  // In memory of the device; NULL is allowed for what is optional.
  void need(const char *what, const void *at, size_t bytes) const {
    require_device(function, what, at, bytes, on.get());
  }
  void need_numbers(const char *what, const void *at, size_t n) const { need(what, at, n * size_of(l.type)); }
  void may_have_state(const char *what, const void *at) const {
    if (at != nullptr) {
      need_numbers(what, at, l.state_count());
    }
  }
};

struct spaces {
  size_t weight_bytes;
  const void *weights;
  size_t work_bytes;
  void *work;
  size_t reserve_bytes;
  void *reserve;  // NULL: not used
};

cudnnStatus_t begin(const call &c, pass *out, cudnnHandle_t handle, cudnnRNNDescriptor_t rnn_handle,
                    cudnnRNNDataDescriptor_t x_handle, cudnnRNNDataDescriptor_t y_handle, cudnnTensorDescriptor_t h,
                    cudnnTensorDescriptor_t cell) {
  const auto cudnn = get<cudnn_handle>(CUDNN_HANDLE, handle);
  const auto rnn = get<cudnn_rnn>(CUDNN_RNN, rnn_handle);
  const auto x = get<cudnn_rnn_data>(CUDNN_RNN_DATA, x_handle);
  const auto y = get<cudnn_rnn_data>(CUDNN_RNN_DATA, y_handle);
  if (cudnn_failure(c) != CUDNN_STATUS_SUCCESS || cudnn->on->sticky != cudaSuccess) {
    return cudnn_failure(c) != CUDNN_STATUS_SUCCESS ? cudnn_failure(c) : CUDNN_STATUS_EXECUTION_FAILED;
  }
  if (!rnn->set || !x->set || !y->set) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  lstm l = shape_of(*rnn);
  l.T = static_cast<size_t>(x->T);
  l.B = static_cast<size_t>(x->B);
  l.lengths = x->lengths;
  if (x->type != rnn->type || y->type != rnn->type || x->size != rnn->inputs ||
      static_cast<size_t>(y->size) != l.D * l.H || y->T != x->T || y->lengths != x->lengths || !is_state(l, *rnn, h) ||
      (cell != nullptr && !is_state(l, *rnn, cell))) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  if (cudnn->where == nullptr) {
    die("%s: the handle has no stream", c.function());
  }
  if (cudnn->on != current_device()) {
    die("%s: the handle is not of the current device", c.function());
  }
  *out = {l, cudnn->on, cudnn->where, y->fill, c.function()};
  return check_lengths(*rnn, *x);
}

cudnnStatus_t check_spaces(const pass &p, const spaces &s) {
  if (s.weight_bytes < p.l.weight_count() * size_of(p.l.type) || s.work_bytes < p.l.workspace_bytes() ||
      (s.reserve != nullptr && s.reserve_bytes < p.l.reserve_bytes())) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  p.need("weight space", s.weights, s.weight_bytes);
  p.need("work space", s.work, s.work_bytes);
  if (s.reserve != nullptr) {
    p.need("reserve space", s.reserve, s.reserve_bytes);
  }
  return CUDNN_STATUS_SUCCESS;
}

// The work space holds nothing before and after.
template <typename Io>
void submit_pass(const pass &p, const spaces &s, const Io &io) {
  const lstm l = p.l;
  void *const work = s.work;
  submit(p.where, [l, io, work] {
    std::memset(work, 0xff, l.workspace_bytes());
    run(l, io);
  });
}

}  // namespace

rnn_rows standin::seen_rows() {
  return seen;
}

void standin::forget_rows() {
  seen = {0, 0};
}

cudnnStatus_t cudnnGetRNNTempSpaceSizes(cudnnHandle_t handle, cudnnRNNDescriptor_t rnn_handle, cudnnForwardMode_t mode,
                                        cudnnRNNDataDescriptor_t x_handle, size_t *work_bytes, size_t *reserve_bytes) {
  call c(__func__, true);
  find(CUDNN_HANDLE, handle);
  const auto rnn = get<cudnn_rnn>(CUDNN_RNN, rnn_handle);
  const auto x = get<cudnn_rnn_data>(CUDNN_RNN_DATA, x_handle);
  if (cudnn_failure(c) != CUDNN_STATUS_SUCCESS || !rnn->set || !x->set) {
    return cudnn_failure(c) != CUDNN_STATUS_SUCCESS ? cudnn_failure(c) : CUDNN_STATUS_BAD_PARAM;
  }
  lstm l = shape_of(*rnn);
  l.T = static_cast<size_t>(x->T);
  l.B = static_cast<size_t>(x->B);
  *work_bytes = l.workspace_bytes();
  if (reserve_bytes != nullptr) {
    *reserve_bytes = mode == CUDNN_FWD_MODE_TRAINING ? l.reserve_bytes() : 0;
  }
  return check_lengths(*rnn, *x);
}

cudnnStatus_t cudnnGetRNNWeightSpaceSize(cudnnHandle_t handle, cudnnRNNDescriptor_t rnn_handle, size_t *bytes) {
  call c(__func__, true);
  find(CUDNN_HANDLE, handle);
  const auto rnn = get<cudnn_rnn>(CUDNN_RNN, rnn_handle);
  if (cudnn_failure(c) != CUDNN_STATUS_SUCCESS || !rnn->set) {
    return cudnn_failure(c) != CUDNN_STATUS_SUCCESS ? cudnn_failure(c) : CUDNN_STATUS_BAD_PARAM;
  }
  const lstm l = shape_of(*rnn);
  *bytes = l.weight_count() * size_of(l.type);
  return CUDNN_STATUS_SUCCESS;
}

// Matrices are [1, H, columns], biases [1, H, 1].
cudnnStatus_t cudnnGetRNNWeightParams(cudnnHandle_t handle, cudnnRNNDescriptor_t rnn_handle, int32_t layer,
                                      size_t weight_bytes, const void *weights, int32_t id,
                                      cudnnTensorDescriptor_t matrix, void **matrix_at, cudnnTensorDescriptor_t bias,
                                      void **bias_at) {
  call c(__func__, true);
  find(CUDNN_HANDLE, handle);
  const auto rnn = get<cudnn_rnn>(CUDNN_RNN, rnn_handle);
  const auto m = get<cudnn_tensor>(CUDNN_TENSOR, matrix), b = get<cudnn_tensor>(CUDNN_TENSOR, bias);
  if (cudnn_failure(c) != CUDNN_STATUS_SUCCESS) {
    return cudnn_failure(c);
  }
  const lstm l = shape_of(*rnn);
  if (!rnn->set || weights == nullptr || layer < 0 || static_cast<size_t>(layer) >= l.D || id < 0 || id > 7 ||
      weight_bytes < l.weight_count() * size_of(l.type)) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  char *const base = const_cast<char *>(static_cast<const char *>(weights));
  const size_t direction = static_cast<size_t>(layer), which = static_cast<size_t>(id);
  const int H = rnn->hidden, columns = id < 4 ? rnn->inputs : H;
  *matrix_at = base + l.matrix_at(direction, which) * size_of(l.type);
  *bias_at = base + l.bias_at(direction, which) * size_of(l.type);
  *m = {rnn->type, {1, H, columns}, {H * columns, columns, 1}};
  *b = {rnn->type, {1, H, 1}, {H, 1, 1}};
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnRNNForward(cudnnHandle_t handle, cudnnRNNDescriptor_t rnn, cudnnForwardMode_t mode, const int32_t *,
                              cudnnRNNDataDescriptor_t x_desc, const void *x, cudnnRNNDataDescriptor_t y_desc, void *y,
                              cudnnTensorDescriptor_t h_desc, const void *hx, void *hy, cudnnTensorDescriptor_t c_desc,
                              const void *cx, void *cy, size_t weight_bytes, const void *weights, size_t work_bytes,
                              void *work, size_t reserve_bytes, void *reserve) {
  call c(__func__, true);
  pass p;
  cudnnStatus_t status = begin(c, &p, handle, rnn, x_desc, y_desc, h_desc, c_desc);
  if (status != CUDNN_STATUS_SUCCESS) {
    return status;
  }
  const bool training = mode == CUDNN_FWD_MODE_TRAINING;
  const spaces s = {weight_bytes, weights, work_bytes, work, reserve_bytes, training ? reserve : nullptr};
  status = training && reserve == nullptr ? CUDNN_STATUS_BAD_PARAM : check_spaces(p, s);
  if (status != CUDNN_STATUS_SUCCESS) {
    return status;
  }
  p.need_numbers("x", x, p.l.x_count());
  p.need_numbers("y", y, p.l.y_count());
  for (const void *state : {hx, static_cast<const void *>(hy), cx, static_cast<const void *>(cy)}) {
    p.may_have_state("a state", state);
  }
  const int rows = static_cast<int>(p.l.B);
  seen = {seen.least == 0 ? rows : std::min(seen.least, rows), std::max(seen.most, rows)};
  submit_pass(p, s, lstm_forward{weights, x, hx, cx, y, hy, cy, s.reserve, p.fill});
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnRNNBackwardData_v8(cudnnHandle_t handle, cudnnRNNDescriptor_t rnn, const int32_t *,
                                      cudnnRNNDataDescriptor_t y_desc, const void *y, const void *dy,
                                      cudnnRNNDataDescriptor_t x_desc, void *dx, cudnnTensorDescriptor_t h_desc,
                                      const void *hx, const void *dhy, void *dhx, cudnnTensorDescriptor_t c_desc,
                                      const void *cx, const void *dcy, void *dcx, size_t weight_bytes,
                                      const void *weights, size_t work_bytes, void *work, size_t reserve_bytes,
                                      void *reserve) {
  call c(__func__, true);
  pass p;
  cudnnStatus_t status = begin(c, &p, handle, rnn, x_desc, y_desc, h_desc, c_desc);
  if (status != CUDNN_STATUS_SUCCESS) {
    return status;
  }
  const spaces s = {weight_bytes, weights, work_bytes, work, reserve_bytes, reserve};
  status = reserve == nullptr ? CUDNN_STATUS_BAD_PARAM : check_spaces(p, s);
  if (status != CUDNN_STATUS_SUCCESS) {
    return status;
  }
  p.need_numbers("y", y, p.l.y_count());
  p.need_numbers("dy", dy, p.l.y_count());
  p.need_numbers("dx", dx, p.l.x_count());
  for (const void *state : {hx, dhy, static_cast<const void *>(dhx), cx, dcy, static_cast<const void *>(dcx)}) {
    p.may_have_state("a state", state);
  }
  submit_pass(p, s, lstm_backward_data{weights, dy, cx, dhy, dcy, dx, dhx, dcx, reserve});
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnRNNBackwardWeights_v8(cudnnHandle_t handle, cudnnRNNDescriptor_t rnn, cudnnWgradMode_t mode,
                                         const int32_t *, cudnnRNNDataDescriptor_t x_desc, const void *x,
                                         cudnnTensorDescriptor_t h_desc, const void *hx,
                                         cudnnRNNDataDescriptor_t y_desc, const void *y, size_t weight_bytes,
                                         void *dweights, size_t work_bytes, void *work, size_t reserve_bytes,
                                         void *reserve) {
  call c(__func__, true);
  pass p;
  cudnnStatus_t status = begin(c, &p, handle, rnn, x_desc, y_desc, h_desc, nullptr);
  if (status != CUDNN_STATUS_SUCCESS) {
    return status;
  }
  if (mode != CUDNN_WGRAD_MODE_ADD) {
    return CUDNN_STATUS_NOT_SUPPORTED;
  }
  const spaces s = {weight_bytes, dweights, work_bytes, work, reserve_bytes, reserve};
  status = reserve == nullptr ? CUDNN_STATUS_BAD_PARAM : check_spaces(p, s);
  if (status != CUDNN_STATUS_SUCCESS) {
    return status;
  }
  p.need_numbers("x", x, p.l.x_count());
  p.need_numbers("y", y, p.l.y_count());
  p.may_have_state("hx", hx);
  submit_pass(p, s, lstm_backward_weights{x, hx, y, reserve, dweights});
  return CUDNN_STATUS_SUCCESS;
}
