#include "lstm.h"

#include <cmath>
#include <limits>

#include "core.h"

namespace standin {
namespace {

enum gate { I_GATE, F_GATE, G_GATE, O_GATE };
enum class stage : uint64_t { FORWARD = 0x6c73746d31, BACKWARD = 0x6c73746d32 };

// What begins a reserve space, to find one that is of another call, or used in another order.
struct header {
  stage at;
  uint64_t sizes[5];
  uint64_t unused[2];
};

header header_of(const lstm &l, stage at) {
  return {at, {l.T, l.B, l.I, l.H, l.D}, {0, 0}};
}

void check_reserve(const lstm &l, const void *reserve, stage at) {
  const header expected = header_of(l, at);
  if (std::memcmp(reserve, &expected, sizeof expected) != 0) {
    die("the reserve space is not that of the call before: %s",
        at == stage::FORWARD ? "forward, training" : "backward data");
  }
}

// Of a step in the reserve space: the four gates (later the gradients of their arguments) and the cell, [5, H].
float *kept(const lstm &l, const void *reserve, size_t d, size_t t, size_t b) {
  char *numbers = const_cast<char *>(static_cast<const char *>(reserve)) + sizeof(header);
  return reinterpret_cast<float *>(numbers) + ((d * l.T + t) * l.B + b) * 5 * l.H;
}

double sigma(double z) {
  return 1 / (1 + std::exp(-z));
}

std::vector<double> states(const lstm &l, const void *from) {
  return from == nullptr ? std::vector<double>(l.state_count()) : read(from, l.state_count(), l.type, false);
}

// Products read matrices as TF32; biases are added as they are.
std::vector<double> read_weights(const lstm &l, const void *from) {
  std::vector<double> out = read(from, l.weight_count(), l.type, false);
  for (size_t i = 0; l.tf32 && i < l.bias_at(0, 0); i++) {
    out[i] = tf32(out[i]);
  }
  return out;
}

void store_states(const lstm &l, void *to, const std::vector<double> &from) {
  for (size_t i = 0; to != nullptr && i < from.size(); i++) {
    store(to, i, l.type, from[i]);
  }
}

// Position of step s of a row.
size_t position(size_t d, size_t s, size_t length) {
  return d == 0 ? s : length - 1 - s;
}

double dot(const double *a, const double *b, size_t n) {
  double sum = 0;
  for (size_t k = 0; k < n; k++) {
    sum += a[k] * b[k];
  }
  return sum;
}

// to += a^T scale: a row of a matrix.
void add_row(double *to, const double *a, double scale, size_t n) {
  for (size_t k = 0; k < n; k++) {
    to[k] += a[k] * scale;
  }
}

// The arguments of the gates [4, H].
std::vector<double> arguments(const lstm &l, const std::vector<double> &w, size_t d, const double *x,
                              std::vector<double> h) {
  for (double &u : h) {
    u = l.tf32 ? tf32(u) : u;
  }
  std::vector<double> z(4 * l.H);
  for (size_t g = 0; g < 4; g++) {
    const double *input = &w[l.matrix_at(d, g)], *recurrent = &w[l.matrix_at(d, g + 4)];
    const double *bias[] = {&w[l.bias_at(d, g)], &w[l.bias_at(d, g + 4)]};
    for (size_t u = 0; u < l.H; u++) {
      z[g * l.H + u] = dot(input + u * l.I, x, l.I) + dot(recurrent + u * l.H, h.data(), l.H) + bias[0][u] + bias[1][u];
    }
  }
  return z;
}

// h and c [H] of a row go one step on; z becomes the gates.
void step(const lstm &l, std::vector<double> &z, std::vector<double> &h, std::vector<double> &c) {
  for (size_t u = 0; u < l.H; u++) {
    for (const gate g : {I_GATE, F_GATE, O_GATE}) {
      z[g * l.H + u] = sigma(z[g * l.H + u]);
    }
    z[G_GATE * l.H + u] = std::tanh(z[G_GATE * l.H + u]);
    c[u] = rounded(z[F_GATE * l.H + u] * c[u] + z[I_GATE * l.H + u] * z[G_GATE * l.H + u], number::FLOAT);
    h[u] = rounded(z[O_GATE * l.H + u] * std::tanh(c[u]), l.type);
  }
}

void forward_row(const lstm &l, const lstm_forward &io, const std::vector<double> &w, const std::vector<double> &x,
                 size_t d, size_t b, double *h_state, double *c_state) {
  std::vector<double> h(h_state, h_state + l.H), c(c_state, c_state + l.H);
  const size_t length = static_cast<size_t>(l.lengths[b]);
  for (size_t s = 0; s < length; s++) {
    const size_t t = position(d, s, length);
    std::vector<double> z = arguments(l, w, d, &x[(t * l.B + b) * l.I], h);
    step(l, z, h, c);
    for (size_t u = 0; u < l.H; u++) {
      store(io.y, ((t * l.B + b) * l.D + d) * l.H + u, l.type, h[u]);
    }
    if (io.reserve != nullptr) {
      float *keep = kept(l, io.reserve, d, t, b);
      std::copy(z.begin(), z.end(), keep);
      std::copy(c.begin(), c.end(), keep + 4 * l.H);
    }
  }
  for (size_t t = length; t < l.T; t++) {
    for (size_t u = 0; u < l.H; u++) {
      store(io.y, ((t * l.B + b) * l.D + d) * l.H + u, l.type, io.fill);
    }
  }
  std::copy(h.begin(), h.end(), h_state);
  std::copy(c.begin(), c.end(), c_state);
}

// Gradients of a unit's step. In: keep, the cell before it, dh and dc behind it. Out: dz over the gates, dc before it.
void step_back(const lstm &l, float *keep, double c_before, size_t u, double dh, double *dc) {
  float *gates[4];
  for (size_t g = 0; g < 4; g++) {
    gates[g] = keep + g * l.H + u;
  }
  const double i = *gates[I_GATE], f = *gates[F_GATE], g = *gates[G_GATE], o = *gates[O_GATE];
  const double tanh_c = std::tanh(static_cast<double>(keep[4 * l.H + u]));
  const double d_cell = *dc + dh * o * (1 - tanh_c * tanh_c);
  *gates[I_GATE] = static_cast<float>(d_cell * g * i * (1 - i));
  *gates[F_GATE] = static_cast<float>(d_cell * c_before * f * (1 - f));
  *gates[G_GATE] = static_cast<float>(d_cell * i * (1 - g * g));
  *gates[O_GATE] = static_cast<float>(dh * tanh_c * o * (1 - o));
  *dc = d_cell * f;
}

// dh and dc [H]: of the final state in, of the initial one out. dx is added to.
void backward_row(const lstm &l, const void *reserve, const std::vector<double> &w, const std::vector<double> &dy,
                  const double *cx, size_t d, size_t b, double *dh, double *dc, std::vector<double> &dx) {
  const size_t length = static_cast<size_t>(l.lengths[b]);
  for (size_t s = length; s-- > 0;) {
    const size_t t = position(d, s, length);
    float *keep = kept(l, reserve, d, t, b);
    for (size_t u = 0; u < l.H; u++) {
      const double c_before = s == 0 ? cx[u] : kept(l, reserve, d, position(d, s - 1, length), b)[4 * l.H + u];
      step_back(l, keep, c_before, u, dh[u] + dy[((t * l.B + b) * l.D + d) * l.H + u], &dc[u]);
    }
    std::fill(dh, dh + l.H, 0.0);
    for (size_t g = 0; g < 4; g++) {
      for (size_t u = 0; u < l.H; u++) {
        add_row(dh, &w[l.matrix_at(d, g + 4) + u * l.H], keep[g * l.H + u], l.H);
        add_row(&dx[(t * l.B + b) * l.I], &w[l.matrix_at(d, g) + u * l.I], keep[g * l.H + u], l.I);
      }
    }
  }
}

void weights_of_row(const lstm &l, const lstm_backward_weights &io, const std::vector<double> &x,
                    const std::vector<double> &y, const double *hx, size_t d, size_t b, std::vector<double> &sum) {
  const size_t length = static_cast<size_t>(l.lengths[b]);
  for (size_t s = 0; s < length; s++) {
    const size_t t = position(d, s, length);
    const double *before = s == 0 ? hx : &y[((position(d, s - 1, length) * l.B + b) * l.D + d) * l.H];
    const float *dz = kept(l, io.reserve, d, t, b);
    for (size_t g = 0; g < 4; g++) {
      for (size_t u = 0; u < l.H; u++) {
        const double slope = dz[g * l.H + u];
        add_row(&sum[l.matrix_at(d, g) + u * l.I], &x[(t * l.B + b) * l.I], slope, l.I);
        add_row(&sum[l.matrix_at(d, g + 4) + u * l.H], before, slope, l.H);
        sum[l.bias_at(d, g) + u] += slope;
        sum[l.bias_at(d, g + 4) + u] += slope;
      }
    }
  }
}

constexpr size_t GAP = 64;  // blocks of weights begin at multiples of it

size_t block(size_t n) {
  return (n + GAP) / GAP * GAP;  // at least one number is unused
}

}  // namespace

size_t lstm::matrix_at(size_t direction, size_t id) const {
  const size_t inputs = id < 4 ? id : 4;
  return direction * block(4 * H * (I + H)) + inputs * H * I + (id - inputs) * H * H;
}

size_t lstm::bias_at(size_t direction, size_t id) const {
  return D * block(4 * H * (I + H)) + direction * block(8 * H) + id * H;
}

size_t lstm::weight_count() const {
  return D * (block(4 * H * (I + H)) + block(8 * H));
}

size_t lstm::workspace_bytes() const {
  return 256 + T * B * D * 4 * H * sizeof(float);
}

size_t lstm::reserve_bytes() const {
  return sizeof(header) + T * B * D * 5 * H * sizeof(float);
}

void run(const lstm &l, const lstm_forward &io) {
  const std::vector<double> w = read_weights(l, io.weights);
  const std::vector<double> x = read(io.x, l.x_count(), l.type, l.tf32);
  std::vector<double> h = states(l, io.hx), c = states(l, io.cx);
  for (size_t d = 0; d < l.D; d++) {
    for (size_t b = 0; b < l.B; b++) {
      forward_row(l, io, w, x, d, b, &h[(d * l.B + b) * l.H], &c[(d * l.B + b) * l.H]);
    }
  }
  store_states(l, io.hy, h);
  store_states(l, io.cy, c);
  if (io.reserve != nullptr) {
    const header begin = header_of(l, stage::FORWARD);
    std::memcpy(io.reserve, &begin, sizeof begin);
  }
}

void run(const lstm &l, const lstm_backward_data &io) {
  check_reserve(l, io.reserve, stage::FORWARD);
  const std::vector<double> w = read_weights(l, io.weights);
  const std::vector<double> dy = read(io.dy, l.y_count(), l.type, false);
  const std::vector<double> cx = states(l, io.cx);
  std::vector<double> dh = states(l, io.dhy), dc = states(l, io.dcy), dx(l.x_count());
  for (size_t d = 0; d < l.D; d++) {
    for (size_t b = 0; b < l.B; b++) {
      const size_t at = (d * l.B + b) * l.H;
      backward_row(l, io.reserve, w, dy, &cx[at], d, b, &dh[at], &dc[at], dx);
    }
  }
  for (size_t i = 0; i < dx.size(); i++) {
    const bool step = i / l.I / l.B < static_cast<size_t>(l.lengths[i / l.I % l.B]);
    store(io.dx, i, l.type, step ? dx[i] : std::numeric_limits<double>::quiet_NaN());
  }
  store_states(l, io.dhx, dh);
  store_states(l, io.dcx, dc);
  const header begin = header_of(l, stage::BACKWARD);
  std::memcpy(io.reserve, &begin, sizeof begin);
}

void run(const lstm &l, const lstm_backward_weights &io) {
  check_reserve(l, io.reserve, stage::BACKWARD);
  const std::vector<double> x = read(io.x, l.x_count(), l.type, l.tf32);
  const std::vector<double> y = read(io.y, l.y_count(), l.type, l.tf32);
  const std::vector<double> hx = states(l, io.hx);
  std::vector<double> sum(l.weight_count());
  for (size_t d = 0; d < l.D; d++) {
    for (size_t b = 0; b < l.B; b++) {
      weights_of_row(l, io, x, y, &hx[(d * l.B + b) * l.H], d, b, sum);
    }
  }
  for (size_t i = 0; i < sum.size(); i++) {
    store(io.dweights, i, l.type, load(io.dweights, i, l.type) + sum[i]);
  }
}

}  // namespace standin
