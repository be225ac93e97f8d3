#include "train/bench/busy_threads.h"

namespace scca {

BusyThreads::BusyThreads(int count) {
  for (int i = 0; i < count; ++i) {
    threads_.emplace_back([this] {
      while (!stop_.load(std::memory_order_relaxed)) {
      }
    });
  }
}

BusyThreads::~BusyThreads() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
}

}  // namespace scca
