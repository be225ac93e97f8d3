#pragma once
// A fiber: a stack of its own, entered and left by a switch of about a nanosecond (swapcontext, which makes a
// system call, takes 2300 ns there and back).
#include <cstddef>
#include <cstdint>

namespace cuemu {

/// Saves the caller's registers on its stack and that stack's top in *from, then goes on from the stack `to`.
extern "C" void cuemu_switch(void** from, void* to);

/// The top of a stack from which cuemu_switch enters `entry`, which must not return.
inline void* fresh_stack(char* end, void (*entry)()) {
  auto* top = reinterpret_cast<uint64_t*>(reinterpret_cast<uintptr_t>(end) & ~uintptr_t{15});
  *--top = 0;  // where `entry` would return to: ends a backtrace, and aligns the stack as a call does
  *--top = reinterpret_cast<uint64_t>(entry);
  for (int saved = 0; saved < 6; ++saved) *--top = 0;
  return top;
}

/// kMaxThreads stacks in one mapping, each behind a page that may not be touched.
struct Stacks {
  static constexpr size_t kBytes = 256 << 10, kGuard = 4 << 10;
  char* base;

  Stacks();
  const char* begin(int thread) const { return base + static_cast<size_t>(thread) * kBytes; }
  char* end(int thread) const {
    // tops at different offsets: at the same one they would all compete for the same lines of the first cache
    return base + (static_cast<size_t>(thread) + 1) * kBytes - static_cast<size_t>(thread) % 29 * 128;
  }
  bool contains(const void* address) const;
};

}  // namespace cuemu
