// cudart: device and pinned memory. Both are host memory between red zones.
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "core.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

namespace standin {
namespace {

constexpr size_t ALIGNMENT = 256;  // cudaMalloc's
constexpr size_t ZONE = 256;
constexpr unsigned char ZONE_BYTE = 0xa5;

struct piece {
  char *at;
  size_t bytes;
  std::shared_ptr<device> on;  // none: pinned
};
std::map<const void *, piece> pieces;

size_t tail(const piece &p) {
  return ZONE + (ALIGNMENT - p.bytes % ALIGNMENT) % ALIGNMENT;
}

void *allocate(size_t bytes, const std::shared_ptr<device> &on) {
  piece p = {nullptr, bytes, on};
  char *base = static_cast<char *>(std::aligned_alloc(ALIGNMENT, ZONE + bytes + tail(p)));
  if (base == nullptr) {
    return nullptr;
  }
  p.at = base + ZONE;
  std::memset(base, ZONE_BYTE, ZONE);
  std::memset(p.at, 0xff, bytes);
  std::memset(p.at + bytes, ZONE_BYTE, tail(p));
  ASAN_POISON_MEMORY_REGION(base, ZONE);
  ASAN_POISON_MEMORY_REGION(p.at + bytes, tail(p));
  pieces[p.at] = p;
  return p.at;
}

void check_zones(const piece &p) {
  ASAN_UNPOISON_MEMORY_REGION(p.at - ZONE, ZONE);
  ASAN_UNPOISON_MEMORY_REGION(p.at + p.bytes, tail(p));
  for (const char *zone : {p.at - ZONE, p.at + p.bytes}) {
    for (size_t i = 0; i < (zone < p.at ? ZONE : tail(p)); i++) {
      if (static_cast<unsigned char>(zone[i]) != ZONE_BYTE) {
        die("%s memory [%zu] at %p was written out of bounds, at byte %td", p.on ? "device" : "pinned", p.bytes,
            static_cast<void *>(p.at), zone + i - p.at);
      }
    }
  }
}

void release(const piece &p) {
  check_zones(p);
  if (p.on) {
    p.on->used -= p.bytes;
  }
  std::free(p.at - ZONE);
}

// The piece that the address lies in, or right behind; NULL: none.
const piece *piece_of(const void *address) {
  auto next = pieces.upper_bound(address);
  if (next == pieces.begin()) {
    return nullptr;
  }
  const piece &p = std::prev(next)->second;
  return static_cast<const char *>(address) <= p.at + p.bytes ? &p : nullptr;
}

bool holds(const piece *p, const void *at, size_t bytes) {
  return p != nullptr && bytes <= static_cast<size_t>(p->at + p->bytes - static_cast<const char *>(at));
}

// cudaFree and cudaFreeHost wait for the device, as CUDA's do.
cudaError_t free_piece(const call &c, void *at, bool pinned) {
  if (at == nullptr) {
    return c.finish(c.failure());
  }
  const auto found = pieces.find(at);
  if (found == pieces.end() || (found->second.on == nullptr) != pinned) {
    die("%s: %p is not the address of %s memory", c.function(), at, pinned ? "pinned" : "device");
  }
  for (const auto &d : devices()) {
    drain(*d);
  }
  release(found->second);
  pieces.erase(found);
  const cudaError_t sticky = current_device()->sticky;
  return c.finish(c.failure() != cudaSuccess ? c.failure() : sticky);
}

}  // namespace

void require_device(const char *function, const char *what, const void *at, size_t bytes, const device *on) {
  const piece *p = bytes == 0 ? nullptr : piece_of(at);
  if (bytes > 0 && (!holds(p, at, bytes) || p->on.get() != on)) {
    die("%s: %s [%zu] at %p is not in memory of device %d", function, what, bytes, at, on->number);
  }
}

void require_pinned(const char *function, const void *at, size_t bytes) {
  const piece *p = bytes == 0 ? nullptr : piece_of(at);
  if (bytes > 0 && (!holds(p, at, bytes) || p->on != nullptr)) {
    die("%s: host memory [%zu] at %p is not pinned", function, bytes, at);
  }
}

int memory_leaks() {
  int n[2] = {0, 0};
  for (const auto &p : pieces) {
    n[p.second.on != nullptr]++;
    check_zones(p.second);
    ASAN_POISON_MEMORY_REGION(p.second.at - ZONE, ZONE);
    ASAN_POISON_MEMORY_REGION(p.second.at + p.second.bytes, tail(p.second));
  }
  for (int device = 0; device < 2; device++) {
    if (n[device] > 0) {
      std::fprintf(stderr, "standin: %d pieces of %s memory not freed\n", n[device], device ? "device" : "pinned");
    }
  }
  return n[0] + n[1];
}

void reset_memory() {
  for (const auto &p : pieces) {
    release(p.second);
  }
  pieces.clear();
}

}  // namespace standin

using namespace standin;

cudaError_t cudaMalloc(void **out, size_t bytes) {
  call c(__func__);
  *out = nullptr;
  if (c.failure() != cudaSuccess || bytes == 0) {
    return c.finish(c.failure());
  }
  const std::shared_ptr<device> d = current_device();
  if (bytes > d->total - d->used || (*out = allocate(bytes, d)) == nullptr) {
    return c.finish(cudaErrorMemoryAllocation);
  }
  d->used += bytes;
  d->peak = d->used > d->peak ? d->used : d->peak;
  return cudaSuccess;
}

cudaError_t cudaFree(void *at) {
  call c(__func__);
  return free_piece(c, at, false);
}

cudaError_t cudaMallocHost(void **out, size_t bytes) {
  call c(__func__);
  *out = nullptr;
  if (c.failure() != cudaSuccess || bytes == 0) {
    return c.finish(c.failure());
  }
  *out = allocate(bytes, nullptr);
  return c.finish(*out == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}

cudaError_t cudaFreeHost(void *at) {
  call c(__func__);
  return free_piece(c, at, true);
}

cudaError_t cudaMemGetInfo(size_t *free, size_t *total) {
  call c(__func__);
  if (c.failure() == cudaSuccess) {
    *total = current_device()->total;
    *free = *total - current_device()->used;
  }
  return c.finish(c.failure());
}
