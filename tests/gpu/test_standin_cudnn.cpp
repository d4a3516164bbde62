// The stand-in for libcudnn's RNN against another LSTM in double precision, written from the equations, and its
// gradients against finite differences of that one.
#include <criterion/criterion.h>

#include <cmath>
#include <csignal>
#include <functional>
#include <random>
#include <vector>

#include <cuda_fp16.h>
#include <cudnn.h>

#include "standin.h"

#define OK(call) cr_assert_eq(call, CUDNN_STATUS_SUCCESS)

namespace {

using numbers = std::vector<double>;

struct shape {
  int T, B, I, H, D;
  std::vector<int> lengths;
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  cudnnMathType_t math = CUDNN_FMA_MATH;
  cudnnRNNAlgo_t algo = CUDNN_RNN_ALGO_STANDARD;
};
const shape ragged = {5, 4, 3, 2, 2, {3, 5, 1, 4}};

// Inputs and parameters of a layer. Matrices [D, 8] and biases [D, 8] as cuDNN numbers them.
struct layer {
  std::vector<numbers> matrices, biases;
  numbers x, hx, cx;
};
struct outputs {
  numbers y, hy, cy;
};

numbers random_numbers(std::mt19937 &rng, size_t n, cudnnDataType_t type) {
  numbers out(n);
  for (double &x : out) {
    const float f = std::uniform_real_distribution<float>(-0.8f, 0.8f)(rng);
    x = static_cast<double>(type == CUDNN_DATA_FLOAT ? f : __half2float(__float2half_rn(f)));
  }
  return out;
}

size_t product(std::initializer_list<int> sizes) {
  size_t n = 1;
  for (int s : sizes) {
    n *= static_cast<size_t>(s);
  }
  return n;
}

layer random_layer(const shape &s) {
  std::mt19937 rng(7);
  layer out;
  for (int d = 0; d < s.D; d++) {
    for (int id = 0; id < 8; id++) {
      out.matrices.push_back(random_numbers(rng, product({s.H, id < 4 ? s.I : s.H}), s.type));
      out.biases.push_back(random_numbers(rng, product({s.H}), s.type));
    }
  }
  out.x = random_numbers(rng, product({s.T, s.B, s.I}), s.type);
  out.hx = random_numbers(rng, product({s.D, s.B, s.H}), s.type);
  out.cx = random_numbers(rng, product({s.D, s.B, s.H}), s.type);
  return out;
}

double sigma(double z) {
  return 1 / (1 + std::exp(-z));
}

// One direction of one row: h and c [H] are the state, first before and then behind its steps.
void brute_row(const shape &s, const layer &p, int d, int b, double *h, double *c, outputs *out) {
  const int length = s.lengths[static_cast<size_t>(b)];
  for (int step = 0; step < length; step++) {
    const int t = d == 0 ? step : length - 1 - step;
    const double *x = &p.x[product({t * s.B + b, s.I})];
    const numbers before(h, h + s.H);
    for (int u = 0; u < s.H; u++) {
      double z[4];
      for (int gate = 0; gate < 4; gate++) {
        const size_t id = static_cast<size_t>(8 * d + gate);
        z[gate] = p.biases[id][static_cast<size_t>(u)] + p.biases[id + 4][static_cast<size_t>(u)];
        for (int k = 0; k < s.I; k++) {
          z[gate] += p.matrices[id][static_cast<size_t>(u * s.I + k)] * x[k];
        }
        for (int k = 0; k < s.H; k++) {
          z[gate] += p.matrices[id + 4][static_cast<size_t>(u * s.H + k)] * before[static_cast<size_t>(k)];
        }
      }
      c[u] = sigma(z[1]) * c[u] + sigma(z[0]) * std::tanh(z[2]);
      h[u] = sigma(z[3]) * std::tanh(c[u]);
      out->y[static_cast<size_t>(((t * s.B + b) * s.D + d) * s.H + u)] = h[u];
    }
  }
}

outputs brute(const shape &s, const layer &p) {
  outputs out = {numbers(product({s.T, s.B, s.D, s.H})), p.hx, p.cx};
  for (int d = 0; d < s.D; d++) {
    for (int b = 0; b < s.B; b++) {
      const size_t at = static_cast<size_t>((d * s.B + b) * s.H);
      brute_row(s, p, d, b, &out.hy[at], &out.cy[at], &out);
    }
  }
  return out;
}

// Device memory that the host fills and reads, as nothing runs in between.
struct tensor {
  void *at = nullptr;
  size_t n = 0;
  cudnnDataType_t type = CUDNN_DATA_FLOAT;

