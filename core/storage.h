#pragma once
// Owning memory, with counters of what is live and of the highest it has been, and a pool that hands freed
// blocks out again: a training step asks for the same sizes every time, and fresh pages cost more than the
// arithmetic on them.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/dtype.h"

namespace scca {

/// What memory is for. Who owns it says so (Storage::mark); what nobody marks is workspace.
enum class MemoryKind : uint8_t { workspace, weights, adapters, optimizer, gradients, activations };
inline constexpr size_t kMemoryKinds = 6;

class PlannedMemory;  // core/planning.cpp

/// Whose memory is borrowed (a mapped file).
class Lender {
 public:
  virtual ~Lender() = default;
  /// A borrower of these bytes is done with them; others may not be.
  virtual void returned(const std::byte*, size_t) const {}
};

class Storage {
 public:
  /// Uninitialised memory, aligned to 64 bytes. Throws Error (how much was asked, how much is live) when
  /// there is none, or no such device; and from within a kernel: the op allocates what its kernel writes, so
  /// that a plan (core/planning.h) sees it. While this thread plans: a size that is counted, and no memory.
  static std::shared_ptr<Storage> allocate(size_t bytes, Device device);

  /// Memory that belongs to `owner` (a mapped file): not counted, not freed here, and never to be written.
  static std::shared_ptr<Storage> borrow(const void* data, size_t bytes, std::shared_ptr<const Lender> owner);

  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  const std::byte* data() const { return data_; }
  /// The same memory, for one who will write it: counted as a write, whether it happens now, later or never.
  /// Throws Error over borrowed memory.
  std::byte* writable();
  /// How often the memory was handed out for writing: what was read at one version and is needed at another
  /// is stale.
  uint64_t version() const { return version_.load(std::memory_order_relaxed); }

  size_t bytes() const { return bytes_; }
  Device device() const { return device_; }
  bool borrowed() const { return owner_ != nullptr; }
  /// Whether there is no memory behind it.
  bool planned() const { return plan_ != nullptr; }
  /// From now on these bytes count as `kind`, where they are planned; nothing elsewhere.
  void mark(MemoryKind kind);
  MemoryKind kind() const { return kind_; }

 private:
  Storage(std::byte* data, size_t bytes, Device device, std::shared_ptr<const Lender> owner)
      : data_(data), bytes_(bytes), device_(device), owner_(std::move(owner)) {}

  std::byte* data_;
  std::atomic<uint64_t> version_ = 0;  // threads that fill one tensor may each ask for its pointer
  size_t bytes_;
  Device device_;
  MemoryKind kind_ = MemoryKind::workspace;
  std::shared_ptr<const Lender> owner_;
  std::shared_ptr<PlannedMemory> plan_;
};

struct MemoryCounters {
  int64_t live_bytes = 0;  // in tensors now
  int64_t peak_bytes = 0;  // the most there has been since reset_peak()
};

/// While this thread plans, those of its plan.
MemoryCounters memory_counters(Device device = Device::cpu);
void reset_peak(Device device = Device::cpu);

/// What the pool keeps of blocks that were freed, to hand out again. On CUDA the driver keeps them, and 0 is
/// said here.
int64_t pooled_bytes(Device device);

/// What `bytes` asked for add to the counters: on the CPU blocks are rounded up to 64.
size_t counted_bytes(size_t bytes, Device device);

/// Fill every fresh block with NaN (all bits set), so that a kernel that reads what it has not written is
/// seen. Tests only.
void fill_fresh_storage_with_nan(bool on);

}  // namespace scca
