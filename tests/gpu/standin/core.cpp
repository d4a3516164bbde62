// The lock, injected failures, counts of calls and objects.
#include "core.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>

#include "standin.h"

namespace standin {
namespace {

std::recursive_mutex lock;  // recursive: a function may call another

struct failure {
  std::string function;
  int calls_left;
  int status;
};
struct object {
  const char *kind;
  std::shared_ptr<void> held;
};
std::vector<failure> failures;
std::map<std::string, int> calls;
std::map<const void *, object> objects;

}  // namespace

void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::fputs("standin: ", stderr);
  std::vfprintf(stderr, format, arguments);
  std::fputc('\n', stderr);
  va_end(arguments);
  std::abort();
}

int take_injected(const char *function) {
  calls[function]++;
  int status = 0;
  for (size_t i = 0; i < failures.size();) {
    if (failures[i].function == function && --failures[i].calls_left == 0) {
      status = failures[i].status;
      failures.erase(failures.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      i++;
    }
  }
  return status;
}

bool is_sticky(cudaError_t error) {
  switch (error) {
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorUnknown: return true;
    default: return false;
  }
}

// `own_failures`: the function answers without a device too.
call::call(const char *function, bool own_failures) : function_(function) {
  lock.lock();
  injected_ = take_injected(function);
  if (injected_ != 0) {
    failure_ = static_cast<cudaError_t>(injected_);
  } else if (!own_failures) {
    failure_ = no_device() != cudaSuccess ? no_device() : current_device()->sticky;
  }
}

call::~call() {
  lock.unlock();
}

cudaError_t call::finish(cudaError_t error) const {
  if (error != cudaSuccess) {
    last_error() = error;
  }
  if (injected_ != 0 && is_sticky(error) && no_device() == cudaSuccess) {
    current_device()->sticky = error;
  }
  return error;
}

bool call::broken() const {
  return no_device() != cudaSuccess || current_device()->sticky != cudaSuccess;
}

void keep(const char *kind, const std::shared_ptr<void> &held) {
  objects[held.get()] = {kind, held};
}

std::shared_ptr<void> find(const char *kind, const void *handle) {
  const auto at = objects.find(handle);
  if (at == objects.end() || std::string(at->second.kind) != kind) {
    die("%p is no %s", handle, kind);
  }
  return at->second.held;
}

void forget(const char *kind, const void *handle) {
  find(kind, handle);
  objects.erase(handle);
}

}  // namespace standin

using namespace standin;

void standin_reset(int n_devices, size_t memory_bytes) {
  const std::lock_guard<std::recursive_mutex> hold(lock);
  reset_devices(n_devices, memory_bytes);
  objects.clear();
  reset_memory();
  failures.clear();
  calls.clear();
  set_schedule(false);
  take_longest_burst();
  forget_rows();
  refuse_no_products();
}

void standin_set_capability(int device, int major, int minor) {
  const std::lock_guard<std::recursive_mutex> hold(lock);
  devices().at(static_cast<size_t>(device))->major = major;
  devices().at(static_cast<size_t>(device))->minor = minor;
}

void standin_fail(const char *function, int nth, int status) {
  const std::lock_guard<std::recursive_mutex> hold(lock);
  failures.push_back({function, nth, status});
}

int standin_calls(const char *function) {
  const std::lock_guard<std::recursive_mutex> hold(lock);
  return calls[function];
}

void standin_set_schedule(standin_schedule schedule) {
  const std::lock_guard<std::recursive_mutex> hold(lock);
  set_schedule(schedule == STANDIN_EARLY);
}

int standin_leaks(void) {
  const std::lock_guard<std::recursive_mutex> hold(lock);
  std::map<std::string, int> kinds;
  for (const auto &o : objects) {
    kinds[o.second.kind]++;
  }
  for (const auto &k : kinds) {
    std::fprintf(stderr, "standin: %d %s not destroyed\n", k.second, k.first.c_str());
  }
  return static_cast<int>(objects.size()) + memory_leaks();
}

size_t standin_peak_memory(void) {
  const std::lock_guard<std::recursive_mutex> hold(lock);
  return peak_memory();
}

void standin_refuse_products(int compute, standin_refusal how) {
  const std::lock_guard<std::recursive_mutex> hold(lock);
  refuse_products(compute, how == STANDIN_UNUSABLE);
}

size_t standin_longest_burst(void) {
  const std::lock_guard<std::recursive_mutex> hold(lock);
  return take_longest_burst();
}

void standin_rnn_rows(int *least, int *most) {
  const std::lock_guard<std::recursive_mutex> hold(lock);
  *least = seen_rows().least;
  *most = seen_rows().most;
}