  double get(size_t i) const {
    return static_cast<double>(type == CUDNN_DATA_FLOAT ? static_cast<float *>(at)[i]
                                                        : __half2float(static_cast<__half *>(at)[i]));
  }
  void set(size_t i, double x) const {
    if (type == CUDNN_DATA_FLOAT) {
      static_cast<float *>(at)[i] = static_cast<float>(x);
    } else {
      static_cast<__half *>(at)[i] = __float2half_rn(static_cast<float>(x));
    }
  }
};

// The same layer in the stand-in.
struct fixture {
  shape s;
  cudnnHandle_t handle;
  cudaStream_t stream;
  cudnnRNNDescriptor_t rnn;
  cudnnDropoutDescriptor_t dropout;
  cudnnRNNDataDescriptor_t x_desc, y_desc;
  cudnnTensorDescriptor_t state, matrix, bias;
  size_t weight_bytes, work_bytes, reserve_bytes;
  tensor x, y, hx, cx, hy, cy, weights, work, reserve;
};

tensor allocate(size_t n, cudnnDataType_t type) {
  tensor t;
  t.n = n;
  t.type = type;
  cr_assert_eq(cudaMalloc(&t.at, n * (type == CUDNN_DATA_FLOAT ? 4 : 2)), cudaSuccess);
  return t;
}

tensor upload(const numbers &from, cudnnDataType_t type) {
  const tensor t = allocate(from.size(), type);
  for (size_t i = 0; i < from.size(); i++) {
    t.set(i, from[i]);
  }
  return t;
}

// A matrix or a bias in a space of weights.
tensor parameter(const fixture &f, const tensor &space, int direction, int id, bool bias) {
  void *m, *b;
  OK(cudnnGetRNNWeightParams(f.handle, f.rnn, direction, f.weight_bytes, space.at, id, f.matrix, &m, f.bias, &b));
  tensor t;
  t.at = bias ? b : m;
  t.type = f.s.type;
  int n_sizes, sizes[3], strides[3];
  cudnnDataType_t type;
  OK(cudnnGetTensorNdDescriptor(bias ? f.bias : f.matrix, 3, &type, &n_sizes, sizes, strides));
  cr_assert_eq(n_sizes, 3);
  t.n = product({sizes[0], sizes[1], sizes[2]});
  return t;
}

void set_descriptors(const fixture &f, void *fill) {
  const shape &s = f.s;
  OK(cudnnSetRNNDescriptor_v8(f.rnn, s.algo, CUDNN_LSTM, CUDNN_RNN_DOUBLE_BIAS,
                              s.D == 2 ? CUDNN_BIDIRECTIONAL : CUDNN_UNIDIRECTIONAL, CUDNN_LINEAR_INPUT, s.type,
                              CUDNN_DATA_FLOAT, s.math, s.I, s.H, s.H, 1, f.dropout, CUDNN_RNN_PADDED_IO_ENABLED));
  const auto layout = CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_UNPACKED;
  OK(cudnnSetRNNDataDescriptor(f.x_desc, s.type, layout, s.T, s.B, s.I, s.lengths.data(), nullptr));
  OK(cudnnSetRNNDataDescriptor(f.y_desc, s.type, layout, s.T, s.B, s.D * s.H, s.lengths.data(), fill));
  const int sizes[] = {s.D, s.B, s.H}, strides[] = {s.B * s.H, s.H, 1};
  OK(cudnnSetTensorNdDescriptor(f.state, s.type, 3, sizes, strides));
}

fixture open(const shape &s, const layer &p, bool with_fill = true) {
  fixture f = {};
  f.s = s;
  OK(cudnnCreate(&f.handle));
  cudaStreamCreateWithFlags(&f.stream, cudaStreamNonBlocking);
  OK(cudnnSetStream(f.handle, f.stream));
  OK(cudnnCreateRNNDescriptor(&f.rnn));
  OK(cudnnCreateDropoutDescriptor(&f.dropout));
  OK(cudnnSetDropoutDescriptor(f.dropout, f.handle, 0, nullptr, 0, 0));
  OK(cudnnCreateRNNDataDescriptor(&f.x_desc));
  OK(cudnnCreateRNNDataDescriptor(&f.y_desc));
  for (cudnnTensorDescriptor_t *t : {&f.state, &f.matrix, &f.bias}) {
    OK(cudnnCreateTensorDescriptor(t));
  }
  float zero = 0;  // in half precision too
  set_descriptors(f, with_fill ? &zero : nullptr);
  OK(cudnnGetRNNWeightSpaceSize(f.handle, f.rnn, &f.weight_bytes));
  f.weights = allocate(f.weight_bytes / (s.type == CUDNN_DATA_FLOAT ? 4 : 2), s.type);
  for (int d = 0; d < s.D; d++) {
    for (int id = 0; id < 8; id++) {
      for (const bool bias : {false, true}) {
        const tensor to = parameter(f, f.weights, d, id, bias);
        const numbers &from = (bias ? p.biases : p.matrices)[static_cast<size_t>(8 * d + id)];
        cr_assert_eq(to.n, from.size());
        for (size_t i = 0; i < from.size(); i++) {
          to.set(i, from[i]);
        }
      }
    }
  }
  f.x = upload(p.x, s.type);
  f.hx = upload(p.hx, s.type);
  f.cx = upload(p.cx, s.type);
  f.y = allocate(product({s.T, s.B, s.D, s.H}), s.type);
  f.hy = allocate(p.hx.size(), s.type);
  f.cy = allocate(p.hx.size(), s.type);
  OK(cudnnGetRNNTempSpaceSizes(f.handle, f.rnn, CUDNN_FWD_MODE_TRAINING, f.x_desc, &f.work_bytes, &f.reserve_bytes));
  f.work = allocate(f.work_bytes / 4, CUDNN_DATA_FLOAT);
  f.reserve = allocate(f.reserve_bytes / 4, CUDNN_DATA_FLOAT);
  return f;
}

void close(const fixture &f) {
  for (const tensor *t : {&f.x, &f.y, &f.hx, &f.cx, &f.hy, &f.cy, &f.weights, &f.work, &f.reserve}) {
    cudaFree(t->at);
  }
  for (cudnnTensorDescriptor_t t : {f.state, f.matrix, f.bias}) {
    cudnnDestroyTensorDescriptor(t);
  }
  cudnnDestroyRNNDataDescriptor(f.x_desc);
  cudnnDestroyRNNDataDescriptor(f.y_desc);
  cudnnDestroyDropoutDescriptor(f.dropout);
  cudnnDestroyRNNDescriptor(f.rnn);
  cudaStreamDestroy(f.stream);
  cudnnDestroy(f.handle);
  cr_assert_eq(standin_leaks(), 0);
}

cudnnStatus_t forward(const fixture &f, cudnnForwardMode_t mode) {
  const bool training = mode == CUDNN_FWD_MODE_TRAINING;
  return cudnnRNNForward(f.handle, f.rnn, mode, nullptr, f.x_desc, f.x.at, f.y_desc, f.y.at, f.state, f.hx.at, f.hy.at,
                         f.state, f.cx.at, f.cy.at, f.weight_bytes, f.weights.at, f.work_bytes, f.work.at,
                         training ? f.reserve_bytes : 0, training ? f.reserve.at : nullptr);
}

double distance(const tensor &a, const numbers &b) {
  double worst = 0;
  for (size_t i = 0; i < b.size(); i++) {
    const double d = std::fabs(a.get(i) - b[i]);
    worst = d <= worst ? worst : d;  // NaN stays
  }
  return worst;
}

// The largest error of the forward pass; the padding of y is zeros in both.
double forward_error(const shape &s, cudnnForwardMode_t mode) {
  const layer p = random_layer(s);
  const fixture f = open(s, p);
  const outputs expected = brute(s, p);
  OK(forward(f, mode));
  cudaStreamSynchronize(f.stream);
  const double worst =
      std::fmax(distance(f.y, expected.y), std::fmax(distance(f.hy, expected.hy), distance(f.cy, expected.cy)));
  close(f);
  return worst;
}

Test(standin_cudnn, forward_agrees_with_the_equations_on_ragged_rows) {
  cr_assert_lt(forward_error(ragged, CUDNN_FWD_MODE_INFERENCE), 2e-7);
  cr_assert_lt(forward_error(ragged, CUDNN_FWD_MODE_TRAINING), 2e-7);
  cr_assert_lt(forward_error({4, 2, 5, 3, 1, {4, 2}}, CUDNN_FWD_MODE_INFERENCE), 2e-7);
}

Test(standin_cudnn, the_persistent_algorithm_takes_equal_lengths) {
  shape s = {4, 2, 5, 3, 2, {4, 4}};
  s.algo = CUDNN_RNN_ALGO_PERSIST_STATIC_SMALL_H;
  cr_assert_lt(forward_error(s, CUDNN_FWD_MODE_INFERENCE), 2e-7);
}

Test(standin_cudnn, half_precision_rounds_what_is_stored) {
  shape s = ragged;
  s.type = CUDNN_DATA_HALF;
  const double error = forward_error(s, CUDNN_FWD_MODE_INFERENCE);
  cr_assert_gt(error, 1e-5);
  cr_assert_lt(error, 2e-3);
}

Test(standin_cudnn, default_math_is_tf32) {
  shape s = ragged;
  s.math = CUDNN_DEFAULT_MATH;
  const double error = forward_error(s, CUDNN_FWD_MODE_INFERENCE);
  cr_assert_gt(error, 1e-6);
  cr_assert_lt(error, 3e-3);
}

Test(standin_cudnn, the_reverse_directions_final_state_is_its_output_at_position_0) {
  const fixture f = open(ragged, random_layer(ragged));
  OK(forward(f, CUDNN_FWD_MODE_INFERENCE));
  cudaStreamSynchronize(f.stream);
  const shape &s = ragged;
  for (int b = 0; b < s.B; b++) {
    for (int u = 0; u < s.H; u++) {
      cr_assert_eq(f.hy.get(product({(s.B + b), s.H}) + static_cast<size_t>(u)),
                   f.y.get(static_cast<size_t>((b * 2 + 1) * s.H + u)));
    }
  }
  close(f);
}

Test(standin_cudnn, states_are_optional_and_missing_ones_are_zeros) {
  layer p = random_layer(ragged);
  const fixture f = open(ragged, p);
  p.hx.assign(p.hx.size(), 0);
  p.cx.assign(p.cx.size(), 0);
  OK(cudnnRNNForward(f.handle, f.rnn, CUDNN_FWD_MODE_INFERENCE, nullptr, f.x_desc, f.x.at, f.y_desc, f.y.at, f.state,
                     nullptr, nullptr, f.state, nullptr, nullptr, f.weight_bytes, f.weights.at, f.work_bytes, f.work.at,
                     0, nullptr));
  cudaStreamSynchronize(f.stream);
  cr_assert_lt(distance(f.y, brute(ragged, p).y), 2e-7);
  close(f);
}

Test(standin_cudnn, padding_without_a_fill_is_undefined_and_padding_of_x_is_not_read) {
  const fixture f = open(ragged, random_layer(ragged), false);
  for (int i = 0; i < ragged.I; i++) {
    f.x.set(static_cast<size_t>((4 * ragged.B + 0) * ragged.I + i), NAN);  // row 0 has three steps
  }
  OK(forward(f, CUDNN_FWD_MODE_INFERENCE));
  cudaStreamSynchronize(f.stream);
  for (int t = 0; t < ragged.T; t++) {
    for (int b = 0; b < ragged.B; b++) {
      const double y = f.y.get(static_cast<size_t>((t * ragged.B + b) * 4));
      cr_assert_eq(std::isnan(y), t >= ragged.lengths[static_cast<size_t>(b)]);
    }
  }
  close(f);
}

// The gradients of a loss: a random linear function of y, hy and cy.
struct gradients {
  tensor dy, dhy, dcy, dx, dhx, dcx, dweights;
};

gradients backward(const fixture &f, const outputs &slopes) {
  const cudnnDataType_t type = f.s.type;
  const gradients g = {upload(slopes.y, type),     upload(slopes.hy, type), upload(slopes.cy, type),
                       allocate(f.x.n, type),      allocate(f.hx.n, type),  allocate(f.cx.n, type),
                       allocate(f.weights.n, type)};
  for (size_t i = 0; i < g.dweights.n; i++) {
    g.dweights.set(i, 1);  // gradients are added to it
  }
  OK(cudnnRNNBackwardData_v8(f.handle, f.rnn, nullptr, f.y_desc, f.y.at, g.dy.at, f.x_desc, g.dx.at, f.state, f.hx.at,
                             g.dhy.at, g.dhx.at, f.state, f.cx.at, g.dcy.at, g.dcx.at, f.weight_bytes, f.weights.at,
                             f.work_bytes, f.work.at, f.reserve_bytes, f.reserve.at));
  OK(cudnnRNNBackwardWeights_v8(f.handle, f.rnn, CUDNN_WGRAD_MODE_ADD, nullptr, f.x_desc, f.x.at, f.state, f.hx.at,
                                f.y_desc, f.y.at, f.weight_bytes, g.dweights.at, f.work_bytes, f.work.at,
                                f.reserve_bytes, f.reserve.at));
  cudaStreamSynchronize(f.stream);
  return g;
}

double dot(const numbers &a, const numbers &b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); i++) {
    sum += a[i] * b[i];
  }
  return sum;
}

