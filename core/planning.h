#pragma once
// A run without memory: while a Planning lives, the thread's tensors have shapes and no values, storage is
// counted and not allocated, and no kernel is called. What it counts is what a real run would take, since it
// is the real model, backward and optimizer that run: they, and the ops, allocate all that kernels write.
//
// It stands in for any device, also one that is not here, and leaves no trace: dropout's next mask is the
// same with a plan before it or without.
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "core/random.h"
#include "core/region.h"
#include "core/storage.h"

namespace scca {

/// What was live on a device when most was: bytes by kind, and what was going on.
struct PlannedPeak {
  std::array<int64_t, kMemoryKinds> bytes{};
  Where where;
  const char* call = "";  // the next kernel's, for which the last of it was taken

  std::string kernel_name() const;  // "attention_backward"
  int64_t total() const;
  int64_t of(MemoryKind kind) const { return bytes[static_cast<size_t>(kind)]; }
};

class Planning {
 public:
  enum class Count { memory, memory_and_flops };
  /// Begins; only one at a time on a thread. Throws Error for a second.
  explicit Planning(Count what = Count::memory);
  ~Planning();
  Planning(const Planning&) = delete;
  Planning& operator=(const Planning&) = delete;

  /// Since reset_peak(device). Storage outlives the planning that counted it.
  const PlannedPeak& peak(Device device) const;

  /// No two have the same: for what is remembered from one call to the next.
  uint64_t id() const { return id_; }

  /// FLOPs by kernel, of those that say theirs (count_flops), since the beginning; empty where only memory is
  /// counted.
  bool counts_flops() const { return what_ == Count::memory_and_flops; }
  const std::map<std::string, double>& flops() const { return flops_; }

 private:
  friend class Storage;
  friend void count_flops(const char* kernel, double flops);
  friend void plan_kernel(const char* call);
  friend MemoryCounters memory_counters(Device device);
  friend void reset_peak(Device device);

  PlannedMemory& memory(Device device) const { return *memories_[static_cast<size_t>(device)]; }

  const Count what_;
  const uint64_t id_;
  std::array<std::shared_ptr<PlannedMemory>, 2> memories_;  // by device
  std::map<std::string, double> flops_;
  const RandomState random_ = random_state();  // before it
};

/// This thread's, or null.
Planning* planning();
/// Its id, or 0.
uint64_t planning_id();

/// A kernel says how much it computes: an addition and a multiplication are two. For plans and recorders
/// (core/recorder.h); free elsewhere.
void count_flops(const char* kernel, double flops);
/// Whether anybody counts them, for who would have to work for the number.
bool flops_counted();

/// What SCCA_ON_DEVICE does in place of a call, given as text.
void plan_kernel(const char* call);

}  // namespace scca
