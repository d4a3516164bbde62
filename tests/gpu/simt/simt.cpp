// The scheduler of the SIMT machine. A fiber runs thread after thread; only when one has to wait is another fiber taken
// for the next, so that a kernel without barriers runs as plain calls in one fiber.
#include "simt.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "switch.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#else
static void __sanitizer_start_switch_fiber(void **, const void *, size_t) {}
static void __sanitizer_finish_switch_fiber(void *, const void **, size_t *) {}
#endif

thread_local uint3 threadIdx, blockIdx;
thread_local dim3 blockDim, gridDim;

namespace simt {
namespace {

constexpr size_t STACK_BYTES = 256 * 1024;  // untouched pages cost nothing

enum class state { READY, RUNNING, BARRIER, WARP, POLL, DONE };

struct thread {
  state at = state::READY;
  int line = 0;  // where it waits
  exchange kind = exchange::SYNC;
  unsigned mask = 0;
  int source = 0;
  uint64_t value = 0;  // brought to an exchange, then taken from it
  const std::function<bool()> *ready = nullptr;
};

struct named {
  int arrived = 0;
  unsigned uses = 0;
};

struct fiber {
  context where;
  std::unique_ptr<char[]> stack{new char[STACK_BYTES]};
  void *shadow = nullptr;  // ASan's, while the fiber waits
  int current = -1;        // its thread; -1: none, it may be given one
};

// What a host thread runs. Kernels of different host threads do not meet.
struct machine {
  const launch *work = nullptr;
  std::vector<thread> threads;  // of the block
  std::vector<std::unique_ptr<fiber>> fibers;
  std::vector<char> shared;
  named barriers[16];
  fiber *running = nullptr;
  int started = 0;  // threads of the block that a fiber has taken
  bool descending = false;
  context scheduler;
  void *shadow = nullptr;
  const void *stack = nullptr;  // of the scheduler, as ASan knows it
  size_t stack_bytes = 0;
};
thread_local machine m;

void set_thread_index(int number) {
  const unsigned n = static_cast<unsigned>(number);
  threadIdx = {n % blockDim.x, n / blockDim.x % blockDim.y, n / blockDim.x / blockDim.y};
}

void to_scheduler() {
  fiber *self = m.running;
  __sanitizer_start_switch_fiber(&self->shadow, m.stack, m.stack_bytes);
  switch_context(&self->where, &m.scheduler);
  __sanitizer_finish_switch_fiber(self->shadow, &m.stack, &m.stack_bytes);
}

void fiber_main() {
  __sanitizer_finish_switch_fiber(nullptr, &m.stack, &m.stack_bytes);
  for (;;) {
    const int n = static_cast<int>(m.threads.size());
    while (m.started < n) {
      const int number = m.descending ? n - 1 - m.started : m.started;
      m.started++;
      m.running->current = number;
      m.threads[number].at = state::RUNNING;
      set_thread_index(number);
      m.work->thread();
      m.threads[number].at = state::DONE;
    }
    m.running->current = -1;
    to_scheduler();
  }
}

void resume(fiber &f) {
  m.running = &f;
  if (f.current >= 0) {
    m.threads[f.current].at = state::RUNNING;
    set_thread_index(f.current);
  }
  __sanitizer_start_switch_fiber(&m.shadow, f.stack.get(), STACK_BYTES);
  switch_context(&m.scheduler, &f.where);
  __sanitizer_finish_switch_fiber(m.shadow, nullptr, nullptr);
}

fiber &idle_fiber() {
  for (auto &f : m.fibers) {
    if (f->current < 0) {
      return *f;
    }
  }
  m.fibers.emplace_back(new fiber);
  fiber &f = *m.fibers.back();
  make_context(&f.where, f.stack.get(), STACK_BYTES, fiber_main);
  return f;
}

// Frees the threads at the barrier, when all that live are there.
bool release_barrier() {
  const thread *first = nullptr;
  for (const thread &t : m.threads) {
    if (t.at != state::BARRIER && t.at != state::DONE) {
      return false;
    }
    first = first == nullptr && t.at == state::BARRIER ? &t : first;
  }
  for (thread &t : m.threads) {
    if (t.at == state::BARRIER && t.line != first->line) {
      return false;
    }
  }
  for (thread &t : m.threads) {
    t.at = t.at == state::BARRIER ? state::READY : t.at;
  }
  return first != nullptr;
}

bool meets(const thread &a, const thread &b) {
  return b.at == state::WARP && b.mask == a.mask && b.line == a.line && b.kind == a.kind;
}

void exchange_values(thread *warp, int lanes, unsigned mask) {
  uint64_t brought[warpSize];
  uint64_t ballot = 0;
  for (int i = 0; i < warpSize; i++) {
    const bool there = i < lanes && (mask >> i & 1) != 0 && warp[i].at == state::WARP;
    brought[i] = there ? warp[i].value : ~uint64_t{0};
    ballot |= static_cast<uint64_t>(there && warp[i].value != 0) << i;
  }
  for (int i = 0; i < lanes; i++) {
    if ((mask >> i & 1) != 0 && warp[i].at == state::WARP) {
      warp[i].value = warp[i].kind == exchange::BALLOT ? ballot : brought[warp[i].source];
      warp[i].at = state::READY;
    }
  }
}

// Frees the lanes of a warp that wait with the same mask as lane `first`, when all of the mask that live are there.
bool release_lanes(thread *warp, int lanes, int first) {
  const thread &t = warp[first];
  for (int i = 0; i < lanes; i++) {
    if ((t.mask >> i & 1) != 0 && warp[i].at != state::DONE && !meets(t, warp[i])) {
      return false;
    }
  }
  exchange_values(warp, lanes, t.mask);
  return true;
}

bool release_warps() {
  const int n = static_cast<int>(m.threads.size());
  bool released = false;
  for (int i = 0; i < n; i++) {
    if (m.threads[i].at == state::WARP) {
      const int first = i / warpSize * warpSize;
      released |= release_lanes(&m.threads[first], std::min(warpSize, n - first), i - first);
    }
  }
  return released;
}

bool release_polls() {
  bool released = false;
  for (thread &t : m.threads) {
    if (t.at == state::POLL && (*t.ready)()) {
      t.at = state::READY;
      released = true;
    }
  }
  return released;
}

[[noreturn]] void stuck() {
  std::fprintf(stderr, "simt: %s, block (%u, %u, %u): threads wait for others that do not come:", m.work->name,
               blockIdx.x, blockIdx.y, blockIdx.z);
  int told = 0;
  for (size_t i = 0; i < m.threads.size(); i++) {
    const thread &t = m.threads[i];
    if (t.at != state::DONE && (i == 0 || t.line != m.threads[i - 1].line) && told++ < 8) {
      std::fprintf(stderr, " %zu (line %d, %s)", i, t.line,
                   t.at == state::BARRIER ? "__syncthreads"
                   : t.at == state::WARP  ? "warp"
                                          : "memory or a named barrier");
    }
  }
  std::fprintf(stderr, "\n");
  std::abort();
}

// By hand: between the arrays lie what ASan guards them with.
__attribute__((no_sanitize("address"))) void poison(char *begin, const char *end) {
  for (volatile char *at = begin; at < end; at++) {
    *at = static_cast<char>(0xff);
  }
}

void run_block(const launch &work) {
  poison(work.statics, work.statics_end);
  m.shared.assign(work.shared_bytes, static_cast<char>(0xff));
  m.shared.shrink_to_fit();  // for ASan, what is behind is out of bounds
  const size_t n = static_cast<size_t>(work.block.x) * work.block.y * work.block.z;
  m.threads.assign(n, thread());
  std::fill(std::begin(m.barriers), std::end(m.barriers), named());
  m.started = 0;
  while (m.started < static_cast<int>(n)) {
    resume(idle_fiber());
  }
  while (release_barrier() || release_warps() || release_polls()) {
    for (size_t i = 0; i < m.fibers.size(); i++) {
      fiber &f = *m.fibers[i];
      if (f.current >= 0 && m.threads[f.current].at == state::READY) {
        resume(f);
      }
    }
  }
  for (const thread &t : m.threads) {
    if (t.at != state::DONE) {
      stuck();
    }
  }
  for (const named &b : m.barriers) {
    if (b.arrived != 0) {
      std::fprintf(stderr, "simt: %s: a named barrier is left with %d arrivals\n", work.name, b.arrived);
      std::abort();
    }
  }
  m.descending = !m.descending;
}

uint64_t wait(state at, int line) {
  thread &self = m.threads[m.running->current];
  self.at = at;
  self.line = line;
  to_scheduler();
  return self.value;
}

}  // namespace

void run(const launch &work) {
  m.work = &work;
  m.descending = false;
  gridDim = work.grid;
  blockDim = work.block;
  for (blockIdx.z = 0; blockIdx.z < gridDim.z; blockIdx.z++) {
    for (blockIdx.y = 0; blockIdx.y < gridDim.y; blockIdx.y++) {
      for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++) {
        run_block(work);
      }
    }
  }
}

void *dynamic_shared() {
  return m.shared.data();
}

int lane() {
  return m.running->current % warpSize;
}

void barrier(int line) {
  wait(state::BARRIER, line);
}

void wait_until(const std::function<bool()> &ready, int line) {
  if (!ready()) {
    m.threads[m.running->current].ready = &ready;
    wait(state::POLL, line);
  }
}

void named_barrier(int id, int threads, bool waits, int line) {
  named &b = m.barriers[id];
  const unsigned use = b.uses;
  if (++b.arrived == threads) {
    b.arrived = 0;
    b.uses++;
  }
  if (waits) {
    wait_until([&b, use] { return b.uses != use; }, line);
  }
}

uint64_t meet(exchange kind, unsigned mask, uint64_t value, int source, int line) {
  if ((mask >> lane() & 1) == 0) {
    std::fprintf(stderr, "simt: %s, line %d: lane %d is not in its own mask %08x\n", m.work->name, line, lane(), mask);
    std::abort();
  }
  thread &self = m.threads[m.running->current];
  self.kind = kind;
  self.mask = mask;
  self.value = value;
  self.source = source;
  return wait(state::WARP, line);
}

}  // namespace simt
