// cudart: devices and errors.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core.h"
#include "standin.h"

namespace standin {
namespace {

constexpr size_t DEFAULT_MEMORY = size_t{1} << 30;

std::vector<std::shared_ptr<device>> machine;  // all devices
std::vector<std::shared_ptr<device>> visible;
bool made = false;    // machine is what standin_reset asked for
bool looked = false;  // visible is what CUDA_VISIBLE_DEVICES says
bool old_driver = false;
unsigned resets = 0;

// What belongs to a host thread, since the last reset.
struct host_thread {
  unsigned resets = 0;
  int device = 0;
  cudaError_t last = cudaSuccess;
};

host_thread &self() {
  thread_local host_thread me;
  if (me.resets != resets) {
    me = {resets, 0, cudaSuccess};
  }
  return me;
}

// As the driver reads it: unset shows all; a list shows the devices up to the first entry that is none.
void look() {
  looked = true;
  const char *list = std::getenv("CUDA_VISIBLE_DEVICES");
  if (list == nullptr) {
    visible = machine;
    return;
  }
  visible.clear();
  for (;;) {
    char *end;
    const long n = std::strtol(list, &end, 10);
    if (end == list || n < 0 || n >= static_cast<long>(machine.size())) {
      return;
    }
    visible.push_back(machine[static_cast<size_t>(n)]);
    if (*end != ',') {
      return;
    }
    list = end + 1;
  }
}

}  // namespace

void reset_devices(int n, size_t memory_bytes) {
  made = true;
  looked = false;
  old_driver = n == STANDIN_OLD_DRIVER;
  resets++;
  for (const auto &d : machine) {
    for (const auto &weak : d->streams) {
      if (const std::shared_ptr<stream> left = weak.lock()) {
        left->pending.clear();  // streams that wait for each other would hold each other
      }
    }
  }
  machine.clear();
  for (int i = 0; i < n; i++) {
    machine.push_back(std::make_shared<device>());
    machine.back()->number = i;
    machine.back()->total = memory_bytes > 0 ? memory_bytes : DEFAULT_MEMORY;
  }
  visible.clear();
}

const std::vector<std::shared_ptr<device>> &devices() {
  if (!made) {
    reset_devices(1, 0);
  }
  if (!looked) {
    look();
  }
  return visible;
}

cudaError_t no_device() {
  const bool none = devices().empty();
  return old_driver ? cudaErrorInsufficientDriver : none ? cudaErrorNoDevice : cudaSuccess;
}

int current_number() {
  return self().device;
}

std::shared_ptr<device> current_device() {
  return devices().at(static_cast<size_t>(self().device));
}

cudaError_t &last_error() {
  return self().last;
}

size_t peak_memory() {
  size_t peak = 0;
  for (const auto &d : machine) {
    peak = std::max(peak, d->peak);
  }
  return peak;
}

}  // namespace standin

using namespace standin;

static bool exists(int number) {
  return number >= 0 && number < static_cast<int>(devices().size());
}

cudaError_t cudaGetDeviceCount(int *count) {
  call c(__func__, true);
  if (c.failure() != cudaSuccess) {
    return c.finish(c.failure());
  }
  *count = no_device() == cudaSuccess ? static_cast<int>(devices().size()) : 0;
  return c.finish(no_device());
}

cudaError_t cudaSetDevice(int number) {
  call c(__func__, true);
  if (c.failure() != cudaSuccess || no_device() != cudaSuccess) {
    return c.finish(c.failure() != cudaSuccess ? c.failure() : no_device());
  }
  if (!exists(number)) {
    return c.finish(cudaErrorInvalidDevice);
  }
  self().device = number;
  return c.finish(current_device()->sticky);
}