double slope_of(const shape &s, const layer &p, const outputs &slopes, double &at) {
  const double h = 1e-5, middle = at;
  double loss[2];
  for (const int side : {0, 1}) {
    at = middle + (side == 0 ? -h : h);
    const outputs o = brute(s, p);
    loss[side] = dot(o.y, slopes.y) + dot(o.hy, slopes.hy) + dot(o.cy, slopes.cy);
  }
  at = middle;
  return (loss[1] - loss[0]) / (2 * h);
}

void compare(const shape &s, const layer &p, const outputs &slopes, numbers &with_respect_to, const tensor &found,
             double added) {
  for (size_t i = 0; i < with_respect_to.size(); i++) {
    const double expected = slope_of(s, p, slopes, with_respect_to[i]) + added;
    cr_assert_lt(std::fabs(found.get(i) - expected), 2e-6, "%zu: %g, not %g", i, found.get(i), expected);
  }
}

void check_gradients(const shape &s) {
  layer p = random_layer(s);
  const fixture f = open(s, p);
  std::mt19937 rng(11);
  outputs slopes = {random_numbers(rng, f.y.n, s.type), random_numbers(rng, f.hy.n, s.type),
                    random_numbers(rng, f.cy.n, s.type)};
  OK(forward(f, CUDNN_FWD_MODE_TRAINING));
  const gradients g = backward(f, slopes);
  for (int d = 0; d < s.D; d++) {
    for (int id = 0; id < 8; id++) {
      const size_t at = static_cast<size_t>(8 * d + id);
      compare(s, p, slopes, p.matrices[at], parameter(f, g.dweights, d, id, false), 1);
      compare(s, p, slopes, p.biases[at], parameter(f, g.dweights, d, id, true), 1);
    }
  }
  compare(s, p, slopes, p.hx, g.dhx, 0);
  compare(s, p, slopes, p.cx, g.dcx, 0);
  for (size_t i = 0; i < p.x.size(); i++) {
    const size_t row = i / static_cast<size_t>(s.I);
    if (static_cast<int>(row) / s.B < s.lengths[row % static_cast<size_t>(s.B)]) {
      cr_assert_lt(std::fabs(g.dx.get(i) - slope_of(s, p, slopes, p.x[i])), 2e-6);
    } else {
      cr_assert(std::isnan(g.dx.get(i)));
    }
  }
  for (const tensor *t : {&g.dy, &g.dhy, &g.dcy, &g.dx, &g.dhx, &g.dcx, &g.dweights}) {
    cudaFree(t->at);
  }
  close(f);
}

