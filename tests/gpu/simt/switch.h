// Switching between stacks. swapcontext() asks the kernel for the signal mask each time, which costs more than a thread
// of a kernel does; so x86-64 has a switch of its own.
#ifndef BKI_TESTS_SIMT_SWITCH_H
#define BKI_TESTS_SIMT_SWITCH_H

#include <cstddef>
#include <cstdint>

namespace simt {

#ifdef __x86_64__

using context = void *;  // the stack pointer; what a call preserves lies there

// Pushes what a call preserves, leaves the stack in *from, and does the reverse with `to`.
extern "C" void bki_simt_switch(context *from, context to);
asm(R"(
  .text
  .type bki_simt_switch, @function
bki_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size bki_simt_switch, . - bki_simt_switch
)");

inline void switch_context(context *from, context *to) {
  bki_simt_switch(from, *to);
}

// The first switch to it calls `entry`, which never returns.
inline void make_context(context *out, char *stack, size_t bytes, void (*entry)()) {
  const uintptr_t top = reinterpret_cast<uintptr_t>(stack + bytes) & ~uintptr_t{15};
  uintptr_t *at = reinterpret_cast<uintptr_t *>(top);
  *--at = 0;  // where it would return to
  *--at = reinterpret_cast<uintptr_t>(entry);
  for (int registers = 0; registers < 6; registers++) {
    *--at = 0;
  }
  *out = at;
}

#else
}  // namespace simt
#include <ucontext.h>
namespace simt {

using context = ucontext_t;

inline void switch_context(context *from, context *to) {
  swapcontext(from, to);
}

inline void make_context(context *out, char *stack, size_t bytes, void (*entry)()) {
  getcontext(out);
  out->uc_stack.ss_sp = stack;
  out->uc_stack.ss_size = bytes;
  makecontext(out, entry, 0);
}

#endif

}  // namespace simt

#endif
