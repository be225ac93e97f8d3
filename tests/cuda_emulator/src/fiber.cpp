#include "fiber.h"

#include <sys/mman.h>

#include "internal.h"

#ifndef __x86_64__
#error \
    "the CUDA emulator switches stacks in x86-64 assembly; write cuemu_switch for this processor, or leave it out"
#endif

// The callee-saved registers of the System V ABI. (Kernels do not change the rounding mode, so mxcsr stays.)
asm(R"(
  .text
  .globl cuemu_switch
  .type cuemu_switch, @function
cuemu_switch:
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
  .size cuemu_switch, .-cuemu_switch
)");

namespace cuemu {

Stacks::Stacks() {
  void* mapped = mmap(nullptr, kMaxThreads * kBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) fatal("no address space for the stacks of a block's threads");
  base = static_cast<char*>(mapped);
  for (int thread = 0; thread < kMaxThreads; ++thread)
    mprotect(base + static_cast<size_t>(thread) * kBytes, kGuard, PROT_NONE);
}

bool Stacks::contains(const void* address) const {
  return address >= base && address < base + kMaxThreads * kBytes;
}

}  // namespace cuemu