Test(standin_cudnn, gradients_agree_with_finite_differences_on_ragged_rows) {
  check_gradients(ragged);
  check_gradients({3, 2, 2, 3, 1, {2, 3}});
}

Test(standin_cudnn, gradients_of_the_weights_before_those_of_the_data_abort, .signal = SIGABRT) {
  const fixture f = open(ragged, random_layer(ragged));
  OK(forward(f, CUDNN_FWD_MODE_TRAINING));
  cudnnRNNBackwardWeights_v8(f.handle, f.rnn, CUDNN_WGRAD_MODE_ADD, nullptr, f.x_desc, f.x.at, f.state, f.hx.at,
                             f.y_desc, f.y.at, f.weight_bytes, f.weights.at, f.work_bytes, f.work.at, f.reserve_bytes,
                             f.reserve.at);
  cudaStreamSynchronize(f.stream);
}

Test(standin_cudnn, another_stream_for_a_handle_at_work_aborts, .signal = SIGABRT) {
  const fixture f = open(ragged, random_layer(ragged));
  cudaStream_t other;
  cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking);
  OK(forward(f, CUDNN_FWD_MODE_INFERENCE));
  cudnnSetStream(f.handle, other);
}

Test(standin_cudnn, a_handle_that_is_idle_takes_another_stream) {
  const fixture f = open(ragged, random_layer(ragged));
  cudaStream_t other;
  cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking);
  OK(forward(f, CUDNN_FWD_MODE_INFERENCE));
  cudaStreamSynchronize(f.stream);
  OK(cudnnSetStream(f.handle, other));
  cudaStreamDestroy(other);
  OK(cudnnSetStream(f.handle, f.stream));
  close(f);
}