cudaError_t cudaGetDevice(int *number) {
  call c(__func__);
  *number = current_number();
  return c.finish(c.failure());
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *out, int number) {
  call c(__func__);
  if (c.failure() != cudaSuccess || !exists(number)) {
    return c.finish(c.failure() != cudaSuccess ? c.failure() : cudaErrorInvalidDevice);
  }
  const device &d = *devices()[static_cast<size_t>(number)];
  std::memset(out, 0, sizeof *out);
  std::snprintf(out->name, sizeof out->name, "stand-in %d", d.number);
  out->totalGlobalMem = d.total;
  out->sharedMemPerBlock = 48 * 1024;
  out->sharedMemPerBlockOptin = 227 * 1024;
  out->sharedMemPerMultiprocessor = 228 * 1024;
  out->regsPerBlock = 65536;
  out->warpSize = 32;
  out->maxThreadsPerBlock = 1024;
  out->maxThreadsPerMultiProcessor = 2048;
  out->multiProcessorCount = 2;
  out->l2CacheSize = 1 << 20;
  out->major = d.major;
  out->minor = d.minor;
  out->pciBusID = d.number + 1;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int number) {
  call c(__func__);
  if (c.failure() != cudaSuccess || !exists(number)) {
    return c.finish(c.failure() != cudaSuccess ? c.failure() : cudaErrorInvalidDevice);
  }
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock: *value = 1024; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = 48 * 1024; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = 227 * 1024; break;
    case cudaDevAttrWarpSize: *value = 32; break;
    case cudaDevAttrClockRate: *value = 1000000; break;  // kHz
    case cudaDevAttrMultiProcessorCount: *value = 2; break;
    case cudaDevAttrMemoryClockRate: *value = 1000000; break;
    case cudaDevAttrGlobalMemoryBusWidth: *value = 64; break;
    case cudaDevAttrL2CacheSize: *value = 1 << 20; break;
    case cudaDevAttrComputeCapabilityMajor: *value = devices()[static_cast<size_t>(number)]->major; break;
    case cudaDevAttrComputeCapabilityMinor: *value = devices()[static_cast<size_t>(number)]->minor; break;
    case cudaDevAttrPciBusId: *value = devices()[static_cast<size_t>(number)]->number + 1; break;
    default: return c.finish(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

// The sticky error stays; another is told once.
cudaError_t cudaGetLastError(void) {
  call c(__func__, true);
  const cudaError_t last = c.failure() != cudaSuccess      ? c.failure()
                           : no_device() != cudaSuccess    ? last_error()
                           : current_device()->sticky != 0 ? current_device()->sticky
                                                           : last_error();
  last_error() = cudaSuccess;
  return last;
}

cudaError_t cudaPeekAtLastError(void) {
  call c(__func__, true);
  return c.failure() != cudaSuccess                                              ? c.failure()
         : no_device() == cudaSuccess && current_device()->sticky != cudaSuccess ? current_device()->sticky
                                                                                 : last_error();
}

#define ERRORS(X)                                                                                \
  X(cudaSuccess, "no error")                                                                     \
  X(cudaErrorInvalidValue, "invalid argument")                                                   \
  X(cudaErrorMemoryAllocation, "out of memory")                                                  \
  X(cudaErrorInvalidConfiguration, "invalid configuration argument")                             \
  X(cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version") \
  X(cudaErrorNoDevice, "no CUDA-capable device is detected")                                     \
  X(cudaErrorInvalidDevice, "invalid device ordinal")                                            \
  X(cudaErrorECCUncorrectable, "uncorrectable ECC error encountered")                            \
  X(cudaErrorInvalidResourceHandle, "invalid resource handle")                                   \
  X(cudaErrorNotReady, "device not ready")                                                       \
  X(cudaErrorIllegalAddress, "an illegal memory access was encountered")                         \
  X(cudaErrorLaunchOutOfResources, "too many resources requested for launch")                    \
  X(cudaErrorLaunchFailure, "unspecified launch failure")                                        \
  X(cudaErrorUnknown, "unknown error")

const char *cudaGetErrorName(cudaError_t error) {
  switch (error) {
#define CASE(name, text) \
  case name: return #name;
    ERRORS(CASE)
#undef CASE
    default: return "unrecognized error code";
  }
}

const char *cudaGetErrorString(cudaError_t error) {
  switch (error) {
#define CASE(name, text) \
  case name: return text;
    ERRORS(CASE)
#undef CASE
    default: return "unrecognized error code";
  }
}

cudaError_t cudaDriverGetVersion(int *version) {
  call c(__func__, true);
  *version = no_device() == cudaErrorInsufficientDriver ? CUDART_VERSION - 1000 : CUDART_VERSION;
  return c.finish(c.failure());
}

cudaError_t cudaRuntimeGetVersion(int *version) {
  call c(__func__, true);
  *version = CUDART_VERSION;
  return c.finish(c.failure());
}
