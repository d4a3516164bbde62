// A SIMT machine for the host: a kernel file is compiled as C++ and its threads run one at a time, as fibers that
// switch only where threads wait for each other. What is not declared here or in cuda_fp16.h a kernel cannot use.
//
// Found by it: a barrier or warp function that some threads of those that must come do not reach (aborts with a
// message), shared memory that is read before it is written (0xff bytes: NaN in float and in half), and with ASan what
// is out of bounds. Threads run in ascending order in one block and in descending order in the next, so that a missing
// barrier shows. Not found: races within a warp, and what depends on alignment, timing or the number of registers. The
// static __shared__ arrays of template kernels are not reset between blocks: gcc cannot place them in a section.
#ifndef BKI_TESTS_SIMT_H
#define BKI_TESTS_SIMT_H

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>
#include <type_traits>

#define CUDA_NO_HALF  // the name `half` stays free; the type is __half
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>
#include <vector_functions.h>

#undef __shared__
#define __shared__ static __attribute__((section("bki_simt_shared")))
#undef __forceinline__
#define __forceinline__ inline
#undef __grid_constant__
#define __grid_constant__
#undef __launch_bounds__
#define __launch_bounds__(...)

// All __shared__ arrays of the program or library that this is compiled into.
extern "C" __attribute__((weak, visibility("hidden"))) char __start_bki_simt_shared[], __stop_bki_simt_shared[];

extern thread_local uint3 threadIdx, blockIdx;
extern thread_local dim3 blockDim, gridDim;
constexpr int warpSize = 32;

namespace simt {

struct launch {
  const char *name;
  const void *kernel;  // its address, for cudaFuncSetAttribute
  dim3 grid, block;
  size_t shared_bytes;
  std::function<void()> thread;  // one thread of the kernel
  char *statics, *statics_end;   // static shared memory
};

void run(const launch &work);                           // simt.cpp: all of it, now
void enqueue(const launch &work, cudaStream_t stream);  // the stand-in: when the stream comes to it
void *dynamic_shared();                                 // of the running block

// Waits for the threads of the block that have not returned. `line`: all must come to the same.
void barrier(int line);
enum class exchange { SHUFFLE, BALLOT, SYNC };
// Waits for the lanes of `mask` that have not returned. SHUFFLE: the bits that lane `source` brought, all ones if it is
// not there; BALLOT: a bit for each lane that brought a value other than 0.
uint64_t meet(exchange kind, unsigned mask, uint64_t value, int source, int line);
int lane();
// Waits until what other threads do makes `ready` true.
void wait_until(const std::function<bool()> &ready, int line);
// A thread arrives at a named barrier, 1 .. 15, of so many threads, and waits for the others or does not.
void named_barrier(int id, int threads, bool waits, int line);

template <typename... P, typename... A>
void submit(const char *name, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
            A &&...arguments) {
  std::tuple<std::decay_t<P>...> bound(std::forward<A>(arguments)...);
  enqueue({name, reinterpret_cast<const void *>(kernel), grid, block, shared_bytes,
           [kernel, bound] { std::apply(kernel, bound); }, __start_bki_simt_shared, __stop_bki_simt_shared},
          stream);
}

template <typename T>
T shuffle(unsigned mask, T value, int source, int line) {
  static_assert(std::is_trivially_copyable<T>::value && sizeof(T) <= sizeof(uint64_t), "shuffled are plain numbers");
  uint64_t bits = 0;
  std::memcpy(&bits, static_cast<const void *>(&value), sizeof value);
  bits = meet(exchange::SHUFFLE, mask, bits, source, line);
  std::memcpy(static_cast<void *>(&value), &bits, sizeof value);
  return value;
}

// First lane of the lane's group of `width`.
inline int group(int width) {
  return lane() / width * width;
}

template <typename To, typename From>
To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From), "the same bits");
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

template <typename T>
struct same {  // not deduced
  using type = T;
};

}  // namespace simt

#define BKI_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
  simt::submit(#kernel, kernel, (grid), (block), (shared_bytes), (stream), __VA_ARGS__)
#define BKI_DYNAMIC_SHARED(type, name) type *const name = static_cast<type *>(simt::dynamic_shared())

// Where threads meet. The last argument is for the messages only.
inline void __syncthreads(int line = __builtin_LINE()) {
  simt::barrier(line);
}
inline void __syncwarp(unsigned mask = 0xffffffffu, int line = __builtin_LINE()) {
  simt::meet(simt::exchange::SYNC, mask, 0, 0, line);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, int line = __builtin_LINE()) {
  return static_cast<unsigned>(simt::meet(simt::exchange::BALLOT, mask, predicate != 0, 0, line));
}
template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize, int line = __builtin_LINE()) {
  return simt::shuffle(mask, value, simt::group(width) + (source & (width - 1)), line);
}
// Beyond its group a lane gets its own value.
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = warpSize, int line = __builtin_LINE()) {
  const int source = simt::lane() ^ bits;
  return simt::shuffle(mask, value, source < simt::group(width) + width ? source : simt::lane(), line);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize, int line = __builtin_LINE()) {
  const int source = simt::lane() + static_cast<int>(delta);
  return simt::shuffle(mask, value, source < simt::group(width) + width ? source : simt::lane(), line);
}

template <typename T>
T atomicAdd(T *at, typename simt::same<T>::type value) {
  static_assert(std::is_same<T, int>::value || std::is_same<T, unsigned>::value || std::is_same<T, float>::value ||
                    std::is_same<T, double>::value || std::is_same<T, unsigned long long>::value,
                "no atomicAdd of this type on a device");
  const T old = *at;
  *at = old + value;
  return old;
}
template <typename T>
T atomicMax(T *at, typename simt::same<T>::type value) {
  static_assert(std::is_same<T, int>::value || std::is_same<T, unsigned>::value, "atomicMax of int or unsigned");
  const T old = *at;
  *at = old > value ? old : value;
  return old;
}

template <typename T>
T __ldg(const T *at) {
  return *at;
}

inline float __expf(float x) {
  return std::exp(x);
}
inline float rsqrtf(float x) {
  return 1.0f / std::sqrt(x);
}
inline float __fmul_rn(float x, float y) {
  return x * y;
}
inline float __fdividef(float x, float y) {
  return x / y;
}
inline int __float_as_int(float x) {
  return simt::bits_as<int>(x);
}
inline unsigned __float_as_uint(float x) {
  return simt::bits_as<unsigned>(x);
}
inline float __int_as_float(int x) {
  return simt::bits_as<float>(x);
}
inline float __uint_as_float(unsigned x) {
  return simt::bits_as<float>(x);
}
using std::max;
using std::min;

#endif
