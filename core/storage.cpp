#include "core/storage.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "core/check.h"

namespace scca {
namespace {

constexpr size_t kAlignment = 64;

/// Freed blocks by size. The pool never makes the process larger than the most that was ever live: before it
/// asks the system for more, it gives back what would go beyond that.
class CpuPool {
 public:
  std::byte* take(size_t bytes) {
    std::lock_guard lock(mutex_);
    std::byte* block = reuse(bytes);
    if (!block) {
      const size_t most = std::max<size_t>(peak_ever_, live_ + bytes);
      while (cached_ > 0 && live_ + cached_ + bytes > most) release_largest();
      block = static_cast<std::byte*>(std::aligned_alloc(kAlignment, bytes));
      if (!block) {
        while (cached_ > 0) release_largest();
        block = static_cast<std::byte*>(std::aligned_alloc(kAlignment, bytes));
      }
      if (!block)
        fail("memory: no room for ", bytes, " bytes on the CPU while ", live_,
             " bytes are in use; use a shorter context, a smaller batch, or --checkpointing on");
    }
    live_ += bytes;
    peak_ = std::max(peak_, live_);
    peak_ever_ = std::max(peak_ever_, live_);
    if (nan_fill_) std::memset(block, 0xff, bytes);
    return block;
  }

  void give(std::byte* block, size_t bytes) {
    std::lock_guard lock(mutex_);
    live_ -= bytes;
#ifdef SCCA_SANITIZED
    std::free(block);  // the address sanitizer must see a use after free
#else
    free_[bytes].push_back(block);
    cached_ += bytes;
#endif
  }

  MemoryCounters counters() {
    std::lock_guard lock(mutex_);
    return {static_cast<int64_t>(live_), static_cast<int64_t>(peak_)};
  }
  void reset_peak() {
    std::lock_guard lock(mutex_);
    peak_ = live_;
  }
  void set_nan_fill(bool on) { nan_fill_ = on; }

 private:
  std::byte* reuse(size_t bytes) {
    const auto found = free_.find(bytes);
    if (found == free_.end()) return nullptr;
    std::byte* block = found->second.back();
    found->second.pop_back();
    if (found->second.empty()) free_.erase(found);
    cached_ -= bytes;
    return block;
  }

  void release_largest() {
    auto largest = std::prev(free_.end());
    std::free(largest->second.back());
    cached_ -= largest->first;
    largest->second.pop_back();
    if (largest->second.empty()) free_.erase(largest);
  }

  std::mutex mutex_;
  std::map<size_t, std::vector<std::byte*>> free_;
  size_t live_ = 0, peak_ = 0, peak_ever_ = 0, cached_ = 0;
  bool nan_fill_ = false;
};

CpuPool& cpu_pool() {
  static CpuPool* pool = new CpuPool;  // never destroyed: static tensors may outlive any static pool
  return *pool;
}

size_t rounded(size_t bytes) {
  return (std::max<size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
}

void need_cpu(Device device) {
  SCCA_CHECK(device == Device::cpu,
             "memory: this build has no CUDA; build with nvcc on the PATH, or use --device cpu");
}

}  // namespace

std::shared_ptr<Storage> Storage::allocate(size_t bytes, Device device) {
  need_cpu(device);
  return std::shared_ptr<Storage>(new Storage(cpu_pool().take(rounded(bytes)), bytes, device, nullptr));
}

std::shared_ptr<Storage> Storage::borrow(const void* data, size_t bytes, std::shared_ptr<const void> owner) {
  auto* bytes_of_owner = const_cast<std::byte*>(static_cast<const std::byte*>(data));
  return std::shared_ptr<Storage>(new Storage(bytes_of_owner, bytes, Device::cpu, std::move(owner)));
}

Storage::~Storage() {
  if (!owner_) cpu_pool().give(data_, rounded(bytes_));
}

MemoryCounters memory_counters(Device device) {
  need_cpu(device);
  return cpu_pool().counters();
}

void reset_peak(Device device) {
  need_cpu(device);
  cpu_pool().reset_peak();
}

void fill_fresh_storage_with_nan(bool on) { cpu_pool().set_nan_fill(on); }

}  // namespace scca
