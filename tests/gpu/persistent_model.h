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

// z [gate], with bki_k_gate_scale, of unit u: the sum over k of h and W_hh, and the input.
struct fp32 {
  using number = float;
  static void sum(float *z, const lstm &m, const float *x, const std::vector<float> &h, int u) {
    for (int gate = 0; gate < 4; gate++) {
      const float *w = &m.w_hh[static_cast<size_t>((gate * m.H + u) * m.H)];
      float sum = 0;
      for (int k = 0; k < m.H; k++) {
        sum = std::fma(h[static_cast<size_t>(k)], w[k] * bki_k_gate_scale(gate), sum);
      }
      z[gate] = sum + x[gate * m.H + u] * bki_k_gate_scale(gate);
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
};

// 16 products of numbers in half precision, exact, and one rounding: what the host's mma does with a slice of k.
inline float add_slice(float sum, const std::vector<float> &h, const std::vector<float> &w, int first) {
  double all = static_cast<double>(sum);
  for (int k = first; k < first + 16; k++) {
    all += static_cast<double>(h[static_cast<size_t>(k)]) * static_cast<double>(w[static_cast<size_t>(k)]);
  }
  return static_cast<float>(all);
}

// The high halves of numbers, and what these leave, in half precision too.
inline std::vector<float> high(const std::vector<float> &x) {
  std::vector<float> parts;
  for (float v : x) {
    parts.push_back(half(v));
  }
  return parts;
}
inline std::vector<float> low(const std::vector<float> &x) {
  std::vector<float> parts;
  for (float v : x) {
    parts.push_back(half(v - half(v)));
  }
  return parts;
}

// Row of W_hh with a factor.
inline std::vector<float> weights(const lstm &m, int gate, int u, float factor) {
  std::vector<float> w(static_cast<size_t>(m.H));
  for (int k = 0; k < m.H; k++) {
    w[static_cast<size_t>(k)] = m.w_hh[static_cast<size_t>((gate * m.H + u) * m.H + k)] * factor;
  }
  return w;
}

struct fp16 {
  using number = float;
  static void sum(float *z, const lstm &m, const float *x, const std::vector<float> &h, int u) {
    const std::vector<float> rounded = high(h);
    for (int gate = 0; gate < 4; gate++) {
      const std::vector<float> w = high(weights(m, gate, u, bki_k_gate_scale(gate)));
      float sum = 0;
      for (int k = 0; k < m.H; k += 16) {
        sum = add_slice(sum, rounded, w, k);
      }
      z[gate] = sum + x[gate * m.H + u] * bki_k_gate_scale(gate);
    }
  }
  static float sigma(float half_z) { return std::fma(0.5f, std::tanh(half_z), 0.5f); }
  static float cell(const float *z, float *c) {
    *c = std::fma(sigma(z[1]), *c, sigma(z[0]) * std::tanh(z[2]));
    return sigma(z[3]) * std::tanh(*c);
  }
};

struct split {
  using number = float;
  static void sum(float *z, const lstm &m, const float *x, const std::vector<float> &h, int u) {
    const std::vector<float> hi = high(h), lo = low(h);
    const float scale = bki_k_split_scale(m.w_hh.data(), static_cast<int64_t>(m.w_hh.size()));
    for (int gate = 0; gate < 4; gate++) {
      const std::vector<float> w = weights(m, gate, u, bki_k_gate_scale(gate) * scale);
      const std::vector<float> w_hi = high(w), w_lo = low(w);
      float sum = 0, rest = 0;
      for (int k = 0; k < m.H; k += 16) {
        sum = add_slice(sum, hi, w_hi, k);
        rest = add_slice(add_slice(rest, lo, w_hi, k), hi, w_lo, k);
      }
      z[gate] = std::fma(sum + rest, 1.0f / scale, x[gate * m.H + u] * bki_k_gate_scale(gate));
    }
  }
  static float cell(const float *z, float *c) { return fp32::cell(z, c); }
};

// The reference.
struct exact {
  using number = double;
  static void sum(double *z, const lstm &m, const float *x, const std::vector<double> &h, int u) {
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
};

// h after the words of a text in the order of reading, but for word `without`.
template <typename K>
std::vector<typename K::number> run(const lstm &m, const std::vector<int32_t> &text, int without) {
  using T = typename K::number;
  const size_t H = static_cast<size_t>(m.H);
  std::vector<T> h(H, 0), c(H, 0), next(H);
  for (int t = 0; t < static_cast<int>(text.size()); t++) {
    if (t == without) {
      continue;
    }
    for (int u = 0; u < m.H; u++) {
      T z[4];
      K::sum(z, m, &m.input[static_cast<size_t>(text[static_cast<size_t>(t)]) * 4 * H], h, u);
      next[static_cast<size_t>(u)] = K::cell(z, &c[static_cast<size_t>(u)]);
    }
    h = next;
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
