// cudart: streams, events and what runs on them.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>

#include "core.h"
#include "simt.h"

namespace standin {
namespace {

bool early = false;
const void *burst_of = nullptr;  // the stream that was given work last
size_t burst = 0;                // how much of it in a row
size_t longest_burst = 0;
std::map<const void *, int> shared_limits;  // of kernels that asked for more than 48 KiB

struct event {
  std::shared_ptr<device> on;
  bool timed = false;
  std::shared_ptr<stream> recorded_on;  // none: never recorded
  size_t position = 0;                  // done items of the stream when it is complete
  std::shared_ptr<std::chrono::steady_clock::time_point> time;
};

// Runs items until `position` of them are done, and of other streams what those wait for. A broken device drops its
// work.
void run_until(stream &s, size_t position) {
  while (s.done < position) {
    const item next = s.pending.front();
    if (s.on->sticky == cudaSuccess && next.awaited) {
      run_until(*next.awaited, next.position);
    } else if (s.on->sticky == cudaSuccess) {
      next.run();
    }
    s.pending.pop_front();
    s.done++;
  }
}

void add(const std::shared_ptr<stream> &to, const item &what) {
  to->pending.push_back(what);
  if (early) {
    run_until(*to, to->submitted());
  }
}

bool complete(const event &e) {
  return !e.recorded_on || e.recorded_on->done >= e.position;
}

std::shared_ptr<event> get_event(cudaEvent_t handle) {
  return get<event>("cudaEvent_t", handle);
}

bool fits_launch(const simt::launch &work) {
  const dim3 &g = work.grid;
  const dim3 &b = work.block;
  const auto limit = shared_limits.find(work.kernel);
  const size_t shared = limit == shared_limits.end() ? 48 * 1024 : static_cast<size_t>(limit->second);
  return g.x >= 1 && g.y >= 1 && g.z >= 1 && g.x <= 0x7fffffffu && g.y <= 65535 && g.z <= 65535 && b.x >= 1 &&
         b.y >= 1 && b.z >= 1 && b.x <= 1024 && b.y <= 1024 && b.z <= 64 && b.x * b.y * b.z <= 1024 &&
         work.shared_bytes <= shared;
}

}  // namespace

std::shared_ptr<stream> get_stream(const char *function, cudaStream_t handle) {
  if (handle == nullptr || handle == cudaStreamLegacy || handle == cudaStreamPerThread) {
    die("%s: work on the default stream", function);
  }
  return get<stream>("cudaStream_t", handle);
}

void submit(const std::shared_ptr<stream> &to, const work &run) {
  burst = to.get() == burst_of ? burst + 1 : 1;
  burst_of = to.get();
  longest_burst = std::max(longest_burst, burst);
  add(to, {run, nullptr, 0});
}

void drain(device &on) {
  for (const auto &weak : on.streams) {
    if (const std::shared_ptr<stream> s = weak.lock()) {
      run_until(*s, s->submitted());
    }
  }
}

size_t take_longest_burst() {
  const size_t longest = longest_burst;
  burst_of = nullptr;
  longest_burst = 0;
  return longest;
}

void set_schedule(bool at_once) {
  early = at_once;
  shared_limits.clear();
}

}  // namespace standin

using namespace standin;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags) {
  call c(__func__);
  if (c.failure() != cudaSuccess) {
    return c.finish(c.failure());
  }
  if (flags != cudaStreamNonBlocking) {
    die("%s: a stream that waits for the default stream", c.function());
  }
  const auto s = std::make_shared<stream>();
  s->on = current_device();
  s->on->streams.push_back(s);
  create("cudaStream_t", out, s);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  call c(__func__);
  const auto s = get_stream(c.function(), handle);
  run_until(*s, s->submitted());
  forget("cudaStream_t", handle);
  return c.finish(c.failure());
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  call c(__func__);
  const auto s = get_stream(c.function(), handle);
  if (c.failure() != cudaSuccess) {
    return c.finish(c.failure());
  }
  run_until(*s, s->submitted());
  return c.finish(s->on->sticky);
}