Test(standin_cudnn, what_cudnn_refuses_is_refused) {
  shape s = ragged;
  fixture f = open(s, random_layer(s));
  const auto layout = CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_UNPACKED;
  const int too_long[] = {3, 6, 1, 4}, with_zero[] = {3, 0, 1, 4};
  cr_assert_eq(cudnnSetRNNDataDescriptor(f.x_desc, s.type, layout, 5, 4, 3, too_long, nullptr), CUDNN_STATUS_BAD_PARAM);
  OK(cudnnSetRNNDataDescriptor(f.x_desc, s.type, layout, 5, 4, 3, with_zero, nullptr));
  cr_assert_eq(forward(f, CUDNN_FWD_MODE_INFERENCE), CUDNN_STATUS_BAD_PARAM);  // not the lengths of y
  OK(cudnnSetRNNDataDescriptor(f.y_desc, s.type, layout, 5, 4, 4, with_zero, nullptr));
  cr_assert_eq(forward(f, CUDNN_FWD_MODE_INFERENCE), CUDNN_STATUS_BAD_PARAM);  // zero
  f.s.algo = CUDNN_RNN_ALGO_PERSIST_STATIC;
  set_descriptors(f, nullptr);
  cr_assert_eq(forward(f, CUDNN_FWD_MODE_INFERENCE), CUDNN_STATUS_NOT_SUPPORTED);
  f.s.algo = CUDNN_RNN_ALGO_STANDARD;
  set_descriptors(f, nullptr);
  f.work_bytes--;
  cr_assert_eq(forward(f, CUDNN_FWD_MODE_INFERENCE), CUDNN_STATUS_BAD_PARAM);
  f.work_bytes++;
  OK(forward(f, CUDNN_FWD_MODE_INFERENCE));
  close(f);
}

