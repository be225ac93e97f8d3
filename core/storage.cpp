#include "core/storage.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <vector>

#include "core/check.h"
#include "core/device.h"
#include "core/memory.h"
#include "core/planned_memory.h"

namespace scca {
namespace {

constexpr size_t kAlignment = 64;

#ifdef SCCA_SANITIZED
constexpr bool kKeepsFreed = false;  // the address sanitizer must see a use after free
#else
constexpr bool kKeepsFreed = true;
#endif

/// The memory of one device, and on the CPU its freed blocks by size. They never make the process larger than
/// the most that was ever live: before the pool asks the system for more, it gives back what would go beyond
/// that. On CUDA the driver keeps such a pool itself (core/memory.cu).
class Pool {
 public:
  explicit Pool(Device device) : device_(device) {}

  std::byte* take(size_t asked) {
    std::lock_guard lock(mutex_);
    const size_t bytes = counted_bytes(asked, device_);
    std::byte* block = reuse(bytes);
    if (!block) {
      const size_t most = std::max<size_t>(peak_ever_, live_ + bytes);
      while (cached_ > 0 && live_ + cached_ + bytes > most) release_largest();
      block = fresh(bytes);
      if (!block) {
        while (cached_ > 0) release_largest();
        block = fresh(bytes);
      }
      if (!block) out_of_memory(bytes);
    }
    live_ += bytes;
    peak_ = std::max(peak_, live_);
    peak_ever_ = std::max(peak_ever_, live_);
    if (nan_fill_) SCCA_MEMORY(device_, set_bytes(block, 0xff, bytes));
    return block;
  }

  void give(std::byte* block, size_t asked) {
    std::lock_guard lock(mutex_);
    const size_t bytes = counted_bytes(asked, device_);
    live_ -= bytes;
    if (keep_freed_) {
      free_[bytes].push_back(block);
      cached_ += bytes;
    } else {
      SCCA_MEMORY(device_, release(block));
    }
  }

  MemoryCounters counters() {
    std::lock_guard lock(mutex_);
    return {static_cast<int64_t>(live_), static_cast<int64_t>(peak_)};
  }
  void reset_peak() {
    std::lock_guard lock(mutex_);
    peak_ = live_;
  }
  int64_t cached() {
    std::lock_guard lock(mutex_);
    return static_cast<int64_t>(cached_);
  }
  void set_nan_fill(bool on) { nan_fill_ = on; }

 private:
  std::byte* fresh(size_t bytes) {
    std::byte* block = nullptr;
    SCCA_MEMORY(device_, allocate(bytes, block));
    return block;
  }

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
    SCCA_MEMORY(device_, release(largest->second.back()));
    cached_ -= largest->first;
    largest->second.pop_back();
    if (largest->second.empty()) free_.erase(largest);
  }

  [[noreturn]] void out_of_memory(size_t bytes) const {
    const std::string where = device_ == Device::cpu ? std::string("the CPU")
                                                     : concat(cuda_properties().name, " (",
                                                              available_memory(device_), " bytes free)");
    fail("memory: no room for ", bytes, " bytes on ", where, " while ", live_,
         " bytes are in use; use a shorter context, a smaller batch, or ", Setting("checkpointing"), " on");
  }

  const Device device_;
  std::mutex mutex_;
  std::map<size_t, std::vector<std::byte*>> free_;
  size_t live_ = 0, peak_ = 0, peak_ever_ = 0, cached_ = 0;
  bool nan_fill_ = false;
  const bool keep_freed_ = kKeepsFreed && device_ == Device::cpu;
};

Pool& pool_of(Device device) {  // never destroyed: static tensors may outlive any static pool
  static Pool* cpu_pool = new Pool(Device::cpu);
  static Pool* cuda_pool = new Pool(Device::cuda);
  return device == Device::cpu ? *cpu_pool : *cuda_pool;
}

}  // namespace

/// Where nothing is kept a block is as long as was asked for: a checker sees a step past its end.
size_t counted_bytes(size_t asked, Device device) {
  const size_t bytes = std::max<size_t>(asked, 1);
  return kKeepsFreed && device == Device::cpu ? (bytes + kAlignment - 1) / kAlignment * kAlignment : bytes;
}

std::shared_ptr<Storage> Storage::allocate(size_t bytes, Device device) {
  if (const Planning* plan = planning()) {
    std::shared_ptr<Storage> storage(new Storage(nullptr, bytes, device, nullptr));
    storage->plan_ = plan->memories_[static_cast<size_t>(device)];
    storage->plan_->take(counted_bytes(bytes, device));
    return storage;
  }
  SCCA_CHECK(!in_kernel(), "memory: a kernel asks for ", bytes,
             " bytes; its op allocates them and hands them in");
  need_device(device, "memory");
  return std::shared_ptr<Storage>(new Storage(pool_of(device).take(bytes), bytes, device, nullptr));
}

std::shared_ptr<Storage> Storage::borrow(const void* data, size_t bytes,
                                         std::shared_ptr<const Lender> owner) {
  auto* bytes_of_owner = const_cast<std::byte*>(static_cast<const std::byte*>(data));
  return std::shared_ptr<Storage>(new Storage(bytes_of_owner, bytes, Device::cpu, std::move(owner)));
}

std::byte* Storage::writable() {
  SCCA_CHECK(!borrowed(), "memory: ", bytes_,
             " bytes of a mapped file are to be read only; clone() what is to be written");
  version_.fetch_add(1, std::memory_order_relaxed);
  return data_;
}

void Storage::mark(MemoryKind kind) {
  if (!plan_) return;
  plan_->move(counted_bytes(bytes_, device_), kind_, kind);
  kind_ = kind;
}

Storage::~Storage() {
  if (plan_) {
    plan_->give(counted_bytes(bytes_, device_), kind_);
  } else if (owner_) {
    owner_->returned(data_, bytes_);
  } else {
    pool_of(device_).give(data_, bytes_);
  }
}

MemoryCounters memory_counters(Device device) {
  return planning() ? planning()->memory(device).counters() : pool_of(device).counters();
}

void reset_peak(Device device) {
  planning() ? planning()->memory(device).reset_peak() : pool_of(device).reset_peak();
}

int64_t pooled_bytes(Device device) { return pool_of(device).cached(); }

void fill_fresh_storage_with_nan(bool on) {
  for (const Device device : {Device::cpu, Device::cuda}) pool_of(device).set_nan_fill(on);
}

}  // namespace scca