cudaError_t cudaDeviceSynchronize(void) {
  call c(__func__);
  if (c.failure() != cudaSuccess) {
    return c.finish(c.failure());
  }
  drain(*current_device());
  return c.finish(current_device()->sticky);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event_handle, unsigned) {
  call c(__func__);
  const auto s = get_stream(c.function(), handle);
  const auto e = get_event(event_handle);
  if (c.failure() == cudaSuccess && e->recorded_on) {
    add(s, {nullptr, e->recorded_on, e->position});
  }
  return c.finish(c.failure());
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned flags) {
  call c(__func__);
  if (c.failure() != cudaSuccess) {
    return c.finish(c.failure());
  }
  const auto e = std::make_shared<event>();
  e->on = current_device();
  e->timed = (flags & cudaEventDisableTiming) == 0;
  create("cudaEvent_t", out, e);
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t stream_handle) {
  call c(__func__);
  const auto e = get_event(handle);
  const auto s = get_stream(c.function(), stream_handle);
  if (c.failure() != cudaSuccess || e->on != s->on) {
    return c.finish(c.failure() != cudaSuccess ? c.failure() : cudaErrorInvalidResourceHandle);
  }
  const auto time = std::make_shared<std::chrono::steady_clock::time_point>();
  e->recorded_on = s;
  e->position = s->submitted() + 1;
  e->time = time;
  submit(s, [time] { *time = std::chrono::steady_clock::now(); });
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  call c(__func__);
  const auto e = get_event(handle);
  if (c.failure() != cudaSuccess || !e->recorded_on) {
    return c.finish(c.failure());
  }
  run_until(*e->recorded_on, e->position);
  return c.finish(e->on->sticky);
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t start_handle, cudaEvent_t end_handle) {
  call c(__func__);
  const auto start = get_event(start_handle);
  const auto end = get_event(end_handle);
  if (c.failure() != cudaSuccess) {
    return c.finish(c.failure());
  }
  if (!start->timed || !end->timed || !start->recorded_on || !end->recorded_on) {
    return c.finish(cudaErrorInvalidResourceHandle);
  }
  if (!complete(*start) || !complete(*end)) {
    return c.finish(cudaErrorNotReady);
  }
  *ms = std::chrono::duration<float, std::milli>(*end->time - *start->time).count();
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t handle) {
  call c(__func__);
  const auto e = get_event(handle);
  if (e->recorded_on) {
    run_until(*e->recorded_on, e->position);
  }
  forget("cudaEvent_t", handle);
  return c.finish(c.failure());
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t handle) {
  call c(__func__);
  const auto s = get_stream(c.function(), handle);
  if (c.failure() != cudaSuccess || bytes == 0) {
    return c.finish(c.failure());
  }
  if (kind != cudaMemcpyHostToDevice && kind != cudaMemcpyDeviceToHost && kind != cudaMemcpyDeviceToDevice) {
    die("%s: kind %d", c.function(), static_cast<int>(kind));
  }
  if (kind == cudaMemcpyHostToDevice) {
    require_pinned(c.function(), from, bytes);
  } else {
    require_device(c.function(), "source", from, bytes, s->on.get());
  }
  if (kind == cudaMemcpyDeviceToHost) {
    require_pinned(c.function(), to, bytes);
  } else {
    require_device(c.function(), "destination", to, bytes, s->on.get());
  }
  submit(s, [to, from, bytes] { std::memcpy(to, from, bytes); });
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t handle) {
  call c(__func__);
  const auto s = get_stream(c.function(), handle);
  if (c.failure() != cudaSuccess) {
    return c.finish(c.failure());
  }
  require_device(c.function(), "destination", to, bytes, s->on.get());
  submit(s, [to, value, bytes] { std::memset(to, value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void *kernel, enum cudaFuncAttribute attribute, int value) {
  call c(__func__);
  if (c.failure() == cudaSuccess && attribute == cudaFuncAttributeMaxDynamicSharedMemorySize) {
    if (value < 0 || value > 227 * 1024) {
      return c.finish(cudaErrorInvalidValue);
    }
    shared_limits[kernel] = value;
  }
  return c.finish(c.failure());
}

// A launch returns nothing: its failure is left for cudaGetLastError.
void simt::enqueue(const launch &work, cudaStream_t handle) {
  call c("launch");
  const auto s = get_stream(work.name, handle);
  const cudaError_t failure = c.failure();
  if (c.injected() != 0 && is_sticky(failure)) {
    const auto on = s->on;
    submit(s, [on, failure] { on->sticky = failure; });
  } else if (failure != cudaSuccess) {
    c.finish(failure);
  } else if (s->on != current_device()) {
    c.finish(cudaErrorInvalidResourceHandle);
  } else if (!fits_launch(work)) {
    c.finish(cudaErrorInvalidConfiguration);
  } else {
    submit(s, [work] { run(work); });
  }
}