Test(standin_cudnn, failures_are_injected_and_a_missing_device_is_told) {
  const fixture f = open(ragged, random_layer(ragged));
  standin_fail("cudnnRNNForward", 1, CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED);
  cr_assert_eq(forward(f, CUDNN_FWD_MODE_INFERENCE), CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED);
  OK(forward(f, CUDNN_FWD_MODE_INFERENCE));
  close(f);
  standin_reset(0, 0);
  cudnnHandle_t handle;
  cr_assert_eq(cudnnCreate(&handle), CUDNN_STATUS_NOT_INITIALIZED);
}

Test(standin_cudnn, inference_needs_no_reserve_and_work_grows_with_steps_and_rows) {
  fixture f = open(ragged, random_layer(ragged));
  size_t work, reserve;
  OK(cudnnGetRNNTempSpaceSizes(f.handle, f.rnn, CUDNN_FWD_MODE_INFERENCE, f.x_desc, &work, &reserve));
  cr_assert_eq(reserve, 0);
  f.s = {10, 4, 3, 2, 2, {3, 5, 1, 4}};
  set_descriptors(f, nullptr);
  size_t more;
  OK(cudnnGetRNNTempSpaceSizes(f.handle, f.rnn, CUDNN_FWD_MODE_INFERENCE, f.x_desc, &more, &reserve));
  cr_assert_gt(more, work + work / 2);
  f.s = ragged;
  close(f);
}

}  // namespace
