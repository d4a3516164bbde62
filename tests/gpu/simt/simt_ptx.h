// kernels/ptx.cuh for the host. Special functions are exact to rounding here; asynchronous copies are there at once.
#ifndef BKI_TESTS_SIMT_PTX_H
#define BKI_TESTS_SIMT_PTX_H

#include <array>
#include <vector>

#include "fragments.h"
#include "simt.h"

namespace simt {

// What the lanes of a warp bring to an instruction of all of them: each sees that of the others until it returns.
template <typename T, typename F>
void together(const T &mine, F f, int line) {
  thread_local std::array<const void *, 1024> brought;
  const unsigned first = threadIdx.x / warpSize * warpSize;
  brought[threadIdx.x] = &mine;
  __syncwarp(0xffffffffu, line);
  f([first](int lane) -> const T & { return *static_cast<const T *>(brought[first + static_cast<unsigned>(lane)]); });
  __syncwarp(0xffffffffu, line);
}

// Half-word `half` of a register as a number.
inline float half_of(uint32_t reg, int half) {
  static const std::vector<float> values = [] {
    std::vector<float> all(65536);
    for (unsigned bits = 0; bits < 65536; bits++) {
      __half_raw raw;
      raw.x = static_cast<unsigned short>(bits);
      all[bits] = __half2float(__half(raw));
    }
    return all;
  }();
  return values[reg >> (16 * half) & 0xffff];
}

// The lane and register that hold an element of A or B, by looking at all of them once.
struct holder {
  int lane, reg, half;
};
template <int ROWS, int COLUMNS, int REGISTERS>
std::array<std::array<holder, COLUMNS>, ROWS> find_holders(element (*of)(int, int, int)) {
  std::array<std::array<holder, COLUMNS>, ROWS> found;
  for (int lane = 0; lane < warpSize; lane++) {
    for (int reg = 0; reg < REGISTERS; reg++) {
      for (int half = 0; half < 2; half++) {
        const element e = of(lane, reg, half);
        found[static_cast<size_t>(e.row)][static_cast<size_t>(e.column)] = {lane, reg, half};
      }
    }
  }
  return found;
}

struct fragments {
  uint32_t a[4];
  uint32_t b[2];
};

// Element k of a row of A, or of a column of B, for k = 0 .. 15.
template <typename W>
std::array<float, 16> row_of_a(W warp, int row) {
  static const auto holders = find_holders<16, 16, 4>(fragment_a);
  std::array<float, 16> values;
  for (size_t k = 0; k < 16; k++) {
    const holder &h = holders[static_cast<size_t>(row)][k];
    values[k] = half_of(warp(h.lane).a[h.reg], h.half);
  }
  return values;
}
template <typename W>
std::array<float, 16> column_of_b(W warp, int column) {
  static const auto holders = find_holders<16, 8, 2>(fragment_b);
  std::array<float, 16> values;
  for (size_t k = 0; k < 16; k++) {
    const holder &h = holders[k][static_cast<size_t>(column)];
    values[k] = half_of(warp(h.lane).b[h.reg], h.half);
  }
  return values;
}

// d + sum_k a_k b_k: products are exact, and one rounding ends it. What a tensor core rounds is not documented.
inline float dot(float d, const std::array<float, 16> &a, const std::array<float, 16> &b) {
  double sum = static_cast<double>(d);
  for (size_t k = 0; k < 16; k++) {
    sum += static_cast<double>(a[k]) * static_cast<double>(b[k]);
  }
  return static_cast<float>(sum);
}

}  // namespace simt

inline float bki_ptx_ex2(float x) {
  return std::exp2(x);
}
inline float bki_ptx_rcp(float x) {
  return 1.0f / x;
}
inline float bki_ptx_tanh(float x) {
  return std::tanh(x);
}

inline uint32_t bki_ptx_take(uint32_t *counter) {
  return atomicAdd(counter, 1u);
}

inline void bki_ptx_prefetch(const void *) {}

inline void bki_ptx_copy16(void *shared, const void *global) {
  std::memcpy(shared, global, 16);
}
inline void bki_ptx_copies_end_group() {}
inline void bki_ptx_copies_wait_but_last() {}
inline void bki_ptx_copies_wait() {}

inline uint32_t bki_ptx_pack_halves(float low, float high) {
  const __half_raw bits[2] = {__float2half_rn(low), __float2half_rn(high)};
  return bits[0].x | static_cast<uint32_t>(bits[1].x) << 16;
}
inline float2 bki_ptx_unpack_halves(uint32_t both) {
  return make_float2(simt::half_of(both, 0), simt::half_of(both, 1));
}

inline void bki_ptx_load_matrices(uint32_t (&a)[4], const void *row, int line = __builtin_LINE()) {
  simt::together(
      row,
      [&a](auto warp) {
        for (int matrix = 0; matrix < 4; matrix++) {
          const char *from = static_cast<const char *>(warp(8 * matrix + simt::lane() / 4));
          std::memcpy(&a[matrix], from + simt::lane() % 4 * 4, 4);
        }
      },
      line);
}

