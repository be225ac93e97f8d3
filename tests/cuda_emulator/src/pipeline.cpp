// cp.async. A copy is made at the wait that makes it visible and not before: what reads too early finds the
// old bytes (and in the variant `check` is a fault).
#include <cstring>

#include "internal.h"

namespace cuemu {
namespace {

struct Copy {
  void* to;
  const void* from;
  const void* code;  // that asked for it
  uint16_t bytes, zero_filled;
  int group;  // which commit it belongs to
};
constexpr int kMostPending = 128;  // of one thread
Copy pending[kMaxThreads][kMostPending];

/// Makes the copies of all groups before `group`, in their order.
void make_copies(Thread& thread, int group) {
  Copy* copies = pending[thread.id];
  int made = 0;
  for (; made < thread.copies && copies[made].group < group; ++made) {
    const Copy& copy = copies[made];
    const size_t read = copy.bytes - copy.zero_filled;
    if (read) check::access(copy.from, read, Access::read, copy.code);
    check::copy_arrives(copy.to, copy.bytes);
    std::memcpy(copy.to, copy.from, read);
    std::memset(static_cast<char*>(copy.to) + read, 0, copy.zero_filled);
  }
  thread.copies -= made;
  std::memmove(copies, copies + made, static_cast<size_t>(thread.copies) * sizeof(Copy));
}

}  // namespace

void copy_async(void* shared, const void* global, size_t bytes, size_t zero_filled, Site site) {
  Thread& me = *running;
  const void* code = __builtin_return_address(0);
  if (bytes != 4 && bytes != 8 && bytes != 16)
    fault(me, "cp.async of " + std::to_string(bytes) + " bytes, expected 4, 8 or 16", describe(site));
  if (zero_filled > bytes)
    fault(me, "cp.async fills " + std::to_string(zero_filled) + " bytes of " + std::to_string(bytes),
          describe(site));
  if (reinterpret_cast<uintptr_t>(shared) % bytes || reinterpret_cast<uintptr_t>(global) % bytes)
    fault(me, "cp.async of " + std::to_string(bytes) + " bytes at an address that is not a multiple of it",
          describe(site));
  if (arena.contains(shared) || (!arena.contains(global) && zero_filled < bytes))
    fault(me, "cp.async copies from global to shared memory only", describe(site));
  if (me.copies == kMostPending)
    fault(me, "more than " + std::to_string(kMostPending) + " cp.async copies without a wait",
          describe(site));
  check::copy_issued(shared, bytes, code);
  pending[me.id][me.copies++] = {
      shared, global, code, static_cast<uint16_t>(bytes), static_cast<uint16_t>(zero_filled), me.commits};
}

void commit_copies() { ++running->commits; }

void wait_for_copies(size_t groups_left, Site site) {
  if (skipped(site, "__pipeline_wait_prior")) return;
  make_copies(*running, running->commits - static_cast<int>(groups_left));
}

void finish_copies(Thread& thread) { make_copies(thread, thread.commits + 1); }

}  // namespace cuemu
