#pragma once
// A neighbour on a shared machine.
#include <atomic>
#include <thread>
#include <vector>

namespace scca {

/// Threads that compute without a pause while this lives, as another program's do. They are not OpenMP's, and
/// may run where the thread may that makes them.
class BusyThreads {
 public:
  explicit BusyThreads(int count);
  ~BusyThreads();
  BusyThreads(const BusyThreads&) = delete;
  BusyThreads& operator=(const BusyThreads&) = delete;

 private:
  std::atomic<bool> stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace scca
