#pragma once
// What a kernel is to do, listed on the host: pieces of tensors, sums of rows.
#include <cstring>
#include <vector>

#include "core/cuda_utils.cuh"

namespace scca::cuda {

/// A copy of `entries` in device memory, queued like any work. Its memory may go once the kernels that read it are
/// queued.
template <class T>
class Table {
 public:
  explicit Table(const std::vector<T>& entries) {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(int32_t) == 0);
    Tensor host = Tensor::empty({static_cast<int64_t>(entries.size() * (sizeof(T) / sizeof(int32_t)))}, DType::i32);
    if (!entries.empty()) std::memcpy(host.raw(), entries.data(), host.bytes());
    words_ = host.to(Device::cuda);
  }
  const T* data() const { return reinterpret_cast<const T*>(words_.raw()); }

 private:
  Tensor words_;
};

}  // namespace scca::cuda
