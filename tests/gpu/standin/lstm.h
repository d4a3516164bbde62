// An LSTM layer as cuDNN defines it, in plain loops and double precision, rounded where the library stores.
//
// Letters: T steps, B rows, I input size, H hidden size, D directions. x [T, B, I], y [T, B, D H], states [D, B, H].
// Gates are i, f, g, o. Direction 1 begins at each row's own last step; its final state is the one at position 0.
#ifndef BKI_TESTS_STANDIN_LSTM_H
#define BKI_TESTS_STANDIN_LSTM_H

#include <memory>
#include <vector>

#include "numbers.h"

namespace standin {

struct lstm {
  size_t T, B, I, H, D;
  std::vector<int> lengths;  // [B], 1..T
  number type;
  bool tf32;

  size_t x_count() const { return T * B * I; }
  size_t y_count() const { return T * B * D * H; }
  size_t state_count() const { return D * B * H; }

  // Places in the space of weights, in numbers. There are gaps.
  size_t matrix_at(size_t direction, size_t id) const;  // id 0..3 [H, I], 4..7 [H, H]
  size_t bias_at(size_t direction, size_t id) const;    // [H]
  size_t weight_count() const;

  size_t workspace_bytes() const;
  size_t reserve_bytes() const;
};

// In all of these NULL states are zeros, or not wanted. Pointers are read and written now.
struct lstm_forward {
  const void *weights, *x, *hx, *cx;
  void *y, *hy, *cy;
  void *reserve;  // NULL: inference
  double fill;    // of y where a row has no step
};
void run(const lstm &l, const lstm_forward &io);

// Needs the reserve of the forward pass and leaves in it what the gradient of the weights needs. dx is NaN where a row
// has no step: cuDNN does not say what it is.
struct lstm_backward_data {
  const void *weights, *dy, *cx, *dhy, *dcy;
  void *dx, *dhx, *dcx, *reserve;
};
void run(const lstm &l, const lstm_backward_data &io);

struct lstm_backward_weights {
  const void *x, *hx, *y, *reserve;
  void *dweights;  // added to
};
void run(const lstm &l, const lstm_backward_weights &io);

}  // namespace standin

#endif