inline void bki_ptx_mma(float *d, const uint32_t (&a)[4], uint32_t b0, uint32_t b1, int line = __builtin_LINE()) {
  const simt::fragments mine = {{a[0], a[1], a[2], a[3]}, {b0, b1}};
  simt::together(
      mine,
      [d](auto warp) {
        for (int pair = 0; pair < 2; pair++) {  // of numbers in a row
          const std::array<float, 16> row = simt::row_of_a(warp, simt::fragment_d(simt::lane(), 2 * pair).row);
          for (int i = 2 * pair; i < 2 * pair + 2; i++) {
            d[i] = simt::dot(d[i], row, simt::column_of_b(warp, simt::fragment_d(simt::lane(), i).column));
          }
        }
      },
      line);
}

namespace simt {

// A barrier in shared memory: threads that are yet to come, and bytes that were announced and did not arrive.
struct memory_barrier {
  uint8_t phase;
  uint8_t count;
  uint8_t pending;
  uint8_t unused;
  int32_t bytes;
  void settle() {
    if (pending == 0 && bytes == 0) {
      phase ^= 1;
      pending = count;
    }
  }
};

inline memory_barrier *as_barrier(uint64_t *at) {
  static_assert(sizeof(memory_barrier) == sizeof *at, "a barrier is 8 bytes");
  return reinterpret_cast<memory_barrier *>(at);
}

constexpr uint32_t SHARED_BEGIN = 1024;  // dynamic shared memory's address

}  // namespace simt

inline uint32_t bki_ptx_shared_address(const void *shared) {
  return simt::SHARED_BEGIN +
         static_cast<uint32_t>(static_cast<const char *>(shared) - static_cast<const char *>(simt::dynamic_shared()));
}

inline void bki_ptx_barrier_init(uint64_t *barrier, uint32_t count) {
  const uint8_t threads = static_cast<uint8_t>(count);
  *simt::as_barrier(barrier) = {0, threads, threads, 0, 0};
}
inline void bki_ptx_barrier_init_fence() {}
inline void bki_ptx_barrier_arrive_expect(uint64_t *barrier, uint32_t bytes) {
  simt::memory_barrier *b = simt::as_barrier(barrier);
  b->bytes += static_cast<int32_t>(bytes);
  b->pending--;
  b->settle();
}
inline void bki_ptx_barrier_wait(uint64_t *barrier, uint32_t parity, int line = __builtin_LINE()) {
  simt::wait_until([barrier, parity] { return simt::as_barrier(barrier)->phase != parity; }, line);
}
inline void bki_ptx_bulk_copy(void *shared, const void *global, uint32_t bytes, uint64_t *barrier) {
  std::memcpy(shared, global, bytes);
  simt::as_barrier(barrier)->bytes -= static_cast<int32_t>(bytes);
  simt::as_barrier(barrier)->settle();
}
inline void bki_ptx_fence_async() {}

template <int ID>
void bki_ptx_named_wait(int threads, int line = __builtin_LINE()) {
  simt::named_barrier(ID, threads, true, line);
}
template <int ID>
void bki_ptx_named_arrive(int threads, int line = __builtin_LINE()) {
  simt::named_barrier(ID, threads, false, line);
}

template <int N>
void bki_ptx_wgmma_fence(uint32_t (&)[N]) {}
template <int N>
void bki_ptx_wgmma_wait(float (&)[64], uint32_t (&)[N]) {}
// A warp of the warpgroup by itself: its 16 rows need nothing of the others.
inline void bki_ptx_wgmma(float (&d)[64], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint64_t b, int add,
                          int line = __builtin_LINE()) {
  const simt::fragments mine = {{a0, a1, a2, a3}, {0, 0}};
  const simt::matrix_descriptor matrix = simt::decode_descriptor(b);
  const char *shared = static_cast<const char *>(simt::dynamic_shared()) - simt::SHARED_BEGIN;
  simt::together(
      mine,
      [&](auto warp) {
        for (int i = 0; i < 64; i++) {
          d[i] = add != 0 ? d[i] : 0.0f;
        }
        const std::array<float, 16> rows[2] = {simt::row_of_a(warp, simt::fragment_d(simt::lane(), 0).row),
                                               simt::row_of_a(warp, simt::fragment_d(simt::lane(), 2).row)};
        for (int i = 0; i < 64; i += i % 2 == 0 ? 1 : 3) {  // numbers i and i + 2 are of one column
          std::array<float, 16> column;
          for (int k = 0; k < 16; k++) {
            uint16_t half;
            std::memcpy(&half, shared + simt::descriptor_address(matrix, simt::fragment_d(simt::lane(), i).column, k),
                        2);
            column[static_cast<size_t>(k)] = simt::half_of(half, 0);
          }
          d[i] = simt::dot(d[i], rows[0], column);
          d[i + 2] = simt::dot(d[i + 2], rows[1], column);
        }
      },
      line);
}

#endif
