// What the persistent kernels compute, in plain loops: every variant from end to end, without slots, items or states.
// With float, and sums in the order of a kind, the numbers are those of the kernels to the bit; with double they are
// the reference.
#ifndef BKI_TESTS_PERSISTENT_MODEL_H
#define BKI_TESTS_PERSISTENT_MODEL_H

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "persistent_weights.h"

namespace model {

struct lstm {
  int H;
  int words;
  std::vector<float> w_hh;   // [4H, H], gates i, f, g, o
  std::vector<float> input;  // [words, 4H] W_ih x + b, the same order
};

// `gain` 1: about what training begins with; larger ones remember and amplify.
inline lstm make_lstm(int H, int words, float gain, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> u(-1, 1);
  lstm m{H, words, std::vector<float>(static_cast<size_t>(4 * H * H)),
         std::vector<float>(static_cast<size_t>(words * 4 * H))};
  for (float &w : m.w_hh) {
    w = u(random) * gain / std::sqrt(static_cast<float>(H));
  }
  for (float &x : m.input) {
    x = 1.5f * u(random);
  }
  return m;
}

inline float half(float x) {
  return bki_k_half_value(bki_k_half_bits(x));
}

// A kind's arithmetic. begin_step takes h; sum gives z [gate] of unit u, with bki_k_gate_scale: the sum over k of h and
// W_hh, and the input x; cell takes z to c and h.
class fp32 {
 public:
  using number = float;
  explicit fp32(const lstm &m) : H(m.H), w(m.w_hh) {
    for (size_t i = 0; i < w.size(); i++) {
      w[i] *= bki_k_gate_scale(static_cast<int>(i) / (H * H));
    }
  }
  void begin_step(const std::vector<float> &state) { h = state; }
  void sum(float *z, const float *x, int u) const {
    for (int gate = 0; gate < 4; gate++) {
      const float *row = &w[static_cast<size_t>((gate * H + u) * H)];
      float sum = 0;
      for (int k = 0; k < H; k++) {
        sum = std::fma(h[static_cast<size_t>(k)], row[k], sum);
      }
      z[gate] = sum + x[gate * H + u] * bki_k_gate_scale(gate);
    }
  }
  static float exponential(float z) { return std::exp2(std::min(z * -2.885390082f, 40.0f)); }
  static float cell(const float *z, float *c) {
    const float B = exponential(z[2]);
    const float input = (1.0f + exponential(z[0])) * (1.0f + B);
    const float forget = 1.0f + exponential(z[1]);
    const float above = std::fma(*c, input, forget * (1.0f - B));
    *c = above * (1.0f / (forget * input));
    const float D = exponential(*c);
    return (1.0f - D) * (1.0f / ((1.0f + exponential(z[3])) * (1.0f + D)));
  }

 private:
  int H;
  std::vector<float> w, h;
};

// Numbers as sums of two in half precision.
struct halves {
  std::vector<float> high, low;
  void take(const std::vector<float> &x, float factor = 1) {
    high.resize(x.size());
    low.resize(x.size());
    for (size_t i = 0; i < x.size(); i++) {
      high[i] = half(x[i] * factor);
      low[i] = half(x[i] * factor - high[i]);
    }
  }
};

// 16 products of numbers in half precision, exact, and one rounding: what the host's mma does with a slice of k.
inline float add_slice(float sum, const float *h, const float *w) {
  double all = static_cast<double>(sum);
  for (int k = 0; k < 16; k++) {
    all += static_cast<double>(h[k]) * static_cast<double>(w[k]);
  }
  return static_cast<float>(all);
}

class fp16 {
 public:
  using number = float;
  explicit fp16(const lstm &m, float factor = 1) : H(m.H) {
    std::vector<float> scaled = m.w_hh;
    for (size_t i = 0; i < scaled.size(); i++) {
      scaled[i] *= bki_k_gate_scale(static_cast<int>(i) / (H * H));
    }
    w.take(scaled, factor);
  }
  void begin_step(const std::vector<float> &state) { h.take(state); }
  void sum(float *z, const float *x, int u) const {
    for (int gate = 0; gate < 4; gate++) {
      const float *row = &w.high[static_cast<size_t>((gate * H + u) * H)];
      float sum = 0;
      for (int k = 0; k < H; k += 16) {
        sum = add_slice(sum, &h.high[static_cast<size_t>(k)], row + k);
      }
      z[gate] = sum + x[gate * H + u] * bki_k_gate_scale(gate);
    }
  }
  static float sigma(float half_z) { return std::fma(0.5f, std::tanh(half_z), 0.5f); }
  static float cell(const float *z, float *c) {
    *c = std::fma(sigma(z[1]), *c, sigma(z[0]) * std::tanh(z[2]));
    return sigma(z[3]) * std::tanh(*c);
  }

