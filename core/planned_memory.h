#pragma once
// The counters behind planned storage (core/planning.h): one for each device of a plan.
#include "core/planning.h"

namespace scca {

class PlannedMemory {
 public:
  void take(size_t bytes) {
    at(MemoryKind::workspace) += static_cast<int64_t>(bytes);
    live_ += static_cast<int64_t>(bytes);
    if (live_ <= most_) return;
    most_ = live_;
    peak_ = {now_, where(), nullptr};
  }
  void give(size_t bytes, MemoryKind kind) {
    at(kind) -= static_cast<int64_t>(bytes);
    live_ -= static_cast<int64_t>(bytes);
  }
  void move(size_t bytes, MemoryKind from, MemoryKind to) {
    at(from) -= static_cast<int64_t>(bytes);
    at(to) += static_cast<int64_t>(bytes);
  }
  /// The kernel for which the last of a peak was taken.
  void name_kernel(const char* call) {
    if (!peak_.call) peak_.call = call;
  }
  void reset_peak() {
    most_ = live_;
    peak_ = {now_, where(), nullptr};
  }

  MemoryCounters counters() const { return {live_, most_}; }
  const PlannedPeak& peak() const { return peak_; }

 private:
  int64_t& at(MemoryKind kind) { return now_[static_cast<size_t>(kind)]; }

  std::array<int64_t, kMemoryKinds> now_{};
  int64_t live_ = 0, most_ = 0;
  PlannedPeak peak_;
};

}  // namespace scca
