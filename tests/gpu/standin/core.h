// What the three libraries of the stand-in share: one lock, injected failures, objects, memory and streams.
#ifndef BKI_TESTS_STANDIN_CORE_H
#define BKI_TESTS_STANDIN_CORE_H

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <cuda_runtime_api.h>

namespace standin {

[[noreturn]] __attribute__((format(printf, 1, 2))) void die(const char *format, ...);

// Begins every function of the libraries: takes the lock, counts the call, looks for an injected failure.
class call {
 public:
  explicit call(const char *function, bool own_failures = false);
  ~call();
  call(const call &) = delete;
  call &operator=(const call &) = delete;

  // The injected status; 0: none.
  int injected() const { return injected_; }
  const char *function() const { return function_; }

  // cudart: what the call has to return at once: an injected failure, or that of a broken or missing device.
  cudaError_t failure() const { return failure_; }
  // cudart: remembers an error for cudaGetLastError and returns it.
  cudaError_t finish(cudaError_t error) const;
  // The other libraries: whether nothing can run: no device, or a broken one.
  bool broken() const;

 private:
  const char *function_;
  int injected_ = 0;
  cudaError_t failure_ = cudaSuccess;
};

// Injected for "launch": counted like a call, under the lock of another.
int take_injected(const char *function);
bool is_sticky(cudaError_t error);

struct stream;

struct device {
  int number = 0;    // of the machine: CUDA_VISIBLE_DEVICES may show it as another
  size_t total = 0;  // bytes of memory
  int major = 9;     // compute capability
  int minor = 0;
  size_t used = 0;
  size_t peak = 0;
  cudaError_t sticky = cudaSuccess;
  std::vector<std::weak_ptr<stream>> streams;
};

// devices.cpp. The visible devices; the current one of this host thread, or the reason that there is none.
const std::vector<std::shared_ptr<device>> &devices();
cudaError_t no_device();  // cudaSuccess where there are some
int current_number();
std::shared_ptr<device> current_device();
cudaError_t &last_error();  // of this host thread
void reset_devices(int n, size_t memory_bytes);
size_t peak_memory();

// Objects with handles. A handle is the object's address.
void keep(const char *kind, const std::shared_ptr<void> &object);
std::shared_ptr<void> find(const char *kind, const void *handle);  // dies if there is none
void forget(const char *kind, const void *handle);

template <typename Handle, typename T>
void create(const char *kind, Handle *out, const std::shared_ptr<T> &object) {
  keep(kind, object);
  *out = reinterpret_cast<Handle>(object.get());
}
template <typename T>
std::shared_ptr<T> get(const char *kind, const void *handle) {
  return std::static_pointer_cast<T>(find(kind, handle));
}

// cublaslt.cpp
void refuse_products(int compute, bool in_state);
void refuse_no_products();

// cudnn_rnn.cpp
struct rnn_rows {
  int least, most;
};
rnn_rows seen_rows();
void forget_rows();

// memory.cpp. Dies unless the bytes lie in one piece of memory of the device, or of pinned host memory.
void require_device(const char *function, const char *what, const void *at, size_t bytes, const device *on);
void require_pinned(const char *function, const void *at, size_t bytes);
int memory_leaks();
void reset_memory();

// streams.cpp
using work = std::function<void()>;
struct item {
  work run;  // or, where there is none, waits for
  std::shared_ptr<stream> awaited;
  size_t position = 0;  // of the awaited: that many items are done
};
struct stream {
  std::shared_ptr<device> on;
  std::deque<item> pending;
  size_t done = 0;  // items that have run
  size_t submitted() const { return done + pending.size(); }
};
std::shared_ptr<stream> get_stream(const char *function, cudaStream_t handle);  // dies for the default stream
void submit(const std::shared_ptr<stream> &to, const work &run);
void drain(device &on);  // runs what is pending there
void set_schedule(bool early);
size_t take_longest_burst();

}  // namespace standin

#endif
