#include "core/memory.h"

#include <array>
#include <cstring>
#include <mutex>

#include "core/cuda_utils.cuh"

namespace scca::cuda {
namespace {

/// Pinned memory that host data passes through on its way to the device: the caller's memory is free at once, and the
/// copy runs beside the kernels. A slot is written again when its copy has been made.
class Staging {
 public:
  void send(std::byte* to, const std::byte* host, size_t bytes) {
    const std::lock_guard lock(mutex_);
    for (size_t at = 0; at < bytes; at += kSlotBytes) {
      const size_t part = std::min(kSlotBytes, bytes - at);
      Slot& slot = ready_slot();
      std::memcpy(slot.pinned, host + at, part);
      check(cudaMemcpyAsync(to + at, slot.pinned, part, cudaMemcpyHostToDevice, stream()), "copy to the device");
      check(cudaEventRecord(slot.sent, stream()), "copy to the device");
    }
  }

 private:
  struct Slot {
    void* pinned = nullptr;
    cudaEvent_t sent = nullptr;
  };
  static constexpr size_t kSlotBytes = size_t{4} << 20;

  Slot& ready_slot() {
    Slot& slot = slots_[next_++ % slots_.size()];
    if (slot.pinned) {
      check(cudaEventSynchronize(slot.sent), "copy to the device");
    } else {
      check(cudaMallocHost(&slot.pinned, kSlotBytes), "pinned memory");
      check(cudaEventCreateWithFlags(&slot.sent, cudaEventDisableTiming), "pinned memory");
    }
    return slot;
  }

  std::mutex mutex_;
  std::array<Slot, 4> slots_;
  size_t next_ = 0;
};

Staging& staging() {
  static Staging* made = new Staging;  // never destroyed: the driver may be gone before static objects are
  return *made;
}

}  // namespace

/// From the driver's own pool (core/device.cu tells it to keep what is given back): its blocks are cut to size and
/// joined again, and are the next owner's in the order of the stream, without a wait.
void allocate(size_t bytes, std::byte*& block) {
  void* memory = nullptr;
  const cudaError_t result = cudaMallocAsync(&memory, bytes, stream());
  if (result == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    memory = nullptr;
  } else {
    check(result, "memory");
  }
  block = static_cast<std::byte*>(memory);
}

/// No check: this is called from destructors, and once the driver has shut down it refuses.
void release(std::byte* block) { cudaFreeAsync(block, stream()); }

void copy_from_host(std::byte* to, const std::byte* host, size_t bytes) { staging().send(to, host, bytes); }

void copy_to_host(std::byte* host, const std::byte* from, size_t bytes) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(host, from, bytes, cudaMemcpyDeviceToHost, stream()), "copy from the device");
  check(cudaStreamSynchronize(stream()), "copy from the device");
}

void copy_within(std::byte* to, const std::byte* from, size_t bytes) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream()), "copy");
}

void set_bytes(std::byte* to, int value, size_t bytes) {
  if (bytes == 0) return;
  check(cudaMemsetAsync(to, value, bytes, stream()), "fill");
}

}  // namespace scca::cuda
