#pragma once
// Memory by device: what Storage and Tensor are made of. Work on CUDA is queued in one stream, and these
// calls join the queue: a copy or a fill comes after the kernels called before it.
#include <cstddef>

#include "core/dispatch.h"

/// As SCCA_ON_DEVICE, for the calls below, which are no kernels.
#define SCCA_MEMORY(device, call)                          \
  do {                                                     \
    if (!::scca::planning()) SCCA_BY_DEVICE(device, call); \
  } while (false)

namespace scca {

/// allocate: uninitialised memory, aligned to 64 bytes at least; null when there is none.
/// copy_from_host: `host` may change as soon as the call returns, also where the copy is still on its way.
/// copy_to_host: waits for all that was queued before it.
SCCA_KERNELS(void allocate(size_t bytes, std::byte*& block); void release(std::byte* block);
             void copy_from_host(std::byte* to, const std::byte* host, size_t bytes);
             void copy_to_host(std::byte* host, const std::byte* from, size_t bytes);
             void copy_within(std::byte* to, const std::byte* from, size_t bytes);
             void set_bytes(std::byte* to, int value, size_t bytes);)

}  // namespace scca
