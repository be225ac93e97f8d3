#pragma once
// What a kernel is to do, listed on the host: pieces of tensors, sums of rows.
#include <vector>

#include "core/cuda_utils.cuh"
#include "core/memory.h"

namespace scca::cuda {

/// Puts lists one after the other into device memory that the op has allocated. Queued like any work.
class Upload {
 public:
  explicit Upload(Tensor& memory) : memory_(memory) {}

  template <class T>
  const T* add(const std::vector<T>& list) {
    static_assert(std::is_trivially_copyable_v<T>);
    const size_t at = (used_ + alignof(T) - 1) / alignof(T) * alignof(T), bytes = list.size() * sizeof(T);
    SCCA_CHECK(at + bytes <= memory_.bytes(), "upload: lists of ", at + bytes, " bytes, ", memory_.bytes(),
               " were allocated");
    std::byte* const to = memory_.raw() + at;
    copy_from_host(to, reinterpret_cast<const std::byte*>(list.data()), bytes);
    used_ = at + bytes;
    return reinterpret_cast<const T*>(to);
  }

 private:
  Tensor& memory_;
  size_t used_ = 0;
};

}  // namespace scca::cuda