 protected:
  int H;
  halves w, h;
};

class split : public fp16 {
 public:
  explicit split(const lstm &m)
      : fp16(m, bki_k_split_scale(m.w_hh.data(), static_cast<int64_t>(m.w_hh.size()))),
        back(1.0f / bki_k_split_scale(m.w_hh.data(), static_cast<int64_t>(m.w_hh.size()))) {}
  void sum(float *z, const float *x, int u) const {
    for (int gate = 0; gate < 4; gate++) {
      const size_t row = static_cast<size_t>((gate * H + u) * H);
      float sum = 0, rest = 0;
      for (size_t k = 0; k < static_cast<size_t>(H); k += 16) {
        sum = add_slice(sum, &h.high[k], &w.high[row + k]);
        rest = add_slice(rest, &h.low[k], &w.high[row + k]);
        rest = add_slice(rest, &h.high[k], &w.low[row + k]);
      }
      z[gate] = std::fma(sum + rest, back, x[gate * H + u] * bki_k_gate_scale(gate));
    }
  }
  static float cell(const float *z, float *c) { return fp32::cell(z, c); }

 private:
  float back;
};

// The reference.
class exact {
 public:
  using number = double;
  explicit exact(const lstm &of) : m(of) {}
  void begin_step(const std::vector<double> &state) { h = state; }
  void sum(double *z, const float *x, int u) const {
    for (int gate = 0; gate < 4; gate++) {
      const float *w = &m.w_hh[static_cast<size_t>((gate * m.H + u) * m.H)];
      z[gate] = static_cast<double>(x[gate * m.H + u]);
      for (int k = 0; k < m.H; k++) {
        z[gate] += h[static_cast<size_t>(k)] * static_cast<double>(w[k]);
      }
    }
  }
  static double sigma(double z) { return 1 / (1 + std::exp(-z)); }
  static double cell(const double *z, double *c) {
    *c = sigma(z[1]) * *c + sigma(z[0]) * std::tanh(z[2]);
    return sigma(z[3]) * std::tanh(*c);
  }

 private:
  const lstm &m;
  std::vector<double> h;
};

// h after the words of a text in the order of reading, but for word `without`.
template <typename K>
std::vector<typename K::number> run(K *kind, const lstm &m, const std::vector<int32_t> &text, int without) {
  using T = typename K::number;
  const size_t H = static_cast<size_t>(m.H);
  std::vector<T> h(H, 0), c(H, 0);
  for (int t = 0; t < static_cast<int>(text.size()); t++) {
    if (t == without) {
      continue;
    }
    kind->begin_step(h);
    for (int u = 0; u < m.H; u++) {
      T z[4];
      kind->sum(z, &m.input[static_cast<size_t>(text[static_cast<size_t>(t)]) * 4 * H], u);
      h[static_cast<size_t>(u)] = K::cell(z, &c[static_cast<size_t>(u)]);
    }
  }
  return h;
}

// max_k | h_k - g_k |, in the precision that the kernels take it in.
template <typename T>
T distance(const std::vector<T> &h, const std::vector<T> &g) {
  T largest = 0;
  for (size_t k = 0; k < h.size(); k++) {
    largest = std::max(largest, std::fabs(h[k] - g[k]));
  }
  return largest;
}

}  // namespace model

#endif
