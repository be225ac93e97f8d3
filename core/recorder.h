#pragma once
// Which kernels a thread calls, and how long each takes. Nobody says anything for it: kernels are called
// through one macro (core/dispatch.h), and ask their tensors for their memory.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "core/region.h"

namespace scca {

/// One call of a kernel.
struct RecordedCall {
  const char* call = "";      // its text
  Where where = {};           // what it was part of
  double begin = 0, end = 0;  // seconds since the recorder began
  double within = 0;          // of these in kernels that it called itself
  double bytes = 0;           // of tensors that it reads, and twice those of tensors that it writes

  std::string kernel() const;  // "attention_backward"
  double seconds() const { return end - begin - within; }
};

/// Records what its thread calls while it lives; without one a kernel takes the time of a look at a number
/// more. Times are the CPU's: on CUDA a call ends when its work is queued.
///
/// Bytes are those that any kernel has to move at least: each tensor that it looks at once, and what it
/// writes twice, since a cache line is fetched before it is written, be it for its old values or not.
class Recorder {
 public:
  /// Throws Error for a second one on a thread.
  Recorder();
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  /// In the order of their beginnings.
  const std::vector<RecordedCall>& calls() const { return calls_; }
  /// By kernel, of those that say theirs (count_flops in core/planning.h).
  const std::map<std::string, double>& flops() const { return flops_; }
  /// Seconds since it began.
  double now() const;

  static bool any() { return living_.load(std::memory_order_relaxed) > 0; }
  static Recorder* of_this_thread();  // or null

 private:
  friend class KernelScope;
  friend void count_flops(const char* kernel, double flops);
  friend void note_access(const void* memory, size_t bytes, bool written);

  struct Access {
    const void* memory;
    size_t bytes;
    bool written;
  };
  void begin(const char* call);
  void finish();

  inline static std::atomic<int> living_ = 0;  // on all threads
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::vector<RecordedCall> calls_;
  std::vector<size_t> open_;      // calls that have not ended, the innermost last
  std::vector<Access> accesses_;  // of the innermost
  std::map<std::string, double> flops_;
};

/// A tensor's memory is asked for.
void note_access(const void* memory, size_t bytes, bool written);

}  // namespace scca
