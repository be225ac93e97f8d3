#include "core/bus_error.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <mutex>

namespace scca {
namespace {

/// Fixed and static: the handler may read it whatever has become of the heap.
struct Slot {
  std::atomic<uintptr_t> begin = 0;  // 0: free
  size_t size = 0;                   // to the end of the last page
  std::array<char, 1000> file = {};
};
std::array<Slot, 1024> slots;
std::mutex slots_mutex;

const Slot* slot_of(uintptr_t address) {
  for (const Slot& slot : slots) {
    const uintptr_t begin = slot.begin.load(std::memory_order_acquire);
    if (begin != 0 && address >= begin && address - begin < slot.size) return &slot;
  }
  return nullptr;
}

char* append(char* at, const char* text) {
  while (*text) *at++ = *text++;
  return at;
}

void on_bus_error(int, siginfo_t* info, void*) {
  static std::atomic_flag begun;
  if (begun.test_and_set())
    for (;;) pause();  // another thread is about to end the process
  const Slot* slot = slot_of(reinterpret_cast<uintptr_t>(info->si_addr));
  if (!slot) {
    signal(SIGBUS, SIG_DFL);  // the instruction faults again, with the usual effect
    return;
  }
  static std::array<char, 1200> line;
  char* end = append(line.data(), "scca: ");
  end = append(end, slot->file.data());
  end = append(end,
               ": was cut short while it was in use, or its disk failed; what was saved before is whole\n");
  [[maybe_unused]] const ssize_t written =
      write(STDERR_FILENO, line.data(), static_cast<size_t>(end - line.data()));
  _exit(1);
}

}  // namespace

void name_files_on_bus_error() {
  struct sigaction action = {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, nullptr);
}

NamedMapping::NamedMapping(const std::byte* data, size_t size, const std::string& file) {
  if (!data) return;
  const std::lock_guard lock(slots_mutex);
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].begin.load() != 0) continue;
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    slots[i].size = (size + page - 1) / page * page;
    // Of a long path the end says more.
    const size_t kept = std::min(file.size(), slots[i].file.size() - 1);
    std::memcpy(slots[i].file.data(), file.data() + file.size() - kept, kept);
    slots[i].file[kept] = 0;
    slots[i].begin.store(reinterpret_cast<uintptr_t>(data), std::memory_order_release);
    slot_ = static_cast<int>(i);
    return;
  }
}

NamedMapping::~NamedMapping() {
  if (slot_ >= 0) slots[static_cast<size_t>(slot_)].begin.store(0);
}

}  // namespace scca
